//! The binary nets of XONN (Riazi, Samragh, Chen, Laine, Lauter, Koushanfar, USENIX Security 2019):
//! weights and activations are 1 or -1, batch norm precedes every sign, and widths are multiplied
//! by a factor s.
//!
//! BM1 to BM3 are for MNIST (the nets of SecureML, CryptoNets and MiniONN), BC1 to BC6 for CIFAR-10
//! (MiniONN's net, the FitNets 1 to 4 of Romero et al., 2015, and VGG-16 at a quarter of its
//! width). The layers are reconstructed from the cited nets and the published bytes for each s, as
//! the publication's Table 13, which lists them, was not at hand. In a garbled circuit, a binary
//! layer costs 32 bytes per multiplication; with these layers, the published gigabytes follow
//! within 6 % (`tests::sizes_agree_with_the_published_bytes`).
//!
//! The last layer has real weights, as no sign follows it. The publication only says that its
//! largest output is the result.

use fixedpoint::Padding;

use super::options::Options;
use crate::{
    error::Result,
    graph::{ActivationKind, Conv, Dense, Graph, GraphBuilder, Linear, NodeId, Window},
};

/// A layer of a binary net; channels and lengths are multiplied by s.
#[derive(Clone, Copy, Debug)]
enum Layer {
    /// A convolution, batch norm and sign.
    Conv { channels: usize, kernel: usize, stride: usize, padding: usize },
    /// A fully connected layer, batch norm and sign.
    Dense(usize),
    /// A max pool with windows of 2x2.
    Pool,
}

/// A binary net.
pub(super) struct Xonn {
    /// Its name.
    pub(super) name: &'static str,
    layers: &'static [Layer],
}

/// All binary nets.
pub(super) const NETS: [Xonn; 10] = [
    Xonn { name: "xonn-bm1", layers: &[Layer::Dense(128), Layer::Dense(128)] },
    Xonn {
        name: "xonn-bm2",
        layers: &[Layer::Conv { channels: 5, kernel: 5, stride: 2, padding: 1 }, Layer::Dense(100)],
    },
    Xonn {
        name: "xonn-bm3",
        layers: &[valid(16, 5), Layer::Pool, valid(16, 5), Layer::Pool, Layer::Dense(100)],
    },
    Xonn {
        name: "xonn-bc1",
        layers: &[
            valid(64, 3),
            valid(64, 3),
            Layer::Pool,
            valid(64, 3),
            valid(64, 3),
            Layer::Pool,
            valid(64, 3),
            valid(64, 1),
            valid(16, 1),
        ],
    },
    Xonn {
        name: "xonn-bc2",
        layers: &[
            same(16),
            same(16),
            same(16),
            Layer::Pool,
            same(32),
            same(32),
            same(32),
            Layer::Pool,
            valid(48, 3),
            valid(48, 3),
            valid(64, 3),
            Layer::Pool,
        ],
    },
    Xonn {
        name: "xonn-bc3",
        layers: &[
            same(16),
            same(32),
            same(32),
            Layer::Pool,
            same(48),
            same(64),
            same(80),
            Layer::Pool,
            valid(96, 3),
            valid(96, 3),
            valid(128, 3),
            Layer::Pool,
        ],
    },
    Xonn {
        name: "xonn-bc4",
        layers: &[
            same(32),
            same(48),
            same(64),
            same(64),
            Layer::Pool,
            same(80),
            same(80),
            same(80),
            same(80),
            Layer::Pool,
            valid(128, 3),
            valid(128, 3),
            valid(128, 3),
            Layer::Pool,
        ],
    },
    Xonn {
        name: "xonn-bc5",
        layers: &[
            same(32),
            same(32),
            same(32),
            same(48),
            same(48),
            Layer::Pool,
            same(80),
            same(80),
            same(80),
            same(80),
            same(80),
            same(80),
            Layer::Pool,
            same(128),
            same(128),
            same(128),
            valid(128, 3),
            valid(128, 3),
            valid(128, 3),
            Layer::Pool,
        ],
    },
    Xonn {
        name: "xonn-bc6",
        layers: &[
            same(16),
            same(16),
            Layer::Pool,
            same(32),
            same(32),
            Layer::Pool,
            same(64),
            same(64),
            same(64),
            Layer::Pool,
            same(128),
            same(128),
            same(128),
            Layer::Pool,
            same(128),
            same(128),
            same(128),
            Layer::Pool,
        ],
    },
    // For the Breast Cancer Wisconsin data.
    Xonn { name: "xonn-cancer", layers: &[Layer::Dense(16), Layer::Dense(16)] },
];

const fn same(channels: usize) -> Layer {
    Layer::Conv { channels, kernel: 3, stride: 1, padding: 1 }
}

const fn valid(channels: usize, kernel: usize) -> Layer {
    Layer::Conv { channels, kernel, stride: 1, padding: 0 }
}

impl Xonn {
    /// The net with widths multiplied by [`Options::scale`].
    ///
    /// # Errors
    /// [`crate::Error::Node`] for images that are too small.
    pub(super) fn build(&self, options: &Options) -> Result<Graph> {
        let mut net = Builder { net: GraphBuilder::new(self.name, options.input)?, signs: 0 };
        let scaled = |width: usize| ((width as f64 * options.scale).round() as usize).max(1);
        let (mut convs, mut denses, mut pools) = (0, 0, 0);
        let mut x = net.net.input();
        for layer in self.layers {
            x = match *layer {
                Layer::Conv { channels, kernel, stride, padding } => {
                    convs += 1;
                    let conv = Conv {
                        stride: (stride, stride),
                        padding: Padding::same(padding),
                        binary: true,
                        ..Conv::square(scaled(channels), kernel)
                    };
                    net.signs(&format!("conv{convs}"), x, Linear::Conv(conv))?
                }
                Layer::Dense(out) => {
                    x = net.flat(x)?;
                    denses += 1;
                    let dense = Dense { out: scaled(out), bias: false, binary: true };
                    net.signs(&format!("fc{denses}"), x, Linear::Dense(dense))?
                }
                Layer::Pool => {
                    pools += 1;
                    net.net.max_pool(&format!("pool{pools}"), x, Window::square(2))?
                }
            };
        }
        x = net.flat(x)?;
        let x = net.net.dense(&format!("fc{}", denses + 1), x, options.classes)?;
        net.net.finish(x)
    }
}

struct Builder {
    net: GraphBuilder,
    signs: usize,
}

impl Builder {
    /// A linear layer, batch norm and sign.
    fn signs(&mut self, name: &str, x: NodeId, linear: Linear) -> Result<NodeId> {
        self.signs += 1;
        let x = self.net.linear_bn(name, &format!("bn{}", self.signs), x, linear)?;
        let sign = ActivationKind::Sign;
        self.net.function(&format!("sign{}", self.signs), x, sign)
    }

    /// Flattens an image; a flat vector is unchanged.
    fn flat(&mut self, x: NodeId) -> Result<NodeId> {
        if self.net.dims(x).plane() == 1 { Ok(x) } else { self.net.flatten("flatten", x) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;

    fn build(name: &str, scale: f64) -> Graph {
        let input = match name.as_bytes()[6] {
            b'm' => Dims::new(1, 28, 28),
            _ => Dims::new(3, 32, 32),
        };
        let net = NETS.iter().find(|net| net.name == name).unwrap();
        net.build(&Options { scale, ..Options::new(input, 10) }).unwrap()
    }

    #[test]
    fn sizes_are_those_of_the_cited_nets() {
        let dims = |graph: &Graph, name: &str| graph.dims(graph.find(name).unwrap());
        let bm3 = build("xonn-bm3", 1.0);
        assert_eq!(dims(&bm3, "conv1"), Dims::new(16, 24, 24));
        assert_eq!(dims(&bm3, "flatten"), Dims::flat(256));
        assert_eq!(dims(&build("xonn-bm2", 4.0), "conv1").channels, 20);
        assert_eq!(dims(&build("xonn-bc1", 1.5), "conv7"), Dims::new(24, 3, 3));
        assert_eq!(dims(&build("xonn-bc5", 1.0), "pool3"), Dims::new(128, 1, 1));
        assert_eq!(dims(&build("xonn-bc6", 1.0), "pool5"), Dims::new(128, 1, 1));
    }

    #[test]
    fn sizes_agree_with_the_published_bytes() {
        // Table 12, s = 1, in gigabytes.
        let published = [
            ("bc1", 1.26),
            ("bc2", 0.39),
            ("bc3", 1.35),
            ("bc4", 4.66),
            ("bc5", 5.54),
            ("bc6", 0.65),
        ];
        for (name, gigabytes) in published {
            let net = build(&format!("xonn-{name}"), 1.0);
            let linear = net.ids().filter_map(|id| net.linear_shape(id, 1)).skip(1);
            let garbled = linear.map(|shape| 32.0 * shape.macs() as f64).sum::<f64>() / 1e9;
            let off = (garbled / gigabytes - 1.0).abs();
            assert!(off < 0.06, "{name}: {garbled} for {gigabytes}");
        }
    }
}
