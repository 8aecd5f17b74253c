//! What the caller chooses about a network of the zoo.

use super::ratios::Ratios;
use crate::graph::Dims;

/// A network's size and activations.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The size of an image.
    pub input: Dims,
    /// Classes to tell apart: the length of the output.
    pub classes: usize,
    /// How much of its activations is kept; `None` for the net's own. Only nets with published ratios take
    /// others.
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
