//! Registers of 512 bits to and from memory.

use std::arch::x86_64::{__m512i, _mm512_loadu_si512, _mm512_storeu_si512};

use bytemuck::Pod;

/// The 64 bytes of an array, in memory order.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load<T: Pod, const N: usize>(from: &[T; N]) -> __m512i {
    const { assert!(size_of::<[T; N]>() == 64) };
    // SAFETY: the array is 64 readable bytes, and this load needs no alignment.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// Writes the 64 bytes of a register over an array.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store<T: Pod, const N: usize>(to: &mut [T; N], register: __m512i) {
    const { assert!(size_of::<[T; N]>() == 64) };
    // SAFETY: the array is 64 writable bytes for which any bits are valid, and this store needs no
    // alignment.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), register) }
}
