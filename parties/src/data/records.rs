//! Files of records of one length after a header.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// An open file.
pub(super) struct Opened {
    /// Its name.
    pub path: PathBuf,
    /// The file, as far as it has been read.
    pub file: File,
    /// Its length in bytes.
    pub size: u64,
}

impl Opened {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, or is a folder.
    pub(super) fn new(path: &Path) -> Result<Opened> {
        let unreadable = |error| Error::unreadable(path, error);
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Error::file(path, "is a folder where a file is due"));
        }
        Ok(Opened { path: path.to_owned(), file, size: metadata.len() })
    }

    /// Fills `bytes` with what comes next; `what` it is too short for otherwise.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(super) fn fill(&mut self, bytes: &mut [u8], what: &str) -> Result<()> {
        let short = |_| Error::file(&self.path, format!("ends within its header; {what}"));
        self.file.read_exact(bytes).map_err(short)
    }

    /// The records after a header of `header` bytes, if the file is exactly as long as its
    /// `dimensions` promise for elements of `element` bytes. The outermost dimension counts
    /// records.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(super) fn records(
        self,
        header: u64,
        dimensions: &[usize],
        element: usize,
    ) -> Result<Records> {
        let promised = dimensions
            .iter()
            .try_fold(element as u64, |product, &dimension| product.checked_mul(dimension as u64))
            .and_then(|bytes| bytes.checked_add(header));
        let Opened { path, file, size } = self;
        if promised != Some(size) {
            let promised = promised.map_or("more".into(), |bytes| bytes.to_string());
            let what = format!("has {size} bytes; its header {dimensions:?} promises {promised}");
            return Err(Error::file(&path, what));
        }
        let count = dimensions.first().copied().unwrap_or(0);
        // Where there is any record, all of them fit into the file.
        let length =
            if count == 0 { 0 } else { element * dimensions[1..].iter().product::<usize>() };
        Ok(Records { path, file, header, length, count })
    }
}

/// The records of a file.
pub(super) struct Records {
    path: PathBuf,
    file: File,
    header: u64,
    length: usize,
    count: usize,
}

impl Records {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The bytes of each.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Some of them, which the file must have.
    ///
    /// # Errors
    /// [`Error::File`] if it can no longer be read.
    pub(super) fn read(&mut self, range: Range<usize>) -> Result<Vec<u8>> {
        let start = self.header + (range.start * self.length) as u64;
        let mut bytes = vec![0; range.len() * self.length];
        self.file
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| Error::unreadable(&self.path, error))?;
        Ok(bytes)
    }
}
