//! Reconstruction to the data owner alone.
//!
//! | phase | from -> to | payload | elements |
//! |---|---|---|---|
//! | 1 | P0 -> P1 | its half | 1 over 2^64 |
//!
//! Who sees what: P1 receives P0's half, which is the result minus its own half: it learns the
//! result, as it should. The result is that of the probabilistic truncation: its last bit is a coin
//! that depends on both halves before the truncation, so the functionality P1 learns from includes
//! it. P0 and P2 receive nothing.

use fixedpoint::{Side, ring};

use super::units::WORD;
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

#[cfg(test)]
mod tests {
    use super::super::input;
    use crate::{Role, test_world::TestWorld};

    #[test]
    fn inputs_reach_the_data_owner_and_nobody_else() {
        let (weights, image) = ([1, 2, 3], [10, u64::MAX, 30]);
        let outcome = TestWorld::new(81).layer(
            |ctx| {
                let sum = match ctx.party() {
                    Role::ModelOwner => {
                        let own = input::owner_share(&mut ctx.narrow("weights", 0), &weights);
                        own.add(&input::peer_share(&mut ctx.narrow("image", 0), image.len()))
                    }
                    Role::DataOwner | Role::CryptoProducer => {
                        let others =
                            input::peer_share(&mut ctx.narrow("weights", 0), weights.len());
                        others.add(&input::owner_share(&mut ctx.narrow("image", 0), &image))
                    }
                };
                super::evaluate(ctx, &sum)
            },
            |_| Ok(()),
        );
        outcome.assert_cost(&super::cost(3));
        assert_eq!(outcome.shares, [None, Some(vec![11, 1, 33])]);
    }
}
