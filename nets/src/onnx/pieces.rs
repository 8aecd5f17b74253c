//! Cutting, joining, repeating and padding along any axis: the axis is brought to where channels
//! are, and what lies there is cut and joined.

use fixedpoint::Padding;

use super::{
    draft::{Kind, LinearTensors},
    node::Refusal,
    translator::Translator,
    value::Data,
};
use crate::graph::{Conv, Dims, Linear, Op, Window};

/// The most pieces that one node is cut into or joined of.
const MAX_PIECES: usize = 4096;

impl Translator<'_> {
    /// Data broadcast to a shape.
    pub(super) fn expand(
        &mut self,
        name: &str,
        x: &Data,
        shape: &[usize],
    ) -> Result<Data, Refusal> {
        let old = x.view.shape();
        if old == shape {
            return Ok(x.clone());
        }
        let ones = vec![1; shape.len().saturating_sub(old.len())];
        let mut x = self.reshape(x, &[&ones[..], &old].concat())?;
        for (axis, &size) in shape.iter().enumerate() {
            if x.view.shape()[axis] != size {
                x = self.copies(name, &x, axis, size)?;
            }
        }
        Ok(x)
    }

    /// Zeros before and after each axis.
    pub(super) fn pad_axes(
        &mut self,
        name: &str,
        mut x: Data,
        sizes: &[[usize; 2]],
    ) -> Result<Data, Refusal> {
        for (axis, &[before, after]) in sizes.iter().enumerate() {
            x = self.pad_axis(name, &x, axis, before, after)?;
        }
        Ok(x)
    }

    /// Data one after the other along an axis.
    pub(super) fn join(
        &mut self,
        name: &str,
        parts: &[Data],
        axis: usize,
    ) -> Result<Data, Refusal> {
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

    /// Data repeated `count` times along an axis.
    pub(super) fn copies(
        &mut self,
        name: &str,
        x: &Data,
        axis: usize,
        count: usize,
    ) -> Result<Data, Refusal> {
        if !(1..=MAX_PIECES).contains(&count) {
            return Err(format!("repeats data {count} times: use 1 to {MAX_PIECES}"));
        }
        self.join(name, &vec![x.clone(); count], axis)
    }

    /// The values at these places of an axis.
    pub(super) fn select(
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
        if places.windows(2).all(|pair| pair[1] == pair[0] + 1) {
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

    /// The values at places `step` apart: the axis becomes rows of `step` values, of which one
    /// column is taken.
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
            let [most, last] = [most, last].map(|places| self.select(name, x, axis, places));
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
    pub(super) fn pad_axis(
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
