//! The public architecture of a network.

pub mod architecture;
pub mod builder;
pub mod walk;

pub use architecture::*;
