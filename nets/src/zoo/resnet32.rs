//! ResNet-32 for small images (He, Zhang, Ren, Sun, CVPR 2016, section 4.2), which Delphi and
//! SAFENet run on CIFAR-100.

use fixedpoint::Padding;

use super::options::Options;
use crate::{
    error::Result,
    graph::{Conv, Graph, GraphBuilder, NodeId},
};

pub(super) const NAME: &str = "resnet-32";

/// The number of blocks of each stage.
const BLOCKS: usize = 5;

/// The channels of each stage.
const STAGES: [usize; 3] = [16, 32, 64];

/// A 3x3 convolution, three stages of five blocks with two convolutions each, an average and a
/// dense layer. In a block that halves the image, the shortcut is a 1x1 convolution.
///
/// # Errors
/// [`crate::Error::Node`].
pub(super) fn resnet32(options: &Options) -> Result<Graph> {
    let mut net = GraphBuilder::new(NAME, options.input)?;
    let x = net.input();
    let x = conv(&mut net, "conv1", "bn1", x, (STAGES[0], 3, 1))?;
    let mut x = net.relu("relu1", x)?;
    let mut channels = STAGES[0];
    for (stage, wide) in (1..).zip(STAGES) {
        for block in 0..BLOCKS {
            let name = |part: &str| format!("layer{stage}.{block}.{part}");
            let stride = if wide == channels { 1 } else { 2 };
            let y = conv(&mut net, &name("conv1"), &name("bn1"), x, (wide, 3, stride))?;
            let y = net.relu(&name("relu1"), y)?;
            let y = conv(&mut net, &name("conv2"), &name("bn2"), y, (wide, 3, 1))?;
            let shortcut = if stride == 1 {
                x
            } else {
                let (conv_name, bn) = (name("downsample.0"), name("downsample.1"));
                conv(&mut net, &conv_name, &bn, x, (wide, 1, stride))?
            };
            let sum = net.add(&name("add"), y, shortcut)?;
            x = net.relu(&name("relu2"), sum)?;
            channels = wide;
        }
    }
    let x = net.global_avg_pool("avgpool", x)?;
    let x = net.flatten("flatten", x)?;
    let x = net.dense("fc", x, options.classes)?;
    net.finish(x)
}

fn conv(
    net: &mut GraphBuilder,
    name: &str,
    batch_norm: &str,
    x: NodeId,
    (channels, kernel, stride): (usize, usize, usize),
) -> Result<NodeId> {
    let padding = Padding::same(kernel / 2);
    let conv = Conv { padding, stride: (stride, stride), ..Conv::square(channels, kernel) };
    net.conv_bn(name, batch_norm, x, conv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph::Dims, test_nets};

    #[test]
    fn it_has_32_layers_and_the_published_parameters() {
        let net = resnet32(&Options::new(Dims::new(3, 32, 32), 10)).unwrap();
        let linear = net.ids().filter(|&id| net.linear_shape(id, 1).is_some());
        // Two shortcuts beside the 32 layers.
        assert_eq!(linear.count(), 32 + 2);
        let totals = test_nets::securenn_cost(&net).totals();
        // 0.46 M, and the shortcuts.
        assert!((460_000..475_000).contains(&totals.parameters), "{}", totals.parameters);
    }
}
