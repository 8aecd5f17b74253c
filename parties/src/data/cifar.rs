//! CIFAR, the binary version: records of labels and 3x32x32 bytes, red, green, blue, without a
//! header. A record of CIFAR-10 begins with its class; one of CIFAR-100 with its coarse class (of
//! 20) and its fine one. A network of 20 classes is taken to tell the coarse ones apart.

use std::{ops::Range, path::Path};

use super::{
    records::{Opened, Records},
    shape::InputShape,
    source::{Part, Samples, Source},
};
use crate::error::{Error, FileProblem, Result};

const SHAPE: [usize; 3] = [3, 32, 32];

const PIXELS: usize = 3 * 32 * 32;

/// Coarse classes of CIFAR-100.
const COARSE: usize = 20;

/// Which CIFAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// CIFAR-10.
    Ten,
    /// CIFAR-100.
    Hundred,
}

impl Version {
    /// The version that a file of this size is of.
    pub(super) fn detect(path: &Path, size: u64) -> Result<Version> {
        let whole = |version: Version| size.is_multiple_of(version.record() as u64);
        match [Version::Ten, Version::Hundred].map(whole) {
            [true, false] => Ok(Version::Ten),
            [false, true] => Ok(Version::Hundred),
            [true, true] => {
                let what = "may be CIFAR-10 or CIFAR-100: say which with `data-owner.format`";
                Err(Error::file(path, what))
            }
            [false, false] => {
                let what = format!(
                    "has {size} bytes, neither records of CIFAR-10 ({}) nor of CIFAR-100 ({}): \
                     name another format as `data-owner.format`",
                    Version::Ten.record(),
                    Version::Hundred.record()
                );
                Err(Error::file(path, what))
            }
        }
    }

    /// The name in configs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Version::Ten => "cifar10",
            Version::Hundred => "cifar100",
        }
    }

    /// Bytes of labels in a record.
    const fn labels(self) -> usize {
        match self {
            Version::Ten => 1,
            Version::Hundred => 2,
        }
    }

    /// Bytes of a record.
    const fn record(self) -> usize {
        self.labels() + PIXELS
    }
}

/// A file of batches.
pub(super) fn images(
    path: &Path,
    version: Version,
    shape: InputShape,
) -> Result<Box<dyn Source<Part>>> {
    if shape.image != SHAPE {
        let (found, network) = (SHAPE.to_vec(), shape.image);
        return Err(FileProblem::OtherShape { found, network, hint: "" }.with_file(path));
    }
    let opened = Opened::new(path)?;
    let record = version.record();
    let size = opened.size;
    if !size.is_multiple_of(record as u64) {
        let name = version.name();
        let what = format!("has {size} bytes; a record of {name} has {record}");
        return Err(Error::file(path, what));
    }
    let count = (size / record as u64) as usize;
    let records = opened.records(0, &[count, record], 1)?;
    let fine = version == Version::Hundred && shape.classes != COARSE;
    Ok(Box::new(Batches { records, labels: version.labels(), label: usize::from(fine) }))
}

struct Batches {
    records: Records,
    /// Bytes of labels.
    labels: usize,
    /// The one that counts.
    label: usize,
}

impl Source<Part> for Batches {
    fn count(&self) -> usize {
        self.records.count()
    }

    fn read(&mut self, range: Range<usize>) -> Result<Part> {
        let bytes = self.records.read(range)?;
        let records = bytes.chunks_exact(self.labels + PIXELS);
        let labels = records.clone().map(|record| record[self.label].into()).collect();
        let pixels = records.flat_map(|record| &record[self.labels..]).copied().collect();
        Ok(Part { samples: Samples::Bytes(pixels), labels: Some(labels) })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::test_files::*, *};

    /// Records whose labels are 7, 8, ... and whose pixels count up.
    fn batch(labels: usize, records: u8) -> Vec<u8> {
        let record = |place: u8| {
            let pixels = (0..PIXELS).map(move |pixel| place.wrapping_add(pixel as u8));
            (0..labels).map(move |label| 7 + place + 10 * label as u8).chain(pixels)
        };
        (0..records).flat_map(record).collect()
    }

    #[test]
    fn records_are_split_into_labels_and_pixels() {
        let files = Files::new();
        let ten = files.write("data_batch_1.bin", &batch(1, 3));
        let hundred = files.write("test.bin", &batch(2, 2));
        let detect = |path: &Path| Version::detect(path, path.metadata().unwrap().len());
        assert_eq!(detect(&ten).unwrap(), Version::Ten);
        assert_eq!(detect(&hundred).unwrap(), Version::Hundred);
        let read = |path, version, classes, range| {
            images(path, version, input_shape(SHAPE, classes)).unwrap().read(range).unwrap()
        };
        let part = read(&ten, Version::Ten, 10, 1..3);
        assert_eq!(part.labels, Some(vec![8, 9]));
        let Samples::Bytes(pixels) = part.samples else { panic!() };
        assert_eq!((pixels.len(), &pixels[..2], pixels[PIXELS]), (2 * PIXELS, &[1, 2][..], 2));
        assert_eq!(read(&hundred, Version::Hundred, 100, 0..2).labels, Some(vec![17, 18]));
        assert_eq!(read(&hundred, Version::Hundred, 20, 0..2).labels, Some(vec![7, 8]));
    }

    #[test]
    fn what_is_no_batch_file_is_refused() {
        let files = Files::new();
        let cut = files.write("cut.bin", &batch(1, 2)[1..]);
        let network = |image| input_shape(image, 10);
        refused(
            &cut,
            Version::detect(&cut, 6145),
            "has 6145 bytes, neither records of CIFAR-10 (3073) nor",
        );
        let complaint = images(&cut, Version::Ten, network(SHAPE));
        refused(&cut, complaint, "has 6145 bytes; a record of cifar10 has 3073");
        let empty = files.write("empty.bin", &[]);
        refused(&empty, Version::detect(&empty, 0), "may be CIFAR-10 or CIFAR-100: say which");
        let small = images(&cut, Version::Ten, network([1, 28, 28]));
        refused(&cut, small, "its images are [3, 32, 32]; the network's input is [1, 28, 28]");
    }
}
