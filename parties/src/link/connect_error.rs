//! Why parties could not connect.

use std::{fmt, io, net::SocketAddr};

use protocols::{Error, Role};
use quinn::ConnectionError;

use super::{
    goodbye::Goodbye,
    identity::IdentityError,
    tls::{Refusal, no_common_protocol},
};

/// Why no run could start.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// This party cannot listen on its own address.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// This party's own certificate or key is unusable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No connection can be made to a peer's address.
    #[error("cannot connect to {peer} at {address}: {reason}")]
    Address {
        /// The peer.
        peer: Role,
        /// Its address.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Somebody else answers at a peer's address.
    #[error(
        "{address} presents {refusal}, where {peer} is expected: check the address and the \
         certificate that this party has of {peer}"
    )]
    Impostor {
        /// The expected party.
        peer: Role,
        /// Where it should be.
        address: SocketAddr,
        /// The problem of the certificate.
        refusal: Refusal,
    },
    /// A peer does not accept this party's certificate.
    #[error(
        "{peer} at {address} was shown {refusal}: check there the certificate of {role}, and that \
         this is the address of {peer}"
    )]
    Refused {
        /// The peer.
        peer: Role,
        /// Its address.
        address: SocketAddr,
        /// This party.
        role: Role,
        /// The problem of the certificate.
        refusal: Refusal,
    },
    /// Not everybody connected in time.
    #[error(
        "{} did not connect within {seconds} s{}",
        names(missing),
        meanwhile(stranger.as_ref())
    )]
    Deadline {
        /// The parties that are missing.
        missing: Vec<Role>,
        /// How long this party waited.
        seconds: u64,
        /// The last stranger that was refused meanwhile.
        stranger: Option<Stranger>,
    },
    /// The parties want to run different things. The text is the same at all three.
    #[error("{0}")]
    Disagreement(String),
    /// A peer ended the session, went away, or does not keep to the protocol.
    #[error(transparent)]
    Peer(#[from] Error),
}

/// A connection attempt that failed authentication.
#[derive(Clone, Copy, Debug)]
pub enum Stranger {
    /// This party refused the other end's certificate.
    Presented {
        /// Where it came from.
        address: SocketAddr,
        /// The problem of its certificate.
        refusal: Refusal,
    },
    /// The other end refused this party's certificate.
    WasShown {
        /// Where it came from.
        address: SocketAddr,
        /// The problem of this party's certificate.
        refusal: Refusal,
        /// This party.
        role: Role,
    },
}

impl ConnectError {
    /// The error that the end of a connection is, if trying again is of no use.
    pub(crate) fn from_end(
        me: Role,
        peer: Role,
        address: SocketAddr,
        end: &ConnectionError,
    ) -> Option<ConnectError> {
        match refusal(end) {
            Some((Whose::Theirs, refusal)) => {
                return Some(ConnectError::Impostor { peer, address, refusal });
            }
            Some((Whose::Own, refusal)) => {
                return Some(ConnectError::Refused { peer, address, role: me, refusal });
            }
            None => {}
        }
        match end {
            ConnectionError::ApplicationClosed(close) => match Goodbye::read(close) {
                Goodbye::Unexplained | Goodbye::Replaced | Goodbye::Done => None,
                Goodbye::Disagreement(text) => Some(ConnectError::Disagreement(text)),
                goodbye @ (Goodbye::Lost(..) | Goodbye::Failed(_)) => {
                    Some(goodbye.into_error(me, peer).into())
                }
            },
            ConnectionError::ConnectionClosed(close)
                if close.error_code == no_common_protocol() =>
            {
                let reason = "it speaks another version: install the same release at all parties";
                Some(ConnectError::Address { peer, address, reason: reason.into() })
            }
            _ => None,
        }
    }

    /// The reason to give the other parties.
    pub(crate) fn goodbye(&self) -> Goodbye {
        match self {
            ConnectError::Disagreement(text) => Goodbye::Disagreement(text.clone()),
            ConnectError::Peer(error) => Goodbye::from_error(error),
            ConnectError::Bind { .. }
            | ConnectError::Identity(_)
            | ConnectError::Address { .. }
            | ConnectError::Impostor { .. }
            | ConnectError::Refused { .. }
            | ConnectError::Deadline { .. } => Goodbye::Failed(self.to_string()),
        }
    }
}

impl Stranger {
    /// The failed authentication that the end of a handshake is, if it is one.
    pub(crate) fn from_end(
        me: Role,
        address: SocketAddr,
        end: &ConnectionError,
    ) -> Option<Stranger> {
        refusal(end).map(|(whose, refusal)| match whose {
            Whose::Theirs => Stranger::Presented { address, refusal },
            Whose::Own => Stranger::WasShown { address, refusal, role: me },
        })
    }
}

/// Whose certificate was refused.
enum Whose {
    Theirs,
    Own,
}

fn refusal(end: &ConnectionError) -> Option<(Whose, Refusal)> {
    match end {
        ConnectionError::TransportError(error) => {
            Refusal::from_code(error.code).map(|refusal| (Whose::Theirs, refusal))
        }
        ConnectionError::ConnectionClosed(close) => {
            Refusal::from_code(close.error_code).map(|refusal| (Whose::Own, refusal))
        }
        _ => None,
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stranger::Presented { address, refusal } => {
                write!(f, "a connection from {address} was refused: it presents {refusal}")
            }
            Stranger::WasShown { address, refusal, role } => {
                write!(f, "{address} was shown {refusal}: check there the certificate of {role}")
            }
        }
    }
}

/// `model-owner and data-owner`.
pub(crate) fn names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(" and ")
}

fn meanwhile(stranger: Option<&Stranger>) -> String {
    stranger.map_or(String::new(), |stranger| format!("; meanwhile {stranger}"))
}
