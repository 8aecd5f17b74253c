//! Polynomials of degree 1 and more with secret coefficients, a set for each channel, by Horner's rule: y = c_d, then y =
//! y a + c_i for i = d - 1, ..., 0.
//!
//! | phase | payload |
//! |---|---|
//! | 1-2 | [`product`] of c_d and a |
//! | 2 i + 1, 2 i + 2 | [`product`] of the sum so far and a, for each degree more |
//!
//! Coefficients and values have f fractional bits. Every product is truncated by f bits, locally: off by 2^(64 - f) with
//! the probability that its magnitude is of 2^64. Who sees what: nothing but the messages of the products,
//! each of which masks the coefficients of every value anew.

use fixedpoint::{encoding::FixedPoint, truncation};

use super::{deal_in_chunks, product};
use crate::{
    channels,
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// Polynomials of one degree, of channels of `plane` values, which alternate in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolynomialShape {
    /// The degree, at least 1.
    pub degree: usize,
    /// The channels.
    pub channels: usize,
    /// The values of each.
    pub plane: usize,
}

/// Messages of `count` values.
pub fn cost(degree: usize, count: usize) -> Cost {
    (0..degree).fold(Cost::none(), |cost, _| cost.then(product::cost(count)))
}

/// Those of the products.
pub fn paper(degree: usize, count: f64) -> Paper {
    let product = product::paper(count);
    Paper { rounds: product.rounds * degree as u64, bits: product.bits * degree as f64 }
}

/// P0 and P1, from shares of the coefficients, `degree` a channel and that of a first, of the constants c_0, one a
/// channel, and of the values.
///
/// # Errors
/// A transport error, or too few or too many coefficients.
pub fn evaluate(
    ctx: &mut Evaluator<'_>,
    shape: &PolynomialShape,
    coefficients: &Share,
    constants: &Share,
    x: &Share,
    fixed: &FixedPoint,
) -> Result<Share> {
    ctx.check_len(coefficients.len(), shape.channels * shape.degree)?;
    ctx.check_len(constants.len(), shape.channels)?;
    let (side, bits) = (ctx.side(), fixed.fractional_bits());
    let chunks = ctx.chunks(x.len());
    let parts = ctx.lanes(chunks.len(), |lane, index| {
        let (first, x) = (chunks[index].start, &x.words()[chunks[index].clone()]);
        let of =
            |i: usize| shape.expand(i, coefficients.words(), constants.words(), first, x.len());
        let mut y = of(shape.degree);
        for i in (0..shape.degree).rev() {
            let mut ctx = lane.narrow(&i.to_string(), shape.phase(i));
            y = product::evaluate(&mut ctx, &y, x)?;
            truncation::truncate_share(side, &mut y, bits);
            fixedpoint::ring::add_assign(&mut y, &of(i));
        }
        Ok(y)
    })?;
    Ok(Share::new(parts.concat()))
}

/// P2.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, shape: &PolynomialShape, count: usize) -> Result<()> {
    deal_in_chunks(ctx, count, |ctx, count| {
        let step = |i: usize| product::deal(&mut ctx.narrow(&i.to_string(), shape.phase(i)), count);
        (0..shape.degree).rev().try_for_each(step)
    })
}

/// Horner's rule with the floors of the products; the protocol adds a coin of 0 or 1 unit to each.
pub fn ideal(
    shape: &PolynomialShape,
    coefficients: &[u64],
    constants: &[u64],
    x: &[u64],
    fixed: &FixedPoint,
) -> Vec<u64> {
    let of = |i: usize| shape.expand(i, coefficients, constants, 0, x.len());
    let step = |y: Vec<u64>, i: usize| {
        let terms = y.iter().zip(x).zip(of(i));
        let times =
            |y: u64, x: u64| truncation::floor_shift(y.wrapping_mul(x), fixed.fractional_bits());
        terms.map(|((&y, &x), c)| times(y, x).wrapping_add(c)).collect()
    };
    (0..shape.degree).rev().fold(of(shape.degree), step)
}

impl PolynomialShape {
    /// The phases before the product that c_i is added to.
    fn phase(&self, i: usize) -> u16 {
        product::PHASES * (self.degree - 1 - i) as u16
    }

    /// c_i of each value from the place `first` on.
    fn expand(
        &self,
        i: usize,
        coefficients: &[u64],
        constants: &[u64],
        first: usize,
        count: usize,
    ) -> Vec<u64> {
        let mut expanded = Vec::with_capacity(count);
        for (channel, range) in channels::runs(self.plane, self.channels, first, count) {
            let c = match i {
                0 => constants[channel],
                _ => coefficients[channel * self.degree + i - 1],
            };
            expanded.resize(range.end, c);
        }
        expanded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Error,
        test_world::{TestWorld, share_for_tests, signed_for_tests},
    };

    const FIXED: FixedPoint = FixedPoint::new(13);

    #[test]
    fn equals_its_ideal_up_to_the_coins_and_its_cost() {
        // Magnitudes below 4, of coefficients too.
        let x = signed_for_tests(60, 1 << 15, 5000);
        let xs = share_for_tests(61, &x);
        for degree in 1..=4 {
            for (channels, plane) in [(1, 1), (1, 5000), (3, 1), (7, 13), (64, 49)] {
                let shape = PolynomialShape { degree, channels, plane };
                let c = signed_for_tests(62, 1 << 15, channels * degree);
                let c0 = signed_for_tests(63, 1 << 15, channels);
                let (cs, c0s) = (share_for_tests(64, &c), share_for_tests(65, &c0));
                let outcome = TestWorld::new(66).layer(
                    |ctx| {
                        let side = ctx.side().index() as usize;
                        evaluate(ctx, &shape, &cs[side], &c0s[side], &xs[side], &FIXED)
                    },
                    |ctx| deal(ctx, &shape, x.len()),
                );
                // A coin grows by a factor of 4 with every product after it, and there is one more each.
                let slack = (0..degree).fold(0, |slack, _| 4 * slack + 1);
                let due = ideal(&shape, &c, &c0, &x, &FIXED);
                for (got, due) in outcome.open().into_iter().zip(due) {
                    assert!(got.wrapping_sub(due).cast_signed().unsigned_abs() <= slack);
                }
                outcome.assert_cost(&cost(degree, x.len()));
            }
            let (cost, paper) = (cost(degree, 640), paper(degree, 640.0));
            assert_eq!((cost.rounds(), 8.0 * cost.bytes() as f64), (paper.rounds, paper.bits));
        }
    }

    #[test]
    fn ideal_is_the_polynomial_of_real_numbers() {
        let encode = |values: &[f64]| FIXED.encode_slice(values).unwrap();
        let shape = PolynomialShape { degree: 3, channels: 2, plane: 2 };
        let (c, c0) = (encode(&[1.0, 0.5, -0.25, 0.0, 2.0, 1.0]), encode(&[3.0, -1.0]));
        let x = [0.0, -2.0, 1.5, 0.5, 1.0, 2.0];
        let real = |(place, x): (usize, &f64)| match place / 2 % 2 {
            0 => 3.0 + x + 0.5 * x * x - 0.25 * x * x * x,
            _ => -1.0 + 2.0 * x * x + x * x * x,
        };
        let got = FIXED.decode_slice(&ideal(&shape, &c, &c0, &encode(&x), &FIXED));
        for (got, due) in got.into_iter().zip(x.iter().enumerate().map(real)) {
            assert!((got - due).abs() < 0.002, "{got} for {due}");
        }
    }

    #[test]
    fn coefficients_that_are_missing_are_refused() {
        let shape = PolynomialShape { degree: 2, channels: 3, plane: 1 };
        let share = |count| Share::new(vec![0; count]);
        let outcome = TestWorld::new(67).run(|session| match session.role() {
            crate::Role::CryptoProducer => session.deal("layer", |_| Ok(())),
            _ => session
                .evaluate("layer", |ctx| {
                    evaluate(ctx, &shape, &share(5), &share(3), &share(9), &FIXED)
                })
                .map(|_| ()),
        });
        assert!(matches!(outcome.results[0], Err(Error::Shape { expected: 6, got: 5, .. })));
    }
}
