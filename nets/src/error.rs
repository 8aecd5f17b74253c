//! What can be wrong with a network, its weights or a run of it.

use std::{io, path::PathBuf};

use protocols::Role;

pub use crate::shapes::ShapeProblem;
use crate::shapes::{Dims, ParseDimsError};

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate. Architectures are public and named in full; no variant carries a weight
/// or an input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that is not in the list it should come from.
    #[error("unknown {what} '{name}': use one of {}", .known.join(", "))]
    Unknown {
        /// What was named.
        what: &'static str,
        /// The name given.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A text that is no image size.
    #[error(transparent)]
    Dims(#[from] ParseDimsError),
    /// An activation plan that does not fit its net.
    #[error("activation plan: {what}")]
    Plan {
        /// What is wrong, and what would fit.
        what: String,
    },
    /// A factor of a net's widths that does not fit it.
    #[error("scale: {what}")]
    Scale {
        /// What is wrong, and what would fit.
        what: String,
    },
    /// A layer that does not fit its inputs.
    #[error("layer '{node}': {problem}")]
    Node {
        /// The layer.
        node: String,
        /// What does not fit.
        problem: ShapeProblem,
    },
    /// A stored graph of a version that is not known.
    #[error("the graph '{graph}' is of version {version}: this build reads version {known}")]
    GraphVersion {
        /// The graph.
        graph: String,
        /// Its version.
        version: u32,
        /// The version that is read.
        known: u32,
    },
    /// A stored graph whose first node is not the input, or whose output does not exist.
    #[error("the graph '{graph}' is malformed: {what}")]
    Graph {
        /// The graph.
        graph: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A layer whose values need more than a machine word.
    #[error(
        "layer '{node}' needs {bits} bits at {fractional_bits} fractional bits, more than 61: \
         use fewer of those, or calibrate the network for smaller bounds"
    )]
    RingWidth {
        /// The layer.
        node: String,
        /// Bits that its values need.
        bits: u32,
        /// Fractional bits of inputs and weights.
        fractional_bits: u32,
    },
    /// A label of more classes than a suite compares.
    #[error("a label of {classes} classes: `securenn` compares at most {max}; use `dealer`")]
    Classes {
        /// The classes.
        classes: usize,
        /// The most that are compared.
        max: usize,
    },
    /// A label where there is nothing to choose from.
    #[error(
        "the network '{graph}' has a single result, of which a label says nothing: ask for logits"
    )]
    OneClass {
        /// The network.
        graph: String,
    },
    /// A batch that is empty or beyond the limit.
    #[error("a batch of {batch} images: run 1 to {max} at once")]
    Batch {
        /// Images asked for.
        batch: usize,
        /// The most that are allowed.
        max: usize,
    },
    /// A weights file that could not be read, or with something wrong in it.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<Error>,
    },
    /// The operating system's word on a file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A weights file of another format than safetensors.
    #[error("is {found}, not safetensors: {instead}")]
    WeightsFormat {
        /// What it is.
        found: &'static str,
        /// What to do.
        instead: String,
    },
    /// A weights file far larger than the network's weights.
    #[error(
        "has {bytes} bytes where the network's weights take {most} at most: is this the right network?"
    )]
    WeightsSize {
        /// The file's size.
        bytes: u64,
        /// The most that is read.
        most: u64,
    },
    /// Bytes that are no whole safetensors file.
    #[error("no whole safetensors file ({reason}): it may be truncated, copy it again")]
    Safetensors {
        /// What the parser says.
        reason: String,
    },
    /// Bytes that are no ONNX model, or one that cannot be read.
    #[error("no usable ONNX model: {reason}")]
    Onnx {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Operators of an ONNX model that have no private counterpart: all of them.
    #[error("{} not supported: {}", count_nodes(*.nodes), .reasons.join("; "))]
    OnnxOperators {
        /// How many.
        nodes: usize,
        /// Their names and operators, why, and what to use instead.
        reasons: Vec<String>,
    },
    /// A tensor that the network needs and the file lacks.
    #[error("tensor '{tensor}' is missing; the file holds {}", list(.present))]
    MissingTensor {
        /// The tensor.
        tensor: String,
        /// All tensors of the file.
        present: Vec<String>,
    },
    /// Tensors that the network does not know.
    #[error("the network has no place for {}: is this the right network?", list(.tensors))]
    ExtraTensors {
        /// The tensors.
        tensors: Vec<String>,
    },
    /// A tensor of another shape than the network's.
    #[error("tensor '{tensor}' has shape {got:?} where the network needs {expected:?}: {advice}")]
    TensorShape {
        /// The tensor.
        tensor: String,
        /// The shape in the file.
        got: Vec<usize>,
        /// The shape that the network needs.
        expected: Vec<usize>,
        /// What the difference comes from, and what to do.
        advice: String,
    },
    /// A tensor of a type that is not read.
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
        /// Its first bad element, in row-major order.
        index: usize,
    },
    /// A batch norm after a binary layer that leaves nothing of a channel.
    #[error(
        "tensor '{tensor}', index {index}: is 0, so that channel's sign is constant: remove the channel"
    )]
    ZeroScale {
        /// The tensor.
        tensor: String,
        /// The place in it.
        index: usize,
    },
    /// A batch norm after a binary layer whose size matters.
    #[error(
        "layer '{node}': batch norm after a binary layer becomes a threshold, so only its signs may be used; put a \
         sign behind it, or make the layer an ordinary one"
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
        /// The place in it.
        index: usize,
    },
    /// A coefficient that a channel's polynomial has not.
    #[error(
        "tensor '{tensor}', index {index}: is above the degree of its channel, so it must be 0"
    )]
    AboveDegree {
        /// The tensor.
        tensor: String,
        /// The place in it.
        index: usize,
    },
    /// A running variance below zero.
    #[error("tensor '{tensor}' is negative at index {index}: it should hold variances")]
    NegativeVariance {
        /// The tensor.
        tensor: String,
        /// Its first bad element.
        index: usize,
    },
    /// A folded weight or bias too large for the fixed point.
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
    /// A fixed point whose products leave no room in the ring.
    #[error("{bits} fractional bits leave no room for products in 64 bits: use 1 to {max}")]
    FractionalBits {
        /// The bits asked for.
        bits: u32,
        /// The most that are allowed.
        max: u32,
    },
    /// A model that was encoded for another fixed point than the run's.
    #[error("the model is encoded with {model} fractional bits, the run uses {run}")]
    ModelEncoding {
        /// Fractional bits of the model.
        model: u32,
        /// Fractional bits of the run.
        run: u32,
    },
    /// A model that belongs to another graph.
    #[error("the model does not belong to the graph '{graph}': load its weights for this graph")]
    ModelGraph {
        /// The graph.
        graph: String,
    },
    /// Images that do not fill the batch.
    #[error("{got} input values where {batch} images of {dims} have {expected}")]
    Images {
        /// The size of an image.
        dims: Dims,
        /// Images in the batch.
        batch: usize,
        /// Values that the batch has.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// An input value too large to be compared with another.
    #[error("the input is 2^{limit_bits} units or more at index {index}: scale the images down")]
    InputRange {
        /// The first value out of range.
        index: usize,
        /// Magnitudes must be below 2 to this power, in units of the fixed point.
        limit_bits: u32,
    },
    /// Inputs or a function of another party's.
    #[error("this belongs to another party than {role}")]
    WrongParty {
        /// The party that was given it.
        role: Role,
    },
    /// A query without the masked weights that its suite needs.
    #[error("the data owner has no masked weights of this model")]
    NoMaskedWeights,
    /// A bench of nothing, or of too much.
    #[error("a count of {count}: measure 1 to {max} at once")]
    Count {
        /// The count asked for.
        count: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// A bench of a size that it cannot have.
    #[error("{what}")]
    BenchSize {
        /// What to do.
        what: String,
    },
    /// Ranges that are not those of the network's input.
    #[error("{got} input ranges for {channels} channels: give one for each, or one for all")]
    InputRanges {
        /// Channels of the input.
        channels: usize,
        /// Ranges given.
        got: usize,
    },
    /// A margin that leaves samples no room, or makes them meaningless.
    #[error(
        "a margin of {margin}: other inputs than the samples need {min} or more; {max} at most"
    )]
    Margin {
        /// The margin asked for.
        margin: f64,
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// A file of bounds that is none, or of another network.
    #[error("the file of bounds {what}; write it anew with `tercet calibrate --out`")]
    PublicBounds {
        /// What is wrong.
        what: String,
    },
    /// A protocol run that failed.
    #[error(transparent)]
    Protocol(#[from] protocols::Error),
}

impl Error {
    pub(crate) fn unknown<const N: usize>(
        what: &'static str,
        name: &str,
        known: [&str; N],
    ) -> Error {
        Error::Unknown { what, name: name.to_owned(), known: known.map(str::to_owned).to_vec() }
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
