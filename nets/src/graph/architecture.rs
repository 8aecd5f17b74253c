//! The public architecture of a network: layers and how they hang together, without weights.

use std::{fmt, ops::Range, str::FromStr};

use fixedpoint::{Padding, conv::ConvShape, pool::PoolShape};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    graph::builder::GraphBuilder,
};

/// The most images of one batch.
pub const MAX_BATCH: usize = 1 << 16;

/// The name of the first node, and of the layer in which the input is shared.
pub const INPUT: &str = "input";

/// The name of the layer in which masked weights are sent, once, where a suite has one.
pub const SETUP: &str = "setup";

/// The name of the layer in which the result is revealed.
pub const OUTPUT: &str = "output";

/// The size of one image: channels, rows, columns. A flat vector has 1 row and 1 column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dims {
    /// Channels, or the length of a flat vector.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A layer's place in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(usize);

/// A layer: what it computes, and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Unique in the graph; also the prefix of its tensors in a weights file.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Of what: nodes before this one.
    pub inputs: Vec<NodeId>,
    /// The prefix of the batch norm that follows this convolution in the weights file. It is folded
    /// into the weights, so it is no part of the computation, nor of [`Graph::hash`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_norm: Option<String>,
}

/// What a layer computes. Tensors are NCHW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Op {
    /// The network's input; the first node, and only it.
    Input,
    /// A convolution, and a bias for each output channel.
    Conv(Conv),
    /// A fully connected layer on a flat vector.
    Dense(Dense),
    /// A non-linear function, value by value, on all channels or the first few.
    Activation(Activation),
    /// Several functions, each on channels of its own: runs of channels in order, all of them.
    Mix(Vec<Run>),
    /// The largest value of each window.
    MaxPool(Window),
    /// The average of each window.
    AvgPool(Average),
    /// The average of each channel.
    GlobalAvgPool,
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
    /// Channel, row, column, one after the other.
    Flatten,
    /// The values in the same order as an image of this size.
    Reshape(Dims),
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

/// An activation, on all channels or the first few.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The function.
    pub kind: ActivationKind,
    /// q: the function is applied to the first ceil(q c) of c channels, the rest passes.
    pub ratio: f64,
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

/// A non-linear function.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationKind {
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// x above 0, slope x below.
    LeakyRelu {
        /// From 0 to 1; public, as all of the architecture.
        slope: f64,
    },
    /// x^2.
    Square,
    /// x^3.
    Cube,
    /// 1 for x of at least 0, else -1.
    Sign,
    /// 1 / (1 + e^-x), in straight pieces: at most 0.005 off.
    Sigmoid,
    /// tanh(x), in straight pieces: at most 0.01 off.
    Tanh,
    /// c_d x^d + ... + c_1 x + c_0. The coefficients, those of each channel its own, are weights.
    Polynomial {
        /// d: 0 (a constant), 2 or 3.
        degree: u32,
    },
}

/// The highest degree of a polynomial.
pub const MAX_DEGREE: u32 = 3;

/// The most channels of a layer in which each may have a function or a polynomial of its own.
pub const MAX_MIXED: usize = 1 << 20;

/// The most functions of one layer.
pub const MAX_FUNCTIONS: usize = 64;

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

/// The windows of an average, and what is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Average {
    /// The windows.
    pub window: Window,
    /// How far around the image padding counts as zeros. What is beyond does not count.
    #[serde(with = "PaddingFields")]
    pub counted: Padding,
}

/// An architecture whose sizes fit together: made by a [`GraphBuilder`], which checks that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GraphFile", into = "GraphFile")]
pub struct Graph {
    name: String,
    nodes: Vec<Node>,
    dims: Vec<Dims>,
    output: NodeId,
}

impl Graph {
    /// What reports call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size of an input image.
    pub fn input(&self) -> Dims {
        self.dims[0]
    }

    /// All layers in an order in which they can run; the first is [`Op::Input`].
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The layers' places, in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// A layer.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The place of the layer with this name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.ids().find(|&id| self.node(id).name == name)
    }

    /// The layer whose result is the network's.
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// The size of a layer's result, for one image.
    pub fn dims(&self, id: NodeId) -> Dims {
        self.dims[id.0]
    }

    /// The size of a layer's first input (of the image itself for [`Op::Input`]).
    pub fn input_dims(&self, id: NodeId) -> Dims {
        let first = self.node(id).inputs.first();
        first.map_or(self.input(), |&input| self.dims(input))
    }

    /// The sizes of a linear layer over a batch, a fully connected one being the convolution of a
    /// 1x1 image with a 1x1 kernel; `None` for other layers.
    pub fn linear_shape(&self, id: NodeId, batch: usize) -> Option<ConvShape> {
        let input = self.input_dims(id);
        match &self.node(id).op {
            Op::Conv(conv) => Some(conv.shape(batch, input)),
            Op::Dense(dense) => Some(Conv::square(dense.out, 1).shape(batch, input)),
            _ => None,
        }
    }

    /// For every layer whether all its values are 1 or -1: a sign's, also when moved about or pooled for
    /// maxima.
    pub fn signs(&self) -> Vec<bool> {
        let mut signs: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for id in self.ids() {
            let node = self.node(id);
            let inputs = || node.inputs.iter().all(|input| signs[input.0]);
            let is_signs = match &node.op {
                Op::Activation(activation) => {
                    let channels = self.dims(id).channels;
                    activation.kind == ActivationKind::Sign
                        && activation.channels(channels) == channels
                }
                Op::MaxPool(_)
                | Op::Concat
                | Op::Slice { .. }
                | Op::Shuffle { .. }
                | Op::Reshape(_)
                | Op::Flatten => inputs(),
                _ => false,
            };
            signs.push(is_signs);
        }
        signs
    }

    /// For every layer whether its values are only moved about or compared before their signs are taken.
    pub fn signs_follow(&self) -> Vec<bool> {
        let mut follow = vec![true; self.nodes.len()];
        follow[self.output.0] = false;
        for id in self.ids().rev() {
            let node = self.node(id);
            let signs = match &node.op {
                Op::Activation(activation) => *activation == Activation::full(ActivationKind::Sign),
                Op::MaxPool(_)
                | Op::Concat
                | Op::Slice { .. }
                | Op::Shuffle { .. }
                | Op::Reshape(_)
                | Op::Flatten => follow[id.0],
                _ => false,
            };
            node.inputs.iter().for_each(|input| follow[input.0] &= signs);
        }
        follow
    }

    /// The sizes of a pooling layer over a batch; `None` for other layers.
    pub fn pool_shape(&self, id: NodeId, batch: usize) -> Option<PoolShape> {
        let input = self.input_dims(id);
        match &self.node(id).op {
            Op::MaxPool(window) => Some(window.shape(batch, input)),
            Op::AvgPool(average) => Some(average.window.shape(batch, input)),
            Op::GlobalAvgPool => Some(Window::whole(input).shape(batch, input)),
            _ => None,
        }
    }

    /// How far around the image padding counts as zeros in an average; not at all in other layers.
    pub fn counted_padding(&self, id: NodeId) -> Padding {
        match &self.node(id).op {
            Op::AvgPool(average) => average.counted,
            _ => Padding::NONE,
        }
    }

    /// How many layers use each layer's result, in order; revealing the output counts as a use.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for input in self.nodes.iter().flat_map(|node| &node.inputs) {
            uses[input.0] += 1;
        }
        uses[self.output.0] += 1;
        uses
    }

    /// Checks that a batch is neither empty nor beyond [`MAX_BATCH`].
    ///
    /// # Errors
    /// [`Error::Batch`].
    pub fn check_batch(&self, batch: usize) -> Result<()> {
        if (1..=MAX_BATCH).contains(&batch) {
            return Ok(());
        }
        Err(Error::Batch { batch, max: MAX_BATCH })
    }

    /// BLAKE3 of everything that the parties must agree on: the input's size and every layer's
    /// name (it is the tag of its messages), operation and inputs. Not the graph's own name, nor
    /// what only concerns the weights file. Equal on every machine and in every run.
    pub fn hash(&self) -> blake3::Hash {
        blake3::hash(&self.canonical())
    }

    pub(crate) fn from_parts(
        name: String,
        nodes: Vec<Node>,
        dims: Vec<Dims>,
        output: NodeId,
    ) -> Graph {
        Graph { name, nodes, dims, output }
    }

    /// Texts and lists are preceded by their lengths and operations by their names, so no two
    /// architectures have the same bytes.
    fn canonical(&self) -> Vec<u8> {
        let mut out = Canonical(Vec::new());
        out.text("tercet graph 2");
        out.dims(self.input());
        out.number(self.nodes.len());
        for node in &self.nodes {
            out.text(&node.name);
            out.op(&node.op);
            out.number(node.inputs.len());
            node.inputs.iter().for_each(|input| out.number(input.0));
        }
        out.number(self.output.0);
        out.0
    }
}

impl NodeId {
    /// The place in [`Graph::nodes`].
    pub const fn index(self) -> usize {
        self.0
    }

    pub(crate) const fn new(index: usize) -> NodeId {
        NodeId(index)
    }
}

impl Dims {
    /// An image of so many channels, rows and columns.
    pub const fn new(channels: usize, height: usize, width: usize) -> Dims {
        Dims { channels, height, width }
    }

    /// A vector.
    pub const fn flat(len: usize) -> Dims {
        Dims::new(len, 1, 1)
    }

    /// Values of one channel.
    pub const fn plane(self) -> usize {
        self.height * self.width
    }

    /// Values in all.
    pub const fn len(self) -> usize {
        self.channels * self.plane()
    }

    /// Whether there are no values.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

impl FromStr for Dims {
    type Err = Error;

    fn from_str(text: &str) -> Result<Dims> {
        let sizes: Option<Vec<usize>> =
            text.split('x').map(|size| size.parse().ok().filter(|&size| size > 0)).collect();
        match sizes.as_deref() {
            Some(&[channels, height, width]) => Ok(Dims::new(channels, height, width)),
            _ => Err(Error::Dims { text: text.into() }),
        }
    }
}

impl Op {
    /// The name in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Op::Input => "input",
            Op::Conv(Conv { binary: true, .. }) => "binary-conv",
            Op::Conv(_) => "conv",
            Op::Dense(Dense { binary: true, .. }) => "binary-dense",
            Op::Dense(_) => "dense",
            Op::Activation(activation) => activation.kind.name(),
            Op::Mix(_) => "mix",
            Op::MaxPool(_) => "maxpool",
            Op::AvgPool(_) => "avgpool",
            Op::GlobalAvgPool => "global-avgpool",
            Op::Add => "add",
            Op::Concat => "concat",
            Op::Slice { .. } => "slice",
            Op::Shuffle { .. } => "shuffle",
            Op::Flatten => "flatten",
            Op::Reshape(_) => "reshape",
        }
    }
}

impl Op {
    /// What an activation does to which of so many channels, every function once; empty for other layers.
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
            Op::Activation(activation) => {
                let active = activation.channels(channels);
                add(Some(activation.kind), 0..active);
                if active < channels {
                    add(None, active..channels);
                }
            }
            Op::Mix(runs) => {
                let mut start = 0;
                for run in runs {
                    add(run.kind, start..start + run.channels);
                    start += run.channels;
                }
            }
            _ => {}
        }
        portions
    }

    /// The functions of an activation; none for other layers.
    pub fn kinds(&self) -> impl Iterator<Item = ActivationKind> + '_ {
        let (one, several) = match self {
            Op::Activation(activation) => (Some(activation.kind), &[][..]),
            Op::Mix(runs) => (None, &runs[..]),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(several.iter().filter_map(|run| run.kind))
    }

    /// The degrees of an activation's polynomials, one for each channel that has one, in order.
    pub fn degrees(&self, channels: usize) -> Vec<u32> {
        let degree = |kind| match kind {
            Some(ActivationKind::Polynomial { degree }) => Some(degree),
            _ => None,
        };
        let of = |portion: &Portion| {
            let degree = degree(portion.kind);
            let channels = portion.channels.iter().cloned().flatten();
            channels.filter_map(move |channel| Some((channel, degree?))).collect::<Vec<_>>()
        };
        let mut degrees: Vec<_> = self.portions(channels).iter().flat_map(of).collect();
        degrees.sort_unstable();
        degrees.into_iter().map(|(_, degree)| degree).collect()
    }

    /// Whether the layer is linear with weights of 1 and -1.
    pub fn is_binary(&self) -> bool {
        matches!(self, Op::Conv(Conv { binary: true, .. }) | Op::Dense(Dense { binary: true, .. }))
    }
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

impl Activation {
    /// The function on all channels.
    pub const fn full(kind: ActivationKind) -> Activation {
        Activation { kind, ratio: 1.0 }
    }

    /// How many of these channels the function is applied to: ceil(q c).
    pub fn channels(&self, channels: usize) -> usize {
        // 0.1 * 30 is a little above 3 in binary: what is nearly whole is meant to be whole.
        ((self.ratio * channels as f64 - 1e-9).ceil() as usize).clamp(1, channels)
    }
}

impl ActivationKind {
    /// The name in reports and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            ActivationKind::Relu => "relu",
            ActivationKind::Relu6 => "relu6",
            ActivationKind::LeakyRelu { .. } => "leaky-relu",
            ActivationKind::Square => "square",
            ActivationKind::Cube => "cube",
            ActivationKind::Sign => "sign",
            ActivationKind::Sigmoid => "sigmoid",
            ActivationKind::Tanh => "tanh",
            ActivationKind::Polynomial { degree: 0 } => "polynomial-0",
            ActivationKind::Polynomial { degree: 2 } => "polynomial-2",
            ActivationKind::Polynomial { .. } => "polynomial-3",
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
    /// All padding counts.
    fn from(window: Window) -> Average {
        Average { window, counted: window.padding }
    }
}

/// A graph as it is stored; reading one goes through the builder's checks.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphFile {
    name: String,
    input: Dims,
    nodes: Vec<Node>,
    output: NodeId,
}

impl From<Graph> for GraphFile {
    fn from(graph: Graph) -> GraphFile {
        GraphFile {
            input: graph.input(),
            name: graph.name,
            nodes: graph.nodes,
            output: graph.output,
        }
    }
}

impl TryFrom<GraphFile> for Graph {
    type Error = Error;

    fn try_from(file: GraphFile) -> Result<Graph> {
        let mut builder = GraphBuilder::new(&file.name, file.input)?;
        let mut nodes = file.nodes.into_iter();
        let first = nodes.next();
        if !first.is_some_and(|node| node == Node::input()) {
            let (graph, what) = (file.name, "its first node is not the input");
            return Err(Error::Graph { graph, what });
        }
        for node in nodes {
            builder.push(node)?;
        }
        builder.finish(file.output)
    }
}

impl Node {
    pub(crate) fn input() -> Node {
        Node { name: INPUT.into(), op: Op::Input, inputs: Vec::new(), batch_norm: None }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// How [`Padding`] is stored.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Padding", deny_unknown_fields)]
struct PaddingFields {
    top: usize,
    left: usize,
    bottom: usize,
    right: usize,
}

struct Canonical(Vec<u8>);

impl Canonical {
    fn number(&mut self, number: usize) {
        self.0.extend((number as u64).to_le_bytes());
    }

    fn numbers<const N: usize>(&mut self, numbers: [usize; N]) {
        numbers.into_iter().for_each(|number| self.number(number));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend(text.as_bytes());
    }

    fn dims(&mut self, dims: Dims) {
        self.numbers([dims.channels, dims.height, dims.width]);
    }

    fn padding(&mut self, padding: Padding) {
        self.numbers([padding.top, padding.left, padding.bottom, padding.right]);
    }

    fn window(&mut self, window: &Window) {
        self.numbers([window.size.0, window.size.1]);
        self.numbers([window.stride.0, window.stride.1]);
        self.padding(window.padding);
    }

    fn slope(&mut self, kind: ActivationKind) {
        if let ActivationKind::LeakyRelu { slope } = kind {
            self.0.extend(slope.to_bits().to_le_bytes());
        }
    }

    fn op(&mut self, op: &Op) {
        self.text(op.name());
        match op {
            Op::Conv(conv) => {
                self.numbers([conv.out_channels, conv.groups]);
                for (rows, columns) in [conv.kernel, conv.stride, conv.dilation] {
                    self.numbers([rows, columns]);
                }
                self.padding(conv.padding);
            }
            Op::Dense(dense) => self.number(dense.out),
            Op::Activation(activation) => {
                self.0.extend(activation.ratio.to_bits().to_le_bytes());
                self.slope(activation.kind);
            }
            Op::Mix(runs) => {
                self.number(runs.len());
                for run in runs {
                    self.text(run.kind.map_or("none", ActivationKind::name));
                    self.number(run.channels);
                    run.kind.into_iter().for_each(|kind| self.slope(kind));
                }
            }
            Op::MaxPool(window) => self.window(window),
            Op::AvgPool(average) => {
                self.window(&average.window);
                self.padding(average.counted);
            }
            &Op::Reshape(dims) => self.dims(dims),
            &Op::Slice { start, end } => self.numbers([start, end]),
            &Op::Shuffle { groups } => self.number(groups),
            Op::Input | Op::GlobalAvgPool | Op::Add | Op::Concat | Op::Flatten => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_nets;

    #[test]
    fn sizes_parse_and_print() {
        assert_eq!("3x32x16".parse::<Dims>().unwrap(), Dims::new(3, 32, 16));
        assert_eq!(Dims::new(3, 32, 16).to_string(), "3x32x16");
        for text in ["3x32", "3x32x32x1", "0x1x1", "ax1x1", ""] {
            let error = text.parse::<Dims>().unwrap_err().to_string();
            assert!(error.contains("3x32x32"), "{error}");
        }
    }

    #[test]
    fn partial_activations_round_up() {
        let channels = |ratio, channels| {
            let activation = Activation { ratio, ..Activation::full(ActivationKind::Relu) };
            activation.channels(channels)
        };
        assert_eq!(channels(1.0, 7), 7);
        assert_eq!(channels(0.5, 7), 4);
        assert_eq!(channels(0.1, 30), 3);
        assert_eq!(channels(0.001, 30), 1);
    }

    #[test]
    fn the_hash_never_changes() {
        // A change here means that parties of different versions cannot talk: bump the version in
        // the canonical form on purpose, never by accident.
        for (graph, expected) in [
            (test_nets::tiny(), "3fcd1a7399c9855d385b6f67d5f06b141f60fd0f02c152db20d4cacdddf30067"),
            (
                test_nets::everything(),
                "105ca949c6b25b9fef7cd17df4738294a3e8876447634268fe3ec36876516152",
            ),
        ] {
            assert_eq!(graph.hash().to_hex().as_str(), expected);
        }
    }

    #[test]
    fn the_hash_covers_the_computation_and_nothing_else() {
        let graph = test_nets::everything();
        let hash = graph.hash();
        let mut renamed = graph.clone();
        renamed.name = "other".into();
        renamed.nodes[1].batch_norm = Some("bn".into());
        assert_eq!(renamed.hash(), hash);

        let mut changed: Vec<Graph> = Vec::new();
        for index in 0..graph.nodes.len() {
            let mut other = graph.clone();
            other.nodes[index].name.push('x');
            changed.push(other);
            let mut other = graph.clone();
            other.nodes[index].op = match graph.nodes[index].op.clone() {
                Op::Input => Op::Flatten,
                Op::Conv(conv) => {
                    Op::Conv(Conv { stride: (conv.stride.0, conv.stride.1 + 1), ..conv })
                }
                Op::Dense(dense) => Op::Dense(Dense { out: dense.out + 1, ..dense }),
                Op::Activation(activation) => {
                    Op::Activation(Activation { ratio: activation.ratio.next_down(), ..activation })
                }
                Op::Mix(mut runs) => {
                    runs[0].kind = Some(ActivationKind::Cube);
                    Op::Mix(runs)
                }
                Op::MaxPool(window) => Op::AvgPool(window.into()),
                Op::AvgPool(Average { window, counted }) => Op::AvgPool(Average {
                    window,
                    counted: Padding { right: counted.right + 1, ..counted },
                }),
                Op::GlobalAvgPool => Op::Flatten,
                Op::Add => Op::Concat,
                Op::Concat => Op::Add,
                Op::Slice { start, end } => Op::Slice { start, end: end + 1 },
                Op::Shuffle { groups } => Op::Shuffle { groups: groups + 1 },
                Op::Flatten => Op::GlobalAvgPool,
                Op::Reshape(dims) => Op::Reshape(Dims::new(dims.height, dims.channels, dims.width)),
            };
            changed.push(other);
        }
        let mut other = graph.clone();
        other.dims[0].height += 1;
        changed.push(other);
        let mut other = graph.clone();
        other.output = NodeId(1);
        changed.push(other);
        let mut hashes: Vec<_> = changed.iter().map(|graph| *graph.hash().as_bytes()).collect();
        hashes.push(*hash.as_bytes());
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn graphs_survive_json_and_bad_ones_do_not() {
        let graph = test_nets::everything();
        let text = serde_json::to_string(&graph).unwrap();
        let read: Graph = serde_json::from_str(&text).unwrap();
        assert_eq!(read, graph);
        assert_eq!(read.hash(), graph.hash());

        let mut value = serde_json::to_value(&graph).unwrap();
        value["nodes"][1]["inputs"][0] = 999.into();
        let error = serde_json::from_value::<Graph>(value).unwrap_err().to_string();
        assert!(error.contains("999"), "{error}");

        let mut value = serde_json::to_value(&graph).unwrap();
        value["nodes"][0]["op"] = "flatten".into();
        assert!(serde_json::from_value::<Graph>(value).is_err());

        let mut value = serde_json::to_value(&graph).unwrap();
        value["output"] = 999.into();
        assert!(serde_json::from_value::<Graph>(value).is_err());
    }

    #[test]
    fn batches_have_limits() {
        let graph = test_nets::tiny();
        assert!(graph.check_batch(1).is_ok() && graph.check_batch(MAX_BATCH).is_ok());
        assert!(graph.check_batch(0).is_err() && graph.check_batch(MAX_BATCH + 1).is_err());
    }
}
