//! Architectures by name, and by torchvision's names of tensors.
//!
//! The nets are those for small images: a checkpoint of torchvision's for ImageNet has other strides, and
//! SqueezeNet's another first kernel. Strides are not in a checkpoint, so those of ShuffleNetV2 and
//! MobileNetV2 load for 1000 classes, but say nothing sensible: train them on small images, or export
//! the large ones to ONNX.

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
