//! All parties on this machine: the launcher, what it and a party tell each other, and the party's side of it.

pub mod control;
pub mod launched;
pub mod launcher;
