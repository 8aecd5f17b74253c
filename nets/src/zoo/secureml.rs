//! The perceptron for MNIST of SecureML (Mohassel, Zhang, S&P 2017) with squares, in the form of
//! MiniONN (Liu, Juuti, Lu, Asokan, CCS 2017, Figure 10).

use super::options::Options;
use crate::{
    error::Result,
    graph::{ActivationKind, Graph, GraphBuilder},
};

pub(super) const NAME: &str = "secureml";

/// Dense (128), square, dense (128), square, dense (classes).
///
/// # Errors
/// [`crate::Error::Node`].
pub(super) fn secureml(options: &Options) -> Result<Graph> {
    let mut net = GraphBuilder::new(NAME, options.input)?;
    let square = ActivationKind::Square;
    let x = net.flatten("flatten", net.input())?;
    let x = net.dense("fc1", x, 128)?;
    let x = net.function("square1", x, square)?;
    let x = net.dense("fc2", x, 128)?;
    let x = net.function("square2", x, square)?;
    let x = net.dense("fc3", x, options.classes)?;
    net.finish(x)
}
