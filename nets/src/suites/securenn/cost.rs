//! What each layer sends in the `securenn` suite, and the published formulas.

use protocols::{
    Cost, Paper,
    securenn::{argmax, conv, matmul, maxpool, output},
};

use super::protocol::{dense_shape, without_terms};
use crate::{
    cost::{LayerCost, NetworkCost},
    error::Result,
    graph::{Activation, Dims, Graph, Linear, NodeId, OUTPUT, Op, Portion},
    output::Output,
    suite_name::SuiteName,
};

/// The cost of a run over `batch` images, one layer after the other.
///
/// # Errors
/// [`crate::Error::Batch`].
pub(super) fn network(graph: &Graph, batch: usize, output: Output) -> Result<NetworkCost> {
    graph.check_batch(batch)?;
    let mut layers: Vec<LayerCost> = graph.ids().map(|id| layer(graph, id, batch)).collect();
    let result = graph.dims(graph.output());
    let (paper, predicted) = match output {
        Output::Logits => (None, output::cost(batch * result.len())),
        Output::Label => {
            (Some(argmax::paper(batch, result.len())), argmax::cost(batch, result.len()))
        }
    };
    layers.push(LayerCost::step(OUTPUT, result, paper, predicted));
    Ok(NetworkCost::new(SuiteName::SecureNn, graph, batch, layers))
}

fn layer(graph: &Graph, id: NodeId, batch: usize) -> LayerCost {
    let layer = LayerCost::without_messages(graph, id);
    let (paper, predicted) = match &graph.node(id).op {
        // The publications do not count sharing the input.
        Op::Input => return layer,
        Op::Linear(linear) => {
            let shape = linear.shape(batch, graph.input_dims(id));
            let predicted = match linear {
                Linear::Conv(_) => conv::cost(&shape),
                Linear::Dense(_) => matmul::cost(&dense_shape(&shape)),
            };
            (conv::paper(&shape), predicted)
        }
        Op::Activation(activation) => functions(activation, graph.dims(id), batch),
        Op::MaxPool(_) => {
            let shape = graph.pool_shape(id, batch).expect("a pooling layer");
            (maxpool::paper(&shape), maxpool::cost(&shape))
        }
        Op::AvgPool(_)
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::Reshape(_) => (Paper::default(), Cost::none()),
    };
    LayerCost { paper: Some(paper), predicted, ..layer }
}

/// Functions side by side, each on its channels.
fn functions(activation: &Activation, dims: Dims, batch: usize) -> (Paper, Cost) {
    let mut published = Paper::default();
    let mut predicted = Cost::none();
    for Portion { kind, channels } in activation.portions(dims.channels) {
        let Some(kind) = kind else { continue };
        let channels: usize = channels.iter().map(std::ops::Range::len).sum();
        let values = channels * batch * dims.plane();
        let function = without_terms(kind);
        let paper = function.paper(match activation {
            // The publication counts q c n values, also where q c is not whole.
            Activation::Leading { ratio, .. } => ratio * (batch * dims.len()) as f64,
            Activation::Runs(_) => values as f64,
        });
        published.rounds = published.rounds.max(paper.rounds);
        published.bits += paper.bits;
        predicted = predicted.at(0, function.cost(values));
    }
    (published, predicted)
}

#[cfg(test)]
mod tests {
    use fixedpoint::Padding;

    use super::*;
    use crate::{
        cost::Totals,
        functions::ActivationKind,
        graph::{Conv, GraphBuilder, Order, Window},
        test_nets, zoo,
    };

    fn cost(graph: &Graph, batch: usize) -> NetworkCost {
        network(graph, batch, Output::Logits).unwrap()
    }

    fn layer<'a>(cost: &'a NetworkCost, name: &str) -> &'a LayerCost {
        cost.layers.iter().find(|layer| layer.name == name).unwrap()
    }

    #[test]
    fn the_published_examples() {
        let mut net = GraphBuilder::new("example", Dims::new(3, 32, 32)).unwrap();
        let conv = Conv { padding: Padding::same(1), ..Conv::square(16, 3) };
        let pooled = net.max_pool("pool", net.input(), Window::square(2)).unwrap();
        let x = net.conv("conv", net.input(), conv).unwrap();
        let x = net.relu("relu", x).unwrap();
        let flat = net.flatten("flat", x).unwrap();
        let pooled = net.flatten("flat_pool", pooled).unwrap();
        let all = net.concat("all", &[flat, pooled]).unwrap();
        let cost = cost(&net.finish(all).unwrap(), 1);
        for (name, rounds, megabytes) in [("conv", 2, 0.58), ("relu", 10, 9.51), ("pool", 27, 1.43)]
        {
            let layer = layer(&cost, name);
            let paper = layer.paper.unwrap();
            assert_eq!((paper.rounds, layer.predicted.rounds()), (rounds, rounds), "{name}");
            assert!((paper.megabytes() - megabytes).abs() < 0.005, "{name}: {paper:?}");
            // Packing adds at most 1%.
            let predicted = layer.predicted.bytes() as f64 / 1e6;
            assert!((predicted / paper.megabytes() - 1.0).abs() < 0.01, "{name}: {predicted}");
        }
        assert_eq!(layer(&cost, "input").paper, None);
        assert_eq!(layer(&cost, "output").paper, None);
        assert_eq!(layer(&cost, "output").predicted.rounds(), 1);
        assert_eq!(layer(&cost, "flat").paper, Some(Paper::default()));
    }

    #[test]
    fn a_batch_repeats_bits_but_neither_rounds_nor_weights() {
        let graph = test_nets::everything();
        let (one, ten) = (cost(&graph, 1), cost(&graph, 10));
        let (totals, totals_ten) = (one.totals(), ten.totals());
        assert_eq!(totals.paper.rounds, totals_ten.paper.rounds);
        assert!((totals_ten.paper.bits / totals.paper.bits - 10.0).abs() < 1e-9);
        assert_eq!(totals.rounds, totals_ten.rounds);
        assert_eq!(totals.critical_path, totals_ten.critical_path);
        assert!(totals_ten.bytes < 10 * totals.bytes);
        assert_eq!(totals.macs, totals_ten.macs);
        assert_eq!(totals.parameters, totals_ten.parameters);
        assert_eq!(totals.bytes, totals.links.total());
        assert!(u64::from(totals.critical_path) < totals.rounds);
    }

    #[test]
    fn branches_side_by_side_wait_for_fewer_latencies() {
        let graph = test_nets::fire();
        let sequential = cost(&graph, 1);
        let overlapped = sequential.clone().in_order(Order::Overlapped);
        let (sum, chain) = (sequential.totals(), overlapped.totals());
        let all: u64 = sequential.layers.iter().map(|layer| layer.predicted.rounds()).sum();
        assert_eq!(sum.rounds, all);
        // Convolutions take 2 rounds, ReLUs 10, the output 1; one expand of two counts.
        assert_eq!((sum.rounds, chain.rounds), (4 * 2 + 3 * 10 + 1, 3 * 2 + 2 * 10 + 1));
        // 1, 9 and 1 latencies.
        assert_eq!((sum.critical_path, chain.critical_path), (4 + 3 * 9 + 1, 3 + 2 * 9 + 1));
        assert_eq!(Totals { rounds: sum.rounds, critical_path: sum.critical_path, ..chain }, sum);
        let units = cost(&test_nets::shuffle_units(), 1);
        let (sum, chain) = (units.totals(), units.in_order(Order::Overlapped).totals());
        assert!(chain.critical_path < sum.critical_path && chain.rounds < sum.rounds);
        // A chain is the same in both orders.
        let tiny = cost(&test_nets::tiny(), 1);
        assert_eq!(tiny.clone().in_order(Order::Overlapped).totals(), tiny.totals());
    }

    #[test]
    fn the_networks_of_the_zoo_by_latencies() {
        for (name, sequential, overlapped) in [
            // Eight Fire modules save one expand each: a convolution and a ReLU, 1 and 9.
            ("squeezenet", 342, 342 - 8 * 10),
            // Three units with two branches save the shorter: two convolutions and a ReLU.
            ("shufflenet-v2", 391, 391 - 3 * 11),
            ("mobilenet-v2", 684, 684),
        ] {
            let options = zoo::Options::new(Dims::new(3, 32, 32), 10);
            let cost = cost(&zoo::build(name, &options).unwrap(), 1);
            assert_eq!(cost.totals().critical_path, sequential, "{name}");
            let cost = cost.in_order(Order::Overlapped);
            assert_eq!(cost.totals().critical_path, overlapped, "{name}");
        }
    }

    #[test]
    fn partial_activations_pay_for_their_part() {
        let graph = test_nets::everything();
        let cost = cost(&graph, 1);
        // 0.4 of 3 channels: published 1.2, computed 2.
        let function = without_terms(ActivationKind::LeakyRelu { slope: 0.1 });
        let (leaky, plane) = (layer(&cost, "leaky"), 72);
        assert_eq!(leaky.nonlinear_values, 2 * plane as u64);
        assert_eq!(leaky.predicted, function.cost(2 * plane));
        let published = function.paper(1.2 * plane as f64);
        assert!((leaky.paper.unwrap().bits - published.bits).abs() < 1e-6);
        assert_eq!(leaky.paper.unwrap().rounds, 10);
    }

    #[test]
    fn layers_count_their_parameters() {
        let cost = cost(&test_nets::tiny(), 4);
        assert_eq!(layer(&cost, "conv1").parameters, 2 * 9 + 2);
        assert_eq!(layer(&cost, "conv1").macs, 4 * 2 * 9);
        assert_eq!(layer(&cost, "fc").parameters, 8 * 3 + 3);
        assert_eq!(layer(&cost, "fc").macs, 24);
        assert_eq!(cost.totals().parameters, 47);
        assert!(network(&test_nets::tiny(), 0, Output::Logits).is_err());
    }
}
