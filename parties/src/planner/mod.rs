//! The search for activation plans that cost less: prices, the trainer, its results, and the files
//! that a search leaves.
//!
//! Another program searches; [`trainer`] speaks with it. Its results are checked here before they
//! count.

pub(crate) mod points;
pub(crate) mod pricing;
pub(crate) mod results;
pub(crate) mod trainer;

mod picture;
