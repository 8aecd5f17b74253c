//! The inputs of one party to a run, and the work that the parties are to do with them.

use std::{borrow::Cow, fmt, path::PathBuf};

use nets::EncodedModel;
use protocols::Role;
use serde::{Deserialize, Serialize};

use super::task::Task;
use crate::{
    config::Config,
    data::ImageRange,
    error::{FileProblem, Result},
    link::Purpose,
};

/// The inputs of one party to a network's evaluation.
#[derive(Clone, Debug)]
pub(crate) enum Inputs {
    /// P0: the weights.
    Model(EncodedModel),
    /// P1: encoded images.
    Images(Images),
    /// P2: nothing.
    Nothing,
}

/// Encoded images. Debug prints their number only.
#[derive(Clone)]
pub(crate) struct Images {
    /// How many.
    pub count: usize,
    /// Image by image, channel by channel, row by row.
    pub words: Vec<u64>,
}

/// The work of the parties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Evaluate the network.
    #[default]
    Answer,
    /// Make material for later.
    Deal {
        /// How many queries.
        queries: u64,
        /// Images of a query, where it is not the config's count.
        images: Option<usize>,
        /// Where it goes: each party has a directory of its own in it.
        directory: PathBuf,
    },
    /// Evaluate the network with a query's material.
    AnswerDealt {
        /// Where the material is.
        directory: PathBuf,
    },
}

impl Work {
    /// The part of it that the parties agree on.
    pub(crate) fn purpose(&self) -> Purpose {
        match self {
            Work::Answer => Purpose::Answer,
            Work::Deal { queries, .. } => Purpose::Deal(*queries),
            Work::AnswerDealt { .. } => Purpose::AnswerDealt,
        }
    }
}

impl Images {
    /// The images, followed by black ones up to the number that material was made for.
    pub(super) fn padded(&self, batch: usize, image_len: usize) -> Cow<'_, [u64]> {
        if self.count == batch {
            return Cow::Borrowed(&self.words);
        }
        let mut words = self.words.clone();
        words.resize(batch * image_len, 0);
        Cow::Owned(words)
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Images({})", self.count)
    }
}

impl Task {
    /// Loads what a role brings; `range` overrides the config's images.
    ///
    /// # Errors
    /// As [`Task::model`] and [`Task::batch`]; [`File`](crate::error::Error::File) if nothing says
    /// for how many images material is made.
    pub(crate) fn inputs(
        &self,
        role: Role,
        config: &Config,
        range: ImageRange,
        work: &Work,
    ) -> Result<Inputs> {
        Ok(match role {
            Role::ModelOwner => Inputs::Model(self.model(config)?.1),
            Role::DataOwner if let Work::Deal { images, .. } = work => {
                let count = match images {
                    Some(images) => *images,
                    None => config.data_owner()?.files.count.ok_or_else(|| {
                        let key = "data-owner.count".into();
                        let hint = ", or --images: how many images a query has";
                        FileProblem::MissingKey { key, hint }.with_file(&config.file)
                    })?,
                };
                Inputs::Images(Images { count, words: Vec::new() })
            }
            Role::DataOwner => {
                let (batch, words) = self.batch(config, range)?;
                Inputs::Images(Images { count: batch.images, words })
            }
            Role::CryptoProducer => Inputs::Nothing,
        })
    }
}
