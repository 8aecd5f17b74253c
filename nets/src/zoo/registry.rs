//! The nets of the zoo by name. A new net is a file and a line of [`NETS`] here.

use super::{
    cnn7, cryptonets, digits_cnn, minionn_mnist, mobilenet_v2,
    options::Options,
    ratios::{Published, Ratios},
    resnet32, secureml, shufflenet_v2, squeezenet, vgg16, xonn,
};
use crate::{
    error::{Error, Result},
    graph::Graph,
};

/// A net of fixed widths.
struct Net {
    name: &'static str,
    /// Whether the repository has trained weights of the net, so that a config must name a weights
    /// file.
    trained: bool,
    build: Builder,
}

enum Builder {
    /// A net whose activations are fixed.
    Fixed(fn(&Options) -> Result<Graph>),
    /// A net with published plans, whose activations may be partial.
    Partial(Published, fn(&Options, &Ratios) -> Result<Graph>),
}

const NETS: [Net; 10] = [
    Net { name: digits_cnn::NAME, trained: true, build: Builder::Fixed(digits_cnn::digits_cnn) },
    Net { name: secureml::NAME, trained: false, build: Builder::Fixed(secureml::secureml) },
    Net { name: cryptonets::NAME, trained: false, build: Builder::Fixed(cryptonets::cryptonets) },
    Net {
        name: minionn_mnist::NAME,
        trained: false,
        build: Builder::Fixed(minionn_mnist::minionn_mnist),
    },
    Net { name: cnn7::NAME, trained: false, build: Builder::Fixed(cnn7::cnn7) },
    Net { name: resnet32::NAME, trained: false, build: Builder::Fixed(resnet32::resnet32) },
    Net { name: vgg16::NAME, trained: false, build: Builder::Fixed(vgg16::vgg16) },
    Net {
        name: squeezenet::NAME,
        trained: false,
        build: Builder::Partial(Published::SqueezeNet, squeezenet::squeezenet),
    },
    Net {
        name: shufflenet_v2::NAME,
        trained: false,
        build: Builder::Partial(Published::ShuffleNetV2, shufflenet_v2::shufflenet_v2),
    },
    Net {
        name: mobilenet_v2::NAME,
        trained: false,
        build: Builder::Partial(Published::MobileNetV2, mobilenet_v2::mobilenet_v2),
    },
];

/// The smallest [`Options::scale`].
const MIN_SCALE: f64 = 0.05;

/// The largest [`Options::scale`].
const MAX_SCALE: f64 = 16.0;

/// The names of all nets.
pub fn names() -> impl Iterator<Item = &'static str> {
    let nets = NETS.iter().map(|net| net.name);
    nets.chain(xonn::NETS.iter().map(|net| net.name))
}

/// The net of this name.
///
/// # Errors
/// [`Error::Unknown`] with all names, [`Error::Node`] if the image is too small, [`Error::Scale`],
/// [`Error::Plan`] for ratios of a net that takes none.
pub fn build(name: &str, options: &Options) -> Result<Graph> {
    if let Some(net) = xonn::NETS.iter().find(|net| net.name == name) {
        check_scale(options.scale)?;
        refuse_ratios(name, options)?;
        return net.build(options);
    }
    let net = NETS.iter().find(|net| net.name == name).ok_or_else(|| unknown(name))?;
    if options.scale != 1.0 {
        return Err(Error::Scale { what: format!("{name} has none: only XONN's nets have") });
    }
    match net.build {
        Builder::Fixed(build) => {
            refuse_ratios(name, options)?;
            build(options)
        }
        Builder::Partial(published, build) => match &options.ratios {
            Some(ratios) => build(options, ratios),
            None => build(options, &Ratios::original(published.kind())),
        },
    }
}

/// The net of this name, if it takes ratios.
///
/// # Errors
/// [`Error::Unknown`] with all names, or [`Error::Plan`] for a net that takes none.
pub fn with_ratios(name: &str) -> Result<Published> {
    match Published::named(name) {
        Some(net) => Ok(net),
        None if names().any(|known| known == name) => Err(takes_none(name)),
        None => Err(unknown(name)),
    }
}

/// Whether the repository has trained weights of this net, so that a config must name a weights
/// file.
pub fn is_trained(name: &str) -> bool {
    NETS.iter().any(|net| net.name == name && net.trained)
}

fn check_scale(scale: f64) -> Result<()> {
    if (MIN_SCALE..=MAX_SCALE).contains(&scale) {
        return Ok(());
    }
    let what = format!("a factor of {scale:?}: use one from {MIN_SCALE} to {MAX_SCALE}");
    Err(Error::Scale { what })
}

fn refuse_ratios(name: &str, options: &Options) -> Result<()> {
    if options.ratios.is_some() { Err(takes_none(name)) } else { Ok(()) }
}

fn takes_none(name: &str) -> Error {
    Error::Plan { what: format!("{name} takes none") }
}

fn unknown(name: &str) -> Error {
    Error::unknown("network", name, names())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;

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
