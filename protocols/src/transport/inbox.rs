//! Messages that have come and wait to be taken.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    thread::{self, Thread},
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
/// It never refuses a message, because a transport that stops reading would hold back messages that
/// a lane waits for. What bounds it is that senders stop: [`Inbox::take`] is where a transport
/// learns how much of what a peer sent is used.
#[derive(Debug)]
pub struct Inbox {
    state: Mutex<State>,
    patience: Duration,
}

#[derive(Debug, Default)]
struct State {
    queues: HashMap<(Role, StepId), VecDeque<Received>>,
    /// Who waits for what, so that a message wakes its receiver alone.
    waiting: HashMap<(Role, StepId), Thread>,
    lost: [Option<Error>; 3],
    failed: Option<Error>,
}

impl Inbox {
    /// An empty inbox whose [`Inbox::take`] waits for at most `patience`.
    pub fn new(patience: Duration) -> Inbox {
        Inbox { state: Mutex::default(), patience }
    }

    /// Puts a message in.
    pub fn deliver(&self, from: Role, step: StepId, message: Received) {
        let mut state = self.state.lock().expect("no panic while locked");
        state.queues.entry((from, step)).or_default().push_back(message);
        let waiter = state.waiting.remove(&(from, step));
        drop(state);
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }

    /// Waits for the next message of a step; one thread at a time may wait for the same.
    ///
    /// # Errors
    /// The error given to [`Inbox::fail`]; the one given to [`Inbox::lose`], once everything
    /// that came before it is taken; [`Error::Timeout`].
    pub fn take(&self, from: Role, step: &Step) -> Result<Received> {
        let deadline = Instant::now() + self.patience;
        let key = (from, step.id());
        loop {
            let mut state = self.state.lock().expect("no panic while locked");
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if let Some(queue) = state.queues.get_mut(&key) {
                let message = queue.pop_front().expect("empty queues are removed");
                if queue.is_empty() {
                    state.queues.remove(&key);
                }
                return Ok(message);
            }
            if let Some(error) = &state.lost[from.index()] {
                return Err(error.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.waiting.remove(&key);
                let seconds = self.patience.as_secs();
                return Err(Error::Timeout { from, step: step.to_string(), seconds });
            }
            state.waiting.insert(key, thread::current());
            drop(state);
            // Whoever delivers has seen the entry by now or will see it: no wake-up is lost.
            thread::park_timeout(left);
        }
    }

    /// Notes that nothing more comes from a party.
    pub fn lose(&self, party: Role, error: Error) {
        let mut state = self.state.lock().expect("no panic while locked");
        state.lost[party.index()].get_or_insert(error);
        state.wake_all();
    }

    /// Makes every [`Inbox::take`] fail; the first error wins.
    pub fn fail(&self, error: Error) {
        let mut state = self.state.lock().expect("no panic while locked");
        state.failed.get_or_insert(error);
        state.wake_all();
    }

    /// The error given to [`Inbox::fail`].
    pub fn failure(&self) -> Option<Error> {
        self.state.lock().expect("no panic while locked").failed.clone()
    }

    /// The number of messages that nobody took.
    pub fn left_over(&self) -> usize {
        let state = self.state.lock().expect("no panic while locked");
        state.queues.values().map(VecDeque::len).sum()
    }
}

impl State {
    fn wake_all(&mut self) {
        self.waiting.drain().for_each(|(_, waiter)| waiter.unpark());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(depth: u32) -> Received {
        Received { phase: 1, depth, payload: vec![] }
    }

    #[test]
    fn messages_wake_their_own_receiver_and_keep_their_order() {
        let inbox = Inbox::new(Duration::from_secs(60));
        let steps: Vec<Step> = (0..8).map(|i| Step::root(&i.to_string())).collect();
        thread::scope(|scope| {
            for step in &steps {
                scope.spawn(|| {
                    for depth in 0..100 {
                        assert_eq!(inbox.take(Role::DataOwner, step).unwrap(), message(depth));
                    }
                });
            }
            for depth in 0..100 {
                for step in &steps {
                    inbox.deliver(Role::DataOwner, step.id(), message(depth));
                }
            }
        });
        assert_eq!(inbox.left_over(), 0);
    }

    #[test]
    fn a_lost_party_fails_only_those_who_wait_for_it() {
        let inbox = Inbox::new(Duration::from_secs(60));
        let step = Step::root("step");
        let gone = Error::PeerLost { party: Role::DataOwner, reason: "gone".into() };
        thread::scope(|scope| {
            let lost = scope.spawn(|| inbox.take(Role::DataOwner, &step));
            let other = scope.spawn(|| inbox.take(Role::ModelOwner, &step));
            inbox.lose(Role::DataOwner, gone.clone());
            assert_eq!(lost.join().unwrap(), Err(gone.clone()));
            inbox.deliver(Role::ModelOwner, step.id(), message(3));
            assert_eq!(other.join().unwrap(), Ok(message(3)));
        });
        let stopped = Error::Stopped { reason: "test".into() };
        inbox.fail(stopped.clone());
        assert_eq!(inbox.take(Role::ModelOwner, &step), Err(stopped));
    }

    #[test]
    fn patience_ends() {
        let inbox = Inbox::new(Duration::from_millis(10));
        let error = inbox.take(Role::DataOwner, &Step::root("step"));
        assert!(matches!(error, Err(Error::Timeout { from: Role::DataOwner, .. })));
    }
}
