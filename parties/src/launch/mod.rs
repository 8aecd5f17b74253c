//! All parties on this machine: the launcher, a launched party, and what they tell each other.

mod control;
mod faults;
pub(crate) mod launched;
mod launcher;
mod process;

pub(crate) use control::Job;
pub(crate) use launcher::{Launched, launch};
