//! How a tensor of the file lies in a layer's result: reshapes and transpositions move nothing,
//! they change how it is read, until an operator needs it in order.

use crate::graph::Dims;

/// A stretch of equally spaced values; an axis is a product of these, the outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Factor {
    size: usize,
    stride: usize,
}

/// The axes of a tensor, over the values of one image in a layer's result. The batch is an axis of
/// size 1, so reshapes that count it are right for any number of images.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct View {
    axes: Vec<Vec<Factor>>,
}

/// Two neighbouring axes that change places, and the size of the axes inside both: one
/// [`crate::Op::Shuffle`] of an image with `groups * rest` channels and `inner` values in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Swap {
    pub(super) groups: usize,
    pub(super) rest: usize,
    pub(super) inner: usize,
}

impl View {
    /// All values of a layer in their order, as a tensor of this shape.
    pub(super) fn straight(shape: &[usize]) -> View {
        let len = shape.iter().product();
        let whole = View { axes: vec![factor(len, 1)] };
        whole.reshape(shape).expect("the same number of values")
    }

    /// An image stored channels first, as a tensor with its channels last.
    pub(super) fn channels_last(dims: Dims) -> View {
        let Dims { channels, height, width } = dims;
        let axes = [(1, 1), (height, width), (width, 1), (channels, dims.plane())];
        View { axes: axes.map(|(size, stride)| factor(size, stride)).into() }
    }

    /// The tensor's shape.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.iter().map(|factor| factor.size).product()).collect()
    }

    /// The same values in another shape, if the old axes can be cut and joined to the new ones.
    pub(super) fn reshape(&self, shape: &[usize]) -> Option<View> {
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

    /// The axes in another order: axis `i` of the result is axis `order[i]` of this view.
    pub(super) fn transpose(&self, order: &[usize]) -> View {
        View { axes: order.iter().map(|&axis| self.axes[axis].clone()).collect() }
    }

    /// The swaps that bring the layer's values into the view's order, one after the other: none if
    /// they are in it. The channel shuffle is one swap, and so is the way from channels
    /// first to channels last; no order needs more swaps than it has axes.
    pub(super) fn swaps(&self) -> Vec<Swap> {
        let wanted = self.factors();
        let mut now = wanted.clone();
        now.sort_by_key(|factor| std::cmp::Reverse(factor.stride));
        let product = |factors: &[Factor]| factors.iter().map(|factor| factor.size).product();
        let mut swaps = Vec::new();
        for last in (1..now.len()).rev() {
            let place = now[..last].iter().position(|factor| *factor == wanted[last]);
            if let Some(place) = place {
                let (front, inner) = now.split_at_mut(last + 1);
                let (groups, rest) = front.split_at(place + 1);
                let inner = product(inner);
                swaps.push(Swap { groups: product(groups), rest: product(rest), inner });
                front.rotate_left(place + 1);
            }
        }
        swaps
    }

    /// The factors of one axis as (size, stride), the outermost first.
    pub(super) fn axis(&self, axis: usize) -> impl Iterator<Item = (usize, usize)> {
        self.axes[axis].iter().map(|factor| (factor.size, factor.stride))
    }

    /// Where each value is in the layer's result.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let mut offsets = vec![0];
        for Factor { size, stride } in self.factors() {
            let inside = |offset: usize| (0..size).map(move |index| offset + index * stride);
            offsets = offsets.into_iter().flat_map(inside).collect();
        }
        offsets
    }

    /// All factors, with neighbours joined where they are one stretch.
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
    fn swaps_lead_to_the_order_of_the_view() {
        let view = View::straight(&[1, 6, 2, 4]);
        assert_eq!(view.swaps(), []);
        let mixed = view.reshape(&[1, 2, 3, 2, 4]).unwrap().transpose(&[0, 2, 1, 3, 4]);
        let shuffle = Swap { groups: 2, rest: 3, inner: 8 };
        assert_eq!(mixed.reshape(&[1, 6, 2, 4]).unwrap().swaps(), [shuffle]);
        let last = Swap { groups: 6, rest: 8, inner: 1 };
        assert_eq!(view.transpose(&[0, 2, 3, 1]).swaps(), [last]);
        for order in [[0, 1, 3, 2], [0, 3, 2, 1], [0, 2, 1, 3], [3, 1, 0, 2]] {
            let view = view.transpose(&order);
            let mut values: Vec<usize> = (0..48).collect();
            for Swap { groups, rest, inner } in view.swaps() {
                let from = |place: usize| {
                    let (channel, inside) = (place / inner, place % inner);
                    ((channel % groups) * rest + channel / groups) * inner + inside
                };
                values = (0..48).map(|place| values[from(place)]).collect();
            }
            assert_eq!(values, view.offsets(), "{order:?}");
        }
    }

    #[test]
    fn transpositions_cancel() {
        let dims = Dims::new(3, 4, 5);
        let view = View::channels_last(dims);
        assert_eq!(view.shape(), [1, 4, 5, 3]);
        assert_eq!(view.swaps().len(), 1);
        let view = view.transpose(&[0, 3, 1, 2]);
        assert_eq!(view.swaps(), []);
        assert_eq!(view.reshape(&[1, 60]), Some(View::straight(&[1, 60])));
        assert_eq!(view.reshape(&[1, 61]), None);
    }
}
