//! The `tercet` command: three processes evaluate a network. This crate has who the parties are,
//! how they find and trust each other, what they read and what they report; the mathematics is in
//! `nets` and `protocols`.
//!
//! Public is what a program of another name would need: the command line, and the links, which pin
//! a certificate to each role.
//!
//! ```
//! use parties::link::{Identity, Trust};
//! use protocols::Role;
//!
//! let parties = Role::ALL.map(Identity::generate);
//! let trust = Trust::from_der(parties.each_ref().map(|party| party.certificate().to_vec()))?;
//! for party in &parties {
//!     assert_eq!(trust.role_of(party.certificate()), Some(party.role()));
//! }
//! let stranger = Identity::generate(Role::DataOwner);
//! assert_eq!(trust.role_of(stranger.certificate()), None);
//! # Ok::<(), parties::link::IdentityError>(())
//! ```
//!
//! # Modules
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
