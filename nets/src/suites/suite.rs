//! The trait of a protocol suite.

use std::fmt;

use fixedpoint::encoding::FixedPoint;

use super::{execution::Execution, judge::Reference, preprocessing::Preprocessing, remedy::Remedy};
use crate::{
    cost::NetworkCost,
    error::Result,
    graph::{Graph, NodeId},
    output::Output,
    ranges::LayerRange,
    suite_name::SuiteName,
    weights::{EncodedModel, Model},
};

/// A network under a protocol suite: public, and the same at all parties. Rings, scales and bounds are
/// settled when one is made.
pub trait Suite: fmt::Debug + Send + Sync {
    /// The suite's name.
    fn name(&self) -> SuiteName;

    /// The network.
    fn graph(&self) -> &Graph;

    /// What the data owner learns.
    fn output(&self) -> Output;

    /// The fixed point of inputs and weights.
    fn fixed(&self) -> FixedPoint;

    /// The fixed point of the network's results.
    fn result_fixed(&self) -> FixedPoint;

    /// BLAKE3 of all that the parties must agree on beside the network and the precision; none where
    /// there is nothing.
    fn layout_hash(&self) -> Option<blake3::Hash>;

    /// The suite whose correlated randomness can be made ahead of the query and kept; none where there is
    /// no preprocessing.
    fn preprocessing(&self) -> Option<&dyn Preprocessing>;

    /// The cost of a run over `batch` images, one layer after the other.
    ///
    /// # Errors
    /// [`crate::Error::Batch`].
    fn cost(&self, batch: usize) -> Result<NetworkCost>;

    /// A model's layers as ring elements.
    ///
    /// # Errors
    /// [`crate::Error::WeightRange`], [`crate::Error::FractionalBits`], [`crate::Error::ModelGraph`].
    fn encode(&self, model: &Model) -> Result<EncodedModel>;

    /// The network in clear on encoded images, and how far from it the parties may be.
    ///
    /// # Errors
    /// [`crate::Error::Images`], [`crate::Error::Batch`], [`crate::Error::ModelGraph`].
    fn reference(&self, model: &EncodedModel, images: &[u64]) -> Result<Reference>;

    /// For every layer, whether it and all before it fit the suite's rings or bounds with values of these
    /// ranges, and truncation spoils an image in one of them with no more than this probability.
    fn fitting(&self, ranges: &[LayerRange], failure: f64) -> Vec<bool>;

    /// The first layer that does not fit ([`Suite::fitting`]).
    fn first_misfit(&self, ranges: &[LayerRange], failure: f64) -> Option<NodeId> {
        self.fitting(ranges, failure).iter().position(|fits| !fits).map(NodeId::new)
    }

    /// The bound that a layer's values must stay below, as a power of two; none where that is the ring.
    fn bound_bits(&self, layer: NodeId) -> Option<i32>;

    /// The setting with which a network of these ranges fits; they may depend on the fixed point.
    ///
    /// # Errors
    /// Those of `ranges`.
    fn remedy(&self, ranges: &dyn Fn(FixedPoint) -> Result<Vec<LayerRange>>) -> Result<Remedy>;

    /// P0's or P1's part: the logits at the scale of [`Suite::result_fixed`], or the label of each
    /// image, at P1 and nothing at P0. One run per session: its masks are the session's.
    ///
    /// # Errors
    /// Wrong inputs are found before anything is sent; later only [`crate::Error::Protocol`].
    fn evaluate(&self, execution: &Execution<'_>) -> Result<Vec<u64>>;

    /// P2's part.
    ///
    /// # Errors
    /// As [`Suite::evaluate`].
    fn deal(&self, execution: &Execution<'_>) -> Result<()>;
}
