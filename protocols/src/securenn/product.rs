//! The product, value by value: SecureNN's MatMul (Algorithm 1) with 1 x 1 x 1 a value, and
//! SelectShare (Algorithm 2) on top of it.
//!
//! | phase | from -> to | payload | elements |
//! |---|---|---|---|
//! | 1 | P2 -> P1 | c_1 = a b - c_0 | 1 over 2^64 |
//! | 2 | P0 <-> P1 | x_j - a_j, y_j - b_j | 2 over 2^64 each way |
//!
//! Randomness: P0 with P2: a_0, b_0, c_0. P1 with P2: a_1, b_1. P0 with P1: a sharing of zero for
//! the output.
//!
//! Who sees what: e = x - a and f = y - b are uniform to P0 and P1, because the other half of a and
//! b is; c_1 is uniform to P1 because c_0 is. P2 receives nothing.
//!
//! a_j and b_j are drawn where they are used and never stored, so they cannot mask a second
//! opening. P1 takes c_1 after it has sent its own openings: nobody waits for P2.

use fixedpoint::{Side, ring};

use super::{
    share_convert::EVALUATORS,
    units::{L, WORD},
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    party::Role,
};

/// Phases of a product.
pub(crate) const PHASES: u16 = 2;

/// Messages of `count` products.
pub fn cost(count: usize) -> Cost {
    let n = count as u64;
    Cost::none()
        .send_ahead(1, 2, Role::CryptoProducer, Role::DataOwner, WORD * n)
        .exchange(2, 2 * WORD * n)
}

/// 5 l bits a product, 2 rounds.
pub fn paper(count: f64) -> Paper {
    Paper { rounds: 2, bits: count * 5.0 * L }
}

/// P0 and P1, on one chunk: shares of x y from shares of x and of y.
///
/// # Errors
/// A transport error.
pub fn evaluate(ctx: &mut Evaluator<'_>, x: &[u64], y: &[u64]) -> Result<Vec<u64>> {
    Opening::send(ctx, x, y, 2)?.finish(ctx, 1)
}

/// P2, on one chunk.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
    // step 1
    let [zero, one] = EVALUATORS.map(|party| {
        let prf = ctx.prf_with(party);
        (prf.words(count), prf.words(count))
    });
    let mut c = ctx.prf_with(Role::ModelOwner).words(count);
    ring::neg_assign(&mut c);
    ring::mul_add_assign(&mut c, &ring::add(&zero.0, &one.0), &ring::add(&zero.1, &one.1));
    ctx.send_words(Role::DataOwner, 1, &c)
}

/// x y.
pub fn ideal(x: &[u64], y: &[u64]) -> Vec<u64> {
    ring::mul(x, y)
}

/// A product whose openings are under way.
pub(crate) struct Opening<'a> {
    x: &'a [u64],
    y: &'a [u64],
    opened: Vec<u64>,
    phase: u16,
}

impl<'a> Opening<'a> {
    /// Draws a_j and b_j and sends this party's half of e and f.
    pub(crate) fn send(
        ctx: &mut Evaluator<'_>,
        x: &'a [u64],
        y: &'a [u64],
        phase: u16,
    ) -> Result<Opening<'a>> {
        ctx.check_len(y.len(), x.len())?;
        let mut opened = [x, y].concat();
        ctx.prf_with(Role::CryptoProducer).subtract_from(&mut opened);
        let peer = ctx.peer();
        ctx.send_words(peer, phase, &opened)?;
        Ok(Opening { x, y, opened, phase })
    }

    /// Receives the other half, and P1 what was dealt to it in `dealt_phase`, and computes
    /// -j e f + x_j f + e y_j + c_j, freshly shared.
    pub(crate) fn finish(self, ctx: &mut Evaluator<'_>, dealt_phase: u16) -> Result<Vec<u64>> {
        let Opening { x, y, mut opened, phase } = self;
        let n = x.len();
        let mut out = match ctx.side() {
            Side::Zero => ctx.prf_with(Role::CryptoProducer).words(n),
            Side::One => ctx.recv_words(Role::CryptoProducer, dealt_phase, n)?,
        };
        let peer = ctx.peer();
        ring::add_assign(&mut opened, &ctx.recv_words(peer, phase, 2 * n)?);
        let (e, f) = opened.split_at(n);
        let own = ctx.side().index();
        for i in 0..n {
            let left = y[i].wrapping_sub(own.wrapping_mul(f[i]));
            out[i] =
                out[i].wrapping_add(e[i].wrapping_mul(left)).wrapping_add(x[i].wrapping_mul(f[i]));
        }
        ctx.rerandomise(&mut out);
        Ok(out)
    }
}

/// Fresh shares mod 2^64 of what P2 knows.
pub(crate) fn deal_words(ctx: &mut Dealer<'_>, x: &[u64]) -> [Vec<u64>; 2] {
    let first = ctx.prf_private().words(x.len());
    let second = ring::sub(x, &first);
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Share,
        test_world::{TestWorld, share_for_tests, words_for_tests},
    };

    #[test]
    fn equals_its_ideal_and_its_cost() {
        let (x, y) = (words_for_tests(41, 5000), words_for_tests(42, 5000));
        let (xs, ys) = (share_for_tests(43, &x), share_for_tests(44, &y));
        let outcome = TestWorld::new(41).layer(
            |ctx| {
                let side = ctx.side().index() as usize;
                evaluate(ctx, xs[side].words(), ys[side].words()).map(Share::new)
            },
            |ctx| deal(ctx, x.len()),
        );
        assert_eq!(outcome.open(), ideal(&x, &y));
        outcome.assert_cost(&cost(x.len()));
        super::super::units::assert_paper(&cost(640), &paper(640.0), 0.0);
    }

    #[test]
    fn operands_of_different_length_are_refused() {
        let outcome = TestWorld::new(45).run(|session| match session.role() {
            Role::CryptoProducer => session.deal("layer", |_| Ok(())),
            Role::ModelOwner | Role::DataOwner => {
                session.evaluate("layer", |ctx| evaluate(ctx, &[1, 2], &[3]).map(|_| ()))
            }
        });
        assert!(matches!(outcome.results[0], Err(crate::Error::Shape { expected: 2, got: 1, .. })));
    }
}
