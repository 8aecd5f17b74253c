//! Report files.

use std::path::Path;

use super::{contents::Report, html};
use crate::error::{Error, Result};

/// The forms of a report file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportFormat {
    /// The object.
    Json,
    /// A row a layer, and a row of totals.
    Csv,
    /// One self-contained page.
    Html,
}

impl ReportFormat {
    /// The form that a file's ending asks for; also checks that there is a directory to write to.
    ///
    /// # Errors
    /// [`Error::File`], so that nobody waits for a run whose report has no place.
    pub(crate) fn from_path(file: &Path) -> Result<ReportFormat> {
        check_directory(file)?;
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("json") => Ok(ReportFormat::Json),
            Some("csv") => Ok(ReportFormat::Csv),
            Some("html") => Ok(ReportFormat::Html),
            _ => Err(Error::file(file, "unknown kind of report; end it with .json, .csv or .html")),
        }
    }
}

/// Checks that there is a directory to write a file to.
///
/// # Errors
/// [`Error::File`].
pub(crate) fn check_directory(file: &Path) -> Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    if directory.is_some_and(|directory| !directory.is_dir()) {
        return Err(Error::file(file, "its directory does not exist; make it first"));
    }
    Ok(())
}

impl Report {
    /// Writes the report in the format that the file's ending asks for.
    ///
    /// # Errors
    /// As [`ReportFormat::from_path`], and [`Error::Unwritable`].
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = match ReportFormat::from_path(file)? {
            ReportFormat::Json => self.json(),
            ReportFormat::Csv => self.csv(),
            ReportFormat::Html => html::page(self),
        };
        std::fs::write(file, text).map_err(|error| Error::unwritable(file, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_file_is_known_by_its_ending() {
        assert_eq!(ReportFormat::from_path(Path::new("x.csv")).unwrap(), ReportFormat::Csv);
        let message = ReportFormat::from_path(Path::new("x")).unwrap_err().to_string();
        assert_eq!(message, "x: unknown kind of report; end it with .json, .csv or .html");
    }
}
