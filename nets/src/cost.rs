//! The cost of a network in private, layer by layer: the published closed form and what this
//! implementation sends, which are never mixed. The suites fill it in, from shapes alone.

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
    /// How large the values that it truncates or compares may be, where the suite has such a bound.
    pub bound: Option<LayerBound>,
}

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
    /// The magnitude that all layers share ([`crate::suites::dealer::Bounds::Alike`]).
    MagnitudeBits,
    /// The layer's own, from the weights: it holds for every input.
    Interval,
    /// The layer's own, from samples.
    Calibration,
    /// The architecture: signs, and sums of signs.
    Structure,
}

/// A whole run over a batch: every node of the graph in order, then `output`, then `setup` where a
/// suite has one.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkCost {
    /// The protocols.
    pub suite: SuiteName,
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
    /// The layers of a run, one after the other: those of the graph in order, then `output`, then
    /// [`SETUP`] where the suite has one.
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

impl LayerCost {
    /// A layer of the graph with the counts that every suite has, and no message.
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

    /// A step beside the graph's layers: `output` or `setup`.
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
