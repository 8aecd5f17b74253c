//! One party's part of a run: what it is asked for, what it brings, and what it does and sees.

pub mod material;
pub mod process;
pub mod run;
pub mod survey;
pub mod task;
mod weight_keys;
