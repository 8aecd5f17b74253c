//! The state that a session and the contexts of its layers share.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use crate::{
    error::Error,
    party::Role,
    prf::Seeds,
    step::{Step, StepId},
    transport::Transport,
};

/// How a long batch is cut and how many pieces are under way at once. All three parties must agree
/// (the hello compares them), because the cut decides which messages exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// Values per chunk of a non-linear layer: a multiple of 64, so that chunking adds no byte.
    /// A chunk works on about 0.5 KiB of memory a value, which should stay in a core's second-level
    /// cache: 8192 instead of 2048 costs a quarter more time. A smaller chunk costs more messages.
    pub chunk: usize,
    /// Chunks under way at once: at least the cores, more to fill a long link (in-flight bytes
    /// are about `window * chunk * 50`).
    pub window: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        SessionOptions { chunk: 2048, window: 8 }
    }
}

/// One party's role, seeds and transport, and the steps that it has used.
pub(crate) struct State {
    pub(crate) role: Role,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) seeds: Seeds,
    pub(crate) options: SessionOptions,
    used: Mutex<HashSet<StepId>>,
}

impl State {
    pub(crate) fn new(
        role: Role,
        transport: Arc<dyn Transport>,
        seeds: Seeds,
        options: SessionOptions,
    ) -> State {
        State { role, transport, seeds, options, used: Mutex::default() }
    }

    /// Notes that a step is used: its messages and its randomness exist once.
    pub(crate) fn claim(&self, step: &Step) {
        let fresh = self.used.lock().expect("no panic while locked").insert(step.id());
        assert!(fresh, "step {step} is used twice: its masks would be too");
    }

    /// Ends everything that waits, with this error.
    pub(crate) fn abort(&self, error: Error) {
        self.transport.abort(error);
    }
}

/// Wakes everything that waits when its thread panics: a bug must not look like a silent peer.
pub(crate) struct AbortOnPanic<'t>(pub(crate) &'t dyn Transport);

impl Drop for AbortOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.abort(Error::Stopped { reason: "a bug: a protocol panicked".into() });
        }
    }
}
