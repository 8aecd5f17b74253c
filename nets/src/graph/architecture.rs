//! Layers and how they hang together, without weights.

use super::op::Op;
use crate::{
    error::{Error, Result},
    shapes::Dims,
};

/// The most images of one batch.
pub const MAX_BATCH: usize = 1 << 16;

/// The name of the first node, and of the layer in which the input is shared.
pub const INPUT: &str = "input";

/// The name of the layer in which masked weights are sent, once, where a suite has one.
pub const SETUP: &str = "setup";

/// The name of the layer in which the result is revealed.
pub const OUTPUT: &str = "output";

/// A layer's place in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// A layer: what it computes, and of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique in the graph; also the prefix of its tensors in a weights file.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Of what: nodes before this one.
    pub inputs: Vec<NodeId>,
    /// The prefix of the batch norm that follows this convolution in the weights file. It is folded
    /// into the weights, so it is no part of the computation, nor of [`Graph::hash`].
    pub batch_norm: Option<String>,
}

/// An architecture whose sizes fit together: made by a [`super::builder::GraphBuilder`], which checks that.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    pub(super) name: String,
    pub(super) nodes: Vec<Node>,
    pub(super) dims: Vec<Dims>,
    pub(super) output: NodeId,
}

impl Graph {
    /// What reports call it.
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

    /// The layers' places, in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// A layer.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The place of the layer with this name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.ids().find(|&id| self.node(id).name == name)
    }

    /// The layer whose result is the network's.
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// The size of a layer's result, for one image.
    pub fn dims(&self, id: NodeId) -> Dims {
        self.dims[id.0]
    }

    /// The size of a layer's first input (of the image itself for [`Op::Input`]).
    pub fn input_dims(&self, id: NodeId) -> Dims {
        let first = self.node(id).inputs.first();
        first.map_or(self.input(), |&input| self.dims(input))
    }

    /// How many layers use each layer's result, in order; revealing the output counts as a use.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for input in self.nodes.iter().flat_map(|node| &node.inputs) {
            uses[input.0] += 1;
        }
        uses[self.output.0] += 1;
        uses
    }

    /// Checks that a batch is neither empty nor beyond [`MAX_BATCH`].
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
    /// The place in [`Graph::nodes`].
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
