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
//! Kernels choose their instructions at run time, see [`dispatch`]; every choice gives identical
//! results.
//!
//! Modules import downwards: [`conv`], [`pool`] and [`tensor`] from [`gemm`] and the shapes,
//! [`gemm`] and [`planes`] from [`width`], [`width`] from [`packing`], that from [`prime`], and all
//! of these from [`dispatch`] and the rings. The one kind of circle: a module that has kernels and
//! its files `portable`, `avx2` and `avx512` import each other, since these are the module itself,
//! once for each level of instructions.

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
