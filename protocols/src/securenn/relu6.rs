//! ReLU6 (crypto-oriented nets, Algorithm 2): min(max(a, 0), 6).
//!
//! | phase | payload |
//! |---|---|
//! | 1-8 | [`drelu`] of a - 6 |
//! | 9-10 | [`product`] of that bit and 6 - a: c |
//! | 11-18 | [`drelu`] of a |
//! | 19-20 | [`product`] of that bit and a + c |
//!
//! Domain: -2^62 + enc(6) <= a < 2^62. Who sees what: nothing but the messages of the four.

use fixedpoint::encoding::FixedPoint;

use super::{deal_in_chunks, drelu, in_chunks, product, relu};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

const HALF: u16 = drelu::PHASES + 2;

/// Messages of `count` values: two ReLUs one after the other.
pub fn cost(count: usize) -> Cost {
    relu::cost(count).then(relu::cost(count))
}

/// 16 l log p + 48 l bits a value, 20 rounds.
pub fn paper(count: f64) -> Paper {
    Paper { rounds: 20, bits: 2.0 * relu::paper(count).bits }
}

/// P0 and P1.
///
/// # Errors
/// A transport error.
pub fn evaluate(ctx: &mut Evaluator<'_>, x: &Share, fixed: &FixedPoint) -> Result<Share> {
    let six = six(fixed);
    in_chunks(ctx, x, |ctx, x| {
        let own_six = six * (1 - ctx.side().index());
        let above: Vec<u64> = x.iter().map(|x| x.wrapping_sub(own_six)).collect();
        let below: Vec<u64> = x.iter().map(|x| own_six.wrapping_sub(*x)).collect();
        let bit = drelu::evaluate_chunk(&mut ctx.narrow("drelu_six", 0), &above)?;
        let mut cut =
            product::evaluate(&mut ctx.narrow("product_six", drelu::PHASES), &bit, &below)?;
        fixedpoint::ring::add_assign(&mut cut, x);
        let bit = drelu::evaluate_chunk(&mut ctx.narrow("drelu", HALF), x)?;
        product::evaluate(&mut ctx.narrow("product", HALF + drelu::PHASES), &bit, &cut)
    })
}

/// P2.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
    deal_in_chunks(ctx, count, |ctx, count| {
        drelu::deal_chunk(&mut ctx.narrow("drelu_six", 0), count)?;
        product::deal(&mut ctx.narrow("product_six", drelu::PHASES), count)?;
        drelu::deal_chunk(&mut ctx.narrow("drelu", HALF), count)?;
        product::deal(&mut ctx.narrow("product", HALF + drelu::PHASES), count)
    })
}

/// min(max(a, 0), enc(6)), signed.
pub fn ideal(a: &[u64], fixed: &FixedPoint) -> Vec<u64> {
    a.iter().map(|&a| (a as i64).clamp(0, six(fixed) as i64) as u64).collect()
}

fn six(fixed: &FixedPoint) -> u64 {
    6 * fixed.one()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::{TestWorld, share_for_tests, signed_for_tests};

    #[test]
    fn equals_its_ideal_and_its_cost() {
        let fixed = FixedPoint::default();
        let six = 6 * fixed.one();
        let mut x = signed_for_tests(37, 10 * fixed.one(), 20_000);
        x.extend([six, six - 1, six + 1, (1 << 62) - 1, six.wrapping_sub(1 << 62)]);
        let shares = share_for_tests(38, &x);
        let outcome = TestWorld::new(37).layer(
            |ctx| evaluate(ctx, &shares[ctx.side().index() as usize], &fixed),
            |ctx| deal(ctx, x.len()),
        );
        assert_eq!(outcome.open(), ideal(&x, &fixed));
        outcome.assert_cost(&cost(x.len()));
        assert_eq!(cost(x.len()).critical_path(), 18);
    }

    #[test]
    fn agrees_with_the_published_formula_up_to_the_packing() {
        super::super::assert_paper(&cost(640), &paper(640.0), 16.0 * 640.0);
    }
}
