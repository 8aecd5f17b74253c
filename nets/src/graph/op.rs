//! What a layer computes. Sizes that only some layers have stand in their variants.

use std::ops::Range;

use fixedpoint::{Padding, conv::ConvShape, pool::PoolShape};
use serde::{Deserialize, Serialize};

use crate::{functions::ActivationKind, shapes::Dims};

/// What a layer computes. Tensors are NCHW.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The network's input; the first node, and only it.
    Input,
    /// A linear layer, and a bias for each output channel.
    Linear(Linear),
    /// Non-linear functions, value by value.
    Activation(Activation),
    /// The largest value of each window.
    MaxPool(Window),
    /// The average of each window.
    AvgPool(Average),
    /// The sum of two inputs of one size.
    Add,
    /// The channels of all inputs, one after the other.
    Concat,
    /// Some of the channels; two of these make a split.
    Slice {
        /// The first channel.
        start: usize,
        /// One past the last channel.
        end: usize,
    },
    /// Interleaves groups of channels, as ShuffleNet does: (groups, c / groups) transposed.
    Shuffle {
        /// Groups of channels.
        groups: usize,
    },
    /// The values in the same order as an image of another size.
    Reshape(Reshape),
}

/// A linear layer. Both kinds are convolutions to [`crate::Graph::linear_shape`]; they differ in the
/// protocol of the `securenn` suite.
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
    /// Rows and columns from one place of the kernel to the next.
    pub stride: (usize, usize),
    /// Zeros around the image.
    #[serde(with = "PaddingFields")]
    pub padding: Padding,
    /// Rows and columns from one tap of the kernel to the next.
    pub dilation: (usize, usize),
    /// Groups of channels that do not mix; depthwise if as many as input channels.
    pub groups: usize,
    /// Whether the weights file holds a bias.
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
    /// Whether the weights file holds a bias.
    pub bias: bool,
    /// Whether all weights are 1 or -1.
    #[serde(default, skip_serializing_if = "is_false")]
    pub binary: bool,
}

/// Non-linear functions on the channels of a layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Activation {
    /// One function on the first channels; the others pass.
    Leading {
        /// The function.
        kind: ActivationKind,
        /// q, above 0 and at most 1: the function is applied to the first ceil(q c) of c channels.
        ratio: f64,
    },
    /// Runs of channels in order, all of them, each with a function or none.
    Runs(Vec<Run>),
}

/// Channels, one after the other, to which one function is applied.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The function; none where values pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ActivationKind>,
    /// How many channels.
    pub channels: usize,
}

/// All channels of a layer that one function is applied to, or that pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Portion {
    /// The function; none where values pass.
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
    /// Rows and columns around the image.
    #[serde(with = "PaddingFields")]
    pub padding: Padding,
}

/// What is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// Windows.
    Windows {
        /// The windows.
        window: Window,
        /// How far around the image padding counts as zeros. Padding farther out does not count.
        counted: Padding,
    },
    /// Each channel as a whole, to a flat vector.
    Channels,
}

/// The size of reshaped values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reshape {
    /// A flat vector: channel, row, column, one after the other.
    Flat,
    /// An image of this size.
    Image(Dims),
}

/// The most channels of a layer in which each may have a function or a polynomial of its own.
pub const MAX_MIXED: usize = 1 << 20;

/// The most functions of one layer.
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

    /// The layer as an activation, if it is one.
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

    /// Whether the layer is linear with weights of 1 and -1.
    pub fn is_binary(&self) -> bool {
        matches!(self, Op::Linear(linear) if linear.is_binary())
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

    /// The sizes over a batch, a fully connected layer being the convolution of a 1x1 image with a 1x1
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

    /// The functions and the channels of each, of so many channels, every function once.
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

    /// The channels that a function is applied to, of so many.
    pub fn active_channels(&self, channels: usize) -> Vec<Range<usize>> {
        let portions = self.portions(channels).into_iter();
        let active = portions.filter(|portion| portion.kind.is_some());
        active.flat_map(|portion| portion.channels).collect()
    }

    /// The functions, in order.
    pub fn kinds(&self) -> impl Iterator<Item = ActivationKind> + '_ {
        let (leading, runs) = match self {
            Activation::Leading { kind, .. } => (Some(*kind), &[][..]),
            Activation::Runs(runs) => (None, &runs[..]),
        };
        leading.into_iter().chain(runs.iter().filter_map(|run| run.kind))
    }

    /// The degrees of trained coefficients, one for each channel that has any, in order.
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

/// ceil(q c) of c channels.
pub fn leading(ratio: f64, channels: usize) -> usize {
    // 0.1 * 30 is a little above 3 in binary: what is nearly whole is meant to be whole.
    ((ratio * channels as f64 - 1e-9).ceil() as usize).clamp(1, channels)
}

impl Portion {
    /// How many channels.
    pub fn len(&self) -> usize {
        self.channels.iter().map(Range::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Conv {
    /// A square kernel with stride 1, no padding, no groups and no bias, to be changed by struct
    /// update.
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
    /// Square windows, one beside the other.
    pub const fn square(size: usize) -> Window {
        Window { size: (size, size), stride: (size, size), padding: Padding::NONE }
    }

    /// One window over a whole image.
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
    /// An average in which all padding counts.
    fn from(window: Window) -> Average {
        Average::Windows { window, counted: window.padding }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// How [`Padding`] is stored.
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
