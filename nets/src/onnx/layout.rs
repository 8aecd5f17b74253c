//! Views made real: shuffles and reshapes, which move values and send nothing.

use super::{
    draft::{Kind, LayerId, LinearTensors},
    node::{Node, Refusal},
    translator::Translator,
    value::{Data, Padded, Value},
    view::{Swap, View},
};
use crate::graph::{Conv, Dims, Linear, Op, Reshape};

/// An axis brought to where a layer has its channels.
pub(super) struct Front {
    /// The layer that has it there.
    pub(super) layer: LayerId,
    /// Axis `i` of the layer's tensor is axis `order[i]` of the file's.
    order: Vec<usize>,
    /// The shape of the layer's tensor.
    shape: Vec<usize>,
    /// Which axis of it is the channels.
    place: usize,
}

impl Translator<'_> {
    /// A node's input that is computed from the model's input.
    pub(super) fn data(&mut self, node: Node<'_>, place: usize) -> Result<Data, Refusal> {
        match self.input(node, place)? {
            Value::Data(data) => Ok(data.clone()),
            Value::Padded(padded) => {
                let padded = padded.clone();
                self.materialise(node.name(), &padded)
            }
            Value::Stored(_) | Value::Constant(_) | Value::Tail(_) | Value::Unknown => {
                Err(format!("has a constant as input {place}: simplify the model, or remove it"))
            }
        }
    }

    /// The layer that is the network's result.
    pub(super) fn output(&mut self, data: &Data) -> Result<LayerId, Refusal> {
        let len = self.draft.dims(data.layer).len();
        let dims = image_dims(&data.view.shape()).unwrap_or(Dims::flat(len));
        self.settle_as(data, dims)
    }

    /// A layer whose values lie in the view's order, with its size as an image.
    pub(super) fn settle(&mut self, data: &Data) -> Result<LayerId, Refusal> {
        let dims = image_dims(&data.view.shape())?;
        self.settle_as(data, dims)
    }

    /// A layer whose values lie in the view's order, as an image of this size.
    pub(super) fn settle_as(&mut self, data: &Data, dims: Dims) -> Result<LayerId, Refusal> {
        let key = (data.clone(), dims);
        if let Some(&layer) = self.settled.get(&key) {
            return Ok(layer);
        }
        let mut layer = data.layer;
        for Swap { groups, rest, inner } in data.view.swaps() {
            let dims = self.draft.dims(layer);
            if (dims.channels, dims.plane()) != (groups * rest, inner) {
                layer = self.sized(layer, Dims::new(groups * rest, inner, 1))?;
            }
            layer = self.plain("shuffle", Op::Shuffle { groups }, &[layer])?;
        }
        layer = self.sized(layer, dims)?;
        self.settled.insert(key, layer);
        Ok(layer)
    }

    /// Data made real as an image, and the image's size.
    pub(super) fn image(&mut self, x: &Data) -> Result<(Data, Dims), Refusal> {
        let layer = self.settle(x)?;
        let view = View::straight(&x.view.shape());
        Ok((Data { layer, view }, self.draft.dims(layer)))
    }

    /// A layer's result as a tensor of this rank.
    pub(super) fn whole(&self, layer: LayerId, rank: usize) -> Data {
        let Dims { channels, height, width } = self.draft.dims(layer);
        let shape = match rank {
            2 => vec![1, channels],
            3 => vec![1, channels, width],
            _ => vec![1, channels, height, width],
        };
        Data { layer, view: View::straight(&shape) }
    }

    /// The same values in another shape.
    pub(super) fn reshape(&mut self, x: &Data, shape: &[usize]) -> Result<Data, Refusal> {
        if let Some(view) = x.view.reshape(shape) {
            return Ok(Data { layer: x.layer, view });
        }
        let len = self.draft.dims(x.layer).len();
        if shape.iter().product::<usize>() != len {
            return Err(format!("cannot reshape {:?} (one image) to {shape:?}", x.view.shape()));
        }
        let layer = self.settle_as(x, Dims::flat(len))?;
        Ok(Data { layer, view: View::straight(shape) })
    }

    /// Data with this axis as a layer's channels.
    pub(super) fn front(&mut self, x: &Data, axis: usize) -> Result<Front, Refusal> {
        let shape = x.view.shape();
        if axis == 1 && shape[0] == 1 && shape.len() <= 4 {
            let layer = self.settle(x)?;
            return Ok(Front { layer, order: (0..shape.len()).collect(), shape, place: 1 });
        }
        let others = (0..shape.len()).filter(|&other| other != axis);
        let order: Vec<usize> = std::iter::once(axis).chain(others).collect();
        let view = x.view.transpose(&order);
        let rest = view.shape()[1..].iter().product();
        let shape = view.shape();
        let layer = self.settle_as(&Data { layer: x.layer, view }, Dims::new(shape[0], rest, 1))?;
        Ok(Front { layer, order, shape, place: 0 })
    }

    /// The same values in a layer of this size.
    pub(super) fn sized(&mut self, layer: LayerId, dims: Dims) -> Result<LayerId, Refusal> {
        if dims == self.draft.dims(layer) {
            return Ok(layer);
        }
        match dims {
            Dims { height: 1, width: 1, .. } => {
                self.plain("flatten", Op::Reshape(Reshape::Flat), &[layer])
            }
            dims => self.plain("reshape", Op::Reshape(Reshape::Image(dims)), &[layer]),
        }
    }

    /// A padded image as a layer of its own: a convolution that only pads.
    pub(super) fn materialise(&mut self, name: &str, padded: &Padded) -> Result<Data, Refusal> {
        let (x, dims) = self.image(&padded.image)?;
        let channels = dims.channels;
        let padding = padded.padding;
        let conv = Conv { groups: channels, padding, bias: true, ..Conv::square(channels, 1) };
        let linear = LinearTensors { weight: vec![1.0; channels], bias: vec![0.0; channels] };
        let layer = self.layer(name, Kind::Linear(Linear::Conv(conv), linear), &[x.layer])?;
        let Data { layer, view } = self.whole(layer, padded.order.len());
        Ok(Data { layer, view: view.transpose(&padded.order) })
    }
}

impl Front {
    /// The result of another layer that has the axis as its channels, with the axis brought back.
    pub(super) fn back(&self, layer: LayerId, channels: usize) -> Data {
        let mut shape = self.shape.clone();
        shape[self.place] = channels;
        let mut inverse = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(place, &axis)| inverse[axis] = place);
        Data { layer, view: View::straight(&shape).transpose(&inverse) }
    }
}

/// The size of a layer that holds a tensor of this shape; the first axis is the batch.
pub(super) fn image_dims(shape: &[usize]) -> Result<Dims, Refusal> {
    match *shape {
        [1, channels, height, width] => Ok(Dims::new(channels, height, width)),
        [1, channels, width] => Ok(Dims::new(channels, 1, width)),
        [1, len] => Ok(Dims::flat(len)),
        _ => Err(format!(
            "works on a tensor of shape {shape:?} (one image): use a batch of vectors or images"
        )),
    }
}
