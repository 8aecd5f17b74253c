//! The place of the largest value of each row, to the data owner alone: [`maxpool`] with windows of
//! whole rows, of which only the index is revealed.
//!
//! | phase | payload |
//! |---|---|
//! | 1 .. 9 (n - 1) | [`maxpool`] of n values |
//! | the next | [`output`] of the index |
//!
//! The first of equal values is chosen. Domain: differences of values in a row lie in that of
//! [`super::drelu`]. Who sees what: the messages of the two; P1 learns the place and nothing of the
//! values.

use fixedpoint::{Padding, pool::PoolShape};

use super::{maxpool, output};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// Messages of `rows` rows of `len` values.
///
/// # Panics
/// If a row has more than [`MAX_CLASSES`](crate::limits::MAX_CLASSES) values.
pub fn cost(rows: usize, len: usize) -> Cost {
    maxpool::cost(&shape(rows, len)).then(output::cost(rows))
}

/// The published cost of the maxima; the literature has nothing on revealing the place.
pub fn paper(rows: usize, len: usize) -> Paper {
    maxpool::paper(&shape(rows, len))
}

/// P0 and P1: the places, from 0, at P1, nothing at P0.
///
/// # Errors
/// A transport error.
pub fn evaluate(
    ctx: &mut Evaluator<'_>,
    rows: usize,
    len: usize,
    x: &Share,
) -> Result<Option<Vec<u64>>> {
    let shape = shape(rows, len);
    let pooled = maxpool::evaluate(&mut ctx.narrow("max", 0), &shape, x)?;
    let phases = maxpool::cost(&shape).rounds() as u16;
    output::evaluate(&mut ctx.narrow("place", phases), &pooled.index)
}

/// P2.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, rows: usize, len: usize) -> Result<()> {
    maxpool::deal(&mut ctx.narrow("max", 0), &shape(rows, len))
}

/// The first largest value's place in each row.
pub fn ideal(rows: usize, len: usize, x: &[u64]) -> Vec<u64> {
    maxpool::ideal(&shape(rows, len), x).index
}

fn shape(rows: usize, len: usize) -> PoolShape {
    PoolShape {
        batch: rows,
        channels: 1,
        height: len,
        width: 1,
        window: (len, 1),
        stride: (len, 1),
        padding: Padding::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::{TestWorld, share_for_tests, signed_for_tests};

    #[test]
    fn equals_its_ideal_and_its_cost() {
        for (rows, len, bound) in [(3, 10, 1 << 60), (70, 2, 1 << 60), (40, 5, 2), (2, 100, 9)] {
            let x = signed_for_tests(91, bound, rows * len);
            let shares = share_for_tests(92, &x);
            let outcome = TestWorld::new(93).layer(
                |ctx| evaluate(ctx, rows, len, &shares[ctx.side().index() as usize]),
                |ctx| deal(ctx, rows, len),
            );
            outcome.assert_cost(&cost(rows, len));
            assert_eq!(outcome.shares, [None, Some(ideal(rows, len, &x))]);
        }
        assert_eq!(cost(1, 10).critical_path(), 82);
    }
}
