//! CIFAR, the binary version: records of labels and 3x32x32 bytes, red, green, blue, without a header.
//! A record of CIFAR-10 begins with its class; one of CIFAR-100 with its coarse class (of 20) and its
//! fine one. A network of 20 classes is taken to tell the coarse ones apart.

use std::{ops::Range, path::Path};

use super::{
    Format, Part, Samples, Source,
    records::{Opened, Records},
};
use crate::{
    config::Network,
    error::{Error, Result},
};

const SHAPE: [usize; 3] = [3, 32, 32];

const PIXELS: usize = 3 * 32 * 32;

/// Coarse classes of CIFAR-100.
const COARSE: usize = 20;

/// Which of the two a file of this size is.
pub fn format(path: &Path, size: u64) -> Result<Format> {
    let whole = |format| size.is_multiple_of(record(format) as u64);
    match [Format::Cifar10, Format::Cifar100].map(whole) {
        [true, false] => Ok(Format::Cifar10),
        [false, true] => Ok(Format::Cifar100),
        [true, true] => {
            let what = "may be CIFAR-10 or CIFAR-100: say which with `data-owner.format`";
            Err(Error::file(path, what))
        }
        [false, false] => {
            let what = format!(
                "has {size} bytes, neither records of CIFAR-10 ({}) nor of CIFAR-100 ({}): name another \
                 format as `data-owner.format`",
                record(Format::Cifar10),
                record(Format::Cifar100)
            );
            Err(Error::file(path, what))
        }
    }
}

/// A batch file of either.
pub fn images(path: &Path, format: Format, network: &Network) -> Result<Box<dyn Source<Part>>> {
    if network.input != SHAPE {
        let shape = network.input;
        let what = format!("its images are {SHAPE:?}; the network's input is {shape:?}");
        return Err(Error::file(path, what));
    }
    let opened = Opened::new(path)?;
    let record = record(format);
    let size = opened.size;
    if !size.is_multiple_of(record as u64) {
        let what = format!("has {size} bytes; a record of {format} has {record}");
        return Err(Error::file(path, what));
    }
    let count = (size / record as u64) as usize;
    let records = opened.records(0, &[count, record], 1)?;
    let labels = record - PIXELS;
    let label = if format == Format::Cifar100 && network.classes != COARSE { 1 } else { 0 };
    Ok(Box::new(Batches { records, labels, label }))
}

fn record(format: Format) -> usize {
    PIXELS + if format == Format::Cifar100 { 2 } else { 1 }
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
        assert_eq!(Format::of(&ten).unwrap(), Format::Cifar10);
        assert_eq!(Format::of(&hundred).unwrap(), Format::Cifar100);
        let read = |path, format, classes, range| {
            images(path, format, &network(SHAPE, classes)).unwrap().read(range).unwrap()
        };
        let part = read(&ten, Format::Cifar10, 10, 1..3);
        assert_eq!(part.labels, Some(vec![8, 9]));
        let Samples::Bytes(pixels) = part.samples else { panic!() };
        assert_eq!((pixels.len(), &pixels[..2], pixels[PIXELS]), (2 * PIXELS, &[1, 2][..], 2));
        assert_eq!(read(&hundred, Format::Cifar100, 100, 0..2).labels, Some(vec![17, 18]));
        assert_eq!(read(&hundred, Format::Cifar100, 20, 0..2).labels, Some(vec![7, 8]));
    }

    #[test]
    fn what_is_no_batch_file_is_refused() {
        let files = Files::new();
        let cut = files.write("cut.bin", &batch(1, 2)[1..]);
        let network = |shape| network(shape, 10);
        refused(&cut, Format::of(&cut), "has 6145 bytes, neither records of CIFAR-10 (3073) nor");
        let complaint = images(&cut, Format::Cifar10, &network(SHAPE));
        refused(&cut, complaint, "has 6145 bytes; a record of cifar10 has 3073");
        let empty = files.write("empty.bin", &[]);
        refused(&empty, Format::of(&empty), "may be CIFAR-10 or CIFAR-100: say which");
        let small = images(&cut, Format::Cifar10, &network([1, 28, 28]));
        refused(&cut, small, "its images are [3, 32, 32]; the network's input is [1, 28, 28]");
    }
}
