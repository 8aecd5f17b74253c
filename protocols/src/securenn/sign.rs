//! The sign of a value, 1 or -1 in fixed point: 2 [`drelu`](super::drelu) - 1, which is local.
//!
//! Phases, domain and who sees what are those of DReLU.

use super::{drelu::Drelu, elementwise::Elementwise};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// `one` for a >= 0, else `-one`.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    /// The encoding of 1.
    pub one: u64,
}

impl Sign {
    /// 2 b - 1 for bits b, or shares of them: P0, whose `constant` is 1, subtracts the 1.
    fn signs(&self, mut bits: Vec<u64>, constant: u64) -> Vec<u64> {
        let sign = |bit: u64| bit.wrapping_mul(2).wrapping_sub(constant).wrapping_mul(self.one);
        bits.iter_mut().for_each(|bit| *bit = sign(*bit));
        bits
    }
}

impl Elementwise for Sign {
    fn name(&self) -> &'static str {
        "sign"
    }

    fn cost(&self, count: usize) -> Cost {
        Drelu.cost(count)
    }

    fn paper(&self, count: f64) -> Paper {
        Drelu.paper(count)
    }

    fn evaluate(&self, ctx: &mut Evaluator<'_>, x: &Share) -> Result<Share> {
        let constant = 1 - ctx.side().index();
        let bits = Drelu.evaluate(ctx, x)?.into_words();
        Ok(Share::new(self.signs(bits, constant)))
    }

    fn deal(&self, ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
        Drelu.deal(ctx, count)
    }

    fn truncations(&self) -> u32 {
        0
    }

    fn ideal_with(&self, x: &[u64], _: &mut dyn FnMut(u64, u32) -> u64) -> Vec<u64> {
        self.signs(Drelu.ideal(x), 1)
    }

    fn domain(&self) -> (i64, i64) {
        Drelu.domain()
    }
}
