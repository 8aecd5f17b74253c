//! Layers as they come out of the file, before scalings are folded into their neighbours.

use std::collections::{BTreeMap, HashSet};

use crate::{
    builder::{GraphBuilder, output_dims},
    error::{Error, Result, ShapeProblem},
    graph::{Activation, ActivationKind, Conv, Dims, Graph, INPUT, NodeId, OUTPUT, Op},
    weights::Weights,
};

/// The most values of one image in one layer: what is beyond could not be computed in private, and
/// would only fill the memory.
pub const MAX_VALUES: usize = 1 << 24;

/// A layer's place in its draft.
pub type LayerId = usize;

/// A network under construction.
#[derive(Debug)]
pub struct Draft {
    layers: Vec<Layer>,
    taken: HashSet<String>,
    /// How many more values its parameters, and constants computed for them, may have: a small file
    /// must not become a large network by using the same tensor again and again.
    allowance: usize,
}

#[derive(Debug)]
struct Layer {
    name: String,
    kind: Kind,
    inputs: Vec<LayerId>,
    dims: Dims,
}

/// What a layer computes.
#[derive(Debug)]
pub enum Kind {
    /// One without weights.
    Plain(Op),
    /// A convolution or fully connected layer, with a bias for each output channel.
    Linear(Op, Linear),
    /// x scale + shift, channel by channel.
    Scale {
        /// A factor for each channel.
        scale: Vec<f64>,
        /// A summand for each channel.
        shift: Vec<f64>,
    },
}

/// What a linear layer multiplies with and adds.
#[derive(Debug)]
pub struct Linear {
    /// Row-major, output channel first.
    pub weight: Vec<f64>,
    /// One for each output channel.
    pub bias: Vec<f64>,
}

impl Draft {
    /// A network that holds only its input; the file stores `constants` values.
    pub fn new(input: Dims, constants: usize) -> std::result::Result<Draft, ShapeProblem> {
        check_dims(input)?;
        let kind = Kind::Plain(Op::Input);
        let layers = vec![Layer { name: INPUT.into(), kind, inputs: Vec::new(), dims: input }];
        Ok(Draft {
            layers,
            taken: [INPUT, OUTPUT].map(str::to_owned).into(),
            allowance: 4 * constants + (1 << 22),
        })
    }

    /// The network's input.
    pub const INPUT: LayerId = 0;

    /// The size of a layer's result.
    pub fn dims(&self, layer: LayerId) -> Dims {
        self.layers[layer].dims
    }

    /// The input of a layer that is a ReLU.
    pub fn before_relu(&self, layer: LayerId) -> Option<LayerId> {
        let relu = Activation::full(ActivationKind::Relu);
        let layer = &self.layers[layer];
        match &layer.kind {
            Kind::Plain(Op::Activation(activation)) if *activation == relu => Some(layer.inputs[0]),
            _ => None,
        }
    }

    /// Accounts for parameters or constants.
    ///
    /// # Errors
    /// In words, if they are too many.
    pub fn pay(&mut self, values: usize) -> std::result::Result<(), String> {
        let left = self.allowance.checked_sub(values);
        self.allowance = left.ok_or("makes far more parameters than the file holds")?;
        Ok(())
    }

    /// Adds a layer, under this name or one like it that is free.
    pub fn add(
        &mut self,
        name: &str,
        kind: Kind,
        inputs: &[LayerId],
    ) -> std::result::Result<LayerId, ShapeProblem> {
        let of: Vec<Dims> = inputs.iter().map(|&input| self.dims(input)).collect();
        let dims = match &kind {
            Kind::Plain(op) | Kind::Linear(op, _) => output_dims(op, &of)?,
            Kind::Scale { .. } => of[0],
        };
        check_dims(dims)?;
        let name = self.free_name(name);
        self.taken.insert(name.clone());
        self.layers.push(Layer { name, kind, inputs: inputs.to_vec(), dims });
        Ok(self.layers.len() - 1)
    }

    /// The network up to this layer, with its scalings folded.
    pub fn finish(mut self, graph: &str, mut output: LayerId) -> Result<(Graph, Weights)> {
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
                Kind::Linear(op, linear) => (op, Some(linear)),
                Kind::Scale { scale, shift } => {
                    let channels = layer.dims.channels;
                    let conv = Conv { groups: channels, bias: true, ..Conv::square(channels, 1) };
                    (Op::Conv(conv), Some(Linear { weight: scale, bias: shift }))
                }
            };
            places[place] = builder.add_node(&layer.name, op, &inputs)?;
            if let Some(Linear { weight, bias }) = linear {
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

    /// Folds each scaling into the linear layer or scaling before it, or else after it; what stands
    /// between it and a later one and commutes with it, it passes.
    fn fold(&mut self, output: &mut LayerId) {
        for place in 0..self.layers.len() {
            // What the output does not depend on would count as a use.
            let needed = self.ancestors(*output);
            if !needed[place] || !matches!(self.layers[place].kind, Kind::Scale { .. }) {
                continue;
            }
            let uses = |layer: LayerId| self.uses(layer, &needed);
            let before = self.layers[place].inputs[0];
            let alone = uses(before).len() == 1 && *output != before;
            let after = match uses(place)[..] {
                [after] if *output != place => Some(after),
                _ => None,
            };
            if alone && self.fold_back(place, before) {
                self.replace(place, before, output);
            } else if let Some(after) = after {
                if self.fold_forward(place, after) {
                    self.replace(place, before, output);
                } else {
                    self.pass(place, after);
                }
            }
        }
    }

    /// Folds a scaling into what is before it.
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

    /// Folds a scaling into the linear layer after it. Padding is zeros after the scaling, so a
    /// convolution that pads cannot take a shift.
    fn fold_forward(&mut self, place: LayerId, after: LayerId) -> bool {
        let (earlier, later) = self.layers.split_at_mut(after);
        let Kind::Scale { scale, shift } = &earlier[place].kind else {
            return false;
        };
        let Kind::Linear(op, linear) = &mut later[0].kind else {
            return false;
        };
        let groups = match op {
            Op::Conv(conv) => {
                let padded = conv.padding != fixedpoint::Padding::NONE;
                if padded && shift.iter().any(|&shift| shift != 0.0) {
                    return false;
                }
                conv.groups
            }
            _ => 1,
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
        true
    }

    /// Swaps a scaling with an average or a flattening after it.
    fn pass(&mut self, place: LayerId, after: LayerId) {
        let spread = match self.layers[after].kind {
            Kind::Plain(Op::GlobalAvgPool) => 1,
            Kind::Plain(Op::AvgPool(average))
                if average.window.padding == fixedpoint::Padding::NONE =>
            {
                1
            }
            Kind::Plain(Op::Flatten) => self.layers[place].dims.plane(),
            _ => return,
        };
        let (earlier, later) = self.layers.split_at_mut(after);
        let (scaling, other) = (&mut earlier[place], &mut later[0]);
        std::mem::swap(&mut scaling.kind, &mut other.kind);
        std::mem::swap(&mut scaling.name, &mut other.name);
        scaling.dims = other.dims;
        if let Kind::Scale { scale, shift } = &mut other.kind {
            for values in [scale, shift] {
                let repeat = |&value: &f64| std::iter::repeat_n(value, spread);
                *values = values.iter().flat_map(repeat).collect();
            }
        }
    }

    fn replace(&mut self, old: LayerId, new: LayerId, output: &mut LayerId) {
        for input in self.layers.iter_mut().flat_map(|layer| &mut layer.inputs) {
            if *input == old {
                *input = new;
            }
        }
        if *output == old {
            *output = new;
        }
    }

    /// The layers that use a result, each as often as it does.
    fn uses(&self, layer: LayerId, needed: &[bool]) -> Vec<LayerId> {
        let users = self.layers.iter().enumerate().filter(|(place, _)| needed[*place]);
        users
            .flat_map(|(place, user)| user.inputs.iter().map(move |&input| (place, input)))
            .filter(|&(_, input)| input == layer)
            .map(|(place, _)| place)
            .collect()
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

    /// A layer's name from a node's: what a report's path reserves is replaced, and a number added
    /// where another layer has the name.
    fn free_name(&self, name: &str) -> String {
        let plain: String = name
            .chars()
            .map(|c| if c == '/' || c == '#' || c.is_control() || c == ':' { '.' } else { c })
            .take(180)
            .collect();
        let plain = plain.trim_matches('.');
        let plain = if plain.is_empty() { "layer" } else { plain };
        let numbered = |number: usize| match number {
            1 => plain.to_owned(),
            _ => format!("{plain}.{number}"),
        };
        (1..).map(numbered).find(|name| !self.taken.contains(name)).expect("names do not end")
    }
}

fn check_dims(dims: Dims) -> std::result::Result<(), ShapeProblem> {
    crate::builder::check_dims(dims)?;
    match dims.len() > MAX_VALUES {
        true => Err(ShapeProblem::TooLarge { max: MAX_VALUES }),
        false => Ok(()),
    }
}
