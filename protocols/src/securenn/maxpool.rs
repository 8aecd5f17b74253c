//! MaxPool (SecureNN, Algorithm 8): the largest value of each window and its place in it.
//!
//! For i = 1 .. n-1, with n values a window, in 9 phases each:
//!
//! | phase | payload |
//! |---|---|
//! | 1-8 | [`drelu`] of max - x_i; two triples travel with P2's last phase, 7 |
//! | 9 | the openings of two SelectShares: the value and its index |
//!
//! The selection keeps the first of equal values, as PyTorch and numpy do. Both openings are sent
//! before either is received, so that they are one phase. Domain: differences of values in a window
//! lie in that of [`drelu`]; |x| < 2^60 where windows reach into padding. Who sees what: nothing but
//! the messages of the two.

use fixedpoint::{pool::PoolShape, ring};

use super::{
    WORD, drelu,
    product::{self, Opening, Triple},
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    party::Role,
    share::Share,
};

/// What padding counts as: below every value, and far enough from the edge of DReLU's domain.
const PADDING: u64 = (1u64 << 60).wrapping_neg();

/// Phases of one step.
const STEP_PHASES: u16 = drelu::PHASES + 1;

/// The largest values and their places, one of each per output, in NCHW order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxPooled<T> {
    /// The largest value of each window.
    pub value: T,
    /// Its place in the window, row by row from 0, as an integer.
    pub index: T,
}

/// Messages of a pooling layer.
pub fn cost(shape: &PoolShape) -> Cost {
    let count = shape.output_len();
    let word_bytes = WORD * count as u64;
    let two_selects = Cost::none()
        .send(drelu::LAST_DEALT_PHASE, Role::CryptoProducer, Role::DataOwner, 2 * word_bytes)
        .exchange(STEP_PHASES, 4 * word_bytes);
    let step = || drelu::cost(count).at(0, two_selects.clone());
    (1..shape.window_len()).fold(Cost::none(), |cost, _| cost.then(step()))
}

/// (8 l log p + 29 l)(n - 1) bits an output, 9 (n - 1) rounds.
pub fn paper(shape: &PoolShape) -> Paper {
    let steps = shape.window_len() as u64 - 1;
    let values = (shape.output_len() as u64 * steps) as f64;
    Paper { rounds: 9 * steps, bits: values * (8.0 * super::L * super::LOG_P + 29.0 * super::L) }
}

/// P0 and P1: `x` in NCHW order.
///
/// # Errors
/// A transport error.
pub fn evaluate(ctx: &mut Evaluator<'_>, shape: &PoolShape, x: &Share) -> Result<MaxPooled<Share>> {
    ctx.check_len(x.len(), shape.input_len())?;
    let padding = PADDING.wrapping_mul(1 - ctx.side().index());
    let columns: Vec<Vec<u64>> = columns(shape, x.words(), padding);
    let chunks = ctx.chunks(shape.output_len());
    let parts = ctx.lanes(chunks.len(), |lane, index| {
        let candidates: Vec<&[u64]> =
            columns.iter().map(|column| &column[chunks[index].clone()]).collect();
        evaluate_chunk(lane, &candidates)
    })?;
    let (values, indices): (Vec<_>, Vec<_>) =
        parts.into_iter().map(|part| (part.value, part.index)).unzip();
    Ok(MaxPooled { value: Share::new(values.concat()), index: Share::new(indices.concat()) })
}

/// P2.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, shape: &PoolShape) -> Result<()> {
    super::deal_in_chunks(ctx, shape.output_len(), |ctx, count| {
        for i in 1..shape.window_len() {
            let step = ctx.narrow(&i.to_string(), step_offset(i));
            drelu::deal_chunk(&mut step.narrow("drelu", 0), count)?;
            for select in ["value", "index"] {
                product::deal(&mut step.narrow(select, drelu::LAST_DEALT_PHASE - 1), count)?;
            }
        }
        Ok(())
    })
}

/// The first largest value of each window, signed, and its place.
pub fn ideal(shape: &PoolShape, x: &[u64]) -> MaxPooled<Vec<u64>> {
    let columns = columns(shape, x, PADDING);
    let pooled = |output: usize| {
        let candidates = columns.iter().map(|column| column[output] as i64);
        candidates
            .zip(0u64..)
            .fold((i64::MIN, 0), |best, next| if next.0 > best.0 { next } else { best })
    };
    let (value, index) =
        (0..shape.output_len()).map(pooled).map(|(value, index)| (value as u64, index)).unzip();
    MaxPooled { value, index }
}

fn evaluate_chunk(ctx: &mut Evaluator<'_>, candidates: &[&[u64]]) -> Result<MaxPooled<Vec<u64>>> {
    let mut value = candidates[0].to_vec();
    let mut index = vec![0; value.len()];
    for (i, candidate) in candidates.iter().enumerate().skip(1) {
        let step = ctx.narrow(&i.to_string(), step_offset(i));
        let lead = ring::sub(&value, candidate);
        let keep = drelu::evaluate_chunk(&mut step.narrow("drelu", 0), &lead)?;

        let own_i = i as u64 * (1 - ctx.side().index());
        let index_lead: Vec<u64> = index.iter().map(|x: &u64| x.wrapping_sub(own_i)).collect();
        let mut value_ctx = step.narrow("value", drelu::LAST_DEALT_PHASE - 1);
        let mut index_ctx = step.narrow("index", drelu::LAST_DEALT_PHASE - 1);
        // Phase 9 of the step is the third of these contexts, whose first is phase 7.
        let open = |ctx: &mut Evaluator<'_>, lead| {
            let triple = Triple::take(ctx, value.len(), 1)?;
            Opening::send(ctx, triple, &keep, lead, 3)
        };
        let value_opening = open(&mut value_ctx, &lead)?;
        let index_opening = open(&mut index_ctx, &index_lead)?;
        let mut next_value = value_opening.finish(&mut value_ctx)?;
        let mut next_index = index_opening.finish(&mut index_ctx)?;
        ring::add_assign(&mut next_value, candidate);
        next_index.iter_mut().for_each(|x| *x = x.wrapping_add(own_i));
        (value, index) = (next_value, next_index);
    }
    Ok(MaxPooled { value, index })
}

fn step_offset(i: usize) -> u16 {
    STEP_PHASES * (i as u16 - 1)
}

/// For each place in the window, the value that every output finds there.
fn columns(shape: &PoolShape, x: &[u64], padding: u64) -> Vec<Vec<u64>> {
    (0..shape.window_len())
        .map(|place| {
            let mut column = Vec::new();
            shape.gather(x, place, padding, &mut column);
            column
        })
        .collect()
}
