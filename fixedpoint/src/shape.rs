//! Shapes that do not fit together.

use thiserror::Error;

/// Rows and columns added around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns before.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns after.
    pub right: usize,
}

impl Padding {
    /// No padding.
    pub const NONE: Self = Self::same(0);

    /// The same padding on all four sides.
    #[must_use]
    pub const fn same(by: usize) -> Self {
        Self { top: by, left: by, bottom: by, right: by }
    }
}

/// Sizes that do not fit together. Shapes are public, so the text names them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ShapeError {
    /// The elements do not fill the shape.
    #[error("shape {shape:?} does not hold exactly {got} elements")]
    Length {
        /// The shape asked for.
        shape: Vec<usize>,
        /// The elements there are.
        got: usize,
    },
    /// An axis that the tensor does not have.
    #[error("axis {axis} of a tensor of shape {shape:?}")]
    Axis {
        /// The axis asked for.
        axis: usize,
        /// The tensor's shape.
        shape: Vec<usize>,
    },
    /// A range that leaves its axis.
    #[error("range {start}..{end} of axis {axis} of a tensor of shape {shape:?}")]
    Range {
        /// The axis sliced.
        axis: usize,
        /// First index asked for.
        start: usize,
        /// One past the last index asked for.
        end: usize,
        /// The tensor's shape.
        shape: Vec<usize>,
    },
    /// Tensors that cannot be joined.
    #[error(
        "cannot join shapes {shapes:?} along axis {axis}: give at least one, and let all \
         other axes be equal"
    )]
    Concat {
        /// The axis along which to join.
        axis: usize,
        /// All shapes given.
        shapes: Vec<Vec<usize>>,
    },
    /// A size that must not be zero.
    #[error("{field} is 0: make it at least 1")]
    Zero {
        /// The size.
        field: &'static str,
    },
    /// Groups that do not divide the channels.
    #[error("{groups} groups do not divide {channels} {field}")]
    Groups {
        /// The count of groups.
        groups: usize,
        /// Which channels.
        field: &'static str,
        /// The count of channels.
        channels: usize,
    },
    /// A window that is larger than the padded image.
    #[error("a window {window} {axis} does not fit an image {image} {axis}, padding included")]
    Window {
        /// `high` or `wide`.
        axis: &'static str,
        /// The extent of the window, dilation included.
        window: usize,
        /// The extent of the image, padding included.
        image: usize,
    },
    /// A size beyond what this machine can address.
    #[error("the {field} of this shape overflows a machine word")]
    Overflow {
        /// Which size.
        field: &'static str,
    },
}

/// The product of sizes.
pub(crate) fn product(field: &'static str, sizes: &[usize]) -> Result<usize, ShapeError> {
    sizes
        .iter()
        .try_fold(1usize, |total, &size| total.checked_mul(size))
        .ok_or(ShapeError::Overflow { field })
}

/// Refuses a size of zero.
pub(crate) fn non_zero(field: &'static str, size: usize) -> Result<(), ShapeError> {
    if size == 0 { Err(ShapeError::Zero { field }) } else { Ok(()) }
}

/// Refuses a window (of `taps` taps, `dilation` apart) that the padded image cannot hold.
pub(crate) fn window_fits(
    axis: &'static str,
    (taps, dilation): (usize, usize),
    (before, image, after): (usize, usize, usize),
) -> Result<(), ShapeError> {
    let window = (taps - 1)
        .checked_mul(dilation)
        .and_then(|span| span.checked_add(1))
        .ok_or(ShapeError::Overflow { field: "window" })?;
    let image = image
        .checked_add(before)
        .and_then(|size| size.checked_add(after))
        .filter(|&size| size <= isize::MAX as usize)
        .ok_or(ShapeError::Overflow { field: "padded image" })?;
    if window > image {
        return Err(ShapeError::Window { axis, window, image });
    }
    Ok(())
}

/// The places of a window along one axis of a valid shape.
pub(crate) fn places(taps: usize, dilation: usize, stride: usize, padded: usize) -> usize {
    (padded - (taps - 1) * dilation - 1) / stride + 1
}
