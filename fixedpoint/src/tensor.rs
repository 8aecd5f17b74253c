//! Dense tensors in row-major order. Images are NCHW: batch, channels, height, width.

use std::fmt;
use std::ops::Range;

use ndarray::{ArrayD, ArrayView, Axis, IxDyn, Slice, concatenate};

pub use crate::ShapeError;

/// A dense tensor whose elements lie in row-major order. Its `Debug` shows the shape only, since
/// elements may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor<T>(ArrayD<T>);

impl<T> Tensor<T> {
    /// A tensor of this shape from its elements in row-major order.
    ///
    /// # Errors
    /// If the shape does not hold exactly these elements.
    pub fn from_vec(shape: &[usize], elements: Vec<T>) -> Result<Self, ShapeError> {
        let got = elements.len();
        ArrayD::from_shape_vec(IxDyn(shape), elements)
            .map(Self)
            .map_err(|_| ShapeError::Length { shape: shape.to_vec(), got })
    }

    /// The extent of every axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    /// How many elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All elements in row-major order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self.0.as_slice().expect("a tensor is in row-major order")
    }

    /// All elements in row-major order, to change.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.0.as_slice_mut().expect("a tensor is in row-major order")
    }

    /// All elements in row-major order, without a copy.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        let (elements, offset) = self.0.into_raw_vec_and_offset();
        debug_assert_eq!(offset.unwrap_or(0), 0, "a tensor owns exactly its elements");
        elements
    }

    /// A tensor of the same shape with `f` of every element.
    #[must_use]
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Tensor<U> {
        Tensor(self.0.map(f))
    }
}

impl<T: Clone> Tensor<T> {
    /// Tensors joined along an axis.
    ///
    /// # Errors
    /// If there are none, or they differ in another axis, or lack this one.
    pub fn concat(axis: usize, parts: &[&Tensor<T>]) -> Result<Self, ShapeError> {
        let error = || ShapeError::Concat {
            axis,
            shapes: parts.iter().map(|part| part.shape().to_vec()).collect(),
        };
        // ndarray panics on an axis that is not there.
        if parts.iter().any(|part| axis >= part.shape().len()) {
            return Err(error());
        }
        let views: Vec<ArrayView<'_, T, IxDyn>> = parts.iter().map(|part| part.0.view()).collect();
        let joined = concatenate(Axis(axis), &views).map_err(|_| error())?;
        Ok(Self(joined.as_standard_layout().into_owned()))
    }

    /// A copy of the part of the tensor whose index along `axis` lies in `range`.
    ///
    /// # Errors
    /// If the axis or the range is not there.
    pub fn slice_axis(&self, axis: usize, range: Range<usize>) -> Result<Self, ShapeError> {
        let shape = || self.shape().to_vec();
        let Some(&extent) = self.shape().get(axis) else {
            return Err(ShapeError::Axis { axis, shape: shape() });
        };
        if range.start > range.end || range.end > extent {
            return Err(ShapeError::Range {
                axis,
                start: range.start,
                end: range.end,
                shape: shape(),
            });
        }
        let part = self.0.slice_axis(Axis(axis), Slice::from(range));
        Ok(Self(
            ArrayD::from_shape_vec(part.raw_dim(), part.iter().cloned().collect())
                .expect("as many as the view has"),
        ))
    }
}

impl<T: Clone + Default> Tensor<T> {
    /// A tensor of zeros (the default of its element type).
    #[must_use]
    pub fn zeros(shape: &[usize]) -> Self {
        Self(ArrayD::default(IxDyn(shape)))
    }
}

impl<T> fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor{:?}", self.shape())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(shape: &[usize]) -> Tensor<u64> {
        Tensor::from_vec(shape, (0..shape.iter().product::<usize>() as u64).collect()).unwrap()
    }

    #[test]
    fn elements_must_fill_the_shape() {
        let error = Tensor::from_vec(&[2, 3], vec![0u8; 5]).unwrap_err();
        assert_eq!(error, ShapeError::Length { shape: vec![2, 3], got: 5 });
        assert!(Tensor::from_vec(&[usize::MAX, 2], vec![0u8; 5]).is_err());
        assert_eq!(counting(&[2, 3]).into_vec(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(counting(&[]).len(), 1);
        assert!(counting(&[2, 0]).is_empty());
    }

    #[test]
    fn map_keeps_the_shape_and_the_order() {
        let tensor = counting(&[2, 3]).map(|&x| x as u32 + 1);
        assert_eq!(tensor.shape(), [2, 3]);
        assert_eq!(tensor.as_slice(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn concat_undoes_slicing() {
        let whole = counting(&[2, 5, 3]);
        for axis in 0..3 {
            let extent = whole.shape()[axis];
            for cut in 0..=extent {
                let (low, high) = (
                    whole.slice_axis(axis, 0..cut).unwrap(),
                    whole.slice_axis(axis, cut..extent).unwrap(),
                );
                let joined = Tensor::concat(axis, &[&low, &high]).unwrap();
                assert_eq!(joined, whole);
                assert_eq!(joined.as_slice(), whole.as_slice());
            }
        }
        assert_eq!(whole.slice_axis(1, 1..2).unwrap().into_vec(), [3, 4, 5, 18, 19, 20]);
    }

    #[test]
    fn joining_and_slicing_check_their_arguments() {
        let (a, b) = (counting(&[2, 3]), counting(&[3, 3]));
        assert_eq!(Tensor::concat(0, &[&a, &b]).unwrap().shape(), [5, 3]);
        assert!(Tensor::concat(1, &[&a, &b]).is_err());
        assert!(Tensor::concat(2, &[&a, &a]).is_err());
        assert!(Tensor::<u64>::concat(0, &[]).is_err());
        assert!(matches!(a.slice_axis(2, 0..1), Err(ShapeError::Axis { axis: 2, .. })));
        assert!(matches!(a.slice_axis(0, 1..3), Err(ShapeError::Range { end: 3, .. })));
        #[expect(clippy::reversed_empty_ranges, reason = "this is what must be refused")]
        let reversed = a.slice_axis(0, 2..1);
        assert!(reversed.is_err());
    }

    #[test]
    fn debug_shows_no_elements() {
        let mut tensor = Tensor::<u64>::zeros(&[1, 4]);
        tensor.as_mut_slice()[0] = 77;
        assert_eq!(format!("{tensor:?}"), "Tensor[1, 4]");
    }
}
