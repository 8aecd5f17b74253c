//! Which files hold images, and which of the images to take.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{format::Format, normalisation::Normalisation};

/// Files of images and their labels, and how they become a network's inputs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DataFiles {
    /// Files or folders of images, one after the other; none for random pixels.
    pub images: Vec<PathBuf>,
    /// Files of labels, one after the other. None for images that have theirs: CIFAR, folders by
    /// class, a column of a CSV file.
    pub labels: Vec<PathBuf>,
    /// The format of the images; told by the files' names and first bytes if not given.
    pub format: Option<Format>,
    /// The column of a CSV file that has the labels.
    pub label_column: Option<Column>,
    /// The place of the first image to take.
    pub first: usize,
    /// How many images to take: all from `first` on if not given, one where they are random.
    pub count: Option<usize>,
    /// From pixels to the network's input.
    pub normalisation: Normalisation,
}

/// A column of a CSV file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Its place, from 0.
    Place(usize),
    /// Its name in the header.
    Name(String),
}

/// Which images of a data set to take; what is left out is as the config has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRange {
    /// The place of the first one.
    pub first: Option<usize>,
    /// How many.
    pub images: Option<usize>,
}

impl ImageRange {
    /// This many from where the config starts.
    pub(crate) fn from_start(images: Option<usize>) -> ImageRange {
        ImageRange { first: None, images }
    }
}
