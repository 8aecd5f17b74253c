//! Reconstruction to the data owner alone.
//!
//! | phase | from -> to | payload | elements |
//! |---|---|---|---|
//! | 1 | P0 -> P1 | its half | 1 over 2^64 |
//!
//! Who sees what: P1 receives P0's half, which is the result minus its own half: it learns the result,
//! as it should, and nothing else. P0 and P2 receive nothing.

use fixedpoint::{Side, ring};

use super::WORD;
use crate::{context::Evaluator, cost::Cost, error::Result, party::Role, share::Share};

/// Messages of `count` values.
pub fn cost(count: usize) -> Cost {
    Cost::none().send(1, Role::ModelOwner, Role::DataOwner, WORD * count as u64)
}

/// P0 and P1: the values at P1, nothing at P0.
///
/// # Errors
/// A transport error.
pub fn evaluate(ctx: &mut Evaluator<'_>, x: &Share) -> Result<Option<Vec<u64>>> {
    // step 1
    match ctx.side() {
        Side::Zero => {
            ctx.send_words(Role::DataOwner, 1, x.words())?;
            Ok(None)
        }
        Side::One => {
            let other = ctx.recv_words(Role::ModelOwner, 1, x.len())?;
            Ok(Some(ring::add(x.words(), &other)))
        }
    }
}
