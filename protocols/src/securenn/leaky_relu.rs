//! LeakyReLU with a public slope s below zero (crypto-oriented nets, Algorithm 1, which has 0.1):
//! a (s + (1 - s) DReLU(a)).
//!
//! | phase | payload |
//! |---|---|
//! | 1-8 | [`drelu`] |
//! | 9-10 | [`product`] of the factor and a |
//!
//! The factor has f fractional bits (1 - s is encoded as enc(1) - enc(s), so that a value above zero
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

/// The published slope.
pub const SLOPE: f64 = 0.1;

/// Messages of `count` values: those of ReLU.
pub fn cost(count: usize) -> Cost {
    relu::cost(count)
}

/// 8 l log p + 24 l bits a value, 10 rounds.
pub fn paper(count: f64) -> Paper {
    relu::paper(count)
}

/// P0 and P1, for a slope from 0 to 1.
///
/// # Errors
/// A transport error.
pub fn evaluate(
    ctx: &mut Evaluator<'_>,
    x: &Share,
    slope: f64,
    fixed: &FixedPoint,
) -> Result<Share> {
    let (slope, rest) = factors(slope, fixed);
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

/// a where a >= 0, else floor(a enc(s) / 2^f); the protocol adds a truncation coin of 0 or 1 unit.
pub fn ideal(a: &[u64], slope: f64, fixed: &FixedPoint) -> Vec<u64> {
    let (slope, _) = factors(slope, fixed);
    let leak = |a: u64| truncation::floor_shift(a.wrapping_mul(slope), fixed.fractional_bits());
    a.iter().map(|&a| if (a as i64) < 0 { leak(a) } else { a }).collect()
}

/// enc(s) and enc(1) - enc(s).
fn factors(slope: f64, fixed: &FixedPoint) -> (u64, u64) {
    assert!((0.0..=1.0).contains(&slope), "a slope of {slope}");
    let slope = fixed.encode(slope).expect("at most 1 is in range of every fixed point");
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
        for slope in [0.0, SLOPE, 0.37, 1.0] {
            let outcome = TestWorld::new(35).layer(
                |ctx| evaluate(ctx, &shares[ctx.side().index() as usize], slope, &fixed),
                |ctx| deal(ctx, x.len()),
            );
            let coins = ring::sub(&outcome.open(), &ideal(&x, slope, &fixed));
            assert!(coins.iter().all(|coin| *coin <= 1));
            outcome.assert_cost(&cost(x.len()));
        }
    }

    #[test]
    fn ideal_is_the_leaky_relu_of_real_numbers() {
        let fixed = FixedPoint::default();
        let x = fixed.encode_slice(&[1.5, -1.0, 0.0, -20.0]).unwrap();
        for slope in [SLOPE, 0.25] {
            let y = fixed.decode_slice(&ideal(&x, slope, &fixed));
            for (y, expected) in y.into_iter().zip([1.5, -slope, 0.0, -20.0 * slope]) {
                assert!((y - expected).abs() < 0.002, "{y} for {expected}");
            }
        }
    }
}
