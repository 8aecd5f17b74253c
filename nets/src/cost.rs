//! What a network costs in private, layer by layer, from shapes alone: the published closed form and
//! what this implementation sends, which are never mixed.

use fixedpoint::encoding::FixedPoint;
use protocols::{
    Cost, Links, Paper,
    securenn::{
        argmax, conv, drelu, leaky_relu, matmul, maxpool, output, polynomial,
        power::{self, Power},
        relu, relu6, spline,
    },
};

use crate::{
    error::Result,
    graph::walk::Order,
    graph::{ActivationKind, Dims, Graph, NodeId, OUTPUT, Op, SETUP},
    output::Output,
    reference::s_curve,
    suites::dealer::{
        self,
        layout::{LayerBound, Plan},
    },
    suites::name::Suite,
    suites::securenn::run::{check_output, dense_shape},
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
    /// How large the values that it cuts or compares may be, where the plan of a suite says so.
    pub bound: Option<LayerBound>,
}

/// A whole run over a batch: every node of the graph in order, then `output`, then `setup` where a
/// suite has one.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkCost {
    /// The protocols.
    pub suite: Suite,
    /// Images.
    pub batch: usize,
    /// When each layer starts.
    pub order: Order,
    /// The layers, in the graph's order.
    pub layers: Vec<LayerCost>,
    /// What each layer works on.
    inputs: Vec<Vec<NodeId>>,
}

/// Sums over the layers of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// The published formulas, which count one layer after the other in either order.
    pub paper: Paper,
    /// Predicted phases: of all layers in the sequential order, of the longest chain of layers in the
    /// overlapped one.
    pub rounds: u64,
    /// Predicted payload bytes.
    pub bytes: u64,
    /// Predicted payload bytes of each link.
    pub links: Links,
    /// Of [`Totals::links`] what is sent once for a model.
    pub setup_links: Links,
    /// Of [`Totals::links`] what is sent ahead of the query.
    pub offline_links: Links,
    /// One-way latencies that the run must wait for.
    pub critical_path: u32,
    /// As in [`LayerCost`], for one image.
    pub nonlinear_values: u64,
    /// As in [`LayerCost`].
    pub parameters: u64,
    /// As in [`LayerCost`], for one image.
    pub macs: u64,
}

impl Totals {
    /// Of [`Totals::links`] what is sent from the query on.
    pub fn online_links(&self) -> Links {
        let mut online = self.links;
        for (link, bytes) in self.setup_links.iter().chain(self.offline_links.iter()) {
            online[link] -= bytes;
        }
        online
    }
}

impl NetworkCost {
    /// The cost of a run over `batch` images with the `securenn` suite, one layer after the other.
    ///
    /// # Errors
    /// [`crate::Error::Batch`], [`crate::Error::OneClass`], [`crate::Error::Classes`].
    pub fn securenn(graph: &Graph, batch: usize, output: Output) -> Result<NetworkCost> {
        graph.check_batch(batch)?;
        check_output(graph, output)?;
        let suite = Suite::SecureNn;
        let mut layers: Vec<LayerCost> =
            graph.ids().map(|id| layer_cost(graph, id, batch)).collect();
        let result = graph.dims(graph.output());
        layers.push(LayerCost {
            name: OUTPUT.into(),
            op: OUTPUT,
            output_shape: result,
            paper: match output {
                Output::Logits => None,
                Output::Label => Some(argmax::paper(batch, result.len())),
            },
            predicted: match output {
                Output::Logits => output::cost(batch * result.len()),
                Output::Label => argmax::cost(batch, result.len()),
            },
            nonlinear_values: 0,
            parameters: 0,
            macs: 0,
            bound: None,
        });
        let inputs = graph.nodes().iter().map(|node| node.inputs.clone());
        let inputs = inputs.chain([vec![graph.output()]]).collect();
        Ok(NetworkCost { suite, batch, order: Order::Sequential, layers, inputs })
    }

    /// The cost of a run over `batch` images with the `dealer` suite, one layer after the other. A layer
    /// more, [`SETUP`], comes last: what is sent once for a model.
    ///
    /// # Errors
    /// [`crate::Error::Batch`].
    pub fn dealer(graph: &Graph, plan: &Plan, batch: usize) -> Result<NetworkCost> {
        let mut cost = NetworkCost::securenn(graph, batch, Output::Logits)?;
        cost.suite = Suite::Dealer;
        let of_layer = |id| (dealer::cost::layer(graph, plan, id, batch), plan.bound(graph, id));
        let output = (dealer::cost::output(graph, plan, batch), plan.label_bound(graph));
        let layers = graph.ids().map(of_layer).chain([output]);
        for (layer, (predicted, bound)) in cost.layers.iter_mut().zip(layers) {
            *layer = LayerCost { paper: None, predicted, bound, ..layer.clone() };
        }
        let output = NodeId::new(cost.layers.len() - 1);
        cost.inputs.push(vec![output]);
        cost.layers.push(LayerCost {
            name: SETUP.into(),
            op: SETUP,
            output_shape: graph.input(),
            paper: None,
            predicted: dealer::cost::setup(graph, plan),
            nonlinear_values: 0,
            parameters: 0,
            macs: 0,
            bound: None,
        });
        Ok(cost)
    }

    /// The same run in another order.
    pub fn in_order(self, order: Order) -> NetworkCost {
        NetworkCost { order, ..self }
    }

    /// What is done ahead of a query alone.
    pub fn only_ahead(self) -> NetworkCost {
        self.map_predicted(|_, predicted| predicted.only_ahead())
    }

    /// What follows on a query alone.
    pub fn only_online(self) -> NetworkCost {
        self.map_predicted(|_, predicted| predicted.only_online())
    }

    /// Without what is sent once for a model: the data owner has it.
    pub fn without_setup(self) -> NetworkCost {
        self.map_predicted(|op, predicted| if op == SETUP { Cost::none() } else { predicted })
    }

    fn map_predicted(mut self, map: impl Fn(&str, Cost) -> Cost) -> NetworkCost {
        for layer in &mut self.layers {
            layer.predicted = map(layer.op, std::mem::take(&mut layer.predicted));
        }
        self
    }

    /// The sums.
    pub fn totals(&self) -> Totals {
        let mut paper = Paper::default();
        let mut links = Links::default();
        let (mut setup_links, mut offline_links) = (Links::default(), Links::default());
        for layer in &self.layers {
            match layer.op {
                SETUP => setup_links += layer.predicted.links(),
                _ => offline_links += layer.predicted.ahead_links(),
            }
            let Paper { rounds, bits } = layer.paper.unwrap_or_default();
            paper.rounds += rounds;
            paper.bits += bits;
            links += layer.predicted.links();
        }
        let rounds: Vec<u64> = self.layers.iter().map(|layer| layer.predicted.rounds()).collect();
        let sum = |of: fn(&LayerCost) -> u64| self.layers.iter().map(of).sum();
        Totals {
            paper,
            rounds: self.longest_chain(&rounds),
            bytes: links.total(),
            links,
            setup_links,
            offline_links,
            critical_path: self.depths().last().copied().unwrap_or(0),
            nonlinear_values: sum(|layer| layer.nonlinear_values),
            parameters: sum(|layer| layer.parameters),
            macs: sum(|layer| layer.macs),
        }
    }

    /// After each layer the largest causal depth of any party, from the start of the run: what
    /// [`protocols::LayerMeasurement`] calls `depth`.
    pub fn depths(&self) -> Vec<u32> {
        let deepest = |a: [u32; 3], b: [u32; 3]| std::array::from_fn(|role| a[role].max(b[role]));
        let depths = self.along([0; 3], deepest, |before, place: usize| {
            self.layers[place].predicted.depths_after(before)
        });
        depths.into_iter().map(|depths| depths.into_iter().max().unwrap_or(0)).collect()
    }

    /// The rounds that a run takes if its layers take these, place by place: the largest sum along a
    /// chain of layers that wait for each other. In the sequential order that is all layers.
    ///
    /// # Panics
    /// If there are not as many as layers.
    pub fn longest_chain(&self, rounds: &[u64]) -> u64 {
        assert_eq!(rounds.len(), self.layers.len(), "rounds of every layer");
        let ends = self.along(0, u64::max, |before, place| before + rounds[place]);
        ends.last().copied().unwrap_or(0)
    }

    /// What `step` makes of each layer's place and of what `join` makes of the layers before it. All
    /// layers lead to the last one.
    fn along<T: Copy>(
        &self,
        start: T,
        join: impl Fn(T, T) -> T,
        step: impl Fn(T, usize) -> T,
    ) -> Vec<T> {
        let mut ends: Vec<T> = Vec::with_capacity(self.layers.len());
        for (place, inputs) in self.inputs.iter().enumerate() {
            let before = self.order.before(NodeId::new(place), inputs);
            let before = before.iter().map(|id| ends[id.index()]).fold(start, &join);
            ends.push(step(before, place));
        }
        ends
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
        bound: None,
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
        op @ (Op::Activation(_) | Op::Mix(_)) => activation_cost(op, dims, batch, &mut layer),
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
        | Op::Flatten
        | Op::Reshape(_) => {}
    }
    layer
}

fn activation_cost(op: &Op, dims: Dims, batch: usize, layer: &mut LayerCost) {
    let plane = batch * dims.plane();
    let mut published = Paper::default();
    for portion in op.portions(dims.channels) {
        let Some(kind) = portion.kind else { continue };
        let values = match op {
            // The publication counts q c n values, also where q c is not whole.
            Op::Activation(activation) => activation.ratio * (batch * dims.len()) as f64,
            _ => (portion.len() * plane) as f64,
        };
        let paper = activation_paper(kind, values);
        published.rounds = published.rounds.max(paper.rounds);
        published.bits += paper.bits;
        let cost = activation_messages(kind, portion.len() * plane);
        layer.predicted = std::mem::take(&mut layer.predicted).at(0, cost);
        layer.nonlinear_values += (portion.len() * dims.plane()) as u64;
    }
    layer.paper = Some(published);
    let degrees = op.degrees(dims.channels);
    layer.parameters = degrees.iter().map(|&degree| u64::from(degree) + 1).sum();
}

/// What the literature says that a function of so many values takes.
fn activation_paper(kind: ActivationKind, count: f64) -> Paper {
    match kind {
        ActivationKind::Relu => relu::paper(count),
        ActivationKind::Relu6 => relu6::paper(count),
        ActivationKind::LeakyRelu { .. } => leaky_relu::paper(count),
        ActivationKind::Square => power::paper(Power::Square, count),
        ActivationKind::Cube => power::paper(Power::Cube, count),
        ActivationKind::Sign => drelu::paper(count),
        ActivationKind::Sigmoid | ActivationKind::Tanh => {
            spline::paper(&s_curve(kind, &FixedPoint::default()), count)
        }
        ActivationKind::Polynomial { degree } => polynomial::paper(degree as usize, count),
    }
}

/// What a function of so many values sends.
fn activation_messages(kind: ActivationKind, count: usize) -> Cost {
    match kind {
        ActivationKind::Relu => relu::cost(count),
        ActivationKind::Relu6 => relu6::cost(count),
        ActivationKind::LeakyRelu { .. } => leaky_relu::cost(count),
        ActivationKind::Square => power::cost(Power::Square, count),
        ActivationKind::Cube => power::cost(Power::Cube, count),
        ActivationKind::Sign => drelu::cost(count),
        ActivationKind::Sigmoid | ActivationKind::Tanh => {
            spline::cost(&s_curve(kind, &FixedPoint::default()), count)
        }
        ActivationKind::Polynomial { degree } => polynomial::cost(degree as usize, count),
    }
}

#[cfg(test)]
mod tests {
    use fixedpoint::Padding;

    use super::*;
    use crate::{
        graph::builder::GraphBuilder,
        graph::{Conv, Window},
        test_nets, zoo,
    };

    fn cost(graph: &Graph, batch: usize) -> NetworkCost {
        NetworkCost::securenn(graph, batch, Output::Logits).unwrap()
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
        assert!(NetworkCost::securenn(&test_nets::tiny(), 0, Output::Logits).is_err());
    }
}
