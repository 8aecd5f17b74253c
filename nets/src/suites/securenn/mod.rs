//! The `securenn` suite: the published three-party protocols, message by message.
//!
//! | file | what it holds |
//! |---|---|
//! | `suite` | the implementation of [`Suite`](super::Suite) |
//! | `run` | the executor: one function for the evaluators and one for P2 |
//! | `protocol` | protocols as far as messages depend on them |
//! | `cost` | bytes and rounds, and the published formulas |
//! | `reference`, `error` | the network in fixed point, and bounds of the parties' errors |
//! | `fit` | the check that values fit the ring, and the number of fractional bits that do |
//! | `bench` | benches of single operations |

pub(crate) mod bench;
mod cost;
mod error;
pub mod fit;
mod protocol;
mod reference;
mod run;
mod suite;

pub use reference::fixed;
#[cfg(test)]
pub(crate) use reference::simulated;
pub use suite::SecureNn;
