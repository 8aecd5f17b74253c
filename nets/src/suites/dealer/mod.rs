//! The `dealer` suite.

pub(crate) mod bench;
pub mod cost;
pub mod fit;
pub mod layout;
mod local;
mod offline;
mod online;
pub mod public_bounds;
pub mod reference;
mod result;
pub mod run;
mod shelf;

pub use run::*;
