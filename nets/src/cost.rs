//! What a network costs in private, layer by layer, from shapes alone: the published closed form and
//! what this implementation sends, which are never mixed.

use protocols::{
    Cost, Links, Paper,
    securenn::{conv, leaky_relu, matmul, maxpool, output, relu, relu6},
};

use crate::{
    error::Result,
    graph::{Activation, ActivationKind, Dims, Graph, NodeId, OUTPUT, Op},
    secure::dense_shape,
    suite::Suite,
};

/// One layer of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerCost {
    /// The layer's name, which is also the ledger's.
    pub name: String,
    /// What it computes, as [`Op::name`]; `output` for revealing the result.
    pub op: &'static str,
    /// The size of its result, for one image.
    pub output_shape: Dims,
    /// The published formula: bits times the images, rounds once. `None` for what the publications
    /// do not count (sharing the input, revealing the result); zero for layers that are local.
    pub paper: Option<Paper>,
    /// What the layer will send, over the whole batch.
    pub predicted: Cost,
    /// Values of one image that a non-linear function gives: activations, results of max pools.
    pub nonlinear_values: u64,
    /// Weights and biases, batch norm folded in.
    pub parameters: u64,
    /// Multiplications of one image, those with padding included.
    pub macs: u64,
}

/// A whole run over a batch: every node of the graph in order, then `output`.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkCost {
    /// The protocols.
    pub suite: Suite,
    /// Images.
    pub batch: usize,
    /// The layers, in the order in which they run.
    pub layers: Vec<LayerCost>,
}

/// Sums over the layers of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Totals {
    /// The published formulas.
    pub paper: Paper,
    /// Predicted phases, one layer after the other.
    pub rounds: u64,
    /// Predicted payload bytes.
    pub bytes: u64,
    /// Predicted payload bytes of each link.
    pub links: Links,
    /// One-way latencies that the run must wait for.
    pub critical_path: u32,
    /// As in [`LayerCost`], for one image.
    pub nonlinear_values: u64,
    /// As in [`LayerCost`].
    pub parameters: u64,
    /// As in [`LayerCost`], for one image.
    pub macs: u64,
}

impl NetworkCost {
    /// The cost of a run over `batch` images.
    ///
    /// # Errors
    /// [`crate::Error::Batch`].
    pub fn of(graph: &Graph, batch: usize, suite: Suite) -> Result<NetworkCost> {
        graph.check_batch(batch)?;
        let Suite::SecureNn = suite;
        let mut layers: Vec<LayerCost> =
            graph.ids().map(|id| layer_cost(graph, id, batch)).collect();
        let result = graph.dims(graph.output());
        layers.push(LayerCost {
            name: OUTPUT.into(),
            op: OUTPUT,
            output_shape: result,
            paper: None,
            predicted: output::cost(batch * result.len()),
            nonlinear_values: 0,
            parameters: 0,
            macs: 0,
        });
        Ok(NetworkCost { suite, batch, layers })
    }

    /// The sums.
    pub fn totals(&self) -> Totals {
        let mut paper = Paper::default();
        let mut links = Links::default();
        for layer in &self.layers {
            let Paper { rounds, bits } = layer.paper.unwrap_or_default();
            paper.rounds += rounds;
            paper.bits += bits;
            links += layer.predicted.links();
        }
        let sum = |of: fn(&LayerCost) -> u64| self.layers.iter().map(of).sum();
        Totals {
            paper,
            rounds: sum(|layer| layer.predicted.rounds()),
            bytes: links.total(),
            links,
            critical_path: self.depths().last().copied().unwrap_or(0),
            nonlinear_values: sum(|layer| layer.nonlinear_values),
            parameters: sum(|layer| layer.parameters),
            macs: sum(|layer| layer.macs),
        }
    }

    /// After each layer the largest causal depth of any party, from the start of the run: what
    /// [`protocols::LayerMeasurement`] calls `depth`.
    pub fn depths(&self) -> Vec<u32> {
        let deeper = |depths: &mut [u32; 3], layer: &LayerCost| {
            *depths = layer.predicted.depths_after(*depths);
            depths.iter().copied().max()
        };
        self.layers.iter().scan([0; 3], deeper).collect()
    }
}

fn layer_cost(graph: &Graph, id: NodeId, batch: usize) -> LayerCost {
    let node = graph.node(id);
    let dims = graph.dims(id);
    let mut layer = LayerCost {
        name: node.name.clone(),
        op: node.op.name(),
        output_shape: dims,
        paper: Some(Paper::default()),
        predicted: Cost::none(),
        nonlinear_values: 0,
        parameters: 0,
        macs: 0,
    };
    match &node.op {
        Op::Input => layer.paper = None,
        Op::Conv(_) | Op::Dense(_) => {
            let shape = graph.linear_shape(id, batch).expect("a linear layer");
            layer.paper = Some(conv::paper(&shape));
            layer.predicted = match node.op {
                Op::Dense(_) => matmul::cost(&dense_shape(&shape)),
                _ => conv::cost(&shape),
            };
            layer.parameters = (shape.weight_len() + shape.out_channels) as u64;
            layer.macs = (shape.macs() / batch) as u64;
        }
        Op::Activation(activation) => activation_cost(activation, dims, batch, &mut layer),
        Op::MaxPool(_) => {
            let shape = graph.pool_shape(id, batch).expect("a pooling layer");
            layer.paper = Some(maxpool::paper(&shape));
            layer.predicted = maxpool::cost(&shape);
            layer.nonlinear_values = dims.len() as u64;
        }
        Op::AvgPool(_)
        | Op::GlobalAvgPool
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::Flatten => {}
    }
    layer
}

fn activation_cost(activation: &Activation, dims: Dims, batch: usize, layer: &mut LayerCost) {
    let values = activation.channels(dims.channels) * dims.plane();
    let count = batch * values;
    // The publication counts q c n values, also where q c is not whole.
    let published = activation.ratio * (batch * dims.len()) as f64;
    let (paper, predicted) = match activation.kind {
        ActivationKind::Relu => (relu::paper(published), relu::cost(count)),
        ActivationKind::Relu6 => (relu6::paper(published), relu6::cost(count)),
        ActivationKind::LeakyRelu => (leaky_relu::paper(published), leaky_relu::cost(count)),
    };
    layer.paper = Some(paper);
    layer.predicted = predicted;
    layer.nonlinear_values = values as u64;
}

#[cfg(test)]
mod tests {
    use fixedpoint::Padding;

    use super::*;
    use crate::{
        builder::GraphBuilder,
        graph::{Conv, Window},
        test_nets,
    };

    fn cost(graph: &Graph, batch: usize) -> NetworkCost {
        NetworkCost::of(graph, batch, Suite::SecureNn).unwrap()
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
    fn partial_activations_pay_for_their_part() {
        let graph = test_nets::everything();
        let cost = cost(&graph, 1);
        // 0.4 of 3 channels: published 1.2, computed 2.
        let (leaky, plane) = (layer(&cost, "leaky"), 72);
        assert_eq!(leaky.nonlinear_values, 2 * plane as u64);
        assert_eq!(leaky.predicted, leaky_relu::cost(2 * plane));
        let published = leaky_relu::paper(1.2 * plane as f64);
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
        assert!(NetworkCost::of(&test_nets::tiny(), 0, Suite::SecureNn).is_err());
    }
}
