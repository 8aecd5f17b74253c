//! Polynomials with secret coefficients, a set for each channel, by Horner's rule: y = c_d, then
//! y = y a + c_i for i = d - 1, ..., 0.
//!
//! | phase | payload |
//! |---|---|
//! | 1-2 | [`product`] of c_d and a |
//! | 2 i + 1, 2 i + 2 | [`product`] of the sum so far and a, for each degree more |
//!
//! Coefficients and values have f fractional bits. Every product is truncated by f bits, locally:
//! off by 2^(64 - f) with the probability that its magnitude is of 2^64. Who sees what: nothing but
//! the messages of the products, each of which masks the coefficients of every value anew.

use fixedpoint::{encoding::FixedPoint, truncation};

use super::{
    chunks::deal_in_chunks,
    elementwise::{Elementwise, PRODUCT_BITS, symmetric},
    product,
};
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
    /// The degree; 0 replaces every value by its channel's constant, without a message.
    pub degree: usize,
    /// The channels.
    pub channels: usize,
    /// The values of each.
    pub plane: usize,
}

/// Polynomials of fixed-point numbers, as one party knows them.
pub struct Polynomial {
    /// The degree, and the channels that the coefficients belong to.
    pub shape: PolynomialShape,
    /// A share of the coefficients c_1, ..., c_d of each channel in turn; none at P2.
    pub coefficients: Share,
    /// A share of the constants c_0, one a channel; none at P2.
    pub constants: Share,
    /// The encoding of values and coefficients.
    pub fixed: FixedPoint,
}

impl Polynomial {
    /// A polynomial whose coefficients are unknown: enough for costs, and for P2 to deal.
    pub fn without_coefficients(degree: usize, fixed: FixedPoint) -> Polynomial {
        let shape = PolynomialShape { degree, channels: 0, plane: 0 };
        Polynomial { shape, coefficients: Share::default(), constants: Share::default(), fixed }
    }

    /// This party's shares of c_i, for each of the values from the place `first` on.
    fn expand(&self, i: usize, first: usize, count: usize) -> Vec<u64> {
        let (coefficients, constants) = (self.coefficients.words(), self.constants.words());
        self.shape.expand(i, coefficients, constants, first, count)
    }
}

impl Elementwise for Polynomial {
    fn name(&self) -> &'static str {
        "polynomial"
    }

    fn cost(&self, count: usize) -> Cost {
        (0..self.shape.degree).fold(Cost::none(), |cost, _| cost.then(product::cost(count)))
    }

    /// The published cost of the products.
    fn paper(&self, count: f64) -> Paper {
        let (product, degree) = (product::paper(count), self.shape.degree);
        Paper { rounds: product.rounds * degree as u64, bits: product.bits * degree as f64 }
    }

    fn evaluate(&self, ctx: &mut Evaluator<'_>, x: &Share) -> Result<Share> {
        let PolynomialShape { degree, channels, .. } = self.shape;
        ctx.check_len(self.coefficients.len(), channels * degree)?;
        ctx.check_len(self.constants.len(), channels)?;
        let (side, bits) = (ctx.side(), self.fixed.fractional_bits());
        let chunks = ctx.chunks(x.len());
        let parts = ctx.lanes(chunks.len(), |lane, index| {
            let (first, x) = (chunks[index].start, &x.words()[chunks[index].clone()]);
            let mut y = self.expand(degree, first, x.len());
            for i in (0..degree).rev() {
                let mut ctx = lane.narrow(&i.to_string(), self.shape.phase(i));
                y = product::evaluate(&mut ctx, &y, x)?;
                truncation::truncate_share(side, &mut y, bits);
                fixedpoint::ring::add_assign(&mut y, &self.expand(i, first, x.len()));
            }
            Ok(y)
        })?;
        Ok(Share::new(parts.concat()))
    }

    fn deal(&self, ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
        deal_in_chunks(ctx, count, |ctx, count| {
            let step = |i: usize| {
                product::deal(&mut ctx.narrow(&i.to_string(), self.shape.phase(i)), count)
            };
            (0..self.shape.degree).rev().try_for_each(step)
        })
    }

    fn truncations(&self) -> u32 {
        self.shape.degree as u32
    }

    /// Horner's rule, the words of the shares being the coefficients.
    fn ideal_with(&self, x: &[u64], truncate: &mut dyn FnMut(u64, u32) -> u64) -> Vec<u64> {
        let bits = self.fixed.fractional_bits();
        let mut y = self.expand(self.shape.degree, 0, x.len());
        for i in (0..self.shape.degree).rev() {
            let terms = x.iter().zip(self.expand(i, 0, x.len()));
            for (y, (x, c)) in y.iter_mut().zip(terms) {
                *y = truncate(y.wrapping_mul(*x), bits).wrapping_add(c);
            }
        }
        y
    }

    /// For sums so far that are within it too.
    fn domain(&self) -> (i64, i64) {
        symmetric(PRODUCT_BITS / 2)
    }
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
    use crate::{Error, Role, test_world::TestWorld};

    const FIXED: FixedPoint = FixedPoint::new(13);

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
        let (coefficients, constants) = (Share::new(c), Share::new(c0));
        let polynomial = Polynomial { shape, coefficients, constants, fixed: FIXED };
        let got = FIXED.decode_slice(&polynomial.ideal(&encode(&x)));
        for (got, due) in got.into_iter().zip(x.iter().enumerate().map(real)) {
            assert!((got - due).abs() < 0.002, "{got} for {due}");
        }
    }

    #[test]
    fn coefficients_that_are_missing_are_refused() {
        let shape = PolynomialShape { degree: 2, channels: 3, plane: 1 };
        let share = |count| Share::new(vec![0; count]);
        let (coefficients, constants) = (share(5), share(3));
        let polynomial = Polynomial { shape, coefficients, constants, fixed: FIXED };
        let outcome = TestWorld::new(67).run(|session| match session.role() {
            Role::CryptoProducer => session.deal("layer", |_| Ok(())),
            Role::ModelOwner | Role::DataOwner => {
                session.evaluate("layer", |ctx| polynomial.evaluate(ctx, &share(9))).map(|_| ())
            }
        });
        assert!(matches!(outcome.results[0], Err(Error::Shape { expected: 6, got: 5, .. })));
    }
}
