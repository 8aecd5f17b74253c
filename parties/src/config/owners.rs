//! `[model-owner]` and `[data-owner]`: what these parties alone have.

use std::path::PathBuf;

use crate::data::{DataFiles, Normalisation};

/// The model owner's files and settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelOwner {
    /// A safetensors file; random weights, the same in every run, if not given.
    pub weights: Option<PathBuf>,
    /// Files or folders of images like those that will be classified.
    pub calibration: Vec<PathBuf>,
    /// From pixels to the network's input, where the table says anything about it.
    pub normalisation: Option<Normalisation>,
}

/// The data owner's files and settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DataOwner {
    /// The images and their labels.
    pub files: DataFiles,
    /// A CSV file for the predictions; standard output if not given.
    pub predictions: Option<PathBuf>,
}
