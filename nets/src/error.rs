//! The errors of the crate: of networks, of their weights, and of runs.

use std::{io, path::PathBuf};

use protocols::Role;

pub use crate::shapes::ShapeProblem;
use crate::shapes::{Dims, ParseDimsError};

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate. Architectures are public and named in full; no variant carries a weight
/// or an input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that is not in the list of known names.
    #[error("unknown {what} '{name}': use one of {}", .known.join(", "))]
    Unknown {
        /// The kind of thing that was named.
        what: &'static str,
        /// The name given.
        name: String,
        /// The known names.
        known: Vec<String>,
    },
    /// A text that is not an image size.
    #[error(transparent)]
    Dims(#[from] ParseDimsError),
    /// An activation plan that does not fit its network.
    #[error("activation plan: {what}")]
    Plan {
        /// The problem, and what would fit.
        what: String,
    },
    /// A factor of the widths that the network does not have, or that is out of range.
    #[error("scale: {what}")]
    Scale {
        /// The problem, and what would fit.
        what: String,
    },
    /// A layer that does not fit its inputs.
    #[error("layer '{node}': {problem}")]
    Node {
        /// The layer.
        node: String,
        /// The reason.
        problem: ShapeProblem,
    },
    /// A stored graph of an unknown version.
    #[error("the graph '{graph}' is of version {version}: this build reads version {known}")]
    GraphVersion {
        /// The graph.
        graph: String,
        /// Its version.
        version: u32,
        /// The version that this build reads.
        known: u32,
    },
    /// A stored graph whose first node is not the input, or whose output does not exist.
    #[error("the graph '{graph}' is malformed: {what}")]
    Graph {
        /// The graph.
        graph: String,
        /// The problem.
        what: &'static str,
    },
    /// A layer whose values need a ring wider than a machine word.
    #[error(
        "layer '{node}' needs {bits} bits at {fractional_bits} fractional bits, more than 61: \
         use fewer of those, or calibrate the network for smaller bounds"
    )]
    RingWidth {
        /// The layer.
        node: String,
        /// The bits that its values need.
        bits: u32,
        /// Fractional bits of inputs and weights.
        fractional_bits: u32,
    },
    /// A label for more classes than the suite can compare.
    #[error("a label of {classes} classes: `securenn` compares at most {max}; use `dealer`")]
    Classes {
        /// The number of classes.
        classes: usize,
        /// The most classes that can be compared.
        max: usize,
    },
    /// A label of a network that has only one result.
    #[error(
        "the network '{graph}' has a single result, of which a label says nothing: ask for logits"
    )]
    OneClass {
        /// The network.
        graph: String,
    },
    /// A batch that is empty or larger than the limit.
    #[error("a batch of {batch} images: run 1 to {max} at once")]
    Batch {
        /// The number of images asked for.
        batch: usize,
        /// The most that are allowed.
        max: usize,
    },
    /// A weights file that could not be read, or whose contents are wrong.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The problem.
        source: Box<Error>,
    },
    /// An error of the operating system about a file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A weights file that is not in the safetensors format.
    #[error("is {found}, not safetensors: {instead}")]
    WeightsFormat {
        /// Its format.
        found: &'static str,
        /// The remedy.
        instead: String,
    },
    /// A weights file that is far larger than the network's weights.
    #[error(
        "has {bytes} bytes where the network's weights take {most} at most: is this the right \
         network?"
    )]
    WeightsSize {
        /// The size of the file.
        bytes: u64,
        /// The largest size that is read.
        most: u64,
    },
    /// Bytes that are not a complete safetensors file.
    #[error("no whole safetensors file ({reason}): it may be truncated, copy it again")]
    Safetensors {
        /// The parser's message.
        reason: String,
    },
    /// Bytes that are not an ONNX model, or a model that cannot be read.
    #[error("no usable ONNX model: {reason}")]
    Onnx {
        /// The problem, and what to do.
        reason: String,
    },
    /// All operators of an ONNX model that have no private counterpart.
    #[error("{} not supported: {}", count_nodes(*.nodes), .reasons.join("; "))]
    OnnxOperators {
        /// The number of nodes.
        nodes: usize,
        /// For each, its name and operator, the reason, and what to use instead.
        reasons: Vec<String>,
    },
    /// A tensor that the network needs but the file does not have.
    #[error("tensor '{tensor}' is missing; the file holds {}", list(.present))]
    MissingTensor {
        /// The tensor.
        tensor: String,
        /// The tensors of the file.
        present: Vec<String>,
    },
    /// Tensors that the network does not use.
    #[error("the network has no place for {}: is this the right network?", list(.tensors))]
    ExtraTensors {
        /// The tensors.
        tensors: Vec<String>,
    },
    /// A tensor whose shape is not the one that the network needs.
    #[error("tensor '{tensor}' has shape {got:?} where the network needs {expected:?}: {advice}")]
    TensorShape {
        /// The tensor.
        tensor: String,
        /// The shape in the file.
        got: Vec<usize>,
        /// The shape that the network needs.
        expected: Vec<usize>,
        /// The likely cause of the difference, and what to do.
        advice: String,
    },
    /// A tensor of an unsupported type.
    #[error("tensor '{tensor}' is of type {dtype}: store F16, BF16, F32 or F64")]
    TensorType {
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
    },
    /// A weight that is NaN or infinite.
    #[error("tensor '{tensor}' is not finite at index {index}: was the training stable?")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// The first such element, in row-major order.
        index: usize,
    },
    /// A batch norm after a binary layer whose scale of a channel is 0.
    #[error(
        "tensor '{tensor}', index {index}: is 0, so that channel's sign is constant: remove the \
         channel"
    )]
    ZeroScale {
        /// The tensor.
        tensor: String,
        /// The index of the element.
        index: usize,
    },
    /// A batch norm after a binary layer whose results are used for more than their signs.
    #[error(
        "layer '{node}': batch norm after a binary layer becomes a threshold, so only its signs \
         may be used; put a sign behind it, or make the layer an ordinary one"
    )]
    SignsDoNotFollow {
        /// The layer.
        node: String,
    },
    /// A weight of a binary layer that is neither 1 nor -1.
    #[error(
        "tensor '{tensor}', index {index}: a binary layer's weights are 1 or -1; export their signs"
    )]
    NotBinary {
        /// The tensor.
        tensor: String,
        /// The index of the element.
        index: usize,
    },
    /// A non-zero coefficient above the degree of its channel's polynomial.
    #[error(
        "tensor '{tensor}', index {index}: is above the degree of its channel, so it must be 0"
    )]
    AboveDegree {
        /// The tensor.
        tensor: String,
        /// The index of the element.
        index: usize,
    },
    /// A negative running variance.
    #[error("tensor '{tensor}' is negative at index {index}: it should hold variances")]
    NegativeVariance {
        /// The tensor.
        tensor: String,
        /// The first such element.
        index: usize,
    },
    /// A folded weight or bias that is too large for the fixed point.
    #[error(
        "{tensor} of layer '{node}', batch norm folded in, is 2^{limit_bits} or more at index \
         {index}: use fewer fractional bits"
    )]
    WeightRange {
        /// The layer.
        node: String,
        /// `weight` or `bias`.
        tensor: &'static str,
        /// The first element out of range.
        index: usize,
        /// Magnitudes must be below 2 to this power.
        limit_bits: u32,
    },
    /// A fixed point with too many fractional bits for products to fit the ring.
    #[error("{bits} fractional bits leave no room for products in 64 bits: use 1 to {max}")]
    FractionalBits {
        /// The number of bits asked for.
        bits: u32,
        /// The most that are allowed.
        max: u32,
    },
    /// A model that was encoded for a fixed point other than the run's.
    #[error("the model is encoded with {model} fractional bits, the run uses {run}")]
    ModelEncoding {
        /// Fractional bits of the model.
        model: u32,
        /// Fractional bits of the run.
        run: u32,
    },
    /// A model of another graph.
    #[error("the model does not belong to the graph '{graph}': load its weights for this graph")]
    ModelGraph {
        /// The graph.
        graph: String,
    },
    /// Input values that are not a whole batch of images.
    #[error("{got} input values where {batch} images of {dims} have {expected}")]
    Images {
        /// The size of an image.
        dims: Dims,
        /// The number of images in the batch.
        batch: usize,
        /// The number of values of the batch.
        expected: usize,
        /// The number of values given.
        got: usize,
    },
    /// An input value that is too large to be compared with another.
    #[error("the input is 2^{limit_bits} units or more at index {index}: scale the images down")]
    InputRange {
        /// The first value out of range.
        index: usize,
        /// Magnitudes must be below 2 to this power, in units of the fixed point.
        limit_bits: u32,
    },
    /// Inputs or a function that belong to another party.
    #[error("this belongs to another party than {role}")]
    WrongParty {
        /// The party that used them.
        role: Role,
    },
    /// A query without the masked weights that its suite needs.
    #[error("the data owner has no masked weights of this model")]
    NoMaskedWeights,
    /// A count of a bench that is 0 or too large.
    #[error("a count of {count}: measure 1 to {max} at once")]
    Count {
        /// The count asked for.
        count: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// A size that a bench cannot have.
    #[error("{what}")]
    BenchSize {
        /// The remedy.
        what: String,
    },
    /// Input ranges that do not match the channels of the network's input.
    #[error("{got} input ranges for {channels} channels: give one for each, or one for all")]
    InputRanges {
        /// The number of channels of the input.
        channels: usize,
        /// The number of ranges given.
        got: usize,
    },
    /// A margin of a calibration that is too small or too large.
    #[error(
        "a margin of {margin}: other inputs than the samples need {min} or more; {max} at most"
    )]
    Margin {
        /// The margin asked for.
        margin: f64,
        /// The smallest margin.
        min: f64,
        /// The largest margin.
        max: f64,
    },
    /// A file that is not a file of bounds, or has those of another network.
    #[error("the file of bounds {what}; write it anew with `tercet calibrate --out`")]
    PublicBounds {
        /// The problem.
        what: String,
    },
    /// A protocol run that failed.
    #[error(transparent)]
    Protocol(#[from] protocols::Error),
}

impl Error {
    pub(crate) fn unknown<'n>(
        what: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Error {
        let known = known.into_iter().map(str::to_owned).collect();
        Error::Unknown { what, name: name.to_owned(), known }
    }
}

fn count_nodes(nodes: usize) -> String {
    match nodes {
        1 => "1 node is".into(),
        n => format!("{n} nodes are"),
    }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|name| format!("'{name}'")).collect();
    match names.len() {
        0 => "no tensors".into(),
        n if n > SHOWN => format!("{} and {} more", quoted.join(", "), n - SHOWN),
        _ => quoted.join(", "),
    }
}
