//! Nodes computed at import, because all their inputs are constants: exporters leave the arithmetic
//! of shapes, of weights and of batch norms to the runtime.

use super::{
    node::{Node, Refusal},
    shape::{
        NewShape, permutation, reduced_axes, resolve_axis, resolve_indices, slice_indices, slices,
    },
    tensor::{Tensor, count, is_real, sizes},
};

/// The most elements of a range, or of an axis made of repeats.
const MAX_MADE: f64 = (1 << 22) as f64;

/// How an operator is computed on constants.
pub(super) enum Fold {
    /// Element by element.
    Map(fn(f64) -> f64),
    /// All inputs joined element by element, from the first to the last, with broadcasting.
    Join(fn(f64, f64) -> f64),
    /// From the whole tensors; `None` if they do not fit together, or make too much.
    Whole(fn(&Operands<'_>) -> Result<Option<Tensor>, Refusal>),
}

/// A node whose inputs are constants.
pub(super) struct Operands<'n> {
    node: Node<'n>,
    /// Those left out are `None`.
    inputs: &'n [Option<Tensor>],
    /// The first input.
    x: &'n Tensor,
}

impl Fold {
    /// Computes a node from its inputs, of which `None` are left out.
    ///
    /// # Errors
    /// The mismatch, in words that fit after the node's name.
    pub(super) fn compute(
        &self,
        node: Node<'_>,
        inputs: &[Option<Tensor>],
    ) -> Result<Tensor, Refusal> {
        // A tensor of no values would do, but none is needed.
        let x = inputs.first().and_then(Option::as_ref).ok_or("lacks its input")?;
        let folded = match self {
            Fold::Map(f) => Some(x.map(f)),
            Fold::Join(f) => join(inputs, f),
            Fold::Whole(f) => f(&Operands { node, inputs, x })?,
        };
        folded.ok_or_else(|| "has constants that do not fit together, or make too much".into())
    }
}

impl Operands<'_> {
    /// Division, which of integers rounds towards zero.
    pub(super) fn divide(&self) -> Result<Option<Tensor>, Refusal> {
        Ok(if self.x.integer {
            join(self.inputs, |a, b| if b == 0.0 { 0.0 } else { (a / b).trunc() })
        } else {
            join(self.inputs, |a, b| a / b)
        })
    }

    /// The rest of a division, of the sign of the dividend or of the divisor.
    pub(super) fn remainder(&self) -> Result<Option<Tensor>, Refusal> {
        Ok(if self.node.int("fmod", 0)? != 0 {
            join(self.inputs, |a, b| a % b)
        } else {
            join(self.inputs, |a, b| a - b * (a / b).floor())
        })
    }

    /// Values cut to a range.
    pub(super) fn clip(&self) -> Result<Option<Tensor>, Refusal> {
        let bound = |place, name| -> Result<Option<f64>, Refusal> {
            Ok(self.input(place).and_then(Tensor::single).or(self.node.float(name)?))
        };
        let low = bound(1, "min")?.unwrap_or(f64::NEG_INFINITY);
        let high = bound(2, "max")?.unwrap_or(f64::INFINITY);
        Ok(Some(self.x.map(|x| x.max(low).min(high))))
    }

    /// Conversion to the type that an attribute names.
    pub(super) fn cast(&self) -> Result<Option<Tensor>, Refusal> {
        Ok(Some(self.converted(!is_real(self.node.int("to", 1)?))))
    }

    /// Conversion to the type of the second input.
    pub(super) fn cast_like(&self) -> Result<Option<Tensor>, Refusal> {
        Ok(Some(self.converted(self.input(1).is_some_and(|model| model.integer))))
    }

    /// Elements of the second input where the first is not 0, of the third elsewhere.
    pub(super) fn choose(&self) -> Result<Option<Tensor>, Refusal> {
        let yes = self.input(1).ok_or("lacks input 1")?;
        let no = self.input(2).ok_or("lacks input 2")?;
        let marked = self.x.zip(no, |x, no| if x != 0.0 { f64::NAN } else { no });
        let chosen = marked.and_then(|x| x.zip(yes, |x, yes| if x.is_nan() { yes } else { x }));
        Ok(chosen.map(|chosen| Tensor { integer: yes.integer && no.integer, ..chosen }))
    }

    /// How many elements there are.
    pub(super) fn size(&self) -> Result<Option<Tensor>, Refusal> {
        let size = self.x.values.len() as f64;
        Ok(Some(Tensor { integer: true, ..Tensor::scalar(size) }))
    }

    /// One number, as often as a shape says.
    pub(super) fn fill(&self) -> Result<Option<Tensor>, Refusal> {
        let fill = self.node.tensor("value")?.unwrap_or(Tensor::scalar(0.0));
        let fill = fill.with_shape(&[]).ok_or("fills with more than one number")?;
        Ok(fill.expand(&sizes(&self.x.to_integers())?))
    }

    /// Broadcast to a shape.
    pub(super) fn expand(&self) -> Result<Option<Tensor>, Refusal> {
        let shape = self.input(1).ok_or("lacks its shape")?;
        Ok(self.x.expand(&sizes(&shape.to_integers())?))
    }

    /// Repeated along each axis.
    pub(super) fn tile(&self) -> Result<Option<Tensor>, Refusal> {
        Ok(tile(self.x, &self.input(1).ok_or("lacks its repeats")?.to_integers()))
    }

    /// Numbers from a first one to an end.
    pub(super) fn range(&self) -> Result<Option<Tensor>, Refusal> {
        Ok(range(self.x, self.input(1), self.input(2)))
    }

    /// The elements at some indices of an axis.
    pub(super) fn gather(&self) -> Result<Option<Tensor>, Refusal> {
        let axis = resolve_axis(self.node.int("axis", 0)?, self.x.shape.len())?;
        let indices = self.input(1).ok_or("lacks its indices")?;
        let places = resolve_indices(&indices.to_integers(), self.x.shape[axis]);
        Ok(places.and_then(|places| self.x.take(axis, &places, Some(&indices.shape))))
    }

    /// All inputs, one after the other along an axis.
    pub(super) fn concat(&self) -> Result<Option<Tensor>, Refusal> {
        let parts: Option<Vec<&Tensor>> = self.inputs.iter().map(Option::as_ref).collect();
        let axis = resolve_axis(self.node.int("axis", 0)?, self.x.shape.len())?;
        Ok(parts.and_then(|parts| Tensor::concat(&parts, axis)))
    }

    /// Slices of axes.
    pub(super) fn slice(&self) -> Result<Option<Tensor>, Refusal> {
        let mut sliced = Some(self.x.clone());
        for (axis, start, end, step) in slices(self.node, self.inputs, self.x.shape.len())? {
            sliced = sliced.and_then(|x| {
                let places = slice_indices(x.shape[axis], start, end, step)?;
                x.take(axis, &places, Some(&[places.len()]))
            });
        }
        Ok(sliced)
    }

    /// The axes in another order.
    pub(super) fn transpose(&self) -> Result<Option<Tensor>, Refusal> {
        Ok(Some(self.x.transpose(&permutation(self.node, self.x.shape.len())?)))
    }

    /// The same elements in another shape.
    pub(super) fn reshape(&self, new_shape: NewShape) -> Result<Option<Tensor>, Refusal> {
        let shape = new_shape(self.node, &self.x.shape, self.input(1))?;
        Ok(self.x.with_shape(&shape))
    }

    /// The elements along some axes joined, beginning with `start`.
    pub(super) fn reduce(
        &self,
        start: f64,
        f: fn(f64, f64) -> f64,
    ) -> Result<Option<Tensor>, Refusal> {
        reduce(self.node, self.x, self.input(1), start, f)
    }

    /// The mean along some axes.
    pub(super) fn mean(&self) -> Result<Option<Tensor>, Refusal> {
        let sum = self.reduce(0.0, |sum, x| sum + x)?;
        Ok(sum.map(|sum| {
            let count = (self.x.values.len() / sum.values.len().max(1)) as f64;
            sum.map(|sum| sum / count)
        }))
    }

    /// The square root of the sum of squares along some axes.
    pub(super) fn norm(&self) -> Result<Option<Tensor>, Refusal> {
        let squares = self.reduce(0.0, |sum, x| sum + x * x)?;
        Ok(squares.map(|squares| squares.map(f64::sqrt)))
    }

    fn input(&self, place: usize) -> Option<&Tensor> {
        self.inputs.get(place).and_then(Option::as_ref)
    }

    fn converted(&self, integer: bool) -> Tensor {
        let converted = self.x.map(|x| if integer { x.trunc() } else { x });
        Tensor { integer, ..converted }
    }
}

/// The number that stands for a truth value.
pub(super) fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn join(inputs: &[Option<Tensor>], f: impl Fn(f64, f64) -> f64) -> Option<Tensor> {
    let mut inputs = inputs.iter().flatten();
    let first = inputs.next()?.clone();
    inputs.try_fold(first, |joined, next| joined.zip(next, &f))
}

fn reduce(
    node: Node<'_>,
    x: &Tensor,
    axes: Option<&Tensor>,
    start: f64,
    f: fn(f64, f64) -> f64,
) -> Result<Option<Tensor>, Refusal> {
    let rank = x.shape.len();
    let Some(axes) = reduced_axes(node, axes, rank)? else {
        return Ok(Some(x.clone()));
    };
    let kept: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
    let turned = x.transpose(&[&kept[..], &axes].concat());
    let outer: usize = kept.iter().map(|&axis| x.shape[axis]).product();
    let inner = x.values.len().checked_div(outer).unwrap_or(0);
    let values = if inner == 0 {
        vec![start; outer.min(x.values.len())]
    } else {
        let join = |part: &[f64]| part.iter().fold(start, |joined, &x| f(joined, x));
        turned.values.chunks_exact(inner).map(join).collect()
    };
    let keep = node.int("keepdims", 1)? != 0;
    let size = |axis: usize| if axes.contains(&axis) { 1 } else { x.shape[axis] };
    let left = (0..rank).filter(|axis| keep || kept.contains(axis));
    let shape: Vec<usize> = left.map(size).collect();
    let fits = count(&shape) == Some(values.len());
    Ok(fits.then_some(Tensor { shape, values, integer: x.integer }))
}

fn tile(x: &Tensor, repeats: &[i64]) -> Option<Tensor> {
    let mut tiled = x.clone();
    for (axis, &repeats) in repeats.iter().enumerate() {
        let size = *tiled.shape.get(axis)?;
        let repeats = usize::try_from(repeats).ok()?;
        let len = size.checked_mul(repeats).filter(|&len| len as f64 <= MAX_MADE)?;
        let places: Vec<usize> = (0..len).map(|place| place % size).collect();
        tiled = tiled.take(axis, &places, Some(&[places.len()]))?;
    }
    Some(tiled)
}

fn range(start: &Tensor, end: Option<&Tensor>, step: Option<&Tensor>) -> Option<Tensor> {
    let (first, end, step) = (start.single()?, end?.single()?, step?.single()?);
    let count = ((end - first) / step).ceil().max(0.0);
    if count > MAX_MADE {
        return None;
    }
    let values: Vec<f64> = (0..count as usize).map(|place| first + place as f64 * step).collect();
    Some(Tensor { shape: vec![values.len()], values, integer: start.integer })
}
