//! The layers of a network and their connections, without weights.

use super::op::Op;
use crate::{
    error::{Error, Result},
    shapes::Dims,
};

/// The largest batch, in images.
pub const MAX_BATCH: usize = 1 << 16;

/// The name of the first node, and of the layer in which the input is shared.
pub const INPUT: &str = "input";

/// The name of the step in which a suite sends masked weights, once for a model.
pub const SETUP: &str = "setup";

/// The name of the step in which the result is revealed.
pub const OUTPUT: &str = "output";

/// The index of a layer in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// A layer: an operation and its inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The name, unique in the graph; also the prefix of its tensors in a weights file.
    pub name: String,
    /// The operation.
    pub op: Op,
    /// The inputs: nodes before this one.
    pub inputs: Vec<NodeId>,
    /// The prefix of the batch norm that follows this convolution in the weights file. It is folded
    /// into the weights, so it is part neither of the computation nor of [`Graph::hash`].
    pub batch_norm: Option<String>,
}

/// An architecture whose sizes fit together, which [`super::builder::GraphBuilder`] checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    pub(super) name: String,
    pub(super) nodes: Vec<Node>,
    pub(super) dims: Vec<Dims>,
    pub(super) output: NodeId,
}

impl Graph {
    /// The name in reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size of an input image.
    pub fn input(&self) -> Dims {
        self.dims[0]
    }

    /// All layers in an order in which they can run; the first is [`Op::Input`].
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The indices of all layers, in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// A layer.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The index of the layer with this name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.ids().find(|&id| self.node(id).name == name)
    }

    /// The layer whose result is the network's result.
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// The size of a layer's result for one image.
    pub fn dims(&self, id: NodeId) -> Dims {
        self.dims[id.0]
    }

    /// The size of a layer's first input; for [`Op::Input`], of the image itself.
    pub fn input_dims(&self, id: NodeId) -> Dims {
        let first = self.node(id).inputs.first();
        first.map_or(self.input(), |&input| self.dims(input))
    }

    /// For every layer, how many layers use its result; revealing the output counts as a use.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for input in self.nodes.iter().flat_map(|node| &node.inputs) {
            uses[input.0] += 1;
        }
        uses[self.output.0] += 1;
        uses
    }

    /// Checks that a batch has 1 to [`MAX_BATCH`] images.
    ///
    /// # Errors
    /// [`Error::Batch`].
    pub fn check_batch(&self, batch: usize) -> Result<()> {
        if (1..=MAX_BATCH).contains(&batch) {
            return Ok(());
        }
        Err(Error::Batch { batch, max: MAX_BATCH })
    }

    pub(crate) fn from_parts(
        name: String,
        nodes: Vec<Node>,
        dims: Vec<Dims>,
        output: NodeId,
    ) -> Graph {
        Graph { name, nodes, dims, output }
    }
}

impl NodeId {
    /// The index in [`Graph::nodes`].
    pub const fn index(self) -> usize {
        self.0
    }

    pub(crate) const fn new(index: usize) -> NodeId {
        NodeId(index)
    }
}

impl Node {
    pub(crate) fn input() -> Node {
        Node { name: INPUT.into(), op: Op::Input, inputs: Vec::new(), batch_norm: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_nets;

    #[test]
    fn batches_have_limits() {
        let graph = test_nets::tiny();
        assert!(graph.check_batch(1).is_ok() && graph.check_batch(MAX_BATCH).is_ok());
        assert!(graph.check_batch(0).is_err() && graph.check_batch(MAX_BATCH + 1).is_err());
    }
}
