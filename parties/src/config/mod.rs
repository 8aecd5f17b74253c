//! The config file: one TOML for all parties, of which a host fills in its own part.
//!
//! The values are typed here and read in [`read`]; the keys are in one table, [`keys`].

mod file;
mod host;
mod key;
mod keys;
mod network;
mod network_file;
mod owners;
mod plan_file;
mod protocol;
mod read;
#[cfg(test)]
mod reference;

pub(crate) use file::Config;
pub(crate) use keys::file_keys;
pub(crate) use network::Network;
pub(crate) use network_file::{NetworkFile, import, wrong_file};
pub(crate) use owners::ModelOwner;
pub(crate) use plan_file::is_plan_file;
pub(crate) use protocol::{MAX_MAGNITUDE_BITS, Protocol, parse_suite};
