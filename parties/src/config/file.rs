//! A whole config.

use std::path::PathBuf;

use protocols::Role;

use super::{
    host::Host,
    network::Network,
    owners::{DataOwner, ModelOwner},
    protocol::Protocol,
};
use crate::{
    data::{DataFiles, Normalisation},
    error::{Error, FileProblem, Result},
};

/// A whole config file, checked for form. Whether the files that it names exist is checked where
/// they are used, because a host has only its own.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where it was read from.
    pub file: PathBuf,
    /// The public architecture.
    pub network: Network,
    /// The settings that all parties must agree on, and how long they wait for each other.
    pub protocol: Protocol,
    /// Where the parties are, by role.
    pub hosts: [Host; 3],
    pub(super) model_owner: Option<ModelOwner>,
    pub(super) data_owner: Option<DataOwner>,
}

impl Config {
    /// The model owner's table.
    ///
    /// # Errors
    /// [`Error::File`] if the table is missing.
    pub(crate) fn model_owner(&self) -> Result<&ModelOwner> {
        self.model_owner.as_ref().ok_or_else(|| self.missing_table(Role::ModelOwner, "weights"))
    }

    /// The data owner's table.
    ///
    /// # Errors
    /// [`Error::File`] if the table is missing.
    pub(crate) fn data_owner(&self) -> Result<&DataOwner> {
        self.data_owner.as_ref().ok_or_else(|| self.missing_table(Role::DataOwner, "images"))
    }

    /// From pixels to the network's input, as far as this host can tell: by the model owner's
    /// table, else the data owner's, else scaling alone.
    pub(crate) fn normalisation(&self) -> Normalisation {
        let own = self.model_owner.as_ref().and_then(|owner| owner.normalisation.as_ref());
        let data = self.data_owner.as_ref().map(|owner| &owner.files.normalisation);
        let neither = || Normalisation::scaling_only(self.network.input[0]);
        own.or(data).cloned().unwrap_or_else(neither)
    }

    /// Images that show how large the network's values get: the model owner's for that purpose, or
    /// the data owner's where the config has them. Random images show nothing about weights that
    /// are not random.
    pub(crate) fn samples(&self) -> Option<DataFiles> {
        let normalisation = self.normalisation();
        if let Some(owner) = &self.model_owner
            && !owner.calibration.is_empty()
        {
            return Some(DataFiles {
                images: owner.calibration.clone(),
                labels: Vec::new(),
                format: None,
                label_column: None,
                first: 0,
                count: None,
                normalisation,
            });
        }
        let random = !self.random_inputs(&[Role::ModelOwner]).is_empty();
        let files = self.data_owner.as_ref().map(|owner| &owner.files);
        let files = files.filter(|files| random || !files.images.is_empty())?;
        Some(DataFiles { normalisation, ..files.clone() })
    }

    /// Which of these roles' inputs are random for want of files: `weights`, `images`.
    pub(crate) fn random_inputs(&self, roles: &[Role]) -> Vec<&'static str> {
        let none = |owner: &ModelOwner| owner.weights.is_none() && !self.network.has_weights();
        let weights = self.model_owner.as_ref().is_some_and(none);
        let images = self.data_owner.as_ref().is_some_and(|owner| owner.files.images.is_empty());
        let mut random = Vec::new();
        if weights && roles.contains(&Role::ModelOwner) {
            random.push("weights");
        }
        if images && roles.contains(&Role::DataOwner) {
            random.push("images");
        }
        random
    }

    /// A host's value without which a party cannot run by hand.
    ///
    /// # Errors
    /// [`Error::File`] naming the key, if the config has none.
    pub(crate) fn required<'v, T>(&self, value: &'v Option<T>, key: String) -> Result<&'v T> {
        let hint = ": a party by hand needs it (`tercet run` does not)";
        let missing = || FileProblem::MissingKey { key, hint }.with_file(&self.file);
        value.as_ref().ok_or_else(missing)
    }

    fn missing_table(&self, role: Role, key: &str) -> Error {
        let needs = format!("the {role} needs at least `{key}`");
        FileProblem::MissingTable { table: role.name(), needs }.with_file(&self.file)
    }
}
