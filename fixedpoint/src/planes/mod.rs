//! Bits of many values side by side: plane b holds bit b of every value, so that one instruction
//! works on one bit of hundreds of values.
//!
//! [`LANES`] values make a batch, and a plane of a batch is a [`Block`]: value i is bit `i % 64` of
//! word `i / 64`. The blocks of a batch lie one after the other, plane by plane, so that a loop
//! over batches keeps all their planes in a first-level cache. The lanes of the last batch that no
//! value uses are zero; what sets them (a NOT does) calls [`BitPlanes::clear_unused`] before its
//! result is compared or sent.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::fmt;
use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, BitXor, BitXorAssign, Not};

use bytemuck::{Pod, Zeroable};

use crate::dispatch::{self, Level, at_level};
pub use crate::packing::PackingError;
use crate::width::{self, Width};

/// Values of a batch: bits of a [`Block`].
pub const LANES: usize = 512;

/// One bit of each of [`LANES`] values, in a cache line of its own. Has no `Debug`, since bits may
/// be secret.
#[derive(Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Block(pub [u64; 8]);

/// Some bits of every value of a vector, see the [module](self). Its `Debug` shows the sizes only.
#[derive(Clone, PartialEq, Eq)]
pub struct BitPlanes {
    planes: usize,
    count: usize,
    blocks: Vec<Block>,
}

impl Block {
    /// Zero in every lane.
    pub const ZERO: Self = Self([0; 8]);
    /// One in every lane.
    pub const ONES: Self = Self([u64::MAX; 8]);
}

impl BitPlanes {
    /// Zeros: `planes` bits of `count` values. There may be more planes than a word has bits.
    #[must_use]
    pub fn zeros(planes: usize, count: usize) -> Self {
        assert!(planes > 0, "no planes");
        Self { planes, count, blocks: vec![Block::ZERO; planes * count.div_ceil(LANES)] }
    }

    /// The bits from `first_bit` to `first_bit + planes - 1` of every value; the lowest of them is
    /// plane 0.
    #[must_use]
    pub fn transpose(values: &[u64], first_bit: u32, planes: u32) -> Self {
        assert!(first_bit + planes <= 64, "bits {first_bit} + {planes} of a word");
        let mut out = Self::zeros(planes as usize, values.len());
        let level = dispatch::level();
        for (values, planes) in values.chunks(LANES).zip(out.batches_mut()) {
            if let Some(values) = values.first_chunk() {
                transpose_at(level, values, first_bit, planes);
            } else {
                let mut last = [0; LANES];
                last[..values.len()].copy_from_slice(values);
                transpose_at(level, &last, first_bit, planes);
            }
        }
        out
    }

    /// Undoes [`transpose`](Self::transpose) from bit 0: the number below 2^planes that every
    /// value's bits make.
    #[must_use]
    pub fn to_values(&self) -> Vec<u64> {
        assert!(self.planes <= 64, "{} planes in a word", self.planes);
        let mut values = vec![0; self.count];
        let level = dispatch::level();
        for (values, planes) in values.chunks_mut(LANES).zip(self.batches()) {
            if let Some(values) = values.first_chunk_mut() {
                values_at(level, planes, values);
            } else {
                let mut last = [0; LANES];
                values_at(level, planes, &mut last);
                values.copy_from_slice(&last[..values.len()]);
            }
        }
        values
    }

    /// How many bits of every value.
    #[must_use]
    pub fn planes(&self) -> usize {
        self.planes
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The planes of one batch: of the values from `LANES * index` on.
    #[must_use]
    pub fn batch(&self, index: usize) -> &[Block] {
        &self.blocks[index * self.planes..][..self.planes]
    }

    /// The planes of every batch in turn.
    pub fn batches(&self) -> impl ExactSizeIterator<Item = &[Block]> {
        self.blocks.chunks_exact(self.planes)
    }

    /// The planes of every batch in turn, to change.
    pub fn batches_mut(&mut self) -> impl ExactSizeIterator<Item = &mut [Block]> {
        self.blocks.chunks_exact_mut(self.planes)
    }

    /// All blocks: the planes of one batch after those of the batch before.
    #[must_use]
    pub fn as_slice(&self) -> &[Block] {
        &self.blocks
    }

    /// All blocks, to change.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [Block] {
        &mut self.blocks
    }

    /// Replaces every bit by one of `source`, which fills the bytes that it is given.
    pub fn fill(&mut self, source: &mut dyn FnMut(&mut [u8])) {
        source(bytemuck::cast_slice_mut(&mut self.blocks));
        if cfg!(target_endian = "big") {
            let words = self.blocks.iter_mut().flat_map(|block| &mut block.0);
            words.for_each(|word| *word = u64::from_le(*word));
        }
        self.clear_unused();
    }

    /// Makes the lanes zero that no value uses.
    pub fn clear_unused(&mut self) {
        let used = self.count % LANES;
        if used == 0 {
            return;
        }
        let mask = Block(std::array::from_fn(|word| match used.saturating_sub(64 * word) {
            bits @ 0..64 => (1 << bits) - 1,
            _ => u64::MAX,
        }));
        let start = self.blocks.len() - self.planes;
        for block in &mut self.blocks[start..] {
            *block &= mask;
        }
    }

    /// The bytes that one plane packs into: eight values in each, value 0 in the lowest bit of the
    /// first.
    #[must_use]
    fn plane_bytes(&self) -> usize {
        Width::new(1).bytes(self.count)
    }

    /// Appends the bits of one plane, [`plane_bytes`](Self::plane_bytes) bytes.
    fn pack_plane_into(&self, plane: usize, out: &mut Vec<u8>) {
        let end = out.len() + self.plane_bytes();
        for batch in self.batches() {
            for word in batch[plane].0 {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
        out.truncate(end);
    }

    /// Undoes [`pack_plane_into`](Self::pack_plane_into).
    ///
    /// # Errors
    /// If there is another count of bytes, or the bits after the last value are not zero; then
    /// nothing changes.
    fn unpack_plane(&mut self, plane: usize, bytes: &[u8]) -> Result<(), PackingError> {
        width::check(Width::new(1), bytes, self.count)?;
        for (batch, bytes) in self.batches_mut().zip(bytes.chunks(LANES / 8)) {
            let mut block = [0; LANES / 8];
            block[..bytes.len()].copy_from_slice(bytes);
            let words = block.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
            batch[plane].0.iter_mut().zip(words).for_each(|(out, word)| *out = word);
        }
        Ok(())
    }

    /// Appends the bits of all planes, one after the other.
    pub fn pack_into(&self, out: &mut Vec<u8>) {
        out.reserve(self.planes * self.plane_bytes() + LANES / 8);
        (0..self.planes).for_each(|plane| self.pack_plane_into(plane, out));
    }

    /// Undoes [`pack_into`](Self::pack_into) for `planes` bits of `count` values.
    ///
    /// # Errors
    /// If there is another count of bytes, or the bits after the last value of a plane are not
    /// zero.
    pub fn unpack(planes: usize, count: usize, bytes: &[u8]) -> Result<Self, PackingError> {
        let plane_bytes = Width::new(1).bytes(count);
        let expected = planes * plane_bytes;
        if bytes.len() != expected {
            return Err(PackingError::Length { expected, got: bytes.len() });
        }
        let mut out = Self::zeros(planes, count);
        for plane in 0..planes {
            out.unpack_plane(plane, &bytes[plane * plane_bytes..][..plane_bytes])?;
        }
        Ok(out)
    }
}

impl fmt::Debug for BitPlanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BitPlanes({} bits of {} values)", self.planes, self.count)
    }
}

/// An operator on all lanes, in its plain and its assigning form.
macro_rules! lanewise {
    ($operator:ident, $apply:ident, $assigning:ident, $assign:ident) => {
        impl $assigning for Block {
            #[inline(always)]
            fn $assign(&mut self, other: Self) {
                for (word, other) in self.0.iter_mut().zip(other.0) {
                    word.$assign(other);
                }
            }
        }

        impl $operator for Block {
            type Output = Self;

            #[inline(always)]
            fn $apply(mut self, other: Self) -> Self {
                self.$assign(other);
                self
            }
        }
    };
}

lanewise!(BitXor, bitxor, BitXorAssign, bitxor_assign);
lanewise!(BitAnd, bitand, BitAndAssign, bitand_assign);
lanewise!(BitOr, bitor, BitOrAssign, bitor_assign);

impl Not for Block {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        self ^ Self::ONES
    }
}

fn transpose_at(level: Level, values: &[u64; LANES], first_bit: u32, planes: &mut [Block]) {
    at_level!(level, transpose(values, first_bit, planes));
}

fn values_at(level: Level, planes: &[Block], values: &mut [u64; LANES]) {
    at_level!(level, values(planes, values));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const COUNTS: [usize; 13] = [0, 1, 7, 8, 63, 64, 65, 511, 512, 513, 1000, 1024, 1025];

    fn random(seed: u64, count: usize) -> Vec<u64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| rng.random()).collect()
    }

    fn bit(planes: &BitPlanes, plane: usize, value: usize) -> u64 {
        planes.batch(value / LANES)[plane].0[value % LANES / 64] >> (value % 64) & 1
    }

    /// Whether these are the planes by their definition, unused lanes included.
    fn is_transposed(planes: &BitPlanes, values: &[u64], first_bit: u32) -> bool {
        let lanes = values.len().next_multiple_of(LANES);
        (0..planes.planes()).all(|plane| {
            (0..lanes).all(|i| {
                let value = values.get(i).copied().unwrap_or(0);
                bit(planes, plane, i) == value >> (first_bit as usize + plane) & 1
            })
        })
    }

    fn check(values: &[u64], first_bit: u32, planes: u32) {
        let transposed = BitPlanes::transpose(values, first_bit, planes);
        assert_eq!((transposed.planes(), transposed.count()), (planes as usize, values.len()));
        assert!(is_transposed(&transposed, values, first_bit), "{first_bit}, {planes}");
        let mask = Width::new(planes).mask();
        let expected: Vec<u64> = values.iter().map(|value| value >> first_bit & mask).collect();
        assert!(transposed.to_values() == expected, "{first_bit}, {planes}");
    }

    #[test]
    fn every_count() {
        for count in COUNTS.into_iter().chain([100_003]) {
            check(&random(count as u64, count), 3, 21);
            check(&random(count as u64, count), 0, 64);
            check(&random(count as u64, count), 63, 1);
        }
    }

    #[test]
    fn every_range_of_bits() {
        let values = random(1, 130);
        for first_bit in 0..64 {
            (1..=64 - first_bit).for_each(|planes| check(&values, first_bit, planes));
        }
    }

    #[test]
    fn every_level_agrees() {
        let values: [u64; LANES] = random(2, LANES).try_into().unwrap();
        for planes in 1..=64 {
            for first_bit in [0, 1, 31, 64 - planes as u32] {
                if first_bit + planes as u32 > 64 {
                    continue;
                }
                let mask = Width::new(planes as u32).mask();
                for level in dispatch::available() {
                    let mut transposed = BitPlanes::zeros(planes, LANES);
                    transpose_at(
                        level,
                        &values,
                        first_bit,
                        transposed.batches_mut().next().unwrap(),
                    );
                    assert!(is_transposed(&transposed, &values, first_bit), "{level}: {planes}");
                    let mut back = [u64::MAX; LANES];
                    values_at(level, transposed.batch(0), &mut back);
                    assert!(back == values.map(|x| x >> first_bit & mask), "{level}: {planes}");
                }
            }
        }
    }

    #[test]
    fn one_bit_of_one_value() {
        for place in [0, 1, 8, 63, 64, 200, 448, 511] {
            for bit in 0..64 {
                let mut values = [0; LANES];
                values[place] = 1 << bit;
                check(&values, 0, 64);
            }
        }
    }

    #[test]
    fn packed_planes_are_strings_of_bits() {
        for count in COUNTS {
            let values = random(3, count);
            let planes = BitPlanes::transpose(&values, 5, 9);
            let mut packed = vec![1];
            planes.pack_into(&mut packed);
            let mut expected = vec![1];
            for plane in 0..9 {
                let bits: Vec<u64> = values.iter().map(|value| value >> (5 + plane) & 1).collect();
                width::pack_into(Width::new(1), &bits, &mut expected);
            }
            assert_eq!(packed, expected, "{count}");
            assert_eq!(packed.len(), 1 + 9 * planes.plane_bytes());
            let unpacked = BitPlanes::unpack(9, count, &packed[1..]).unwrap();
            assert!(unpacked == planes, "{count}");
        }
    }

    #[test]
    fn bad_bytes_are_refused() {
        for count in [1, 7, 9, 511, 513, 700] {
            let mut planes = BitPlanes::transpose(&random(4, count), 0, 2);
            let before = planes.clone();
            let mut packed = Vec::new();
            planes.pack_into(&mut packed);
            let expected = packed.len();
            let error = |got| Err(PackingError::Length { expected, got });
            assert_eq!(BitPlanes::unpack(2, count, &packed[1..]), error(expected - 1));
            assert_eq!(
                BitPlanes::unpack(2, count, &[&packed[..], &[0]].concat()),
                error(expected + 1)
            );
            *packed.last_mut().unwrap() |= 0x80;
            let error = PackingError::Padding { count, bits: 1 };
            assert_eq!(BitPlanes::unpack(2, count, &packed), Err(error.clone()));
            assert_eq!(planes.unpack_plane(1, &packed[expected / 2..]), Err(error));
            assert!(planes == before);
        }
    }

    #[test]
    fn unused_lanes_can_be_cleared() {
        for count in COUNTS {
            let mut planes = BitPlanes::zeros(3, count);
            planes.as_mut_slice().iter_mut().for_each(|block| *block = !*block);
            planes.clear_unused();
            assert!(is_transposed(&planes, &vec![u64::MAX; count], 0), "{count}");
        }
    }

    #[test]
    fn filling_takes_bytes_in_order_and_clears_unused_lanes() {
        for count in [0, 512, 700] {
            let mut planes = BitPlanes::zeros(70, count);
            let mut rng = ChaCha8Rng::seed_from_u64(5);
            planes.fill(&mut |bytes| rng.fill_bytes(bytes));
            let words = random(5, 70 * 8 * count.div_ceil(LANES));
            let mut expected = BitPlanes::zeros(70, count);
            for (block, words) in expected.as_mut_slice().iter_mut().zip(words.as_chunks().0) {
                *block = Block(*words);
            }
            expected.clear_unused();
            assert!(planes == expected, "{count}");
        }
    }

    #[test]
    fn operators_work_on_every_lane() {
        let words = random(6, 16);
        let (a, b) = (Block(*words.first_chunk().unwrap()), Block(*words.last_chunk().unwrap()));
        for lane in 0..8 {
            let (x, y) = (words[lane], words[lane + 8]);
            assert_eq!((a ^ b).0[lane], x ^ y);
            assert_eq!((a & b).0[lane], x & y);
            assert_eq!((a | b).0[lane], x | y);
            assert_eq!((!a).0[lane], !x);
        }
        assert!(a ^ a == Block::ZERO && a | !a == Block::ONES);
    }

    #[test]
    fn debug_shows_no_bits() {
        let planes = BitPlanes::transpose(&[5; 9], 0, 3);
        assert_eq!(format!("{planes:?}"), "BitPlanes(3 bits of 9 values)");
    }

    proptest! {
        #[test]
        fn transposes_by_the_definition(
            values in prop::collection::vec(any::<u64>(), 0..700), first_bit in 0u32..64,
            planes in 1u32..=64,
        ) {
            check(&values, first_bit, planes.min(64 - first_bit));
        }
    }
}
