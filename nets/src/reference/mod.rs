//! The network in clear. The fixed-point references, which model what the parties compute, are part
//! of each suite ([`crate::suites`]).
//!
//! | file | what it holds |
//! |---|---|
//! | `walk` | evaluating a network in clear, over any kind of numbers |
//! | `float` | the network over real numbers, as it was trained |

#![warn(clippy::wildcard_enum_match_arm)]

mod float;
mod walk;

pub(crate) use float::fold_windows;
pub use float::{classes, float};
pub(crate) use walk::{Activated, Arithmetic, batch_of, walk};
