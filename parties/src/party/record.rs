//! The record of a run at one party.

use protocols::{LayerMeasurement, Links, Role};
use serde::{Deserialize, Serialize};

use super::{material::Stock, process::Usage};

/// The record of a run at one party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The party.
    pub role: Role,
    /// Images in the batch; 0 for a bench.
    pub images: usize,
    /// The layers, in the order in which they ended. `seconds` run from the end of the one before,
    /// so that they add up to the time from the query to the result in either order; the time
    /// before the query is in `ahead_seconds`.
    pub layers: Vec<LayerMeasurement>,
    /// UDP bytes it sent.
    pub wire: Links,
    /// How long each stage took.
    pub seconds: StageSeconds,
    /// The resources that its process used.
    pub usage: Usage,
    /// Whether the data owner had the masked weights from an earlier session.
    pub setup_kept: bool,
    /// The material that it made, or used up.
    pub stock: Option<Stock>,
}

/// Wall time of a run's stages at one party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StageSeconds {
    /// Once for the model and the session.
    pub setup: f64,
    /// Dealing, where it comes before the query.
    pub offline: f64,
    /// From the query to the result, with all material present. None where dealing goes on
    /// meanwhile, and at a party that takes no part in it.
    pub online: Option<f64>,
}

impl Record {
    /// The party's measurement of a layer.
    pub(crate) fn layer(&self, name: &str) -> Option<&LayerMeasurement> {
        self.layers.iter().find(|layer| layer.name == name)
    }
}
