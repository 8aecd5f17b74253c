//! The options of a net of the zoo: its size and its activations.

use super::ratios::Ratios;
use crate::graph::Dims;

/// The size and the activations of a net.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The size of an image.
    pub input: Dims,
    /// The number of classes, which is the length of the output.
    pub classes: usize,
    /// The activations to keep; `None` for the published net. Only nets with published plans take
    /// ratios.
    pub ratios: Option<Ratios>,
    /// The factor s of the widths of XONN's nets; 1 for other nets.
    pub scale: f64,
}

impl Options {
    /// The published net for this size.
    pub fn new(input: Dims, classes: usize) -> Options {
        Options { input, classes, ratios: None, scale: 1.0 }
    }
}
