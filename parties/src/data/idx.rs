//! IDX, the format of MNIST: two zero bytes, a type byte (8: unsigned bytes), the number of
//! dimensions, each dimension as a big-endian u32, then the bytes.

use std::{ops::Range, path::Path};

use super::{
    records::{Opened, Records},
    shape::InputShape,
    source::{Part, Samples, Source},
};
use crate::error::{Error, FileProblem, Result};

/// A file of images.
pub(super) fn images(path: &Path, shape: InputShape) -> Result<Box<dyn Source<Part>>> {
    let (dimensions, records) = open(path)?;
    if !shape.accepts(&dimensions[1..]) {
        let (found, network) = (dimensions[1..].to_vec(), shape.image);
        return Err(FileProblem::OtherShape { found, network, hint: "" }.with_file(path));
    }
    Ok(Box::new(Images(records)))
}

/// A file of labels.
pub(super) fn labels(path: &Path) -> Result<Box<dyn Source<Vec<i64>>>> {
    let (dimensions, records) = open(path)?;
    if dimensions.len() != 1 {
        let what = format!("its dimensions are {dimensions:?}; labels have one dimension");
        return Err(Error::file(path, what));
    }
    Ok(Box::new(Labels(records)))
}

struct Images(Records);

impl Source<Part> for Images {
    fn count(&self) -> usize {
        self.0.count()
    }

    fn read(&mut self, range: Range<usize>) -> Result<Part> {
        Ok(Part { samples: Samples::Bytes(self.0.read(range)?), labels: None })
    }
}

struct Labels(Records);

impl Source<Vec<i64>> for Labels {
    fn count(&self) -> usize {
        self.0.count()
    }

    fn read(&mut self, range: Range<usize>) -> Result<Vec<i64>> {
        Ok(self.0.read(range)?.into_iter().map(i64::from).collect())
    }
}

fn open(path: &Path) -> Result<(Vec<usize>, Records)> {
    let mut opened = Opened::new(path)?;
    let what = "it must be an IDX file";
    let mut magic = [0; 4];
    opened.fill(&mut magic, what)?;
    let [0, 0, 8, count @ 1..=4] = magic else {
        let what =
            format!("has magic {magic:02x?}; an IDX file of bytes has [00, 00, 08, dimensions]");
        return Err(Error::file(path, what));
    };
    let mut dimensions = Vec::with_capacity(count.into());
    for _ in 0..count {
        let mut dimension = [0; 4];
        opened.fill(&mut dimension, what)?;
        dimensions.push(u32::from_be_bytes(dimension) as usize);
    }
    let header = 4 + 4 * u64::from(count);
    let records = opened.records(header, &dimensions, 1)?;
    Ok((dimensions, records))
}

#[cfg(test)]
mod tests {
    use super::{super::test_files::*, *};

    #[test]
    fn a_range_of_images_is_read() {
        let files = Files::new();
        let file = files.write("images", &idx(&[4, 2, 3], 24));
        let mut images = images(&file, input_shape([1, 2, 3], 4)).unwrap();
        assert_eq!(images.count(), 4);
        let samples = Samples::Bytes((6..18).collect());
        assert_eq!(images.read(1..3).unwrap(), Part { samples, labels: None });
        for (image, dimensions) in [([1, 2, 3], [4, 1, 2, 3]), ([2, 3, 1], [4, 2, 3, 1])] {
            let file = files.write("images", &idx(&dimensions, 24));
            assert_eq!(super::images(&file, input_shape(image, 4)).unwrap().count(), 4);
        }
        let file = files.write("labels", &idx(&[5], 5));
        assert_eq!(labels(&file).unwrap().read(3..5).unwrap(), [3, 4]);
    }

    #[test]
    fn a_lying_or_foreign_file_is_refused() {
        let good = idx(&[4, 2, 3], 24);
        let cases = [
            (idx(&[4, 2, 3], 23), "has 39 bytes; its header [4, 2, 3] promises 40"),
            (idx(&[4, 2, 3], 25), "has 41 bytes; its header [4, 2, 3] promises 40"),
            (idx(&[u32::MAX; 4], 3), "promises more"),
            (idx(&[u32::MAX, 2, 3], 3), "promises 25769803786"),
            (idx(&[0, u32::MAX, u32::MAX, u32::MAX], 0), "its images are [4294967295, "),
            (idx(&[4, 3, 2], 24), "its images are [3, 2]; the network's input is [1, 2, 3]"),
            (good[..9].to_vec(), "ends within its header"),
            (vec![], "ends within its header"),
            (vec![0, 0, 13, 3, 0], "has magic [00, 00, 0d, 03]"),
        ];
        let files = Files::new();
        for (bytes, expected) in cases {
            let file = files.write("images", &bytes);
            refused(&file, images(&file, input_shape([1, 2, 3], 4)), expected);
        }
        let file = files.write("labels", &idx(&[4, 1], 4));
        refused(&file, labels(&file), "its dimensions are [4, 1]; labels have one dimension");
        refused(files.path(), labels(files.path()), "is a folder where a file is due");
        let none = files.path().join("none");
        refused(&none, labels(&none), "cannot be read: ");
    }
}
