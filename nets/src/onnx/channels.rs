//! Joining, cutting, repeating and padding along any axis: the axis is brought to where channels are.

use fixedpoint::Padding;

use super::{
    draft::{Kind, LinearTensors},
    fold::places,
    node::Node,
    tensor::{Tensor, slice_indices},
    walk::{Data, Padded, Refusal, Translator, Value, axis_of, slices},
};
use crate::graph::{Conv, Dims, Linear, Op, Window};

/// The most pieces that one node is cut into or joined of.
const MAX_PIECES: usize = 4096;

impl<'f> Translator<'f> {
    pub fn concat(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let count = node.input_count();
        let places = 0..count;
        let first = places.clone().find(|&place| self.is_data(node, place));
        let first = self.data(node, first.ok_or("has nothing to join")?)?;
        let mut shape = first.view.shape();
        let axis = axis_of(node.int("axis", 1), shape.len())?;
        if axis == 0 && shape.len() > 1 {
            return Err("joins along the batch: join other axes".into());
        }
        // Constants become zeros beside their neighbours, and are added in the end.
        let mut parts: Vec<(Data, [usize; 2])> = Vec::new();
        let mut constants: Vec<(usize, Tensor)> = Vec::new();
        let (mut before, mut total) = (0, 0);
        for place in places {
            let size = match self.is_data(node, place) {
                true => {
                    let x = self.data(node, place)?;
                    let size = x.view.shape().get(axis).copied();
                    parts.push((x, [std::mem::take(&mut before), 0]));
                    size
                }
                false => {
                    let constant = self.constant(node, place)?;
                    let size = constant.shape.get(axis).copied();
                    let zeros = parts.last_mut().map_or(&mut before, |(_, [_, after])| after);
                    *zeros += size.unwrap_or(0);
                    constants.push((total, constant));
                    size
                }
            };
            total +=
                size.filter(|&size| size < 1 << 32).ok_or("joins tensors of different ranks")?;
        }
        let name = node.name();
        let mut padded = Vec::with_capacity(parts.len());
        for (x, [before, after]) in parts {
            padded.push(self.pad_axis(name, &x, axis, before, after)?);
        }
        let joined = self.join(name, &padded, axis)?;
        shape[axis] = total;
        if joined.view.shape() != shape {
            return Err("joins tensors of different ranks".into());
        }
        let mut shift = Tensor::scalar(0.0);
        for (start, constant) in constants {
            if constant.values.iter().any(|&value| value != 0.0) {
                let spread = constant.at(axis, start, total);
                let spread = spread.and_then(|spread| spread.zip(&shift, |a, b| a + b));
                shift = spread.ok_or("joins tensors of different shapes")?;
            }
        }
        self.scale(name, &joined, &Tensor::scalar(1.0), &shift)
    }

    /// Cuts along an axis.
    pub fn split(&mut self, node: Node<'f>) -> Result<Vec<Value<'f>>, Refusal> {
        let count = node.0.outputs.len().max(1);
        let given = self.optional(node, 1)?.as_ref().map(Tensor::to_integers);
        let given = given.or_else(|| node.ints("split"));
        let constant = match self.is_data(node, 0) {
            true => None,
            false => Some(self.constant(node, 0)?),
        };
        let data = match constant {
            None => Some(self.data(node, 0)?),
            Some(_) => None,
        };
        let shape = data.as_ref().map(|data| data.view.shape());
        let shape = shape.or(constant.as_ref().map(|constant| constant.shape.clone()));
        let shape = shape.unwrap_or_default();
        let axis = axis_of(node.int("axis", 0), shape.len())?;
        let size = shape[axis];
        let sizes = match given {
            Some(sizes) => super::tensor::sizes(&sizes)?,
            None => {
                let part = size.div_ceil(count);
                (0..count).map(|place| part.min(size.saturating_sub(place * part))).collect()
            }
        };
        let total = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        if sizes.len() != count || total != Some(size) || sizes.contains(&0) {
            return Err(format!("cuts {size} into {sizes:?} for {count} results"));
        }
        let mut start = 0;
        let mut parts = Vec::with_capacity(count);
        for size in sizes {
            let places: Vec<usize> = (start..start + size).collect();
            start += size;
            parts.push(match (&data, &constant) {
                (Some(data), _) => Value::Data(self.select(node.name(), data, axis, &places)?),
                (None, Some(constant)) => {
                    let part = constant.take(axis, &places, Some(&[size]));
                    Value::Constant(part.ok_or("has a constant that is too large")?)
                }
                (None, None) => Value::Unknown,
            });
        }
        Ok(parts)
    }

    pub fn slice(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let mut x = self.data(node, 0)?;
        let mut inputs = vec![None];
        for place in 1..node.0.inputs.len() {
            inputs.push(self.optional(node, place)?);
        }
        for (axis, start, end, step) in slices(node, &inputs, x.view.shape().len())? {
            let size = x.view.shape()[axis];
            let places = slice_indices(size, start, end, step).ok_or("has a step of 0")?;
            x = self.select(node.name(), &x, axis, &places)?;
        }
        Ok(x)
    }

    pub fn gather(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        if !self.is_data(node, 0) {
            return Err(
                "looks up rows by private numbers (an embedding): let the data owner do it \
                        in clear"
                    .into(),
            );
        }
        let x = self.data(node, 0)?;
        let mut indices = self.constant(node, 1)?;
        let shape = x.view.shape();
        let rank = shape.len();
        let axis = match node.op() {
            "GatherND" => return self.gather_nd(node, &x, &indices),
            "ArrayFeatureExtractor" => {
                indices.shape = vec![indices.values.len()];
                axis_of(-1, rank)?
            }
            _ => axis_of(node.int("axis", 0), rank)?,
        };
        let wanted = indices.to_integers();
        let places = places(&wanted, shape[axis]);
        let places = places.ok_or_else(|| format!("takes {wanted:?} of {}", shape[axis]))?;
        let taken = self.select(node.name(), &x, axis, &places)?;
        let shape = [&shape[..axis], &indices.shape, &shape[axis + 1..]].concat();
        self.reshape(&taken, &shape)
    }

    /// The values at several indices each, which are those of the first axes.
    fn gather_nd(&mut self, node: Node<'f>, x: &Data, indices: &Tensor) -> Result<Data, Refusal> {
        let shape = x.view.shape();
        let (count, outer) = indices.shape.split_last().ok_or("lacks indices")?;
        if *count == 0 || *count > shape.len() || node.int("batch_dims", 0) != 0 {
            return Err(format!("takes {count} indices each of {shape:?}"));
        }
        let (first, rest) = shape.split_at(*count);
        let mut flat = Vec::with_capacity(indices.values.len() / count);
        for tuple in indices.to_integers().chunks_exact(*count) {
            let mut place = 0;
            for (&index, &size) in tuple.iter().zip(first) {
                let index = places(&[index], size).ok_or("takes what is not there")?;
                place = place * size + index[0];
            }
            flat.push(place);
        }
        let joined = self.reshape(x, &[&[first.iter().product()], rest].concat())?;
        let taken = self.select(node.name(), &joined, 0, &flat)?;
        self.reshape(&taken, &[outer, rest].concat())
    }

    /// Repeats data: Expand to a shape, Tile so many times.
    pub fn repeat(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let given = self.constant(node, 1)?.to_integers();
        let given = super::tensor::sizes(&given)?;
        if node.op() == "Expand" {
            let shape = super::linear::broadcast(&x.view.shape(), &given)?;
            return self.expand(node.name(), &x, &shape);
        }
        let mut x = x;
        for (axis, count) in given.into_iter().enumerate().filter(|&(_, count)| count != 1) {
            axis_of(axis as i64, x.view.shape().len())?;
            x = self.copies(node.name(), &x, axis, count)?;
        }
        Ok(x)
    }

    /// Data broadcast to a shape.
    pub fn expand(&mut self, name: &str, x: &Data, shape: &[usize]) -> Result<Data, Refusal> {
        let own = x.view.shape();
        if own == shape {
            return Ok(x.clone());
        }
        let ones = vec![1; shape.len().saturating_sub(own.len())];
        let mut x = self.reshape(x, &[&ones[..], &own].concat())?;
        for (axis, &size) in shape.iter().enumerate() {
            if x.view.shape()[axis] != size {
                x = self.copies(name, &x, axis, size)?;
            }
        }
        Ok(x)
    }

    /// Moves squares of values between channels and the image.
    pub fn space(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let block = usize::try_from(node.int("blocksize", 0)).unwrap_or(0);
        let refuse = || format!("cannot move squares of {block} in {:?}", x.view.shape());
        let [1, channels, height, width] = x.view.shape()[..] else {
            return Err(refuse());
        };
        let square = block.checked_mul(block).filter(|&square| square > 0).ok_or_else(refuse)?;
        let (split, order, shape) = match node.op() {
            "SpaceToDepth" => (
                [1, channels, height / block, block, width / block, block],
                [0, 3, 5, 1, 2, 4],
                [1, channels * square, height / block, width / block],
            ),
            _ => {
                let thin = channels / square;
                let shape = [1, thin, height * block, width * block];
                match node.text("mode").unwrap_or("DCR") {
                    "CRD" => ([1, thin, block, block, height, width], [0, 1, 4, 2, 5, 3], shape),
                    _ => ([1, block, block, thin, height, width], [0, 3, 4, 1, 5, 2], shape),
                }
            }
        };
        if split.iter().product::<usize>() != channels * height * width {
            return Err(refuse());
        }
        let split = self.reshape(&x, &split)?;
        let turned = Data { layer: split.layer, view: split.view.transpose(&order) };
        self.reshape(&turned, &shape)
    }

    /// Zeros around rows and columns, which the next layer may add; others at once. Less than nothing
    /// cuts.
    pub fn pad(&mut self, node: Node<'f>) -> Result<Value<'f>, Refusal> {
        let name = node.name();
        let pads = self.optional(node, 1)?.as_ref().map(Tensor::to_integers);
        let pads = pads.or_else(|| node.ints("pads")).ok_or("lacks `pads`")?;
        let rank = match self.input(node, 0)? {
            Value::Padded(padded) => padded.order.len(),
            _ => self.data(node, 0)?.view.shape().len(),
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
            sizes[axis_of(axis, rank)?] = [pads[place], pads[axes.len() + place]];
        }
        let too_large = |size: &i64| size.unsigned_abs() >= 1 << 16;
        if let Some(size) = sizes.iter().flatten().find(|size| too_large(size)) {
            return Err(format!("pads by {size}: use less than 65536"));
        }
        if sizes.iter().flatten().all(|&size| size == 0) {
            return self.input(node, 0).cloned();
        }
        let mode = node.text("mode").unwrap_or("constant");
        if mode != "constant" {
            return Err(format!("pads by {mode}: pad with constants"));
        }
        let fill = self.optional(node, 2)?.as_ref().and_then(Tensor::single);
        let fill = fill.or(node.float("value")).unwrap_or(0.0);
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
            // Around x - c are zeros where c is around x.
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

    fn pad_axes(&mut self, name: &str, mut x: Data, sizes: &[[usize; 2]]) -> Result<Data, Refusal> {
        for (axis, &[before, after]) in sizes.iter().enumerate() {
            x = self.pad_axis(name, &x, axis, before, after)?;
        }
        Ok(x)
    }

    /// Data one after the other along an axis.
    fn join(&mut self, name: &str, parts: &[Data], axis: usize) -> Result<Data, Refusal> {
        if let [part] = parts {
            return Ok(part.clone());
        }
        if parts.len() > MAX_PIECES {
            return Err(format!("joins {} pieces: use at most {MAX_PIECES}", parts.len()));
        }
        let others = |x: &Data| {
            let mut shape = x.view.shape();
            (axis < shape.len()).then(|| shape.remove(axis)).map(|_| shape)
        };
        if parts.iter().any(|part| others(part).is_none() || others(part) != others(&parts[0])) {
            let shapes: Vec<_> = parts.iter().map(|part| part.view.shape()).collect();
            return Err(format!("joins shapes {shapes:?} along axis {axis}"));
        }
        let mut layers = Vec::with_capacity(parts.len());
        for part in parts {
            layers.push(self.front(part, axis)?.layer);
        }
        let layer = self.plain(name, Op::Concat, &layers)?;
        let channels = self.draft.dims(layer).channels;
        Ok(self.front(&parts[0], axis)?.back(layer, channels))
    }

    /// The same data so many times along an axis.
    fn copies(&mut self, name: &str, x: &Data, axis: usize, count: usize) -> Result<Data, Refusal> {
        if !(1..=MAX_PIECES).contains(&count) {
            return Err(format!("repeats data {count} times: use 1 to {MAX_PIECES}"));
        }
        self.join(name, &vec![x.clone(); count], axis)
    }

    /// The values at these places of an axis.
    pub fn select(
        &mut self,
        name: &str,
        x: &Data,
        axis: usize,
        places: &[usize],
    ) -> Result<Data, Refusal> {
        let size = x.view.shape()[axis];
        if places.iter().copied().eq(0..size) {
            return Ok(x.clone());
        }
        let (Some(&first), Some(&last)) = (places.first(), places.last()) else {
            return Err("takes nothing: take at least one".into());
        };
        let count = places.len();
        let run = |places: &[usize]| places.windows(2).all(|pair| pair[1] == pair[0] + 1);
        if run(places) {
            let front = self.front(x, axis)?;
            let op = Op::Slice { start: first, end: last + 1 };
            let layer = self.plain(name, op, &[front.layer])?;
            return Ok(front.back(layer, count));
        }
        let step = places[1].saturating_sub(first);
        if step > 1 && places.windows(2).all(|pair| pair[1] == pair[0] + step) {
            return self.stride(name, x, axis, places, step);
        }
        let mut parts = Vec::new();
        let mut rest = places;
        while let [start, ..] = *rest {
            let len = rest.iter().zip(start..).take_while(|(place, due)| **place == *due).count();
            let (head, tail) = rest.split_at(len);
            if parts.len() == MAX_PIECES {
                return Err(format!("takes more than {MAX_PIECES} pieces: take ranges"));
            }
            parts.push(self.select(name, x, axis, head)?);
            rest = tail;
        }
        self.join(name, &parts, axis)
    }

    /// Places `step` apart: the axis as rows of so many, of which one column is taken.
    fn stride(
        &mut self,
        name: &str,
        x: &Data,
        axis: usize,
        places: &[usize],
        step: usize,
    ) -> Result<Data, Refusal> {
        let shape = x.view.shape();
        let (size, count) = (shape[axis], places.len());
        if matches!((shape.len(), axis), (4, 2 | 3))
            && places[0] == 0
            && count == size.div_ceil(step)
        {
            // An average of single values.
            let stride = if axis == 2 { (step, 1) } else { (1, step) };
            let window = Window { size: (1, 1), stride, padding: Padding::NONE };
            let image = self.settle(x)?;
            let layer = self.plain(name, Op::AvgPool(window.into()), &[image])?;
            return Ok(self.whole(layer, 4));
        }
        // The rows begin at or before the first place, and the last one has to end inside.
        let latest = size.checked_sub(count * step);
        let Some(begin) = latest.map(|latest| latest.min(places[0])) else {
            let (most, last) = places.split_at(count - 1);
            let parts = [most, last].map(|places| self.select(name, x, axis, places));
            let [most, last] = parts;
            return self.join(name, &[most?, last?], axis);
        };
        let whole: Vec<usize> = (begin..begin + count * step).collect();
        let x = self.select(name, x, axis, &whole)?;
        let rows = [&shape[..axis], &[count, step], &shape[axis + 1..]].concat();
        let rows = self.reshape(&x, &rows)?;
        let column = self.select(name, &rows, axis + 1, &[places[0] - begin])?;
        self.reshape(&column, &[&shape[..axis], &[count], &shape[axis + 1..]].concat())
    }

    /// Zeros before and after an axis: the axis as the rows of an image of one channel, and a
    /// convolution that does nothing but pad.
    fn pad_axis(
        &mut self,
        name: &str,
        x: &Data,
        axis: usize,
        before: usize,
        after: usize,
    ) -> Result<Data, Refusal> {
        if before + after == 0 {
            return Ok(x.clone());
        }
        let front = self.front(x, axis)?;
        let dims = self.draft.dims(front.layer);
        let rows = self.sized(front.layer, Dims::new(1, dims.channels, dims.plane()))?;
        let padding = Padding { top: before, bottom: after, left: 0, right: 0 };
        let conv = Conv { padding, bias: true, ..Conv::square(1, 1) };
        let linear = LinearTensors { weight: vec![1.0], bias: vec![0.0] };
        let rows = self.layer(name, Kind::Linear(Linear::Conv(conv), linear), &[rows])?;
        let channels = before + dims.channels + after;
        let layer = self.sized(rows, Dims { channels, ..dims })?;
        Ok(front.back(layer, channels))
    }
}

/// Padding that can be left to the next layer: that of the rows and columns of an image with its
/// channels first, or last if they lie so.
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
            match sizes[1] != [0, 0] && turned.swaps().is_empty() {
                true => (Data { layer: x.layer, view: turned }, back, Padding::NONE),
                false => (x.clone(), first, Padding::NONE),
            }
        }
        _ => return None,
    };
    let mut of_image = vec![[0; 2]; order.len()];
    order.iter().zip(sizes).for_each(|(&axis, size)| of_image[axis] = *size);
    let [top, bottom, left, right] = match of_image[..] {
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
