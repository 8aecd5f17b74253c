//! The reasons why a layer may not fit its inputs.

use fixedpoint::ShapeError;

use super::dims::Dims;

/// The reason why a layer does not fit its inputs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ShapeProblem {
    /// A name that another layer has, or that no layer may have.
    #[error(
        "the name is taken: every layer needs its own, other than 'input', 'output' and 'setup'"
    )]
    NameTaken,
    /// A name that cannot be part of a step's path or a key of a report.
    #[error("a name has 1 to 200 characters, none of them '/', '#' or a control character")]
    BadName,
    /// An input that does not exist (yet).
    #[error("input {input} does not exist before it")]
    UnknownInput {
        /// The index of the node in the graph.
        input: usize,
    },
    /// The wrong number of inputs.
    #[error("{got} inputs given, {expected} needed")]
    Inputs {
        /// The number of inputs that it needs, in words.
        expected: &'static str,
        /// The number of inputs given.
        got: usize,
    },
    /// Sizes that do not fit together.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Inputs whose sizes should agree.
    #[error("inputs of {} do not go together: {needs}", join(.dims))]
    Differ {
        /// The sizes of the inputs.
        dims: Vec<Dims>,
        /// The sizes that should be equal.
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
        /// The number of channels.
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
    /// A polynomial of a degree without a protocol.
    #[error("a polynomial of degree {degree}: use one of degree 0, 2 or 3")]
    Degree {
        /// The degree.
        degree: u32,
    },
    /// Runs of channels that do not add up to the channels of the layer.
    #[error(
        "its runs must be of at least one channel each, of {channels} together, not all passing"
    )]
    Runs {
        /// The number of channels.
        channels: usize,
    },
    /// Too many channels with different functions or polynomials.
    #[error("{channels} channels with a function or polynomial each: use at most {max}")]
    Mixed {
        /// The number of channels.
        channels: usize,
        /// The most that are allowed.
        max: usize,
    },
    /// Too many different functions in one layer.
    #[error("more than {max} different functions: use fewer")]
    Functions {
        /// The most that are allowed.
        max: usize,
    },
    /// A batch norm after a layer that is not linear.
    #[error("batch norm '{batch_norm}' can only be folded into a linear layer")]
    BatchNorm {
        /// The batch norm.
        batch_norm: String,
    },
    /// Padding that a whole window fits into.
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
    /// More layers than the limit.
    #[error("the network has more than {max} layers with it")]
    Layers {
        /// The most that are allowed.
        max: usize,
    },
    /// A result with more values than the limit.
    #[error("its output has more than {max} values an image")]
    TooLarge {
        /// The most that are allowed.
        max: usize,
    },
}

fn join(dims: &[Dims]) -> String {
    dims.iter().map(Dims::to_string).collect::<Vec<_>>().join(" and ")
}
