//! Squares and cubes: one and two products of a value with itself, each truncated.
//!
//! | phase | payload |
//! |---|---|
//! | 1-2 | [`product`] of a and a |
//! | 3-4 | for a cube, [`product`] of the truncated square and a |
//!
//! Every product is truncated by f bits, locally: off by 2^(64 - f) with the probability that its
//! magnitude is of 2^64. Who sees what: nothing but the messages of the products.

use fixedpoint::{encoding::FixedPoint, truncation};

use super::{
    chunks::{deal_in_chunks, in_chunks},
    elementwise::{Elementwise, PRODUCT_BITS, symmetric},
    product,
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// How often a value is a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// a^2.
    Square,
    /// a^3.
    Cube,
}

impl Power {
    fn products(self) -> u16 {
        match self {
            Power::Square => 1,
            Power::Cube => 2,
        }
    }
}

/// The squares or cubes of fixed-point numbers.
#[derive(Clone, Copy, Debug)]
pub struct Powers {
    /// Which of the two.
    pub power: Power,
    /// The encoding of the values.
    pub fixed: FixedPoint,
}

impl Elementwise for Powers {
    fn name(&self) -> &'static str {
        match self.power {
            Power::Square => "square",
            Power::Cube => "cube",
        }
    }

    fn cost(&self, count: usize) -> Cost {
        (0..self.power.products()).fold(Cost::none(), |cost, _| cost.then(product::cost(count)))
    }

    /// The published cost of the products.
    fn paper(&self, count: f64) -> Paper {
        let (product, times) = (product::paper(count), self.power.products());
        Paper { rounds: product.rounds * u64::from(times), bits: product.bits * f64::from(times) }
    }

    fn evaluate(&self, ctx: &mut Evaluator<'_>, x: &Share) -> Result<Share> {
        let (side, bits) = (ctx.side(), self.fixed.fractional_bits());
        in_chunks(ctx, x, |ctx, x| {
            let mut y = x.to_vec();
            for step in 0..self.power.products() {
                let mut ctx = ctx.narrow(&step.to_string(), product::PHASES * step);
                y = product::evaluate(&mut ctx, &y, x)?;
                truncation::truncate_share(side, &mut y, bits);
            }
            Ok(y)
        })
    }

    fn deal(&self, ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
        deal_in_chunks(ctx, count, |ctx, count| {
            (0..self.power.products()).try_for_each(|step| {
                product::deal(&mut ctx.narrow(&step.to_string(), product::PHASES * step), count)
            })
        })
    }

    fn truncations(&self) -> u32 {
        u32::from(self.power.products())
    }

    fn ideal_with(&self, x: &[u64], truncate: &mut dyn FnMut(u64, u32) -> u64) -> Vec<u64> {
        let bits = self.fixed.fractional_bits();
        let mut y = x.to_vec();
        for _ in 0..self.power.products() {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = truncate(y.wrapping_mul(*x), bits));
        }
        y
    }

    fn domain(&self) -> (i64, i64) {
        match self.power {
            Power::Square => symmetric(PRODUCT_BITS / 2),
            // The square of a value of 2^15 is of 2^(30 - f) when it is a factor.
            Power::Cube => symmetric(15),
        }
    }
}
