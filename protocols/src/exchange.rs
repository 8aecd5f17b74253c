//! The bytes of a protocol without the protocol: what its transport alone takes.
//!
//! Every party sends zeros over each of its links, as many as a [`Cost`] says, in messages of the
//! size that the protocols send, as many at once as the window allows. Nothing is computed and
//! nothing is secret, so there is nothing to learn. One phase; nobody waits for anybody but for
//! room.

use crate::{
    context::{Context, Receives},
    cost::Cost,
    error::Result,
    ledger::Links,
    party::{Link, Role},
};

/// Words of the largest message: about a chunk's digits.
const MESSAGE: usize = 16 << 10;

/// The bytes of `like`, link by link, rounded up to words, in one phase.
pub fn cost(like: &Cost) -> Cost {
    Link::ALL.into_iter().fold(Cost::none(), |cost, link| {
        cost.send(1, link.from, link.to, 8 * words(&like.links(), link) as u64)
    })
}

/// Any party.
///
/// # Errors
/// A transport error.
pub fn run<R: Receives + Copy + Send + Sync>(ctx: &mut Context<'_, R>, like: &Cost) -> Result<()> {
    let links = like.links();
    let busiest = Link::ALL.into_iter().map(|link| words(&links, link)).max().unwrap_or(0);
    let lanes = busiest.div_ceil(MESSAGE);
    let me = ctx.party();
    ctx.lanes(lanes, |lane, index| {
        let part = |from: Role, to: Role| {
            let words = words(&links, Link::new(from, to));
            (index + 1) * words / lanes - index * words / lanes
        };
        for to in me.others() {
            let count = part(me, to);
            if count > 0 {
                lane.send_words(to, 1, &vec![0; count])?;
            }
        }
        for from in me.others() {
            let count = part(from, me);
            if count > 0 {
                lane.recv_words(from, 1, count)?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

fn words(links: &Links, link: Link) -> usize {
    links[link].div_ceil(8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        securenn::{Elementwise, Relu},
        test_world::TestWorld,
    };

    #[test]
    fn sends_the_bytes_of_another_protocol() {
        let like = Relu.cost(50_000);
        let outcome = TestWorld::new(1).layer(|ctx| run(ctx, &like), |ctx| run(ctx, &like));
        outcome.assert_cost(&cost(&like));
        assert_eq!(cost(&like).links(), like.links());
        assert_eq!(cost(&like).rounds(), 1);
    }
}
