//! PrivateCompare (SecureNN, Algorithm 3): the crypto producer learns beta XOR (x > r).
//!
//! P0 and P1 hold shares mod 67 of the 64 bits of x, which P2 dealt, and both know r and the random
//! bit beta.
//!
//! | phase | from -> to | payload | elements |
//! |---|---|---|---|
//! | 1 | P0 -> P2, P1 -> P2 | masked, rotated digits | 64 of Z_67, packed in 49 bytes |
//!
//! With t = r + 1 and beta choosing the row, for i from the top bit down:
//!
//! - beta = 0: w_i = x_i XOR r_i, c_i = r_i - x_i + 1 + sum of w_k over k > i
//! - beta = 1: w_i = x_i XOR t_i, c_i = x_i - t_i + 1 + sum of w_k over k > i
//!
//! Some c_i is 0 iff the comparison holds. Each evaluator sends rotate(s_i (c_i + z_i)), with s_i
//! uniform in Z_67^*, z a sharing of zero and the rotation uniform, all from the stream of P0 and P1.
//!
//! Who sees what: P0 and P1 receive nothing. P2 receives two vectors d_0, d_1. Given their sum, d_0
//! is uniform (z). The sum holds s_i c_i: at most one c_i is 0, the others are masked by s_i to
//! uniform units, and the place of the zero by the rotation. So a simulator that knows only beta'
//! draws d_0 uniformly, units for the sum, a zero at a uniform place iff beta' = 1, and d_1 as the
//! difference. beta' itself is masked by beta, which P2 does not know.
//!
//! Deviations from the paper:
//! - The zero-sharing z is mandatory, though the paper's listing leaves it implicit: P2 dealt the
//!   shares of x_i, so without z the ratio d_0[i] / d_1[i] cancels s_i and gives beta and r away.
//!   A test carries that attack out.
//! - A uniform rotation stands for the permutation: all entries but the zero are independent uniform
//!   units, so the place of the zero is all that there is to hide.
//! - The third case (beta = 1, r = 2^64 - 1) does not exist: [`Comparand`] excludes it.

use fixedpoint::{
    Side, odd_ring,
    prime::{self, Comparison, DIGITS},
};

use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    party::Role,
    prf::Prf,
};

/// What x is compared with: words below 2^64 - 1, so that r + 1 does not wrap.
pub struct Comparand(Vec<u64>);

impl Comparand {
    /// Elements of Z_{2^64-1}, made canonical.
    pub fn canonical(words: &[u64]) -> Comparand {
        Comparand(words.iter().map(|&word| odd_ring::canonical(word)).collect())
    }

    /// r - 1 for each r; an r of 0 counts as 1.
    pub fn before(words: &[u64]) -> Comparand {
        Comparand(words.iter().map(|&word| (word | u64::from(word == 0)) - 1).collect())
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words.
    pub fn words(&self) -> &[u64] {
        &self.0
    }
}

/// Messages of `count` values.
pub fn cost(count: usize) -> Cost {
    Cost::none().collect(1, super::DIGITS * count as u64)
}

/// 2 l log p bits a value, 1 round.
pub fn paper(count: f64) -> Paper {
    Paper { rounds: 1, bits: count * 2.0 * super::L * super::LOG_P }
}

/// P0 and P1: `bits` are this party's digit shares (64 a value, lowest bit first), `beta` is 0 or 1
/// a value; r and beta are known to both.
///
/// # Errors
/// A transport error.
pub fn evaluate(ctx: &mut Evaluator<'_>, bits: &[u8], r: &Comparand, beta: &[u64]) -> Result<()> {
    ctx.check_len(bits.len(), r.len() * DIGITS)?;
    ctx.check_len(beta.len(), r.len())?;
    let (side, peer) = (ctx.side(), ctx.peer());
    let masked = mask(ctx.prf_with(peer), side, bits, r, beta, Prf::digits);
    // step 1
    ctx.send_digits(Role::CryptoProducer, 1, &masked)
}

/// P2: beta' of each of `count` values.
///
/// # Errors
/// A transport error, or digits outside of Z_67.
pub fn deal(ctx: &mut Dealer<'_>, count: usize) -> Result<Vec<u64>> {
    // step 1
    let zero = ctx.recv_digits(Role::ModelOwner, 1, count)?;
    let one = ctx.recv_digits(Role::DataOwner, 1, count)?;
    let mut found = vec![0; count];
    prime::zero_in_sum(&zero, &one, &mut found);
    Ok(found)
}

/// beta XOR (x > r).
pub fn ideal(x: &[u64], r: &[u64], beta: &[u64]) -> Vec<u64> {
    x.iter().zip(r).zip(beta).map(|((x, r), beta)| beta ^ u64::from(x > r)).collect()
}

/// What one side sends. The zero-sharing comes from `zeros`, so that a test can leave it out.
fn mask(
    prf: &mut Prf,
    side: Side,
    bits: &[u8],
    r: &Comparand,
    beta: &[u64],
    zeros: impl FnOnce(&mut Prf, usize) -> Vec<u8>,
) -> Vec<u8> {
    let s = prf.units(bits.len());
    let z = zeros(prf, bits.len());
    let rotation = prf.rotations(r.len());
    let mut masked = vec![0; bits.len()];
    let comparison = Comparison { bits, r: r.words(), beta, s: &s, z: &z, rotation: &rotation };
    prime::blind_compare(side, &comparison, &mut masked);
    masked
}
