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

use super::{
    chunks::{deal_in_chunks, in_chunks},
    drelu::{self, Drelu},
    elementwise::Elementwise,
    product,
    relu::Relu,
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

const HALF: u16 = drelu::PHASES + 2;

/// min(max(a, 0), 6), signed.
#[derive(Clone, Copy, Debug)]
pub struct Relu6 {
    /// The encoding of the values, and so of 6.
    pub fixed: FixedPoint,
}

impl Relu6 {
    /// enc(6).
    fn six(&self) -> u64 {
        6 * self.fixed.one()
    }
}

impl Elementwise for Relu6 {
    fn name(&self) -> &'static str {
        "relu6"
    }

    /// Two ReLUs one after the other.
    fn cost(&self, count: usize) -> Cost {
        Relu.cost(count).then(Relu.cost(count))
    }

    /// 16 l log p + 48 l bits a value, 20 rounds.
    fn paper(&self, count: f64) -> Paper {
        Paper { rounds: 20, bits: 2.0 * Relu.paper(count).bits }
    }

    fn evaluate(&self, ctx: &mut Evaluator<'_>, x: &Share) -> Result<Share> {
        in_chunks(ctx, x, |ctx, x| {
            let own_six = self.six() * (1 - ctx.side().index());
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

    fn deal(&self, ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
        deal_in_chunks(ctx, count, |ctx, count| {
            drelu::deal_chunk(&mut ctx.narrow("drelu_six", 0), count)?;
            product::deal(&mut ctx.narrow("product_six", drelu::PHASES), count)?;
            drelu::deal_chunk(&mut ctx.narrow("drelu", HALF), count)?;
            product::deal(&mut ctx.narrow("product", HALF + drelu::PHASES), count)
        })
    }

    fn truncations(&self) -> u32 {
        0
    }

    fn ideal_with(&self, x: &[u64], _: &mut dyn FnMut(u64, u32) -> u64) -> Vec<u64> {
        let six = self.six().cast_signed();
        x.iter().map(|x| x.cast_signed().clamp(0, six).cast_unsigned()).collect()
    }

    fn domain(&self) -> (i64, i64) {
        let (low, high) = Drelu.domain();
        (low + self.six().cast_signed(), high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_halves_overlap() {
        let relu6 = Relu6 { fixed: FixedPoint::default() };
        assert_eq!(relu6.cost(1000).critical_path(), 18);
    }
}
