//! How large values get.

pub mod interval;

pub(crate) use interval::power_of_two;
pub use interval::*;
