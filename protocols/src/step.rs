//! Names of the places in a run. A step's path is at once the tag of its messages, the domain
//! separator of its randomness and the ledger's key.

use std::{fmt, sync::Arc};

/// A place in the run, as a path: `conv1/relu/#3/drelu`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    path: Arc<str>,
    id: StepId,
}

/// The tag that travels instead of the path: the first 16 bytes of its BLAKE3 hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub [u8; 16]);

impl Step {
    /// A step at the top.
    pub fn root(name: &str) -> Step {
        Step::at(name.into())
    }

    /// A step below this one.
    pub fn narrow(&self, name: &str) -> Step {
        Step::at(format!("{}/{name}", self.path).into())
    }

    /// The whole path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag of this step's messages.
    pub fn id(&self) -> StepId {
        self.id
    }

    fn at(path: Arc<str>) -> Step {
        let hash = blake3::hash(path.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        Step { path, id: StepId(id) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}
