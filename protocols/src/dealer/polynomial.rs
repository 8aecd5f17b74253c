//! Polynomials of t of degree 1 to 3 with secret coefficients, a set for each channel, fused with
//! the truncation before them: p(t) = c_d t^d + ... + c_1 t + c_0.
//!
//! | stage | from -> to | payload |
//! |---|---|---|
//! | once | P0 -> P1 | D = c - A for c_1, ..., c_d, in the ring of the result |
//! | each query | | as in [`super::gadget`] |
//!
//! With t = T - tau_m ([`super::power`]) and X_j = tau_m^j, p(t) = sum_k T^k (c_k + G_k) is a
//! polynomial of the public T, where G_k = sum_{i > k} binom(i, k) (-1)^(i-k) c_i X_{i-k}. The c_k
//! are P0's own. P2 shares X_1, ..., X_d. Of such an X, P0 has x and P1 x', and c X = c x + D x' +
//! A x'. P0 knows c and x, P1 knows D and x', and P2, who draws what P1 draws, knows A and x'. So
//! P2 shares W_k = sum_{i > k} binom(i, k) (-1)^(i-k) A_i x'_{i-k} too, and all else is local. Each
//! of these is one value for m = 1 and a multiple of 2^n less for m = 0, as powers are.
//!
//! P2 deals 2 d (2 l_out - n) bits a value, twice what the power alone takes; online there is no
//! more than for a truncation. Fewer values would not do, as long as P0's share is affine in c,
//! which P2 does not know: the slopes hold d values that P0 must not know, the X_j, and what is
//! added is a polynomial of T with d coefficients, the W_k. (For d = 2, W_1 and what X_2 is less
//! for m = 0 are even, which would save 3 bits.) Wires for all powers and a linear layer after them
//! would take d (2 l_out - n) + 2 l_out ahead, but (d - 1) l_out more online, where a bit counts as
//! four ([`super::chain`]). For l_out = 33, n = 21: 180 ahead and 54 online against 156 and 87 for
//! d = 2, 270 and 54 against 201 and 120 for d = 3.
//!
//! All arithmetic is modulo 2^l_out: the result must fit, its terms may wrap.
//!
//! Simulation. P1 sees D, once, and T. D is uniform, as only P0 and P2 know A, and however many
//! queries follow, nothing else that P1 sees depends on A or c. T is as in [`super::gadget`]. P0
//! sees, ahead, X_j less x'_j and W_k less P1's share of it. Both are drawn anew for every value
//! and used once, so these are uniform and independent of tau and each other, though P0 knows A and
//! W_k is made of A and x'. Online it sees P1's share of the result, made of D and x', less r:
//! uniform because r is. A is the same in all queries, but it masks nothing that P0 sees, and of
//! what P1 sees D alone, once. P2 sees nothing.
//!
//! This rests on three rules. W_k has shares of its own: as it is, W_{d-1} = -d A_d x'_1 would tell
//! P0 x'_1, and with it tau. A key and a name are for one list of coefficients, in one version:
//! from D of two, P1 reads their difference ([`super::WeightKey`]). P1's answer has a fresh r:
//! without it, P0 would read the result.

use std::ops::Range;

use fixedpoint::width::Width;

use super::{
    gadget::{Function, Public, Secret},
    gate::Gate,
    power,
};
use crate::channels;

/// The largest degree.
const MAX_DEGREE: usize = 3;

/// Polynomials of one degree, as a party knows them. Printing them shows no coefficient.
#[derive(Clone, PartialEq, Eq)]
pub struct Polynomial {
    degree: usize,
    plane: usize,
    coefficients: Vec<u64>,
    constants: Vec<u64>,
}

impl Polynomial {
    /// Polynomials of channels of `plane` values, which alternate in a batch. `coefficients` has
    /// `degree` a channel, that of t first: c at P0, D at P1, A at P2. `constants` has one a
    /// channel, c_0, at P0, and is empty elsewhere.
    ///
    /// # Panics
    /// If the degree is not from 1 to 3, the plane is empty or the numbers of coefficients do not
    /// fit.
    pub fn new(
        degree: usize,
        plane: usize,
        coefficients: Vec<u64>,
        constants: Vec<u64>,
    ) -> Polynomial {
        let shape = Polynomial::shape(degree);
        assert!(plane > 0, "channels without a value");
        let channels = coefficients.len() / degree;
        assert!(
            channels > 0 && coefficients.len() == channels * degree,
            "coefficients are missing"
        );
        assert!(constants.is_empty() || constants.len() == channels, "constants are missing");
        Polynomial { plane, coefficients, constants, ..shape }
    }

    /// A polynomial without its coefficients: enough for costs, and for P0 to take what P2 deals.
    ///
    /// # Panics
    /// If the degree is not from 1 to 3.
    pub fn shape(degree: usize) -> Polynomial {
        assert!((1..=MAX_DEGREE).contains(&degree), "a polynomial of degree {degree}");
        Polynomial { degree, plane: 1, coefficients: Vec::new(), constants: Vec::new() }
    }

    /// The degree.
    pub fn degree(&self) -> usize {
        self.degree
    }

    fn channels(&self) -> usize {
        self.coefficients.len() / self.degree
    }

    fn runs(&self, first: usize, count: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
        channels::runs(self.plane, self.channels(), first, count)
    }

    /// The coefficients c_1, ..., c_d of a channel.
    fn channel_coefficients(&self, channel: usize) -> &[u64] {
        &self.coefficients[channel * self.degree..][..self.degree]
    }

    /// sum_{i > k} binom(i, k) (-1)^(i-k) c_i X_{i-k} for k = 0, ..., d - 1, from X_1, ..., X_d,
    /// values from the place `first` on.
    fn folded(&self, first: usize, powers: &[impl AsRef<[u64]>]) -> Vec<Vec<u64>> {
        let count = powers[0].as_ref().len();
        let mut folded = vec![vec![0u64; count]; self.degree];
        for (channel, range) in self.runs(first, count) {
            for (k, folded) in folded.iter_mut().enumerate() {
                let of = self.channel_coefficients(channel).iter().zip(1..).skip(k);
                for ((c, i), power) in of.zip(powers) {
                    let factor = c.wrapping_mul(signed_binomial(i, k));
                    let power = &power.as_ref()[range.clone()];
                    for (sum, x) in folded[range.clone()].iter_mut().zip(power) {
                        *sum = sum.wrapping_add(factor.wrapping_mul(*x));
                    }
                }
            }
        }
        folded
    }
}

impl Function for Polynomial {
    fn name(&self) -> &'static str {
        "polynomial"
    }

    fn points(&self) -> Vec<i64> {
        Vec::new()
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        power::shared(gate, 2 * self.degree)
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        let mut values = power::share(gate, secret.tau, self.degree);
        // The values for m = 1 and, if there are any, what is less for m = 0.
        let kinds = values.len() / self.degree;
        let pads = &secret.pads[..values.len()];
        let of_kind = |kind| pads.iter().skip(kind).step_by(kinds).collect::<Vec<_>>();
        let folded = (0..kinds).map(|kind| self.folded(secret.first, &of_kind(kind)).into_iter());
        let mut folded: Vec<_> = folded.collect();
        for _ in 0..self.degree {
            values.extend(folded.iter_mut().filter_map(Iterator::next));
        }
        values
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let (first, opened) = (public.first, public.opened);
        let lifted = power::lifted(gate, opened, shares, 2 * self.degree);
        let (powers, rest) = lifted.split_at(self.degree);
        let folded = self.folded(first, powers);
        let mut result = vec![0; opened.len()];
        for (channel, range) in self.runs(first, opened.len()) {
            // What is public to P0 alone.
            let own = |c: u64| c.wrapping_mul(public.one);
            let coefficients = self.channel_coefficients(channel);
            let constant = self.constants.get(channel).copied().unwrap_or(0);
            let lower = std::iter::once(constant).chain(coefficients.iter().copied());
            let lower: Vec<u64> = lower.map(own).collect();
            for i in range {
                let term = |k: usize| lower[k].wrapping_add(folded[k][i]).wrapping_add(rest[k][i]);
                let by_horner =
                    |sum: u64, k: usize| sum.wrapping_mul(opened[i]).wrapping_add(term(k));
                result[i] = (0..self.degree).rev().fold(lower[self.degree], by_horner);
            }
        }
        result
    }

    /// The value of the polynomial with P0's coefficients, modulo 2^64.
    fn ideal(&self, place: usize, t: i64) -> i64 {
        let channel = place / self.plane % self.channels();
        let times = |sum: u64, c: &u64| sum.wrapping_add(*c).wrapping_mul(t.cast_unsigned());
        let sum = self.channel_coefficients(channel).iter().rev().fold(0, times);
        sum.wrapping_add(self.constants[channel]).cast_signed()
    }
}

impl std::fmt::Debug for Polynomial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Polynomial { degree, plane, .. } = self;
        write!(f, "Polynomial(degree {degree}, planes of {plane} values)")
    }
}

/// binom(i, k) (-1)^(i-k).
fn signed_binomial(i: usize, k: usize) -> u64 {
    let binomial = (0..k).fold(1, |product, j| product * (i - j) / (j + 1)) as u64;
    if (i - k).is_multiple_of(2) { binomial } else { binomial.wrapping_neg() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::polynomials_for_tests;

    #[test]
    fn equal_the_powers() {
        let [square, ..] = polynomials_for_tests(2, 1, vec![0, 1], vec![0]);
        let [cube, ..] = polynomials_for_tests(3, 1, vec![0, 0, 1], vec![0]);
        for t in [-70_000, -1, 0, 1, 5, 1 << 20] {
            assert_eq!(square.ideal(0, t), power::Square.ideal(0, t));
            assert_eq!(cube.ideal(9, t), power::Cube.ideal(9, t));
        }
    }

    #[test]
    fn deals_what_its_header_says() {
        let bits = |degree: usize| {
            let gate = Gate::new(Width::new(33), 32, 12, Width::new(33));
            let widths = Polynomial::shape(degree).shared(&gate);
            widths.into_iter().map(Width::bits).sum::<u32>()
        };
        assert_eq!([1, 2, 3].map(bits), [90, 180, 270]);
    }

    #[test]
    fn coefficients_do_not_print() {
        let polynomial = Polynomial::new(2, 4, vec![99; 6], vec![98; 3]);
        assert_eq!(format!("{polynomial:?}"), "Polynomial(degree 2, planes of 4 values)");
    }
}
