//! The subject of a row of figures, a net or an operation, and its cost in our suites.

use fixedpoint::Padding;

use super::{
    figures::{Figures, NONE},
    plans,
};
use crate::{
    cost::{NetworkCost, Totals},
    error::Result,
    graph::{Activation, ActivationKind, Conv, Dims, Graph, GraphBuilder, INPUT, SETUP},
    output::Output,
    suite_name::SuiteName,
    zoo,
};

/// A net or an operation.
pub(super) enum Subject {
    /// One image through a net.
    Net(Net),
    /// A million values through an activation between two linear layers.
    Activation(ActivationKind),
    /// One image through a convolution with square kernels and zero padding that keeps its size.
    /// The costs include the query and the masked weights.
    Convolution { input: Dims, kernels: usize, side: usize },
}

/// A net of the zoo.
pub(super) struct Net {
    pub(super) name: &'static str,
    pub(super) input: Dims,
    pub(super) classes: usize,
    /// The factor of its widths.
    pub(super) scale: f64,
    /// One of [`plans`].
    pub(super) plan: Option<&'static str>,
}

/// A million values.
const VALUES: Dims = Dims::new(1, 1000, 1000);

impl Net {
    /// The net with its published activations and widths.
    pub(super) const fn new(name: &'static str, input: Dims, classes: usize) -> Net {
        Net { name, input, classes, scale: 1.0, plan: None }
    }

    fn graph(&self) -> Result<Graph> {
        let options =
            zoo::Options { scale: self.scale, ..zoo::Options::new(self.input, self.classes) };
        let graph = zoo::build(self.name, &options)?;
        match self.plan {
            Some(plan) => plans::named(plan).apply(&graph),
            None => Ok(graph),
        }
    }
}

impl Subject {
    /// The costs in a suite, with its default precision and bounds.
    pub(super) fn figures(&self, suite: SuiteName) -> Result<Figures> {
        match self {
            Subject::Net(net) => Ok(figures(suite, &cost(suite, &net.graph()?)?.totals())),
            Subject::Activation(kind) => {
                let graph = between_layers(VALUES, 1, 1, *kind)?;
                let figures = part(suite, cost(suite, &graph)?, &[ACTIVATION]);
                // The masked weights are those of the linear layers.
                Ok(Figures { setup_mb: None, ..figures })
            }
            Subject::Convolution { input, kernels, side } => {
                let graph = between_layers(*input, *kernels, *side, ActivationKind::Relu)?;
                let cost = cost(suite, &graph)?;
                // The first layer's share of the masked weights: both layers have rings of one
                // width.
                let weights = |name: &str| {
                    let id = graph.find(name).expect("a layer of this graph");
                    graph.linear_shape(id, 1).map_or(0, |shape| shape.weight_len())
                };
                let share = weights(FIRST) as f64 / (weights(FIRST) + weights(SECOND)) as f64;
                let setup = cost.totals().setup_links.total() as f64 / 1e6;
                let figures = part(suite, cost, &[INPUT, FIRST]);
                let setup_mb = figures.setup_mb.map(|_| setup * share);
                Ok(Figures { setup_mb, ..figures })
            }
        }
    }
}

const FIRST: &str = "first";
const ACTIVATION: &str = "activation";
const SECOND: &str = "second";

/// A net of a convolution with square kernels, an activation, and a 1x1 convolution.
fn between_layers(input: Dims, kernels: usize, side: usize, kind: ActivationKind) -> Result<Graph> {
    let mut net = GraphBuilder::new("layers", input)?;
    let conv = Conv { padding: Padding::same(side / 2), ..Conv::square(kernels, side) };
    let x = net.conv(FIRST, net.input(), conv)?;
    let x = net.activation(ACTIVATION, x, Activation::full(kind))?;
    let x = net.conv(SECOND, x, Conv::square(1, 1))?;
    net.finish(x)
}

/// The figures of some layers alone, and of the masked weights.
fn part(suite: SuiteName, mut cost: NetworkCost, names: &[&str]) -> Figures {
    cost.layers.iter_mut().for_each(|layer| {
        if layer.name != SETUP && !names.contains(&layer.name.as_str()) {
            layer.predicted = protocols::Cost::none();
        }
    });
    figures(suite, &cost.totals())
}

fn cost(suite: SuiteName, graph: &Graph) -> Result<NetworkCost> {
    suite.with_defaults(graph.clone(), Output::Logits)?.cost(1)
}

fn figures(suite: SuiteName, totals: &Totals) -> Figures {
    let mb = |bytes: u64| Some(bytes as f64 / 1e6);
    let online = totals.online_links().total();
    let online_only = Figures {
        online_mb: mb(online),
        total_mb: mb(online + totals.offline_links.total()),
        rounds: Some(totals.rounds),
        ..NONE
    };
    match suite {
        SuiteName::SecureNn => online_only,
        SuiteName::Dealer => Figures {
            setup_mb: mb(totals.setup_links.total()),
            offline_mb: mb(totals.offline_links.total()),
            ..online_only
        },
    }
}
