//! The trait of a protocol suite, through which planners, reports and parties use it.

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

/// A network in a protocol suite: public, and the same at all parties. Rings, scales and bounds are
/// fixed when it is made.
pub trait Suite: fmt::Debug + Send + Sync {
    /// The suite's name.
    fn name(&self) -> SuiteName;

    /// The network.
    fn graph(&self) -> &Graph;

    /// The output of the data owner.
    fn output(&self) -> Output;

    /// The fixed point of inputs and weights.
    fn fixed(&self) -> FixedPoint;

    /// The fixed point of the network's results.
    fn result_fixed(&self) -> FixedPoint;

    /// BLAKE3 of everything that the parties must agree on in addition to the network and the
    /// precision; `None` if that is nothing.
    fn layout_hash(&self) -> Option<blake3::Hash>;

    /// The preprocessing of the suite, if it has any.
    fn preprocessing(&self) -> Option<&dyn Preprocessing>;

    /// The cost of a run over `batch` images, one layer after the other.
    ///
    /// # Errors
    /// [`crate::Error::Batch`].
    fn cost(&self, batch: usize) -> Result<NetworkCost>;

    /// A model's layers as ring elements.
    ///
    /// # Errors
    /// [`crate::Error::WeightRange`], [`crate::Error::FractionalBits`],
    /// [`crate::Error::ModelGraph`].
    fn encode(&self, model: &Model) -> Result<EncodedModel>;

    /// The network in clear on encoded images (NCHW), with a tolerance for the parties' results.
    ///
    /// # Errors
    /// [`crate::Error::Images`], [`crate::Error::Batch`], [`crate::Error::ModelGraph`].
    fn reference(&self, model: &EncodedModel, images: &[u64]) -> Result<Reference>;

    /// For every layer, whether it and all layers before it fit the suite's rings or bounds for
    /// values of these ranges, and their truncations spoil an image with at most this probability.
    fn fitting(&self, ranges: &[LayerRange], failure: f64) -> Vec<bool>;

    /// The first layer that does not fit ([`Suite::fitting`]).
    fn first_misfit(&self, ranges: &[LayerRange], failure: f64) -> Option<NodeId> {
        self.fitting(ranges, failure).iter().position(|fits| !fits).map(NodeId::new)
    }

    /// The bound of a layer's values, as a power of two; `None` if it is the ring.
    fn bound_bits(&self, layer: NodeId) -> Option<i32>;

    /// The setting for which the network fits if its layers have these ranges, which may depend on
    /// the fixed point.
    ///
    /// # Errors
    /// The errors that `ranges` returns.
    fn remedy(&self, ranges: &dyn Fn(FixedPoint) -> Result<Vec<LayerRange>>) -> Result<Remedy>;

    /// The part of P0 or P1. P1's result is the logits at the scale of [`Suite::result_fixed`], or
    /// the label of each image; P0's is empty. A session must run only one network, as masks depend
    /// on the session alone.
    ///
    /// # Errors
    /// Those of wrong inputs, before anything is sent; after that, only [`crate::Error::Protocol`].
    fn evaluate(&self, execution: &Execution<'_>) -> Result<Vec<u64>>;

    /// The part of P2.
    ///
    /// # Errors
    /// Those of [`Suite::evaluate`].
    fn deal(&self, execution: &Execution<'_>) -> Result<()>;
}
