//! How vectors travel: words as little-endian bytes, digits modulo 67 in 49 bits for every eight.
//!
//! 67^8 < 2^49, so eight digits are one number of 49 bits, digit 0 the least significant, and the
//! 64 digits of a value are a little-endian string of 8 * 49 bits: exactly 49 bytes, within 1% of
//! what information theory asks.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use thiserror::Error;

use crate::dispatch::{self, Level, at_level};
use crate::prime::DIGITS;

/// Bytes that the 64 digits of a value take.
pub const PACKED_VALUE_BYTES: usize = 49;

/// Bytes that are not what a peer should have sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PackingError {
    /// A message of the wrong length.
    #[error(
        "a packed vector has {got} bytes where {expected} are due: the peer sent \
         another count of values"
    )]
    Length {
        /// Bytes due.
        expected: usize,
        /// Bytes received.
        got: usize,
    },
    /// A word that stands for no eight digits.
    #[error("word {word} of value {value} is 67^8 or more: the peer did not pack digits modulo 67")]
    Word {
        /// Which value of the message.
        value: usize,
        /// Which of its eight words.
        word: usize,
    },
    /// Bits other than zero after the last value.
    #[error(
        "the last byte of {count} values of {bits} bits has more than their bits: the peer \
         packed them at another width"
    )]
    Padding {
        /// How many values are due.
        count: usize,
        /// The bits of a value.
        bits: u32,
    },
    /// Bytes that are not whole 64-bit words.
    #[error("{got} bytes are no whole number of 64-bit words")]
    PartialWord {
        /// Bytes received.
        got: usize,
    },
}

/// Packs digits below 67, 64 for every value, into [`PACKED_VALUE_BYTES`] a value.
#[must_use]
pub fn pack_digits(digits: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    pack_digits_into(digits, &mut out);
    out
}

/// Appends what [`pack_digits`] returns.
pub fn pack_digits_into(digits: &[u8], out: &mut Vec<u8>) {
    let (values, rest) = digits.as_chunks::<DIGITS>();
    assert!(rest.is_empty(), "digits of a value are missing");
    let start = out.len();
    out.resize(start + values.len() * PACKED_VALUE_BYTES, 0);
    let (packed, _) = out[start..].as_chunks_mut::<PACKED_VALUE_BYTES>();
    pack_at(dispatch::level(), values, packed);
}

/// Undoes [`pack_digits`]: fills `out`, 64 digits for every value.
///
/// # Errors
/// If `bytes` has not the length that fills `out`, or a word is 67^8 or more; then `out` holds
/// anything.
pub fn unpack_digits(bytes: &[u8], out: &mut [u8]) -> Result<(), PackingError> {
    let (values, rest) = out.as_chunks_mut::<DIGITS>();
    assert!(rest.is_empty(), "digits of a value are missing");
    let expected = values.len() * PACKED_VALUE_BYTES;
    if bytes.len() != expected {
        return Err(PackingError::Length { expected, got: bytes.len() });
    }
    let (packed, _) = bytes.as_chunks::<PACKED_VALUE_BYTES>();
    if unpack_at(dispatch::level(), packed, values) { Ok(()) } else { Err(first_bad_word(packed)) }
}

/// Words as bytes, little-endian.
#[must_use]
pub fn words_to_bytes(words: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    words_to_bytes_into(words, &mut out);
    out
}

/// Appends what [`words_to_bytes`] returns.
fn words_to_bytes_into(words: &[u64], out: &mut Vec<u8>) {
    if cfg!(target_endian = "little") {
        out.extend_from_slice(bytemuck::cast_slice(words));
    } else {
        out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
}

/// Undoes [`words_to_bytes`]; the bytes may have any alignment.
///
/// # Errors
/// If the bytes are no whole number of words.
pub fn bytes_to_words(bytes: &[u8]) -> Result<Vec<u64>, PackingError> {
    if !bytes.len().is_multiple_of(8) {
        return Err(PackingError::PartialWord { got: bytes.len() });
    }
    let mut words = vec![0u64; bytes.len() / 8];
    bytemuck::cast_slice_mut::<u64, u8>(&mut words).copy_from_slice(bytes);
    if cfg!(target_endian = "big") {
        words.iter_mut().for_each(|word| *word = u64::from_le(*word));
    }
    Ok(words)
}

/// Words of a packed value.
const WORDS: usize = 8;
const WORD_BITS: usize = 49;
const RADIX_2: u64 = 67 * 67;
const RADIX_4: u64 = RADIX_2 * RADIX_2;
/// The exclusive upper bound of a word.
const WORD_LIMIT: u64 = RADIX_4 * RADIX_4;

fn pack_at(level: Level, values: &[[u8; DIGITS]], packed: &mut [[u8; PACKED_VALUE_BYTES]]) {
    at_level!(level, pack(values, packed));
}

/// Whether all words were below the limit.
fn unpack_at(
    level: Level,
    packed: &[[u8; PACKED_VALUE_BYTES]],
    values: &mut [[u8; DIGITS]],
) -> bool {
    at_level!(level, unpack(packed, values))
}

fn first_bad_word(packed: &[[u8; PACKED_VALUE_BYTES]]) -> PackingError {
    packed
        .iter()
        .enumerate()
        .flat_map(|(value, bytes)| {
            (0..WORDS).map(move |word| (value, word, portable::word(bytes, word)))
        })
        .find(|&(.., content)| content >= WORD_LIMIT)
        .map(|(value, word, _)| PackingError::Word { value, word })
        .expect("a kernel found a word at or above the limit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random_digits(seed: u64, values: usize) -> Vec<u8> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..DIGITS * values).map(|_| rng.random_range(0..67)).collect()
    }

    /// The format by its definition, bit by bit.
    fn reference(digits: &[u8]) -> Vec<u8> {
        let words = digits
            .chunks(8)
            .map(|eight| eight.iter().rev().fold(0, |word, &digit| 67 * word + u64::from(digit)));
        let bits: Vec<u8> =
            words.flat_map(|word| (0..49).map(move |bit| (word >> bit & 1) as u8)).collect();
        bits.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, bit| 2 * byte + bit)).collect()
    }

    /// A packed value with the given words.
    fn pack_words(words: [u64; WORDS]) -> Vec<u8> {
        let bit = |i: usize| (words[i / WORD_BITS] >> (i % WORD_BITS) & 1) as u8;
        (0..PACKED_VALUE_BYTES).map(|byte| (0..8).map(|i| bit(8 * byte + i) << i).sum()).collect()
    }

    fn check(digits: &[u8]) {
        let expected = reference(digits);
        assert_eq!(expected.len(), digits.len() / DIGITS * PACKED_VALUE_BYTES);
        for level in dispatch::available() {
            let mut packed = vec![0xff; expected.len()];
            pack_at(level, digits.as_chunks().0, packed.as_chunks_mut().0);
            assert!(packed == expected, "{level}");
            let mut unpacked = vec![0xff; digits.len()];
            assert!(unpack_at(level, packed.as_chunks().0, unpacked.as_chunks_mut().0), "{level}");
            assert!(unpacked == digits, "{level}");
        }
    }

    #[test]
    fn every_count_of_values() {
        for values in 0..20 {
            check(&random_digits(values as u64, values));
        }
    }

    #[test]
    fn extreme_digits() {
        for digit in [0, 1, 33, 66] {
            check(&[digit; 3 * DIGITS]);
        }
        // Every quotient just below, at and just above a multiple of a power of 67.
        for place in 0..DIGITS {
            let mut digits = [0; DIGITS];
            digits[place] = 1;
            check(&digits);
            digits = [66; DIGITS];
            digits[place] = 65;
            check(&digits);
            digits[place..].fill(0);
            check(&digits);
            // Random quotients with remainders at either end.
            for remainder in [0, 66] {
                let mut digits = random_digits(place as u64, 50);
                digits.chunks_mut(8).for_each(|word| word[..place % 8].fill(remainder));
                check(&digits);
            }
        }
    }

    #[test]
    fn every_pair_of_digits() {
        let digits: Vec<u8> = (0..67u8).flat_map(|a| (0..67u8).flat_map(move |b| [a, b])).collect();
        let whole = digits.len() / DIGITS * DIGITS;
        check(&digits[..whole]);
        check(&digits[digits.len() - DIGITS..]);
    }

    #[test]
    fn public_functions_round_trip_and_append() {
        let digits = random_digits(7, 1000);
        let packed = pack_digits(&digits);
        let mut out = vec![0; digits.len()];
        unpack_digits(&packed, &mut out).unwrap();
        assert!(out == digits);
        let mut appended = vec![1, 2, 3];
        pack_digits_into(&digits, &mut appended);
        assert!(appended[..3] == [1, 2, 3] && appended[3..] == packed);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let packed = pack_digits(&random_digits(8, 3));
        for (bytes, values) in [(&packed[..], 2), (&packed[..], 4), (&packed[1..], 3), (&[], 1)] {
            let error = unpack_digits(bytes, &mut vec![0; DIGITS * values]).unwrap_err();
            let expected = PACKED_VALUE_BYTES * values;
            assert_eq!(error, PackingError::Length { expected, got: bytes.len() });
        }
    }

    #[test]
    fn words_out_of_range_are_refused() {
        for bad in [WORD_LIMIT, WORD_LIMIT + 1, (1 << WORD_BITS) - 1] {
            for values in [1, 2, 5] {
                for (value, word) in
                    (0..values).flat_map(|value| (0..WORDS).map(move |word| (value, word)))
                {
                    let mut packed = pack_digits(&random_digits(9, values));
                    let mut words = [WORD_LIMIT - 1; WORDS];
                    words[word] = bad;
                    let at = value * PACKED_VALUE_BYTES;
                    packed[at..at + PACKED_VALUE_BYTES].copy_from_slice(&pack_words(words));
                    let mut out = vec![0; DIGITS * values];
                    let error = unpack_digits(&packed, &mut out).unwrap_err();
                    assert_eq!(error, PackingError::Word { value, word });
                    for level in dispatch::available() {
                        let sound = unpack_at(level, packed.as_chunks().0, out.as_chunks_mut().0);
                        assert!(
                            !sound,
                            "{level}: {bad} as word {word} of value {value} of {values}"
                        );
                    }
                }
            }
        }
        assert!(unpack_digits(&pack_words([WORD_LIMIT - 1; WORDS]), &mut [0; DIGITS]).is_ok());
    }

    #[test]
    fn bytes_of_words_are_little_endian_at_any_alignment() {
        let words = [1, u64::MAX, 0x0102_0304_0506_0708];
        let mut bytes = vec![9];
        words_to_bytes_into(&words, &mut bytes);
        assert_eq!(bytes[1..9], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[17..], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes[1..], words_to_bytes(&words));
        for offset in 0..8 {
            let mut shifted = vec![0; offset];
            shifted.extend_from_slice(&bytes[1..]);
            assert_eq!(bytes_to_words(&shifted[offset..]).unwrap(), words);
        }
        assert_eq!(bytes_to_words(&bytes), Err(PackingError::PartialWord { got: 25 }));
        assert_eq!(bytes_to_words(&[]), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn round_trips(seed in any::<u64>(), values in 0usize..40) {
            check(&random_digits(seed, values));
        }

        #[test]
        fn any_bytes_decode_or_are_refused(
            bytes in prop::collection::vec(any::<u8>(), PACKED_VALUE_BYTES),
        ) {
            let mut digits = [0; DIGITS];
            match unpack_digits(&bytes, &mut digits) {
                Ok(()) => prop_assert_eq!(pack_digits(&digits), bytes),
                Err(error) => {
                    let is_word = matches!(error, PackingError::Word { value: 0, .. });
                    prop_assert!(is_word);
                }
            }
        }
    }
}
