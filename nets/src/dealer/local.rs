//! What needs no message: the same on z, on r and on plain values.

use protocols::{channels, securenn::avgpool};

use super::plan::{Part, Plan, Step};
use crate::graph::{Graph, NodeId, Op};

/// A local layer on its operands.
pub(super) fn local(
    graph: &Graph,
    plan: &Plan,
    id: NodeId,
    batch: usize,
    operands: &[&[u64]],
) -> Vec<u64> {
    let node = graph.node(id);
    let dims = graph.input_dims(id);
    let lifts = &plan.layer(id).lift;
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
        Op::Flatten | Op::Reshape(_) => lifted.into_iter().next().expect("one operand"),
        op => unreachable!("{} is not local", op.name()),
    }
}

/// An average at its larger scale.
pub(super) fn average(graph: &Graph, plan: &Plan, id: NodeId, batch: usize, x: &[u64]) -> Vec<u64> {
    let Step::Average(divisor) = &plan.layer(id).step else { unreachable!("an average") };
    avgpool::lifted(&graph.pool_shape(id, batch).expect("a pooling layer"), divisor, x)
}

/// The values of a part of a layer's channels.
pub(super) fn part(graph: &Graph, id: NodeId, batch: usize, part: &Part, x: &[u64]) -> Vec<u64> {
    let dims = graph.dims(id);
    channels::slice(batch, dims.channels, dims.plane(), x, part.channels.clone())
}

/// How many values a part has.
pub(super) fn part_len(graph: &Graph, id: NodeId, batch: usize, part: &Part) -> usize {
    batch * part.channels.len() * graph.dims(id).plane()
}

/// Parts joined to a layer's result, each lifted to the common scale.
pub(super) fn join(
    graph: &Graph,
    id: NodeId,
    batch: usize,
    parts: &[Part],
    values: Vec<Vec<u64>>,
) -> Vec<u64> {
    let lifted: Vec<(Vec<u64>, usize)> = parts
        .iter()
        .zip(values)
        .map(|(part, values)| (lift(values, part.lift), part.channels.len()))
        .collect();
    let slices: Vec<(&[u64], usize)> =
        lifted.iter().map(|(values, channels)| (values.as_slice(), *channels)).collect();
    match &slices[..] {
        [_] => lifted.into_iter().next().expect("one part").0,
        _ => channels::concat(batch, graph.dims(id).plane(), &slices),
    }
}

fn lift(mut values: Vec<u64>, bits: u32) -> Vec<u64> {
    if bits > 0 {
        values.iter_mut().for_each(|value| *value <<= bits);
    }
    values
}
