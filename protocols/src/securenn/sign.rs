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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::{TestWorld, share_for_tests, signed_for_tests};

    #[test]
    fn equals_its_ideal_and_its_cost() {
        let (x, sign) = (signed_for_tests(39, 1 << 62, 3000), Sign { one: 1 << 13 });
        let shares = share_for_tests(40, &x);
        let outcome = TestWorld::new(39).layer(
            |ctx| sign.evaluate(ctx, &shares[ctx.side().index() as usize]),
            |ctx| sign.deal(ctx, x.len()),
        );
        assert_eq!(outcome.open(), sign.ideal(&x));
        outcome.assert_cost(&sign.cost(x.len()));
        assert_eq!(sign.ideal(&[0, 7, u64::MAX]), [1 << 13, 1 << 13, (1u64 << 13).wrapping_neg()]);
    }
}
