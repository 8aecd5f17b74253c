//! Constants of a file, and the arithmetic on them that exporters leave to the runtime.

use super::proto::{self, Repeated};
use crate::weights::half;

/// The most elements of a folded constant whose operands are smaller.
const MAX_FOLDED: usize = 1 << 22;

/// A constant. Integers are kept as real numbers: shapes are far below 2^53, and the "to the end"
/// of a slice survives the rounding.
#[derive(Clone)]
pub(super) struct Tensor {
    /// Its sizes; none for a scalar.
    pub(super) shape: Vec<usize>,
    /// Row-major.
    pub(super) values: Vec<f64>,
    /// Whether division rounds towards zero.
    pub(super) integer: bool,
}

/// A constant that the file holds, checked to be complete but not yet read.
#[derive(Clone)]
pub(super) struct Stored<'f> {
    shape: Vec<usize>,
    len: usize,
    format: Format,
    elements: Elements<'f>,
}

#[derive(Clone, Copy)]
enum Elements<'f> {
    Raw(&'f [u8]),
    Fixed(&'f Repeated<'f>),
    Integers(&'f Repeated<'f>),
}

impl<'f> Stored<'f> {
    /// Checks a tensor of the file.
    ///
    /// # Errors
    /// The problem, in words that fit after its name.
    pub(super) fn new(proto: &'f proto::Tensor<'f>) -> Result<Stored<'f>, String> {
        if proto.external {
            return Err("is stored in another file: export with external_data=False, or save the \
                        model as one file, with onnx.save(onnx.load(path), path)"
                .into());
        }
        let shape = sizes(&proto.dims.ints().ok_or("has broken sizes")?)?;
        let len = count(&shape).ok_or_else(|| format!("has an impossible shape {shape:?}"))?;
        let kind = proto.kind;
        let format = Format::from_kind(kind)
            .ok_or_else(|| format!("is of ONNX's type {kind}: store floats or integers"))?;
        let elements = match (proto.raw, kind) {
            (Some(raw), _) => Elements::Raw(raw),
            (None, FLOAT) => Elements::Fixed(&proto.floats),
            (None, DOUBLE) => Elements::Fixed(&proto.doubles),
            (None, INT64) => Elements::Integers(&proto.longs),
            (None, _) => Elements::Integers(&proto.ints),
        };
        let (got, rest) = match elements {
            Elements::Raw(raw) => (raw.len() / format.bytes, raw.len() % format.bytes),
            Elements::Fixed(list) => (list.len() / format.bytes, list.len() % format.bytes),
            Elements::Integers(list) => (list.ends(), 0),
        };
        if got != len || rest != 0 {
            return Err(format!("has {got} elements where its shape {shape:?} has {len}"));
        }
        Ok(Stored { shape, len, format, elements })
    }

    /// How many elements it has.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Its sizes.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements.
    ///
    /// # Errors
    /// If they are no numbers.
    pub(super) fn read(&self) -> Result<Tensor, String> {
        let Format { bytes, integer, number } = self.format;
        let values: Vec<f64> = match self.elements {
            Elements::Raw(raw) => raw.chunks_exact(bytes).map(number).collect(),
            Elements::Fixed(list) => list.chunks(bytes).map(number).collect(),
            Elements::Integers(list) => {
                let integers = list.ints().unwrap_or_default();
                integers.into_iter().map(|value| number(&value.to_le_bytes()[..bytes])).collect()
            }
        };
        if values.len() != self.len {
            return Err("has broken elements".into());
        }
        Ok(Tensor { shape: self.shape.clone(), values, integer })
    }
}

impl Tensor {
    /// A list of whole numbers.
    pub(super) fn integers(values: impl IntoIterator<Item = usize>) -> Tensor {
        let values: Vec<f64> = values.into_iter().map(|value| value as f64).collect();
        Tensor { shape: vec![values.len()], values, integer: true }
    }

    /// A number.
    pub(super) fn scalar(value: f64) -> Tensor {
        Tensor { shape: Vec::new(), values: vec![value], integer: false }
    }

    /// The elements as whole numbers, for shapes and axes.
    pub(super) fn to_integers(&self) -> Vec<i64> {
        self.values.iter().map(|&value| value as i64).collect()
    }

    /// The element, if there is only one.
    pub(super) fn single(&self) -> Option<f64> {
        match self.values[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Each element replaced by a function of it.
    pub(super) fn map(&self, f: impl Fn(f64) -> f64) -> Tensor {
        let values = self.values.iter().map(|&value| f(value)).collect();
        Tensor { shape: self.shape.clone(), values, integer: self.integer }
    }

    /// The same elements in another shape, if it has as many.
    pub(super) fn with_shape(&self, shape: &[usize]) -> Option<Tensor> {
        let fits = count(shape) == Some(self.values.len());
        fits.then(|| Tensor { shape: shape.to_vec(), ..self.clone() })
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]` of this tensor.
    pub(super) fn transpose(&self, order: &[usize]) -> Tensor {
        let strides = strides(&self.shape);
        let shape: Vec<usize> = order.iter().map(|&axis| self.shape[axis]).collect();
        let strides: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
        self.gather(shape, &strides, 0)
    }

    /// Element by element, with the usual broadcasting.
    pub(super) fn zip(&self, other: &Tensor, f: impl Fn(f64, f64) -> f64) -> Option<Tensor> {
        let rank = self.shape.len().max(other.shape.len());
        let (a, b) = (pad_shape(&self.shape, rank), pad_shape(&other.shape, rank));
        let sizes = a.iter().zip(&b).map(|(&a, &b)| match (a, b) {
            (1, size) | (size, 1) => Some(size),
            (a, b) => (a == b).then_some(a),
        });
        let shape: Vec<usize> = sizes.collect::<Option<_>>()?;
        let len = count(&shape)?;
        if len > MAX_FOLDED.max(self.values.len()).max(other.values.len()) {
            return None;
        }
        let spread = |own: &[usize], tensor: &Tensor| {
            let mut steps = strides(own);
            steps.iter_mut().zip(own).for_each(|(step, &size)| *step *= usize::from(size > 1));
            tensor.gather(shape.clone(), &steps, 0).values
        };
        let pairs = spread(&a, self).into_iter().zip(spread(&b, other));
        let values = pairs.map(|(a, b)| f(a, b)).collect();
        let integer = self.integer && other.integer;
        Some(Tensor { shape, values, integer })
    }

    /// Broadcast to at least this shape.
    pub(super) fn expand(&self, shape: &[usize]) -> Option<Tensor> {
        let len = count(shape).filter(|&len| len <= MAX_FOLDED)?;
        let (values, shape) = (vec![0.0; len], shape.to_vec());
        let zeros = Tensor { shape, values, integer: self.integer };
        self.zip(&zeros, |x, _| x)
    }

    /// The elements at these places of an axis, which becomes `axes` (none for a single place).
    pub(super) fn take(
        &self,
        axis: usize,
        indices: &[usize],
        axes: Option<&[usize]>,
    ) -> Option<Tensor> {
        let size = *self.shape.get(axis)?;
        let inner: usize = self.shape[axis + 1..].iter().product();
        let outer: usize = self.shape[..axis].iter().product();
        let len = outer.checked_mul(indices.len())?.checked_mul(inner)?;
        if len > MAX_FOLDED.max(self.values.len()) || indices.iter().any(|&index| index >= size) {
            return None;
        }
        let mut values = Vec::with_capacity(len);
        for block in 0..outer {
            for &index in indices {
                values.extend(&self.values[(block * size + index) * inner..][..inner]);
            }
        }
        let axes = axes.unwrap_or(&[]);
        let shape = [&self.shape[..axis], axes, &self.shape[axis + 1..]].concat();
        Some(Tensor { shape, values, integer: self.integer })
    }

    /// Tensors one after the other along an axis.
    pub(super) fn concat(parts: &[&Tensor], axis: usize) -> Option<Tensor> {
        let first = parts.first()?;
        let mut shape = first.shape.clone();
        let others = |shape: &[usize]| [&shape[..axis], &shape[axis + 1..]].concat();
        let fits = |part: &&&Tensor| {
            part.shape.len() == shape.len() && others(&part.shape) == others(&shape)
        };
        if axis >= shape.len() || parts.iter().filter(fits).count() != parts.len() {
            return None;
        }
        let outer: usize = shape[..axis].iter().product();
        let len: usize = parts.iter().map(|part| part.values.len()).sum();
        if len > MAX_FOLDED {
            return None;
        }
        let mut values = Vec::with_capacity(len);
        for block in 0..outer {
            for part in parts {
                let len = part.values.len() / outer;
                values.extend(&part.values[block * len..][..len]);
            }
        }
        shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
        Some(Tensor { shape, values, integer: parts.iter().all(|part| part.integer) })
    }

    /// The tensor as part of an axis of this size that is zero elsewhere.
    pub(super) fn placed(&self, axis: usize, start: usize, size: usize) -> Option<Tensor> {
        let mut shape = self.shape.clone();
        let own_size = std::mem::replace(shape.get_mut(axis)?, size);
        let inner: usize = shape[axis + 1..].iter().product();
        let mut values = vec![0.0; count(&shape).filter(|&len| len <= MAX_FOLDED)?];
        if own_size * inner > 0 {
            let blocks = values.chunks_exact_mut(size * inner);
            for (block, part) in blocks.zip(self.values.chunks_exact(own_size * inner)) {
                block[start * inner..][..part.len()].copy_from_slice(part);
            }
        }
        Some(Tensor { shape, values, integer: self.integer })
    }

    fn gather(&self, shape: Vec<usize>, strides: &[usize], start: usize) -> Tensor {
        let mut offsets = vec![start];
        for (&size, &stride) in shape.iter().zip(strides) {
            let inside = |offset: usize| (0..size).map(move |index| offset + index * stride);
            offsets = offsets.into_iter().flat_map(inside).collect();
        }
        let values = offsets.into_iter().map(|offset| self.values[offset]).collect();
        Tensor { shape, values, integer: self.integer }
    }
}

/// Sizes as they are stored, none of them negative.
pub(super) fn sizes(dims: &[i64]) -> Result<Vec<usize>, String> {
    let size = |&dim: &i64| usize::try_from(dim).map_err(|_| format!("has a size of {dim}"));
    dims.iter().map(size).collect()
}

/// Elements of a shape, unless its sizes are too large; those of an empty tensor are bounded as
/// well.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    let full = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)))?;
    if shape.contains(&0) { (full <= MAX_FOLDED).then_some(0) } else { Some(full) }
}

fn pad_shape(shape: &[usize], rank: usize) -> Vec<usize> {
    [&vec![1; rank - shape.len()], shape].concat()
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Numbers of `TensorProto.DataType`.
const FLOAT: i64 = 1;
const INT64: i64 = 7;
const FLOAT16: i64 = 10;
const DOUBLE: i64 = 11;
const BFLOAT16: i64 = 16;

/// Whether a type of `TensorProto.DataType` is one of real numbers.
pub(super) fn is_real(kind: i64) -> bool {
    matches!(kind, FLOAT | FLOAT16 | DOUBLE | BFLOAT16)
}

/// How each number of a type is stored.
#[derive(Clone, Copy)]
struct Format {
    bytes: usize,
    integer: bool,
    number: fn(&[u8]) -> f64,
}

impl Format {
    fn from_kind(kind: i64) -> Option<Format> {
        fn part<const N: usize>(bytes: &[u8]) -> [u8; N] {
            bytes.try_into().expect("as many bytes as the format says")
        }
        fn brain(bits: u16) -> f32 {
            f32::from_bits(u32::from(bits) << 16)
        }
        let (bytes, integer, number): (_, _, fn(&[u8]) -> f64) = match kind {
            FLOAT => (4, false, |bytes| f32::from_le_bytes(part(bytes)).into()),
            2 | 9 => (1, true, |bytes| bytes[0].into()),
            3 => (1, true, |bytes| bytes[0].cast_signed().into()),
            4 => (2, true, |bytes| u16::from_le_bytes(part(bytes)).into()),
            5 => (2, true, |bytes| i16::from_le_bytes(part(bytes)).into()),
            6 => (4, true, |bytes| i32::from_le_bytes(part(bytes)).into()),
            INT64 => (8, true, |bytes| i64::from_le_bytes(part(bytes)) as f64),
            FLOAT16 => (2, false, |bytes| half(u16::from_le_bytes(part(bytes)))),
            DOUBLE => (8, false, |bytes| f64::from_le_bytes(part(bytes))),
            12 => (4, true, |bytes| u32::from_le_bytes(part(bytes)).into()),
            BFLOAT16 => (2, false, |bytes| brain(u16::from_le_bytes(part(bytes))).into()),
            _ => return None,
        };
        Some(Format { bytes, integer, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize]) -> Tensor {
        let values = (0..count(shape).unwrap()).map(|value| value as f64).collect();
        Tensor { shape: shape.to_vec(), values, integer: true }
    }

    #[test]
    fn constants_fold() {
        let x = tensor(&[2, 3]);
        assert_eq!(x.transpose(&[1, 0]).values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(x.with_shape(&[3, 2]).unwrap().shape, [3, 2]);
        assert!(x.with_shape(&[4, 2]).is_none());
        let sum = x.zip(&tensor(&[3]), |a, b| a + b).unwrap();
        assert_eq!(sum.values, [0.0, 2.0, 4.0, 3.0, 5.0, 7.0]);
        assert!(x.zip(&tensor(&[2]), |a, b| a + b).is_none());
        assert_eq!(x.take(1, &[2], None).unwrap().values, [2.0, 5.0]);
        assert!(x.take(1, &[3], None).is_none());
        let joined = Tensor::concat(&[&x, &tensor(&[2, 1])], 1).unwrap();
        assert_eq!(joined.values, [0.0, 1.0, 2.0, 0.0, 3.0, 4.0, 5.0, 1.0]);
    }
}
