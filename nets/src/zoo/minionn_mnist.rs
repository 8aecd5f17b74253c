//! The CNN for MNIST of MiniONN (Liu, Juuti, Lu, Asokan, CCS 2017, Figure 12), which is network C
//! of SecureNN.

use super::options::Options;
use crate::{
    error::Result,
    graph::{Conv, Graph, GraphBuilder, Window},
};

pub(super) const NAME: &str = "minionn-mnist";

/// Conv 5x5 (16), ReLU, max pool, conv 5x5 (16), ReLU, max pool, dense (100), ReLU, dense
/// (classes), without padding.
///
/// # Errors
/// [`crate::Error::Node`] for images below 16x16.
pub(super) fn minionn_mnist(options: &Options) -> Result<Graph> {
    let mut net = GraphBuilder::new(NAME, options.input)?;
    let conv = Conv { bias: true, ..Conv::square(16, 5) };
    let x = net.input();
    let x = net.conv("conv1", x, conv)?;
    let x = net.relu("relu1", x)?;
    let x = net.max_pool("pool1", x, Window::square(2))?;
    let x = net.conv("conv2", x, conv)?;
    let x = net.relu("relu2", x)?;
    let x = net.max_pool("pool2", x, Window::square(2))?;
    let x = net.flatten("flatten", x)?;
    let x = net.dense("fc1", x, 100)?;
    let x = net.relu("relu3", x)?;
    let x = net.dense("fc2", x, options.classes)?;
    net.finish(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;

    #[test]
    fn sizes_are_those_of_the_publication() {
        let net = minionn_mnist(&Options::new(Dims::new(1, 28, 28), 10)).unwrap();
        let dims = |name| net.dims(net.find(name).unwrap());
        assert_eq!(dims("conv1"), Dims::new(16, 24, 24));
        assert_eq!(dims("conv2"), Dims::new(16, 8, 8));
        assert_eq!(dims("flatten"), Dims::flat(256));
    }
}
