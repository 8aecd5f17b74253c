//! The CNN for CIFAR-10 of MiniONN (Liu, Juuti, Lu, Asokan, CCS 2017), which Delphi and SAFENet
//! call CNN-7 for its seven activations.

use fixedpoint::Padding;

use super::options::Options;
use crate::{
    error::Result,
    graph::{Conv, Graph, GraphBuilder, NodeId, Window},
};

pub(super) const NAME: &str = "cnn-7";

/// Two pairs of 3x3 convolutions (64) with ReLUs, a mean pool after each pair, a 3x3 convolution
/// (64), two 1x1 convolutions (64, 16), a dense layer (classes).
///
/// # Errors
/// [`crate::Error::Node`] for images below 4x4.
pub(super) fn cnn7(options: &Options) -> Result<Graph> {
    let mut net = GraphBuilder::new(NAME, options.input)?;
    let layer = |net: &mut GraphBuilder, place: usize, x: NodeId, channels, kernel: usize| {
        let padding = Padding::same(kernel / 2);
        let conv = Conv { padding, bias: true, ..Conv::square(channels, kernel) };
        let x = net.conv(&format!("conv{place}"), x, conv)?;
        net.relu(&format!("relu{place}"), x)
    };
    let x = net.input();
    let x = layer(&mut net, 1, x, 64, 3)?;
    let x = layer(&mut net, 2, x, 64, 3)?;
    let x = net.avg_pool("pool1", x, Window::square(2))?;
    let x = layer(&mut net, 3, x, 64, 3)?;
    let x = layer(&mut net, 4, x, 64, 3)?;
    let x = net.avg_pool("pool2", x, Window::square(2))?;
    let x = layer(&mut net, 5, x, 64, 3)?;
    let x = layer(&mut net, 6, x, 64, 1)?;
    let x = layer(&mut net, 7, x, 16, 1)?;
    let x = net.flatten("flatten", x)?;
    let x = net.dense("fc", x, options.classes)?;
    net.finish(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;

    #[test]
    fn sizes_are_those_of_the_publication() {
        let net = cnn7(&Options::new(Dims::new(3, 32, 32), 10)).unwrap();
        let dims = |name| net.dims(net.find(name).unwrap());
        assert_eq!(dims("relu2"), Dims::new(64, 32, 32));
        assert_eq!(dims("relu5"), Dims::new(64, 8, 8));
        assert_eq!(dims("flatten"), Dims::flat(1024));
    }
}
