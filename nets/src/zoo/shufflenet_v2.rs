//! ShuffleNetV2 at width 1x (Ma et al., 2018) for small images: the first convolution has stride 1
//! and no pool follows. Tensor names are torchvision's.

use fixedpoint::Padding;

use super::{
    options::Options,
    ratios::{Block, Published, Ratios},
};
use crate::{
    error::Result,
    graph::{Conv, Graph, GraphBuilder, NodeId},
};

pub(super) const NAME: &str = Published::ShuffleNetV2.name();

const STEM: usize = 24;
const HEAD: usize = 1024;

/// For each stage: its number in torchvision, the number of units, and the channels of their
/// outputs.
const STAGES: [(usize, usize, usize); 3] = [(2, 4, 116), (3, 8, 232), (4, 4, 464)];

/// ShuffleNetV2 with these ratios. A block is a unit; its first activation follows the first 1x1
/// convolution, its second the last 1x1 convolution of either branch. Doubling doubles the outputs
/// of the units if the first activation is kept, otherwise the first 1x1 and the depthwise
/// convolution.
///
/// # Errors
/// [`crate::Error::Node`] for images too small, [`crate::Error::Plan`].
pub(super) fn shufflenet_v2(options: &Options, ratios: &Ratios) -> Result<Graph> {
    ratios.check(STAGES.iter().map(|(_, units, _)| units).sum())?;
    let mut net = GraphBuilder::new(NAME, options.input)?;
    let x = net.input();
    let x = net.conv_bn("conv1.0", "conv1.1", x, spatial(STEM, 1, 1))?;
    let mut x = ratios.outside().add(&mut net, "conv1.2", x)?;
    let (inner_width, unit_width) =
        if ratios.first > 0.0 { (1, ratios.width()) } else { (ratios.width(), 1) };
    let mut block = 0;
    for (stage, units, channels) in STAGES {
        for place in 0..units {
            let half = channels * unit_width / 2;
            let unit = Unit {
                name: format!("stage{stage}.{place}"),
                half,
                inner: half * inner_width,
                activations: ratios.block(block),
            };
            x = if place == 0 { unit.reduce(&mut net, x)? } else { unit.keep(&mut net, x)? };
            block += 1;
        }
    }
    let x = net.conv_bn("conv5.0", "conv5.1", x, Conv::square(HEAD, 1))?;
    let x = ratios.outside().add(&mut net, "conv5.2", x)?;
    let x = net.global_avg_pool("mean", x)?;
    let x = net.dense("fc", x, options.classes)?;
    net.finish(x)
}

struct Unit {
    name: String,
    half: usize,
    inner: usize,
    activations: Block,
}

impl Unit {
    /// A unit that halves the image and takes all channels into both branches.
    fn reduce(&self, net: &mut GraphBuilder, x: NodeId) -> Result<NodeId> {
        let channels = net.dims(x).channels;
        let conv = spatial(channels, 2, channels);
        let y = net.conv_bn(&self.at("branch1.0"), &self.at("branch1.1"), x, conv)?;
        let conv = Conv::square(self.half, 1);
        let y = net.conv_bn(&self.at("branch1.2"), &self.at("branch1.3"), y, conv)?;
        let left = self.activations.second.add(net, &self.at("branch1.4"), y)?;
        let right = self.branch2(net, x, 2)?;
        self.join(net, left, right)
    }

    /// A unit that passes half of the channels unchanged and transforms the others.
    fn keep(&self, net: &mut GraphBuilder, x: NodeId) -> Result<NodeId> {
        let channels = net.dims(x).channels;
        let left = net.slice(&self.at("pass"), x, 0, channels / 2)?;
        let right = net.slice(&self.at("split"), x, channels / 2, channels)?;
        let right = self.branch2(net, right, 1)?;
        self.join(net, left, right)
    }

    fn branch2(&self, net: &mut GraphBuilder, x: NodeId, stride: usize) -> Result<NodeId> {
        let conv = Conv::square(self.inner, 1);
        let x = net.conv_bn(&self.at("branch2.0"), &self.at("branch2.1"), x, conv)?;
        let x = self.activations.first.add(net, &self.at("branch2.2"), x)?;
        let conv = spatial(self.inner, stride, self.inner);
        let x = net.conv_bn(&self.at("branch2.3"), &self.at("branch2.4"), x, conv)?;
        let conv = Conv::square(self.half, 1);
        let x = net.conv_bn(&self.at("branch2.5"), &self.at("branch2.6"), x, conv)?;
        self.activations.second.add(net, &self.at("branch2.7"), x)
    }

    fn join(&self, net: &mut GraphBuilder, left: NodeId, right: NodeId) -> Result<NodeId> {
        let x = net.concat(&self.at("concat"), &[left, right])?;
        net.shuffle(&self.at("shuffle"), x, 2)
    }

    fn at(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }
}

/// A 3x3 convolution with "same" padding.
fn spatial(out_channels: usize, stride: usize, groups: usize) -> Conv {
    let stride = (stride, stride);
    Conv { stride, groups, padding: Padding::same(1), ..Conv::square(out_channels, 3) }
}
