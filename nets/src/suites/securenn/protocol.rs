//! The protocols of layers, for their messages.

use fixedpoint::{conv::ConvShape, encoding::FixedPoint};
use protocols::securenn::{Elementwise, matmul::MatMulShape};

use crate::functions::{ActivationKind, EncodedTerms};

/// A fully connected layer as the product images x weights^T: its sizes, from those of
/// [`Graph::linear_shape`].
pub(super) fn dense_shape(shape: &ConvShape) -> MatMulShape {
    MatMulShape { m: shape.batch, k: shape.in_channels, n: shape.out_channels }
}

/// The protocol of a function, for its messages: they depend on neither the precision nor the
/// coefficients.
pub(super) fn without_terms(kind: ActivationKind) -> Box<dyn Elementwise> {
    kind.function().securenn(FixedPoint::default(), EncodedTerms::default())
}
