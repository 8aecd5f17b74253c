//! Messages that have come and wait to be taken.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Condvar, Mutex},
    time::{Duration, Instant},
};

use super::Received;
use crate::{
    error::{Error, Result},
    party::Role,
    step::{Step, StepId},
};

/// One party's received messages, by sender and step.
///
/// It never refuses a message, because a transport that stops reading would hold back messages that a
/// lane waits for. What bounds it is that senders stop: [`Inbox::take`] is where a transport learns how
/// much of what a peer sent is used.
#[derive(Debug)]
pub struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
    patience: Duration,
}

#[derive(Debug, Default)]
struct State {
    queues: HashMap<(Role, StepId), VecDeque<Received>>,
    lost: [Option<Error>; 3],
    failed: Option<Error>,
}

impl Inbox {
    /// An empty inbox whose [`Inbox::take`] waits for at most `patience`.
    pub fn new(patience: Duration) -> Inbox {
        Inbox { state: Mutex::default(), arrived: Condvar::new(), patience }
    }

    /// Puts a message in.
    pub fn deliver(&self, from: Role, step: StepId, message: Received) {
        let mut state = self.state.lock().expect("no panic while locked");
        state.queues.entry((from, step)).or_default().push_back(message);
        drop(state);
        self.arrived.notify_all();
    }

    /// Waits for the next message of a step.
    ///
    /// # Errors
    /// What [`Inbox::fail`] was called with; what [`Inbox::lose`] was called with, once everything
    /// that came before it is taken; [`Error::Timeout`].
    pub fn take(&self, from: Role, step: &Step) -> Result<Received> {
        let deadline = Instant::now() + self.patience;
        let mut state = self.state.lock().expect("no panic while locked");
        loop {
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if let Some(queue) = state.queues.get_mut(&(from, step.id())) {
                let message = queue.pop_front().expect("empty queues are removed");
                if queue.is_empty() {
                    state.queues.remove(&(from, step.id()));
                }
                return Ok(message);
            }
            if let Some(error) = &state.lost[from.index()] {
                return Err(error.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seconds = self.patience.as_secs();
                return Err(Error::Timeout { from, step: step.to_string(), seconds });
            }
            state = self.arrived.wait_timeout(state, left).expect("no panic while locked").0;
        }
    }

    /// Notes that nothing more comes from a party.
    pub fn lose(&self, party: Role, error: Error) {
        let mut state = self.state.lock().expect("no panic while locked");
        state.lost[party.index()].get_or_insert(error);
        drop(state);
        self.arrived.notify_all();
    }

    /// Makes every [`Inbox::take`] fail; the first error wins.
    pub fn fail(&self, error: Error) {
        let mut state = self.state.lock().expect("no panic while locked");
        state.failed.get_or_insert(error);
        drop(state);
        self.arrived.notify_all();
    }

    /// What [`Inbox::fail`] was called with.
    pub fn failure(&self) -> Option<Error> {
        self.state.lock().expect("no panic while locked").failed.clone()
    }

    /// The number of messages that nobody took.
    pub fn left_over(&self) -> usize {
        let state = self.state.lock().expect("no panic while locked");
        state.queues.values().map(VecDeque::len).sum()
    }
}
