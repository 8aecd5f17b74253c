//! What a figure is about, and what it takes here.

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
    /// One image through square kernels, the query and the masked weights included. Zeros keep its size.
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

/// The million.
const VALUES: Dims = Dims::new(1, 1000, 1000);

impl Net {
    /// Its own activations and widths.
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
    /// What a suite takes for it, with its own precision and values below 128.
    pub(super) fn figures(&self, suite: SuiteName) -> Result<Figures> {
        match self {
            Subject::Net(net) => Ok(figures(suite, &cost(suite, &net.graph()?)?.totals())),
            Subject::Activation(kind) => {
                let graph = between_layers(VALUES, 1, 1, *kind)?;
                let own = part(suite, cost(suite, &graph)?, &[ACTIVATION]);
                // The linear layers' weights are not its own.
                Ok(Figures { setup_mb: None, ..own })
            }
            Subject::Convolution { input, kernels, side } => {
                let graph = between_layers(*input, *kernels, *side, ActivationKind::Relu)?;
                let cost = cost(suite, &graph)?;
                // Of the masked weights those of the first layer: both have the ring of a ReLU's input.
                let weights = |id| graph.linear_shape(id, 1).map_or(0, |shape| shape.weight_len());
                let of = |name: &str| weights(graph.find(name).expect("a layer of this graph"));
                let share = of(FIRST) as f64 / (of(FIRST) + of(SECOND)) as f64;
                let setup = cost.totals().setup_links.total() as f64 / 1e6;
                let own = part(suite, cost, &[INPUT, FIRST]);
                let setup_mb = own.setup_mb.map(|_| setup * share);
                Ok(Figures { setup_mb, ..own })
            }
        }
    }
}

const FIRST: &str = "first";
const ACTIVATION: &str = "activation";
const SECOND: &str = "second";

/// Square kernels, an activation, a 1x1 kernel.
fn between_layers(input: Dims, kernels: usize, side: usize, kind: ActivationKind) -> Result<Graph> {
    let mut net = GraphBuilder::new("layers", input)?;
    let conv = Conv { padding: Padding::same(side / 2), ..Conv::square(kernels, side) };
    let x = net.conv(FIRST, net.input(), conv)?;
    let x = net.activation(ACTIVATION, x, Activation::full(kind))?;
    let x = net.conv(SECOND, x, Conv::square(1, 1))?;
    net.finish(x)
}

/// Some layers alone.
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
    let ours = Figures {
        online_mb: mb(online),
        total_mb: mb(online + totals.offline_links.total()),
        rounds: Some(totals.rounds),
        ..NONE
    };
    match suite {
        SuiteName::SecureNn => ours,
        SuiteName::Dealer => Figures {
            setup_mb: mb(totals.setup_links.total()),
            offline_mb: mb(totals.offline_links.total()),
            ..ours
        },
    }
}
