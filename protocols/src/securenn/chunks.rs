//! A batch cut into chunks, each in a lane of its own.

use crate::{
    context::{Dealer, Evaluator},
    error::Result,
    share::Share,
};

/// Runs an element-wise protocol on the chunks of a batch, each in a lane of its own.
pub(super) fn in_chunks(
    ctx: &Evaluator<'_>,
    x: &Share,
    run: impl Fn(&mut Evaluator<'_>, &[u64]) -> Result<Vec<u64>> + Sync,
) -> Result<Share> {
    let chunks = ctx.chunks(x.len());
    let parts =
        ctx.lanes(chunks.len(), |lane, index| run(lane, &x.words()[chunks[index].clone()]))?;
    Ok(Share::new(parts.concat()))
}

/// The crypto producer's side of [`in_chunks`].
pub(super) fn deal_in_chunks(
    ctx: &Dealer<'_>,
    count: usize,
    run: impl Fn(&mut Dealer<'_>, usize) -> Result<()> + Sync,
) -> Result<()> {
    let chunks = ctx.chunks(count);
    ctx.lanes(chunks.len(), |lane, index| run(lane, chunks[index].len()))?;
    Ok(())
}
