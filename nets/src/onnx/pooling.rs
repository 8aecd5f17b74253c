//! Maxima and averages of windows, and of whole axes.

use fixedpoint::Padding;

use super::{
    draft::{Kind, LinearTensors},
    fold::reduced_axes,
    node::Node,
    walk::{Data, Refusal, Translator},
    view::View,
};
use crate::graph::{Average, Conv, Dims, Linear, Op, Window};

impl<'f> Translator<'f> {
    pub fn pool(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let (x, around) = self.padded(node)?;
        // Zeros are no padding of maxima, unless nothing is below them.
        let kept =
            around == Padding::NONE || node.op() != "MaxPool" || self.draft.is_nonnegative(x.layer);
        if let Some(op) = self.window(node, &x, around)?.filter(|_| kept) {
            return self.pooled(node, &x, op);
        }
        let x = self.data(node, 0)?;
        let op = self.window(node, &x, Padding::NONE)?;
        self.pooled(node, &x, op.ok_or("has windows that would hold nothing but padding")?)
    }

    /// The pooling of an image with zeros `around` it; `None` if some windows would hold nothing else.
    fn window(&mut self, node: Node<'f>, x: &Data, around: Padding) -> Result<Option<Op>, Refusal> {
        let (_, dims) = self.image(x)?;
        let size = node.pair("kernel_shape")?.ok_or("lacks `kernel_shape`")?;
        let stride = node.pair("strides")?.unwrap_or((1, 1));
        if node.pair("dilations")?.unwrap_or((1, 1)) != (1, 1) {
            return Err("has dilated windows: use ordinary ones".into());
        }
        if node.0.outputs.iter().skip(1).any(|name| !name.is_empty()) {
            return Err("returns the places of the maxima, which stay private".into());
        }
        let own = padding(node, dims, around, size, stride)?;
        let mut padding = own;
        if node.int("ceil_mode", 0) != 0 {
            let Padding { top, left, bottom, right } = &mut padding;
            *bottom += overhang(dims.height, size.0, stride.0, *top, *bottom)?;
            *right += overhang(dims.width, size.1, stride.1, *left, *right)?;
        }
        let Padding { top, left, bottom, right } = padding;
        if top.max(bottom) >= size.0 || left.max(right) >= size.1 {
            return Ok(None);
        }
        let window = Window { size, stride, padding };
        let counted = match node.int("count_include_pad", 0) {
            0 => around,
            _ => own,
        };
        Ok(Some(match node.op() {
            "MaxPool" => Op::MaxPool(window),
            _ => Op::AvgPool(Average::Windows { window, counted }),
        }))
    }

    fn pooled(&mut self, node: Node<'f>, x: &Data, op: Op) -> Result<Data, Refusal> {
        let rank = x.view.shape().len();
        let (x, _) = self.image(x)?;
        let layer = self.plain(node.name(), op, &[x.layer])?;
        Ok(self.whole(layer, rank))
    }

    /// The mean, largest or sum of all values along some axes.
    pub fn reduce(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let shape = x.view.shape();
        let rank = shape.len();
        let global = node.op().starts_with("Global");
        let axes = match global {
            true => (2..rank).collect(),
            false => {
                let given = self.optional(node, 1)?;
                match reduced_axes(node, given.as_ref(), rank)? {
                    Some(axes) => axes,
                    None => return Ok(x),
                }
            }
        };
        if axes.contains(&0) {
            return Err("joins the images of a batch: give it the axes of one image".into());
        }
        let kept: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
        let product = |axes: &[usize]| axes.iter().map(|&axis| shape[axis]).product::<usize>();
        let (channels, joined) = (product(&kept), product(&axes));
        let dims = match axes[..] {
            [rows, columns] => Dims::new(channels, shape[rows], shape[columns]),
            _ => Dims::new(channels, joined, 1),
        };
        let view = x.view.transpose(&[&kept[..], &axes].concat());
        let layer = self.settle_as(&Data { layer: x.layer, view }, dims)?;
        let name = node.name();
        let layer = match node.op() {
            // Of rows, then of columns: as many comparisons, of which fewer wait for each other.
            "GlobalMaxPool" | "ReduceMax" => {
                let mut layer = layer;
                for size in [(1, dims.width), (dims.height, 1)] {
                    if size != (1, 1) {
                        let window = Window { size, stride: size, padding: Padding::NONE };
                        layer = self.plain(name, Op::MaxPool(window), &[layer])?;
                    }
                }
                layer
            }
            "ReduceSum" => {
                let kernel = (dims.height, dims.width);
                let conv =
                    Conv { kernel, groups: channels, bias: true, ..Conv::square(channels, 1) };
                let linear =
                    LinearTensors { weight: vec![1.0; dims.len()], bias: vec![0.0; channels] };
                self.layer(name, Kind::Linear(Linear::Conv(conv), linear), &[layer])?
            }
            _ => self.plain(name, Op::AvgPool(Average::Channels), &[layer])?,
        };
        let keep = global || node.int("keepdims", 1) != 0;
        let size = |axis: usize| if axes.contains(&axis) { 1 } else { shape[axis] };
        let left = (0..rank).filter(|axis| keep || kept.contains(axis));
        let view = View::straight(&left.map(size).collect::<Vec<_>>());
        Ok(Data { layer, view })
    }
}

/// A node's padding, and the zeros that are `around` the image before.
pub fn padding(
    node: Node<'_>,
    dims: Dims,
    around: Padding,
    span: (usize, usize),
    stride: (usize, usize),
) -> Result<Padding, Refusal> {
    let same = |size: usize, span: usize, stride: usize| {
        let places = size.div_ceil(stride.max(1));
        ((places - 1) * stride + span).saturating_sub(size)
    };
    let (height, width) =
        (dims.height + around.top + around.bottom, dims.width + around.left + around.right);
    let (rows, columns) = (same(height, span.0, stride.0), same(width, span.1, stride.1));
    let own = match node.text("auto_pad").unwrap_or("NOTSET") {
        "VALID" => Padding::NONE,
        "SAME_UPPER" => Padding {
            top: rows / 2,
            left: columns / 2,
            bottom: rows - rows / 2,
            right: columns - columns / 2,
        },
        "SAME_LOWER" => Padding {
            top: rows - rows / 2,
            left: columns - columns / 2,
            bottom: rows / 2,
            right: columns / 2,
        },
        _ => match node.window("pads")?.as_deref() {
            None => Padding::NONE,
            Some(&[left, right]) => Padding { top: 0, left, bottom: 0, right },
            Some(&[top, left, bottom, right]) => Padding { top, left, bottom, right },
            Some(pads) => return Err(format!("has {} sizes in `pads`: use 2 or 4", pads.len())),
        },
    };
    Ok(Padding {
        top: own.top + around.top,
        left: own.left + around.left,
        bottom: own.bottom + around.bottom,
        right: own.right + around.right,
    })
}

/// How far the last window reaches beyond the padded image when partial windows count. One that
/// would begin in the padding behind the image does not.
fn overhang(
    size: usize,
    window: usize,
    stride: usize,
    before: usize,
    behind: usize,
) -> Result<usize, Refusal> {
    let padded = size + before + behind;
    let room = padded.checked_sub(window).ok_or("has windows larger than the image")?;
    let stride = Some(stride).filter(|&stride| stride > 0).ok_or("has a stride of 0")?;
    let mut steps = room.div_ceil(stride);
    if steps * stride >= size + before {
        steps -= 1;
    }
    Ok((steps * stride + window).saturating_sub(padded))
}
