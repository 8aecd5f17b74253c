//! The data owner's predictions as CSV: the place of each image in its file, and its class.

use std::{fmt::Write as _, path::Path};

use crate::{
    config::Config,
    error::{Error, Result},
    party::Task,
    report::check_directory,
};

/// The file for the data owner's predictions, if its config names one.
///
/// # Errors
/// [`Error::File`] if there is no such directory.
pub(super) fn file(config: &Config) -> Result<Option<&Path>> {
    let file = config.data_owner()?.predictions.as_deref();
    file.map(check_directory).transpose()?;
    Ok(file)
}

/// The text, from the data owner's results; the first image is `first`.
pub(super) fn csv(task: &Task, first: usize, results: &[u64]) -> String {
    let mut text = String::from("image,class\n");
    for (index, class) in task.classes(results).into_iter().enumerate() {
        writeln!(text, "{},{class}", first + index).expect("a string takes everything");
    }
    text
}

/// Writes the text.
///
/// # Errors
/// [`Error::Unwritable`].
pub(super) fn write(task: &Task, first: usize, results: &[u64], file: &Path) -> Result<()> {
    std::fs::write(file, csv(task, first, results)).map_err(|error| Error::unwritable(file, error))
}
