//! All that a party brings to a run, checked before any connection.

use std::path::PathBuf;

use protocols::Role;

use super::{
    inputs::{Inputs, Work},
    material::{Held, MadeFor, Store},
    task::Task,
    weight_keys::check_state,
};
use crate::{config::Config, error::Result};

/// All that a party brings to a run.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(super) inputs: Inputs,
    pub(super) material: Material,
    /// Where it keeps what outlives a session.
    pub(super) state: Option<PathBuf>,
}

/// Where a run's correlated randomness comes from, or goes.
#[derive(Clone, Debug)]
pub(super) enum Material {
    /// It is made in this session and used at once.
    None,
    /// It is made for later.
    New {
        /// Where it goes.
        store: Store,
        /// How many queries.
        queries: u64,
        /// The purpose.
        made_for: MadeFor,
    },
    /// It was made before.
    Held(Held),
}

impl Ready {
    /// Checks that a party can do its part.
    ///
    /// # Errors
    /// [`File`](crate::error::Error::File) without material for this run,
    /// [`Usage`](crate::error::Error::Usage) for a suite that has none.
    pub(crate) fn new(
        task: &Task,
        role: Role,
        config: &Config,
        inputs: Inputs,
        work: &Work,
    ) -> Result<Ready> {
        let state = config.hosts[role.index()].state.clone();
        if let Some(directory) = state.as_deref().filter(|_| task.suite.preprocessing().is_some()) {
            check_state(directory)?;
        }
        let material = match work {
            Work::Answer => Material::None,
            Work::Deal { queries, directory, .. } => {
                let made_for = MadeFor::new(task, &inputs)?;
                Material::New { store: Store::make(directory, role)?, queries: *queries, made_for }
            }
            Work::AnswerDealt { directory } => {
                let images = match &inputs {
                    Inputs::Images(images) => images.count,
                    Inputs::Model(_) | Inputs::Nothing => 0,
                };
                let made_for = MadeFor::new(task, &inputs)?;
                Material::Held(Store::open(directory, role, &made_for, images)?)
            }
        };
        Ok(Ready { inputs, material, state })
    }
}
