//! Transports on a query's file: one records what arrives, one gives it back.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
};

use protocols::{
    Error as ProtocolError, Role,
    ledger::AHEAD,
    step::{Step, StepId},
    transport::{Message, Received, Transport},
};

use super::file::{Messages, Writer};

/// The place of P1's masked weights. No layer can have the name.
const WEIGHTS: &str = "session/weights";

/// Writes the masked weights that P1 needs when the query comes.
///
/// # Errors
/// The operating system's error.
pub(super) fn write_weights(writer: &mut Writer, packed: &[u8]) -> io::Result<()> {
    writer.append(Role::ModelOwner, Step::root(WEIGHTS).id(), packed)
}

/// A transport that records in a file what its party receives.
pub(super) struct Recording {
    inner: Arc<dyn Transport>,
    writer: Mutex<Option<Writer>>,
}

impl Recording {
    /// Records what comes through another transport.
    pub(super) fn new(inner: Arc<dyn Transport>, writer: Writer) -> Recording {
        Recording { inner, writer: Mutex::new(Some(writer)) }
    }

    /// The file, after the last message.
    ///
    /// # Panics
    /// If it was taken before.
    pub(super) fn take_writer(&self) -> Writer {
        self.writer.lock().expect("no panic while locked").take().expect("it is taken once")
    }
}

impl Transport for Recording {
    fn send(&self, to: Role, message: Message) -> protocols::Result<()> {
        self.inner.send(to, message)
    }

    fn recv(&self, from: Role, step: &Step) -> protocols::Result<Received> {
        let message = self.inner.recv(from, step)?;
        let mut writer = self.writer.lock().expect("no panic while locked");
        let writer = writer.as_mut().expect("messages come before the end");
        writer.append(from, step.id(), &message.payload).map_err(|error| {
            let reason = format!("{}: cannot be written: {error}", writer.path().display());
            ProtocolError::Stopped { reason }
        })?;
        Ok(message)
    }

    fn abort(&self, error: ProtocolError) {
        self.inner.abort(error);
    }
}

/// A transport that gives back recorded messages. It reads on in its file as they are asked for,
/// and holds in memory only those that it meets before their turn: as many as lanes are under way.
pub(crate) struct Stored(Mutex<Reading>);

struct Reading {
    messages: Messages,
    waiting: HashMap<(Role, StepId), Vec<u8>>,
    failed: Option<ProtocolError>,
}

impl Stored {
    /// A transport that reads these messages.
    pub(crate) fn new(messages: Messages) -> Stored {
        Stored(Mutex::new(Reading { messages, waiting: HashMap::new(), failed: None }))
    }

    /// The masked weights that [`write_weights`] wrote.
    ///
    /// # Errors
    /// If it is not there.
    pub(crate) fn weights(&self) -> protocols::Result<Vec<u8>> {
        Ok(self.recv(Role::ModelOwner, &Step::root(WEIGHTS))?.payload)
    }
}

impl Transport for Stored {
    fn send(&self, to: Role, message: Message) -> protocols::Result<()> {
        let reason = format!("{} was sent to {to} when the material was made", message.step);
        Err(ProtocolError::Stopped { reason })
    }

    fn recv(&self, from: Role, step: &Step) -> protocols::Result<Received> {
        let mut reading = self.0.lock().expect("no panic while locked");
        if let Some(error) = &reading.failed {
            return Err(error.clone());
        }
        let payload = reading.find((from, step.id())).map_err(|error| ProtocolError::Stopped {
            reason: format!("the material has no message of {from} for {step}: {error}"),
        })?;
        Ok(Received { phase: AHEAD, depth: 0, payload })
    }

    fn abort(&self, error: ProtocolError) {
        self.0.lock().expect("no panic while locked").failed.get_or_insert(error);
    }
}

impl Reading {
    fn find(&mut self, due: (Role, StepId)) -> io::Result<Vec<u8>> {
        if let Some(payload) = self.waiting.remove(&due) {
            return Ok(payload);
        }
        loop {
            let (from, step, payload) = self.messages.next()?;
            if (from, step) == due {
                return Ok(payload);
            }
            self.waiting.insert((from, step), payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::file::{
            QueryFile,
            tests::{label, messages, written},
        },
        *,
    };

    #[test]
    fn messages_come_back_in_any_order_and_once() {
        let directory = tempfile::tempdir().unwrap();
        let opened = QueryFile::open(&written(directory.path())).unwrap();
        assert_eq!(opened.label, label(0));
        let (seeds, messages_of_file) = opened.into_parts();
        let stored = Stored::new(messages_of_file);
        assert_eq!(seeds.with_others[1].expose(), &[9; 32]);
        let mut all = messages();
        all.rotate_left(3);
        for (from, step, payload) in &all {
            let message = stored.recv(*from, step).unwrap();
            assert!(message.payload == *payload && (message.phase, message.depth) == (AHEAD, 0));
        }
        let (from, step, _) = &all[0];
        let error = stored.recv(*from, step).unwrap_err().to_string();
        assert!(error.contains("the material has no message of data-owner"), "{error}");
        let message = Message { step: step.clone(), phase: 0, depth: 0, payload: vec![] };
        assert!(stored.send(*from, message).is_err());
    }
}
