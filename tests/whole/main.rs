//! Tests of the whole command, in one binary: one module a subject.
//!
//! `cargo test -p parties --test whole runs::` runs those of a module. They run side by side, and
//! on machines that have other things to do: no test asserts how long something took, and a wait
//! has a generous end.

mod accuracies;
mod benches;
mod calibrations;
mod costs;
mod dealer;
mod deaths;
mod formats;
mod materials;
mod models;
mod plans;
mod refusals;
mod runs;
mod support;
mod systems;
