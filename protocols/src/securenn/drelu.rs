//! DReLU (SecureNN, Algorithm 6): shares of 1 where a value is at least 0, of 0 elsewhere.
//!
//! DReLU(a) = 1 - MSB(2a): [`share_convert`] takes 2a to shares over Z_{2^64 - 1}, and
//! [`compute_msb`] finds its most significant bit there.
//!
//! | phase | payload |
//! |---|---|
//! | 1-4 | [`share_convert`] of 2a |
//! | 4-8 | [`compute_msb`], its phase 1 with the other's phase 4 |
//!
//! Domain: -2^62 <= a < 2^62, because a is doubled; outside of it every result is wrong, which the
//! range analysis must exclude. 2a is even, so it is never 2^64 - 1, which [`share_convert`]
//! excludes.
//!
//! Who sees what: nothing but the messages of the two, each simulated from its own functionality,
//! whose output is freshly shared.

use super::{
    chunks::{deal_in_chunks, in_chunks},
    compute_msb,
    elementwise::{Elementwise, symmetric},
    share_convert,
    units::{L, LOG_P},
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// Phases of a DReLU.
pub(crate) const PHASES: u16 = 8;

/// The phase in which P2 sends for the last time: what it deals for a step that follows travels
/// then.
pub(crate) const LAST_DEALT_PHASE: u16 = 7;

/// 1 for a >= 0, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Drelu;

impl Elementwise for Drelu {
    fn name(&self) -> &'static str {
        "drelu"
    }

    fn cost(&self, count: usize) -> Cost {
        Cost::none().at(0, share_convert::cost(count)).at(3, compute_msb::cost(count))
    }

    /// 8 l log p + 19 l bits a value, 8 rounds.
    fn paper(&self, count: f64) -> Paper {
        Paper { rounds: 8, bits: count * (8.0 * L * LOG_P + 19.0 * L) }
    }

    fn evaluate(&self, ctx: &mut Evaluator<'_>, x: &Share) -> Result<Share> {
        in_chunks(ctx, x, evaluate_chunk)
    }

    fn deal(&self, ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
        deal_in_chunks(ctx, count, deal_chunk)
    }

    fn truncations(&self) -> u32 {
        0
    }

    fn ideal_with(&self, x: &[u64], _: &mut dyn FnMut(u64, u32) -> u64) -> Vec<u64> {
        x.iter().map(|x| 1 - (x >> 63)).collect()
    }

    fn domain(&self) -> (i64, i64) {
        symmetric(62)
    }
}

pub(crate) fn evaluate_chunk(ctx: &mut Evaluator<'_>, a: &[u64]) -> Result<Vec<u64>> {
    let doubled: Vec<u64> = a.iter().map(|a| a << 1).collect();
    // steps 1-4
    let odd = share_convert::evaluate(&mut ctx.narrow("share_convert", 0), &doubled)?;
    // steps 4-8
    let mut msb = compute_msb::evaluate(&mut ctx.narrow("compute_msb", 3), &odd)?;
    let one = ctx.side().index();
    msb.iter_mut().for_each(|bit| *bit = one.wrapping_sub(*bit));
    Ok(msb)
}

pub(crate) fn deal_chunk(ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
    share_convert::deal(&mut ctx.narrow("share_convert", 0), count)?;
    compute_msb::deal(&mut ctx.narrow("compute_msb", 3), count)
}
