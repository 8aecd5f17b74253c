//! The formats of data files, and how they are told apart.

use std::{fmt, io::Read, path::Path};

use super::{cifar::Version, records::Opened};
use crate::error::{Error, Result};

/// A format of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// MNIST's: dimensions, then bytes.
    Idx,
    /// CIFAR-10, binary version: a byte of label, then 3x32x32 pixels.
    Cifar10,
    /// CIFAR-100, binary version: two bytes of labels, then 3x32x32 pixels.
    Cifar100,
    /// One array of NumPy's.
    Npy,
    /// PNG or JPEG: one file, a folder of them, or a folder of one folder a class.
    Images,
    /// Numbers as text, a row an image.
    Csv,
}

impl Format {
    /// All formats.
    pub(crate) const ALL: [Format; 6] =
        [Format::Idx, Format::Cifar10, Format::Cifar100, Format::Npy, Format::Images, Format::Csv];

    /// The name in configs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Format::Idx => "idx",
            Format::Cifar10 => Version::Ten.name(),
            Format::Cifar100 => Version::Hundred.name(),
            Format::Npy => "npy",
            Format::Images => "images",
            Format::Csv => "csv",
        }
    }

    /// The format of a file: by its ending, else by what it begins with. A folder is one of images.
    ///
    /// # Errors
    /// [`Error::File`] for one that cannot be read or told.
    pub(crate) fn detect(path: &Path) -> Result<Format> {
        if path.is_dir() {
            return Ok(Format::Images);
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match &ending[..] {
            "npy" => return Ok(Format::Npy),
            "csv" => return Ok(Format::Csv),
            "png" | "jpg" | "jpeg" => return Ok(Format::Images),
            _ => {}
        }
        let mut opened = Opened::new(path)?;
        if ending == "bin" {
            return Ok(match Version::detect(path, opened.size)? {
                Version::Ten => Format::Cifar10,
                Version::Hundred => Format::Cifar100,
            });
        }
        let mut start = Vec::new();
        let read = (&mut opened.file).take(8).read_to_end(&mut start);
        read.map_err(|error| Error::unreadable(path, error))?;
        match &start[..] {
            [0, 0, _, 1..=4, ..] => Ok(Format::Idx),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Ok(Format::Npy),
            [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => Ok(Format::Images),
            [0x1f, 0x8b, ..] => Err(Error::file(path, "is compressed; unpack it with gunzip")),
            [b'P', b'K', 3, 4, ..] => {
                Err(Error::file(path, "is an archive; unpack it (of .npz, save an array as .npy)"))
            }
            _ => {
                let what = format!(
                    "begins with {start:02x?}, so it is no IDX, .npy, PNG or JPEG file: end a CSV \
                     file's name with .csv, or say what it is with `data-owner.format`"
                );
                Err(Error::file(path, what))
            }
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
