//! The mathematics under three-party inference: rings, fixed-point numbers, digit packing, tensors,
//! convolutions and the kernels that make them fast. Nothing here knows of parties, networks or
//! files.
//!
//! | ring | module | what lives in it |
//! |---|---|---|
//! | Z_{2^64} | [`ring`] | shares of values; [`gemm`] and [`conv`] compute in it |
//! | Z_{2^l} | [`width`] | in fewer bits, packed on a wire, or turned into bits by [`planes`] |
//! | Z_{2^64-1} | [`odd_ring`] | shares on the way to a sign bit |
//! | Z_67 | [`prime`] | the bits of a value, one digit each; [`packing`] puts them on a wire |
//!
//! A truncation on shares: a product of two numbers with f fractional bits has 2f of them, until
//! both sides cut off f, each of its own share.
//!
//! ```
//! use fixedpoint::{Side, encoding::FixedPoint, truncation::truncate_share};
//!
//! let fixed = FixedPoint::new(13);
//! let product = fixed.encode(1.5)?.wrapping_mul(fixed.encode(-0.25)?);
//! let mask = 0x9e37_79b9_7f4a_7c15;
//! let (mut zero, mut one) = ([mask], [product.wrapping_sub(mask)]);
//! truncate_share(Side::Zero, &mut zero, fixed.fractional_bits());
//! truncate_share(Side::One, &mut one, fixed.fractional_bits());
//! let result = fixed.decode(zero[0].wrapping_add(one[0]));
//! assert!((result + 0.375).abs() <= fixed.decode(1), "off by one unit at most");
//! # Ok::<(), fixedpoint::encoding::EncodingError>(())
//! ```
//!
//! Kernels choose their instructions at run time, see [`dispatch`]; every choice gives identical
//! results.
//!
//! # Modules
//!
//! Each imports from rows above it only.
//!
//! | module | holds |
//! |---|---|
//! | [`ring`], [`odd_ring`], [`encoding`] | modulo 2^64 and 2^64-1; real numbers as words |
//! | [`dispatch`] | the level of SIMD instructions; `avx2` and `avx512` have what kernels share |
//! | [`Side`], [`Padding`], [`ShapeError`] | which of two shares; the sizes of images |
//! | [`prime`] | digits of Z_67: sampling, blinding, comparing |
//! | [`truncation`], [`tensor`], [`pool`] | division of shares by 2^s; tensors; pools |
//! | [`packing`] | digits and words of any width as bytes |
//! | [`width`] | rings of fewer bits |
//! | [`gemm`], [`planes`] | products of matrices; words as bit planes |
//! | [`conv`] | convolutions as products of matrices |
//!
//! The one kind of circle: a module that has kernels and its files `portable`, `avx2` and `avx512`
//! import each other, since these are the module itself, once for each level of instructions.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod conv;
pub mod dispatch;
pub mod encoding;
pub mod gemm;
pub mod odd_ring;
pub mod packing;
pub mod planes;
pub mod pool;
pub mod prime;
pub mod ring;
mod shape;
mod side;
pub mod tensor;
pub mod truncation;
pub mod width;

pub use shape::{Padding, ShapeError};
pub use side::Side;
