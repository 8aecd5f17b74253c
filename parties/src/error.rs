//! The errors of commands, and the codes that they exit with.

use std::{
    io,
    path::{Path, PathBuf},
};

use protocols::{Link, Links, Role};

use crate::link::{ConnectError, IdentityError};

/// The result of everything in this crate.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// An error of a command. Each prints as one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A wrong argument, found before any connection.
    #[error("{0}")]
    Usage(String),
    /// A wrong local file, found before any connection.
    #[error("{}: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The problem.
        problem: FileProblem,
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
    /// The parties' counts differ from the prediction.
    #[error(transparent)]
    Count(#[from] CountError),
    /// A file that could not be written after the start.
    #[error("{}: cannot be written: {source}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Anything else after the start.
    #[error("{0}")]
    Run(String),
}

/// The problem of a local file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileProblem {
    /// The operating system does not give it.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// The operating system does not take it.
    #[error("cannot be written: {0}")]
    Unwritable(io::Error),
    /// A config without a key that is needed.
    #[error("missing key `{key}`{hint}")]
    MissingKey {
        /// The key, with its table.
        key: String,
        /// A hint; begins with its own punctuation.
        hint: &'static str,
    },
    /// A config without a table that is needed.
    #[error("missing table [{table}]: {needs}")]
    MissingTable {
        /// The table.
        table: &'static str,
        /// The requirement.
        needs: String,
    },
    /// A config's key with a wrong value.
    #[error("`{key}` is {value}; it must be {expected}")]
    WrongValue {
        /// The key, with its table.
        key: String,
        /// The value, cut short.
        value: String,
        /// The expected value.
        expected: String,
    },
    /// A config's key that there is not.
    #[error("unknown {kind} `{key}`; {hint}")]
    UnknownKey {
        /// `key`, or `table or key`.
        kind: &'static str,
        /// The key, with its table.
        key: String,
        /// A suggestion of what was meant.
        hint: String,
    },
    /// Images of another shape than the network's input.
    #[error("its images are {found:?}; the network's input is {network:?}{hint}")]
    OtherShape {
        /// The shape of one image.
        found: Vec<usize>,
        /// The network's.
        network: [usize; 3],
        /// How to change it; begins with its own punctuation.
        hint: &'static str,
    },
    /// Anything else, naming the key if it is a config.
    #[error("{0}")]
    Wrong(String),
}

/// A layer that was measured other than predicted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CountError {
    /// Bytes over a link, as both its ends counted.
    #[error(
        "layer {layer}, link {link}: {predicted} bytes predicted, {sent} sent, {received} received"
    )]
    Bytes {
        /// The layer.
        layer: String,
        /// The link.
        link: Link,
        /// The prediction.
        predicted: u64,
        /// The sender's count.
        sent: u64,
        /// The receiver's count.
        received: u64,
    },
    /// Bytes over one of a party's own links.
    #[error("layer {layer}, link {link}: {predicted} bytes predicted, {seen} seen")]
    OwnBytes {
        /// The layer.
        layer: String,
        /// The link.
        link: Link,
        /// The prediction.
        predicted: u64,
        /// The party's count.
        seen: u64,
    },
    /// Bytes that travel ahead of the query.
    #[error("layer {layer}: {predicted} predicted ahead of the query, {measured} measured")]
    Ahead {
        /// The layer.
        layer: String,
        /// The prediction.
        predicted: Links,
        /// The count.
        measured: Links,
    },
    /// Rounds, or the critical path.
    #[error("layer {layer}: {predicted} {what} predicted, {measured} measured")]
    Rounds {
        /// The layer.
        layer: String,
        /// `rounds`, or `as critical path`.
        what: &'static str,
        /// The prediction.
        predicted: u64,
        /// The count.
        measured: u64,
    },
    /// A layer that the prediction does not have.
    #[error("the {role} ran layer {layer}, which no one predicted")]
    Extra {
        /// The party that ran it.
        role: Role,
        /// The layer.
        layer: String,
    },
}

impl Error {
    /// A wrong local file.
    pub(crate) fn file(file: &Path, what: impl ToString) -> Error {
        FileProblem::Wrong(what.to_string()).with_file(file)
    }

    /// A local file that cannot be read.
    pub(crate) fn unreadable(file: &Path, error: io::Error) -> Error {
        FileProblem::Unreadable(error).with_file(file)
    }

    /// A file that could not be written after the start.
    pub(crate) fn unwritable(file: &Path, source: io::Error) -> Error {
        Error::Unwritable { file: file.to_owned(), source }
    }

    /// 2 for what was found before any connection, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::File { .. } | Error::Identity(_) => 2,
            Error::Connect(_)
            | Error::Protocol(_)
            | Error::Count(_)
            | Error::Unwritable { .. }
            | Error::Run(_) => 1,
        }
    }

    /// The other party that this error blames, if it does.
    pub(crate) fn blamed_party(&self) -> Option<Role> {
        match self {
            Error::Protocol(protocols::Error::PeerLost { party, .. }) => Some(*party),
            Error::Protocol(protocols::Error::Timeout { from, .. }) => Some(*from),
            _ => None,
        }
    }
}

impl FileProblem {
    /// The error that this is with a file.
    pub(crate) fn with_file(self, file: &Path) -> Error {
        Error::File { file: file.to_owned(), problem: self }
    }
}

/// An error of a run that has begun: local files were checked before.
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
