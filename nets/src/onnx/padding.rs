//! Zeros around images: those of a Pad, which the layer after it may add, and a layer's own.

use fixedpoint::Padding;

use super::{
    node::{Node, Refusal},
    shape::resolve_axis,
    tensor::Tensor,
    translator::Translator,
    value::{Data, Padded, Value},
};
use crate::graph::Dims;

impl<'f> Translator<'f> {
    /// Zeros around an image are left to the layer after it; other values and other axes are padded
    /// at once. Negative sizes cut.
    pub(super) fn pad(&mut self, node: Node<'f>) -> Result<Value<'f>, Refusal> {
        let name = node.name();
        let sizes = self.pad_sizes(node)?;
        if sizes.iter().flatten().all(|&size| size == 0) {
            return self.input(node, 0).cloned();
        }
        let mode = node.text("mode")?.unwrap_or("constant");
        if mode != "constant" {
            return Err(format!("pads by {mode}: pad with constants"));
        }
        let fill = self.optional(node, 2)?.as_ref().and_then(Tensor::single);
        let fill = fill.or(node.float("value")?).unwrap_or(0.0);
        if sizes[0] != [0, 0] {
            return Err("pads the batch: pad other axes".into());
        }
        let mut found = self.input(node, 0)?.clone();
        if fill != 0.0 || sizes.iter().flatten().any(|&size| size < 0) {
            let mut x = self.data(node, 0)?;
            for (axis, [before, after]) in sizes.iter().enumerate() {
                let size = x.view.shape()[axis] as i64;
                let cut = -before.min(&0)..size + after.min(&0);
                let places: Vec<usize> = cut.map(|place| place as usize).collect();
                x = self.select(name, &x, axis, &places)?;
            }
            // x padded with c is x - c padded with zeros, and c added.
            let low = Tensor::scalar(-fill);
            found = Value::Data(self.scale(name, &x, &Tensor::scalar(1.0), &low)?);
        }
        let sizes: Vec<[usize; 2]> =
            sizes.into_iter().map(|sizes| sizes.map(|size| size.max(0) as usize)).collect();
        let x = match (around(&found, &sizes), found) {
            (Some(padded), _) if fill == 0.0 => return Ok(Value::Padded(padded)),
            (Some(padded), _) => self.materialise(name, &padded)?,
            (None, Value::Data(x)) => self.pad_axes(name, x, &sizes)?,
            (None, _) => {
                let x = self.data(node, 0)?;
                self.pad_axes(name, x, &sizes)?
            }
        };
        let high = Tensor::scalar(fill);
        Ok(Value::Data(self.scale(name, &x, &Tensor::scalar(1.0), &high)?))
    }

    /// The padding before and after each axis.
    fn pad_sizes(&mut self, node: Node<'f>) -> Result<Vec<[i64; 2]>, Refusal> {
        let pads = self.optional(node, 1)?.as_ref().map(Tensor::to_integers);
        let pads = pads.or(node.ints("pads")?).ok_or("lacks `pads`")?;
        let rank = if let Value::Padded(padded) = self.input(node, 0)? {
            padded.order.len()
        } else {
            self.data(node, 0)?.view.shape().len()
        };
        let axes = match self.optional(node, 3)? {
            Some(axes) => axes.to_integers(),
            None => (0..rank as i64).collect(),
        };
        if pads.len() != 2 * axes.len() {
            return Err(format!("has {} sizes for {} axes", pads.len(), axes.len()));
        }
        let mut sizes = vec![[0i64; 2]; rank];
        for (place, &axis) in axes.iter().enumerate() {
            sizes[resolve_axis(axis, rank)?] = [pads[place], pads[axes.len() + place]];
        }
        let too_large = |size: &i64| size.unsigned_abs() >= 1 << 16;
        match sizes.iter().flatten().find(|size| too_large(size)) {
            Some(size) => Err(format!("pads by {size}: use less than 65536")),
            None => Ok(sizes),
        }
    }

    /// The first input, and the zeros around it.
    pub(super) fn padded(&mut self, node: Node<'f>) -> Result<(Data, Padding), Refusal> {
        if let Value::Padded(padded) = self.input(node, 0)?
            && padded.order.iter().copied().eq(0..padded.order.len())
        {
            return Ok((padded.image.clone(), padded.padding));
        }
        Ok((self.data(node, 0)?, Padding::NONE))
    }
}

/// Padding that can be left to the next layer: that of the rows and columns of an image with its
/// channels first, or with its channels last if its values lie in that order.
fn around(found: &Value<'_>, sizes: &[[usize; 2]]) -> Option<Padded> {
    let (image, order, old) = match found {
        Value::Padded(padded) => (padded.image.clone(), padded.order.clone(), padded.padding),
        Value::Data(x) => {
            let rank = sizes.len();
            let first: Vec<usize> = (0..rank).collect();
            // To channels first, and back.
            let (turn, back) = match rank {
                3 => (vec![0, 2, 1], vec![0, 2, 1]),
                4 => (vec![0, 3, 1, 2], vec![0, 2, 3, 1]),
                _ => return None,
            };
            let turned = x.view.transpose(&turn);
            if sizes[1] != [0, 0] && turned.swaps().is_empty() {
                (Data { layer: x.layer, view: turned }, back, Padding::NONE)
            } else {
                (x.clone(), first, Padding::NONE)
            }
        }
        Value::Stored(_) | Value::Constant(_) | Value::Tail(_) | Value::Unknown => return None,
    };
    let mut image_sizes = vec![[0; 2]; order.len()];
    order.iter().zip(sizes).for_each(|(&axis, size)| image_sizes[axis] = *size);
    let [top, bottom, left, right] = match image_sizes[..] {
        [[0, 0], [0, 0], [left, right]] => [0, 0, left, right],
        [[0, 0], [0, 0], [top, bottom], [left, right]] => [top, bottom, left, right],
        _ => return None,
    };
    let padding = Padding {
        top: old.top + top,
        left: old.left + left,
        bottom: old.bottom + bottom,
        right: old.right + right,
    };
    (image.view.shape()[0] == 1).then_some(Padded { image, padding, order })
}

/// A node's padding together with the zeros that are `around` its input.
pub(super) fn total_padding(
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
    let own = match node.text("auto_pad")?.unwrap_or("NOTSET") {
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
