//! The `tercet` command: three processes evaluate a network. This crate has who the parties are,
//! how they find and trust each other, what they read and what they report; the mathematics is in
//! `nets` and `protocols`.
//!
//! Each module imports from those above it alone; within one, no two files import each other.
//!
//! | module | what it has |
//! |---|---|
//! | `durable` | secret files that survive a crash whole or not at all |
//! | [`link`] | authenticated QUIC connections between the parties |
//! | `error` | the errors of commands, and their exit codes |
//! | `data` | images and labels from files |
//! | `config` | the config file: typed values, the table of its keys, and the reader |
//! | `party` | one party's part of a run: task, inputs, material, record |
//! | `launch` | all parties on this machine as processes |
//! | `report` | costs and measurements as JSON, CSV, HTML and text |
//! | `planner` | the search for activation plans that cost less |
//! | [`cli`] | the command line: one file a command |

pub mod cli;
mod config;
mod data;
mod durable;
mod error;
mod launch;
pub mod link;
mod party;
mod planner;
mod report;
