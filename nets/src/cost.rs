//! The cost of private inference, layer by layer: the published closed form and what this
//! implementation sends, which are never mixed. The suites compute both from shapes alone.

#![warn(clippy::wildcard_enum_match_arm)]

use protocols::{Cost, Links, Paper};

use serde::Serialize;

use crate::{
    graph::{Dims, Graph, NodeId, Op, Order, SETUP},
    suite_name::SuiteName,
};

/// One layer of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerCost {
    /// The layer's name, which is also the ledger's.
    pub name: String,
    /// The operation, as [`Op::name`]; `output` for revealing the result, `setup` for masked
    /// weights.
    pub op: &'static str,
    /// The size of the result for one image.
    pub output_shape: Dims,
    /// The published formula: bits for all images, rounds once. `None` for steps that the
    /// publications do not count (sharing the input, revealing the result); zero for local layers.
    pub paper: Option<Paper>,
    /// The messages that the layer will send for the whole batch.
    pub predicted: Cost,
    /// The number of results of non-linear functions for one image: activations and max pools.
    pub nonlinear_values: u64,
    /// The number of weights and biases, with batch norm folded in.
    pub parameters: u64,
    /// The number of multiplications for one image, including those with padding.
    pub macs: u64,
    /// The bound of the values that the layer truncates or compares, if the suite has one.
    pub bound: Option<LayerBound>,
}

/// The bound of the values that a layer truncates or compares, and its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LayerBound {
    /// k: the bits of the values at their scale, sign included.
    pub bits: u32,
    /// The source of the bound.
    pub source: BoundSource,
}

/// The source of a layer's bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundSource {
    /// The magnitude that is common to all layers ([`crate::suites::dealer::Bounds::Alike`]).
    MagnitudeBits,
    /// Interval arithmetic on the weights: the bound holds for every input.
    Interval,
    /// Samples.
    Calibration,
    /// The architecture: the values are signs or sums of signs.
    Structure,
}

/// The cost of a run over a batch: every node of the graph in order, then `output`, then `setup` if
/// the suite has one.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkCost {
    /// The protocol suite.
    pub suite: SuiteName,
    /// The number of images.
    pub batch: usize,
    /// The order in which layers start.
    pub order: Order,
    /// The layers, in the graph's order.
    pub layers: Vec<LayerCost>,
    /// The inputs of each layer.
    inputs: Vec<Vec<NodeId>>,
}

/// Sums over the layers of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// The published formulas, which always count layers one after the other.
    pub paper: Paper,
    /// Predicted phases: of all layers in sequential order, of the longest chain of layers in
    /// overlapped order.
    pub rounds: u64,
    /// Predicted payload bytes.
    pub bytes: u64,
    /// Predicted payload bytes on each link.
    pub links: Links,
    /// The part of [`Totals::links`] that is sent once for a model.
    pub setup_links: Links,
    /// The part of [`Totals::links`] that is sent ahead of the query.
    pub offline_links: Links,
    /// The number of one-way latencies that the run must wait for.
    pub critical_path: u32,
    /// The sum of [`LayerCost::nonlinear_values`], for one image.
    pub nonlinear_values: u64,
    /// The sum of [`LayerCost::parameters`].
    pub parameters: u64,
    /// The sum of [`LayerCost::macs`], for one image.
    pub macs: u64,
}

impl Totals {
    /// The part of [`Totals::links`] that is sent from the query on.
    pub fn online_links(&self) -> Links {
        let mut online = self.links;
        for (link, bytes) in self.setup_links.iter().chain(self.offline_links.iter()) {
            online[link] -= bytes;
        }
        online
    }
}

impl NetworkCost {
    /// The cost of these layers in sequential order: those of the graph, then `output`, then
    /// [`SETUP`] if the suite has one.
    pub(crate) fn new(
        suite: SuiteName,
        graph: &Graph,
        batch: usize,
        layers: Vec<LayerCost>,
    ) -> NetworkCost {
        let inputs = graph.nodes().iter().map(|node| node.inputs.clone());
        let last = graph.output().index();
        let chained = (graph.nodes().len()..layers.len()).scan(last, |before, place| {
            let inputs = vec![NodeId::new(*before)];
            *before = place;
            Some(inputs)
        });
        let inputs = inputs.chain(chained).collect();
        NetworkCost { suite, batch, order: Order::Sequential, layers, inputs }
    }

    /// The same run in another order.
    pub fn in_order(self, order: Order) -> NetworkCost {
        NetworkCost { order, ..self }
    }

    /// The cost of what is sent ahead of the query only.
    pub fn only_ahead(self) -> NetworkCost {
        self.map_predicted(|_, predicted| predicted.only_ahead())
    }

    /// The cost of what is sent from the query on only.
    pub fn only_online(self) -> NetworkCost {
        self.map_predicted(|_, predicted| predicted.only_online())
    }

    /// The cost without what is sent once for a model, for a data owner that already has it.
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
            if layer.op == SETUP {
                setup_links += layer.predicted.links();
            } else {
                offline_links += layer.predicted.ahead_links();
            }
            let Paper { rounds, bits } = layer.paper.unwrap_or_default();
            paper.rounds += rounds;
            paper.bits += bits;
            links += layer.predicted.links();
        }
        let rounds: Vec<u64> = self.layers.iter().map(|layer| layer.predicted.rounds()).collect();
        let sum = |count: fn(&LayerCost) -> u64| self.layers.iter().map(count).sum();
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

    /// For every layer, the largest causal depth of any party at its end, counted from the start of
    /// the run: the `depth` of [`protocols::LayerMeasurement`].
    pub fn depths(&self) -> Vec<u32> {
        let deepest = |a: [u32; 3], b: [u32; 3]| std::array::from_fn(|role| a[role].max(b[role]));
        let depths = self.along([0; 3], deepest, |before, place: usize| {
            self.layers[place].predicted.depths_after(before)
        });
        depths.into_iter().map(|depths| depths.into_iter().max().unwrap_or(0)).collect()
    }

    /// The rounds of a run whose layers take these rounds: the largest sum along a chain of layers
    /// that wait for each other. In sequential order the chain is all layers.
    ///
    /// # Panics
    /// If the number of rounds is not the number of layers.
    pub fn longest_chain(&self, rounds: &[u64]) -> u64 {
        assert_eq!(rounds.len(), self.layers.len(), "rounds of every layer");
        let ends = self.along(0, u64::max, |before, place| before + rounds[place]);
        ends.last().copied().unwrap_or(0)
    }

    /// For every layer, the result of `step` on the joined results of the layers before it and on
    /// the layer's index. All layers lead to the last one.
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

impl LayerCost {
    /// A layer of the graph without messages: the counts that do not depend on the suite.
    pub(crate) fn without_messages(graph: &Graph, id: NodeId) -> LayerCost {
        let (node, dims) = (graph.node(id), graph.dims(id));
        let (nonlinear_values, parameters, macs) = match &node.op {
            Op::Linear(linear) => {
                let shape = linear.shape(1, graph.input_dims(id));
                (0, shape.weight_len() + shape.out_channels, shape.macs())
            }
            Op::Activation(activation) => {
                let active = activation.active_channels(dims.channels);
                let active: usize = active.iter().map(std::ops::Range::len).sum();
                let degrees = activation.degrees(dims.channels);
                let parameters = degrees.iter().map(|&degree| degree as usize + 1).sum();
                (active * dims.plane(), parameters, 0)
            }
            Op::MaxPool(_) => (dims.len(), 0, 0),
            Op::Input
            | Op::AvgPool(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => (0, 0, 0),
        };
        LayerCost {
            name: node.name.clone(),
            op: node.op.name(),
            output_shape: dims,
            paper: None,
            predicted: Cost::none(),
            nonlinear_values: nonlinear_values as u64,
            parameters: parameters as u64,
            macs: macs as u64,
            bound: None,
        }
    }

    /// A step that is not a layer of the graph: `output` or `setup`.
    pub(crate) fn step(
        name: &'static str,
        output_shape: Dims,
        paper: Option<Paper>,
        predicted: Cost,
    ) -> LayerCost {
        LayerCost {
            name: name.into(),
            op: name,
            output_shape,
            paper,
            predicted,
            nonlinear_values: 0,
            parameters: 0,
            macs: 0,
            bound: None,
        }
    }
}
