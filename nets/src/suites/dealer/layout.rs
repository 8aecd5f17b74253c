//! The layout of a network in the `dealer` suite: the ring and the scale of every layer's result, what
//! each non-linear layer truncates, and who knows which mask. Public, and the same at all parties.

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

/// How large the values of each layer may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Bounds {
    /// All below 2 to this power, in real units; those that a function compares with its knots are so
    /// less each knot. It tells nothing about the weights.
    Alike(u32),
    /// Each layer's own.
    Layers(PublicBounds),
}

/// Values below 128 in magnitude: 32 bits at a scale of 24.
pub const DEFAULT_MAGNITUDE_BITS: u32 = 7;

/// A network's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub(super) fixed: FixedPoint,
    pub(super) layers: Vec<LayerLayout>,
    /// The gate of the comparisons by which the data owner learns a label; none where it learns logits.
    pub(super) label: Option<Gate>,
}

/// A layer's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerLayout {
    /// The ring of its result.
    pub width: Width,
    /// The fractional bits of its result.
    pub scale: u32,
    /// Its values, and what it compares, are taken to be below 2 to this power.
    pub magnitude_bits: i32,
    /// Where that is from.
    pub source: BoundSource,
    /// Whether P1 needs to know the mask of its result.
    pub mask: Mask,
    /// The bits that each input is lifted by first, to a common scale.
    pub lift: Vec<u32>,
    /// A truncation of its input, where its own scale would grow too large.
    pub before: Option<Gate>,
    /// What it does.
    pub step: Step,
}

/// What a layer does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It takes the query.
    Input,
    /// A linear layer.
    Linear,
    /// Something local, except for averages.
    Local,
    /// An average: sums, multiplied by a public constant.
    Average(Divisor),
    /// Functions, each on some of the channels; together all of them.
    Activate(Vec<Part>),
    /// A max pool, each level of its tree being this gate.
    MaxPool(Gate),
    /// A max pool of signs: the sign of each window's sum, lifted by its size less 1.
    AnySign(Gate),
}

/// A function on some of the channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The channels.
    pub portion: Portion,
    /// The bits that their values are lifted by first.
    pub raise: u32,
    /// What is done with them.
    pub apply: Apply,
    /// The bits that the result is lifted by, to the scale of the others.
    pub lift: u32,
}

/// What is done with a part of the channels.
#[derive(Clone, Debug, PartialEq)]
pub enum Apply {
    /// Values pass as they are.
    Pass,
    /// Each channel has a constant in place of its values.
    Constants,
    /// A gadget.
    Gadget(Gadget, Gate),
}

impl Layout {
    /// The fixed point of inputs and weights.
    pub fn fixed(&self) -> FixedPoint {
        self.fixed
    }

    /// The fixed point of the network's result.
    pub fn result_fixed(&self, graph: &Graph) -> FixedPoint {
        FixedPoint::new(self.layer(graph.output()).scale)
    }

    /// A model's layers in these scales: weights with f bits, those of 1 and -1 with none where nothing
    /// but signs follows, biases with those of the result.
    ///
    /// # Errors
    /// As [`Model::encode`].
    pub fn encode(&self, graph: &Graph, model: &Model) -> Result<EncodedModel> {
        model.encode_with(graph, self.fixed, |id| self.scales(graph, id))
    }

    /// The gate by which the data owner learns the label, if it does not learn the logits.
    pub fn label(&self) -> Option<&Gate> {
        self.label.as_ref()
    }

    /// How large differences of the logits may be, with places below them, where there is a label.
    pub fn label_bound(&self, graph: &Graph) -> Option<LayerBound> {
        let source = self.layer(graph.output()).source;
        self.label.map(|gate| LayerBound { bits: gate.bound(), source })
    }

    /// How large the values that a layer truncates or compares may be, where it does.
    pub fn bound(&self, graph: &Graph, id: NodeId) -> Option<LayerBound> {
        let layer = self.layer(id);
        let bits = layer.gate()?.bound();
        let bounded = match layer.step {
            Step::Activate(_) | Step::MaxPool(_) | Step::AnySign(_) => id,
            // What is truncated first is another layer's.
            Step::Input | Step::Linear | Step::Local | Step::Average(_) => graph.node(id).inputs[0],
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
                Scales { weight, bias: polynomials.iter().map(|own| own.result).collect() }
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
    /// The gate of what it truncates or compares, where it does.
    pub fn gate(&self) -> Option<&Gate> {
        match &self.step {
            Step::Activate(parts) => parts.iter().find_map(|part| match &part.apply {
                Apply::Gadget(_, gate) => Some(gate),
                Apply::Pass | Apply::Constants => None,
            }),
            Step::MaxPool(gate) | Step::AnySign(gate) => Some(gate),
            Step::Input | Step::Linear | Step::Local | Step::Average(_) => self.before.as_ref(),
        }
    }
}

/// A batch of results, as rows to choose from; none where there is no choice.
pub(super) fn rows(graph: &Graph, batch: usize) -> Option<Rows> {
    let classes = graph.dims(graph.output()).len();
    (classes > 1).then(|| Rows::new(batch, classes))
}
