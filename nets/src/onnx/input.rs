//! The model's input: how large an image is, and how the file's tensor lies in it.
//!
//! Images are given channels first. Keras has them last, and some models take vectors that they
//! make images of: the first nodes tell.

use std::collections::{HashMap, HashSet};

use super::{
    draft::Draft,
    layout::image_dims,
    node::Node,
    operators::operator,
    proto::{Graph, Value as Declared},
    shape::resolve_shape,
    tensor::{Stored, Tensor, count},
    value::{Data, Value},
    view::View,
};
use crate::graph::Dims;

/// The model's only input: its name, how it lies in an image, the image's size, and a note for the
/// user.
///
/// # Errors
/// The reason, in words.
pub(super) fn model_input<'f>(
    graph: &'f Graph<'f>,
    values: &HashMap<&'f str, Value<'f>>,
) -> Result<(&'f str, Data, Dims, Option<String>), String> {
    let inputs: Vec<_> =
        graph.inputs.iter().filter(|input| !values.contains_key(input.name)).collect();
    let &[input] = &inputs[..] else {
        let count = inputs.len();
        return Err(format!("it has {count} inputs: a model with one can run"));
    };
    let quoted = input.name.escape_default();
    let shape = declared_shape(input).map_err(|what| format!("its input '{quoted}' {what}"))?;
    let users = Users { graph, values };
    let (dims, view) = users
        .arrangement(input.name, &shape)
        .map_err(|what| format!("its input '{quoted}' {what}"))?;
    let straight = view == View::straight(&shape);
    let note = if !straight {
        Some(format!("the input is given channels first, {dims}, not as {shape:?}"))
    } else if image_dims(&shape).is_ok_and(|due| due == dims) {
        None
    } else {
        Some(format!("the input is given as {dims}, not as {shape:?}"))
    };
    Ok((input.name, Data { layer: Draft::INPUT, view }, dims, note))
}

/// The tensor's shape for one image.
fn declared_shape(input: &Declared<'_>) -> Result<Vec<usize>, &'static str> {
    let sizes = input.sizes.as_ref().ok_or("has no shape: export with a fixed image size")?;
    let mut shape = Vec::with_capacity(sizes.len().min(8));
    for (axis, size) in sizes.iter().enumerate() {
        let size = size.and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 0);
        shape.push(match (axis, size) {
            (0, None | Some(1)) => 1,
            (0, Some(_)) => return Err("has a fixed batch: export with a batch of 1"),
            (8.., _) => return Err("has too many axes: use a batch of vectors or images"),
            (_, Some(size)) => size,
            (_, None) => return Err("has an open size: export with a fixed image size"),
        });
    }
    match count(&shape) {
        Some(_) => Ok(shape),
        None => Err("is too large"),
    }
}

/// The nodes that use a tensor.
struct Users<'w, 'f> {
    graph: &'f Graph<'f>,
    values: &'w HashMap<&'f str, Value<'f>>,
}

impl<'f> Users<'_, 'f> {
    /// The size of an image, and how the model's input lies in it.
    fn arrangement(&self, name: &'f str, shape: &[usize]) -> Result<(Dims, View), String> {
        let first = self.first(name);
        let all_turn = |perm: &[i64]| {
            let turns = |node: &Node<'_>| {
                node.op() == "Transpose"
                    && node.ints("perm").is_ok_and(|order| order.as_deref() == Some(perm))
            };
            !first.is_empty() && first.iter().all(turns)
        };
        let as_image = first.iter().any(|node| operator(node.op()).channels_first);
        let last = |channels, height, width| {
            let dims = Dims::new(channels, height, width);
            (dims, View::channels_last(dims))
        };
        Ok(match *shape {
            [1, height, width, channels]
                if all_turn(&[0, 3, 1, 2]) || !as_image && looks_last(height, width, channels) =>
            {
                last(channels, height, width)
            }
            [1, len, channels] if all_turn(&[0, 2, 1]) => {
                let (dims, view) = last(channels, 1, len);
                (dims, view.reshape(shape).unwrap_or(view))
            }
            [1, height, width] if !as_image => (Dims::new(1, height, width), View::straight(shape)),
            [1, len] => match self.made_of(&first, len) {
                Some([channels, height, width]) if !looks_last(channels, height, width) => {
                    (Dims::new(channels, height, width), View::straight(shape))
                }
                Some([height, width, channels]) => {
                    let (dims, view) = last(channels, height, width);
                    (dims, view.reshape(shape).unwrap_or(view))
                }
                None => (Dims::flat(len), View::straight(shape)),
            },
            _ => (image_dims(shape)?, View::straight(shape)),
        })
    }

    /// The nodes that read a tensor, or a tensor with the same values in the same order.
    fn first(&self, name: &'f str) -> Vec<Node<'f>> {
        let mut found = Vec::new();
        let mut names = HashSet::from([name]);
        for node in self.graph.nodes.iter().map(Node) {
            if node.0.inputs.iter().all(|input| !names.contains(input)) {
                continue;
            }
            if operator(node.op()).keeps_order {
                names.extend(node.0.outputs.first());
            } else {
                found.push(node);
            }
        }
        found
    }

    /// The image that all these nodes reshape a vector to, if they do.
    fn made_of(&self, nodes: &[Node<'f>], len: usize) -> Option<[usize; 3]> {
        let mut images = nodes.iter().map(|node| {
            if node.op() != "Reshape" {
                return None;
            }
            let shape = self.constant(node.input(1)?)?.to_integers();
            match resolve_shape(&[1, len], &shape)?[..] {
                [1, a, b, c] => Some([a, b, c]),
                _ => None,
            }
        });
        let first = images.next()??;
        images.all(|image| image == Some(first)).then_some(first)
    }

    fn constant(&self, name: &str) -> Option<Tensor> {
        if let Some(Value::Stored(stored)) = self.values.get(name) {
            return stored.read().ok();
        }
        let mut nodes = self.graph.nodes.iter().filter(|node| node.outputs.first() == Some(&name));
        let node = nodes.next().filter(|node| node.op == "Constant")?;
        let value = node.attributes.iter().find(|attribute| attribute.name == "value")?;
        Stored::new(value.tensor.as_ref()?).ok()?.read().ok()
    }
}

/// Whether the sizes of an image are those of one with its channels last.
fn looks_last(height: usize, _width: usize, channels: usize) -> bool {
    matches!(channels, 1 | 3 | 4) && !matches!(height, 1 | 3 | 4)
}
