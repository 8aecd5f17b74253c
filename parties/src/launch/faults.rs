//! Who is at fault when a run fails.

use std::{
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use protocols::Role;

use super::process::Event;
use crate::error::Error;

/// How long the launcher waits, after one party said that another is gone, for that one's own
/// word.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// The complaints of the parties so far. One that says another is gone may only be a witness.
#[derive(Default)]
pub(super) struct Faults {
    first: Option<(String, u8)>,
    certain: bool,
    deadline: Option<Instant>,
    /// Which parties said why they end.
    pub told: [bool; 3],
}

impl Faults {
    /// The next event, or none if no more is needed to name who is at fault.
    pub(super) fn next(&self, inbox: &Receiver<(Role, Event)>) -> Option<(Role, Event)> {
        if self.certain {
            return None;
        }
        match self.deadline {
            None => inbox.recv().ok(),
            Some(deadline) => {
                inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
            }
        }
    }

    /// Notes a complaint; a `certain` one ends the wait for others.
    pub(super) fn note(&mut self, certain: bool, message: String, exit_code: u8) {
        if certain || self.first.is_none() {
            self.first = Some((message, exit_code));
        }
        self.certain |= certain;
        self.deadline.get_or_insert(Instant::now() + GRACE);
    }

    /// The error that names who is at fault.
    pub(super) fn into_error(self) -> Error {
        match self.first {
            Some((message, 2)) => Error::Usage(message),
            Some((message, _)) => Error::Run(message),
            None => Error::Run("all parties ended without a word".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_witness_gives_way_to_the_culprit() {
        let (sender, inbox) = mpsc::channel();
        let mut faults = Faults::default();
        faults.note(false, "data-owner: model-owner went away".into(), 1);
        sender.send((Role::ModelOwner, Event::Gone)).unwrap();
        assert!(faults.next(&inbox).is_some());
        faults.note(true, "the model-owner was killed by signal 9".into(), 1);
        assert!(faults.next(&inbox).is_none());
        let error = faults.into_error();
        assert_eq!(error.to_string(), "the model-owner was killed by signal 9");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_witness_alone_is_believed_after_a_while() {
        let (_sender, inbox) = mpsc::channel();
        let mut faults = Faults::default();
        faults.note(false, "data-owner: model-owner went away".into(), 1);
        faults.note(false, "crypto-producer: model-owner went away".into(), 1);
        assert!(faults.next(&inbox).is_none());
        assert_eq!(faults.into_error().to_string(), "data-owner: model-owner went away");
    }

    #[test]
    fn a_local_file_error_keeps_its_exit_code() {
        let mut faults = Faults::default();
        faults.note(true, "data-owner: x: cannot be read".into(), 2);
        assert_eq!(faults.into_error().exit_code(), 2);
    }
}
