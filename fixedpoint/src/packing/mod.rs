//! How vectors travel: words as little-endian bytes, digits modulo 67 in 49 bits for every eight.
//!
//! 67^8 < 2^49, so eight digits are one number of 49 bits, digit 0 the least significant, and the 64 digits of a value are
//! a little-endian string of 8 * 49 bits: exactly 49 bytes, within 1% of what information theory asks.

mod portable;

use thiserror::Error;

use crate::prime::DIGITS;

/// Bytes that the 64 digits of a value take.
pub const PACKED_VALUE_BYTES: usize = 49;

/// Bytes that are not what a peer should have sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PackingError {
    /// A message of the wrong length.
    #[error(
        "packed digits have {got} bytes where {expected} are due: the peer sent another count of values"
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
    pack_values(values, packed);
}

/// Undoes [`pack_digits`]: fills `out`, 64 digits for every value.
///
/// # Errors
/// If `bytes` has not the length that fills `out`, or a word is 67^8 or more; then `out` holds anything.
pub fn unpack_digits(bytes: &[u8], out: &mut [u8]) -> Result<(), PackingError> {
    let (values, rest) = out.as_chunks_mut::<DIGITS>();
    assert!(rest.is_empty(), "digits of a value are missing");
    let expected = values.len() * PACKED_VALUE_BYTES;
    if bytes.len() != expected {
        return Err(PackingError::Length {
            expected,
            got: bytes.len(),
        });
    }
    let (packed, _) = bytes.as_chunks::<PACKED_VALUE_BYTES>();
    if unpack_values(packed, values) {
        Ok(())
    } else {
        Err(first_bad_word(packed))
    }
}

/// Words as bytes, little-endian.
#[must_use]
pub fn words_to_bytes(words: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    words_to_bytes_into(words, &mut out);
    out
}

/// Appends what [`words_to_bytes`] returns.
pub fn words_to_bytes_into(words: &[u64], out: &mut Vec<u8>) {
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
        words
            .iter_mut()
            .for_each(|word| *word = u64::from_le(*word));
    }
    Ok(words)
}

/// Words of a packed value.
const WORDS: usize = 8;
const WORD_BITS: usize = 49;
const RADIX_2: u64 = 67 * 67;
const RADIX_4: u64 = RADIX_2 * RADIX_2;
/// What a word must be below.
const WORD_LIMIT: u64 = RADIX_4 * RADIX_4;

fn pack_values(values: &[[u8; DIGITS]], packed: &mut [[u8; PACKED_VALUE_BYTES]]) {
    for (digits, out) in values.iter().zip(packed) {
        portable::pack(digits, out);
    }
}

/// Whether all words were below the limit.
fn unpack_values(packed: &[[u8; PACKED_VALUE_BYTES]], values: &mut [[u8; DIGITS]]) -> bool {
    packed.iter().zip(values).fold(true, |sound, (bytes, out)| {
        portable::unpack(bytes, out) & sound
    })
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
