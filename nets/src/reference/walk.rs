//! Evaluating a network in clear, over any kind of numbers.

use fixedpoint::{Padding, conv::ConvShape, pool::PoolShape};
use protocols::channels;

use crate::{
    error::{Error, Result},
    functions::ActivationKind,
    graph::{Activation, Graph, NodeId, Op, Portion},
    shapes::Dims,
};

/// The layers of a network over one kind of numbers.
pub(crate) trait Arithmetic {
    /// A number.
    type Value: Copy;

    /// A linear layer.
    fn linear(&self, id: NodeId, shape: &ConvShape, x: &[Self::Value]) -> Vec<Self::Value>;

    /// A linear layer whose weights are 1 and -1. Its truncation is exact.
    fn binary(&self, id: NodeId, shape: &ConvShape, x: &[Self::Value]) -> Vec<Self::Value> {
        self.linear(id, shape, x)
    }

    /// One function of an activation, on the values of the channels that have it.
    fn activate(
        &self,
        layer: &Activated<'_>,
        kind: ActivationKind,
        x: &[Self::Value],
    ) -> Vec<Self::Value>;

    /// The largest value of each window.
    fn max_pool(&self, shape: &PoolShape, x: &[Self::Value]) -> Vec<Self::Value>;

    /// The average of each window.
    fn avg_pool(&self, shape: &PoolShape, counted: Padding, x: &[Self::Value]) -> Vec<Self::Value>;

    /// The sum of two inputs.
    fn add(&self, a: &[Self::Value], b: &[Self::Value]) -> Vec<Self::Value>;
}

/// An activation layer.
pub(crate) struct Activated<'a> {
    /// The layer.
    pub(crate) id: NodeId,
    /// The functions.
    pub(crate) activation: &'a Activation,
    /// The size of the values.
    pub(crate) dims: Dims,
}

impl Activated<'_> {
    /// Evaluates each function on its channels.
    fn evaluate<A: Arithmetic>(
        &self,
        arithmetic: &A,
        batch: usize,
        x: &[A::Value],
    ) -> Vec<A::Value> {
        let (channels, plane) = (self.dims.channels, self.dims.plane());
        let mut out = x.to_vec();
        for Portion { kind, channels: ranges } in self.activation.portions(channels) {
            let Some(kind) = kind else { continue };
            let values = channels::gather(batch, channels, plane, x, &ranges);
            let values = arithmetic.activate(self, kind, &values);
            channels::scatter(batch, channels, plane, &values, &ranges, &mut out);
        }
        out
    }
}

/// Every layer's results for a batch of images (NCHW).
///
/// # Errors
/// [`Error::Images`], [`Error::Batch`].
pub(crate) fn walk<A: Arithmetic>(
    graph: &Graph,
    arithmetic: &A,
    images: &[A::Value],
) -> Result<Vec<Vec<A::Value>>> {
    let batch = batch_of(graph, images.len())?;
    let mut results: Vec<Vec<A::Value>> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let node = graph.node(id);
        let input = |place: usize| results[node.inputs[place].index()].as_slice();
        let dims = graph.input_dims(id);
        let pool = || graph.pool_shape(id, batch).expect("a pooling layer");
        let result = match &node.op {
            Op::Input => images.to_vec(),
            Op::Linear(linear) => {
                let shape = linear.shape(batch, dims);
                if linear.is_binary() {
                    arithmetic.binary(id, &shape, input(0))
                } else {
                    arithmetic.linear(id, &shape, input(0))
                }
            }
            Op::Activation(activation) => {
                let layer = Activated { id, activation, dims };
                layer.evaluate(arithmetic, batch, input(0))
            }
            Op::MaxPool(_) => arithmetic.max_pool(&pool(), input(0)),
            Op::AvgPool(_) => arithmetic.avg_pool(&pool(), graph.counted_padding(id), input(0)),
            Op::Add => arithmetic.add(input(0), input(1)),
            Op::Concat => {
                let part = |&id: &NodeId| (results[id.index()].as_slice(), graph.dims(id).channels);
                let parts: Vec<_> = node.inputs.iter().map(part).collect();
                channels::concat(batch, dims.plane(), &parts)
            }
            &Op::Slice { start, end } => {
                channels::slice(batch, dims.channels, dims.plane(), input(0), start..end)
            }
            &Op::Shuffle { groups } => {
                channels::shuffle(batch, dims.channels, dims.plane(), groups, input(0))
            }
            Op::Reshape(_) => input(0).to_vec(),
        };
        results.push(result);
    }
    Ok(results)
}

/// The number of images that these input values are.
///
/// # Errors
/// [`Error::Images`], [`Error::Batch`].
pub(crate) fn batch_of(graph: &Graph, values: usize) -> Result<usize> {
    let dims = graph.input();
    let batch = values / dims.len();
    if !values.is_multiple_of(dims.len()) {
        return Err(Error::Images { dims, batch, expected: batch * dims.len(), got: values });
    }
    graph.check_batch(batch)?;
    Ok(batch)
}
