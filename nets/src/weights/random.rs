//! Random weights of networks that have not been trained, for tests and measurements.

use super::tensors::{Parameter, Weights, parameters};
use crate::{
    functions::MeanSquare,
    graph::{Graph, NodeId, Op, Portion},
    uniform::Uniform,
};

impl Weights {
    /// Random weights of a network: the same for the same graph and seed, of a size that keeps
    /// values near 1 in deep networks with any activations, and with batch norms that are not
    /// trivial. For tests and measurements; nothing about them is secret.
    pub fn random(graph: &Graph, seed: u64) -> Weights {
        let squares = mean_squares(graph);
        let draw = |parameter: Parameter| {
            let values = random_tensor(graph, &squares, &parameter, seed);
            (parameter.name, values)
        };
        let tensors = parameters(graph).into_iter().map(draw).collect();
        Weights { tensors }
    }
}

/// The values of one tensor; `squares` are the mean squares of each layer's values.
fn random_tensor(graph: &Graph, squares: &[f64], parameter: &Parameter, seed: u64) -> Vec<f64> {
    let Parameter { name, shape } = parameter;
    let mut uniform = Uniform::new(name, seed);
    let len: usize = shape.iter().product();
    let layer = graph.find(name.trim_end_matches(".weight"));
    if let Some(id) = layer {
        let op = &graph.node(id).op;
        if op.is_binary() {
            return (0..len).map(|_| uniform.between(-1.0, 1.0).signum()).collect();
        }
        if let Some(activation) = op.activation() {
            let degrees = activation.degrees(graph.dims(id).channels);
            return random_polynomials(&degrees, shape[1], &mut uniform);
        }
    }
    let (low, high) = match shape.as_slice() {
        // The variance at which the sum of fan-in products has a mean square of 1.
        [_, fan_in @ ..] if !fan_in.is_empty() => {
            let inputs = &graph.node(layer.expect("a linear layer")).inputs;
            let fan_in = fan_in.iter().product::<usize>() as f64;
            let bound = (3.0 / (fan_in * squares[inputs[0].index()])).sqrt();
            (-bound, bound)
        }
        _ if name.ends_with("running_var") => (0.5, 1.5),
        _ if name.ends_with("weight") => (0.8, 1.2),
        _ => (-0.1, 0.1),
    };
    (0..len).map(|_| uniform.between(low, high)).collect()
}

/// Coefficients of polynomials of these degrees, in rows of `columns`.
///
/// The slopes are smaller than those that [`mean_squares`] assumes, and the curvature is small, so
/// that values shrink a little from layer to layer. Otherwise squares and cubes would outgrow
/// everything else in deep networks.
fn random_polynomials(degrees: &[u32], columns: usize, uniform: &mut Uniform) -> Vec<f64> {
    let row = |&degree: &u32| -> Vec<f64> {
        let coefficients = [(0.3, 0.5), (0.01, 0.05), (-0.005, 0.005)]
            .map(|(low, high)| uniform.between(low, high));
        let coefficients = coefficients.into_iter().take(degree as usize);
        coefficients.chain(std::iter::repeat(0.0)).take(columns).collect()
    };
    degrees.iter().flat_map(row).collect()
}

/// The mean square of a random batch norm's results if its arguments have a mean square of 1:
/// scales are in 0.8..1.2, variances in 0.5..1.5, and means and biases within 0.1.
const BATCH_NORM_SQUARE: f64 = 1.12;

/// For every layer, the approximate mean square of its values, if the input is uniform in 0..1 and
/// every linear layer's results have a mean square of 1.
fn mean_squares(graph: &Graph) -> Vec<f64> {
    let mut squares: Vec<MeanSquare> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let inputs = &graph.node(id).inputs;
        let input = |place: usize| squares[inputs[place].index()];
        // The mean of parts, weighted by their numbers of channels.
        let mixed = |parts: Vec<(usize, MeanSquare)>| {
            let channels = graph.dims(id).channels as f64;
            let part = |(count, square): (usize, MeanSquare)| square.times(count as f64 / channels);
            parts.into_iter().map(part).fold(MeanSquare::even(0.0), MeanSquare::plus)
        };
        // Neighbours are neither equal nor independent. So the square of an average is smaller, and
        // that of a maximum larger, by a factor between 1 and their number.
        let window =
            |id| (graph.pool_shape(id, 1).expect("a pooling layer").window_len() as f64).sqrt();
        squares.push(match &graph.node(id).op {
            Op::Input => MeanSquare::positive(1.0 / 3.0),
            // The size of a binary layer's sums does not matter: only their signs are used.
            Op::Linear(_) => {
                let norm = graph.node(id).batch_norm.as_ref();
                MeanSquare::even(norm.map_or(1.0, |_| BATCH_NORM_SQUARE))
            }
            Op::Activation(activation) => {
                let portions = activation.portions(graph.dims(id).channels);
                let square = |portion: &Portion| match portion.kind {
                    Some(kind) => (portion.len(), kind.function().mean_square(input(0))),
                    None => (portion.len(), input(0)),
                };
                mixed(portions.iter().map(square).collect())
            }
            Op::MaxPool(_) => input(0).times(window(id)),
            Op::AvgPool(_) => input(0).times(1.0 / window(id)),
            Op::Add => input(0).plus(input(1)),
            Op::Concat => {
                let part = |id: &NodeId| (graph.dims(*id).channels, squares[id.index()]);
                mixed(inputs.iter().map(part).collect())
            }
            Op::Slice { .. } | Op::Shuffle { .. } | Op::Reshape(_) => input(0),
        });
    }
    squares.into_iter().map(MeanSquare::total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_nets;

    #[test]
    fn random_weights_depend_on_the_seed_alone() {
        let graph = test_nets::everything();
        assert_eq!(Weights::random(&graph, 1), Weights::random(&graph, 1));
        assert_ne!(Weights::random(&graph, 1), Weights::random(&graph, 2));
    }
}
