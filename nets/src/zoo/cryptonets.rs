//! The CNN for MNIST of CryptoNets (Gilad-Bachrach, Dowlin, Laine, Lauter, Naehrig, Wernsing, ICML
//! 2016), in the form of MiniONN (Liu, Juuti, Lu, Asokan, CCS 2017, Figure 11), in which the mean
//! pools and linear layers between two squares are one linear layer.

use fixedpoint::Padding;

use super::options::Options;
use crate::{
    error::Result,
    graph::{ActivationKind, Conv, Graph, GraphBuilder},
};

pub(super) const NAME: &str = "cryptonets";

/// Conv 5x5 with stride 2 (5 channels), square, dense (100), square, dense (classes).
///
/// # Errors
/// [`crate::Error::Node`] for images below 3x3.
pub(super) fn cryptonets(options: &Options) -> Result<Graph> {
    let mut net = GraphBuilder::new(NAME, options.input)?;
    let square = ActivationKind::Square;
    let conv = Conv { stride: (2, 2), padding: Padding::same(1), bias: true, ..Conv::square(5, 5) };
    let x = net.conv("conv1", net.input(), conv)?;
    let x = net.function("square1", x, square)?;
    let x = net.flatten("flatten", x)?;
    let x = net.dense("fc1", x, 100)?;
    let x = net.function("square2", x, square)?;
    let x = net.dense("fc2", x, options.classes)?;
    net.finish(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;

    #[test]
    fn sizes_are_those_of_the_publication() {
        let net = cryptonets(&Options::new(Dims::new(1, 28, 28), 10)).unwrap();
        let dims = |name| net.dims(net.find(name).unwrap());
        assert_eq!(dims("conv1"), Dims::new(5, 13, 13));
        assert_eq!(dims("flatten"), Dims::flat(845));
    }
}
