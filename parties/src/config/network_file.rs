//! Architectures from files: a model with its weights, or the public graph that its owner gave the
//! others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nets::{Graph, Weights, onnx};

use crate::error::{Error, Result};

/// A network that is not of the zoo.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetworkFile {
    /// Where it was read from.
    pub path: PathBuf,
    /// Whether it is an ONNX file, which has the weights as well.
    pub onnx: bool,
    /// The public architecture.
    pub graph: Graph,
}

impl NetworkFile {
    /// The architecture of an ONNX file.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, or holds what cannot run.
    pub(crate) fn onnx(path: &Path) -> Result<NetworkFile> {
        let graph = import(path)?.graph;
        Ok(NetworkFile { path: path.to_owned(), onnx: true, graph })
    }

    /// The architecture that `tercet inspect --public-graph` wrote.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or is no such file.
    pub(crate) fn public(path: &Path) -> Result<NetworkFile> {
        let text = fs::read_to_string(path).map_err(|error| Error::unreadable(path, error))?;
        let graph = serde_json::from_str(&text).map_err(|error| {
            let what = format!("is no graph of `tercet inspect --public-graph`: {error}");
            Error::file(path, what)
        })?;
        Ok(NetworkFile { path: path.to_owned(), onnx: false, graph })
    }

    /// The weights, if the file has them.
    ///
    /// # Errors
    /// [`Error::File`] if it can no longer be read.
    pub(crate) fn weights(&self) -> Result<Option<Weights>> {
        if self.onnx { Ok(Some(import(&self.path)?.weights)) } else { Ok(None) }
    }
}

/// Reads an ONNX file.
///
/// # Errors
/// [`Error::File`].
pub(crate) fn import(path: &Path) -> Result<onnx::Import> {
    onnx::read(path).map_err(|error| wrong_file(path, error))
}

/// A wrong local file. An error that names its file itself is about that one.
pub(crate) fn wrong_file(path: &Path, error: nets::Error) -> Error {
    match error {
        nets::Error::File { path, source } => match *source {
            nets::Error::Io(error) => Error::unreadable(&path, error),
            other => Error::file(&path, other),
        },
        other => Error::file(path, other),
    }
}
