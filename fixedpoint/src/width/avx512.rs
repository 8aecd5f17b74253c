//! Packing with AVX-512: eight elements are the lanes of a register and `l` of its bytes. Needs
//! AVX-512 F, BW, VBMI and VBMI2, and BMI2 for elements below a byte.

use std::arch::x86_64::*;

use super::{GROUP, Width};
use crate::avx512::{load, store};

/// Packs the low bits of every word.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi2")]
pub(super) fn pack(width: Width, values: &[u64], packed: &mut [u8]) {
    if width.bits() < 8 {
        pack_small(width, values, packed);
        return;
    }
    let step = width.bits() as usize;
    let layout = Packing::new(width);
    let (groups, rest) = values.as_chunks::<GROUP>();
    for (i, values) in groups.iter().enumerate() {
        store_group(&mut packed[i * step..], step, layout.apply(load(values)));
    }
    if !rest.is_empty() {
        let mut last = [0; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        let packed = &mut packed[groups.len() * step..];
        store_group(packed, packed.len(), layout.apply(load(&last)));
    }
}

/// Undoes [`pack`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi2")]
pub(super) fn unpack(width: Width, packed: &[u8], values: &mut [u64]) {
    if width.bits() < 8 {
        unpack_small(width, packed, values);
        return;
    }
    let step = width.bits() as usize;
    let layout = Unpacking::new(width);
    let (groups, rest) = values.as_chunks_mut::<GROUP>();
    let count = groups.len();
    for (i, values) in groups.iter_mut().enumerate() {
        store(values, layout.apply(load_group(&packed[i * step..])));
    }
    if !rest.is_empty() {
        let mut last = [0; GROUP];
        store(&mut last, layout.apply(load_group(&packed[count * step..])));
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// How the bytes of eight packed elements come from the elements, rotated to begin at the right bit
/// of a byte. At eight bits or more a byte has bits of two elements at most: low ones of the one,
/// high ones of the next.
struct Packing {
    rotation: __m512i,
    low: __m512i,
    high: __m512i,
    is_low: __m512i,
}

impl Packing {
    #[target_feature(enable = "avx512f")]
    fn new(width: Width) -> Self {
        let bits = width.bits() as usize;
        let (mut low, mut high, mut is_low) = ([0u8; 64], [0u8; 64], [0u8; 64]);
        for place in 0..bits {
            let (first, last) = (8 * place / bits, (8 * place + 7) / bits);
            // The ninth byte of a rotated element is its first: what is beyond its word comes back
            // in at the bottom.
            let byte_of = |element: usize| (8 * element + (place - element * bits / 8) % 8) as u8;
            low[place] = byte_of(first);
            high[place] = byte_of(last);
            is_low[place] = if last == first { u8::MAX } else { (1 << (last * bits % 8)) - 1 };
        }
        let rotation: [u64; GROUP] = std::array::from_fn(|i| (i * bits % 8) as u64);
        Self {
            rotation: load(&rotation),
            low: load(&low),
            high: load(&high),
            is_low: load(&is_low),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vbmi")]
    fn apply(&self, values: __m512i) -> __m512i {
        const SELECT: i32 = 0xca;
        let rotated = _mm512_rolv_epi64(values, self.rotation);
        let low = _mm512_permutexvar_epi8(self.low, rotated);
        let high = _mm512_permutexvar_epi8(self.high, rotated);
        _mm512_ternarylogic_epi64::<SELECT>(self.is_low, low, high)
    }
}

/// How eight elements come from their bytes: the eight bytes from the one where an element begins,
/// and a ninth.
struct Unpacking {
    eight: __m512i,
    ninth: __m512i,
    shift: __m512i,
    mask: __m512i,
}

impl Unpacking {
    #[target_feature(enable = "avx512f")]
    fn new(width: Width) -> Self {
        let bits = width.bits() as usize;
        let eight: [u8; 64] = std::array::from_fn(|place| (place / 8 * bits / 8 + place % 8) as u8);
        let ninth: [u8; 64] = std::array::from_fn(|place| (place / 8 * bits / 8 + 8) as u8);
        let shift: [u64; GROUP] = std::array::from_fn(|i| (i * bits % 8) as u64);
        Self {
            eight: load(&eight),
            ninth: load(&ninth),
            shift: load(&shift),
            mask: _mm512_set1_epi64(width.mask().cast_signed()),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vbmi,avx512vbmi2")]
    fn apply(&self, bytes: __m512i) -> __m512i {
        let eight = _mm512_permutexvar_epi8(self.eight, bytes);
        let ninth = _mm512_permutexvar_epi8(self.ninth, bytes);
        _mm512_and_si512(_mm512_shrdv_epi64(eight, ninth, self.shift), self.mask)
    }
}

/// Writes the first `len` bytes of a register, or more where there is room: the next group
/// overwrites what is too much.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_group(packed: &mut [u8], len: usize, bytes: __m512i) {
    if let Some(out) = packed.first_chunk_mut() {
        store::<u8, 64>(out, bytes);
    } else {
        let mut last = [0u8; 64];
        store(&mut last, bytes);
        packed[..len].copy_from_slice(&last[..len]);
    }
}

/// The next bytes, followed by zeros where there are less than a register holds.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_group(packed: &[u8]) -> __m512i {
    if let Some(bytes) = packed.first_chunk() {
        load::<u8, 64>(bytes)
    } else {
        let mut last = [0u8; 64];
        last[..packed.len()].copy_from_slice(packed);
        load(&last)
    }
}

/// A byte for each of eight elements, as the one word that a bit gather and scatter work on.
fn low_bits_of_bytes(width: Width) -> u64 {
    width.mask() * 0x0101_0101_0101_0101
}

/// [`pack`] for elements below a byte.
#[target_feature(enable = "avx512f,bmi2")]
fn pack_small(width: Width, values: &[u64], packed: &mut [u8]) {
    let bits = low_bits_of_bytes(width);
    let gather = |values: &[u64; GROUP]| {
        let bytes = _mm_cvtsi128_si64(_mm512_cvtepi64_epi8(load(values))).cast_unsigned();
        _pext_u64(bytes, bits).to_le_bytes()
    };
    let step = width.bits() as usize;
    let (groups, rest) = values.as_chunks::<GROUP>();
    for (i, values) in groups.iter().enumerate() {
        let (packed, bytes) = (&mut packed[i * step..], gather(values));
        match packed.first_chunk_mut() {
            Some(packed) => *packed = bytes,
            None => packed[..step].copy_from_slice(&bytes[..step]),
        }
    }
    if !rest.is_empty() {
        let mut last = [0; GROUP];
        last[..rest.len()].copy_from_slice(rest);
        let packed = &mut packed[groups.len() * step..];
        packed.copy_from_slice(&gather(&last)[..packed.len()]);
    }
}

/// [`unpack`] for elements below a byte.
#[target_feature(enable = "avx512f,bmi2")]
fn unpack_small(width: Width, packed: &[u8], values: &mut [u64]) {
    let bits = low_bits_of_bytes(width);
    let step = width.bits() as usize;
    for (i, values) in values.chunks_mut(GROUP).enumerate() {
        let packed = &packed[i * step..];
        let word = match packed.first_chunk() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => {
                let mut last = [0; 8];
                last[..packed.len()].copy_from_slice(packed);
                u64::from_le_bytes(last)
            }
        };
        let bytes = _mm_cvtsi64_si128(_pdep_u64(word, bits).cast_signed());
        let unpacked = _mm512_cvtepu8_epi64(bytes);
        match values.first_chunk_mut() {
            Some(values) => store::<u64, GROUP>(values, unpacked),
            None => {
                let mut last = [0; GROUP];
                store(&mut last, unpacked);
                values.copy_from_slice(&last[..values.len()]);
            }
        }
    }
}
