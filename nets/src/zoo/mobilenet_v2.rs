//! MobileNetV2 (Sandler et al., 2018) for small images: stride 1 in the first convolution and in
//! the first block of 24 channels. Tensor names are torchvision's.

use fixedpoint::Padding;

use super::{
    options::Options,
    ratios::{Block, Published, Ratios},
};
use crate::{
    error::Result,
    graph::{Conv, Graph, GraphBuilder, NodeId},
};

pub(super) const NAME: &str = Published::MobileNetV2.name();

const STEM: usize = 32;
const HEAD: usize = 1280;

/// For each group of blocks: the expansion factor, the output channels, the number of blocks, and
/// the stride of the first.
const GROUPS: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// MobileNetV2 with these ratios. A block is an inverted residual; its first activation follows the
/// expansion (the first block has none), its second the depthwise convolution. Doubling doubles the
/// outputs of the blocks, and with them the expansions that follow.
///
/// # Errors
/// [`crate::Error::Node`] for images too small, [`crate::Error::Plan`].
pub(super) fn mobilenet_v2(options: &Options, ratios: &Ratios) -> Result<Graph> {
    ratios.check(GROUPS.iter().map(|(_, _, blocks, _)| blocks).sum())?;
    let mut net = GraphBuilder::new(NAME, options.input)?;
    let x = net.input();
    let x = net.conv_bn("features.0.0", "features.0.1", x, spatial(STEM, 1, 1))?;
    let mut x = ratios.outside().add(&mut net, "features.0.2", x)?;
    let mut place = 1;
    for (expansion, channels, blocks, stride) in GROUPS {
        for block in 0..blocks {
            let stride = if block == 0 { stride } else { 1 };
            let channels = channels * ratios.width();
            let block = ratios.block(place - 1);
            let residual = InvertedResidual { place, expansion, channels, stride, block };
            x = residual.add(&mut net, x)?;
            place += 1;
        }
    }
    let name = |part: usize| format!("features.{place}.{part}");
    let x = net.conv_bn(&name(0), &name(1), x, Conv::square(HEAD, 1))?;
    let x = ratios.outside().add(&mut net, &name(2), x)?;
    let x = net.global_avg_pool("mean", x)?;
    let x = net.dense("classifier.1", x, options.classes)?;
    net.finish(x)
}

struct InvertedResidual {
    place: usize,
    expansion: usize,
    channels: usize,
    stride: usize,
    block: Block,
}

impl InvertedResidual {
    fn add(&self, net: &mut GraphBuilder, x: NodeId) -> Result<NodeId> {
        let place = self.place;
        let at = |part: &str| format!("features.{place}.conv.{part}");
        let entry = x;
        let inner = net.dims(x).channels * self.expansion;
        // Torchvision leaves out the expansion and numbers the remaining parts.
        let (x, depthwise, project) = if self.expansion == 1 {
            (x, 0, 1)
        } else {
            let x = net.conv_bn(&at("0.0"), &at("0.1"), x, Conv::square(inner, 1))?;
            (self.block.first.add(net, &at("0.2"), x)?, 1, 2)
        };
        let part = |part: usize| at(&format!("{depthwise}.{part}"));
        let x = net.conv_bn(&part(0), &part(1), x, spatial(inner, self.stride, inner))?;
        let x = self.block.second.add(net, &part(2), x)?;
        let (conv, norm) = (at(&project.to_string()), at(&(project + 1).to_string()));
        let x = net.conv_bn(&conv, &norm, x, Conv::square(self.channels, 1))?;
        if self.stride == 1 && net.dims(x) == net.dims(entry) {
            return net.add(&format!("features.{place}.add"), entry, x);
        }
        Ok(x)
    }
}

/// A 3x3 convolution with "same" padding.
fn spatial(out_channels: usize, stride: usize, groups: usize) -> Conv {
    let stride = (stride, stride);
    Conv { stride, groups, padding: Padding::same(1), ..Conv::square(out_channels, 3) }
}
