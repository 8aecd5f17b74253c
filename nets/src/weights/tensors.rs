//! The tensors of a network, by their names in a weights file.

use std::{collections::BTreeMap, fmt};

use crate::graph::{Graph, Linear, NodeId, Op};

/// The names of a batch norm's tensors after its prefix.
pub(crate) const BATCH_NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// The tensors of a network, each of the right shape and finite. They are the model owner's secret,
/// so `Debug` prints names only.
#[derive(Clone, PartialEq)]
pub struct Weights {
    pub(super) tensors: BTreeMap<String, Vec<f64>>,
}

/// A tensor that a network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the weights file: the name of the layer or batch norm, a dot, and `weight`,
    /// `bias` and so on.
    pub name: String,
    /// Its shape: `[out, in / groups, rows, columns]` for the weight of a convolution, `[out, in]`
    /// for that of a fully connected layer, `[channels, degree]` for polynomials, with the
    /// coefficient of x first and zeros above the channel's degree. All others, such as the
    /// constants of polynomials, are vectors.
    pub shape: Vec<usize>,
}

/// The tensors that a network needs, in the order of its layers.
pub fn parameters(graph: &Graph) -> Vec<Parameter> {
    let layer_parameters = |id| {
        let node = graph.node(id);
        let Some((weight, outputs, bias)) = weight_shape(graph, id) else {
            return Vec::new();
        };
        let mut parameters = vec![parameter(&node.name, "weight", weight)];
        // Polynomials of degree 0 have constants alone.
        parameters.retain(|parameter| parameter.shape.iter().all(|&size| size > 0));
        if bias {
            parameters.push(parameter(&node.name, "bias", vec![outputs]));
        }
        if let Some(prefix) = &node.batch_norm {
            parameters.extend(BATCH_NORM.map(|suffix| parameter(prefix, suffix, vec![outputs])));
        }
        parameters
    };
    graph.ids().flat_map(layer_parameters).collect()
}

impl Weights {
    /// Weights of tensors that fit their network and are finite.
    pub(crate) fn from_tensors(tensors: BTreeMap<String, Vec<f64>>) -> Weights {
        Weights { tensors }
    }

    /// A tensor in row-major order.
    pub fn tensor(&self, name: &str) -> Option<&[f64]> {
        self.tensors.get(name).map(Vec::as_slice)
    }

    #[cfg(test)]
    pub(crate) fn tensor_mut(&mut self, name: &str) -> &mut Vec<f64> {
        self.tensors.get_mut(name).expect("a tensor of the network")
    }

    /// A tensor of a layer or batch norm.
    pub(crate) fn suffixed(&self, prefix: &str, suffix: &str) -> Option<&[f64]> {
        self.tensor(&format!("{prefix}.{suffix}"))
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weights({:?})", self.tensors.keys())
    }
}

/// The shape of the weight of a linear layer or an activation with polynomials, the number of
/// biases, and whether the file has them; `None` for layers without weights.
pub(crate) fn weight_shape(graph: &Graph, id: NodeId) -> Option<(Vec<usize>, usize, bool)> {
    let inputs = graph.input_dims(id).channels;
    match &graph.node(id).op {
        Op::Linear(Linear::Conv(conv)) => {
            let (rows, columns) = conv.kernel;
            let weight = vec![conv.out_channels, inputs / conv.groups, rows, columns];
            Some((weight, conv.out_channels, conv.bias))
        }
        Op::Linear(Linear::Dense(dense)) => Some((vec![dense.out, inputs], dense.out, dense.bias)),
        Op::Activation(activation) => {
            let degrees = activation.degrees(inputs);
            let columns = degrees.iter().copied().max()? as usize;
            Some((vec![degrees.len(), columns], degrees.len(), true))
        }
        Op::Input
        | Op::MaxPool(_)
        | Op::AvgPool(_)
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::Reshape(_) => None,
    }
}

fn parameter(prefix: &str, suffix: &str, shape: Vec<usize>) -> Parameter {
    let name = format!("{prefix}.{suffix}");
    Parameter { name, shape }
}
