//! Where images and labels are read from.

use std::{ops::Range, path::PathBuf};

use crate::error::Result;

/// A file or folder of images, or a file of labels, whose form is checked.
pub(super) trait Source<T> {
    /// How many images or labels it has.
    fn count(&self) -> usize;

    /// Some of them, which it must have.
    fn read(&mut self, range: Range<usize>) -> Result<T>;
}

/// Images read from a source.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    /// The images.
    pub samples: Samples,
    /// The class of each image, where the source says.
    pub labels: Option<Vec<i64>>,
}

/// Images of the network's size, channel by channel, row by row.
#[derive(Debug, PartialEq)]
pub(super) enum Samples {
    /// Pixels.
    Bytes(Vec<u8>),
    /// Floating point.
    Numbers(Vec<f64>),
}

/// Sources one after the other: at least one.
pub(super) struct Chain<T> {
    sources: Vec<(PathBuf, Box<dyn Source<T>>)>,
}

impl<T> Chain<T> {
    /// Opens the sources of these paths.
    pub(super) fn open(
        paths: &[PathBuf],
        open_one: impl Fn(&PathBuf) -> Result<Box<dyn Source<T>>>,
    ) -> Result<Chain<T>> {
        let source = |path: &PathBuf| Ok((path.clone(), open_one(path)?));
        Ok(Chain { sources: paths.iter().map(source).collect::<Result<_>>()? })
    }

    /// The path of the first source, which errors on all of them name.
    pub(super) fn path(&self) -> &PathBuf {
        &self.sources[0].0
    }

    /// How many images or labels they have together.
    pub(super) fn count(&self) -> usize {
        self.sources.iter().map(|(_, source)| source.count()).sum()
    }

    /// Hands on what each source has of a range.
    pub(super) fn read(
        &mut self,
        range: Range<usize>,
        mut each: impl FnMut(&PathBuf, T) -> Result<()>,
    ) -> Result<()> {
        let mut before = 0;
        for (path, source) in &mut self.sources {
            let count = source.count();
            let own = |place: usize| place.saturating_sub(before).min(count);
            let own = own(range.start)..own(range.end);
            if !own.is_empty() {
                each(path, source.read(own)?)?;
            }
            before += count;
        }
        Ok(())
    }
}
