//! How a network runs in the `dealer` suite: the ring and scale of every layer's result, what each non-linear
//! layer cuts off, and who knows which mask. Public, and the same at all parties.
//!
//! Scales go forward: a linear layer adds f bits, an average those of its divisor; an activation cuts down to f
//! again. Sums and concatenations lift what has a lower scale. Rings go backward: a result is as wide as
//! the widest of its users needs, and a narrower user takes it modulo its own ring. A layer whose values
//! are below 2^b in magnitude at a scale of S bits has the bound k = b + S + 1; one bit more where differences of
//! values are compared and b does not cover them.

use fixedpoint::{Padding, encoding::FixedPoint, width::Width};
use protocols::{
    dealer::{
        Cube, Function, Gate, Mask, Polynomial, Relu, Sign, Square, Truncation, argmax::Rows,
    },
    securenn::avgpool::Divisor,
    spline::Spline,
};

use serde::Serialize;

use crate::{
    error::{Error, Result},
    graph::{ActivationKind, Graph, NodeId, Op, Portion},
    output::Output,
    ranges::Source,
    suites::dealer::public_bounds::PublicBounds,
    weights::model::{EncodedModel, Model, Scales, check_fractional_bits},
};

/// The largest scale that a linear layer or an average may reach: beyond it, its input is cut first.
const MAX_SCALE: u32 = 48;

/// The bits of a leaky slope.
pub(crate) const SLOPE_BITS: u32 = 12;

/// How large the values of each layer may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Bounds {
    /// All below 2 to this power, in real units; what a ReLU6, sigmoid or tanh takes is so less each of its knots.
    /// It tells nothing about the weights.
    Alike(u32),
    /// Each layer's own.
    Layers(PublicBounds),
}

/// With bounds alike, a function with knots up to k takes values up to 2^b - k for the b of the bounds, which is
/// this at least.
const MIN_KNOT_BITS: i32 = 4;

/// How large the values that a layer cuts or compares may be, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LayerBound {
    /// k: their bits at their scale, sign included.
    pub bits: u32,
    /// Where it is from.
    pub source: BoundSource,
}

/// Where a layer's bound is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundSource {
    /// The magnitude that all layers share ([`Bounds::Alike`]).
    MagnitudeBits,
    /// The layer's own, from the weights: it holds for every input.
    Interval,
    /// The layer's own, from samples.
    Calibration,
    /// The architecture: signs, and sums of signs.
    Structure,
}

/// Values below 128 in magnitude: 32 bits at a scale of 24.
pub const DEFAULT_MAGNITUDE_BITS: u32 = 7;

/// A network's plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    fixed: FixedPoint,
    layers: Vec<LayerPlan>,
    /// What the data owner learns the label by; none where it learns the logits.
    label: Option<Gate>,
}

/// A layer's plan.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerPlan {
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
    /// What each input is multiplied with first: a power of two that lifts it to a common scale.
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
    /// How many bits their values are lifted by first.
    pub raise: u32,
    /// What is done with them.
    pub apply: Apply,
    /// How many bits its result is lifted by, to the scale of the others.
    pub lift: u32,
}

/// What is done with a part of the channels.
#[derive(Clone, Debug, PartialEq)]
pub enum Apply {
    /// Values pass as they are.
    Nothing,
    /// Each channel has a constant in place of its values.
    Constants,
    /// A gadget.
    Gadget(Nonlinear, Gate),
}

/// The functions that gadgets compute.
#[derive(Clone, Debug, PartialEq)]
pub enum Nonlinear {
    /// t.
    Truncation,
    /// max(t, 0).
    Relu,
    /// A function of public straight pieces: ReLU6, LeakyReLU, sigmoid, tanh.
    Spline(Spline),
    /// t^2.
    Square,
    /// t^3.
    Cube,
    /// 1 or -1.
    Sign,
    /// A polynomial of this degree, of each channel its own.
    Polynomial(u32),
}

impl Nonlinear {
    /// The protocol. A polynomial's, without its coefficients, says no more than what it takes.
    pub fn function(&self) -> Box<dyn Function> {
        match self {
            Nonlinear::Truncation => Box::new(Truncation),
            Nonlinear::Relu => Box::new(Relu),
            Nonlinear::Square => Box::new(Square),
            Nonlinear::Cube => Box::new(Cube),
            Nonlinear::Sign => Box::new(Sign),
            Nonlinear::Spline(spline) => Box::new(spline.clone()),
            Nonlinear::Polynomial(degree) => Box::new(Polynomial::shape(*degree as usize)),
        }
    }
}

impl Plan {
    /// The plan of a network whose values stay within bounds.
    ///
    /// # Errors
    /// [`Error::FractionalBits`], [`Error::RingWidth`] for a layer that needs more than 61 bits,
    /// [`Error::OneClass`].
    pub fn new(graph: &Graph, fixed: FixedPoint, bounds: &Bounds, output: Output) -> Result<Plan> {
        check_fractional_bits(fixed)?;
        let signs_follow = graph.signs_follow();
        let mut drafts: Vec<Draft> = Vec::with_capacity(graph.nodes().len());
        for id in graph.ids() {
            drafts.push(Draft::new(graph, fixed, id, signs_follow[id.index()], &drafts));
        }
        let known = known(graph, &drafts, output);
        // Rings, from the output back.
        let mut needs = vec![0; drafts.len()];
        let (signs, structure) = (graph.signs(), structure(graph));
        let bits = |id: NodeId, scale: u32, more: u32| -> Result<u32> {
            let (magnitude_bits, _) = magnitude(graph, bounds, &structure, id);
            let bits = magnitude_bits + (scale + more) as i32 + 1;
            // The smallest gate opens two bits more than it cuts off.
            let bits = bits.max(scale as i32 + 2).cast_unsigned();
            if bits < 62 {
                return Ok(bits);
            }
            let node = graph.node(id).name.clone();
            Err(Error::RingWidth { node, bits, fractional_bits: fixed.fractional_bits() })
        };
        let last = graph.output();
        let scale = drafts[last.index()].scale;
        let label = match (output, rows(graph, 1)) {
            (Output::Logits, _) => None,
            (Output::Label, None) => {
                return Err(Error::OneClass { graph: graph.name().to_owned() });
            }
            (Output::Label, Some(rows)) => {
                bits(last, scale, rows.label().bits() + 1)?;
                Some(rows.gate(bits(last, scale, 0)?))
            }
        };
        // Logits that are revealed must fit, or else their differences.
        needs[last.index()] = bits(last, scale, if label.is_some() { 1 } else { 0 })? + 1;
        let mut layers = Vec::with_capacity(drafts.len());
        for (id, draft) in graph.ids().rev().zip(drafts.iter().rev().cloned()) {
            let out = needs[id.index()];
            let Draft { scale, cut, lift, activation } = draft;
            let node = graph.node(id);
            let input_scale = |place: usize| drafts[node.inputs[place].index()].scale;
            let gate = |bound: u32, shift: u32, out: u32| {
                Gate::new(Width::new(bound + 1), bound, shift, Width::new(out))
            };
            let mut before = None;
            // The ring that an input must have.
            let mut need = out;
            let step = match &node.op {
                Op::Input => Step::Input,
                Op::Conv(_) | Op::Dense(_) => Step::Linear,
                Op::AvgPool(_) | Op::GlobalAvgPool => {
                    Step::Average(divisor(graph, fixed, id).expect("an average"))
                }
                Op::Activation(_) | Op::Mix(_) => {
                    // Values that pass uncut need the ring of the result.
                    need = match activation.iter().flatten().any(PartDraft::passes) {
                        true => out,
                        false => 0,
                    };
                    let mut parts = Vec::new();
                    for PartDraft { portion, raise, apply, lift } in
                        activation.into_iter().flatten()
                    {
                        let scale = input_scale(0) + raise;
                        let bound = bits(id, scale, 0)?;
                        need = need.max(bound + 1);
                        let apply = match apply {
                            DraftApply::Nothing => Apply::Nothing,
                            DraftApply::Constants => Apply::Constants,
                            DraftApply::Gadget(function, kept) => {
                                Apply::Gadget(function, gate(bound, scale - kept, out))
                            }
                        };
                        parts.push(Part { portion, raise, apply, lift });
                    }
                    Step::Activate(parts)
                }
                Op::MaxPool(_) if signs[node.inputs[0].index()] => {
                    let size = graph.pool_shape(id, 1).expect("a pooling layer").window_len();
                    // Sums of up to the size, and up to the size less 1 more.
                    let bound = (2 * size).next_power_of_two().ilog2() + 1;
                    need = bound + 1;
                    Step::AnySign(gate(bound, 0, out))
                }
                Op::MaxPool(window) => {
                    // Bounds of its own cover its differences, but for those with padding.
                    let covered = matches!(bounds, Bounds::Layers(_))
                        && window.padding == Padding::NONE
                        && structure[id.index()].is_none();
                    let bound = bits(id, input_scale(0), u32::from(!covered))?;
                    // The next level compares what this one gives.
                    let ring = Width::new(out.max(bound + 1));
                    need = ring.bits();
                    Step::MaxPool(Gate::new(ring, bound, 0, ring))
                }
                Op::Add
                | Op::Concat
                | Op::Slice { .. }
                | Op::Shuffle { .. }
                | Op::Reshape(_)
                | Op::Flatten => Step::Local,
            };
            if cut {
                let input = node.inputs[0];
                let bound = bits(input, input_scale(0), 0)?;
                before = Some(gate(bound, input_scale(0) - fixed.fractional_bits(), out));
                need = bound + 1;
            }
            for input in &node.inputs {
                let known = &mut needs[input.index()];
                *known = need.max(*known);
            }
            let mask = if known[id.index()] { Mask::Known } else { Mask::Hidden };
            let (magnitude_bits, source) = magnitude(graph, bounds, &structure, id);
            let width = Width::new(out);
            layers.push(LayerPlan {
                width,
                scale,
                magnitude_bits,
                source,
                mask,
                lift,
                before,
                step,
            });
        }
        layers.reverse();
        Ok(Plan { fixed, layers, label })
    }

    /// The fixed point of inputs and weights.
    pub fn fixed(&self) -> FixedPoint {
        self.fixed
    }

    /// The fixed point of the network's result.
    pub fn result(&self, graph: &Graph) -> FixedPoint {
        FixedPoint::new(self.layer(graph.output()).scale)
    }

    /// A model's layers in this plan's scales: weights with f bits, those of 1 and -1 with none where nothing but
    /// signs follows, biases with those of the result.
    ///
    /// # Errors
    /// As [`Model::encode`].
    pub fn encode(&self, graph: &Graph, model: &Model) -> Result<EncodedModel> {
        model.encode_with(graph, self.fixed, |id| self.scales(graph, id))
    }

    fn scales(&self, graph: &Graph, id: NodeId) -> Scales {
        let (op, f) = (&graph.node(id).op, self.fixed.fractional_bits());
        let layer = self.layer(id);
        if graph.linear_shape(id, 1).is_some() {
            let taken = match layer.before {
                Some(_) => f,
                None => self.layer(graph.node(id).inputs[0]).scale,
            };
            return Scales { weight: vec![layer.scale - taken], bias: vec![layer.scale] };
        }
        let degrees = op.degrees(graph.dims(id).channels);
        let columns = degrees.iter().copied().max().unwrap_or(0);
        let input = graph.node(id).inputs[0];
        let of = |&degree: &u32| PolynomialScales::new(degree, self.layer(input).scale, f);
        let polynomials: Vec<PolynomialScales> = degrees.iter().map(of).collect();
        let weight = polynomials.iter().flat_map(|polynomial| {
            (1..=columns).map(|power| polynomial.coefficient(power.min(polynomial.degree)))
        });
        Scales { weight: weight.collect(), bias: polynomials.iter().map(|p| p.result).collect() }
    }

    /// BLAKE3 of the plan. Parties of one release get the same for the same plan.
    pub fn hash(&self) -> blake3::Hash {
        blake3::hash(format!("{self:?}").as_bytes())
    }

    /// How the data owner learns the label, if it does not learn the logits.
    pub fn label(&self) -> Option<&Gate> {
        self.label.as_ref()
    }

    /// How large differences of the logits may be, with places below them, where there is a label.
    pub fn label_bound(&self, graph: &Graph) -> Option<LayerBound> {
        let source = self.layer(graph.output()).source;
        self.label.map(|gate| LayerBound { bits: gate.bound(), source })
    }

    /// How large the values that a layer cuts or compares may be, where it does.
    pub fn bound(&self, graph: &Graph, id: NodeId) -> Option<LayerBound> {
        let layer = self.layer(id);
        let bits = layer.gate()?.bound();
        let of = match layer.step {
            Step::Activate(_) | Step::MaxPool(_) | Step::AnySign(_) => id,
            // What is cut first is another layer's.
            _ => graph.node(id).inputs[0],
        };
        Some(LayerBound { bits, source: self.layer(of).source })
    }

    /// A layer's plan.
    pub fn layer(&self, id: NodeId) -> &LayerPlan {
        &self.layers[id.index()]
    }
}

impl LayerPlan {
    /// What values it cuts or compares, where it does.
    pub fn gate(&self) -> Option<&Gate> {
        match &self.step {
            Step::Activate(parts) => parts.iter().find_map(|part| match &part.apply {
                Apply::Gadget(_, gate) => Some(gate),
                Apply::Nothing | Apply::Constants => None,
            }),
            Step::MaxPool(gate) | Step::AnySign(gate) => Some(gate),
            Step::Input | Step::Linear | Step::Local | Step::Average(_) => self.before.as_ref(),
        }
    }
}

/// What is known of a layer on the way forward.
#[derive(Clone)]
struct Draft {
    scale: u32,
    /// Whether its input is truncated to f bits first.
    cut: bool,
    lift: Vec<u32>,
    activation: Option<Vec<PartDraft>>,
}

#[derive(Clone)]
struct PartDraft {
    portion: Portion,
    raise: u32,
    apply: DraftApply,
    lift: u32,
}

#[derive(Clone)]
enum DraftApply {
    Nothing,
    Constants,
    /// A gadget, and the fractional bits of what it takes after it has cut off the rest.
    Gadget(Nonlinear, u32),
}

impl PartDraft {
    fn passes(&self) -> bool {
        matches!(self.apply, DraftApply::Nothing)
    }
}

/// The fractional bits of a polynomial's parts. Coefficients of lower powers have more, so that all terms
/// have the same.
struct PolynomialScales {
    degree: u32,
    /// Of the value.
    value: u32,
    /// Of the result and the constant.
    result: u32,
}

impl PolynomialScales {
    /// Every bit of the result's scale is one online, for this value and all that are mixed with it: values
    /// keep fewer than f bits, 8 for a square and 6 for a cube of 12, and the highest coefficient has 10 or 12.
    fn new(degree: u32, input: u32, f: u32) -> PolynomialScales {
        let (value, highest) = match degree {
            0 => (0, f),
            2 => (input.min(2 * f / 3), 5 * f / 6),
            _ => (input.min(f / 2), f),
        };
        PolynomialScales { degree, value, result: degree * value + highest }
    }

    fn coefficient(&self, power: u32) -> u32 {
        self.result - power * self.value
    }
}

impl Draft {
    fn new(
        graph: &Graph,
        fixed: FixedPoint,
        id: NodeId,
        signs_follow: bool,
        drafts: &[Draft],
    ) -> Draft {
        let f = fixed.fractional_bits();
        let node = graph.node(id);
        let scales: Vec<u32> =
            node.inputs.iter().map(|input| drafts[input.index()].scale).collect();
        let scale = scales.iter().copied().max().unwrap_or(f);
        let lift = scales.iter().map(|input| scale - input).collect();
        let draft = Draft { scale, cut: false, lift, activation: None };
        let grown = |bits: u32| {
            // What is at f bits already cannot be cut.
            let cut = scale > f && scale + bits > MAX_SCALE;
            let scale = if cut { f + bits } else { scale + bits };
            Draft { scale, cut, ..draft.clone() }
        };
        match &node.op {
            op @ (Op::Conv(_) | Op::Dense(_)) => grown(match op.is_binary() {
                true if signs_follow => 0,
                // Its bias has f bits at least.
                true => f.saturating_sub(scale),
                false => f,
            }),
            Op::AvgPool(_) | Op::GlobalAvgPool => {
                grown(divisor(graph, fixed, id).expect("an average").bits())
            }
            op @ (Op::Activation(_) | Op::Mix(_)) => {
                let (parts, scale) = parts(op.portions(graph.dims(id).channels), scale, f);
                Draft { scale, activation: Some(parts), ..draft }
            }
            Op::Input
            | Op::MaxPool(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_)
            | Op::Flatten => draft,
        }
    }
}

/// The functions of an activation and the scale of its result.
fn parts(portions: Vec<Portion>, scale: u32, f: u32) -> (Vec<PartDraft>, u32) {
    // The scale of t, after what is cut off.
    let cut = scale.min(f);
    // By how much values are lifted first, what is done with them, and the scale of what it gives.
    let gadget = |function, own| (0, DraftApply::Gadget(function, cut), own);
    // With few bits its pieces would be coarse.
    let s_curve =
        |spline| (f - cut, DraftApply::Gadget(Nonlinear::Spline(spline), f), f + SLOPE_BITS);
    let apply = |kind: Option<ActivationKind>| match kind {
        // Where nothing is cut off, values pass as they are.
        None if scale > f => gadget(Nonlinear::Truncation, cut),
        None => (0, DraftApply::Nothing, cut),
        Some(ActivationKind::Relu) => gadget(Nonlinear::Relu, cut),
        Some(ActivationKind::Relu6) => gadget(Nonlinear::Spline(Spline::relu6(6 << cut)), cut),
        Some(ActivationKind::LeakyRelu { slope }) => {
            let spline = Spline::leaky_relu(slope, SLOPE_BITS);
            gadget(Nonlinear::Spline(spline), cut + SLOPE_BITS)
        }
        Some(ActivationKind::Square) => gadget(Nonlinear::Square, 2 * cut),
        Some(ActivationKind::Cube) => gadget(Nonlinear::Cube, 3 * cut),
        Some(ActivationKind::Sign) => gadget(Nonlinear::Sign, 0),
        Some(ActivationKind::Sigmoid) => s_curve(Spline::sigmoid(f, SLOPE_BITS)),
        Some(ActivationKind::Tanh) => s_curve(Spline::tanh(f, SLOPE_BITS)),
        Some(ActivationKind::Polynomial { degree }) => {
            let PolynomialScales { value, result, .. } = PolynomialScales::new(degree, scale, f);
            match degree {
                0 => (0, DraftApply::Constants, result),
                _ => (0, DraftApply::Gadget(Nonlinear::Polynomial(degree), value), result),
            }
        }
    };
    let drafts: Vec<_> = portions.iter().map(|portion| apply(portion.kind)).collect();
    let common = drafts.iter().map(|(_, _, own)| *own).max().unwrap_or(scale);
    let part =
        |(portion, (raise, apply, own))| PartDraft { portion, raise, apply, lift: common - own };
    (portions.into_iter().zip(drafts).map(part).collect(), common)
}

/// For every layer whether P1 must know the mask of its result: where a linear layer or the output
/// takes it, directly or by way of local layers. A label needs no mask of the logits.
fn known(graph: &Graph, drafts: &[Draft], output: Output) -> Vec<bool> {
    let mut known = vec![false; graph.nodes().len()];
    known[graph.output().index()] = output == Output::Logits;
    for id in graph.ids().rev() {
        let node = graph.node(id);
        let draft = &drafts[id.index()];
        let needs = match &node.op {
            // What a gadget gives has a mask of its own, which P1 knows.
            _ if draft.cut => false,
            Op::Conv(_) | Op::Dense(_) => true,
            Op::Activation(_) | Op::Mix(_) => {
                known[id.index()] && draft.activation.iter().flatten().any(PartDraft::passes)
            }
            Op::MaxPool(_)
            | Op::AvgPool(_)
            | Op::GlobalAvgPool
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_)
            | Op::Flatten => known[id.index()],
            Op::Input => false,
        };
        for input in &node.inputs {
            known[input.index()] |= needs;
        }
    }
    known
}

/// A batch of results, as rows to choose from; none where there is no choice.
pub(super) fn rows(graph: &Graph, batch: usize) -> Option<Rows> {
    let classes = graph.dims(graph.output()).len();
    (classes > 1).then(|| Rows::new(batch, classes))
}

/// What an average divides by; `None` for other layers.
fn divisor(graph: &Graph, fixed: FixedPoint, id: NodeId) -> Option<Divisor> {
    let shape = graph.pool_shape(id, 1)?;
    match &graph.node(id).op {
        Op::AvgPool(_) | Op::GlobalAvgPool => {
            Some(Divisor::new(&shape, graph.counted_padding(id), &fixed))
        }
        _ => None,
    }
}

/// The power of two that a layer's values, and what it compares, stay below, and where it is from.
fn magnitude(
    graph: &Graph,
    bounds: &Bounds,
    structure: &[Option<i32>],
    id: NodeId,
) -> (i32, BoundSource) {
    if let Some(bits) = structure[id.index()] {
        return (bits, BoundSource::Structure);
    }
    match bounds {
        Bounds::Alike(bits) => {
            let knots = |kind| {
                use ActivationKind::{Relu6, Sigmoid, Tanh};
                matches!(kind, Relu6 | Sigmoid | Tanh)
            };
            let least = match graph.node(id).op.kinds().any(knots) {
                true => MIN_KNOT_BITS,
                false => i32::MIN,
            };
            (bits.cast_signed().max(least), BoundSource::MagnitudeBits)
        }
        Bounds::Layers(bounds) => {
            let bound = bounds.layer(&graph.node(id).name).expect("bounds of this network");
            let source = match bound.source {
                Source::Interval => BoundSource::Interval,
                Source::Calibration => BoundSource::Calibration,
            };
            (bound.magnitude.log2().ceil() as i32, source)
        }
    }
}

/// For every layer the power of two that its values, and what it compares, stay below, where the architecture
/// says so: signs, and binary layers that take and are followed by nothing but signs.
pub(crate) fn structure(graph: &Graph) -> Vec<Option<i32>> {
    let (signs, follow) = (graph.signs(), graph.signs_follow());
    let mut bits: Vec<Option<i32>> = Vec::with_capacity(signs.len());
    for id in graph.ids() {
        let node = graph.node(id);
        let inputs = || node.inputs.iter().map(|input| bits[input.index()]);
        bits.push(match &node.op {
            Op::Conv(_) | Op::Dense(_) => {
                let takes_signs = signs[node.inputs[0].index()];
                (node.op.is_binary() && takes_signs && follow[id.index()]).then(|| {
                    // Sums of up to the fan-in, and a threshold of up to one more.
                    let shape = graph.linear_shape(id, 1).expect("a linear layer");
                    (2 * shape.patch() + 2).next_power_of_two().ilog2().cast_signed()
                })
            }
            Op::Activation(_) if signs[id.index()] => inputs().next().flatten(),
            Op::MaxPool(_)
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_)
            | Op::Flatten => {
                inputs().collect::<Option<Vec<i32>>>().and_then(|all| all.into_iter().max())
            }
            _ => None,
        });
    }
    bits
}
