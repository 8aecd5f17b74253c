//! Protocol suites behind the trait [`Suite`], in one folder each.
//!
//! To add a suite: a folder whose type implements [`Suite`] and whose benches implement
//! `SuiteBench`, a variant of [`SuiteName`], and the arms that the compiler then asks for in
//! `registry`.
//!
//! | file | what it holds |
//! |---|---|
//! | `suite`, `preprocessing`, `suite_bench` | the traits |
//! | [`bench`](mod@bench) | benches of single operations, in any suite |
//! | `registry` | the making of suites and their benches by name |
//! | `execution` | the execution of a network at one party |
//! | `check`, `remedy` | the check, before a run, that a network's values fit, and remedies |
//! | `judge` | the check of the results of a run |
//! | `laws`, `test_run` | the laws that every suite keeps, as tests, and runs for tests |

#![warn(clippy::wildcard_enum_match_arm)]

pub mod bench;
mod check;
pub mod dealer;
mod execution;
mod judge;
#[cfg(test)]
mod laws;
mod preprocessing;
mod registry;
mod remedy;
pub mod securenn;
mod suite;
mod suite_bench;
#[cfg(test)]
mod test_run;

pub use crate::suite_name::SuiteName;
pub use check::{Fit, Misfit, check};
pub use dealer::Dealer;
pub use execution::{DealMode, Execution, Inputs, MaskedWeights, Progress, Sessions};
pub use judge::{OutOfRange, Reference};
pub use preprocessing::Preprocessing;
pub use remedy::{REFUSE_FAILURE, Remedy, WARN_FAILURE};
pub use securenn::SecureNn;
pub use suite::Suite;
pub(crate) use suite_bench::SuiteBench;
