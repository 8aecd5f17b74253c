//! Running the layers of a network: one after the other, or each as soon as its inputs are ready.

use std::{
    sync::{Arc, Mutex},
    thread::Scope,
};

use protocols::Result;

use super::architecture::{Graph, NodeId};

/// The order in which layers start. Messages and results are the same in both orders; they differ
/// in how many latencies a run waits for. All three parties should use the same order: otherwise a
/// run still succeeds, but its causal depths are not those that [`crate::NetworkCost`] predicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// A layer starts when the one before it in the graph has ended, as the published tables count
    /// rounds.
    #[default]
    Sequential,
    /// A layer starts when its inputs are ready: branches run in parallel, each layer on its own
    /// threads and in its own memory. This saves time on links of high latency, and costs the
    /// memory of all layers that are running.
    Overlapped,
}

impl Order {
    /// [`Order::Overlapped`] or [`Order::Sequential`].
    pub fn with_overlap(overlap: bool) -> Order {
        if overlap { Order::Overlapped } else { Order::Sequential }
    }

    /// The layers that the layer `place` waits for.
    pub(crate) fn before(self, place: NodeId, inputs: &[NodeId]) -> Vec<NodeId> {
        match self {
            Order::Sequential => {
                place.index().checked_sub(1).map(NodeId::new).into_iter().collect()
            }
            Order::Overlapped => inputs.to_vec(),
        }
    }
}

/// Runs all layers of a graph and returns the last one's result and causal depth. `run` takes a
/// layer, the depth at which it starts and its operands, and returns its result and the depth at
/// which it ended. A result is freed after its last use. Layers that become ready at the same time
/// run on separate threads; the first of them stays on the thread of the layer before it.
///
/// # Errors
/// The first error of a layer; no layer is started after it.
pub(crate) fn walk<T: Send + Sync>(
    graph: &Graph,
    order: Order,
    run: impl Fn(NodeId, u32, &[Arc<T>]) -> Result<(T, u32)> + Sync,
) -> Result<(T, u32)> {
    let nodes = graph.nodes();
    let before = graph.ids().map(|id| order.before(id, &graph.node(id).inputs));
    let before: Vec<Vec<NodeId>> = before.collect();
    let mut after = vec![Vec::new(); nodes.len()];
    for id in graph.ids() {
        for before in &before[id.index()] {
            after[before.index()].push(id);
        }
    }
    let progress = Progress {
        waits: before.iter().map(Vec::len).collect(),
        uses: graph.uses(),
        results: nodes.iter().map(|_| None).collect(),
        depths: vec![0; nodes.len()],
        failed: None,
    };
    let walk = Walk { graph, before, after, run, progress: Mutex::new(progress) };
    let first = graph.ids().next().expect("a graph has an input");
    std::thread::scope(|scope| walk.follow(scope, first));
    let mut progress = walk.progress.into_inner().expect("no panic while locked");
    if let Some(error) = progress.failed {
        return Err(error);
    }
    let output = graph.output();
    let result = progress.take(output);
    let result = Arc::into_inner(result).expect("the output is the last layer");
    Ok((result, progress.depths[output.index()]))
}

struct Walk<'g, T, F> {
    graph: &'g Graph,
    before: Vec<Vec<NodeId>>,
    after: Vec<Vec<NodeId>>,
    run: F,
    progress: Mutex<Progress<T>>,
}

struct Progress<T> {
    /// For every layer, how many layers it still waits for.
    waits: Vec<usize>,
    /// For every result, how many uses are still to come.
    uses: Vec<usize>,
    results: Vec<Option<Arc<T>>>,
    depths: Vec<u32>,
    failed: Option<protocols::Error>,
}

impl<T, F> Walk<'_, T, F>
where
    T: Send + Sync,
    F: Fn(NodeId, u32, &[Arc<T>]) -> Result<(T, u32)> + Sync,
{
    /// Runs a layer, and then the layers that become ready by it.
    fn follow<'s>(&'s self, scope: &'s Scope<'s, '_>, first: NodeId) {
        let mut next = Some(first);
        while let Some(id) = next {
            let mut ready = self.layer(id).into_iter();
            next = ready.next();
            for id in ready {
                scope.spawn(move || self.follow(scope, id));
            }
        }
    }

    /// Runs one layer and returns the layers that waited for nothing else.
    fn layer(&self, id: NodeId) -> Vec<NodeId> {
        let lock = || self.progress.lock().expect("no panic while locked");
        let mut progress = lock();
        if progress.failed.is_some() {
            return Vec::new();
        }
        let depths = self.before[id.index()].iter().map(|before| progress.depths[before.index()]);
        let depth = depths.max().unwrap_or(0);
        let inputs = &self.graph.node(id).inputs;
        let operands: Vec<Arc<T>> = inputs.iter().map(|&input| progress.take(input)).collect();
        drop(progress);

        let ended = (self.run)(id, depth, &operands);
        drop(operands);

        let mut progress = lock();
        match ended {
            Ok((result, depth)) => {
                progress.results[id.index()] = Some(Arc::new(result));
                progress.depths[id.index()] = depth;
            }
            Err(error) => {
                progress.failed.get_or_insert(error);
                return Vec::new();
            }
        }
        let is_ready = |after: &NodeId| {
            let waits = &mut progress.waits[after.index()];
            *waits -= 1;
            *waits == 0
        };
        self.after[id.index()].iter().copied().filter(is_ready).collect()
    }
}

impl<T> Progress<T> {
    /// A result for one of its users; the last use removes it.
    fn take(&mut self, id: NodeId) -> Arc<T> {
        let (uses, result) = (&mut self.uses[id.index()], &mut self.results[id.index()]);
        *uses -= 1;
        let result = if *uses == 0 { result.take() } else { result.clone() };
        result.expect("kept until its last use")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::test_nets;

    /// A result that counts how many of its kind there are.
    struct Counted<'a>(&'a AtomicUsize);

    impl<'a> Counted<'a> {
        fn new(alive: &'a AtomicUsize, most: &AtomicUsize) -> Counted<'a> {
            most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Counted(alive)
        }
    }

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn layers_run_once_after_their_inputs_and_results_are_freed() {
        let graph = test_nets::everything();
        for order in [Order::Sequential, Order::Overlapped] {
            let (alive, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let ran = Mutex::new(Vec::new());
            let (result, depth) = walk(&graph, order, |id, depth, operands| {
                let mut ran = ran.lock().unwrap();
                assert_eq!(operands.len(), graph.node(id).inputs.len());
                assert!(graph.node(id).inputs.iter().all(|input| ran.contains(input)));
                ran.push(id);
                Ok((Counted::new(&alive, &most), depth + 1))
            })
            .unwrap();
            let mut ran = ran.into_inner().unwrap();
            if order == Order::Sequential {
                assert_eq!(depth as usize, ran.len());
                assert!(ran.is_sorted());
            } else {
                // From the input through the convolutions of the split to the logits.
                assert_eq!(depth, 21);
                ran.sort_unstable();
            }
            assert_eq!(ran, graph.ids().collect::<Vec<_>>());
            assert!(most.into_inner() <= 5);
            assert_eq!(alive.load(Ordering::SeqCst), 1);
            drop(result);
        }
    }

    #[test]
    fn branches_are_under_way_at_once() {
        let graph = test_nets::fire();
        let both = Barrier::new(2);
        let result = walk(&graph, Order::Overlapped, |id, depth, _| {
            if graph.node(id).name.starts_with("expand") {
                both.wait();
            }
            Ok(((), depth))
        });
        assert_eq!(result, Ok(((), 0)));
    }

    #[test]
    fn nothing_starts_after_an_error() {
        let graph = test_nets::fire();
        for order in [Order::Sequential, Order::Overlapped] {
            let stopped = |name: &str| protocols::Error::Stopped { reason: name.to_owned() };
            let ran = AtomicUsize::new(0);
            let result = walk(&graph, order, |id, depth, _| {
                let name = graph.node(id).name.as_str();
                ran.fetch_add(1, Ordering::SeqCst);
                if name == "squeeze" { Err(stopped(name)) } else { Ok(((), depth)) }
            });
            assert_eq!(result, Err(stopped("squeeze")));
            assert_eq!(ran.into_inner(), 2);
        }
    }
}
