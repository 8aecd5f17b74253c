//! Secret files that survive a crash whole or not at all, and that only their owner reads.

use std::{
    fs::{DirBuilder, File, OpenOptions, rename},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Makes a directory that only its owner enters, and those above it.
///
/// # Errors
/// The operating system's error; none if it is there already.
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Creates a file that [`commit`] will give its name. An unfinished one of that name is replaced.
///
/// # Errors
/// The operating system's error.
pub(crate) fn begin(file: &Path) -> io::Result<File> {
    let unfinished = unfinished(file);
    if unfinished.exists() {
        std::fs::remove_file(&unfinished)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)
}

/// Gives a file from [`begin`] its name, once its content is on the disk.
///
/// # Errors
/// The operating system's error.
pub(crate) fn commit(written: &File, file: &Path) -> io::Result<()> {
    written.sync_all()?;
    rename(unfinished(file), file)?;
    sync_directory(file)
}

/// Writes a whole file.
///
/// # Errors
/// The operating system's error.
pub(crate) fn write(file: &Path, content: &[u8]) -> io::Result<()> {
    let mut written = begin(file)?;
    written.write_all(content)?;
    commit(&written, file)
}

/// Makes a change of a file's name durable.
///
/// # Errors
/// The operating system's error.
pub(crate) fn sync_directory(file: &Path) -> io::Result<()> {
    File::open(file.parent().expect("a file is in a directory"))?.sync_all()
}

fn unfinished(file: &Path) -> PathBuf {
    file.with_added_extension("unfinished")
}
