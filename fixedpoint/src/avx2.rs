//! Registers of 256 bits to and from memory.

use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_storeu_si256};

use bytemuck::Pod;

/// The 32 bytes of an array, in memory order.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load<T: Pod, const N: usize>(from: &[T; N]) -> __m256i {
    const { assert!(size_of::<[T; N]>() == 32) };
    // SAFETY: the array is 32 readable bytes, and this load needs no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// Writes the 32 bytes of a register over an array.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store<T: Pod, const N: usize>(to: &mut [T; N], register: __m256i) {
    const { assert!(size_of::<[T; N]>() == 32) };
    // SAFETY: the array is 32 writable bytes for which any bits are valid, and this store needs no
    // alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), register) }
}
