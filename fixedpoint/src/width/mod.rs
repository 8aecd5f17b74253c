//! Rings Z_{2^l} for 1 <= l <= 64, and how their elements travel: packed at l bits each.
//!
//! An element lives in the low l bits of a word whose other bits are zero. Sums and products of
//! words are right modulo 2^l whatever the other bits hold, so vectors compute in
//! [`ring`](crate::ring), [`gemm`](crate::gemm) and [`conv`](crate::conv) and are reduced at the
//! end. Packed, element i takes the bits from l i on of a little-endian string of bits, which zeros
//! fill up to a whole byte: any eight elements take exactly l bytes.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::dispatch::{self, Level};
pub use crate::packing::PackingError;

/// How many bits an element has, and thus its ring, Z_{2^l}.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Width(u32);

impl Width {
    /// A whole word: Z_{2^64}.
    pub const WORD: Self = Self(64);

    /// The ring of integers modulo 2^`bits`.
    ///
    /// # Panics
    /// Unless `bits` is from 1 to 64.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        assert!(1 <= bits && bits <= 64, "a width is from 1 to 64 bits");
        Self(bits)
    }

    /// The bits of an element.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The largest element, 2^l - 1: ones in all its bits.
    #[inline]
    #[must_use]
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.0)
    }

    /// `x` modulo 2^l.
    #[inline]
    #[must_use]
    pub const fn reduce(self, x: u64) -> u64 {
        x & self.mask()
    }

    /// The signed integer nearest to zero that `x` stands for modulo 2^l: at least -2^(l-1) and
    /// below 2^(l-1).
    #[inline]
    #[must_use]
    pub const fn signed(self, x: u64) -> i64 {
        let unused = 64 - self.0;
        (x << unused).cast_signed() >> unused
    }

    /// Every word modulo 2^l.
    pub fn reduce_all(self, words: &mut [u64]) {
        if self < Self::WORD {
            words.iter_mut().for_each(|word| *word = self.reduce(*word));
        }
    }

    /// The bytes that `count` packed elements take.
    #[inline]
    #[must_use]
    pub const fn bytes(self, count: usize) -> usize {
        let bits = self.0 as usize;
        count / 8 * bits + (count % 8 * bits).div_ceil(8)
    }
}

/// Packs the low l bits of every word.
#[must_use]
pub fn pack(width: Width, values: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    pack_into(width, values, &mut out);
    out
}

/// Appends what [`pack`] returns.
pub fn pack_into(width: Width, values: &[u64], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width.bytes(values.len()), 0);
    pack_at(dispatch::level(), width, values, &mut out[start..]);
}

/// Undoes [`pack`] for `count` elements.
///
/// # Errors
/// If `bytes` has another length than `count` elements take, or the bits after the last one are not
/// zero.
pub fn unpack(width: Width, bytes: &[u8], count: usize) -> Result<Vec<u64>, PackingError> {
    check(width, bytes, count)?;
    let mut values = vec![0; count];
    unpack_at(dispatch::level(), width, bytes, &mut values);
    Ok(values)
}

/// As [`unpack`], for as many elements as fill `values`.
///
/// # Errors
/// As [`unpack`]; then `values` is as it was.
pub fn unpack_into(width: Width, bytes: &[u8], values: &mut [u64]) -> Result<(), PackingError> {
    check(width, bytes, values.len())?;
    unpack_at(dispatch::level(), width, bytes, values);
    Ok(())
}

/// Elements that take a whole number of bytes at any width.
const GROUP: usize = 8;

/// Checks the bytes as [`unpack`] does.
pub(crate) fn check(width: Width, bytes: &[u8], count: usize) -> Result<(), PackingError> {
    let expected = width.bytes(count);
    if bytes.len() != expected {
        return Err(PackingError::Length { expected, got: bytes.len() });
    }
    // What the last byte holds beyond the last element.
    let unused = (8 - count % 8 * width.0 as usize % 8) % 8;
    if bytes.last().is_some_and(|&last| last.leading_zeros() < unused as u32) {
        return Err(PackingError::Padding { count, bits: width.0 });
    }
    Ok(())
}

fn pack_at(level: Level, width: Width, values: &[u64], packed: &mut [u8]) {
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this level is chosen only where `detected` found it, and that looks for all
        // features of the kernel.
        Level::Avx512Vbmi => unsafe { avx512::pack(width, values, packed) },
        Level::Portable | Level::Avx2 | Level::Avx512 => portable::pack(width, values, packed),
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx512Vbmi => portable::pack(width, values, packed),
    }
}

fn unpack_at(level: Level, width: Width, packed: &[u8], values: &mut [u64]) {
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512Vbmi => unsafe { avx512::unpack(width, packed, values) },
        Level::Portable | Level::Avx2 | Level::Avx512 => portable::unpack(width, packed, values),
        #[cfg(not(target_arch = "x86_64"))]
        Level::Avx512Vbmi => portable::unpack(width, packed, values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const COUNTS: [usize; 16] = [0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000];

    fn widths() -> impl Iterator<Item = Width> {
        (1..=64).map(Width::new)
    }

    fn random(seed: u64, count: usize) -> Vec<u64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| rng.random()).collect()
    }

    /// The format by its definition, bit by bit.
    fn reference(width: Width, values: &[u64]) -> Vec<u8> {
        let bits: Vec<u8> = values
            .iter()
            .flat_map(|value| (0..width.bits()).map(move |bit| (value >> bit & 1) as u8))
            .collect();
        bits.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, bit| 2 * byte + bit)).collect()
    }

    fn check_both_ways(width: Width, values: &[u64], expected: &[u8]) {
        assert_eq!(width.bytes(values.len()), expected.len());
        let reduced: Vec<u64> = values.iter().map(|&value| width.reduce(value)).collect();
        for level in dispatch::available() {
            let mut packed = vec![0xff; expected.len()];
            pack_at(level, width, values, &mut packed);
            assert!(packed == expected, "{level}: {width:?}, {} values", values.len());
            let mut unpacked = vec![u64::MAX; values.len()];
            unpack_at(level, width, &packed, &mut unpacked);
            assert!(unpacked == reduced, "{level}: {width:?}, {} values", values.len());
        }
    }

    #[test]
    fn every_width_and_tail() {
        for width in widths() {
            for count in COUNTS {
                // Unused high bits hold anything, and must not matter.
                let values = random(count as u64, count);
                check_both_ways(width, &values, &reference(width, &values));
            }
        }
    }

    #[test]
    fn a_bit_anywhere_stays_where_it_is() {
        for width in widths() {
            for place in 0..17 {
                for value in [1, width.mask(), width.mask() ^ width.mask() >> 1] {
                    let mut values = [0; 17];
                    values[place] = value;
                    check_both_ways(width, &values, &reference(width, &values));
                    let others = values.map(|value| !value);
                    check_both_ways(width, &others, &reference(width, &others));
                }
            }
        }
    }

    #[test]
    fn long_vectors() {
        let values = random(1, 100_003);
        for width in widths() {
            let mut expected = vec![0; width.bytes(values.len())];
            portable::pack(width, &values, &mut expected);
            check_both_ways(width, &values, &expected);
        }
    }

    #[test]
    fn whole_bytes_and_words_are_little_endian() {
        let values = [0x0123_4567_89ab_cdef, u64::MAX, 5];
        for bytes in [1, 2, 4, 8] {
            let expected: Vec<u8> =
                values.iter().flat_map(|value| value.to_le_bytes()[..bytes].to_vec()).collect();
            assert_eq!(pack(Width::new(8 * bytes as u32), &values), expected);
        }
    }

    #[test]
    fn packing_appends_whole_bytes() {
        let mut out = vec![7];
        pack_into(Width::new(3), &[1, 2, 3], &mut out);
        pack_into(Width::new(3), &[4], &mut out);
        assert_eq!(out, [7, 0b1101_0001, 0, 4]);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        for (width, count) in widths().flat_map(|width| [0, 1, 8, 100].map(|count| (width, count)))
        {
            let packed = pack(width, &random(2, count));
            let expected = packed.len();
            let mut longer = packed.clone();
            longer.push(0);
            for bytes in [&longer[..], &packed[..expected.saturating_sub(1)]] {
                if bytes.len() != expected {
                    let error = Err(PackingError::Length { expected, got: bytes.len() });
                    assert_eq!(unpack(width, bytes, count), error);
                }
            }
        }
        // Nothing is allocated for a count that the bytes do not have.
        assert!(unpack(Width::WORD, &[], usize::MAX / 64).is_err());
    }

    #[test]
    fn bits_after_the_last_element_are_refused() {
        for width in widths() {
            for count in 1..=16 {
                let packed = pack(width, &random(3, count));
                let used = width.bits() as usize * count;
                for bit in used..8 * packed.len() {
                    let mut bytes = packed.clone();
                    bytes[bit / 8] |= 1 << (bit % 8);
                    let mut values = vec![9; count];
                    let error = Err(PackingError::Padding { count, bits: width.bits() });
                    assert_eq!(unpack_into(width, &bytes, &mut values), error);
                    assert_eq!(values, vec![9; count]);
                }
            }
        }
    }

    #[test]
    fn elements_by_their_definition() {
        for width in widths() {
            let modulus = 1u128 << width.bits();
            assert_eq!(u128::from(width.mask()), modulus - 1);
            let mut words = random(4, 100);
            words.extend([0, 1, u64::MAX, 1 << 63, width.mask(), width.mask() / 2 + 1]);
            for &word in &words {
                assert_eq!(u128::from(width.reduce(word)), u128::from(word) % modulus);
                let (signed, half) = (i128::from(width.signed(word)), (modulus / 2) as i128);
                assert!(-half <= signed && signed < half);
                assert_eq!(signed.rem_euclid(2 * half), i128::from(width.reduce(word)));
            }
            let expected: Vec<u64> = words.iter().map(|&word| width.reduce(word)).collect();
            width.reduce_all(&mut words);
            assert_eq!(words, expected);
        }
    }

    #[test]
    #[should_panic(expected = "from 1 to 64 bits")]
    fn no_element_has_no_bits() {
        let _ = Width::new(0);
    }

    #[test]
    #[should_panic(expected = "from 1 to 64 bits")]
    fn no_element_is_longer_than_a_word() {
        let _ = Width::new(65);
    }

    proptest! {
        #[test]
        fn round_trips(bits in 1u32..=64, values in prop::collection::vec(any::<u64>(), 0..200)) {
            let width = Width::new(bits);
            check_both_ways(width, &values, &reference(width, &values));
            let reduced: Vec<u64> = values.iter().map(|&value| width.reduce(value)).collect();
            prop_assert_eq!(unpack(width, &pack(width, &values), values.len()), Ok(reduced));
        }

        #[test]
        fn any_bytes_decode_or_are_refused(
            bits in 1u32..=64, count in 0usize..20, seed in any::<u64>(),
        ) {
            let width = Width::new(bits);
            let mut bytes = vec![0; width.bytes(count)];
            ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
            if let Ok(values) = unpack(width, &bytes, count) {
                prop_assert_eq!(pack(width, &values), bytes);
            }
        }
    }
}
