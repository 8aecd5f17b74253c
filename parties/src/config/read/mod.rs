//! Reading a config: table by table and key by key, not through a derived deserialiser, so that
//! every complaint names the file and the key and says what to write instead.

mod hosts;
mod network;
mod owners;
mod plan;
mod protocol;
mod section;
mod spelling;
#[cfg(test)]
mod tests;

use std::path::Path;

use protocols::Role;
use toml::Table;

use self::section::Section;
use super::{
    file::Config,
    host::Host,
    keys::{self, table_of},
    network::Network,
    owners::{DataOwner, ModelOwner},
    protocol::Protocol,
};
use crate::error::{Error, FileProblem, Result};

impl Config {
    /// Reads and checks a config file. Relative paths in it start from its own directory.
    ///
    /// # Errors
    /// [`Error::File`], which names the key.
    pub(crate) fn load(file: &Path) -> Result<Config> {
        let text = std::fs::read_to_string(file).map_err(|error| Error::unreadable(file, error))?;
        Config::parse(file, &text)
    }

    fn parse(file: &Path, text: &str) -> Result<Config> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            let what = error.message().replace('\n', "; ");
            Error::file(file, format!("line {line} is not valid TOML: {what}"))
        })?;
        let root = Section::root(file, &table);
        root.check_keys()?;
        let network = root.section("network", &keys::NETWORK)?.ok_or_else(|| {
            let needs = "give `net`, `input` and `classes`, or `onnx`, or `graph`".into();
            FileProblem::MissingTable { table: "network", needs }.with_file(file)
        })?;
        let protocol = root.section("protocol", &keys::PROTOCOL)?;
        let network = Network::read(&network)?;
        let data_owner = read_owner(&root, Role::DataOwner, &network, DataOwner::read)?;
        let model_owner = read_owner(&root, Role::ModelOwner, &network, ModelOwner::read)?;
        if let Some(own) = root.section("crypto-producer", &keys::CRYPTO_PRODUCER)? {
            own.check_keys()?;
        }
        Ok(Config {
            file: file.to_owned(),
            protocol: protocol.map_or(Ok(Protocol::default()), |table| Protocol::read(&table))?,
            hosts: Host::read_all(&root)?,
            network,
            model_owner,
            data_owner,
        })
    }
}

/// Reads a role's own table. A net without trained weights needs none, since everything has a
/// default; nor does the owner of a model that a file holds.
fn read_owner<T>(
    root: &Section,
    role: Role,
    network: &Network,
    read: impl Fn(&Section, &Network) -> Result<T>,
) -> Result<Option<T>> {
    let spec = table_of(role);
    let optional = network.is_untrained() || role == Role::ModelOwner && network.has_weights();
    let empty = Table::new();
    let section = match root.section(role.name(), spec)? {
        None if optional => Some(Section::empty(root, spec, &empty)),
        section => section,
    };
    section.map(|section| read(&section, network)).transpose()
}
