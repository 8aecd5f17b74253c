//! Maxima and averages of windows, and of whole axes.

use fixedpoint::Padding;

use super::{
    draft::{Kind, LayerId, LinearTensors},
    node::{Node, Refusal},
    padding::total_padding,
    shape::reduced_axes,
    translator::Translator,
    value::Data,
    view::View,
};
use crate::graph::{Average, Conv, Dims, Linear, Op, Window};

/// How the values of a window become one.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pool {
    Mean,
    Max,
}

/// How the values along some axes become one.
#[derive(Clone, Copy)]
pub(super) enum Reduction {
    Mean,
    Max,
    Sum,
}

impl<'f> Translator<'f> {
    /// The mean or largest value of each window.
    pub(super) fn pool(&mut self, node: Node<'f>, pool: Pool) -> Result<Data, Refusal> {
        let (x, around) = self.padded(node)?;
        // Zeros around an image change its maxima, unless no value is below zero.
        let kept =
            around == Padding::NONE || pool == Pool::Mean || self.draft.is_nonnegative(x.layer);
        if let Some(op) = self.windows(node, pool, &x, around)?.filter(|_| kept) {
            return self.pooled(node, &x, op);
        }
        let x = self.data(node, 0)?;
        let op = self.windows(node, pool, &x, Padding::NONE)?;
        self.pooled(node, &x, op.ok_or("has windows that would hold nothing but padding")?)
    }

    /// The pooling of an image with zeros `around` it; `None` if some windows would hold nothing
    /// but padding.
    fn windows(
        &mut self,
        node: Node<'f>,
        pool: Pool,
        x: &Data,
        around: Padding,
    ) -> Result<Option<Op>, Refusal> {
        let (_, dims) = self.image(x)?;
        let size = node.pair("kernel_shape")?.ok_or("lacks `kernel_shape`")?;
        let stride = node.pair("strides")?.unwrap_or((1, 1));
        if node.pair("dilations")?.unwrap_or((1, 1)) != (1, 1) {
            return Err("has dilated windows: use ordinary ones".into());
        }
        if node.0.outputs.iter().skip(1).any(|name| !name.is_empty()) {
            return Err("returns the places of the maxima, which stay private".into());
        }
        let given = total_padding(node, dims, around, size, stride)?;
        let mut padding = given;
        if node.int("ceil_mode", 0)? != 0 {
            let Padding { top, left, bottom, right } = &mut padding;
            *bottom += overhang(dims.height, size.0, stride.0, *top, *bottom)?;
            *right += overhang(dims.width, size.1, stride.1, *left, *right)?;
        }
        let Padding { top, left, bottom, right } = padding;
        if top.max(bottom) >= size.0 || left.max(right) >= size.1 {
            return Ok(None);
        }
        let window = Window { size, stride, padding };
        let counted = if node.int("count_include_pad", 0)? == 0 { around } else { given };
        Ok(Some(match pool {
            Pool::Mean => Op::AvgPool(Average::Windows { window, counted }),
            Pool::Max => Op::MaxPool(window),
        }))
    }

    fn pooled(&mut self, node: Node<'f>, x: &Data, op: Op) -> Result<Data, Refusal> {
        let rank = x.view.shape().len();
        let (x, _) = self.image(x)?;
        let layer = self.plain(node.name(), op, &[x.layer])?;
        Ok(self.whole(layer, rank))
    }

    /// The mean, largest value or sum of each channel.
    pub(super) fn reduce_image(
        &mut self,
        node: Node<'f>,
        reduction: Reduction,
    ) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let axes: Vec<usize> = (2..x.view.shape().len()).collect();
        self.reduce_axes(node.name(), &x, &axes, reduction, true)
    }

    /// The mean, largest value or sum along some axes.
    pub(super) fn reduce(&mut self, node: Node<'f>, reduction: Reduction) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let given = self.optional(node, 1)?;
        let Some(axes) = reduced_axes(node, given.as_ref(), x.view.shape().len())? else {
            return Ok(x);
        };
        self.reduce_axes(node.name(), &x, &axes, reduction, node.int("keepdims", 1)? != 0)
    }

    /// The values along some axes joined, which keep a size of 1 if `keep`.
    fn reduce_axes(
        &mut self,
        name: &str,
        x: &Data,
        axes: &[usize],
        reduction: Reduction,
        keep: bool,
    ) -> Result<Data, Refusal> {
        if axes.contains(&0) {
            return Err("joins the images of a batch: give it the axes of one image".into());
        }
        let shape = x.view.shape();
        let rank = shape.len();
        let kept: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
        let product = |axes: &[usize]| axes.iter().map(|&axis| shape[axis]).product::<usize>();
        let dims = match *axes {
            [rows, columns] => Dims::new(product(&kept), shape[rows], shape[columns]),
            _ => Dims::new(product(&kept), product(axes), 1),
        };
        let view = x.view.transpose(&[&kept[..], axes].concat());
        let layer = self.settle_as(&Data { layer: x.layer, view }, dims)?;
        let layer = match reduction {
            Reduction::Mean => self.plain(name, Op::AvgPool(Average::Channels), &[layer])?,
            Reduction::Max => self.largest(name, layer, dims)?,
            Reduction::Sum => self.total(name, layer, dims)?,
        };
        let size = |axis: usize| if axes.contains(&axis) { 1 } else { shape[axis] };
        let left = (0..rank).filter(|axis| keep || kept.contains(axis));
        let view = View::straight(&left.map(size).collect::<Vec<_>>());
        Ok(Data { layer, view })
    }

    /// The largest value of each channel: of rows, then of columns, which is as many comparisons,
    /// of which fewer wait for each other.
    fn largest(&mut self, name: &str, mut layer: LayerId, dims: Dims) -> Result<LayerId, Refusal> {
        for size in [(1, dims.width), (dims.height, 1)] {
            if size != (1, 1) {
                let window = Window { size, stride: size, padding: Padding::NONE };
                layer = self.plain(name, Op::MaxPool(window), &[layer])?;
            }
        }
        Ok(layer)
    }

    /// The sum of each channel.
    fn total(&mut self, name: &str, layer: LayerId, dims: Dims) -> Result<LayerId, Refusal> {
        let channels = dims.channels;
        let kernel = (dims.height, dims.width);
        let conv = Conv { kernel, groups: channels, bias: true, ..Conv::square(channels, 1) };
        let linear = LinearTensors { weight: vec![1.0; dims.len()], bias: vec![0.0; channels] };
        self.layer(name, Kind::Linear(Linear::Conv(conv), linear), &[layer])
    }
}

/// How far the last window reaches beyond the padded image when partial windows count. A window
/// that would begin in the padding behind the image does not count.
fn overhang(
    size: usize,
    window: usize,
    stride: usize,
    before: usize,
    behind: usize,
) -> Result<usize, Refusal> {
    let padded = size + before + behind;
    let span = padded.checked_sub(window).ok_or("has windows larger than the image")?;
    let stride = Some(stride).filter(|&stride| stride > 0).ok_or("has a stride of 0")?;
    let mut steps = span.div_ceil(stride);
    if steps * stride >= size + before {
        steps -= 1;
    }
    Ok((steps * stride + window).saturating_sub(padded))
}
