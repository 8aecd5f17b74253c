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
mod ratios;
mod resnet32;
mod secureml;
mod shufflenet_v2;
mod squeezenet;
mod vgg16;
mod xonn;

use crate::{
    error::{Error, Result},
    graph::{Dims, Graph},
};

pub use cnn7::cnn7;
pub use cryptonets::cryptonets;
pub use digits_cnn::digits_cnn;
pub use minionn_mnist::minionn_mnist;
pub use mobilenet_v2::mobilenet_v2;
pub use ratios::{BlockRatios, Kind, PUBLISHED_RATIOS, Pool, Published, Ratios};
pub use resnet32::resnet32;
pub use secureml::secureml;
pub use shufflenet_v2::shufflenet_v2;
pub use squeezenet::squeezenet;
pub use vgg16::vgg16;

/// What the caller chooses about a network of the zoo.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The size of an image.
    pub input: Dims,
    /// Classes to tell apart: the length of the output.
    pub classes: usize,
    /// The activations; `None` for the net's own. Only nets with published plans take another.
    pub ratios: Option<Ratios>,
    /// s, which the widths of XONN's nets are multiplied with; 1 for others.
    pub scale: f64,
}

impl Options {
    /// The net's own activations.
    pub fn new(input: Dims, classes: usize) -> Options {
        Options { input, classes, ratios: None, scale: 1.0 }
    }
}

/// The names that [`build`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    let others = BUILDERS.iter().map(|(name, _)| *name);
    others.chain(xonn::NETS.iter().map(|net| net.name))
}

/// The network of this name.
///
/// # Errors
/// [`Error::Unknown`] with all names, [`Error::Node`] where the image is too small, [`Error::Scale`].
pub fn build(name: &str, options: &Options) -> Result<Graph> {
    let scale = options.scale;
    if let Some(net) = xonn::NETS.iter().find(|net| net.name == name) {
        if !(MIN_SCALE..=MAX_SCALE).contains(&scale) {
            let what = format!("a factor of {scale:?}: use one from {MIN_SCALE} to {MAX_SCALE}");
            return Err(Error::Scale { what });
        }
        return without_ratios(name, |options| net.build(options), options);
    }
    if scale != 1.0 && names().any(|known| known == name) {
        return Err(Error::Scale { what: format!("{name} has none: only XONN's nets have") });
    }
    let builder = BUILDERS.iter().find(|(known, _)| *known == name);
    let (_, builder) = builder.ok_or_else(|| unknown(name))?;
    builder(options)
}

/// The net of this name, if it has plans.
///
/// # Errors
/// [`Error::Unknown`] with all names, or [`Error::Plan`] for a net that takes no plan.
pub fn with_ratios(name: &str) -> Result<Published> {
    match Published::named(name) {
        Some(net) => Ok(net),
        None if names().any(|known| known == name) => {
            Err(Error::Plan { what: format!("{name} takes none") })
        }
        None => Err(unknown(name)),
    }
}

/// Whether trained weights come with this repository.
pub fn is_trained(name: &str) -> bool {
    name == digits_cnn::NAME
}

/// The limits of [`Options::scale`].
const MIN_SCALE: f64 = 0.05;
const MAX_SCALE: f64 = 16.0;

fn unknown(name: &str) -> Error {
    Error::Unknown {
        what: "network",
        name: name.to_owned(),
        known: names().map(str::to_owned).collect(),
    }
}

type Builder = fn(&Options) -> Result<Graph>;

const BUILDERS: [(&str, Builder); 10] = [
    (digits_cnn::NAME, |options| without_ratios(digits_cnn::NAME, digits_cnn, options)),
    (secureml::NAME, |options| without_ratios(secureml::NAME, secureml, options)),
    (cryptonets::NAME, |options| without_ratios(cryptonets::NAME, cryptonets, options)),
    (minionn_mnist::NAME, |options| without_ratios(minionn_mnist::NAME, minionn_mnist, options)),
    (cnn7::NAME, |options| without_ratios(cnn7::NAME, cnn7, options)),
    (resnet32::NAME, |options| without_ratios(resnet32::NAME, resnet32, options)),
    (vgg16::NAME, |options| without_ratios(vgg16::NAME, vgg16, options)),
    (squeezenet::NAME, |options| squeezenet(options, &own_ratios(options, Published::SqueezeNet))),
    (shufflenet_v2::NAME, |options| {
        shufflenet_v2(options, &own_ratios(options, Published::ShuffleNetV2))
    }),
    (mobilenet_v2::NAME, |options| {
        mobilenet_v2(options, &own_ratios(options, Published::MobileNetV2))
    }),
];

fn without_ratios(
    name: &str,
    build: impl Fn(&Options) -> Result<Graph>,
    options: &Options,
) -> Result<Graph> {
    match options.ratios {
        None => build(options),
        Some(_) => Err(Error::Plan { what: format!("{name} takes none") }),
    }
}

fn own_ratios(options: &Options, net: Published) -> Ratios {
    options.ratios.clone().unwrap_or_else(|| Ratios::original(net.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_build_and_others_are_listed() {
        let options = Options::new(Dims::new(3, 32, 32), 10);
        for name in names() {
            let graph = build(name, &options).unwrap();
            assert_eq!(graph.name(), name);
            assert_eq!(graph.input(), options.input);
            assert_eq!(graph.dims(graph.output()), Dims::flat(options.classes));
        }
        let error = build("alexnet", &options).unwrap_err().to_string();
        assert!(error.contains("alexnet") && error.contains("digits-cnn"), "{error}");
    }
}
