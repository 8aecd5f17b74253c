//! ReLU (SecureNN, Algorithm 7): max(a, 0) = DReLU(a) a.
//!
//! | phase | payload |
//! |---|---|
//! | 1-8 | [`drelu`] |
//! | 9-10 | [`product`] of the bit and a |
//!
//! Domain: that of [`drelu`]. Who sees what: nothing but the messages of the two.

use super::{
    chunks::{deal_in_chunks, in_chunks},
    drelu::{self, Drelu},
    elementwise::Elementwise,
    product,
    units::{L, LOG_P},
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// max(a, 0), signed.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Elementwise for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cost(&self, count: usize) -> Cost {
        Drelu.cost(count).then(product::cost(count))
    }

    /// 8 l log p + 24 l bits a value, 10 rounds.
    fn paper(&self, count: f64) -> Paper {
        Paper { rounds: 10, bits: count * (8.0 * L * LOG_P + 24.0 * L) }
    }

    fn evaluate(&self, ctx: &mut Evaluator<'_>, x: &Share) -> Result<Share> {
        in_chunks(ctx, x, |ctx, x| {
            let bit = drelu::evaluate_chunk(&mut ctx.narrow("drelu", 0), x)?;
            product::evaluate(&mut ctx.narrow("product", drelu::PHASES), &bit, x)
        })
    }

    fn deal(&self, ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
        deal_in_chunks(ctx, count, |ctx, count| {
            drelu::deal_chunk(&mut ctx.narrow("drelu", 0), count)?;
            product::deal(&mut ctx.narrow("product", drelu::PHASES), count)
        })
    }

    fn truncations(&self) -> u32 {
        0
    }

    fn ideal_with(&self, x: &[u64], _: &mut dyn FnMut(u64, u32) -> u64) -> Vec<u64> {
        x.iter().map(|x| x.cast_signed().max(0).cast_unsigned()).collect()
    }

    fn domain(&self) -> (i64, i64) {
        Drelu.domain()
    }
}
