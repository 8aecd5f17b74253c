//! The protocols of layers as far as their messages depend on them.

use fixedpoint::{conv::ConvShape, encoding::FixedPoint};
use protocols::securenn::{Elementwise, matmul::MatMulShape};

use crate::functions::{ActivationKind, EncodedTerms};

/// The shape of a fully connected layer as the product images x weights^T, from that of
/// [`crate::Graph::linear_shape`].
pub(super) fn dense_shape(shape: &ConvShape) -> MatMulShape {
    MatMulShape { m: shape.batch, k: shape.in_channels, n: shape.out_channels }
}

/// The protocol of a function without its coefficients and with any precision, on which its
/// messages do not depend.
pub(super) fn without_terms(kind: ActivationKind) -> Box<dyn Elementwise> {
    kind.function().securenn(FixedPoint::default(), EncodedTerms::default())
}
