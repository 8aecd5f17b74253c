//! The `securenn` suite.

pub mod error;
pub mod fit;
pub mod run;
