//! A small net for small images: two convolutions with batch norm and two fully connected layers.

use fixedpoint::Padding;

use super::options::Options;
use crate::{
    error::Result,
    graph::{Conv, Graph, GraphBuilder, Window},
};

pub(super) const NAME: &str = "digits-cnn";

/// Conv 3x3 (16), ReLU, max pool, conv 3x3 (32), ReLU, max pool, dense (64), ReLU, dense (classes).
///
/// # Errors
/// [`crate::Error::Node`] for images below 4x4, which the second pool cannot halve.
pub(super) fn digits_cnn(options: &Options) -> Result<Graph> {
    let mut net = GraphBuilder::new(NAME, options.input)?;
    let same_3x3 =
        |out_channels| Conv { padding: Padding::same(1), ..Conv::square(out_channels, 3) };
    let x = net.input();
    let x = net.conv_bn("conv1", "bn1", x, same_3x3(16))?;
    let x = net.relu("relu1", x)?;
    let x = net.max_pool("pool1", x, Window::square(2))?;
    let x = net.conv_bn("conv2", "bn2", x, same_3x3(32))?;
    let x = net.relu("relu2", x)?;
    let x = net.max_pool("pool2", x, Window::square(2))?;
    let x = net.flatten("flatten", x)?;
    let x = net.dense("fc1", x, 64)?;
    let x = net.relu("relu3", x)?;
    let x = net.dense("fc2", x, options.classes)?;
    net.finish(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;

    #[test]
    fn sizes_follow_the_image() {
        let graph = |input| digits_cnn(&Options::new(input, 10));
        let net = graph(Dims::new(1, 8, 8)).unwrap();
        let flat = net.dims(net.find("flatten").unwrap());
        assert_eq!(flat, Dims::flat(128));
        let net = graph(Dims::new(3, 9, 14)).unwrap();
        let flat = net.dims(net.find("flatten").unwrap());
        assert_eq!(flat, Dims::flat(32 * 2 * 3));
        let error = graph(Dims::new(1, 3, 3)).unwrap_err().to_string();
        assert!(error.contains("'pool2'"), "{error}");
    }
}
