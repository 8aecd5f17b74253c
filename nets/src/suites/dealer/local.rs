//! Local computations, which need no messages. They are the same on z, on r and on plain values.

use fixedpoint::Padding;
use protocols::{average, channels};

use super::layout::{Computation, Layout, Part};
use crate::graph::{Graph, NodeId, Op};

/// The result of a local layer.
pub(super) fn local(
    graph: &Graph,
    layout: &Layout,
    id: NodeId,
    batch: usize,
    operands: &[&[u64]],
) -> Vec<u64> {
    let node = graph.node(id);
    let dims = graph.input_dims(id);
    let lifts = &layout.layer(id).lift;
    let lifted: Vec<Vec<u64>> =
        operands.iter().zip(lifts).map(|(operand, &bits)| lift(operand.to_vec(), bits)).collect();
    match &node.op {
        Op::Add => fixedpoint::ring::add(&lifted[0], &lifted[1]),
        Op::Concat => {
            let channels = node.inputs.iter().map(|&input| graph.dims(input).channels);
            let parts: Vec<_> = lifted.iter().map(Vec::as_slice).zip(channels).collect();
            channels::concat(batch, dims.plane(), &parts)
        }
        &Op::Slice { start, end } => {
            channels::slice(batch, dims.channels, dims.plane(), &lifted[0], start..end)
        }
        &Op::Shuffle { groups } => {
            channels::shuffle(batch, dims.channels, dims.plane(), groups, &lifted[0])
        }
        Op::Reshape(_) => lifted.into_iter().next().expect("one operand"),
        op @ (Op::Input | Op::Linear(_) | Op::Activation(_) | Op::MaxPool(_) | Op::AvgPool(_)) => {
            unreachable!("{} is not local", op.name())
        }
    }
}

/// The result of an average, at its larger scale.
pub(super) fn average(
    graph: &Graph,
    layout: &Layout,
    id: NodeId,
    batch: usize,
    x: &[u64],
) -> Vec<u64> {
    let Computation::Average(divisor) = &layout.layer(id).computation else {
        unreachable!("an average")
    };
    average::lifted(&graph.pool_shape(id, batch).expect("a pooling layer"), divisor, x)
}

/// The sums of a max pool's windows of signs. A sum plus its window's size minus 1 is negative if
/// all signs are -1, and otherwise positive.
pub(super) fn windows(graph: &Graph, id: NodeId, batch: usize, x: &[u64]) -> Vec<u64> {
    average::sums(&graph.pool_shape(id, batch).expect("a pooling layer"), x)
}

/// Adds to every window's sum its size minus 1, without padding.
pub(super) fn add_sizes(graph: &Graph, id: NodeId, sums: &mut [u64]) {
    let shape = graph.pool_shape(id, 1).expect("a pooling layer");
    let sizes = shape.counts(Padding::NONE);
    let pairs = sums.iter_mut().zip(sizes.iter().cycle());
    pairs.for_each(|(sum, &size)| *sum = sum.wrapping_add(size as u64 - 1));
}

/// The values of a part of an activation, shifted to the scale that its gadget takes.
pub(super) fn part(graph: &Graph, id: NodeId, batch: usize, part: &Part, x: &[u64]) -> Vec<u64> {
    let dims = graph.dims(id);
    let ranges = &part.portion.channels;
    lift(channels::gather(batch, dims.channels, dims.plane(), x, ranges), part.raise)
}

/// The number of values of a part.
pub(super) fn part_len(graph: &Graph, id: NodeId, batch: usize, part: &Part) -> usize {
    batch * part.portion.len() * graph.dims(id).plane()
}

/// The result of an activation from those of its parts, each shifted to the common scale.
pub(super) fn join(
    graph: &Graph,
    id: NodeId,
    batch: usize,
    parts: &[Part],
    values: Vec<Vec<u64>>,
) -> Vec<u64> {
    let dims = graph.dims(id);
    let mut lifted = parts.iter().zip(values).map(|(part, values)| lift(values, part.lift));
    if parts.len() == 1 {
        return lifted.next().expect("one part");
    }
    let mut joined = vec![0; batch * dims.len()];
    for (part, values) in parts.iter().zip(lifted) {
        let ranges = &part.portion.channels;
        channels::scatter(batch, dims.channels, dims.plane(), &values, ranges, &mut joined);
    }
    joined
}

/// The values shifted left by a number of bits.
fn lift(mut values: Vec<u64>, bits: u32) -> Vec<u64> {
    if bits > 0 {
        values.iter_mut().for_each(|value| *value <<= bits);
    }
    values
}
