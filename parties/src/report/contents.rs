//! The contents of a report: the stable object of `--report`.

use std::{collections::BTreeMap, iter::Sum};

use nets::{
    Dims, LayerCost, NetworkCost, Order, Output, SuiteName, cost::LayerBound, graph::SETUP,
};
use protocols::{Links, Paper, Role};
use serde::Serialize;

use super::estimate::Estimate;
use crate::party::Record;

/// A whole report. What a command cannot know is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Report {
    /// The protocol suite.
    pub suite: SuiteName,
    /// The network's name; none for a bench.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Images in the batch; none for a bench.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// The data owner's output; none for a bench.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// The party whose view this is, if it is not that of all three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<Role>,
    /// The bench.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub bench: Option<Bench>,
    /// How many revealed results (logits, or labels) differ from the plain reference by more than
    /// truncation's random rounding explains; only where all inputs are at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<usize>,
    /// `weights` and `images`, if they were random for want of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub random_inputs: Vec<&'static str>,
    /// How long the run would take over some links; only where nothing is run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<Estimate>,
    /// Layer by layer.
    pub layers: Vec<Layer>,
    /// The sums over the layers, and what belongs to no layer.
    pub totals: Totals,
    /// The results against those of the plain network; only where all inputs and labels are at
    /// hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
    /// The summed probability, an image, that a truncation wraps and spoils the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation_failure_bound: Option<f64>,
    /// The material that was made, or the query of it that was used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub material: Option<Material>,
}

/// Material in files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Material {
    /// The session that made it.
    pub session: String,
    /// The first query of it, counted from 0.
    pub first: u64,
    /// How many queries.
    pub queries: u64,
    /// Images of a query.
    pub images: usize,
    /// Bytes of a query's file at each party that has one.
    pub file_bytes: BTreeMap<&'static str, u64>,
}

impl Material {
    /// The material that the parties made or used up, if they did.
    pub(crate) fn from_records<'r>(
        records: impl IntoIterator<Item = &'r Record>,
    ) -> Option<Material> {
        let mut material: Option<Material> = None;
        for record in records {
            let Some(stock) = &record.stock else { continue };
            let material = material.get_or_insert_with(|| Material {
                session: stock.session.clone(),
                first: stock.first,
                queries: stock.queries,
                images: record.images,
                file_bytes: BTreeMap::new(),
            });
            if stock.file_bytes > 0 {
                material.file_bytes.insert(record.role.name(), stock.file_bytes);
            }
        }
        material
    }
}

/// The part of a report that only a bench has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Bench {
    /// The operation.
    pub op: String,
    /// How many values.
    pub count: usize,
    /// The seed of the test inputs.
    pub seed: u64,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Layer {
    /// Its name in the network.
    pub name: String,
    /// Its operation.
    pub op: String,
    /// The size of its result for one image: channels, rows, columns; a vector's length alone.
    pub output_shape: Vec<usize>,
    /// The published closed form.
    pub paper: Option<PaperCost>,
    /// The payload that this implementation will send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Traffic>,
    /// The payload that it sent.
    pub measured: Option<Traffic>,
    /// From the end of the layer that ended before it to its own end, at the data owner (or the
    /// party whose view this is), plus the time to deal it, where that is done before the query.
    pub seconds: Option<f64>,
    /// By how many one-way latencies it makes the run longer, given the layers before it here.
    pub critical_path: u32,
    /// The bound on the values that it truncates or compares, and where the bound is from; none
    /// where nothing depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<LayerBound>,
    /// How large it is; none for a bench.
    #[serde(flatten)]
    pub size: Option<Size>,
}

/// How large a layer or a network is, for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Size {
    /// Results of non-linear functions: activations, max pools.
    pub nonlinear_values: u64,
    /// Weights and biases, batch norm folded in.
    pub parameters: u64,
    /// Multiplications and additions of linear layers, those with padding included.
    pub macs: u64,
}

/// A published closed form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct PaperCost {
    /// Rounds.
    pub rounds: u64,
    /// Megabytes of 10^6 bytes.
    pub mb: f64,
}

/// Rounds and payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Traffic {
    /// Phases in which something is sent.
    pub rounds: u64,
    /// Payload bytes over all links.
    pub bytes: u64,
    /// Payload bytes over each link.
    pub links: Links,
    /// The part of `bytes` that travels ahead of the query.
    pub ahead_bytes: u64,
}

/// The sums over the layers, and what belongs to no layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Totals {
    /// The published closed forms, of those layers that have one.
    pub paper: Option<PaperCost>,
    /// The payload that this implementation will send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Traffic>,
    /// The payload that it sent.
    pub measured: Option<Traffic>,
    /// One-way latencies that the run must wait for, one after the other.
    pub critical_path: u32,
    /// Whether branches run side by side. If so, the rounds predicted and measured are those of the
    /// longest chain of layers, not the sums.
    pub overlap: bool,
    /// Payload that belongs to the model and the session.
    pub setup_bytes: u64,
    /// Payload before the data is there.
    pub offline_bytes: u64,
    /// Payload from then on.
    pub online_bytes: u64,
    /// How large the network is; none for a bench.
    #[serde(flatten)]
    pub size: Option<Size>,
    /// UDP bytes as the QUIC stack counts them, handshakes and headers included.
    pub wire_bytes: Option<u64>,
    /// Wall time.
    pub seconds: Option<Seconds>,
    /// CPU time of each party's process.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cpu_seconds: BTreeMap<&'static str, f64>,
    /// The largest resident set of each party's process, in MB of 10^6 bytes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub peak_rss_mb: BTreeMap<&'static str, f64>,
}

impl Seconds {
    /// The stages of a whole run, as its evaluators saw them.
    pub(crate) fn from_records<'r>(
        records: impl IntoIterator<Item = &'r Record>,
        total: f64,
    ) -> Seconds {
        let stages = records.into_iter().map(|record| record.seconds);
        let start = Seconds { setup: 0.0, offline: 0.0, online: None, total };
        stages.fold(start, |seconds, stage| Seconds {
            setup: seconds.setup.max(stage.setup),
            offline: seconds.offline.max(stage.offline),
            online: match (seconds.online, stage.online) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            },
            total,
        })
    }
}

/// Wall time of a run, connecting and loading left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Seconds {
    /// Once for the model and the session.
    pub setup: f64,
    /// Dealing ahead.
    pub offline: f64,
    /// From the first online message to the result, with all material present; none where
    /// material is dealt while it is used.
    pub online: Option<f64>,
    /// All of it.
    pub total: f64,
}

/// The results against those of the plain network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Accuracy {
    /// Images classified.
    pub images: usize,
    /// How many the plain float network gets right; none without labels.
    pub plain_correct: Option<usize>,
    /// How many the three parties get right; none without labels.
    pub secure_correct: Option<usize>,
    /// On how many both agree.
    pub agree: usize,
    /// The largest difference between a secure and a plain logit; none where only labels are
    /// revealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_abs_error: Option<f64>,
}

impl Report {
    /// A report of layers and their totals alone.
    pub(crate) fn new(suite: SuiteName, layers: Vec<Layer>, totals: Totals) -> Report {
        Report {
            suite,
            network: None,
            images: None,
            output: None,
            party: None,
            bench: None,
            wrong: None,
            random_inputs: Vec::new(),
            estimates: Vec::new(),
            layers,
            totals,
            accuracy: None,
            truncation_failure_bound: None,
            material: None,
        }
    }

    /// The object as JSON.
    pub(crate) fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a report has only plain values");
        text + "\n"
    }
}

impl Layer {
    /// The layers before they run. `depths` are the causal depths that they end at.
    pub(crate) fn predicted(costs: &[LayerCost], depths: &[u32]) -> Vec<Layer> {
        let mut deepest = 0;
        let layer = |(cost, &depth): (&LayerCost, &u32)| {
            let before = deepest;
            deepest = before.max(depth);
            Layer::from_cost(cost, deepest - before)
        };
        costs.iter().zip(depths).map(layer).collect()
    }

    fn from_cost(cost: &LayerCost, critical_path: u32) -> Layer {
        Layer {
            name: cost.name.clone(),
            op: cost.op.to_string(),
            output_shape: shape_of(cost.output_shape),
            paper: cost.paper.map(PaperCost::from),
            predicted: Some(Traffic {
                rounds: cost.predicted.rounds(),
                bytes: cost.predicted.bytes(),
                links: cost.predicted.links(),
                ahead_bytes: cost.predicted.ahead_links().total(),
            }),
            measured: None,
            seconds: None,
            critical_path,
            bound: cost.bound,
            size: Some(Size {
                nonlinear_values: cost.nonlinear_values,
                parameters: cost.parameters,
                macs: cost.macs,
            }),
        }
    }
}

impl Totals {
    /// The sums over these layers.
    pub(crate) fn sum(layers: &[Layer]) -> Totals {
        let paper = layers.iter().filter_map(|layer| layer.paper);
        let predicted = sum_traffic(layers.iter().map(|layer| layer.predicted));
        let measured = sum_traffic(layers.iter().map(|layer| layer.measured));
        let all = measured.or(predicted).unwrap_or_default();
        let setup = layers.iter().filter(|layer| layer.op == SETUP);
        let setup_bytes =
            setup.map(|layer| layer.measured.or(layer.predicted).unwrap_or_default().bytes);
        let setup_bytes = setup_bytes.sum();
        Totals {
            paper: paper.reduce(|a, b| PaperCost { rounds: a.rounds + b.rounds, mb: a.mb + b.mb }),
            critical_path: layers.iter().map(|layer| layer.critical_path).sum(),
            overlap: false,
            size: layers.iter().map(|layer| layer.size).sum(),
            setup_bytes,
            offline_bytes: all.ahead_bytes - setup_bytes,
            online_bytes: all.bytes - all.ahead_bytes,
            predicted,
            measured,
            wire_bytes: None,
            seconds: None,
            cpu_seconds: BTreeMap::new(),
            peak_rss_mb: BTreeMap::new(),
        }
    }

    /// Counts rounds in the order of the run: along the longest chain where branches overlap.
    pub(crate) fn in_order(mut self, layers: &[Layer], cost: &NetworkCost) -> Totals {
        let chain = |traffic: Option<Traffic>, of_layer: fn(&Layer) -> Option<Traffic>| {
            let rounds = layers.iter().map(|layer| of_layer(layer).unwrap_or_default().rounds);
            let rounds = cost.longest_chain(&rounds.collect::<Vec<_>>());
            traffic.map(|traffic| Traffic { rounds, ..traffic })
        };
        self.predicted = chain(self.predicted, |layer| layer.predicted);
        self.measured = chain(self.measured, |layer| layer.measured);
        self.overlap = cost.order == Order::Overlapped;
        self
    }

    /// Whether anything goes ahead of the query.
    pub(crate) fn sent_ahead(&self) -> bool {
        self.setup_bytes + self.offline_bytes > 0
    }

    /// Adds what the parties' processes used.
    pub(crate) fn with_usage<'r>(
        mut self,
        records: impl IntoIterator<Item = &'r Record>,
    ) -> Totals {
        for record in records {
            let role = record.role.name();
            self.cpu_seconds.insert(role, record.usage.cpu_seconds);
            self.peak_rss_mb.insert(role, record.usage.peak_rss_mb);
            *self.wire_bytes.get_or_insert(0) += record.wire.total();
        }
        self
    }
}

impl Sum for Size {
    fn sum<I: Iterator<Item = Size>>(parts: I) -> Size {
        parts.fold(Size::default(), |sum, part| Size {
            nonlinear_values: sum.nonlinear_values + part.nonlinear_values,
            parameters: sum.parameters + part.parameters,
            macs: sum.macs + part.macs,
        })
    }
}

impl From<Paper> for PaperCost {
    fn from(paper: Paper) -> PaperCost {
        PaperCost { rounds: paper.rounds, mb: paper.megabytes() }
    }
}

fn shape_of(dims: Dims) -> Vec<usize> {
    match dims {
        Dims { channels, height: 1, width: 1 } => vec![channels],
        Dims { channels, height, width } => vec![channels, height, width],
    }
}

fn sum_traffic(mut parts: impl Iterator<Item = Option<Traffic>>) -> Option<Traffic> {
    parts.try_fold(Traffic::default(), |sum, part| {
        let part = part?;
        Some(Traffic {
            rounds: sum.rounds + part.rounds,
            bytes: sum.bytes + part.bytes,
            links: sum.links + part.links,
            ahead_bytes: sum.ahead_bytes + part.ahead_bytes,
        })
    })
}
