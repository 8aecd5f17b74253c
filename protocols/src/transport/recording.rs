//! A transport that keeps a copy of everything received, for tests of what a party sees.

use std::sync::{Arc, Mutex};

use super::{Message, Received, Transport};
use crate::{
    error::{Error, Result},
    party::{Link, Role},
    step::Step,
};

/// A message that was taken, with the step that took it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Sender and receiver.
    pub link: Link,
    /// The step's path.
    pub path: String,
    /// Phase, depth and payload.
    pub message: Received,
}

/// Everything that was received, in the order in which it was taken.
pub type Records = Arc<Mutex<Vec<Record>>>;

/// Records what its party receives.
pub(crate) struct RecordingTransport<T> {
    role: Role,
    inner: T,
    records: Records,
}

impl<T: Transport> RecordingTransport<T> {
    /// Wraps one party's transport; the records may be shared by several parties.
    pub(crate) fn new(role: Role, inner: T, records: Records) -> Self {
        RecordingTransport { role, inner, records }
    }
}

impl<T: Transport> Transport for RecordingTransport<T> {
    fn send(&self, to: Role, message: Message) -> Result<()> {
        self.inner.send(to, message)
    }

    fn recv(&self, from: Role, step: &Step) -> Result<Received> {
        let message = self.inner.recv(from, step)?;
        self.records.lock().expect("no panic while locked").push(Record {
            link: Link::new(from, self.role),
            path: step.to_string(),
            message: message.clone(),
        });
        Ok(message)
    }

    fn abort(&self, error: Error) {
        self.inner.abort(error);
    }
}
