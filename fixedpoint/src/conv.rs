//! Convolutions over Z_{2^64} and the narrower rings of [`width`](crate::width), as matrix
//! products.

use std::ops::Range;

use rayon::prelude::*;

use crate::gemm;
use crate::shape::{non_zero, places, product, window_fits};
use crate::width::Width;
pub use crate::{Padding, ShapeError};

/// A convolution of NCHW images with weights `[out_channels, in_channels / groups, kernel height,
/// kernel width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Images.
    pub batch: usize,
    /// Channels of an input image.
    pub in_channels: usize,
    /// Channels of an output image.
    pub out_channels: usize,
    /// Rows of an input channel.
    pub height: usize,
    /// Columns of an input channel.
    pub width: usize,
    /// Rows and columns of the kernel.
    pub kernel: (usize, usize),
    /// Rows and columns from one place of the kernel to the next.
    pub stride: (usize, usize),
    /// Zero rows and columns added around an image.
    pub padding: Padding,
    /// Rows and columns from one tap of the kernel to the next.
    pub dilation: (usize, usize),
    /// Groups of channels that do not mix; depthwise if as many as input channels.
    pub groups: usize,
}

impl ConvShape {
    /// Checks the shape; every other method is for shapes that pass.
    ///
    /// # Errors
    /// If a size is zero or overflows, groups do not divide the channels, or the kernel is larger
    /// than the padded image.
    pub fn validate(&self) -> Result<(), ShapeError> {
        non_zero("batch", self.batch)?;
        non_zero("input channels", self.in_channels)?;
        non_zero("output channels", self.out_channels)?;
        non_zero("height", self.height)?;
        non_zero("width", self.width)?;
        non_zero("kernel height", self.kernel.0)?;
        non_zero("kernel width", self.kernel.1)?;
        non_zero("vertical stride", self.stride.0)?;
        non_zero("horizontal stride", self.stride.1)?;
        non_zero("vertical dilation", self.dilation.0)?;
        non_zero("horizontal dilation", self.dilation.1)?;
        non_zero("groups", self.groups)?;
        for (field, channels) in
            [("input channels", self.in_channels), ("output channels", self.out_channels)]
        {
            if channels % self.groups != 0 {
                let groups = self.groups;
                return Err(ShapeError::Groups { groups, field, channels });
            }
        }
        let Padding { top, left, bottom, right } = self.padding;
        window_fits("high", (self.kernel.0, self.dilation.0), (top, self.height, bottom))?;
        window_fits("wide", (self.kernel.1, self.dilation.1), (left, self.width, right))?;
        product("input", &[self.batch, self.in_channels, self.height, self.width])?;
        let patch =
            product("patch", &[self.in_channels / self.groups, self.kernel.0, self.kernel.1])?;
        product("weights", &[self.out_channels, patch])?;
        let output = [self.batch, self.out_channels, self.out_height(), self.out_width()];
        let output = product("output", &output)?;
        product("count of products", &[output, patch])?;
        product("patch matrix", &[self.groups, patch, self.out_height(), self.out_width()])?;
        Ok(())
    }

    /// Rows of an output channel.
    #[must_use]
    pub fn out_height(&self) -> usize {
        let padded = self.height + self.padding.top + self.padding.bottom;
        places(self.kernel.0, self.dilation.0, self.stride.0, padded)
    }

    /// Columns of an output channel.
    #[must_use]
    pub fn out_width(&self) -> usize {
        let padded = self.width + self.padding.left + self.padding.right;
        places(self.kernel.1, self.dilation.1, self.stride.1, padded)
    }

    /// Places of the kernel in one image: elements of an output channel.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Input elements that one output depends on.
    #[must_use]
    pub fn patch(&self) -> usize {
        self.in_channels / self.groups * self.kernel.0 * self.kernel.1
    }

    /// Elements of the input.
    #[must_use]
    pub fn input_len(&self) -> usize {
        self.batch * self.in_channels * self.height * self.width
    }

    /// Elements of the weights.
    #[must_use]
    pub fn weight_len(&self) -> usize {
        self.out_channels * self.patch()
    }

    /// Elements of the output.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.batch * self.out_channels * self.positions()
    }

    /// Products that the convolution takes, those with padding included.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.output_len() * self.patch()
    }

    /// Writes the matrix, `patch()` rows of `positions.len()` elements, whose column for a position
    /// holds what the kernel sees there in one group of one image. A group's weights (out_channels
    /// / groups rows of `patch()`) times this matrix are the group's output channels at these
    /// positions.
    pub fn im2col<T: Copy + Default>(
        &self,
        input: &[T],
        image: usize,
        group: usize,
        positions: Range<usize>,
        out: &mut [T],
    ) {
        assert_eq!(input.len(), self.input_len(), "input does not fill its shape");
        assert!(image < self.batch && group < self.groups, "image {image}, group {group}");
        assert!(positions.end <= self.positions(), "positions {positions:?}");
        assert_eq!(out.len(), self.patch() * positions.len(), "matrix has the wrong size");
        if positions.is_empty() {
            return;
        }
        let mut rows = out.chunks_exact_mut(positions.len());
        for channel in
            self.group_channels(input, image, group).chunks_exact(self.height * self.width)
        {
            for tap in 0..self.kernel.0 * self.kernel.1 {
                let row = rows.next().expect("one row for each tap of each channel");
                self.gather_tap(channel, tap, positions.clone(), row);
            }
        }
    }

    /// The convolution: NCHW output of an NCHW input and weights as the type describes.
    #[must_use]
    pub fn convolve(&self, input: &[u64], weights: &[u64]) -> Vec<u64> {
        self.convolve_modulo(Width::WORD, input, weights)
    }

    /// As [`convolve`](Self::convolve), modulo 2^l. What input and weights have above l bits does
    /// not matter; the output has zeros there.
    #[must_use]
    pub fn convolve_modulo(&self, width: Width, input: &[u64], weights: &[u64]) -> Vec<u64> {
        assert_eq!(input.len(), self.input_len(), "input does not fill its shape");
        assert_eq!(weights.len(), self.weight_len(), "weights do not fill their shape");
        let mut output = vec![0; self.output_len()];
        let group_outputs = self.out_channels / self.groups;
        output.par_chunks_mut(group_outputs * self.positions()).enumerate().for_each(
            |(index, output)| {
                let (image, group) = (index / self.groups, index % self.groups);
                let weights = &weights[group * group_outputs * self.patch()..]
                    [..group_outputs * self.patch()];
                if group_outputs == 1 {
                    self.convolve_one_channel(
                        self.group_channels(input, image, group),
                        weights,
                        output,
                    );
                    width.reduce_all(output);
                } else {
                    self.convolve_group(width, input, image, group, weights, output);
                }
            },
        );
        output
    }

    /// One group of one image as matrix products, one for every run of positions.
    fn convolve_group(
        &self,
        width: Width,
        input: &[u64],
        image: usize,
        group: usize,
        weights: &[u64],
        output: &mut [u64],
    ) {
        if self.is_pointwise() {
            let channels = self.group_channels(input, image, group);
            let mut rows: Vec<_> = output.chunks_exact_mut(self.positions()).collect();
            return gemm::multiply_rows(width, self.patch(), weights, channels, &mut rows);
        }
        let run = self.run();
        let mut channels: Vec<_> = output
            .chunks_exact_mut(self.positions())
            .map(|channel| channel.chunks_mut(run))
            .collect();
        let runs: Vec<(usize, Vec<&mut [u64]>)> = (0..self.positions())
            .step_by(run)
            .map(|start| (start, channels.iter_mut().filter_map(Iterator::next).collect()))
            .collect();
        runs.into_par_iter().for_each(|(start, mut rows)| {
            let positions = start..start + rows[0].len();
            let mut matrix = vec![0; self.patch() * positions.len()];
            self.im2col(input, image, group, positions, &mut matrix);
            gemm::multiply_rows(width, self.patch(), weights, &matrix, &mut rows);
        });
    }

    /// Positions whose patch matrix stays in cache, and few enough to give every thread some.
    fn run(&self) -> usize {
        const MATRIX_ELEMENTS: usize = 1 << 18;
        let share = self.positions().div_ceil(rayon::current_num_threads());
        share.min(MATRIX_ELEMENTS / self.patch()).max(1).next_multiple_of(64)
    }

    /// One output channel, tap by tap: with nothing to reuse a patch matrix would only cost memory
    /// traffic.
    fn convolve_one_channel(&self, channels: &[u64], weights: &[u64], output: &mut [u64]) {
        let taps = self.kernel.0 * self.kernel.1;
        for (channel, weights) in
            channels.chunks_exact(self.height * self.width).zip(weights.chunks_exact(taps))
        {
            for (tap, &weight) in weights.iter().enumerate() {
                let columns = self.inside(tap % self.kernel.1);
                if columns.is_empty() {
                    continue;
                }
                let from = self.input_column(tap % self.kernel.1, columns.start);
                for (y, output) in output.chunks_exact_mut(self.out_width()).enumerate() {
                    let Some(row) = self.input_row(channel, tap / self.kernel.1, y) else {
                        continue;
                    };
                    let output = &mut output[columns.clone()];
                    if self.stride.1 == 1 {
                        gemm::add_scaled(output, weight, &row[from..from + columns.len()]);
                        continue;
                    }
                    for (out, &value) in
                        output.iter_mut().zip(row[from..].iter().step_by(self.stride.1))
                    {
                        *out = out.wrapping_add(weight.wrapping_mul(value));
                    }
                }
            }
        }
    }

    /// The values that one tap of the kernel sees in one channel, at a run of positions.
    fn gather_tap<T: Copy + Default>(
        &self,
        channel: &[T],
        tap: usize,
        positions: Range<usize>,
        mut out: &mut [T],
    ) {
        let inside = self.inside(tap % self.kernel.1);
        let mut position = positions.start;
        while position < positions.end {
            let (y, x) = (position / self.out_width(), position % self.out_width());
            let end = self.out_width().min(x + positions.end - position);
            let (part, rest) = out.split_at_mut(end - x);
            out = rest;
            position += end - x;
            let Some(row) = self.input_row(channel, tap / self.kernel.1, y) else {
                part.fill(T::default());
                continue;
            };
            let (low, high) = (inside.start.clamp(x, end), inside.end.clamp(x, end));
            let (before, part) = part.split_at_mut(low - x);
            let (part, after) = part.split_at_mut(high.saturating_sub(low));
            before.fill(T::default());
            after.fill(T::default());
            if part.is_empty() {
                continue;
            }
            let from = self.input_column(tap % self.kernel.1, low);
            if self.stride.1 == 1 {
                part.copy_from_slice(&row[from..from + part.len()]);
            } else {
                for (out, &value) in part.iter_mut().zip(row[from..].iter().step_by(self.stride.1))
                {
                    *out = value;
                }
            }
        }
    }

    /// The channels of one group of one image.
    fn group_channels<'a, T>(&self, input: &'a [T], image: usize, group: usize) -> &'a [T] {
        let channels = self.in_channels / self.groups;
        let len = channels * self.height * self.width;
        &input[(image * self.groups + group) * len..][..len]
    }

    /// The row of a channel that a row of taps meets at output row `y`, unless that lies in the
    /// padding.
    fn input_row<'a, T>(&self, channel: &'a [T], tap_row: usize, y: usize) -> Option<&'a [T]> {
        (y * self.stride.0 + tap_row * self.dilation.0)
            .checked_sub(self.padding.top)
            .filter(|&row| row < self.height)
            .map(|row| &channel[row * self.width..][..self.width])
    }

    /// The column that a column of taps meets at output column `x`, one inside of the image.
    fn input_column(&self, tap_column: usize, x: usize) -> usize {
        (x * self.stride.1 + tap_column * self.dilation.1).saturating_sub(self.padding.left)
    }

    /// The output columns at which a column of taps meets the image and not the padding.
    fn inside(&self, tap_column: usize) -> Range<usize> {
        let shift = tap_column * self.dilation.1;
        let stride = self.stride.1;
        let start = self.padding.left.saturating_sub(shift).div_ceil(stride).min(self.out_width());
        let end = (self.width + self.padding.left)
            .saturating_sub(shift)
            .div_ceil(stride)
            .min(self.out_width());
        start..end.max(start)
    }

    /// Whether the patch matrix is the input itself.
    fn is_pointwise(&self) -> bool {
        self.kernel == (1, 1) && self.stride == (1, 1) && self.padding == Padding::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn base() -> ConvShape {
        ConvShape {
            batch: 2,
            in_channels: 4,
            out_channels: 6,
            height: 7,
            width: 5,
            kernel: (3, 3),
            stride: (1, 1),
            padding: Padding::same(1),
            dilation: (1, 1),
            groups: 1,
        }
    }

    /// The convolution by its definition.
    fn reference(shape: &ConvShape, input: &[u64], weights: &[u64]) -> Vec<u64> {
        let (per_group, outputs) =
            (shape.in_channels / shape.groups, shape.out_channels / shape.groups);
        let mut out = Vec::new();
        for image in 0..shape.batch {
            for o in 0..shape.out_channels {
                for y in 0..shape.out_height() {
                    for x in 0..shape.out_width() {
                        let mut sum = 0u64;
                        for c in 0..per_group {
                            for (ky, kx) in (0..shape.kernel.0)
                                .flat_map(|y| (0..shape.kernel.1).map(move |x| (y, x)))
                            {
                                let row = (y * shape.stride.0 + ky * shape.dilation.0)
                                    .wrapping_sub(shape.padding.top);
                                let column = (x * shape.stride.1 + kx * shape.dilation.1)
                                    .wrapping_sub(shape.padding.left);
                                if row < shape.height && column < shape.width {
                                    let channel =
                                        image * shape.in_channels + o / outputs * per_group + c;
                                    let value = input
                                        [(channel * shape.height + row) * shape.width + column];
                                    let weight = weights[((o * per_group + c) * shape.kernel.0
                                        + ky)
                                        * shape.kernel.1
                                        + kx];
                                    sum = sum.wrapping_add(value.wrapping_mul(weight));
                                }
                            }
                        }
                        out.push(sum);
                    }
                }
            }
        }
        out
    }

    fn random(seed: u64, len: usize) -> Vec<u64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..len).map(|_| rng.random()).collect()
    }

    fn check(shape: &ConvShape) {
        shape.validate().unwrap();
        let (input, weights) = (random(1, shape.input_len()), random(2, shape.weight_len()));
        let mut expected = reference(shape, &input, &weights);
        assert_eq!(shape.convolve(&input, &weights), expected, "{shape:?}");
        for width in [64, 52, 33, 32, 1].map(Width::new) {
            width.reduce_all(&mut expected);
            let output = shape.convolve_modulo(width, &input, &weights);
            assert_eq!(output, expected, "{shape:?} modulo 2^{}", width.bits());
        }
        // A run of positions is a block of columns of the whole matrix.
        let (len, group) = (shape.positions(), shape.groups - 1);
        let mut whole = vec![7; shape.patch() * len];
        shape.im2col(&input, shape.batch - 1, group, 0..len, &mut whole);
        for positions in [0..0, 0..len / 2, len / 3..len, len - 1..len] {
            let mut part = vec![7; shape.patch() * positions.len()];
            shape.im2col(&input, shape.batch - 1, group, positions.clone(), &mut part);
            let columns: Vec<u64> =
                whole.chunks(len).flat_map(|row| row[positions.clone()].iter().copied()).collect();
            assert_eq!(part, columns, "{shape:?} {positions:?}");
        }
    }

    #[test]
    fn sizes() {
        let shape = ConvShape { stride: (2, 2), groups: 2, ..base() };
        shape.validate().unwrap();
        assert_eq!((shape.out_height(), shape.out_width(), shape.positions()), (4, 3, 12));
        assert_eq!(
            (shape.patch(), shape.weight_len(), shape.input_len(), shape.output_len()),
            (18, 108, 280, 144)
        );
        assert_eq!(shape.macs(), 144 * 18);
    }

    #[test]
    fn common_layers() {
        check(&base());
        check(&ConvShape { kernel: (1, 1), padding: Padding::NONE, ..base() });
        check(&ConvShape { kernel: (1, 1), padding: Padding::NONE, stride: (2, 2), ..base() });
        check(&ConvShape { stride: (2, 2), ..base() });
        check(&ConvShape { groups: 2, ..base() });
        check(&ConvShape { groups: 4, out_channels: 4, ..base() });
        check(&ConvShape { groups: 4, out_channels: 8, stride: (2, 1), ..base() });
        check(&ConvShape { out_channels: 1, ..base() });
        check(&ConvShape { kernel: (7, 5), padding: Padding::NONE, ..base() });
        check(&ConvShape { height: 1, width: 1, kernel: (1, 1), padding: Padding::NONE, ..base() });
        // Taps that meet nothing but padding.
        check(&ConvShape {
            height: 1,
            width: 1,
            padding: Padding::same(3),
            groups: 4,
            out_channels: 4,
            ..base()
        });
        check(&ConvShape { height: 1, width: 1, padding: Padding::same(3), ..base() });
        // A patch matrix in several runs.
        check(&ConvShape {
            batch: 1,
            in_channels: 64,
            out_channels: 2,
            height: 32,
            width: 32,
            ..base()
        });
    }

    proptest! {
        #[test]
        fn convolves_by_the_definition(
            batch in 1usize..3, groups in 1usize..4, inputs in 1usize..4, outputs in 1usize..4,
            size in (1usize..9, 1usize..9), kernel in (1usize..4, 1usize..4),
            stride in (1usize..4, 1usize..4),
            dilation in (1usize..3, 1usize..3), padding in prop::array::uniform4(0usize..4),
        ) {
            let [top, left, bottom, right] = padding;
            let shape = ConvShape {
                batch, groups, kernel, stride, dilation,
                in_channels: groups * inputs, out_channels: groups * outputs,
                height: size.0, width: size.1,
                padding: Padding { top, left, bottom, right },
            };
            prop_assume!(shape.validate().is_ok());
            check(&shape);
        }
    }

    #[test]
    fn bad_shapes_are_refused() {
        let refused = |shape: ConvShape| shape.validate().unwrap_err();
        assert_eq!(
            refused(ConvShape { groups: 0, ..base() }),
            ShapeError::Zero { field: "groups" }
        );
        assert_eq!(
            refused(ConvShape { kernel: (0, 3), ..base() }),
            ShapeError::Zero { field: "kernel height" }
        );
        assert!(matches!(
            refused(ConvShape { groups: 3, ..base() }),
            ShapeError::Groups { channels: 4, .. }
        ));
        assert!(matches!(
            refused(ConvShape { groups: 4, ..base() }),
            ShapeError::Groups { channels: 6, .. }
        ));
        let window = ShapeError::Window { axis: "wide", window: 9, image: 7 };
        assert_eq!(refused(ConvShape { dilation: (1, 4), ..base() }), window);
        assert!(matches!(
            refused(ConvShape { dilation: (usize::MAX, 1), ..base() }),
            ShapeError::Overflow { .. }
        ));
        assert!(matches!(
            refused(ConvShape { height: usize::MAX, ..base() }),
            ShapeError::Overflow { .. }
        ));
        assert!(matches!(
            refused(ConvShape { out_channels: usize::MAX / 8, ..base() }),
            ShapeError::Overflow { .. }
        ));
    }
}
