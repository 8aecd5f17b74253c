//! Arguments that several commands take.

use std::path::{Path, PathBuf};

use clap::builder::RangedI64ValueParser;
use nets::graph::MAX_BATCH;

use crate::error::{Error, Result};

/// A number of images that one run takes.
pub(super) fn batch_size() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=MAX_BATCH as i64)
}

/// A path that a party can use, whatever directory it starts in.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::file(path, error))
}
