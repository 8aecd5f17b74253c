//! Architectures by name.

mod digits_cnn;

use crate::{
    error::{Error, Result},
    graph::{Dims, Graph},
};

pub use digits_cnn::digits_cnn;

/// What the caller chooses about a network of the zoo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The size of an image.
    pub input: Dims,
    /// Classes to tell apart: the length of the output.
    pub classes: usize,
}

/// The names that [`build`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILDERS.iter().map(|(name, _)| *name)
}

/// The network of this name.
///
/// # Errors
/// [`Error::Unknown`] with all names, or [`Error::Node`] where the image is too small.
pub fn build(name: &str, options: &Options) -> Result<Graph> {
    let builder = BUILDERS.iter().find(|(known, _)| *known == name);
    let (_, builder) = builder.ok_or_else(|| Error::Unknown {
        what: "network",
        name: name.to_owned(),
        known: names().map(str::to_owned).collect(),
    })?;
    builder(options)
}

type Builder = fn(&Options) -> Result<Graph>;

const BUILDERS: [(&str, Builder); 1] = [(digits_cnn::NAME, digits_cnn)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_build_and_others_are_listed() {
        let options = Options { input: Dims::new(3, 32, 32), classes: 10 };
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
