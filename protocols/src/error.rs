//! Errors of a running protocol, and whose fault they are.

use crate::party::Role;

/// The result of every protocol.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a protocol run. No variant carries a share, a mask or anything derived from one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A party closed its connection or stopped answering.
    #[error("{party} went away: {reason}")]
    PeerLost {
        /// The party that is gone.
        party: Role,
        /// The observation, in words.
        reason: String,
    },
    /// A message did not come in time.
    #[error("{from} sent nothing for {step} within {seconds} s")]
    Timeout {
        /// The party that should have sent.
        from: Role,
        /// The step that waits.
        step: String,
        /// How long it waited.
        seconds: u64,
    },
    /// A message of another length than the shapes give.
    #[error("{from} sent {got} bytes in {step}, phase {phase}, where {expected} are due")]
    Length {
        /// The sender.
        from: Role,
        /// The step that received it.
        step: String,
        /// The phase of the layer.
        phase: u16,
        /// Bytes that the shapes give.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
    /// A message under another phase number.
    #[error("{from} sent phase {got} in {step} where phase {expected} is due")]
    Phase {
        /// The sender.
        from: Role,
        /// The step that received it.
        step: String,
        /// The phase that is due.
        expected: u16,
        /// The phase that came.
        got: u16,
    },
    /// A message whose content is no element of its ring.
    #[error("{from} sent a malformed message in {step}, phase {phase}: {what}")]
    Malformed {
        /// The sender.
        from: Role,
        /// The step that received it.
        step: String,
        /// The phase of the layer.
        phase: u16,
        /// The problem.
        what: String,
    },
    /// The caller handed in values of another shape than it announced.
    #[error("{step}: {got} values given where the shape needs {expected}")]
    Shape {
        /// The step that was called.
        step: String,
        /// Values that the shape gives.
        expected: usize,
        /// Values that were given.
        got: usize,
    },
    /// Another part of this party failed first, or the user stopped it.
    #[error("stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}
