//! Frames that wait to be written to one peer: filled by the blocking threads of the protocols,
//! emptied by the I/O thread, bounded in bytes.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex},
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::frame::HEADER;

/// A party that is this far ahead of its link waits. A longer message passes when nothing else is
/// ahead of it.
const LIMIT: usize = 16 << 20;

/// The crypto producer waits for nobody in a linear layer, so the bytes that it has sent and its
/// receiver has not taken yet are bounded by this, and with them the receiver's memory. It is far
/// more than the chunks that the evaluators have under way, so the producer never waits for a
/// message that they wait for.
pub(crate) const MAX_AHEAD: u64 = 32 << 20;

/// Pieces up to this length are gathered: a piece of its own costs the transport more than a copy.
const GATHERED: usize = 64 << 10;

/// The most that is handed to the transport at once, so that senders wait for space smoothly.
const BATCH: usize = 1 << 20;

/// Messages and bytes of payload over one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub messages: u64,
    pub bytes: u64,
}

impl Traffic {
    pub(crate) fn count(&mut self, payload: usize) {
        self.messages += 1;
        self.bytes += payload as u64;
    }
}

/// The outbox takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    space: Condvar,
    filled: Notify,
    /// Bytes of payload that the receiver may not have taken yet.
    ahead: Option<u64>,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes in `pieces` and in the batch that is being written.
    waiting: usize,
    sent: Traffic,
    /// Bytes of payload that the receiver has taken.
    taken: u64,
    closed: bool,
}

impl Outbox {
    /// An outbox whose sender waits while `ahead` bytes or more are not yet taken by the receiver.
    pub(super) fn bounded(ahead: u64) -> Outbox {
        Outbox { ahead: Some(ahead), ..Outbox::default() }
    }

    /// Queues a frame; waits while more than [`LIMIT`] bytes are queued, or too many not yet taken.
    pub(super) fn push(&self, header: [u8; HEADER], payload: Vec<u8>) -> Result<(), Closed> {
        let mut state = self.state.lock().expect("no panic while locked");
        let too_far = |state: &State| {
            let untaken = state.sent.bytes.saturating_sub(state.taken);
            state.waiting >= LIMIT || self.ahead.is_some_and(|ahead| untaken >= ahead)
        };
        while too_far(&state) && !state.closed {
            state = self.space.wait(state).expect("no panic while locked");
        }
        if state.closed {
            return Err(Closed);
        }
        state.waiting += HEADER + payload.len();
        state.sent.count(payload.len());
        state.gather(&header);
        if payload.len() < GATHERED / 4 {
            state.gather(&payload);
        } else {
            state.pieces.push_back(payload);
        }
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Refuses everything from now on and wakes everybody; what is queued can still be taken.
    /// Returns what was ever queued.
    pub(super) fn close(&self) -> Traffic {
        let mut state = self.state.lock().expect("no panic while locked");
        state.closed = true;
        let sent = state.sent;
        drop(state);
        self.space.notify_all();
        self.filled.notify_one();
        sent
    }

    /// Counts a message that was never queued.
    #[cfg(test)]
    pub(super) fn miscount(&self) {
        self.state.lock().expect("no panic while locked").sent.count(0);
    }

    /// The next pieces to write, and how many bytes they are; `None` once closed and empty. For
    /// one task only.
    pub(super) async fn take(&self) -> Option<(Vec<Bytes>, usize)> {
        loop {
            {
                let mut state = self.state.lock().expect("no panic while locked");
                if !state.pieces.is_empty() {
                    return Some(state.batch());
                }
                if state.closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Notes how many bytes of payload the receiver has taken in all.
    pub(super) fn taken(&self, bytes: u64) {
        let mut state = self.state.lock().expect("no panic while locked");
        // Lanes count at once, so a smaller sum may come after a larger one.
        state.taken = state.taken.max(bytes);
        drop(state);
        self.space.notify_all();
    }

    /// Frees the space of bytes that were taken and are now written.
    pub(super) fn written(&self, bytes: usize) {
        let mut state = self.state.lock().expect("no panic while locked");
        state.waiting -= bytes;
        let has_space = state.waiting < LIMIT;
        drop(state);
        if has_space {
            self.space.notify_all();
        }
    }
}

impl State {
    /// Appends to the last piece while that is short.
    fn gather(&mut self, bytes: &[u8]) {
        match self.pieces.back_mut() {
            Some(last) if last.len() + bytes.len() <= GATHERED => last.extend_from_slice(bytes),
            _ => self.pieces.push_back(bytes.to_vec()),
        }
    }

    fn batch(&mut self) -> (Vec<Bytes>, usize) {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH
            && let Some(piece) = self.pieces.pop_front()
        {
            bytes += piece.len();
            batch.push(Bytes::from(piece));
        }
        (batch, bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    #[test]
    fn pieces_come_out_in_order() {
        let outbox = Outbox::default();
        let mut expected = Vec::new();
        let mut traffic = Traffic::default();
        for length in [0, 5, 100_000, 7, 2 << 20, 20_000, 1] {
            let payload: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
            expected.extend_from_slice(&[length as u8; HEADER]);
            expected.extend_from_slice(&payload);
            traffic.count(length);
            outbox.push([length as u8; HEADER], payload).unwrap();
        }
        assert_eq!(outbox.close(), traffic);
        assert_eq!(outbox.push([0; HEADER], vec![]), Err(Closed));
        let mut got = Vec::new();
        while let Some((batch, bytes)) = block_on(outbox.take()) {
            assert_eq!(batch.iter().map(Bytes::len).sum::<usize>(), bytes);
            batch.iter().for_each(|piece| got.extend_from_slice(piece));
            outbox.written(bytes);
        }
        assert!(got == expected);
        assert_eq!(outbox.state.lock().unwrap().waiting, 0);
    }

    #[test]
    fn a_sender_waits_for_space_and_is_woken_by_both_ends() {
        for close in [false, true] {
            let outbox = Arc::new(Outbox::default());
            outbox.push([0; HEADER], vec![0; LIMIT]).unwrap();
            let sender = std::thread::spawn({
                let outbox = outbox.clone();
                move || outbox.push([0; HEADER], vec![1])
            });
            std::thread::sleep(Duration::from_millis(50));
            assert!(!sender.is_finished());
            if close {
                outbox.close();
                assert_eq!(sender.join().unwrap(), Err(Closed));
            } else {
                let (_, bytes) = block_on(outbox.take()).unwrap();
                outbox.written(bytes);
                assert_eq!(sender.join().unwrap(), Ok(()));
            }
        }
    }

    #[test]
    fn a_bounded_sender_waits_until_the_receiver_has_taken() {
        let outbox = Arc::new(Outbox::bounded(100));
        outbox.push([0; HEADER], vec![0; 99]).unwrap();
        // The bound is looked at before a message, so that a message of any length passes.
        outbox.push([0; HEADER], vec![0; 500]).unwrap();
        let sender = std::thread::spawn({
            let outbox = outbox.clone();
            move || outbox.push([0; HEADER], vec![1])
        });
        outbox.taken(99);
        std::thread::sleep(Duration::from_millis(50));
        assert!(!sender.is_finished());
        outbox.taken(599);
        assert_eq!(sender.join().unwrap(), Ok(()));
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }
}
