//! The operations of layers. Sizes that only some operations have are fields of their variants.

use std::ops::Range;

use fixedpoint::{Padding, conv::ConvShape, pool::PoolShape};
use serde::{Deserialize, Serialize};

use crate::{functions::ActivationKind, shapes::Dims};

/// The operation of a layer. Tensors are NCHW.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The network's input: the first node and no other.
    Input,
    /// A linear layer with a bias for each output channel.
    Linear(Linear),
    /// Non-linear functions, value by value.
    Activation(Activation),
    /// The largest value of each window.
    MaxPool(Window),
    /// The average of each window.
    AvgPool(Average),
    /// The sum of two inputs of one size.
    Add,
    /// The channels of all inputs, concatenated.
    Concat,
    /// Some of the channels; two slices make a split.
    Slice {
        /// The first channel.
        start: usize,
        /// One past the last channel.
        end: usize,
    },
    /// A channel shuffle, as in ShuffleNet: of c channels, (groups, c / groups) transposed.
    Shuffle {
        /// The number of groups.
        groups: usize,
    },
    /// The same values in the same order, as an image of another size.
    Reshape(Reshape),
}

/// A linear layer. [`crate::Graph::linear_shape`] treats both kinds as convolutions; they differ in
/// the protocol of the `securenn` suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linear {
    /// A convolution.
    Conv(Conv),
    /// A fully connected layer on a flat vector.
    Dense(Dense),
}

/// A convolution's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Channels of the output.
    pub out_channels: usize,
    /// Rows and columns of the kernel.
    pub kernel: (usize, usize),
    /// Rows and columns from one position of the kernel to the next.
    pub stride: (usize, usize),
    /// Zeros around the image.
    #[serde(with = "PaddingFields")]
    pub padding: Padding,
    /// Rows and columns from one tap of the kernel to the next.
    pub dilation: (usize, usize),
    /// The number of groups of channels that do not mix; as many as input channels make the
    /// convolution depthwise.
    pub groups: usize,
    /// Whether the weights file has a bias.
    pub bias: bool,
    /// Whether all weights are 1 or -1.
    #[serde(default, skip_serializing_if = "is_false")]
    pub binary: bool,
}

/// A fully connected layer's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Length of the output.
    pub out: usize,
    /// Whether the weights file has a bias.
    pub bias: bool,
    /// Whether all weights are 1 or -1.
    #[serde(default, skip_serializing_if = "is_false")]
    pub binary: bool,
}

/// Non-linear functions on the channels of a layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Activation {
    /// One function on the leading channels; the others pass unchanged.
    Leading {
        /// The function.
        kind: ActivationKind,
        /// q, above 0 and at most 1: of c channels, the function is applied to the first ceil(q c).
        ratio: f64,
    },
    /// Consecutive runs of channels, each with a function or none; together they are all channels.
    Runs(Vec<Run>),
}

/// Consecutive channels with the same function.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The function; `None` if the values pass unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ActivationKind>,
    /// The number of channels.
    pub channels: usize,
}

/// All channels of a layer that have the same function, or that pass unchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct Portion {
    /// The function; `None` if the values pass unchanged.
    pub kind: Option<ActivationKind>,
    /// The channels, in order.
    pub channels: Vec<Range<usize>>,
}

/// The windows of a pooling layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Rows and columns of a window.
    pub size: (usize, usize),
    /// Rows and columns from one window to the next.
    pub stride: (usize, usize),
    /// Padding around the image.
    #[serde(with = "PaddingFields")]
    pub padding: Padding,
}

/// The values that an average pool averages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The values of each window.
    Windows {
        /// The windows.
        window: Window,
        /// The part of the padding that counts as zeros. Padding farther out does not count.
        counted: Padding,
    },
    /// All values of each channel; the result is a flat vector.
    Channels,
}

/// The size that values are reshaped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reshape {
    /// A flat vector, in the order of channels, rows and columns.
    Flat,
    /// An image of this size.
    Image(Dims),
}

/// The most channels of a layer whose channels have different functions or trained coefficients.
pub const MAX_MIXED: usize = 1 << 20;

/// The most different functions of one layer.
pub const MAX_FUNCTIONS: usize = 64;

impl Op {
    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Input => "input",
            Op::Linear(linear) => linear.name(),
            Op::Activation(Activation::Leading { kind, .. }) => kind.name(),
            Op::Activation(Activation::Runs(_)) => "mix",
            Op::MaxPool(_) => "maxpool",
            Op::AvgPool(Average::Windows { .. }) => "avgpool",
            Op::AvgPool(Average::Channels) => "global-avgpool",
            Op::Add => "add",
            Op::Concat => "concat",
            Op::Slice { .. } => "slice",
            Op::Shuffle { .. } => "shuffle",
            Op::Reshape(Reshape::Flat) => "flatten",
            Op::Reshape(Reshape::Image(_)) => "reshape",
        }
    }

    /// The linear layer, if the operation is one.
    pub(crate) fn linear(&self) -> Option<&Linear> {
        match self {
            Op::Linear(linear) => Some(linear),
            Op::Input
            | Op::Activation(_)
            | Op::MaxPool(_)
            | Op::AvgPool(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => None,
        }
    }

    /// The activation, if the operation is one.
    pub fn activation(&self) -> Option<&Activation> {
        match self {
            Op::Activation(activation) => Some(activation),
            Op::Input
            | Op::Linear(_)
            | Op::MaxPool(_)
            | Op::AvgPool(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => None,
        }
    }

    /// The windows of a max pool, if the operation is one.
    pub(crate) fn max_pool(&self) -> Option<&Window> {
        match self {
            Op::MaxPool(window) => Some(window),
            Op::Input
            | Op::Linear(_)
            | Op::Activation(_)
            | Op::AvgPool(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => None,
        }
    }

    /// Whether the operation is a linear layer with weights of 1 and -1.
    pub fn is_binary(&self) -> bool {
        self.linear().is_some_and(Linear::is_binary)
    }
}

impl Linear {
    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Linear::Conv(Conv { binary: true, .. }) => "binary-conv",
            Linear::Conv(_) => "conv",
            Linear::Dense(Dense { binary: true, .. }) => "binary-dense",
            Linear::Dense(_) => "dense",
        }
    }

    /// Whether all weights are 1 or -1.
    pub fn is_binary(&self) -> bool {
        match self {
            Linear::Conv(conv) => conv.binary,
            Linear::Dense(dense) => dense.binary,
        }
    }

    /// The shape over a batch; a fully connected layer is the convolution of a 1x1 image with a 1x1
    /// kernel.
    pub(crate) fn shape(&self, batch: usize, input: Dims) -> ConvShape {
        match self {
            Linear::Conv(conv) => conv.shape(batch, input),
            Linear::Dense(dense) => Conv::square(dense.out, 1).shape(batch, input),
        }
    }
}

impl Activation {
    /// A function on all channels.
    pub const fn full(kind: ActivationKind) -> Activation {
        Activation::Leading { kind, ratio: 1.0 }
    }

    /// The functions of a layer with this number of channels, each once, with the channels of each.
    pub fn portions(&self, channels: usize) -> Vec<Portion> {
        let mut portions: Vec<Portion> = Vec::new();
        let mut add = |kind: Option<ActivationKind>, range: Range<usize>| match portions
            .iter_mut()
            .find(|portion| portion.kind == kind)
        {
            Some(portion) => portion.channels.push(range),
            None => portions.push(Portion { kind, channels: vec![range] }),
        };
        match self {
            Activation::Leading { kind, ratio } => {
                let active = leading(*ratio, channels);
                add(Some(*kind), 0..active);
                if active < channels {
                    add(None, active..channels);
                }
            }
            Activation::Runs(runs) => {
                let mut start = 0;
                for run in runs {
                    add(run.kind, start..start + run.channels);
                    start += run.channels;
                }
            }
        }
        portions
    }

    /// The channels of a layer with this number of channels that have a function.
    pub fn active_channels(&self, channels: usize) -> Vec<Range<usize>> {
        let portions = self.portions(channels).into_iter();
        let active = portions.filter(|portion| portion.kind.is_some());
        active.flat_map(|portion| portion.channels).collect()
    }

    /// The functions in the order of the channels; one may occur several times.
    pub fn kinds(&self) -> impl Iterator<Item = ActivationKind> + '_ {
        let (leading, runs) = match self {
            Activation::Leading { kind, .. } => (Some(*kind), &[][..]),
            Activation::Runs(runs) => (None, &runs[..]),
        };
        leading.into_iter().chain(runs.iter().filter_map(|run| run.kind))
    }

    /// The degree of each channel that has trained coefficients, in the order of the channels.
    pub fn degrees(&self, channels: usize) -> Vec<u32> {
        let mut degrees = Vec::new();
        for portion in self.portions(channels) {
            let degree = portion.kind.and_then(|kind| kind.function().trained_degree());
            if let Some(degree) = degree {
                let channels = portion.channels.into_iter().flatten();
                degrees.extend(channels.map(|channel| (channel, degree)));
            }
        }
        degrees.sort_unstable();
        degrees.into_iter().map(|(_, degree)| degree).collect()
    }
}

/// The number of leading channels with a function, ceil(q c) for a ratio q of c channels.
pub fn leading(ratio: f64, channels: usize) -> usize {
    // 0.1 * 30 is a little above 3 in binary: a product that is nearly an integer is meant to be
    // one.
    ((ratio * channels as f64 - 1e-9).ceil() as usize).clamp(1, channels)
}

impl Portion {
    /// The number of channels.
    pub fn len(&self) -> usize {
        self.channels.iter().map(Range::len).sum()
    }

    /// Whether there are no channels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Conv {
    /// A square kernel with stride 1, no padding, no groups and no bias. Other parameters are set
    /// by struct update.
    pub const fn square(out_channels: usize, kernel: usize) -> Conv {
        Conv {
            out_channels,
            kernel: (kernel, kernel),
            stride: (1, 1),
            padding: Padding::NONE,
            dilation: (1, 1),
            groups: 1,
            bias: false,
            binary: false,
        }
    }

    pub(crate) fn shape(&self, batch: usize, input: Dims) -> ConvShape {
        let &Conv { out_channels, kernel, stride, padding, dilation, groups, .. } = self;
        ConvShape {
            batch,
            in_channels: input.channels,
            out_channels,
            height: input.height,
            width: input.width,
            kernel,
            stride,
            padding,
            dilation,
            groups,
        }
    }
}

impl Window {
    /// Square windows that neither overlap nor leave gaps.
    pub const fn square(size: usize) -> Window {
        Window { size: (size, size), stride: (size, size), padding: Padding::NONE }
    }

    /// One window over the whole image.
    pub const fn whole(input: Dims) -> Window {
        let size = (input.height, input.width);
        Window { size, stride: size, padding: Padding::NONE }
    }

    pub(crate) const fn shape(&self, batch: usize, input: Dims) -> PoolShape {
        PoolShape {
            batch,
            channels: input.channels,
            height: input.height,
            width: input.width,
            window: self.size,
            stride: self.stride,
            padding: self.padding,
        }
    }
}

impl From<Window> for Average {
    /// An average in which all padding counts as zeros.
    fn from(window: Window) -> Average {
        Average::Windows { window, counted: window.padding }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The stored form of [`Padding`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "Padding", deny_unknown_fields)]
pub(super) struct PaddingFields {
    top: usize,
    left: usize,
    bottom: usize,
    right: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_activations_round_up() {
        assert_eq!(leading(1.0, 7), 7);
        assert_eq!(leading(0.5, 7), 4);
        assert_eq!(leading(0.1, 30), 3);
        assert_eq!(leading(0.001, 30), 1);
    }
}
