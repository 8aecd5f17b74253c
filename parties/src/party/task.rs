//! The task that a config sets the parties: the public network, the model and the data, each
//! checked before any connection.

use std::{path::Path, sync::Arc};

use fixedpoint::encoding::FixedPoint;
use nets::{
    Bench, EncodedModel, Graph, Model, NetworkCost, Operation, Order, Output, PublicBounds, Suite,
    SuiteName, Weights,
    bench::ConvSize,
    graph::Activation,
    reference,
    suites::{DealMode, dealer::Bounds},
};
use protocols::SessionOptions;

use crate::{
    config::{Config, ModelOwner, Protocol, wrong_file},
    data::{Batch, ImageRange},
    error::{Error, Result},
    link::{Agreement, Purpose},
};

/// The public part of a run: what all three parties know and agree on.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The network under its protocol suite.
    pub suite: Arc<dyn Suite>,
    /// Chunk and window of long batches.
    pub options: SessionOptions,
    /// When each layer starts.
    pub order: Order,
    /// When correlated randomness is made, in a suite that has any.
    pub mode: DealMode,
}

impl Task {
    /// The task of a config; `suite` overrides the config's.
    ///
    /// # Errors
    /// [`Error::File`] for an unknown network or one that its input does not fit, and for bounds
    /// that are not its own or too large.
    pub(crate) fn from_config(config: &Config, suite: Option<SuiteName>) -> Result<Task> {
        let graph = config.network.graph();
        let graph =
            graph.map_err(|error| Error::file(&config.file, format!("`network`: {error}")))?;
        let wrong = |error| Error::file(&config.file, error);
        Task::new(graph, config.network.output, &config.protocol, suite, wrong)
    }

    /// A network under a protocol; `suite` overrides the protocol's, and `wrong` makes the error of
    /// what is wrong with them.
    ///
    /// # Errors
    /// As [`Task::from_config`].
    pub(crate) fn new(
        graph: Graph,
        output: Output,
        protocol: &Protocol,
        suite: Option<SuiteName>,
        wrong: impl Fn(nets::Error) -> Error,
    ) -> Result<Task> {
        let suite = suite.unwrap_or(protocol.suite);
        let fixed = protocol.fractional_bits.unwrap_or(suite.fractional_bits());
        let bounds = match suite {
            SuiteName::SecureNn => Bounds::Alike(protocol.magnitude_bits),
            SuiteName::Dealer => read_bounds(protocol, &graph)?,
        };
        let suite = suite.with_network(graph, FixedPoint::new(fixed), &bounds, output);
        let mode = if protocol.dealt_first { DealMode::DealtFirst } else { DealMode::Streamed };
        Ok(Task {
            suite: suite.map_err(wrong)?.into(),
            options: protocol.options,
            order: Order::with_overlap(protocol.overlap),
            mode,
        })
    }

    /// The network.
    pub(crate) fn graph(&self) -> &Graph {
        self.suite.graph()
    }

    /// The class of each image, by what the data owner got: logits or labels.
    pub(crate) fn classes(&self, results: &[u64]) -> Vec<usize> {
        match self.suite.output() {
            Output::Label => results.iter().map(|&label| label as usize).collect(),
            Output::Logits => {
                let classes = self.classes_count();
                reference::classes(&self.suite.result_fixed().decode_slice(results), classes)
            }
        }
    }

    /// How many values the network gives for an image.
    pub(crate) fn classes_count(&self) -> usize {
        self.graph().dims(self.graph().output()).len()
    }

    /// The layers of a run, revealing the result included.
    pub(crate) fn layer_count(&self) -> usize {
        self.graph().nodes().len() + 1
    }

    /// The cost of a run over this many images.
    ///
    /// # Errors
    /// [`nets::Error::Batch`].
    pub(crate) fn cost(&self, images: usize) -> nets::Result<NetworkCost> {
        Ok(self.suite.cost(images)?.in_order(self.order))
    }

    /// The cost of a run for a purpose: only what is made ahead, only what is left after that,
    /// or both; without the masked weights where those were kept.
    ///
    /// # Errors
    /// [`nets::Error::Batch`].
    pub(crate) fn cost_for(
        &self,
        purpose: Purpose,
        images: usize,
        setup_kept: bool,
    ) -> nets::Result<NetworkCost> {
        let cost = self.cost(images)?;
        let cost = if setup_kept { cost.without_setup() } else { cost };
        Ok(match purpose {
            Purpose::Answer => cost,
            Purpose::Deal(_) => cost.only_ahead(),
            Purpose::AnswerDealt => cost.only_online(),
        })
    }

    /// The terms that the parties compare before anything else.
    pub(crate) fn agreement(&self, purpose: Purpose) -> Agreement {
        Agreement {
            suite: self.suite.name().name().into(),
            ring_bits: RING_BITS,
            fractional_bits: self.suite.fixed().fractional_bits(),
            architecture: *self.graph().hash().as_bytes(),
            options: self.options,
            overlap: self.order == Order::Overlapped,
            layout: self.suite.layout_hash().map(Into::into),
            dealt_first: self.mode == DealMode::DealtFirst,
            output: self.suite.output(),
            purpose,
        }
    }

    /// The model owner's weights, as trained (or random, where there are none) and encoded for
    /// sharing.
    ///
    /// # Errors
    /// [`Error::File`] if the file is missing, malformed, of another network, or has weights that
    /// are not finite or out of range.
    pub(crate) fn model(&self, config: &Config) -> Result<(Model, EncodedModel)> {
        let weights = self.weights(config)?;
        let wrong = |error| match config.model_owner() {
            Ok(owner) => wrong_file(weights_file(config, owner), error),
            Err(error) => error,
        };
        self.encode(&weights).map_err(wrong)
    }

    /// The model owner's weights as trained (or random, where there are none).
    ///
    /// # Errors
    /// [`Error::File`] if the file is missing, malformed or of another network.
    pub(crate) fn weights(&self, config: &Config) -> Result<Weights> {
        let owner = config.model_owner()?;
        let imported = match &config.network.file {
            Some(file) => file.weights()?,
            None => None,
        };
        let file = weights_file(config, owner);
        match (imported, &owner.weights) {
            (Some(_), _) if has_trained_functions(self.graph()) => {
                Err(Error::file(file, NO_COEFFICIENTS))
            }
            (Some(weights), _) => Ok(weights),
            (None, Some(_)) => {
                Weights::read(file, self.graph()).map_err(|error| wrong_file(file, error))
            }
            (None, None) => Ok(Weights::random(self.graph(), RANDOM_WEIGHTS)),
        }
    }

    /// Weights with batch norm folded in, and encoded for sharing.
    ///
    /// # Errors
    /// [`nets::Error`] for weights that are too large.
    pub(crate) fn encode(&self, weights: &Weights) -> nets::Result<(Model, EncodedModel)> {
        let model = Model::fold(self.graph(), weights)?;
        let encoded = self.suite.encode(&model)?;
        Ok((model, encoded))
    }

    /// The data owner's batch, as it is and as it is shared.
    ///
    /// # Errors
    /// [`Error::File`] if a file is missing, malformed or does not fit the network.
    pub(crate) fn batch(&self, config: &Config, range: ImageRange) -> Result<(Batch, Vec<u64>)> {
        let files = &config.data_owner()?.files;
        let batch = Batch::load(files, config.network.input_shape(), range)?;
        let encode = |&value| self.suite.fixed().encode(value);
        let encoded: std::result::Result<_, _> = batch.inputs.iter().map(encode).collect();
        let encoded = encoded.map_err(|error| {
            let file = files.images.first().unwrap_or(&config.file);
            Error::file(file, error)
        })?;
        Ok((batch, encoded))
    }
}

/// A bench of a suite, by the operation's name; a bare one only transfers the operation's bytes.
///
/// # Errors
/// [`Error::Usage`] for an unknown operation, or a count or size out of range.
pub(crate) fn bench(
    operation: &str,
    count: usize,
    suite: SuiteName,
    conv: Option<ConvSize>,
    bare: bool,
) -> Result<Bench> {
    let wrong = |error: nets::Error| Error::Usage(error.to_string());
    let bench = operation
        .parse::<Operation>()
        .and_then(|operation| Bench::new(operation, count, suite))
        .and_then(|bench| conv.map_or(Ok(bench), |size| bench.with_conv(size)))
        .map_err(wrong)?;
    Ok(if bare { bench.bare() } else { bench })
}

/// The terms that the parties of a bench compare before anything else.
pub(crate) fn bench_agreement(bench: &Bench) -> Agreement {
    let suite = bench.suite();
    let protocol = Protocol::default();
    let (name, operation, count) = (bench.name(), bench.operation(), bench.count());
    let what = format!("tercet bench {name} {operation} {count} {:?}", bench.conv());
    Agreement {
        suite: suite.name().into(),
        ring_bits: RING_BITS,
        fractional_bits: suite.fractional_bits(),
        architecture: *blake3::hash(what.as_bytes()).as_bytes(),
        options: protocol.options,
        overlap: protocol.overlap,
        layout: None,
        dealt_first: true,
        output: Output::default(),
        purpose: Purpose::Answer,
    }
}

/// Whether a function of the network has trained coefficients.
fn has_trained_functions(graph: &Graph) -> bool {
    let activations = graph.nodes().iter().filter_map(|node| node.op.activation());
    let mut kinds = activations.flat_map(Activation::kinds);
    kinds.any(|kind| kind.function().trained_degree().is_some())
}

/// The file that has the weights; the config if there is none.
fn weights_file<'c>(config: &'c Config, owner: &'c ModelOwner) -> &'c Path {
    owner.weights.as_deref().unwrap_or(config.network.path(&config.file))
}

/// The bounds on values in `dealer`.
fn read_bounds(protocol: &Protocol, graph: &Graph) -> Result<Bounds> {
    let Some(file) = &protocol.bounds else {
        return Ok(Bounds::Alike(protocol.magnitude_bits));
    };
    let unreadable = |error| Error::unreadable(file, error);
    let json = std::fs::read_to_string(file).map_err(unreadable)?;
    let bounds = PublicBounds::parse(&json, graph).map_err(|error| Error::file(file, error))?;
    Ok(Bounds::Layers(bounds))
}

/// The seed of random weights: public, so that every run has the same.
const RANDOM_WEIGHTS: u64 = 0;

/// The complaint about an ONNX file under a plan with polynomials.
const NO_COEFFICIENTS: &str = "has no coefficients for the plan's polynomials: write its graph \
                               with `tercet inspect --public-graph`, and give that as \
                               `network.graph` and all weights as a safetensors file";

/// The ring that shares live in is Z_2^64.
const RING_BITS: u32 = 64;
