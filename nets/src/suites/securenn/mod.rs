//! The `securenn` suite: the published protocols, message by message.
//!
//! | file | what it holds |
//! |---|---|
//! | `suite` | the suite's [`Suite`](super::Suite) |
//! | `run` | the executor, one function for the evaluators and one for the crypto producer |
//! | `protocol` | the protocols of layers, for their messages |
//! | `cost` | bytes and rounds, and the published formulas |
//! | `reference`, `error` | the network in fixed point, and how far from it the parties may be |
//! | `fit` | whether values fit the ring, with how many fractional bits |
//! | `bench` | single operations |

pub(crate) mod bench;
mod cost;
mod error;
pub mod fit;
mod protocol;
mod reference;
mod run;
mod suite;

pub use error::{error_bound, expected_error, max_abs, truncation_failure};
pub use reference::{fixed, simulated};
pub use suite::SecureNn;
