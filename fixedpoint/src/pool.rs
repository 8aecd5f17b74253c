//! The windows of pooling layers.

use std::ops::Range;

use crate::shape::{non_zero, places, product, window_fits};
pub use crate::{Padding, ShapeError};

/// A pooling layer over NCHW images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolShape {
    /// Images.
    pub batch: usize,
    /// Channels of an image.
    pub channels: usize,
    /// Rows of a channel.
    pub height: usize,
    /// Columns of a channel.
    pub width: usize,
    /// Rows and columns of a window.
    pub window: (usize, usize),
    /// Rows and columns from one window to the next.
    pub stride: (usize, usize),
    /// Rows and columns added around.
    pub padding: Padding,
}

impl PoolShape {
    /// Checks the shape; every other method is for shapes that pass.
    ///
    /// # Errors
    /// If a size is zero or overflows, or a window is larger than the padded image.
    pub fn validate(&self) -> Result<(), ShapeError> {
        non_zero("batch", self.batch)?;
        non_zero("channels", self.channels)?;
        non_zero("height", self.height)?;
        non_zero("width", self.width)?;
        non_zero("window height", self.window.0)?;
        non_zero("window width", self.window.1)?;
        non_zero("vertical stride", self.stride.0)?;
        non_zero("horizontal stride", self.stride.1)?;
        let Padding { top, left, bottom, right } = self.padding;
        window_fits("high", (self.window.0, 1), (top, self.height, bottom))?;
        window_fits("wide", (self.window.1, 1), (left, self.width, right))?;
        product("input", &[self.batch, self.channels, self.height, self.width])?;
        product("output", &[self.batch, self.channels, self.out_height(), self.out_width()])?;
        product("window", &[self.window.0, self.window.1])?;
        Ok(())
    }

    /// Rows of an output channel.
    #[must_use]
    pub fn out_height(&self) -> usize {
        let padded = self.height + self.padding.top + self.padding.bottom;
        places(self.window.0, 1, self.stride.0, padded)
    }

    /// Columns of an output channel.
    #[must_use]
    pub fn out_width(&self) -> usize {
        let padded = self.width + self.padding.left + self.padding.right;
        places(self.window.1, 1, self.stride.1, padded)
    }

    /// Elements in a window.
    #[must_use]
    pub fn window_len(&self) -> usize {
        self.window.0 * self.window.1
    }

    /// How many elements each window of a channel has in the image and at most this far outside.
    #[must_use]
    pub fn counts(&self, outside: Padding) -> Vec<usize> {
        let Padding { top, left, .. } = self.padding;
        // From `first` to `end` elements of the padded image count.
        let (first, end) = (top.saturating_sub(outside.top), top + self.height + outside.bottom);
        let rows = along(self.out_height(), self.stride.0, self.window.0, first..end);
        let (first, end) = (left.saturating_sub(outside.left), left + self.width + outside.right);
        let columns = along(self.out_width(), self.stride.1, self.window.1, first..end);
        rows.iter().flat_map(|rows| columns.iter().map(move |columns| rows * columns)).collect()
    }

    /// Elements of the input.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.batch * self.channels * self.height * self.width
    }

    /// Elements of the output.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.batch * self.channels * self.out_height() * self.out_width()
    }

    /// Replaces `out` by the input value at one place of every window: for each output in NCHW
    /// order the element `offset` of its window (row-major, below
    /// [`window_len`](Self::window_len)), or `fill` where that lies in the padding.
    pub fn gather<T: Copy>(&self, input: &[T], offset: usize, fill: T, out: &mut Vec<T>) {
        assert_eq!(input.len(), self.input_len(), "input does not fill its shape");
        assert!(offset < self.window_len(), "offset {offset} is outside of the window");
        let (down, across) = (offset / self.window.1, offset % self.window.1);
        out.clear();
        out.reserve(self.output_len());
        for channel in input.chunks_exact(self.height * self.width) {
            for y in 0..self.out_height() {
                let row = (y * self.stride.0 + down)
                    .checked_sub(self.padding.top)
                    .filter(|&row| row < self.height)
                    .map(|row| &channel[row * self.width..][..self.width]);
                out.extend((0..self.out_width()).map(|x| {
                    let column = (x * self.stride.1 + across).wrapping_sub(self.padding.left);
                    row.and_then(|row| row.get(column)).copied().unwrap_or(fill)
                }));
            }
        }
    }
}

/// The number of values of each window that lie in a range.
fn along(places: usize, stride: usize, window: usize, range: Range<usize>) -> Vec<usize> {
    let overlap = |place: usize| {
        let start = place * stride;
        (start + window).min(range.end).saturating_sub(start.max(range.start))
    };
    (0..places).map(overlap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> PoolShape {
        PoolShape {
            batch: 2,
            channels: 3,
            height: 5,
            width: 4,
            window: (3, 2),
            stride: (2, 1),
            padding: Padding { top: 1, left: 0, bottom: 2, right: 1 },
        }
    }

    #[test]
    fn sizes() {
        let shape = shape();
        shape.validate().unwrap();
        assert_eq!((shape.out_height(), shape.out_width()), (3, 4));
        assert_eq!((shape.input_len(), shape.output_len(), shape.window_len()), (120, 72, 6));
    }

    #[test]
    fn gathers_by_the_definition() {
        let shape = shape();
        let input: Vec<i64> = (0..shape.input_len() as i64).collect();
        let mut out = vec![9; 3];
        for offset in 0..shape.window_len() {
            shape.gather(&input, offset, -1, &mut out);
            assert_eq!(out.len(), shape.output_len());
            for (index, &got) in out.iter().enumerate() {
                let (plane, y, x) = (index / 12, index / 4 % 3, index % 4);
                let row = (y * 2 + offset / 2) as i64 - 1;
                let column = (x + offset % 2) as i64;
                let inside = (0..5).contains(&row) && (0..4).contains(&column);
                let expected = if inside { plane as i64 * 20 + row * 4 + column } else { -1 };
                assert_eq!(got, expected);
            }
        }
    }

    #[test]
    fn counts_by_the_definition() {
        let shape = shape();
        for outside in [Padding::NONE, Padding { bottom: 1, ..Padding::NONE }, shape.padding] {
            let counts = shape.counts(outside);
            for (index, &got) in counts.iter().enumerate() {
                let (y, x) = (index / 4, index % 4);
                let count = |start: usize, window: usize, before: usize, end: usize| {
                    let from = |place: usize| (start + place) as i64 - before as i64;
                    (0..window).filter(|&place| (0..end as i64).contains(&from(place))).count()
                };
                let above = shape.padding.top - outside.top;
                let rows = count(2 * y, 3, above, outside.top + 5 + outside.bottom);
                let columns = count(x, 2, 0, 4 + outside.right);
                assert_eq!(got, rows * columns);
            }
        }
        assert!(shape.counts(shape.padding).iter().all(|&count| count == shape.window_len()));
    }

    #[test]
    fn bad_shapes_are_refused() {
        assert_eq!(
            PoolShape { stride: (0, 1), ..shape() }.validate(),
            Err(ShapeError::Zero { field: "vertical stride" })
        );
        assert!(matches!(
            PoolShape { window: (9, 1), ..shape() }.validate(),
            Err(ShapeError::Window { window: 9, image: 8, .. })
        ));
        assert!(matches!(
            PoolShape { batch: usize::MAX, ..shape() }.validate(),
            Err(ShapeError::Overflow { .. })
        ));
        assert!(matches!(
            PoolShape { height: usize::MAX, ..shape() }.validate(),
            Err(ShapeError::Overflow { .. })
        ));
    }
}
