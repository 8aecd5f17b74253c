//! Protocol suites: one folder a suite, behind the trait [`Suite`].
//!
//! To add a suite: a folder whose type implements [`Suite`] and whose benches implement `SuiteBench`, a
//! variant of [`SuiteName`], and the arms that the compiler then asks for in `registry`.
//!
//! | file | what it holds |
//! |---|---|
//! | `suite`, `preprocessing`, `bench` | the traits |
//! | `registry` | a suite's benches by its name |
//! | `execution` | the part of one party in a run |
//! | `check`, `remedy` | whether a network's values fit, before a run, and what would help |
//! | `judge` | whether the results of a run are right |

mod bench;
mod check;
pub mod dealer;
mod execution;
mod judge;
mod preprocessing;
mod registry;
mod remedy;
pub mod securenn;
mod suite;

pub use crate::suite_name::SuiteName;
pub use bench::BenchInputs;
pub(crate) use bench::SuiteBench;
pub use check::{Fit, Misfit, check};
pub use dealer::Dealer;
pub use execution::{DealMode, Execution, Inputs, MaskedWeights, Progress, Stages};
pub use judge::{MARGIN, OutOfRange, Reference};
pub use preprocessing::Preprocessing;
pub use remedy::{REFUSE_FAILURE, Remedy, WARN_FAILURE};
pub use securenn::SecureNn;
pub use suite::Suite;
