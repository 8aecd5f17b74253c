//! Sums of data, and scalings by constants.

use super::{
    draft::Kind, layout::image_dims, node::Refusal, shape::broadcast, tensor::Tensor,
    translator::Translator, value::Data, view::View,
};
use crate::graph::{Dims, Op};

impl Translator<'_> {
    /// a + b.
    pub(super) fn add(&mut self, name: &str, a: &Data, b: &Data) -> Result<Data, Refusal> {
        let shape = broadcast(&a.view.shape(), &b.view.shape())?;
        let (a, b) = (self.expand(name, a, &shape)?, self.expand(name, b, &shape)?);
        let (dims, other) = (self.draft.dims(a.layer), self.draft.dims(b.layer));
        if dims == other && a.view == b.view {
            let layer = self.plain(name, Op::Add, &[a.layer, b.layer])?;
            return Ok(Data { layer, view: a.view });
        }
        let dims = image_dims(&shape).unwrap_or(Dims::flat(dims.len()));
        let inputs = [self.settle_as(&a, dims)?, self.settle_as(&b, dims)?];
        let layer = self.plain(name, Op::Add, &inputs)?;
        Ok(Data { layer, view: View::straight(&shape) })
    }

    /// x scale + shift, both of them constant.
    pub(super) fn scale(
        &mut self,
        name: &str,
        x: &Data,
        scale: &Tensor,
        shift: &Tensor,
    ) -> Result<Data, Refusal> {
        let shape = broadcast(&x.view.shape(), &scale.shape)?;
        let shape = broadcast(&shape, &shift.shape)?;
        let x = self.expand(name, x, &shape)?;
        let all = |tensor: &Tensor, value: f64| tensor.values.iter().all(|&x| x == value);
        if all(scale, 1.0) && all(shift, 0.0) {
            return Ok(x);
        }
        let (x, [scale, shift]) = self.channelwise([scale, shift], &x)?;
        let layer = self.layer(name, Kind::Scale { scale, shift }, &[x.layer])?;
        Ok(Data { layer, view: x.view })
    }

    /// Constants as one number for each channel: where they differ within channels, the data
    /// becomes a vector, which has a channel for each value.
    pub(super) fn channelwise<const N: usize>(
        &mut self,
        tensors: [&Tensor; N],
        x: &Data,
    ) -> Result<(Data, [Vec<f64>; N]), Refusal> {
        let mut spread = Vec::with_capacity(N);
        for tensor in tensors {
            spread.push(self.spread(tensor, x)?);
        }
        let dims = self.draft.dims(x.layer);
        let flat = spread.iter().any(|spread| matches!(spread, Spread::Values(_)));
        let layer = if flat { self.sized(x.layer, Dims::flat(dims.len()))? } else { x.layer };
        let mut spread = spread.into_iter();
        let lists = std::array::from_fn(|_| match spread.next() {
            Some(Spread::Values(values)) => values,
            Some(Spread::Channels(values)) if !flat => values,
            Some(Spread::Channels(values)) => {
                let repeat = |value| std::iter::repeat_n(value, dims.plane());
                values.into_iter().flat_map(repeat).collect()
            }
            None => Vec::new(),
        });
        Ok((Data { layer, view: x.view.clone() }, lists))
    }

    /// A constant that broadcasts to a view, in the order of the layer behind it.
    fn spread(&mut self, tensor: &Tensor, x: &Data) -> Result<Spread, Refusal> {
        let dims = self.draft.dims(x.layer);
        if let Some(value) = tensor.single() {
            return Ok(Spread::Channels(vec![value; dims.channels]));
        }
        let shape = x.view.shape();
        let refuse = || {
            let constant = &tensor.shape;
            format!("combines data of shape {shape:?} with a constant of shape {constant:?}")
        };
        let first = shape.len().checked_sub(tensor.shape.len()).ok_or_else(refuse)?;
        let pairs = tensor.shape.iter().zip(&shape[first..]);
        if pairs.clone().any(|(&constant, &size)| constant != 1 && constant != size) {
            return Err(refuse());
        }
        let varying: Vec<usize> =
            (first..shape.len()).filter(|&axis| tensor.shape[axis - first] != 1).collect();
        let plane = dims.plane();
        if let [axis] = varying[..]
            && let Some(values) = along_axis(&tensor.values, &x.view, axis, dims)
        {
            return Ok(Spread::Channels(values));
        }
        self.draft.pay(dims.len())?;
        let full = tensor.expand(&shape).ok_or_else(refuse)?;
        let mut values = vec![0.0; dims.len()];
        let pairs = x.view.offsets().into_iter().zip(full.values);
        pairs.for_each(|(offset, value)| values[offset] = value);
        let channels = values.chunks_exact(plane);
        if channels.clone().all(|channel| channel.iter().all(|value| *value == channel[0])) {
            return Ok(Spread::Channels(channels.map(|channel| channel[0]).collect()));
        }
        Ok(Spread::Values(values))
    }
}

/// A constant, broadcast over a layer.
enum Spread {
    /// The same for all values of a channel.
    Channels(Vec<f64>),
    /// One for each value.
    Values(Vec<f64>),
}

/// Values along an axis as one for each channel, if the axis is the channels.
fn along_axis(values: &[f64], view: &View, axis: usize, dims: Dims) -> Option<Vec<f64>> {
    let mut offsets = vec![0];
    for (size, stride) in view.axis(axis) {
        let inside = |offset: usize| (0..size).map(move |index| offset + index * stride);
        offsets = offsets.into_iter().flat_map(inside).collect();
    }
    let plane = dims.plane();
    let whole = offsets.iter().all(|offset| offset % plane == 0);
    if !whole || offsets.len() != dims.channels {
        return None;
    }
    let mut channels = vec![0.0; dims.channels];
    let pairs = offsets.iter().zip(values);
    pairs.for_each(|(offset, &value)| channels[offset / plane] = value);
    Some(channels)
}
