//! SqueezeNet 1.0 (Iandola et al., 2016) for small images: the first convolution is 3x3 with stride
//! 1, pools are 2x2 with stride 2, the first one right after conv1. Tensor names are torchvision's.

use fixedpoint::Padding;

use super::{
    options::Options,
    ratios::{Published, Ratios, Site},
};
use crate::{
    error::Result,
    graph::{Conv, Graph, GraphBuilder, NodeId},
};

pub(super) const NAME: &str = Published::SqueezeNet.name();

/// The entries of torchvision's `features` from 3 on.
const FEATURES: [Feature; 10] = [
    Feature::Fire { squeeze: 16, expand: 64 },
    Feature::Fire { squeeze: 16, expand: 64 },
    Feature::Fire { squeeze: 32, expand: 128 },
    Feature::Pool,
    Feature::Fire { squeeze: 32, expand: 128 },
    Feature::Fire { squeeze: 48, expand: 192 },
    Feature::Fire { squeeze: 48, expand: 192 },
    Feature::Fire { squeeze: 64, expand: 256 },
    Feature::Pool,
    Feature::Fire { squeeze: 64, expand: 256 },
];

enum Feature {
    Fire { squeeze: usize, expand: usize },
    Pool,
}

/// SqueezeNet with these ratios. A block is a Fire module; its first activation follows the
/// squeeze, its second each of the two expands. Doubling doubles the expands if the first
/// activation is kept, otherwise the squeeze.
///
/// # Errors
/// [`crate::Error::Node`] for images too small for three pools, [`crate::Error::Plan`].
pub(super) fn squeezenet(options: &Options, ratios: &Ratios) -> Result<Graph> {
    let fires = |feature: &Feature| match feature {
        Feature::Fire { .. } => 1,
        Feature::Pool => 0,
    };
    ratios.check(FEATURES.iter().map(fires).sum())?;
    let mut net = GraphBuilder::new(NAME, options.input)?;
    let x = net.input();
    let x = net.conv("features.0", x, conv(96, 3))?;
    let x = ratios.outside().add(&mut net, "features.1", x)?;
    let mut x = ratios.pool(&mut net, "features.2", x)?;
    let (squeeze_width, expand_width) =
        if ratios.first > 0.0 { (1, ratios.width()) } else { (ratios.width(), 1) };
    let mut fire = 0;
    for (place, feature) in (3..).zip(&FEATURES) {
        let name = |part: &str| format!("features.{place}.{part}");
        x = match *feature {
            Feature::Pool => ratios.pool(&mut net, &format!("features.{place}"), x)?,
            Feature::Fire { squeeze, expand } => {
                let block = ratios.block(fire);
                fire += 1;
                let (squeeze, expand) = (squeeze * squeeze_width, expand * expand_width);
                let x = net.conv(&name("squeeze"), x, conv(squeeze, 1))?;
                let x = block.first.add(&mut net, &name("squeeze_act"), x)?;
                let one = branch(&mut net, &name("expand1x1"), x, conv(expand, 1), block.second)?;
                let three = branch(&mut net, &name("expand3x3"), x, conv(expand, 3), block.second)?;
                net.concat(&name("concat"), &[one, three])?
            }
        };
    }
    let x = net.conv("classifier.1", x, conv(options.classes, 1))?;
    let x = ratios.outside().add(&mut net, "classifier.2", x)?;
    let x = net.global_avg_pool("classifier.3", x)?;
    net.finish(x)
}

fn branch(
    net: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    conv: Conv,
    activation: Site,
) -> Result<NodeId> {
    let x = net.conv(name, x, conv)?;
    activation.add(net, &format!("{name}_act"), x)
}

fn conv(out_channels: usize, kernel: usize) -> Conv {
    let padding = Padding::same(kernel / 2);
    Conv { padding, bias: true, ..Conv::square(out_channels, kernel) }
}
