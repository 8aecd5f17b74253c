//! The store of material between the two stages of a layer.

use std::sync::{Condvar, Mutex};

use protocols::{Error, Result};

use crate::graph::NodeId;

/// The most bytes of material that wait when both stages run at the same time.
const STREAMED: usize = 64 << 20;

/// A shelf with a place for each layer's material.
pub(super) struct Shelf<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    limit: usize,
}

struct State<T> {
    /// The material of each layer, with its size in bytes.
    waiting: Vec<Option<(T, usize)>>,
    bytes: usize,
    failed: Option<Error>,
}

impl<T> Shelf<T> {
    /// A shelf for all material or, if it is taken while it is put, for a bounded amount.
    pub(super) fn new(layers: usize, bounded: bool) -> Shelf<T> {
        let waiting = (0..layers).map(|_| None).collect();
        let state = State { waiting, bytes: 0, failed: None };
        let limit = if bounded { STREAMED } else { usize::MAX };
        Shelf { state: Mutex::new(state), changed: Condvar::new(), limit }
    }

    /// Puts a layer's material on the shelf; waits while it is over its limit. Layers come in the
    /// graph's order, so the material that is there can always be used.
    ///
    /// # Errors
    /// The error of [`Shelf::fail`].
    pub(super) fn put(&self, id: NodeId, material: T, bytes: usize) -> Result<()> {
        let mut state = self.state.lock().expect("no panic while locked");
        while state.failed.is_none() && state.bytes > self.limit {
            state = self.changed.wait(state).expect("no panic while locked");
        }
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        state.bytes += bytes;
        state.waiting[id.index()] = Some((material, bytes));
        self.changed.notify_all();
        Ok(())
    }

    /// Waits for a layer's material and takes it.
    ///
    /// # Errors
    /// The error of [`Shelf::fail`].
    pub(super) fn take(&self, id: NodeId) -> Result<T> {
        let mut state = self.state.lock().expect("no panic while locked");
        loop {
            if let Some((material, bytes)) = state.waiting[id.index()].take() {
                state.bytes -= bytes;
                self.changed.notify_all();
                return Ok(material);
            }
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            state = self.changed.wait(state).expect("no panic while locked");
        }
    }

    /// Ends all waiting with an error; the first error is kept.
    pub(super) fn fail(&self, error: Error) {
        let mut state = self.state.lock().expect("no panic while locked");
        state.failed.get_or_insert(error);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_shelf_makes_the_first_stage_wait() {
        let shelf = Shelf::new(3, true);
        let id = NodeId::new;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for layer in 0..3 {
                    shelf.put(id(layer), layer, STREAMED + 1).unwrap();
                }
            });
            assert_eq!(shelf.take(id(0)), Ok(0));
            assert_eq!(shelf.take(id(1)), Ok(1));
            assert_eq!(shelf.take(id(2)), Ok(2));
        });
        let whole = Shelf::new(2, false);
        whole.put(id(0), 0, usize::MAX / 2).unwrap();
        whole.put(id(1), 1, usize::MAX / 2).unwrap();
    }

    #[test]
    fn a_failure_of_one_stage_ends_the_other() {
        let shelf = Shelf::<()>::new(1, true);
        let error = Error::Stopped { reason: "test".into() };
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| shelf.take(NodeId::new(0)));
            shelf.fail(error.clone());
            assert_eq!(waiting.join().unwrap(), Err(error.clone()));
        });
        assert_eq!(shelf.put(NodeId::new(0), (), 1), Err(error));
    }
}
