//! Weights of networks that have not been trained.

use super::tensors::{Parameter, Weights, parameters};
use crate::{
    functions::MeanSquare,
    graph::{Graph, NodeId, Op, Portion},
    uniform::Uniform,
};

impl Weights {
    /// Weights for a network that has not been trained: the same for the same graph and seed, of a
    /// size that keeps values near 1 in deep networks whatever their activations, and with batch norms
    /// that are not trivial. For tests and measurements; nothing about them is secret.
    pub fn random(graph: &Graph, seed: u64) -> Weights {
        let squares = mean_squares(graph);
        let draw = |Parameter { name, shape }: Parameter| {
            let mut uniform = Uniform::new(&name, seed);
            let len = shape.iter().product();
            let layer = graph.find(name.trim_end_matches(".weight"));
            let op = layer.map(|id| &graph.node(id).op);
            if op.is_some_and(Op::is_binary) {
                let values = (0..len).map(|_| uniform.between(-1.0, 1.0).signum()).collect();
                return (name, values);
            }
            if let (Some(Op::Activation(activation)), Some(id)) = (op, layer) {
                // Less slope than `mean_squares` counts with and little curvature: values shrink a little from layer to
                // layer, where else deep networks would drive them to where squares and cubes outgrow them.
                let columns = shape[1];
                let of = |degree: u32| -> Vec<f64> {
                    let drawn = [(0.3, 0.5), (0.01, 0.05), (-0.005, 0.005)]
                        .map(|(low, high)| uniform.between(low, high));
                    let degree = degree as usize;
                    let own = drawn.into_iter().take(degree);
                    own.chain(std::iter::repeat(0.0)).take(columns).collect()
                };
                let values =
                    activation.degrees(graph.dims(id).channels).into_iter().flat_map(of).collect();
                return (name, values);
            }
            let (low, high) = match shape.as_slice() {
                // A variance that brings the sum of fan-in products to a mean square of 1.
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
            let values = (0..len).map(|_| uniform.between(low, high)).collect();
            (name, values)
        };
        let tensors = parameters(graph).into_iter().map(draw).collect();
        Weights { tensors }
    }
}

/// What random batch norms make of a mean square of 1: of weights in 0.8..1.2, variances in 0.5..1.5, and means and biases
/// within 0.1.
const BATCH_NORM_SQUARE: f64 = 1.12;

/// For every layer about the mean square of its values, if those of the input are uniform in 0..1 and
/// every linear layer's are 1.
fn mean_squares(graph: &Graph) -> Vec<f64> {
    let mut squares: Vec<MeanSquare> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let inputs = &graph.node(id).inputs;
        let input = |place: usize| squares[inputs[place].index()];
        // A mean, each part with its number of channels.
        let mixed = |parts: Vec<(usize, MeanSquare)>| {
            let channels = graph.dims(id).channels as f64;
            let part = |(own, square): (usize, MeanSquare)| square.times(own as f64 / channels);
            parts.into_iter().map(part).fold(MeanSquare::even(0.0), MeanSquare::plus)
        };
        // Neighbours are neither equal nor independent: an average's square is less and a maximum's
        // more by something between nothing and their number.
        let window =
            |id| (graph.pool_shape(id, 1).expect("a pooling layer").window_len() as f64).sqrt();
        squares.push(match &graph.node(id).op {
            Op::Input => MeanSquare::positive(1.0 / 3.0),
            // Of a binary layer's sums nothing depends on their size but what a sign takes.
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
                let of = |id: &NodeId| (graph.dims(*id).channels, squares[id.index()]);
                mixed(inputs.iter().map(of).collect())
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
