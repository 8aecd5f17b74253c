//! Constants of a file, and the arithmetic on them that exporters leave to the runtime.

use rten_onnx::onnx::{DataLocation, DataType, TensorProto};

use crate::weights::half;

/// The most elements that folding may make of less.
const MAX_FOLDED: usize = 1 << 22;

/// A constant. Integers are kept as real numbers: shapes are far below 2^53, and the "to the end"
/// of a slice survives the rounding.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its sizes; none for a scalar.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f64>,
    /// Whether division rounds towards zero.
    pub integer: bool,
}

impl Tensor {
    /// A list of whole numbers.
    pub fn integers(values: impl IntoIterator<Item = usize>) -> Tensor {
        let values: Vec<f64> = values.into_iter().map(|value| value as f64).collect();
        Tensor { shape: vec![values.len()], values, integer: true }
    }

    /// A number.
    pub fn scalar(value: f64) -> Tensor {
        Tensor { shape: Vec::new(), values: vec![value], integer: false }
    }

    /// A stored tensor.
    ///
    /// # Errors
    /// What is wrong with it, in words that fit after its name.
    pub fn read(proto: &TensorProto) -> Result<Tensor, String> {
        let external = proto.data_location == Some(DataLocation::EXTERNAL);
        if external || !proto.external_data.is_empty() {
            return Err("is stored in another file: save the model as one file, with \
                        onnx.save(model, path, save_as_external_data=False)"
                .into());
        }
        let shape = sizes(&proto.dims)?;
        let len = count(&shape).ok_or_else(|| format!("has an impossible shape {shape:?}"))?;
        let kind = proto.data_type.unwrap_or(DataType(0));
        let values = numbers(proto, kind)?;
        if values.len() != len {
            let got = values.len();
            return Err(format!("has {got} elements where its shape {shape:?} has {len}"));
        }
        let real = [DataType::FLOAT, DataType::DOUBLE, DataType::FLOAT16, DataType::BFLOAT16];
        Ok(Tensor { shape, values, integer: !real.contains(&kind) })
    }

    /// As whole numbers, for shapes and axes.
    pub fn to_integers(&self) -> Vec<i64> {
        self.values.iter().map(|&value| value as i64).collect()
    }

    /// The only element.
    pub fn single(&self) -> Option<f64> {
        match self.values[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// Every element replaced.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Tensor {
        let values = self.values.iter().map(|&value| f(value)).collect();
        Tensor { shape: self.shape.clone(), values, integer: self.integer }
    }

    /// The same elements in another shape, of which one size may be -1 and 0 keeps the old size.
    pub fn reshape(&self, wanted: &[i64]) -> Option<Tensor> {
        let shape = resolve_shape(&self.shape, wanted)?;
        Some(Tensor { shape, ..self.clone() })
    }

    /// Axis `i` of the result is axis `order[i]` of this.
    pub fn transpose(&self, order: &[usize]) -> Tensor {
        let strides = strides(&self.shape);
        let shape: Vec<usize> = order.iter().map(|&axis| self.shape[axis]).collect();
        let strides: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
        self.gather(shape, &strides, 0)
    }

    /// Element by element, with the usual broadcasting.
    pub fn zip(&self, other: &Tensor, f: impl Fn(f64, f64) -> f64) -> Option<Tensor> {
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
    pub fn expand(&self, shape: &[usize]) -> Option<Tensor> {
        let len = count(shape).filter(|&len| len <= MAX_FOLDED)?;
        let (values, shape) = (vec![0.0; len], shape.to_vec());
        let zeros = Tensor { shape, values, integer: self.integer };
        self.zip(&zeros, |x, _| x)
    }

    /// Elements `start`, `start + step`, ... before `end` along one axis, as ONNX counts them.
    pub fn slice(&self, axis: usize, start: i64, end: i64, step: i64) -> Option<Tensor> {
        let indices = slice_indices(*self.shape.get(axis)?, start, end, step)?;
        self.take(axis, &indices, Some(&[indices.len()]))
    }

    /// The elements at these places of an axis, which becomes `axes` (none for a single place).
    pub fn take(&self, axis: usize, indices: &[usize], axes: Option<&[usize]>) -> Option<Tensor> {
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
    pub fn concat(parts: &[&Tensor], axis: usize) -> Option<Tensor> {
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

/// The shape that a Reshape asks for.
pub fn resolve_shape(old: &[usize], wanted: &[i64]) -> Option<Vec<usize>> {
    let len = count(old)?;
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (place, &size) in wanted.iter().enumerate() {
        shape.push(match size {
            -1 if open.is_none() => {
                open = Some(place);
                1
            }
            0 => *old.get(place)?,
            size => usize::try_from(size).ok()?,
        });
    }
    let known = count(&shape)?;
    if let Some(place) = open {
        shape[place] = len.checked_div(known)?;
    }
    (count(&shape)? == len).then_some(shape)
}

/// The places that a slice of an axis takes.
pub fn slice_indices(size: usize, start: i64, end: i64, step: i64) -> Option<Vec<usize>> {
    let size = i64::try_from(size).ok()?;
    let clamp = |place: i64, low: i64, high: i64| {
        let place = if place < 0 { place.saturating_add(size) } else { place };
        place.clamp(low, high)
    };
    let step_size = usize::try_from(step.unsigned_abs()).ok().filter(|&step| step > 0)?;
    let indices = match step > 0 {
        true => (clamp(start, 0, size)..clamp(end, 0, size)).step_by(step_size).collect::<Vec<_>>(),
        false => {
            let (first, last) = (clamp(start, -1, size - 1), clamp(end, -1, size - 1));
            (last + 1..=first).rev().step_by(step_size).collect()
        }
    };
    Some(indices.into_iter().map(|index| index as usize).collect())
}

/// Sizes as they are stored, none of them negative.
pub fn sizes(dims: &[i64]) -> Result<Vec<usize>, String> {
    let size = |&dim: &i64| usize::try_from(dim).map_err(|_| format!("has a size of {dim}"));
    dims.iter().map(size).collect()
}

/// Elements of a shape, unless some of its sizes multiply to more than fits.
pub fn count(shape: &[usize]) -> Option<usize> {
    let full = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)))?;
    Some(if shape.contains(&0) { 0 } else { full })
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

fn numbers(proto: &TensorProto, kind: DataType) -> Result<Vec<f64>, String> {
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|&chunk| number(chunk)).collect()
    }
    let brain = |bits: u16| f64::from(f32::from_bits(u32::from(bits) << 16));
    if let Some(raw) = &proto.raw_data {
        let bytes = &raw.borrow()[..];
        return Ok(match kind {
            DataType::FLOAT => each(bytes, |b| f32::from_le_bytes(b).into()),
            DataType::DOUBLE => each(bytes, f64::from_le_bytes),
            DataType::FLOAT16 => each(bytes, |b| half(u16::from_le_bytes(b))),
            DataType::BFLOAT16 => each(bytes, |b| brain(u16::from_le_bytes(b))),
            DataType::INT64 => each(bytes, |b| i64::from_le_bytes(b) as f64),
            DataType::INT32 => each(bytes, |b| i32::from_le_bytes(b).into()),
            DataType::INT8 => each(bytes, |b| i8::from_le_bytes(b).into()),
            DataType::UINT8 | DataType::BOOL => each(bytes, |b| u8::from_le_bytes(b).into()),
            _ => return Err(unread(kind)),
        });
    }
    let ints = proto.int32_data.iter();
    Ok(match kind {
        DataType::FLOAT => proto.float_data.iter().map(|&value| value.into()).collect(),
        DataType::DOUBLE => proto.double_data.clone(),
        DataType::FLOAT16 => ints.map(|&bits| half(bits as u16)).collect(),
        DataType::BFLOAT16 => ints.map(|&bits| brain(bits as u16)).collect(),
        DataType::INT64 => proto.int64_data.iter().map(|&value| value as f64).collect(),
        DataType::INT32 | DataType::INT8 | DataType::UINT8 | DataType::BOOL => {
            ints.map(|&value| value.into()).collect()
        }
        _ => return Err(unread(kind)),
    })
}

fn unread(kind: DataType) -> String {
    format!("is of type {kind}: store floats of 16, 32 or 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize]) -> Tensor {
        let values = (0..count(shape).unwrap()).map(|value| value as f64).collect();
        Tensor { shape: shape.to_vec(), values, integer: true }
    }

    #[test]
    fn slices_count_as_numpy_does() {
        let indices = |start, end, step| slice_indices(5, start, end, step).unwrap();
        assert_eq!(indices(1, 3, 1), [1, 2]);
        assert_eq!(indices(-2, i64::MAX, 1), [3, 4]);
        assert_eq!(indices(0, -1, 2), [0, 2]);
        assert_eq!(indices(-1, i64::MIN, -1), [4, 3, 2, 1, 0]);
        assert_eq!(indices(4, 1, -2), [4, 2]);
        assert!(slice_indices(5, 0, 5, 0).is_none());
    }

    #[test]
    fn constants_fold() {
        let x = tensor(&[2, 3]);
        assert_eq!(x.transpose(&[1, 0]).values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(x.reshape(&[-1, 2]).unwrap().shape, [3, 2]);
        assert_eq!(x.reshape(&[0, -1]).unwrap().shape, [2, 3]);
        assert!(x.reshape(&[4, -1]).is_none() && x.reshape(&[-1, -1]).is_none());
        let sum = x.zip(&tensor(&[3]), |a, b| a + b).unwrap();
        assert_eq!(sum.values, [0.0, 2.0, 4.0, 3.0, 5.0, 7.0]);
        assert!(x.zip(&tensor(&[2]), |a, b| a + b).is_none());
        assert_eq!(x.take(1, &[2], None).unwrap().values, [2.0, 5.0]);
        assert!(x.take(1, &[3], None).is_none());
        let joined = Tensor::concat(&[&x, &tensor(&[2, 1])], 1).unwrap();
        assert_eq!(joined.values, [0.0, 1.0, 2.0, 0.0, 3.0, 4.0, 5.0, 1.0]);
    }
}
