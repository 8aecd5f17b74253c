//! The config file: one TOML for all parties, of which a host fills in its own part.
//!
//! The values are typed here and read in [`read`]; the keys are in one table, [`keys`].

mod file;
mod host;
mod keys;
mod network;
mod network_file;
mod owners;
mod plan_file;
mod protocol;
mod read;
#[cfg(test)]
mod reference;

pub use file::Config;
pub use keys::file_keys;
pub use network::Network;
pub use network_file::{NetworkFile, import, wrong_file};
pub use owners::ModelOwner;
pub use plan_file::is_plan_file;
pub use protocol::{MAX_FRACTIONAL_BITS, MAX_MAGNITUDE_BITS, Protocol, parse_suite};
