//! ReLU (SecureNN, Algorithm 7): max(a, 0) = DReLU(a) a.
//!
//! | phase | payload |
//! |---|---|
//! | 1-8 | [`drelu`] |
//! | 9-10 | [`product`] of the bit and a |
//!
//! Domain: that of [`drelu`]. Who sees what: nothing but the messages of the two.

use super::{deal_in_chunks, drelu, in_chunks, product};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// Messages of `count` values.
pub fn cost(count: usize) -> Cost {
    drelu::cost(count).then(product::cost(count))
}

/// 8 l log p + 24 l bits a value, 10 rounds.
pub fn paper(count: f64) -> Paper {
    Paper { rounds: 10, bits: count * (8.0 * super::L * super::LOG_P + 24.0 * super::L) }
}

/// P0 and P1.
///
/// # Errors
/// A transport error.
pub fn evaluate(ctx: &mut Evaluator<'_>, x: &Share) -> Result<Share> {
    in_chunks(ctx, x, |ctx, x| {
        let bit = drelu::evaluate_chunk(&mut ctx.narrow("drelu", 0), x)?;
        product::evaluate(&mut ctx.narrow("product", drelu::PHASES), &bit, x)
    })
}

/// P2.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
    deal_in_chunks(ctx, count, |ctx, count| {
        drelu::deal_chunk(&mut ctx.narrow("drelu", 0), count)?;
        product::deal(&mut ctx.narrow("product", drelu::PHASES), count)
    })
}

/// max(a, 0), signed.
pub fn ideal(a: &[u64]) -> Vec<u64> {
    a.iter().map(|&a| (a as i64).max(0) as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::{TestWorld, share_for_tests, signed_for_tests};

    #[test]
    fn equals_its_ideal_and_its_cost() {
        let x = signed_for_tests(33, 1 << 62, 20_000);
        let shares = share_for_tests(34, &x);
        let outcome = TestWorld::new(33).layer(
            |ctx| evaluate(ctx, &shares[ctx.side().index() as usize]),
            |ctx| deal(ctx, x.len()),
        );
        assert_eq!(outcome.open(), ideal(&x));
        outcome.assert_cost(&cost(x.len()));
    }

    #[test]
    fn agrees_with_the_published_formula_up_to_the_packing() {
        super::super::assert_paper(&cost(640), &paper(640.0), 8.0 * 640.0);
    }
}
