//! How messages travel. A transport moves payloads between the parties; it neither counts rounds
//! nor looks inside.

pub mod inbox;
pub mod memory;
#[cfg(any(test, feature = "test-world"))]
pub mod recording;
#[cfg(any(test, feature = "test-world"))]
pub mod shaped;

use std::fmt;

use crate::{
    error::{Error, Result},
    party::Role,
    step::Step,
};

/// A message as its sender hands it over.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it belongs.
    pub step: Step,
    /// The phase of the layer.
    pub phase: u16,
    /// The sender's causal depth.
    pub depth: u32,
    /// The protocol's bytes, which are all that the ledger counts.
    pub payload: Vec<u8>,
}

/// A message as its receiver takes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// The phase that its sender was in.
    pub phase: u16,
    /// The sender's causal depth.
    pub depth: u32,
    /// The protocol's bytes.
    pub payload: Vec<u8>,
}

/// One party's connections to the two others.
///
/// Messages of one step from one sender arrive in the order in which they were sent; between
/// steps there is no order. Any number of threads may call at once.
pub trait Transport: Send + Sync {
    /// Hands a message over; may block while too much is under way.
    ///
    /// # Errors
    /// [`Error::PeerLost`] or whatever [`Transport::abort`] was called with.
    fn send(&self, to: Role, message: Message) -> Result<()>;

    /// Waits for the next message of a step.
    ///
    /// # Errors
    /// [`Error::PeerLost`], [`Error::Timeout`] or whatever [`Transport::abort`] was called with.
    fn recv(&self, from: Role, step: &Step) -> Result<Received>;

    /// Makes every call, waiting or to come, fail with this error (the first one wins).
    fn abort(&self, error: Error);
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn send(&self, to: Role, message: Message) -> Result<()> {
        (**self).send(to, message)
    }

    fn recv(&self, from: Role, step: &Step) -> Result<Received> {
        (**self).recv(from, step)
    }

    fn abort(&self, error: Error) {
        (**self).abort(error);
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message { step, phase, depth, payload } = self;
        write!(f, "Message({step}, phase {phase}, depth {depth}, {} bytes)", payload.len())
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Received { phase, depth, payload } = self;
        write!(f, "Received(phase {phase}, depth {depth}, {} bytes)", payload.len())
    }
}
