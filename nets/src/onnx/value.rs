//! The value of a tensor of the file.

use fixedpoint::Padding;

use super::{
    draft::LayerId,
    node::Node,
    tensor::{Stored, Tensor},
    view::View,
};
use crate::graph::ActivationKind;

/// The value of a tensor of the file.
#[derive(Clone)]
pub(super) enum Value<'f> {
    /// Stored in the file.
    Stored(Stored<'f>),
    /// Known without running the model.
    Constant(Tensor),
    /// Computed from the input.
    Data(Data),
    /// Data with zeros around it, which the layer after it may add.
    Padded(Padded),
    /// Computed from the model's result, by nodes that the data owner can do in clear.
    Tail(Tail<'f>),
    /// The result of a node that is not supported.
    Unknown,
}

/// A view of a layer's result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Data {
    pub(super) layer: LayerId,
    pub(super) view: View,
}

/// An image and the zeros around it.
#[derive(Clone)]
pub(super) struct Padded {
    /// The image, its channels first.
    pub(super) image: Data,
    /// The zeros.
    pub(super) padding: Padding,
    /// Axis `i` of the tensor is axis `order[i]` of the padded image.
    pub(super) order: Vec<usize>,
}

/// The model's result, from the node on that is left to the data owner.
#[derive(Clone)]
pub(super) struct Tail<'f> {
    /// The data owner's result.
    pub(super) data: Data,
    /// The node that begins it.
    pub(super) begin: Node<'f>,
    /// The note on `data`, for the user.
    pub(super) note: String,
    /// The layer that the node becomes where more than a tail follows it; `None` if there is none.
    pub(super) within: Option<ActivationKind>,
}

impl Value<'_> {
    /// Whether it is known without running the model.
    pub(super) fn is_constant(&self) -> bool {
        match self {
            Value::Stored(_) | Value::Constant(_) => true,
            Value::Data(_) | Value::Padded(_) | Value::Tail(_) | Value::Unknown => false,
        }
    }

    /// The tensor's shape.
    pub(super) fn shape(&self) -> Vec<usize> {
        match self {
            Value::Stored(stored) => stored.shape().to_vec(),
            Value::Constant(tensor) => tensor.shape.clone(),
            Value::Data(data) => data.view.shape(),
            Value::Padded(padded) => padded.shape(),
            Value::Tail(tail) => tail.data.view.shape(),
            Value::Unknown => Vec::new(),
        }
    }
}

impl Padded {
    /// The tensor's shape.
    pub(super) fn shape(&self) -> Vec<usize> {
        let mut sizes = self.image.view.shape();
        if let [.., height, width] = &mut sizes[..] {
            *height += self.padding.top + self.padding.bottom;
            *width += self.padding.left + self.padding.right;
        }
        self.order.iter().map(|&axis| sizes[axis]).collect()
    }
}
