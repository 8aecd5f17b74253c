//! All parties on this machine: the launcher, a launched party, and what they tell each other.

mod control;
mod faults;
pub(crate) mod launched;
mod launcher;
mod process;

pub use control::Job;
pub use launcher::{Launched, launch};
