//! What can be wrong with a network, its weights or a run of it.

use std::{io, path::PathBuf};

use fixedpoint::ShapeError;
use protocols::Role;

use crate::dims::{Dims, ParseDimsError};

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

/// Why a layer does not fit its inputs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ShapeProblem {
    /// A name that another layer has, or that no layer may have.
    #[error("the name is taken: every layer needs its own, other than 'input' and 'output'")]
    NameTaken,
    /// A name that would not survive as a step or a report's key.
    #[error("a name has 1 to 200 characters, none of them '/', '#' or a control character")]
    BadName,
    /// An input that does not exist (yet).
    #[error("input {input} does not exist before it")]
    UnknownInput {
        /// The place of the node in the graph.
        input: usize,
    },
    /// The wrong number of inputs.
    #[error("{got} inputs given, {expected} needed")]
    Inputs {
        /// How many it needs, in words.
        expected: &'static str,
        /// How many it was given.
        got: usize,
    },
    /// Sizes that do not fit together.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Inputs whose sizes should agree.
    #[error("inputs of {} do not go together: {needs}", .dims.iter().map(Dims::to_string).collect::<Vec<_>>().join(" and "))]
    Differ {
        /// The sizes of the inputs.
        dims: Vec<Dims>,
        /// What should be equal.
        needs: &'static str,
    },
    /// A dense layer on images.
    #[error("the input is {dims}: flatten it first")]
    NotFlat {
        /// The size of the input.
        dims: Dims,
    },
    /// A slice outside of the channels.
    #[error("channels {start}..{end} of {channels}: take at least one, and only existing ones")]
    Channels {
        /// The first channel.
        start: usize,
        /// One past the last channel.
        end: usize,
        /// The channels there are.
        channels: usize,
    },
    /// A ratio outside of (0, 1].
    #[error("a ratio of {ratio}: it is above 0 and at most 1; leave the layer out for 0")]
    Ratio {
        /// The ratio.
        ratio: f64,
    },
    /// A slope outside of [0, 1].
    #[error("a slope of {slope}: it is from 0 to 1")]
    Slope {
        /// The slope.
        slope: f64,
    },
    /// A polynomial of a degree that there is no protocol for.
    #[error("a polynomial of degree {degree}: use one of degree 0, 2 or 3")]
    Degree {
        /// The degree.
        degree: u32,
    },
    /// Runs of channels that are not all of them.
    #[error(
        "its runs must be of at least one channel each, of {channels} together, not all passing"
    )]
    Runs {
        /// The channels there are.
        channels: usize,
    },
    /// Too many channels with functions of their own.
    #[error("{channels} channels with a function or polynomial each: use at most {max}")]
    Mixed {
        /// The channels there are.
        channels: usize,
        /// The most that are allowed.
        max: usize,
    },
    /// Too many functions beside each other.
    #[error("more than {max} different functions: use fewer")]
    Functions {
        /// The most that are allowed.
        max: usize,
    },
    /// A batch norm after something that is no linear layer.
    #[error("batch norm '{batch_norm}' can only be folded into a linear layer")]
    BatchNorm {
        /// The batch norm.
        batch_norm: String,
    },
    /// Padding in which a whole window fits.
    #[error("some windows would hold nothing but padding: make it less than the window")]
    Padding,
    /// A maximum of too many values.
    #[error(
        "windows of {values} values: use at most {max}, pool rows and columns one after the other"
    )]
    Window {
        /// Values of a window.
        values: usize,
        /// The most that are allowed.
        max: usize,
    },
    /// A result that nothing uses.
    #[error("nothing uses its result: remove it, or make it the output")]
    Unused,
    /// A layer beyond the limit.
    #[error("the network has more than {max} layers with it")]
    Layers {
        /// The most that are allowed.
        max: usize,
    },
    /// An image beyond the limit.
    #[error("its output has more than {max} values an image")]
    TooLarge {
        /// The most that are allowed.
        max: usize,
    },
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
