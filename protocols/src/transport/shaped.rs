//! A transport that delays what it sends, as a link of given latency and bandwidth does.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{Message, Received, Transport};
use crate::{
    error::{Error, Result},
    party::Role,
    step::Step,
};

/// The shape of a link, each direction by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// The time from the last byte sent to its arrival.
    pub one_way_latency: Duration,
    /// Bits per second; a message takes the link for its payload's time.
    pub bandwidth: f64,
}

/// Holds each message back until the shaped link would have delivered it.
pub(crate) struct ShapedTransport<T: Transport + 'static> {
    inner: Arc<T>,
    lines: [Arc<Line>; 3],
    workers: Vec<JoinHandle<()>>,
    shape: Shape,
}

#[derive(Default)]
struct Line {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<(Instant, Message)>,
    free_at: Option<Instant>,
    closed: bool,
    failed: Option<Error>,
}

impl<T: Transport + 'static> ShapedTransport<T> {
    /// Shapes both outgoing links of one party.
    ///
    /// # Panics
    /// If the bandwidth is not positive.
    pub(crate) fn new(role: Role, inner: T, shape: Shape) -> Self {
        assert!(shape.bandwidth > 0.0, "a link has some bandwidth");
        let inner = Arc::new(inner);
        let lines: [Arc<Line>; 3] = Default::default();
        let workers = role
            .others()
            .map(|to| {
                let (line, inner) = (lines[to.index()].clone(), inner.clone());
                std::thread::spawn(move || line.run(to, inner.as_ref()))
            })
            .into();
        ShapedTransport { inner, lines, workers, shape }
    }
}

impl<T: Transport> Transport for ShapedTransport<T> {
    fn send(&self, to: Role, message: Message) -> Result<()> {
        let line = &self.lines[to.index()];
        let seconds = message.payload.len() as f64 * 8.0 / self.shape.bandwidth;
        let mut queue = line.queue.lock().expect("no panic while locked");
        if let Some(error) = &queue.failed {
            return Err(error.clone());
        }
        let now = Instant::now();
        let sent = queue.free_at.unwrap_or(now).max(now) + Duration::from_secs_f64(seconds);
        queue.free_at = Some(sent);
        queue.messages.push_back((sent + self.shape.one_way_latency, message));
        drop(queue);
        line.changed.notify_all();
        Ok(())
    }

    fn recv(&self, from: Role, step: &Step) -> Result<Received> {
        self.inner.recv(from, step)
    }

    fn abort(&self, error: Error) {
        for line in &self.lines {
            let mut queue = line.queue.lock().expect("no panic while locked");
            queue.failed.get_or_insert(error.clone());
        }
        self.inner.abort(error);
    }
}

impl<T: Transport> Drop for ShapedTransport<T> {
    fn drop(&mut self) {
        for line in &self.lines {
            line.queue.lock().expect("no panic while locked").closed = true;
            line.changed.notify_all();
        }
        for worker in self.workers.drain(..) {
            // A worker that panicked has nothing left to deliver.
            let _ = worker.join();
        }
    }
}

impl Line {
    /// Delivers each message when it is due, until the line is closed and empty.
    fn run(&self, to: Role, inner: &dyn Transport) {
        let mut queue = self.queue.lock().expect("no panic while locked");
        loop {
            let Some(due) = queue.messages.front().map(|(due, _)| *due) else {
                if queue.closed {
                    return;
                }
                queue = self.changed.wait(queue).expect("no panic while locked");
                continue;
            };
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                queue = self.changed.wait_timeout(queue, wait).expect("no panic while locked").0;
                continue;
            }
            let (_, message) = queue.messages.pop_front().expect("looked at above");
            drop(queue);
            let sent = inner.send(to, message);
            queue = self.queue.lock().expect("no panic while locked");
            if let Err(error) = sent {
                queue.messages.clear();
                queue.failed = Some(error.clone());
                drop(queue);
                inner.abort(error);
                return;
            }
        }
    }
}
