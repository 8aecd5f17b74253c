//! What can go wrong in a command, and with which code it exits.

use std::path::{Path, PathBuf};

use protocols::Role;

use crate::link::{connect::ConnectError, tls::IdentityError};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a command. Each prints as one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument, found wrong before any connection.
    #[error("{0}")]
    Usage(String),
    /// A local file, found wrong before any connection.
    #[error("{}: {what}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, naming the key if it is a config.
        what: String,
    },
    /// This party's certificate or key, or the others' certificates.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The parties did not come together.
    #[error(transparent)]
    Connect(ConnectError),
    /// A protocol failed, or a party went away.
    #[error(transparent)]
    Protocol(#[from] protocols::Error),
    /// Anything else after the start.
    #[error("{0}")]
    Run(String),
}

impl Error {
    /// A wrong local file.
    pub fn file(file: &Path, what: impl ToString) -> Error {
        Error::File { file: file.to_owned(), what: what.to_string() }
    }

    /// 2 for what was found before any connection, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::File { .. } | Error::Identity(_) => 2,
            Error::Connect(_) | Error::Protocol(_) | Error::Run(_) => 1,
        }
    }

    /// The other party that this error says is at fault, if it does.
    pub fn blames(&self) -> Option<Role> {
        match self {
            Error::Protocol(protocols::Error::PeerLost { party, .. }) => Some(*party),
            Error::Protocol(protocols::Error::Timeout { from, .. }) => Some(*from),
            _ => None,
        }
    }
}

/// An error of a run that has begun: what is local was checked before.
impl From<nets::Error> for Error {
    fn from(error: nets::Error) -> Error {
        match error {
            nets::Error::Protocol(error) => Error::Protocol(error),
            other => Error::Run(other.to_string()),
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Error {
        match error {
            ConnectError::Identity(error) => Error::Identity(error),
            ConnectError::Peer(error) => Error::Protocol(error),
            other => Error::Connect(other),
        }
    }
}
