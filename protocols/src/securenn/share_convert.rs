//! ShareConvert (SecureNN, Algorithm 4): shares mod 2^64 of a value other than 2^64 - 1 become
//! shares of the same value mod 2^64 - 1.
//!
//! | phase | from -> to | payload | elements |
//! |---|---|---|---|
//! | 1 | P0 -> P2, P1 -> P2 | a_j + r_j | 1 over 2^64 each |
//! | 2 | P2 -> P0, P2 -> P1 | shares of the bits of a + r; of delta | 64 digits; 1 over 2^64 - 1 |
//! | 3 | P0 -> P2, P1 -> P2 | [`private_compare`] of x with r - 1 under eta'' | 64 digits |
//! | 4 | P2 -> P0, P2 -> P1 | shares of eta' | 1 over 2^64 - 1 |
//!
//! Randomness of P0 and P1: r_0, r (never 0), eta'', and a sharing of zero for the output.
//!
//! Who sees what: P2 receives a_j + r_j, where r_0 and r are uniform and known to P0 and P1 alone,
//! so the two messages are independent and uniform (r is uniform over 1..2^64: distance 2^-64);
//! then what [`private_compare`] gives it, eta' masked by eta''. P0 and P1 each receive one half of
//! fresh sharings, uniform over their ring.
//!
//! Deviation from the paper: an r of 0 becomes 1 (by a mask, not a branch), because r - 1 would
//! wrap and the result be off by one.

use fixedpoint::{Side, odd_ring, prime, ring};

use super::{
    private_compare::{self, Comparand},
    units::{DIGITS, L, LOG_P, WORD},
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    digits::{BlockDigits, PackedDigits, blocks},
    error::Result,
    party::Role,
};

/// Messages of `count` values.
pub fn cost(count: usize) -> Cost {
    let n = count as u64;
    Cost::none()
        .collect(1, WORD * n)
        .deal(2, (DIGITS + WORD) * n)
        .at(2, private_compare::cost(count))
        .deal(4, WORD * n)
}

/// 4 l log p + 6 l bits a value, 4 rounds.
pub fn paper(count: f64) -> Paper {
    Paper { rounds: 4, bits: count * (4.0 * L * LOG_P + 6.0 * L) }
}

/// P0 and P1, on one chunk: words mod 2^64 in, words mod 2^64 - 1 out.
///
/// # Errors
/// A transport error.
pub fn evaluate(ctx: &mut Evaluator<'_>, a: &[u64]) -> Result<Vec<u64>> {
    let n = a.len();
    let (side, peer) = (ctx.side(), ctx.peer());
    let prf = ctx.prf_with(peer);
    let r_zero = prf.words(n);
    let mut r = prf.words(n);
    r.iter_mut().for_each(|r| *r |= u64::from(*r == 0));
    let eta_mask = prf.bits(n);
    let zero = prf.odd_words(n);
    let own_r = match side {
        Side::Zero => r_zero.clone(),
        Side::One => ring::sub(&r, &r_zero),
    };

    // step 1
    let masked = ring::add(a, &own_r);
    ctx.send_words(Role::CryptoProducer, 1, &masked)?;

    // step 2
    let bits = ctx.recv_digits(Role::CryptoProducer, 2, n)?;
    let delta = ctx.recv_odd_words(Role::CryptoProducer, 2, n)?;

    // step 3
    private_compare::evaluate(
        &mut ctx.narrow("private_compare", 2),
        &bits,
        &Comparand::before(&r),
        &eta_mask,
    )?;

    // step 4
    let eta_masked = ctx.recv_odd_words(Role::CryptoProducer, 4, n)?;
    let mut out = vec![0; n];
    for i in 0..n {
        let beta = u64::from(masked[i] < a[i]);
        let eta = unmask(side, eta_masked[i], eta_mask[i]);
        let mut theta = odd_ring::add(odd_ring::add(beta, delta[i]), eta);
        out[i] = match side {
            Side::Zero => {
                let alpha = u64::from(r[i] < r_zero[i]);
                theta = odd_ring::sub(theta, alpha + 1);
                odd_ring::add(odd_ring::sub(a[i], theta), zero[i])
            }
            Side::One => odd_ring::sub(odd_ring::sub(a[i], theta), zero[i]),
        };
    }
    Ok(out)
}

/// P2, on one chunk.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
    // step 1
    let zero = ctx.recv_words(Role::ModelOwner, 1, count)?;
    let one = ctx.recv_words(Role::DataOwner, 1, count)?;
    let x = ring::add(&zero, &one);
    let delta: Vec<u64> = x.iter().zip(&zero).map(|(x, zero)| u64::from(x < zero)).collect();

    // step 2
    let bits = deal_bits(ctx, &x);
    let delta = deal_odd(ctx, &delta);
    for ((party, bits), delta) in EVALUATORS.into_iter().zip(bits).zip(&delta) {
        ctx.send_digits(party, 2, bits)?;
        ctx.send_words(party, 2, delta)?;
    }

    // step 3
    let eta = private_compare::deal(&mut ctx.narrow("private_compare", 2), count)?;

    // step 4
    let eta = deal_odd(ctx, &eta);
    for (party, half) in EVALUATORS.into_iter().zip(&eta) {
        ctx.send_words(party, 4, half)?;
    }
    Ok(())
}

/// The value mod 2^64 - 1, which is the value itself: 2^64 - 1 is excluded.
pub fn ideal(a: &[u64]) -> Vec<u64> {
    a.to_vec()
}

pub(crate) const EVALUATORS: [Role; 2] = [Role::ModelOwner, Role::DataOwner];

/// Fresh shares mod 67 of the bits of x, 64 digits a value.
pub(crate) fn deal_bits(ctx: &mut Dealer<'_>, x: &[u64]) -> [PackedDigits; 2] {
    let [mut first, mut second] = [(); 2].map(|()| PackedDigits::with_capacity(x.len()));
    let (mut first_digits, mut second_digits) = (BlockDigits::new(), BlockDigits::new());
    let prf = ctx.prf_private();
    for block in blocks(x.len()) {
        let (firsts, seconds) =
            (first_digits.first_mut(block.len()), second_digits.first_mut(block.len()));
        prf.digits(firsts);
        prime::share_bits(&x[block], firsts, seconds);
        first.push(firsts);
        second.push(seconds);
    }
    [first, second]
}

/// Fresh shares mod 2^64 - 1.
pub(crate) fn deal_odd(ctx: &mut Dealer<'_>, x: &[u64]) -> [Vec<u64>; 2] {
    let first = ctx.prf_private().odd_words(x.len());
    let second = x.iter().zip(&first).map(|(&x, &first)| odd_ring::sub(x, first)).collect();
    [first, second]
}

/// This side's share mod 2^64 - 1 of eta' XOR mask.
fn unmask(side: Side, masked: u64, mask: u64) -> u64 {
    let twice = odd_ring::add(masked, masked) & mask.wrapping_neg();
    let own_mask = mask * (1 - side.index());
    odd_ring::sub(odd_ring::add(masked, own_mask), twice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Share,
        test_world::{TestWorld, share_for_tests, words_for_tests},
    };

    fn convert(test_seed: u64, a: &[u64], shares: &[Vec<u64>; 2]) -> Vec<u64> {
        let outcome = TestWorld::new(test_seed).layer(
            |ctx| evaluate(ctx, &shares[ctx.side().index() as usize]),
            |ctx| deal(ctx, a.len()),
        );
        outcome.assert_cost(&cost(a.len()));
        let [zero, one] = outcome.shares;
        zero.iter().zip(&one).map(|(&zero, &one)| odd_ring::add(zero, one)).collect()
    }

    #[test]
    fn equals_its_ideal_and_its_cost() {
        let mut a = vec![0, 1, 2, u64::MAX - 1, u64::MAX - 2, 1 << 63, (1 << 63) - 1];
        a.extend(words_for_tests(51, 10_000));
        let shares = share_for_tests(52, &a).map(Share::into_words);
        assert_eq!(convert(51, &a, &shares), ideal(&a));
    }

    #[test]
    fn edges_of_the_shares_do_not_matter() {
        let a = words_for_tests(53, 500);
        for first in [0, 1, u64::MAX, 1 << 63] {
            let first = vec![first; a.len()];
            let second = ring::sub(&a, &first);
            assert_eq!(convert(54, &a, &[first, second]), a);
        }
    }

    #[test]
    fn agrees_with_the_published_formula_up_to_the_packing() {
        super::super::units::assert_paper(&cost(640), &paper(640.0), 4.0 * 640.0);
    }
}
