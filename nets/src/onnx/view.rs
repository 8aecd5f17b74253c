//! How a tensor of the file lies in a layer's result: reshapes and transpositions move nothing, they
//! change how it is read, until an operator needs it in order.

use crate::graph::Dims;

/// A stretch of equally spaced values; an axis is a product of these, the outermost first.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Factor {
    size: usize,
    stride: usize,
}

/// The axes of a tensor, over the values of one image in a layer's result. The batch is an axis of
/// size 1, so reshapes that count it are right for any number of images.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    axes: Vec<Vec<Factor>>,
}

/// What a view makes of a layer's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrangement {
    /// The values in their order.
    Straight,
    /// The channels interleaved, as [`crate::Op::Shuffle`] does.
    Shuffled {
        /// Groups of channels.
        groups: usize,
    },
    /// Some other order.
    Other,
}

impl View {
    /// All values of a layer in their order, as a tensor of this shape.
    pub fn straight(shape: &[usize]) -> View {
        let len = shape.iter().product();
        let whole = View { axes: vec![factor(len, 1)] };
        whole.reshape(shape).expect("the same number of values")
    }

    /// An image stored channels first, as a tensor with its channels last.
    pub fn channels_last(dims: Dims) -> View {
        let Dims { channels, height, width } = dims;
        let axes = [(1, 1), (height, width), (width, 1), (channels, dims.plane())];
        View { axes: axes.map(|(size, stride)| factor(size, stride)).into() }
    }

    /// The tensor's shape.
    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.iter().map(|factor| factor.size).product()).collect()
    }

    /// The same values in another shape, if the old axes can be cut and joined to the new ones.
    pub fn reshape(&self, shape: &[usize]) -> Option<View> {
        let mut rest = self.factors();
        rest.reverse();
        let mut axes = Vec::with_capacity(shape.len());
        for &size in shape {
            let mut axis = Vec::new();
            let mut missing = size;
            while missing > 1 {
                let next = rest.pop()?;
                if missing.is_multiple_of(next.size) {
                    missing /= next.size;
                    axis.push(next);
                } else if next.size.is_multiple_of(missing) {
                    let inner = next.size / missing;
                    axis.push(Factor { size: missing, stride: next.stride * inner });
                    rest.push(Factor { size: inner, ..next });
                    missing = 1;
                } else {
                    return None;
                }
            }
            axes.push(axis);
        }
        rest.is_empty().then_some(View { axes })
    }

    /// Axis `i` of the result is axis `order[i]` of this.
    pub fn transpose(&self, order: &[usize]) -> View {
        View { axes: order.iter().map(|&axis| self.axes[axis].clone()).collect() }
    }

    /// What it makes of a layer's result of this size.
    pub fn arrangement(&self, dims: Dims) -> Arrangement {
        let plane = dims.plane();
        let mut factors = self.factors();
        if factors.len() == 3 && factors[2] == (Factor { size: plane, stride: 1 }) {
            factors.pop();
        }
        match factors[..] {
            [] | [Factor { stride: 1, .. }] => Arrangement::Straight,
            // Output channel i n + j is input channel i + j m, of m x n.
            [a, b] if a.stride == plane && b.stride == plane * a.size => {
                Arrangement::Shuffled { groups: b.size }
            }
            _ => Arrangement::Other,
        }
    }

    /// Where each value is in the layer's result.
    pub fn offsets(&self) -> Vec<usize> {
        let mut offsets = vec![0];
        for Factor { size, stride } in self.factors() {
            let inside = |offset: usize| (0..size).map(move |index| offset + index * stride);
            offsets = offsets.into_iter().flat_map(inside).collect();
        }
        offsets
    }

    /// All factors, with neighbours that lie as one joined.
    fn factors(&self) -> Vec<Factor> {
        let mut joined: Vec<Factor> = Vec::new();
        for &inner in self.axes.iter().flatten() {
            match joined.last_mut() {
                Some(outer) if outer.stride == inner.size * inner.stride => {
                    *outer = Factor { size: outer.size * inner.size, stride: inner.stride };
                }
                _ => joined.push(inner),
            }
        }
        joined
    }
}

fn factor(size: usize, stride: usize) -> Vec<Factor> {
    if size == 1 { Vec::new() } else { vec![Factor { size, stride }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffles_are_recognised() {
        let dims = Dims::new(6, 2, 2);
        let view = View::straight(&[1, 6, 2, 2]);
        assert_eq!(view.arrangement(dims), Arrangement::Straight);
        let mixed = view.reshape(&[1, 2, 3, 2, 2]).unwrap().transpose(&[0, 2, 1, 3, 4]);
        let mixed = mixed.reshape(&[1, 6, 2, 2]).unwrap();
        assert_eq!(mixed.arrangement(dims), Arrangement::Shuffled { groups: 2 });
        assert_eq!(mixed.offsets()[4..8], [12, 13, 14, 15]);
        let turned = view.transpose(&[0, 1, 3, 2]);
        assert_eq!(turned.arrangement(dims), Arrangement::Other);
        assert_eq!(turned.offsets()[..4], [0, 2, 1, 3]);
    }

    #[test]
    fn transpositions_cancel() {
        let dims = Dims::new(3, 4, 5);
        let view = View::channels_last(dims);
        assert_eq!(view.shape(), [1, 4, 5, 3]);
        assert_eq!(view.arrangement(dims), Arrangement::Other);
        let view = view.transpose(&[0, 3, 1, 2]);
        assert_eq!(view.arrangement(dims), Arrangement::Straight);
        assert_eq!(view.reshape(&[1, 60]), Some(View::straight(&[1, 60])));
        assert_eq!(view.reshape(&[1, 61]), None);
    }
}
