//! One party's part of a run: the task, what the party brings to it, and what it does and sees.

mod connected;
mod inputs;
pub(crate) mod material;
pub(crate) mod process;
mod ready;
mod record;
mod run;
pub(crate) mod survey;
mod task;
mod timing;
mod weight_keys;

pub(crate) use connected::{Connected, connect};
pub(crate) use inputs::{Inputs, Work};
pub(crate) use ready::Ready;
pub(crate) use record::Record;
pub(crate) use task::{Task, bench, bench_agreement};
