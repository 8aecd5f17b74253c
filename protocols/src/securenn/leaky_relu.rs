//! LeakyReLU with slope 0.1 below zero (crypto-oriented nets, Algorithm 1): a (0.1 + 0.9 DReLU(a)).
//!
//! | phase | payload |
//! |---|---|
//! | 1-8 | [`drelu`] |
//! | 9-10 | [`product`] of the factor and a |
//!
//! The factor has f fractional bits (0.9 is encoded as enc(1) - enc(0.1), so that a value above zero
//! is multiplied by exactly 1); the result is truncated by f bits, locally. Domain: that of [`drelu`];
//! the truncation is off by 2^(64 - f) with probability |a| 2^f / 2^64. Who sees what: nothing but the messages of the two.

use fixedpoint::{encoding::FixedPoint, truncation};

use super::{drelu, in_chunks, product, relu};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// The slope below zero.
pub const SLOPE: f64 = 0.1;

/// Messages of `count` values: those of ReLU.
pub fn cost(count: usize) -> Cost {
    relu::cost(count)
}

/// 8 l log p + 24 l bits a value, 10 rounds.
pub fn paper(count: f64) -> Paper {
    relu::paper(count)
}

/// P0 and P1.
///
/// # Errors
/// A transport error.
pub fn evaluate(ctx: &mut Evaluator<'_>, x: &Share, fixed: &FixedPoint) -> Result<Share> {
    let (slope, rest) = factors(fixed);
    let scaled = in_chunks(ctx, x, |ctx, x| {
        let own_slope = slope * (1 - ctx.side().index());
        let mut factor = drelu::evaluate_chunk(&mut ctx.narrow("drelu", 0), x)?;
        factor.iter_mut().for_each(|f| *f = f.wrapping_mul(rest).wrapping_add(own_slope));
        product::evaluate(&mut ctx.narrow("product", drelu::PHASES), x, &factor)
    })?;
    Ok(scaled.truncate(ctx.side(), fixed.fractional_bits()))
}

/// P2.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
    relu::deal(ctx, count)
}

/// a where a >= 0, else floor(a enc(0.1) / 2^f); the protocol adds a truncation coin of 0 or 1 unit.
pub fn ideal(a: &[u64], fixed: &FixedPoint) -> Vec<u64> {
    let (slope, _) = factors(fixed);
    let leak = |a: u64| truncation::floor_shift(a.wrapping_mul(slope), fixed.fractional_bits());
    a.iter().map(|&a| if (a as i64) < 0 { leak(a) } else { a }).collect()
}

/// enc(0.1) and enc(1) - enc(0.1).
fn factors(fixed: &FixedPoint) -> (u64, u64) {
    let slope = fixed.encode(SLOPE).expect("0.1 is in range of every fixed point");
    (slope, fixed.one() - slope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixedpoint::ring;

    use crate::test_world::{TestWorld, share_for_tests, signed_for_tests};

    #[test]
    fn equals_its_ideal_up_to_the_coin_and_its_cost() {
        let fixed = FixedPoint::default();
        let x = signed_for_tests(35, 1 << 24, 20_000);
        let shares = share_for_tests(36, &x);
        let outcome = TestWorld::new(35).layer(
            |ctx| evaluate(ctx, &shares[ctx.side().index() as usize], &fixed),
            |ctx| deal(ctx, x.len()),
        );
        let coins = ring::sub(&outcome.open(), &ideal(&x, &fixed));
        assert!(coins.iter().all(|coin| *coin <= 1));
        outcome.assert_cost(&cost(x.len()));
    }

    #[test]
    fn ideal_is_the_leaky_relu_of_real_numbers() {
        let fixed = FixedPoint::default();
        let x = fixed.encode_slice(&[1.5, -1.0, 0.0, -20.0]).unwrap();
        let y = fixed.decode_slice(&ideal(&x, &fixed));
        for (y, expected) in y.into_iter().zip([1.5, -0.1, 0.0, -2.0]) {
            assert!((y - expected).abs() < 0.002, "{y} for {expected}");
        }
    }
}
