//! Input sharing without a message: the other evaluator's half is the stream of P0 and P1, the
//! owner's half is what is left of the value.
//!
//! Who sees what: nobody receives anything; the other's half is independent of the value.

use crate::{context::Evaluator, share::Share};

/// The owner's half of its `values`.
pub fn owner_share(ctx: &mut Evaluator<'_>, values: &[u64]) -> Share {
    let mut own = values.to_vec();
    let peer = ctx.peer();
    ctx.prf_with(peer).subtract_from(&mut own);
    Share::new(own)
}

/// The half of `count` values that the other evaluator owns.
pub fn peer_share(ctx: &mut Evaluator<'_>, count: usize) -> Share {
    let peer = ctx.peer();
    Share::new(ctx.prf_with(peer).words(count))
}
