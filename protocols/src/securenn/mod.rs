//! The `securenn` suite: Wagh, Gupta, Chandran, "SecureNN: 3-Party Secure Computation for Neural
//! Network Training" (PETS 2019), with semi-honest security against one corrupted party.
//!
//! | protocol | phases | bits a value |
//! |---|---|---|
//! | [`matmul`] (m x k by k x n) | 2 | (2 (m k + k n) + m n) l in all |
//! | [`product`], SelectShare | 2 | 5 l |
//! | [`private_compare`] | 1 | 2 l log p |
//! | [`share_convert`] | 4 | 4 l log p + 6 l |
//! | [`compute_msb`] | 5 | 4 l log p + 13 l |
//! | [`drelu`], [`sign`] | 8 | 8 l log p + 19 l |
//! | [`relu`], [`leaky_relu`] | 10 | 8 l log p + 24 l |
//! | [`relu6`] | 20 | 16 l log p + 48 l |
//! | [`power`], square and cube | 2, 4 | 5 l, 10 l |
//! | [`polynomial`] of degree d | 2 d | 5 d l |
//! | [`spline`] with K knots | 10 | (8 l log p + 24 l) K |
//! | [`maxpool`] over n values | 9 (n - 1) | (8 l log p + 29 l)(n - 1) |
//! | [averages](crate::average), add, concat, split, shuffle, truncation | 0 | 0 |
//!
//! l = 64, p = 67. Digits of Z_67 travel in 49 bytes a value, 0.97% above l log p bits.

pub mod argmax;
mod chunks;
pub mod compute_msb;
pub mod conv;
pub mod drelu;
pub mod elementwise;
pub mod input;
pub mod leaky_relu;
pub mod linear;
pub mod matmul;
pub mod maxpool;
pub mod output;
pub mod polynomial;
pub mod power;
pub mod private_compare;
pub mod product;
pub mod relu;
pub mod relu6;
pub mod share_convert;
pub mod sign;
pub mod spline;
mod units;

pub use drelu::Drelu;
pub use elementwise::Elementwise;
pub use leaky_relu::LeakyRelu;
pub use polynomial::{Polynomial, PolynomialShape};
pub use power::{Power, Powers};
pub use relu::Relu;
pub use relu6::Relu6;
pub use sign::Sign;
