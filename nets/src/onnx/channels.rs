//! Nodes that join, cut, repeat and rearrange data.

use super::{
    node::{Node, Refusal},
    shape::{broadcast, resolve_axis, resolve_indices, slice_indices, slices},
    tensor::{Tensor, sizes},
    translator::Translator,
    value::{Data, Value},
};

/// The largest side of the squares that are moved: no image is as wide.
const MAX_SQUARE: usize = 1 << 16;

impl<'f> Translator<'f> {
    pub(super) fn concat(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let count = node.input_count();
        let places = 0..count;
        let first = places.clone().find(|&place| self.is_data(node, place));
        let first = self.data(node, first.ok_or("has nothing to join")?)?;
        let mut shape = first.view.shape();
        let axis = resolve_axis(node.int("axis", 1)?, shape.len())?;
        if axis == 0 && shape.len() > 1 {
            return Err("joins along the batch: join other axes".into());
        }
        // Constants become zeros beside their neighbours, and are added at the end.
        let mut parts: Vec<(Data, [usize; 2])> = Vec::new();
        let mut constants: Vec<(usize, Tensor)> = Vec::new();
        let (mut before, mut total) = (0, 0);
        for place in places {
            let size = if self.is_data(node, place) {
                let x = self.data(node, place)?;
                let size = x.view.shape().get(axis).copied();
                parts.push((x, [std::mem::take(&mut before), 0]));
                size
            } else {
                let constant = self.constant(node, place)?;
                let size = constant.shape.get(axis).copied();
                let zeros = parts.last_mut().map_or(&mut before, |(_, [_, after])| after);
                *zeros += size.unwrap_or(0);
                constants.push((total, constant));
                size
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
        self.scale(name, &joined, &Tensor::scalar(1.0), &placed(&constants, axis, total)?)
    }

    /// Cuts data or a constant along an axis.
    pub(super) fn split(&mut self, node: Node<'f>) -> Result<Vec<Value<'f>>, Refusal> {
        let count = node.0.outputs.len().max(1);
        let given = self.optional(node, 1)?.as_ref().map(Tensor::to_integers);
        let given = given.or(node.ints("split")?);
        if self.is_data(node, 0) {
            let x = self.data(node, 0)?;
            let (axis, ranges) = split_ranges(node, given, &x.view.shape(), count)?;
            let mut cut = |places: Vec<usize>| self.select(node.name(), &x, axis, &places);
            ranges.into_iter().map(|places| cut(places).map(Value::Data)).collect()
        } else {
            let x = self.constant(node, 0)?;
            let (axis, ranges) = split_ranges(node, given, &x.shape, count)?;
            let cut = |places: Vec<usize>| x.take(axis, &places, Some(&[places.len()]));
            let too_large = || Refusal::from("has a constant that is too large");
            let part = |places| cut(places).map(Value::Constant).ok_or_else(too_large);
            ranges.into_iter().map(part).collect()
        }
    }

    pub(super) fn slice(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
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

    /// The values at indices of one axis.
    pub(super) fn gather(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let (x, indices) = self.lookup(node)?;
        let axis = resolve_axis(node.int("axis", 0)?, x.view.shape().len())?;
        self.gathered(node, &x, &indices, axis)
    }

    /// The values at a list of indices of the last axis.
    pub(super) fn extract_features(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let (x, mut indices) = self.lookup(node)?;
        indices.shape = vec![indices.values.len()];
        let axis = resolve_axis(-1, x.view.shape().len())?;
        self.gathered(node, &x, &indices, axis)
    }

    /// The values at tuples of indices, one for each of the first axes.
    pub(super) fn gather_nd(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let (x, indices) = self.lookup(node)?;
        let shape = x.view.shape();
        let (count, outer) = indices.shape.split_last().ok_or("lacks indices")?;
        if *count == 0 || *count > shape.len() || node.int("batch_dims", 0)? != 0 {
            return Err(format!("takes {count} indices each of {shape:?}"));
        }
        let (first, rest) = shape.split_at(*count);
        let mut flat = Vec::with_capacity(indices.values.len() / count);
        for tuple in indices.to_integers().chunks_exact(*count) {
            let mut place = 0;
            for (&index, &size) in tuple.iter().zip(first) {
                let index = resolve_indices(&[index], size).ok_or("takes what is not there")?;
                place = place * size + index[0];
            }
            flat.push(place);
        }
        let joined = self.reshape(&x, &[&[first.iter().product()], rest].concat())?;
        let taken = self.select(node.name(), &joined, 0, &flat)?;
        self.reshape(&taken, &[outer, rest].concat())
    }

    /// Data, and the constant indices of the values that are taken from it.
    fn lookup(&mut self, node: Node<'f>) -> Result<(Data, Tensor), Refusal> {
        if !self.is_data(node, 0) {
            return Err("looks up rows by private numbers (an embedding): let the data owner do \
                        it in clear"
                .into());
        }
        Ok((self.data(node, 0)?, self.constant(node, 1)?))
    }

    fn gathered(
        &mut self,
        node: Node<'f>,
        x: &Data,
        indices: &Tensor,
        axis: usize,
    ) -> Result<Data, Refusal> {
        let shape = x.view.shape();
        let wanted = indices.to_integers();
        let places = resolve_indices(&wanted, shape[axis]);
        let places = places.ok_or_else(|| format!("takes {wanted:?} of {}", shape[axis]))?;
        let taken = self.select(node.name(), x, axis, &places)?;
        let shape = [&shape[..axis], &indices.shape, &shape[axis + 1..]].concat();
        self.reshape(&taken, &shape)
    }

    /// Data broadcast to the shape that an Expand is given.
    pub(super) fn expand_node(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let given = sizes(&self.constant(node, 1)?.to_integers())?;
        let shape = broadcast(&x.view.shape(), &given)?;
        self.expand(node.name(), &x, &shape)
    }

    /// Data repeated along each axis.
    pub(super) fn tile(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let mut x = self.data(node, 0)?;
        let given = sizes(&self.constant(node, 1)?.to_integers())?;
        for (axis, count) in given.into_iter().enumerate().filter(|&(_, count)| count != 1) {
            resolve_axis(axis as i64, x.view.shape().len())?;
            x = self.copies(node.name(), &x, axis, count)?;
        }
        Ok(x)
    }

    /// Moves squares of the image into channels.
    pub(super) fn space_to_depth(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let (x, block, [channels, height, width]) = self.squares(node)?;
        let split = [1, channels, height / block, block, width / block, block];
        let shape = [1, channels * block * block, height / block, width / block];
        self.move_squares(&x, block, &split, &[0, 3, 5, 1, 2, 4], &shape)
    }

    /// Moves channels into squares of the image.
    pub(super) fn depth_to_space(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let (x, block, [channels, height, width]) = self.squares(node)?;
        let thin = channels / (block * block);
        let shape = [1, thin, height * block, width * block];
        if node.text("mode")? == Some("CRD") {
            let split = [1, thin, block, block, height, width];
            return self.move_squares(&x, block, &split, &[0, 1, 4, 2, 5, 3], &shape);
        }
        let split = [1, block, block, thin, height, width];
        self.move_squares(&x, block, &split, &[0, 3, 4, 1, 5, 2], &shape)
    }

    /// An image, the side of the squares that are moved, and the image's channels, rows and
    /// columns.
    fn squares(&mut self, node: Node<'f>) -> Result<(Data, usize, [usize; 3]), Refusal> {
        let x = self.data(node, 0)?;
        let block = usize::try_from(node.int("blocksize", 0)?).unwrap_or(0);
        let shape = x.view.shape();
        match shape[..] {
            [1, channels, height, width] if (1..=MAX_SQUARE).contains(&block) => {
                Ok((x, block, [channels, height, width]))
            }
            _ => Err(no_squares(block, &shape)),
        }
    }

    fn move_squares(
        &mut self,
        x: &Data,
        block: usize,
        split: &[usize],
        order: &[usize],
        shape: &[usize],
    ) -> Result<Data, Refusal> {
        let old = x.view.shape();
        if split.iter().product::<usize>() != old.iter().product::<usize>() {
            return Err(no_squares(block, &old));
        }
        let split = self.reshape(x, split)?;
        let turned = Data { layer: split.layer, view: split.view.transpose(order) };
        self.reshape(&turned, shape)
    }
}

/// Constants that begin at some places of an axis of this size, in a tensor that is zero elsewhere.
fn placed(constants: &[(usize, Tensor)], axis: usize, size: usize) -> Result<Tensor, Refusal> {
    let mut sum = Tensor::scalar(0.0);
    for (start, constant) in constants {
        if constant.values.iter().any(|&value| value != 0.0) {
            let wide = constant.placed(axis, *start, size);
            let wide = wide.and_then(|wide| wide.zip(&sum, |a, b| a + b));
            sum = wide.ok_or("joins tensors of different shapes")?;
        }
    }
    Ok(sum)
}

/// The axis that a Split cuts, and the places of each part: those given, or parts of one size.
fn split_ranges(
    node: Node<'_>,
    given: Option<Vec<i64>>,
    shape: &[usize],
    count: usize,
) -> Result<(usize, Vec<Vec<usize>>), Refusal> {
    let axis = resolve_axis(node.int("axis", 0)?, shape.len())?;
    let size = shape[axis];
    let parts = match given {
        Some(given) => sizes(&given)?,
        None => {
            let part = size.div_ceil(count);
            (0..count).map(|place| part.min(size.saturating_sub(place * part))).collect()
        }
    };
    let total = parts.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
    if parts.len() != count || total != Some(size) || parts.contains(&0) {
        return Err(format!("cuts {size} into {parts:?} for {count} results"));
    }
    let mut start = 0;
    let range = |size: usize| {
        start += size;
        (start - size..start).collect()
    };
    Ok((axis, parts.into_iter().map(range).collect()))
}

fn no_squares(block: usize, shape: &[usize]) -> Refusal {
    format!("cannot move squares of {block} in {shape:?}")
}
