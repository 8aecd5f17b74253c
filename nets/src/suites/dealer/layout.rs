//! The layout of a network in the `dealer` suite: the ring and the scale of every layer's result,
//! the truncations, and whether P1 knows a result's mask. It is public and the same at all parties.

use fixedpoint::{encoding::FixedPoint, width::Width};
use protocols::{
    average::Divisor,
    dealer::{Gate, Mask, argmax::Rows},
};

use super::public_bounds::PublicBounds;
use crate::{
    cost::{BoundSource, LayerBound},
    error::Result,
    functions::{Gadget, PolynomialScales},
    graph::{Graph, NodeId, Op, Portion},
    weights::{EncodedModel, Model, Scales},
};

/// The bounds of the values of each layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Bounds {
    /// A common bound for all layers, as a power of two in real units. It also holds for the
    /// differences between values and a function's knots. It reveals nothing about the weights.
    Alike(u32),
    /// One bound for each layer.
    Layers(PublicBounds),
}

/// The default of [`Bounds::Alike`]: magnitudes below 128, which have 32 bits at a scale of 24.
pub const DEFAULT_MAGNITUDE_BITS: u32 = 7;

/// A network's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub(super) fixed: FixedPoint,
    pub(super) layers: Vec<LayerLayout>,
    /// The gate of the comparisons for a label; `None` if the output is logits.
    pub(super) label: Option<Gate>,
}

/// A layer's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerLayout {
    /// The ring of the result.
    pub(super) width: Width,
    /// The fractional bits of the result.
    pub(super) scale: u32,
    /// The bound of the values and of those that the layer compares, as a power of two.
    pub(super) magnitude_bits: i32,
    /// The source of the bound.
    pub(super) source: BoundSource,
    /// Whether P1 knows the mask of the result.
    pub(super) mask: Mask,
    /// For each input, the number of bits by which it is shifted left to the common scale.
    pub(super) lift: Vec<u32>,
    /// A truncation of the input, if the scale of the result would otherwise be too large.
    pub(super) before: Option<Gate>,
    /// The computation.
    pub(super) computation: Computation,
}

/// The computation of a layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Computation {
    /// The query is received.
    Input,
    /// A linear layer.
    Linear,
    /// A local operation other than an average.
    Local,
    /// An average: sums multiplied by a public constant.
    Average(Divisor),
    /// An activation, in parts that are together all channels.
    Activate(Vec<Part>),
    /// A max pool; this is the gate of each level of its tree.
    MaxPool(Gate),
    /// A max pool of signs: the sign of each window's sum plus its size minus 1.
    AnySign(Gate),
}

/// The channels of an activation that have the same function.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    /// The function and the channels.
    pub(super) portion: Portion,
    /// The number of bits by which the values are shifted left first.
    pub(super) raise: u32,
    /// The computation.
    pub(super) apply: Apply,
    /// The number of bits by which the result is shifted left to the common scale of all parts.
    pub(super) lift: u32,
}

/// The computation of a part of an activation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Apply {
    /// Values pass unchanged.
    Pass,
    /// Each channel has a constant result.
    Constants,
    /// A gadget is evaluated with this gate.
    Gadget(Gadget, Gate),
}

impl Layout {
    /// The fixed point of inputs and weights.
    pub(super) fn fixed(&self) -> FixedPoint {
        self.fixed
    }

    /// The fixed point of the network's results.
    pub(super) fn result_fixed(&self, graph: &Graph) -> FixedPoint {
        FixedPoint::new(self.layer(graph.output()).scale)
    }

    /// A model's layers at the scales of this layout. Weights have f fractional bits, but those of
    /// binary layers whose results are used only for their signs have none; biases have the scale
    /// of the result.
    ///
    /// # Errors
    /// Those of [`Model::encode`].
    pub(super) fn encode(&self, graph: &Graph, model: &Model) -> Result<EncodedModel> {
        model.encode_with(graph, self.fixed, |id| self.scales(graph, id))
    }

    /// The gate of the comparisons for a label; `None` if the output is logits.
    pub(super) fn label(&self) -> Option<&Gate> {
        self.label.as_ref()
    }

    /// The bound of the differences that a label's comparisons take; `None` if the output is
    /// logits.
    pub(super) fn label_bound(&self, graph: &Graph) -> Option<LayerBound> {
        let source = self.layer(graph.output()).source;
        self.label.map(|gate| LayerBound { bits: gate.bound(), source })
    }

    /// The bound of the values that a layer truncates or compares, if it does either.
    pub(super) fn bound(&self, graph: &Graph, id: NodeId) -> Option<LayerBound> {
        let layer = self.layer(id);
        let bits = layer.gate()?.bound();
        let bounded = match layer.computation {
            Computation::Activate(_) | Computation::MaxPool(_) | Computation::AnySign(_) => id,
            // The values of the layer's input are truncated.
            Computation::Input
            | Computation::Linear
            | Computation::Local
            | Computation::Average(_) => graph.node(id).inputs[0],
        };
        Some(LayerBound { bits, source: self.layer(bounded).source })
    }

    /// A layer's layout.
    pub fn layer(&self, id: NodeId) -> &LayerLayout {
        &self.layers[id.index()]
    }

    /// The fractional bits of a layer's weights and biases.
    fn scales(&self, graph: &Graph, id: NodeId) -> Scales {
        let (node, f) = (graph.node(id), self.fixed.fractional_bits());
        let (layer, input) = (self.layer(id), || self.layer(node.inputs[0]).scale);
        match &node.op {
            Op::Linear(_) => {
                let taken = if layer.before.is_some() { f } else { input() };
                Scales { weight: vec![layer.scale - taken], bias: vec![layer.scale] }
            }
            Op::Activation(activation) => {
                let degrees = activation.degrees(graph.dims(id).channels);
                let columns = degrees.iter().copied().max().unwrap_or(0);
                let scales = |&degree: &u32| PolynomialScales::new(degree, input(), f);
                let polynomials: Vec<PolynomialScales> = degrees.iter().map(scales).collect();
                let weight = polynomials.iter().flat_map(|polynomial| {
                    let powers = 1..=columns;
                    powers.map(|power| polynomial.coefficient(power.min(polynomial.degree)))
                });
                let weight = weight.collect();
                Scales { weight, bias: polynomials.iter().map(|scales| scales.result).collect() }
            }
            Op::Input
            | Op::MaxPool(_)
            | Op::AvgPool(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => unreachable!("{} has no weights", node.op.name()),
        }
    }
}

impl LayerLayout {
    /// The gate of the layer's truncations or comparisons, if it has any.
    pub fn gate(&self) -> Option<&Gate> {
        match &self.computation {
            Computation::Activate(parts) => parts.iter().find_map(|part| match &part.apply {
                Apply::Gadget(_, gate) => Some(gate),
                Apply::Pass | Apply::Constants => None,
            }),
            Computation::MaxPool(gate) | Computation::AnySign(gate) => Some(gate),
            Computation::Input
            | Computation::Linear
            | Computation::Local
            | Computation::Average(_) => self.before.as_ref(),
        }
    }
}

/// A batch of results as rows of logits to compare; `None` if there is only one logit.
pub(super) fn rows(graph: &Graph, batch: usize) -> Option<Rows> {
    let classes = graph.dims(graph.output()).len();
    (classes > 1).then(|| Rows::new(batch, classes))
}
