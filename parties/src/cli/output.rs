//! How commands print.

use std::io::{self, Write};

use crate::error::{Error, Result};

/// How `accuracy`, `cost`, `calibrate` and `tables` print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// For people.
    #[default]
    Table,
    /// One object.
    Json,
    /// A header and rows.
    Csv,
}

/// Prints on standard output. A reader that closed it early has read enough.
pub(super) fn say(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Run(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
