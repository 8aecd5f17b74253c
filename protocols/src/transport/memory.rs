//! Three parties in one process.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{Message, Received, Transport, inbox::Inbox};
use crate::{
    error::{Error, Result},
    party::Role,
    step::Step,
};

/// One party's end of a world in memory. When an end is dropped, the two others find it gone.
#[derive(Debug)]
pub struct MemoryTransport {
    role: Role,
    own: Arc<Inbox>,
    inboxes: [Weak<Inbox>; 3],
}

impl MemoryTransport {
    /// The three ends, P0's first; each waits for a message for at most `patience`.
    pub fn world(patience: Duration) -> [MemoryTransport; 3] {
        let inboxes = [(); 3].map(|()| Arc::new(Inbox::new(patience)));
        let weak = [0, 1, 2].map(|i| Arc::downgrade(&inboxes[i]));
        let mut own = inboxes.into_iter();
        Role::ALL.map(|role| MemoryTransport {
            role,
            own: own.next().expect("three inboxes"),
            inboxes: weak.clone(),
        })
    }

    /// The number of messages that this party never took.
    pub fn left_over(&self) -> usize {
        self.own.left_over()
    }

    fn gone(party: Role) -> Error {
        Error::PeerLost { party, reason: "its end was dropped".into() }
    }
}

impl Transport for MemoryTransport {
    fn send(&self, to: Role, message: Message) -> Result<()> {
        if let Some(error) = self.own.failure() {
            return Err(error);
        }
        let inbox = self.inboxes[to.index()].upgrade().ok_or_else(|| Self::gone(to))?;
        let Message { step, phase, depth, payload } = message;
        inbox.deliver(self.role, step.id(), Received { phase, depth, payload });
        Ok(())
    }

    fn recv(&self, from: Role, step: &Step) -> Result<Received> {
        self.own.take(from, step)
    }

    fn abort(&self, error: Error) {
        self.own.fail(error);
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        for other in self.role.others() {
            if let Some(inbox) = self.inboxes[other.index()].upgrade() {
                inbox.lose(self.role, Self::gone(self.role));
            }
        }
    }
}
