//! LeakyReLU with a public slope s below zero (crypto-oriented nets, Algorithm 1, which has 0.1):
//! a (s + (1 - s) DReLU(a)).
//!
//! | phase | payload |
//! |---|---|
//! | 1-8 | [`drelu`] |
//! | 9-10 | [`product`] of the factor and a |
//!
//! The factor has f fractional bits (1 - s is encoded as enc(1) - enc(s), so that a value above
//! zero is multiplied by exactly 1); the result is truncated by f bits, locally. Domain: that of
//! [`drelu`]; the truncation is off by 2^(64 - f) with probability |a| 2^f / 2^64. Who sees what:
//! nothing but the messages of the two.

use fixedpoint::encoding::FixedPoint;

use super::{
    chunks::in_chunks,
    drelu,
    elementwise::{Elementwise, PRODUCT_BITS, symmetric},
    product,
    relu::Relu,
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// a above 0, `slope` a below, signed.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu {
    /// The slope below 0, from 0 to 1.
    pub slope: f64,
    /// The encoding of the values and the slope.
    pub fixed: FixedPoint,
}

impl LeakyRelu {
    /// enc(s) and enc(1) - enc(s).
    fn factors(&self) -> (u64, u64) {
        assert!((0.0..=1.0).contains(&self.slope), "a slope of {}", self.slope);
        let slope = self.fixed.encode(self.slope).expect("every fixed point encodes 1");
        (slope, self.fixed.one() - slope)
    }
}

impl Elementwise for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky-relu"
    }

    /// The messages of ReLU.
    fn cost(&self, count: usize) -> Cost {
        Relu.cost(count)
    }

    /// 8 l log p + 24 l bits a value, 10 rounds.
    fn paper(&self, count: f64) -> Paper {
        Relu.paper(count)
    }

    fn evaluate(&self, ctx: &mut Evaluator<'_>, x: &Share) -> Result<Share> {
        let (slope, rest) = self.factors();
        let scaled = in_chunks(ctx, x, |ctx, x| {
            let own_slope = slope * (1 - ctx.side().index());
            let mut factor = drelu::evaluate_chunk(&mut ctx.narrow("drelu", 0), x)?;
            factor.iter_mut().for_each(|f| *f = f.wrapping_mul(rest).wrapping_add(own_slope));
            product::evaluate(&mut ctx.narrow("product", drelu::PHASES), x, &factor)
        })?;
        Ok(scaled.truncate(ctx.side(), self.fixed.fractional_bits()))
    }

    fn deal(&self, ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
        Relu.deal(ctx, count)
    }

    fn truncations(&self) -> u32 {
        1
    }

    fn ideal_with(&self, x: &[u64], truncate: &mut dyn FnMut(u64, u32) -> u64) -> Vec<u64> {
        let ((slope, _), bits) = (self.factors(), self.fixed.fractional_bits());
        let value = |&x: &u64| match x.cast_signed() {
            ..0 => truncate(x.wrapping_mul(slope), bits),
            // x enc(1) is a multiple of 2^f: no more than the coin changes x, however large it is.
            0.. => x.wrapping_add(truncate(0, bits)),
        };
        x.iter().map(value).collect()
    }

    fn domain(&self) -> (i64, i64) {
        symmetric(PRODUCT_BITS.saturating_sub(self.fixed.fractional_bits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LEAKY_SLOPE;

    #[test]
    fn ideal_is_the_leaky_relu_of_real_numbers() {
        let fixed = FixedPoint::default();
        let x = fixed.encode_slice(&[1.5, -1.0, 0.0, -20.0]).unwrap();
        for slope in [LEAKY_SLOPE, 0.25] {
            let y = fixed.decode_slice(&LeakyRelu { slope, fixed }.ideal(&x));
            for (y, expected) in y.into_iter().zip([1.5, -slope, 0.0, -20.0 * slope]) {
                assert!((y - expected).abs() < 0.002, "{y} for {expected}");
            }
        }
    }
}
