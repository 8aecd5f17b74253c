//! Transposition with AVX-512: an affine map over GF(2) transposes the 8 x 8 bits of a word,
//! permutations the words' bytes and the registers' words. Needs AVX-512 F and VBMI, and GFNI.

use std::arch::x86_64::*;

use super::{Block, LANES};
use crate::avx512::{load, store};

/// Eight registers of eight words: one word for each of eight planes and each 64 of a batch.
type Column = [__m512i; 8];

/// The planes of some bits of every value.
#[target_feature(enable = "avx512f,avx512vbmi,gfni")]
pub(super) fn transpose(values: &[u64; LANES], first_bit: u32, planes: &mut [Block]) {
    let shuffle = Shuffle::new();
    let shift = _mm_cvtsi32_si128(first_bit.cast_signed());
    let mut columns: [Column; 8] = [[_mm512_setzero_si512(); 8]; 8];
    let wanted = planes.len().div_ceil(8);
    for (i, values) in values.as_chunks::<64>().0.iter().enumerate() {
        let mut bytes = [_mm512_setzero_si512(); 8];
        for (bytes, eight) in bytes.iter_mut().zip(values.as_chunks::<8>().0) {
            *bytes = shuffle.reverse_bytes(_mm512_srl_epi64(load(eight), shift));
        }
        // Register c has byte c of all 64 values.
        shuffle.words(&mut bytes);
        for (column, bytes) in columns[..wanted].iter_mut().zip(bytes) {
            column[i] = shuffle.bytes(bits(bytes));
        }
    }
    for (planes, column) in planes.chunks_mut(8).zip(&mut columns) {
        shuffle.words(column);
        for (plane, words) in planes.iter_mut().zip(column) {
            store(&mut plane.0, *words);
        }
    }
}

/// The values of some planes: every step of [`transpose`] the other way.
#[target_feature(enable = "avx512f,avx512vbmi,gfni")]
pub(super) fn values(planes: &[Block], values: &mut [u64; LANES]) {
    let shuffle = Shuffle::new();
    let mut columns: [Column; 8] = [[_mm512_setzero_si512(); 8]; 8];
    let given = planes.len().div_ceil(8);
    for (planes, column) in planes.chunks(8).zip(&mut columns) {
        for (plane, words) in planes.iter().zip(&mut *column) {
            *words = load(&plane.0);
        }
        shuffle.words(column);
    }
    for (i, values) in values.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let mut bytes = [_mm512_setzero_si512(); 8];
        for (bytes, column) in bytes.iter_mut().zip(&columns[..given]) {
            *bytes = bits(shuffle.reverse_bytes(column[i]));
        }
        shuffle.words(&mut bytes);
        for (bytes, eight) in bytes.iter().zip(values.as_chunks_mut::<8>().0) {
            store(eight, shuffle.bytes(*bytes));
        }
    }
}

/// Where bytes and words come from in a transposition.
struct Shuffle {
    bytes: __m512i,
    reverse_bytes: __m512i,
    words: [(__m512i, __m512i); 3],
}

impl Shuffle {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new() -> Self {
        const BYTES: [u8; 64] = byte_places(false);
        const REVERSE_BYTES: [u8; 64] = byte_places(true);
        const WORDS: [([u64; 8], [u64; 8]); 3] = [word_places(1), word_places(2), word_places(4)];
        let [by_1, by_2, by_4] = &WORDS;
        Self {
            bytes: load(&BYTES),
            reverse_bytes: load(&REVERSE_BYTES),
            words: [
                (load(&by_1.0), load(&by_1.1)),
                (load(&by_2.0), load(&by_2.1)),
                (load(&by_4.0), load(&by_4.1)),
            ],
        }
    }

    /// Transposes the 8 x 8 bytes of a register.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vbmi")]
    fn bytes(&self, x: __m512i) -> __m512i {
        _mm512_permutexvar_epi8(self.bytes, x)
    }

    /// As [`bytes`](Self::bytes), with the bytes of every word of the result in the order that
    /// [`bits`] wants.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vbmi")]
    fn reverse_bytes(&self, x: __m512i) -> __m512i {
        _mm512_permutexvar_epi8(self.reverse_bytes, x)
    }

    /// Transposes the 8 x 8 words of eight registers.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn words(&self, rows: &mut Column) {
        for (step, &(low, high)) in self.words.iter().enumerate() {
            let size = 1 << step;
            for i in (0..8).filter(|i| i & size == 0) {
                let (a, b) = (rows[i], rows[i + size]);
                rows[i] = _mm512_permutex2var_epi64(a, low, b);
                rows[i + size] = _mm512_permutex2var_epi64(a, high, b);
            }
        }
    }
}

/// Transposes the 8 x 8 bits of every word, whose bytes are given last row first.
#[inline]
#[target_feature(enable = "avx512f,gfni")]
fn bits(x: __m512i) -> __m512i {
    // Multiplies the identity by every word as a matrix. Byte i of the identity picks bit i of each
    // row, and row 7 - k, as the instruction counts them, gives bit k.
    let identity = _mm512_set1_epi64(0x8040_2010_0804_0201_u64.cast_signed());
    _mm512_gf2p8affine_epi64_epi8::<0>(identity, x)
}

const fn byte_places(reversed: bool) -> [u8; 64] {
    let mut places = [0; 64];
    let mut i = 0;
    while i < 64 {
        let (row, column) = (i / 8, i % 8);
        let from = if reversed { 7 - column } else { column };
        places[i] = (8 * from + row) as u8;
        i += 1;
    }
    places
}

/// The words of two registers in which squares of a size have changed places, as
/// [`_mm512_permutex2var_epi64`] counts them.
const fn word_places(size: usize) -> ([u64; 8], [u64; 8]) {
    let (mut low, mut high) = ([0; 8], [0; 8]);
    let mut i = 0;
    while i < 8 {
        let second = i & size != 0;
        low[i] = if second { 8 + i - size } else { i } as u64;
        high[i] = if second { 8 + i } else { i + size } as u64;
        i += 1;
    }
    (low, high)
}
