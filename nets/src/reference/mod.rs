//! The network in clear: the walk over any kind of numbers, and the network in real numbers. The fixed
//! point that parties compute in is their suite's own ([`crate::suites`]).

mod float;
mod walk;

pub(crate) use float::fold_windows;
pub use float::{classes, float};
pub(crate) use walk::{Activated, Arithmetic, batch_of, walk};
