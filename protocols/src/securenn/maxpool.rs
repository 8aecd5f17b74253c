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
//! lie in that of [`drelu`]; |x| < 2^60 where windows reach into padding. Who sees what: nothing
//! but the messages of the two.

use fixedpoint::{pool::PoolShape, ring};

use super::{
    chunks::deal_in_chunks,
    drelu::{self, Drelu},
    elementwise::Elementwise,
    product::{self, Opening},
    units::{L, LOG_P, WORD},
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    limits,
    party::Role,
    share::Share,
};

/// The value of padding: below every other, and far enough from the edge of DReLU's domain.
const PADDING: u64 = (1u64 << 60).wrapping_neg();

/// Phases of one step.
const STEP_PHASES: u16 = drelu::PHASES + 1;

const _: () =
    assert!(limits::MAX_WINDOW == (u16::MAX / STEP_PHASES) as usize, "phases of a window");

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
        .send_ahead(
            drelu::LAST_DEALT_PHASE,
            STEP_PHASES,
            Role::CryptoProducer,
            Role::DataOwner,
            2 * word_bytes,
        )
        .exchange(STEP_PHASES, 4 * word_bytes);
    let step = || Drelu.cost(count).at(0, two_selects.clone());
    (1..shape.window_len()).fold(Cost::none(), |cost, i| cost.at(step_offset(i), step()))
}

/// (8 l log p + 29 l)(n - 1) bits an output, 9 (n - 1) rounds.
pub fn paper(shape: &PoolShape) -> Paper {
    let steps = shape.window_len() as u64 - 1;
    let values = (shape.output_len() as u64 * steps) as f64;
    Paper { rounds: 9 * steps, bits: values * (8.0 * L * LOG_P + 29.0 * L) }
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
    deal_in_chunks(ctx, shape.output_len(), |ctx, count| {
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
        // The first phase of these contexts is 7, the third is 9.
        let value_opening = Opening::send(&mut value_ctx, &keep, &lead, 3)?;
        let index_opening = Opening::send(&mut index_ctx, &keep, &index_lead, 3)?;
        let mut next_value = value_opening.finish(&mut value_ctx, 1)?;
        let mut next_index = index_opening.finish(&mut index_ctx, 1)?;
        ring::add_assign(&mut next_value, candidate);
        next_index.iter_mut().for_each(|x| *x = x.wrapping_add(own_i));
        (value, index) = (next_value, next_index);
    }
    Ok(MaxPooled { value, index })
}

/// # Panics
/// If the window has more than [`limits::MAX_WINDOW`] values.
fn step_offset(i: usize) -> u16 {
    let max = limits::MAX_WINDOW;
    assert!(i < max, "a window of at most {max} values");
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

#[cfg(test)]
mod tests {
    use fixedpoint::Padding;

    use super::*;
    use crate::test_world::{TestWorld, share_for_tests, signed_for_tests};

    fn check(shape: &PoolShape, bound: u64) {
        let x = signed_for_tests(71, bound, shape.input_len());
        let shares = share_for_tests(72, &x);
        let outcome = TestWorld::new(71).layer(
            |ctx| evaluate(ctx, shape, &shares[ctx.side().index() as usize]),
            |ctx| deal(ctx, shape),
        );
        let [zero, one] = &outcome.shares;
        let expected = ideal(shape, &x);
        assert_eq!(zero.value.add(&one.value).into_words(), expected.value);
        assert_eq!(zero.index.add(&one.index).into_words(), expected.index);
        outcome.assert_cost(&cost(shape));
    }

    const TWO_BY_TWO: PoolShape = PoolShape {
        batch: 2,
        channels: 3,
        height: 16,
        width: 12,
        window: (2, 2),
        stride: (2, 2),
        padding: Padding { top: 0, left: 0, bottom: 0, right: 0 },
    };

    #[test]
    fn equals_its_ideal_and_its_cost() {
        check(&TWO_BY_TWO, 1 << 60);
        assert_eq!(cost(&TWO_BY_TWO).critical_path(), 27);
    }

    #[test]
    fn equal_values_keep_the_first() {
        check(&TWO_BY_TWO, 2);
    }

    #[test]
    fn overlapping_windows_with_padding() {
        let padding = Padding { top: 1, left: 1, bottom: 1, right: 1 };
        check(&PoolShape { window: (3, 3), padding, ..TWO_BY_TWO }, 1 << 40);
    }

    #[test]
    fn agrees_with_the_published_formula_up_to_the_packing() {
        let values = 3 * TWO_BY_TWO.output_len();
        super::super::units::assert_paper(
            &cost(&TWO_BY_TWO),
            &paper(&TWO_BY_TWO),
            8.0 * values as f64,
        );
    }
}
