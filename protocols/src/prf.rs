//! Pseudorandom streams.
//!
//! A [`Seed`] is what a pair of parties agreed on when they connected, or what a party drew for
//! itself from the operating system. From a seed and a step's path comes one AES-128-CTR stream
//! ([`Prf`]); a [`crate::Session`] hands out every path once, so no byte of a stream is ever a mask
//! for two values.

use aes::Aes128;
use ctr::{
    Ctr128LE,
    cipher::{KeyIvInit, StreamCipher},
};
use fixedpoint::{planes::BitPlanes, ring};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::step::Step;

/// 32 secret bytes. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from bytes that are already uniform (a TLS exporter, a test's fixed seed).
    pub fn from_bytes(bytes: [u8; 32]) -> Seed {
        Seed(bytes)
    }

    /// A fresh seed from the operating system.
    ///
    /// # Panics
    /// If the operating system has no randomness: there is no safe way to go on.
    pub fn from_os() -> Seed {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        Seed(bytes)
    }

    /// The bytes, to be stored where only this party reads them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A seed for one purpose, independent of the streams and of every other label.
    pub fn derive(&self, label: &str) -> Seed {
        Seed(*blake3::keyed_hash(&self.0, format!("derive {label}").as_bytes()).as_bytes())
    }

    /// The stream of one step.
    pub fn stream(&self, step: &Step) -> Prf {
        let hash = blake3::keyed_hash(&self.0, format!("stream {}", step.path()).as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hash.as_bytes()[..16]);
        let prf = Prf(Ctr128LE::new(&key.into(), &[0; 16].into()));
        key.zeroize();
        prf
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(secret)")
    }
}

/// The seeds that one party holds: one with each other party, and its own. Not `Clone`: a session
/// takes them, so that no second one repeats its streams.
#[derive(Debug)]
pub struct Seeds {
    /// Shared with each of [`crate::Role::others`], in that order.
    pub with_others: [Seed; 2],
    /// Known to this party alone.
    pub private: Seed,
}

impl Seeds {
    /// Seeds for one part of what these are for, as [`Seed::derive`].
    pub fn derive(&self, label: &str) -> Seeds {
        let with_others = self.with_others.each_ref().map(|seed| seed.derive(label));
        Seeds { with_others, private: self.private.derive(label) }
    }
}

/// An AES-128-CTR stream.
pub struct Prf(Ctr128LE<Aes128>);

impl Prf {
    /// The next bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.write_keystream(out);
    }

    /// The next `count` elements of Z_2^64.
    pub fn words(&mut self, count: usize) -> Vec<u64> {
        let mut words = vec![0; count];
        self.fill_words(&mut words);
        words
    }

    /// Adds the next elements of Z_2^64, one to each.
    pub(crate) fn add_to(&mut self, values: &mut [u64]) {
        self.in_blocks(values, ring::add_assign);
    }

    /// Subtracts the next elements of Z_2^64, one from each.
    pub(crate) fn subtract_from(&mut self, values: &mut [u64]) {
        self.in_blocks(values, ring::sub_assign);
    }

    /// The next `count` elements of Z_{2^64-1}, canonical, by rejection.
    pub(crate) fn odd_words(&mut self, count: usize) -> Vec<u64> {
        let mut words = self.words(count);
        for word in &mut words {
            while *word == fixedpoint::odd_ring::MODULUS {
                *word = self.words(1)[0];
            }
        }
        words
    }

    /// Fills with digits of Z_67.
    pub fn digits(&mut self, out: &mut [u8]) {
        fixedpoint::prime::sample_digits(out, &mut |bytes| self.fill(bytes));
    }

    /// Fills with units of Z_67, that is 1..67.
    pub fn units(&mut self, out: &mut [u8]) {
        fixedpoint::prime::sample_units(out, &mut |bytes| self.fill(bytes));
    }

    /// The next `count` bits, each in a word.
    pub fn bits(&mut self, count: usize) -> Vec<u64> {
        let packed = self.words(count.div_ceil(64));
        (0..count).map(|i| packed[i / 64] >> (i % 64) & 1).collect()
    }

    /// The next bits of `count` values, `planes` of each.
    pub fn bit_planes(&mut self, planes: usize, count: usize) -> BitPlanes {
        let mut bits = BitPlanes::zeros(planes, count);
        bits.fill(&mut |bytes| self.fill(bytes));
        bits
    }

    /// The next `count` numbers below 64.
    pub(crate) fn rotations(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.fill(&mut bytes);
        bytes.iter_mut().for_each(|byte| *byte &= 63);
        bytes
    }
}

impl Prf {
    /// Draws as [`Prf::words`] does, but never more at once than the first-level cache holds.
    fn in_blocks(&mut self, values: &mut [u64], apply: impl Fn(&mut [u64], &[u64])) {
        let mut buffer = [0; 1024];
        for block in values.chunks_mut(buffer.len()) {
            let words = &mut buffer[..block.len()];
            self.fill_words(words);
            apply(block, words);
        }
        buffer.zeroize();
    }

    fn fill_words(&mut self, words: &mut [u64]) {
        self.fill(bytemuck::cast_slice_mut(words));
        if cfg!(target_endian = "big") {
            words.iter_mut().for_each(|word| *word = u64::to_le(*word));
        }
    }
}

impl std::fmt::Debug for Prf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prf(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_step_and_seed_and_repeat_for_the_same() {
        let fixed_seed = Seed::from_bytes([7; 32]);
        let (a, b) = (Step::root("a"), Step::root("b"));
        let words = fixed_seed.stream(&a).words(4);
        assert_eq!(words, fixed_seed.stream(&a).words(4));
        assert_ne!(words, fixed_seed.stream(&b).words(4));
        assert_ne!(words, fixed_seed.derive("x").stream(&a).words(4));
        assert_ne!(words, Seed::from_os().stream(&a).words(4));
    }

    #[test]
    fn adding_and_subtracting_draw_the_same_words() {
        let prf = || Seed::from_bytes([2; 32]).stream(&Step::root("words"));
        let words = prf().words(5000);
        let mut values = vec![7; 5000];
        let mut stream = prf();
        stream.add_to(&mut values[..2999]);
        stream.add_to(&mut values[2999..]);
        assert_eq!(values, ring::add(&vec![7; 5000], &words));
        prf().subtract_from(&mut values);
        assert_eq!(values, [7; 5000]);
        // A fixed seed gives the same stream on every machine.
        let mut bytes = [0; 16];
        prf().fill(&mut bytes);
        assert_eq!(words[1], u64::from_le_bytes(bytes[8..].try_into().unwrap()));
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut prf = Seed::from_bytes([1; 32]).stream(&Step::root("ranges"));
        let mut drawn = [0; 10_000];
        prf.digits(&mut drawn);
        assert!(drawn.iter().all(|&d| d < 67));
        prf.units(&mut drawn);
        assert!(drawn.iter().all(|&d| (1..67).contains(&d)));
        assert!(prf.rotations(1000).iter().all(|&d| d < 64));
        assert!(prf.bits(1000).iter().all(|&b| b < 2));
    }

    #[test]
    fn secrets_do_not_print() {
        let seed = Seed::from_bytes([0xAB; 32]);
        assert_eq!(format!("{seed:?}"), "Seed(secret)");
        assert_eq!(format!("{:?}", seed.stream(&Step::root("x"))), "Prf(secret)");
    }
}
