//! Published architectures by name, one file each, with the tensor names of torchvision where it
//! has the net.
//!
//! The nets are those for small images. Torchvision's nets for ImageNet have other strides, and
//! SqueezeNet has another first kernel. A checkpoint does not contain strides, so one of
//! ShuffleNetV2 or MobileNetV2 with 1000 classes loads, but its results are meaningless: train on
//! small images, or export the large net to ONNX.
//!
//! | file | what it holds |
//! |---|---|
//! | `registry` | the nets by name |
//! | `options` | the size and the activations of a net |
//! | `ratios` | partial activations of the nets that have published plans |
//! | `xonn` | XONN's binary nets |
//! | the rest | one net each |

mod cnn7;
mod cryptonets;
mod digits_cnn;
mod minionn_mnist;
mod mobilenet_v2;
mod options;
mod ratios;
mod registry;
mod resnet32;
mod secureml;
mod shufflenet_v2;
mod squeezenet;
mod vgg16;
mod xonn;

pub use options::Options;
pub use ratios::{BlockRatios, Kind, PUBLISHED_RATIOS, Pool, Published, Ratios};
pub use registry::{build, is_trained, names, with_ratios};
