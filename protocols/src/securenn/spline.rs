//! Continuous piecewise-linear functions ([`Spline`]), sigmoids among them: f(a) = start + s_0 a +
//! sum_j d_j max(a - p_j, 0), where d_j is by how much the slope grows at the knot p_j.
//!
//! | phase | payload |
//! |---|---|
//! | 1-10 | [`super::relu`] of a - p_j for all knots side by side |
//!
//! The sum is local, and so is its truncation by the bits of the slopes: off by 2^(64 - bits) with
//! the probability that its magnitude is of 2^64. Domain: a - p_j is in that of ReLU. Who sees
//! what: nothing but the messages of ReLU.

use super::{
    elementwise::Elementwise,
    elementwise::{PRODUCT_BITS, symmetric},
    relu::Relu,
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
    spline::Spline,
};

impl Elementwise for Spline {
    fn name(&self) -> &'static str {
        Spline::name(self)
    }

    /// A ReLU for every knot.
    fn cost(&self, count: usize) -> Cost {
        Relu.cost(self.knots().len() * count)
    }

    /// The published cost of the ReLUs; a line, which has no knot, sends nothing.
    fn paper(&self, count: f64) -> Paper {
        if self.knots().is_empty() {
            return Paper::default();
        }
        Relu.paper(self.knots().len() as f64 * count)
    }

    fn evaluate(&self, ctx: &mut Evaluator<'_>, x: &Share) -> Result<Share> {
        let own = 1 - ctx.side().index();
        let shifted = |knot: &i64| {
            let knot = own.wrapping_mul(knot.cast_unsigned());
            Share::new(x.words().iter().map(|x| x.wrapping_sub(knot)).collect())
        };
        let shifted: Vec<Share> = self.knots().iter().map(shifted).collect();
        let above = Relu.evaluate(ctx, &Share::concat(&shifted))?;
        let base = self.lines()[0];
        let start = own.wrapping_mul(base.offset.cast_unsigned());
        let mut sum = x.clone().scale(base.slope.cast_unsigned());
        sum.words_mut().iter_mut().for_each(|word| *word = word.wrapping_add(start));
        let turns = self.lines().windows(2).map(|pair| pair[1].slope.wrapping_sub(pair[0].slope));
        for (knot, turn) in turns.enumerate() {
            let above = above.slice(knot * x.len()..(knot + 1) * x.len());
            sum = sum.add(&above.scale(turn.cast_unsigned()));
        }
        Ok(sum.truncate(ctx.side(), self.slope_bits()))
    }

    fn deal(&self, ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
        Relu.deal(ctx, self.knots().len() * count)
    }

    fn truncations(&self) -> u32 {
        u32::from(self.slope_bits() > 0)
    }

    fn ideal_with(&self, x: &[u64], truncate: &mut dyn FnMut(u64, u32) -> u64) -> Vec<u64> {
        let values = x.iter().map(|x| self.value(x.cast_signed()).cast_unsigned());
        match self.slope_bits() {
            0 => values.collect(),
            bits => values.map(|value| truncate(value, bits)).collect(),
        }
    }

    /// Values that the steepest slope, or 1 if that is more, leaves below 2^34.
    fn domain(&self) -> (i64, i64) {
        let slopes = self.lines().iter().map(|line| line.slope.unsigned_abs());
        let steepest = slopes.fold(1 << self.slope_bits(), u64::max);
        symmetric(PRODUCT_BITS.saturating_sub(steepest.next_power_of_two().ilog2()))
    }
}
