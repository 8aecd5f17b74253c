//! VGG-16 for small images (Simonyan, Zisserman, 2014, configuration D) with one hidden dense layer
//! of 512, as SAFENet runs it on CIFAR-10.

use fixedpoint::Padding;

use super::options::Options;
use crate::{
    error::Result,
    graph::{Conv, Graph, GraphBuilder, Window},
};

pub(super) const NAME: &str = "vgg-16";

/// The channels of the convolutions of each stage; a max pool follows each stage.
const STAGES: [&[usize]; 5] =
    [&[64, 64], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]];

/// Thirteen 3x3 convolutions in five stages, and two dense layers.
///
/// # Errors
/// [`crate::Error::Node`] for images below 32x32.
pub(super) fn vgg16(options: &Options) -> Result<Graph> {
    let mut net = GraphBuilder::new(NAME, options.input)?;
    let mut x = net.input();
    for (stage, widths) in (1..).zip(STAGES) {
        for (place, &channels) in (1..).zip(widths) {
            let name = |part: &str| format!("{part}{stage}_{place}");
            let conv = Conv { padding: Padding::same(1), ..Conv::square(channels, 3) };
            x = net.conv_bn(&name("conv"), &name("bn"), x, conv)?;
            x = net.relu(&name("relu"), x)?;
        }
        x = net.max_pool(&format!("pool{stage}"), x, Window::square(2))?;
    }
    let x = net.flatten("flatten", x)?;
    let x = net.dense("fc1", x, 512)?;
    let x = net.relu("relu_fc1", x)?;
    let x = net.dense("fc2", x, options.classes)?;
    net.finish(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;

    #[test]
    fn sizes_are_those_of_the_publication() {
        let net = vgg16(&Options::new(Dims::new(3, 32, 32), 10)).unwrap();
        let dims = |name| net.dims(net.find(name).unwrap());
        assert_eq!(dims("conv4_1"), Dims::new(512, 4, 4));
        assert_eq!(dims("flatten"), Dims::flat(512));
        let linear = net.ids().filter(|&id| net.linear_shape(id, 1).is_some());
        assert_eq!(linear.count(), 15);
    }
}
