//! ComputeMSB (SecureNN, Algorithm 5): shares mod 2^64 - 1 of a value become shares mod 2^64 of its
//! top bit.
//!
//! The top bit of a is the lowest bit of 2a mod 2^64 - 1. P0 and P1 open r = 2a + x for a random x
//! that P2 dealt; the lowest bit of 2a is `r[0] XOR x[0] XOR (x > r)`.
//!
//! | phase | from -> to | payload | elements |
//! |---|---|---|---|
//! | 1 | P2 -> P0, P2 -> P1 | shares of x, bits, `x[0]` | 1 over 2^64 - 1; 64 digits; 1 over 2^64 |
//! | 2 | P0 <-> P1 | 2 a_j + x_j | 1 over 2^64 - 1 |
//! | 3 | P0 -> P2, P1 -> P2 | [`private_compare`] of x with r under beta | 64 digits |
//! | 4 | P2 -> P0, P2 -> P1 | shares of beta'; [`product`]'s triple | 1 over 2^64; 1 to P1 |
//! | 5 | P0 <-> P1 | the product's openings | 2 over 2^64 |
//!
//! Randomness of P0 and P1: beta, and a sharing of zero for the output. Of each with P2: the
//! triple.
//!
//! Who sees what: P0 and P1 see r, uniform because x is, and their own half of each fresh sharing;
//! the openings are masked by the triple. P2 receives what [`private_compare`] gives it: beta'
//! masked by beta.
//!
//! Zero has two representations mod 2^64 - 1. r is made canonical as it is opened, x is dealt
//! canonical; otherwise the comparison fails where r is 0.

use fixedpoint::odd_ring;

use super::{
    private_compare::{self, Comparand},
    product,
    share_convert::{EVALUATORS, deal_bits, deal_odd},
    units::{DIGITS, L, LOG_P, WORD},
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    party::Role,
};

/// Messages of `count` values.
pub fn cost(count: usize) -> Cost {
    let n = count as u64;
    Cost::none()
        .deal(1, (WORD + DIGITS + WORD) * n)
        .exchange(2, WORD * n)
        .at(2, private_compare::cost(count))
        .deal(4, WORD * n)
        .at(3, product::cost(count))
}

/// 4 l log p + 13 l bits a value, 5 rounds.
pub fn paper(count: f64) -> Paper {
    Paper { rounds: 5, bits: count * (4.0 * L * LOG_P + 13.0 * L) }
}

/// P0 and P1, on one chunk: words mod 2^64 - 1 in, words mod 2^64 out.
///
/// # Errors
/// A transport error.
pub fn evaluate(ctx: &mut Evaluator<'_>, a: &[u64]) -> Result<Vec<u64>> {
    let n = a.len();
    let (side, peer) = (ctx.side(), ctx.peer());

    // step 1
    let x = ctx.recv_odd_words(Role::CryptoProducer, 1, n)?;
    let x_bits = ctx.recv_digits(Role::CryptoProducer, 1, n)?;
    let x_low = ctx.recv_words(Role::CryptoProducer, 1, n)?;

    // step 2
    let own: Vec<u64> =
        a.iter().zip(&x).map(|(&a, &x)| odd_ring::add(odd_ring::add(a, a), x)).collect();
    ctx.send_words(peer, 2, &own)?;
    let other = ctx.recv_odd_words(peer, 2, n)?;
    let r: Vec<u64> = own.iter().zip(&other).map(|(&a, &b)| odd_ring::add(a, b)).collect();

    // step 3
    let beta = ctx.prf_with(peer).bits(n);
    private_compare::evaluate(
        &mut ctx.narrow("private_compare", 2),
        &x_bits,
        &Comparand::canonical(&r),
        &beta,
    )?;

    // step 4
    let beta_masked = ctx.recv_words(Role::CryptoProducer, 4, n)?;
    let xor = |share: u64, bit: u64| {
        // share + j bit - 2 bit share, in Z_2^64
        share.wrapping_add(side.index() * bit).wrapping_sub((share << 1) & bit.wrapping_neg())
    };
    let gamma: Vec<u64> = beta_masked.iter().zip(&beta).map(|(&g, &b)| xor(g, b)).collect();
    let delta: Vec<u64> = x_low.iter().zip(&r).map(|(&d, &r)| xor(d, r & 1)).collect();

    // step 5
    let theta = product::evaluate(&mut ctx.narrow("product", 3), &gamma, &delta)?;
    let mut out: Vec<u64> =
        (0..n).map(|i| gamma[i].wrapping_add(delta[i]).wrapping_sub(theta[i] << 1)).collect();
    ctx.rerandomise(&mut out);
    Ok(out)
}

/// P2, on one chunk.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, count: usize) -> Result<()> {
    // step 1
    let x = ctx.prf_private().odd_words(count);
    let low: Vec<u64> = x.iter().map(|x| x & 1).collect();
    let shares = deal_odd(ctx, &x);
    let bits = deal_bits(ctx, &x);
    let low = product::deal_words(ctx, &low);
    for ((party, bits), half) in EVALUATORS.into_iter().zip(bits).zip(0..) {
        ctx.send_words(party, 1, &shares[half])?;
        ctx.send_digits(party, 1, bits)?;
        ctx.send_words(party, 1, &low[half])?;
    }

    // step 3
    let beta = private_compare::deal(&mut ctx.narrow("private_compare", 2), count)?;

    // step 4
    let beta = product::deal_words(ctx, &beta);
    for (party, half) in EVALUATORS.into_iter().zip(&beta) {
        ctx.send_words(party, 4, half)?;
    }
    product::deal(&mut ctx.narrow("product", 3), count)
}

/// The top bit.
pub fn ideal(a: &[u64]) -> Vec<u64> {
    a.iter().map(|a| a >> 63).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Share,
        test_world::{TestWorld, words_for_tests},
    };

    fn msb(test_seed: u64, a: &[u64], shares: &[Vec<u64>; 2]) -> Vec<u64> {
        let outcome = TestWorld::new(test_seed).layer(
            |ctx| evaluate(ctx, &shares[ctx.side().index() as usize]).map(Share::new),
            |ctx| deal(ctx, a.len()),
        );
        outcome.assert_cost(&cost(a.len()));
        outcome.open()
    }

    #[test]
    fn equals_its_ideal_and_its_cost() {
        let mut a = vec![0, 1, 2, u64::MAX - 1, u64::MAX - 2, 1 << 63, (1 << 63) - 1];
        a.extend(words_for_tests(61, 10_000).into_iter().map(odd_ring::canonical));
        for first in [words_for_tests(62, a.len()), vec![0; a.len()], vec![u64::MAX; a.len()]] {
            let second = a.iter().zip(&first).map(|(&a, &b)| odd_ring::sub(a, b)).collect();
            assert_eq!(msb(61, &a, &[first, second]), ideal(&a));
        }
    }

    #[test]
    fn agrees_with_the_published_formula_up_to_the_packing() {
        super::super::units::assert_paper(&cost(640), &paper(640.0), 4.0 * 640.0);
    }
}
