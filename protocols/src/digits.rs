//! Digits of Z_67 on their way: packed, 49 bytes a value, worked on in blocks that stay in the
//! first-level cache, so that the 64 digits of a value are never written to memory.

use fixedpoint::{
    packing::{PACKED_VALUE_BYTES, PackingError, pack_digits_into, unpack_digits},
    prime::DIGITS,
};

/// Values per block. Both parties of a pair draw their masks block by block, so it is part of the
/// protocol.
pub(crate) const BLOCK: usize = 128;

/// The digits of a batch of values as they travel.
#[derive(Default)]
pub struct PackedDigits(Vec<u8>);

impl PackedDigits {
    /// An empty batch with capacity for `values` values.
    pub(crate) fn with_capacity(values: usize) -> PackedDigits {
        PackedDigits(Vec::with_capacity(values * PACKED_VALUE_BYTES))
    }

    /// Takes a payload, whose length is a multiple of 49 bytes; its words are checked when
    /// unpacked.
    pub(crate) fn from_payload(payload: Vec<u8>) -> PackedDigits {
        PackedDigits(payload)
    }

    /// The payload.
    pub(crate) fn into_payload(self) -> Vec<u8> {
        self.0
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.0.len() / PACKED_VALUE_BYTES
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a block's digits, 64 a value.
    pub(crate) fn push(&mut self, digits: &[u8]) {
        pack_digits_into(digits, &mut self.0);
    }

    /// Writes the digits of a block of values, 64 each.
    ///
    /// # Errors
    /// If a word is no digits.
    pub(crate) fn unpack(
        &self,
        block: std::ops::Range<usize>,
        out: &mut [u8],
    ) -> Result<(), PackingError> {
        unpack_digits(
            &self.0[block.start * PACKED_VALUE_BYTES..block.end * PACKED_VALUE_BYTES],
            out,
        )
    }
}

/// A block's digits.
pub(crate) struct BlockDigits(Box<[u8; BLOCK * DIGITS]>);

impl BlockDigits {
    pub(crate) fn new() -> BlockDigits {
        BlockDigits(Box::new([0; BLOCK * DIGITS]))
    }

    /// The digits of the first `values` values.
    pub(crate) fn first_mut(&mut self, values: usize) -> &mut [u8] {
        &mut self.0[..values * DIGITS]
    }
}

/// Cuts `0..values` into blocks.
pub(crate) fn blocks(values: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..values).step_by(BLOCK).map(move |start| start..values.min(start + BLOCK))
}
