//! The layers of an import, and how their scalings are folded into their neighbours.

use std::collections::{BTreeMap, HashMap, HashSet};

use fixedpoint::Padding;

use crate::{
    error::{Error, Result, ShapeProblem},
    functions::Terms,
    graph::{
        Activation, ActivationKind, Average, Conv, Dims, Graph, GraphBuilder, INPUT, Linear,
        NodeId, OUTPUT, Op, check_dims as check_graph_dims, output_dims,
    },
    range::Range,
    weights::Weights,
};

/// The most values of one image in one layer: a larger one could not be computed in private, and
/// would only fill the memory.
const MAX_VALUES: usize = 1 << 24;

/// The most layers.
const MAX_LAYERS: usize = 1 << 15;

/// Smaller factors are not folded into the weights of the layer after them: the weights of a model
/// for pixels up to 255 would keep few digits.
const FINEST: f64 = 1.0 / 8.0;

/// A layer's place in its draft.
pub(super) type LayerId = usize;

/// A network under construction.
pub(super) struct Draft {
    layers: Vec<Layer>,
    taken: HashSet<String>,
    /// The number to try next for each name.
    numbers: HashMap<String, usize>,
    /// How many more values may be read and made: a small file must not become a large network by
    /// using the same tensor again and again.
    allowance: usize,
}

struct Layer {
    name: String,
    kind: Kind,
    inputs: Vec<LayerId>,
    dims: Dims,
    /// Whether no value can be below zero.
    nonnegative: bool,
}

/// The computation of a layer.
pub(super) enum Kind {
    /// An operation without weights.
    Plain(Op),
    /// A convolution or fully connected layer, with a bias for each output channel.
    Linear(Linear, LinearTensors),
    /// x scale + shift, channel by channel.
    Scale {
        /// A factor for each channel.
        scale: Vec<f64>,
        /// A summand for each channel.
        shift: Vec<f64>,
    },
}

/// The weights and biases of a linear layer.
pub(super) struct LinearTensors {
    /// Row-major, output channel first.
    pub(super) weight: Vec<f64>,
    /// One for each output channel.
    pub(super) bias: Vec<f64>,
}

impl Draft {
    /// A network that holds only its input; the file stores `constants` values.
    pub(super) fn new(input: Dims, constants: usize) -> std::result::Result<Draft, ShapeProblem> {
        check_dims(input)?;
        let kind = Kind::Plain(Op::Input);
        let input =
            Layer { name: INPUT.into(), kind, inputs: Vec::new(), dims: input, nonnegative: false };
        Ok(Draft {
            layers: vec![input],
            taken: [INPUT, OUTPUT].map(str::to_owned).into(),
            numbers: HashMap::new(),
            allowance: constants.saturating_mul(16).saturating_add(1 << 24),
        })
    }

    /// The network's input.
    pub(super) const INPUT: LayerId = 0;

    /// The size of a layer's result.
    pub(super) fn dims(&self, layer: LayerId) -> Dims {
        self.layers[layer].dims
    }

    /// Whether no value of a layer's result can be below zero.
    pub(super) fn is_nonnegative(&self, layer: LayerId) -> bool {
        self.layers[layer].nonnegative
    }

    /// The layer that a layer is the square of, if it is one.
    pub(super) fn squared(&self, layer: LayerId) -> Option<LayerId> {
        let square = Activation::full(ActivationKind::Square);
        let layer = &self.layers[layer];
        let is_square =
            matches!(&layer.kind, Kind::Plain(Op::Activation(found)) if *found == square);
        is_square.then(|| layer.inputs[0])
    }

    /// Accounts for values that are read or made.
    ///
    /// # Errors
    /// If they are too many, in words.
    pub(super) fn pay(&mut self, values: usize) -> std::result::Result<(), String> {
        let left = self.allowance.checked_sub(values);
        self.allowance = left.ok_or("makes far more values than the file holds")?;
        Ok(())
    }

    /// Adds a layer under this name, with a number where another layer has it.
    pub(super) fn add(
        &mut self,
        name: &str,
        kind: Kind,
        inputs: &[LayerId],
    ) -> std::result::Result<LayerId, ShapeProblem> {
        let input_dims: Vec<Dims> = inputs.iter().map(|&input| self.dims(input)).collect();
        let dims = match &kind {
            Kind::Plain(op) => output_dims(op, &input_dims)?,
            Kind::Linear(linear, _) => output_dims(&Op::Linear(*linear), &input_dims)?,
            Kind::Scale { .. } => input_dims[0],
        };
        check_dims(dims)?;
        if self.layers.len() >= MAX_LAYERS {
            return Err(ShapeProblem::Layers { max: MAX_LAYERS });
        }
        let name = self.free_name(name);
        self.taken.insert(name.clone());
        let nonnegative = match &kind {
            Kind::Plain(Op::Activation(Activation::Leading { kind, ratio: 1.0 })) => {
                let all = Range { low: f64::NEG_INFINITY, high: f64::INFINITY };
                kind.function().range(all, Terms::default()).low >= 0.0
            }
            Kind::Plain(
                Op::MaxPool(_)
                | Op::AvgPool(_)
                | Op::Add
                | Op::Concat
                | Op::Slice { .. }
                | Op::Shuffle { .. }
                | Op::Reshape(_),
            ) => inputs.iter().all(|&input| self.is_nonnegative(input)),
            Kind::Plain(Op::Input | Op::Linear(_) | Op::Activation(_)) => false,
            Kind::Linear(..) | Kind::Scale { .. } => false,
        };
        self.layers.push(Layer { name, kind, inputs: inputs.to_vec(), dims, nonnegative });
        Ok(self.layers.len() - 1)
    }

    /// The network up to this layer, with its scalings folded.
    pub(super) fn finish(mut self, graph: &str, mut output: LayerId) -> Result<(Graph, Weights)> {
        self.fold(&mut output);
        let needed = self.ancestors(output);
        let mut builder = GraphBuilder::new(graph, self.dims(Draft::INPUT))?;
        let mut places = vec![builder.input(); self.layers.len()];
        let mut tensors = BTreeMap::new();
        for (layer, place) in self.layers.into_iter().zip(0..).skip(1) {
            if !needed[place] {
                continue;
            }
            let inputs: Vec<NodeId> = layer.inputs.iter().map(|&input| places[input]).collect();
            let (op, linear) = match layer.kind {
                Kind::Plain(op) => (op, None),
                Kind::Linear(op, linear) => (Op::Linear(op), Some(linear)),
                Kind::Scale { scale, shift } => {
                    let channels = layer.dims.channels;
                    let conv = Conv { groups: channels, bias: true, ..Conv::square(channels, 1) };
                    (
                        Op::Linear(Linear::Conv(conv)),
                        Some(LinearTensors { weight: scale, bias: shift }),
                    )
                }
            };
            places[place] = builder.add_node(&layer.name, op, &inputs)?;
            if let Some(LinearTensors { weight, bias }) = linear {
                for (suffix, values) in [("weight", weight), ("bias", bias)] {
                    let name = format!("{}.{suffix}", layer.name);
                    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                        return Err(Error::NotFinite { tensor: name, index });
                    }
                    tensors.insert(name, values);
                }
            }
        }
        Ok((builder.finish(places[output])?, Weights::from_tensors(tensors)))
    }

    /// Folds each scaling into the linear layer or scaling before it, or else after it, and moves
    /// it behind a layer that commutes with it, towards a later one.
    fn fold(&mut self, output: &mut LayerId) {
        // Only layers that the output depends on count as users.
        let mut users = vec![Vec::new(); self.layers.len()];
        let needed = self.ancestors(*output);
        for (place, layer) in self.layers.iter().enumerate().filter(|(place, _)| needed[*place]) {
            layer.inputs.iter().for_each(|&input| users[input].push(place));
        }
        for place in (0..self.layers.len()).filter(|&place| needed[place]) {
            if !matches!(self.layers[place].kind, Kind::Scale { .. }) {
                continue;
            }
            let before = self.layers[place].inputs[0];
            let alone = users[before].len() == 1 && *output != before;
            let after = match users[place][..] {
                [after] if *output != place => Some(after),
                _ => None,
            };
            let folded = alone && self.fold_back(place, before)
                || after.is_some_and(|after| self.fold_forward(place, after));
            if folded {
                // Its users now use the layer before it.
                for &user in &users[place] {
                    let inputs = self.layers[user].inputs.iter_mut();
                    inputs.filter(|input| **input == place).for_each(|input| *input = before);
                }
                let moved = std::mem::take(&mut users[place]);
                users[before].retain(|&user| user != place);
                users[before].extend(moved);
                if *output == place {
                    *output = before;
                }
            } else if let Some(after) = after {
                self.pass(place, after);
            }
        }
    }

    /// Folds a scaling into the layer before it; says whether it could.
    fn fold_back(&mut self, place: LayerId, before: LayerId) -> bool {
        let (earlier, later) = self.layers.split_at_mut(place);
        let Kind::Scale { scale, shift } = &later[0].kind else {
            return false;
        };
        match &mut earlier[before].kind {
            Kind::Linear(_, linear) => {
                let row = linear.weight.len() / scale.len();
                for (channel, weights) in linear.weight.chunks_exact_mut(row).enumerate() {
                    weights.iter_mut().for_each(|weight| *weight *= scale[channel]);
                }
                for (bias, (scale, shift)) in linear.bias.iter_mut().zip(scale.iter().zip(shift)) {
                    *bias = *bias * scale + shift;
                }
                true
            }
            Kind::Scale { scale: first, shift: moved } => {
                for channel in 0..scale.len() {
                    first[channel] *= scale[channel];
                    moved[channel] = moved[channel] * scale[channel] + shift[channel];
                }
                true
            }
            Kind::Plain(_) => false,
        }
    }

    /// Folds a scaling into the linear layer or scaling after it, as far as that goes: padding is
    /// zeros after the scaling, so a convolution that pads cannot take a shift, and weights that a
    /// small factor makes smaller lose digits. Says whether nothing is left of it.
    fn fold_forward(&mut self, place: LayerId, after: LayerId) -> bool {
        let (earlier, later) = self.layers.split_at_mut(after);
        let Kind::Scale { scale, shift } = &mut earlier[place].kind else {
            return false;
        };
        let (op, linear) = match &mut later[0].kind {
            Kind::Linear(op, linear) => (*op, linear),
            Kind::Scale { scale: last, shift: moved } => {
                for channel in 0..scale.len() {
                    moved[channel] += shift[channel] * last[channel];
                    last[channel] *= scale[channel];
                }
                return true;
            }
            Kind::Plain(_) => return false,
        };
        let padded = matches!(op, Linear::Conv(conv) if conv.padding != Padding::NONE);
        let kept: Vec<f64> = scale.iter().map(|&scale| kept(scale)).collect();
        let whole =
            kept.iter().all(|&kept| kept == 1.0) && !(padded && shift.iter().any(|&x| x != 0.0));
        if whole {
            multiply_inputs(op, linear, scale, shift);
            return true;
        }
        let factors: Vec<f64> = scale
            .iter()
            .zip(&kept)
            .map(|(&scale, &kept)| if kept == 0.0 { 1.0 } else { scale / kept })
            .collect();
        multiply_inputs(op, linear, &factors, &vec![0.0; factors.len()]);
        shift.iter_mut().zip(factors).for_each(|(shift, factor)| *shift /= factor);
        *scale = kept;
        false
    }

    /// Swaps a scaling with a layer after it that commutes with it.
    fn pass(&mut self, place: LayerId, after: LayerId) {
        let (earlier, later) = self.layers.split_at_mut(after);
        let (scaling, other) = (&mut earlier[place], &mut later[0]);
        let Kind::Scale { scale, shift } = &scaling.kind else {
            return;
        };
        let Kind::Plain(op) = &other.kind else {
            return;
        };
        let Some(channels) = channels_before(op, scale, shift, scaling.dims, other.dims) else {
            return;
        };
        let [scale, shift] =
            [scale, shift].map(|values| channels.iter().map(|&channel| values[channel]).collect());
        std::mem::swap(&mut scaling.kind, &mut other.kind);
        std::mem::swap(&mut scaling.name, &mut other.name);
        scaling.dims = other.dims;
        other.kind = Kind::Scale { scale, shift };
    }

    /// Which layers the output depends on.
    fn ancestors(&self, output: LayerId) -> Vec<bool> {
        let mut needed = vec![false; self.layers.len()];
        needed[output] = true;
        for place in (0..self.layers.len()).rev().filter(|&place| place <= output) {
            if needed[place] {
                self.layers[place].inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        needed
    }

    /// A layer's name from a node's: characters that a report's paths reserve are replaced, and a
    /// number is added where another layer has the name.
    fn free_name(&mut self, name: &str) -> String {
        let plain: String = name
            .chars()
            .map(|c| if c == '/' || c == '#' || c.is_control() || c == ':' { '.' } else { c })
            .take(180)
            .collect();
        let plain = plain.trim_matches('.');
        let plain = if plain.is_empty() { "layer" } else { plain };
        if !self.taken.contains(plain) {
            return plain.to_owned();
        }
        let number = self.numbers.entry(plain.to_owned()).or_insert(1);
        loop {
            *number += 1;
            let name = format!("{plain}.{number}");
            if !self.taken.contains(&name) {
                return name;
            }
        }
    }
}

/// The power of two that a small factor leaves behind, exact in fixed point, so that 1 to 2 is
/// folded; 1 for any other factor.
fn kept(scale: f64) -> f64 {
    match scale.abs() {
        0.0 => 0.0,
        small if small < FINEST => small.log2().floor().exp2(),
        _ => 1.0,
    }
}

/// For each channel after an operation, the channel before it that a scaling behind it takes its
/// factor from; `None` if the two do not commute.
fn channels_before(
    op: &Op,
    scale: &[f64],
    shift: &[f64],
    before: Dims,
    after: Dims,
) -> Option<Vec<usize>> {
    let all = 0..scale.len();
    match *op {
        Op::AvgPool(Average::Channels) => Some(all.collect()),
        Op::AvgPool(Average::Windows { counted, .. }) => {
            let shifted = shift.iter().any(|&shift| shift != 0.0);
            (!shifted || counted == Padding::NONE).then(|| all.collect())
        }
        Op::MaxPool(_) => scale.iter().all(|&scale| scale > 0.0).then(|| all.collect()),
        Op::Slice { start, end } => Some((start..end).collect()),
        Op::Shuffle { groups } => {
            let rest = scale.len() / groups;
            Some(all.map(|place| place % groups * rest + place / groups).collect())
        }
        Op::Reshape(_) => {
            let parts = before.plane() / after.plane();
            let whole = before.plane().is_multiple_of(after.plane());
            whole.then(|| (0..after.channels).map(|channel| channel / parts).collect())
        }
        Op::Input | Op::Linear(_) | Op::Activation(_) | Op::Add | Op::Concat => None,
    }
}

/// Changes weights and biases so that they take inputs without a scaling before them.
fn multiply_inputs(op: Linear, linear: &mut LinearTensors, scale: &[f64], shift: &[f64]) {
    let groups = match op {
        Linear::Conv(conv) => conv.groups,
        Linear::Dense(_) => 1,
    };
    let outputs = linear.bias.len();
    let (rows, inputs) = (outputs / groups, scale.len() / groups);
    let row = linear.weight.len() / outputs;
    let taps = row / inputs;
    for (output, weights) in linear.weight.chunks_exact_mut(row).enumerate() {
        let first = output / rows * inputs;
        for (input, weights) in weights.chunks_exact_mut(taps).enumerate() {
            let channel = first + input;
            linear.bias[output] += weights.iter().sum::<f64>() * shift[channel];
            weights.iter_mut().for_each(|weight| *weight *= scale[channel]);
        }
    }
}

fn check_dims(dims: Dims) -> std::result::Result<(), ShapeProblem> {
    check_graph_dims(dims)?;
    if dims.len() > MAX_VALUES {
        return Err(ShapeProblem::TooLarge { max: MAX_VALUES });
    }
    Ok(())
}
