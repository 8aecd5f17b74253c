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
//! uniform in Z_67^*, z a sharing of zero and the rotation uniform, all from the stream of P0 and
//! P1.
//!
//! Who sees what: P0 and P1 receive nothing. P2 receives two vectors d_0, d_1. Given their sum, d_0
//! is uniform (z). The sum holds s_i c_i: at most one c_i is 0, the others are masked by s_i to
//! uniform units, and the place of the zero by the rotation. So a simulator that knows only beta'
//! draws d_0 uniformly, units for the sum, a zero at a uniform place iff beta' = 1, and d_1 as the
//! difference. beta' itself is masked by beta, which P2 does not know.
//!
//! Deviations from the paper:
//! - The zero-sharing z is mandatory, though the paper's listing leaves it implicit: P2 dealt the
//!   shares of x_i, so without z the ratio `d_0[i] / d_1[i]` cancels s_i and gives beta and r away.
//!   A test carries that attack out.
//! - A uniform rotation stands for the permutation: all entries but the zero are independent
//!   uniform units, so the place of the zero is all that there is to hide.
//! - The third case (beta = 1, r = 2^64 - 1) does not exist: [`Comparand`] excludes it.

use fixedpoint::{
    Side, odd_ring,
    packing::PackingError,
    prime::{self, Comparison},
};

use super::units::{DIGITS, L, LOG_P};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    digits::{BlockDigits, PackedDigits, blocks},
    error::Result,
    party::Role,
    prf::Prf,
};

/// The right-hand sides of comparisons: words below 2^64 - 1, so that r + 1 does not wrap.
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
    Cost::none().collect(1, DIGITS * count as u64)
}

/// 2 l log p bits a value, 1 round.
pub fn paper(count: f64) -> Paper {
    Paper { rounds: 1, bits: count * 2.0 * L * LOG_P }
}

/// P0 and P1: `bits` are this party's digit shares as P2 dealt them (lowest bit first), `beta` is 0
/// or 1 a value; r and beta are known to both.
///
/// # Errors
/// A transport error, or digits outside of Z_67.
pub fn evaluate(
    ctx: &mut Evaluator<'_>,
    bits: &PackedDigits,
    r: &Comparand,
    beta: &[u64],
) -> Result<()> {
    ctx.check_len(bits.len(), r.len())?;
    ctx.check_len(beta.len(), r.len())?;
    let (side, peer) = (ctx.side(), ctx.peer());
    let masked = mask(ctx.prf_with(peer), side, bits, r, beta, Prf::digits)
        .map_err(|what| ctx.malformed(Role::CryptoProducer, 0, what))?;
    // step 1
    ctx.send_digits(Role::CryptoProducer, 1, masked)
}

/// P2: beta' of each of `count` values.
///
/// # Errors
/// A transport error, or digits outside of Z_67.
pub fn deal(ctx: &mut Dealer<'_>, count: usize) -> Result<Vec<u64>> {
    // step 1
    let messages = [Role::ModelOwner, Role::DataOwner].map(|from| ctx.recv_digits(from, 1, count));
    let [zero, one] = messages;
    let (zero, one) = (zero?, one?);
    let (mut zero_digits, mut one_digits) = (BlockDigits::new(), BlockDigits::new());
    let mut found = vec![0; count];
    for block in blocks(count) {
        let (zeros, ones) = (zero_digits.first_mut(block.len()), one_digits.first_mut(block.len()));
        zero.unpack(block.clone(), zeros)
            .map_err(|what| ctx.malformed(Role::ModelOwner, 1, what))?;
        one.unpack(block.clone(), ones).map_err(|what| ctx.malformed(Role::DataOwner, 1, what))?;
        prime::zero_in_sum(zeros, ones, &mut found[block]);
    }
    Ok(found)
}

/// beta XOR (x > r).
pub fn ideal(x: &[u64], r: &[u64], beta: &[u64]) -> Vec<u64> {
    x.iter().zip(r).zip(beta).map(|((x, r), beta)| beta ^ u64::from(x > r)).collect()
}

/// The message of one side. The zero-sharing comes from `zeros`, so that a test can leave it out.
fn mask(
    prf: &mut Prf,
    side: Side,
    bits: &PackedDigits,
    r: &Comparand,
    beta: &[u64],
    zeros: impl Fn(&mut Prf, &mut [u8]),
) -> std::result::Result<PackedDigits, PackingError> {
    let mut packed = PackedDigits::with_capacity(r.len());
    let [mut x, mut s, mut z, mut masked] = [(); 4].map(|()| BlockDigits::new());
    for block in blocks(r.len()) {
        let n = block.len();
        let (x, s, z, masked) =
            (x.first_mut(n), s.first_mut(n), z.first_mut(n), masked.first_mut(n));
        bits.unpack(block.clone(), x)?;
        prf.units(s);
        zeros(prf, z);
        let rotation = prf.rotations(n);
        let (r, beta) = (&r.words()[block.clone()], &beta[block]);
        prime::blind_compare(
            side,
            &Comparison { bits: x, r, beta, s, z, rotation: &rotation },
            masked,
        );
        packed.push(masked);
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use fixedpoint::{packing::pack_digits, prime::DIGITS};

    use super::*;
    use crate::{
        prf::Seed,
        step::Step,
        test_world::{TestWorld, words_for_tests},
    };

    /// Digit shares of the bits of x, from a fixed test seed.
    fn bit_shares(test_seed: u8, x: &[u64]) -> [Vec<u8>; 2] {
        let mut prf = Seed::from_bytes([test_seed; 32]).stream(&Step::root("bits"));
        let mut first = vec![0; DIGITS * x.len()];
        prf.digits(&mut first);
        let mut second = vec![0; first.len()];
        prime::share_bits(x, &first, &mut second);
        [first, second]
    }

    fn packed(digits: &[u8]) -> PackedDigits {
        PackedDigits::from_payload(pack_digits(digits))
    }

    #[test]
    fn equals_its_ideal_and_its_cost() {
        let edges = [0, 1, 2, 3, 1 << 32, (1 << 62) + 1, (1 << 63) - 1, 1 << 63, u64::MAX - 1];
        let (mut x, mut r) = (Vec::new(), Vec::new());
        for a in edges.into_iter().chain([u64::MAX]) {
            x.extend([a; 9]);
            r.extend(edges);
        }
        let random = words_for_tests(21, 4000);
        x.extend(&random);
        r.extend(random.iter().map(|word| word.min(&(u64::MAX - 1))));
        x.extend(words_for_tests(22, 4000));
        r.extend(words_for_tests(23, 4000));
        for beta in [0, 1] {
            let beta = vec![beta; x.len()];
            let bits = bit_shares(24, &x);
            let found = std::sync::Mutex::new(Vec::new());
            let outcome = TestWorld::new(21).layer(
                |ctx| {
                    let bits = packed(&bits[ctx.side().index() as usize]);
                    evaluate(ctx, &bits, &Comparand::canonical(&r), &beta)
                },
                |ctx| {
                    *found.lock().unwrap() = deal(ctx, x.len())?;
                    Ok(())
                },
            );
            let r = Comparand::canonical(&r);
            assert_eq!(found.into_inner().unwrap(), ideal(&x, r.words(), &beta));
            outcome.assert_cost(&cost(x.len()));
        }
        super::super::units::assert_paper(&cost(640), &paper(640.0), 2.0 * 640.0);
    }

    #[test]
    fn comparands_stay_below_the_top() {
        assert_eq!(Comparand::canonical(&[u64::MAX, 5]).words(), [0, 5]);
        assert_eq!(Comparand::before(&[0, 1, u64::MAX]).words(), [0, 0, u64::MAX - 1]);
    }

    /// Everything (beta, t) that explains what P2 received, given the bit shares that it dealt, if
    /// there were no zero-sharing: the ratio of its two messages cancels s. A depth-first search
    /// from the top bit; `None` if it gives up.
    fn ratio_attack(d: &[Vec<u8>; 2], shares: &[Vec<u8>; 2]) -> Option<Vec<(u64, u64)>> {
        const P: i32 = prime::P as i32;
        let mut steps = 0;
        let mut found = Vec::new();
        for rotation in 0..DIGITS {
            for beta in [0, 1] {
                let mut open = vec![(DIGITS, [0, 0], 0)];
                while let Some((above, sums, r)) = open.pop() {
                    steps += 1;
                    if steps > 200_000 {
                        return None;
                    }
                    let Some(i) = above.checked_sub(1) else {
                        found.push((beta, r));
                        continue;
                    };
                    for bit in [0, 1] {
                        let (mut c, mut next) = ([0; 2], [0; 2]);
                        for j in 0..2 {
                            let (x, own) = (i32::from(shares[j][i]), j as i32);
                            let difference = if beta == 0 { own * bit - x } else { x - own * bit };
                            c[j] = (difference + own + sums[j]).rem_euclid(P);
                            next[j] = (sums[j] + x + own * bit - 2 * bit * x).rem_euclid(P);
                        }
                        let [d0, d1] =
                            [0, 1].map(|j| i32::from(d[j][(i + DIGITS - rotation) % DIGITS]));
                        let possible = (c[0] == 0) == (d0 == 0)
                            && (c[1] == 0) == (d1 == 0)
                            && c[0] * d1 % P == c[1] * d0 % P;
                        if possible {
                            open.push((i, next, r | (bit as u64) << i));
                        }
                    }
                }
            }
        }
        Some(found)
    }

    #[test]
    fn the_ratio_attack_needs_the_zero_sharing_to_be_off() {
        let no_zeros = |_: &mut Prf, zeros: &mut [u8]| zeros.fill(0);
        for trial in 0..10 {
            let words = words_for_tests(25 + trial, 3);
            let (x, r, beta) = ([words[0]], Comparand::canonical(&words[1..2]), [words[2] & 1]);
            let shares = bit_shares(trial as u8, &x);
            let view = |zero_sharing: bool| {
                [Side::Zero, Side::One].map(|side| {
                    let fixed_seed = Seed::from_bytes([100 + trial as u8; 32]);
                    let mut prf = fixed_seed.stream(&Step::root("masks"));
                    let bits = packed(&shares[side.index() as usize]);
                    let masked = if zero_sharing {
                        mask(&mut prf, side, &bits, &r, &beta, Prf::digits)
                    } else {
                        mask(&mut prf, side, &bits, &r, &beta, no_zeros)
                    };
                    let mut digits = vec![0; DIGITS];
                    masked.unwrap().unpack(0..1, &mut digits).unwrap();
                    digits
                })
            };
            let secret = (beta[0], r.words()[0] + beta[0]);
            let without = ratio_attack(&view(false), &shares).expect("a search of a few steps");
            assert!(without.contains(&secret), "trial {trial}: the attack finds the secret");
            let with = ratio_attack(&view(true), &shares);
            assert_eq!(with, Some(vec![]), "trial {trial}: the attack finds nothing");
        }
    }
}
