//! Convolution: MatMul (SecureNN, Algorithm 1) of the weights with the im2col matrix.
//!
//! Phases, messages and what they reveal are those of [`super::linear`]: the weights are opened
//! once per layer, the im2col matrix of every image (and every group) column block by column block.
//! It is the im2col matrix that is opened, padding included, as the published formula counts.

use fixedpoint::conv::ConvShape;

use super::{
    linear::{self, LinearShape},
    units::L,
};
use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// Messages of a convolution layer over the batch.
pub fn cost(shape: &ConvShape) -> Cost {
    linear_shape(shape).cost()
}

/// Eq. (3) and (4): (2 m^2 f^2 i + 2 f^2 o i + m^2 o) l bits an image, in each of g groups with i
/// and o divided by g, and 2 rounds in all. m is the input side of the layer, as the equation is
/// written.
pub fn paper(shape: &ConvShape) -> Paper {
    let area = shape.height * shape.width;
    let per_group = 2 * area * shape.patch()
        + 2 * shape.patch() * (shape.out_channels / shape.groups)
        + area * (shape.out_channels / shape.groups);
    let elements = per_group * shape.groups * shape.batch;
    Paper { rounds: 2, bits: elements as f64 * L }
}

/// P0 and P1: `weights` [out, in / groups, kh, kw], `input` NCHW; shares of the result in NCHW, at
/// the sum of both scales.
///
/// # Errors
/// A transport error, or tensors of another size.
pub fn evaluate(
    ctx: &mut Evaluator<'_>,
    shape: &ConvShape,
    weights: &Share,
    input: &Share,
) -> Result<Share> {
    ctx.check_len(input.len(), shape.input_len())?;
    let columns = |piece: &linear::Piece, out: &mut [u64]| {
        shape.im2col(input.words(), piece.image, piece.group, piece.columns.clone(), out);
    };
    linear::evaluate(ctx, &linear_shape(shape), weights.words(), columns).map(Share::new)
}

/// P2.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, shape: &ConvShape) -> Result<()> {
    linear::deal(ctx, &linear_shape(shape))
}

/// The convolution in the ring.
pub fn ideal(shape: &ConvShape, weights: &[u64], input: &[u64]) -> Vec<u64> {
    shape.convolve(input, weights)
}

fn linear_shape(shape: &ConvShape) -> LinearShape {
    LinearShape {
        groups: shape.groups,
        rows: shape.out_channels / shape.groups,
        inner: shape.patch(),
        images: shape.batch,
        columns: shape.positions(),
    }
}

#[cfg(test)]
mod tests {
    use fixedpoint::Padding;

    use super::*;
    use crate::{
        SessionOptions,
        securenn::{Elementwise, Relu},
        test_world::{TestWorld, share_for_tests, words_for_tests},
    };

    const SAME: Padding = Padding { top: 1, left: 1, bottom: 1, right: 1 };
    const BASE: ConvShape = ConvShape {
        batch: 1,
        in_channels: 3,
        out_channels: 16,
        height: 32,
        width: 32,
        kernel: (3, 3),
        stride: (1, 1),
        padding: SAME,
        dilation: (1, 1),
        groups: 1,
    };

    fn check(shape: ConvShape, chunk: usize) {
        let w = words_for_tests(95, shape.weight_len());
        let x = words_for_tests(96, shape.input_len());
        let (ws, xs) = (share_for_tests(97, &w), share_for_tests(98, &x));
        let outcome = TestWorld::new(95).options(SessionOptions { chunk, window: 4 }).layer(
            |ctx| {
                let side = ctx.side().index() as usize;
                evaluate(ctx, &shape, &ws[side], &xs[side])
            },
            |ctx| deal(ctx, &shape),
        );
        assert_eq!(outcome.open(), ideal(&shape, &w, &x), "{shape:?}");
        outcome.assert_cost(&cost(&shape));
        assert_eq!(cost(&shape).critical_path(), 1);
    }

    #[test]
    fn equals_its_ideal_and_its_cost() {
        let depthwise = ConvShape { in_channels: 8, out_channels: 8, groups: 8, ..BASE };
        for chunk in [64, 8192] {
            check(BASE, chunk);
            check(ConvShape { batch: 3, stride: (2, 2), ..BASE }, chunk);
            check(ConvShape { kernel: (1, 1), padding: Padding::default(), ..BASE }, chunk);
            check(depthwise, chunk);
            check(ConvShape { batch: 2, stride: (2, 1), ..depthwise }, chunk);
            check(ConvShape { in_channels: 4, groups: 2, dilation: (2, 2), ..BASE }, chunk);
        }
    }

    #[test]
    fn agrees_with_the_published_formula_at_stride_one() {
        super::super::units::assert_paper(&cost(&BASE), &paper(&BASE), 0.0);
        // The worked example after eq. (6).
        assert_eq!(format!("{:.2}", paper(&BASE).megabytes()), "0.58");
        let relu = Relu.paper(32.0 * 32.0 * 16.0);
        assert_eq!((format!("{:.1}", relu.megabytes()), relu.rounds), ("9.5".into(), 10));
    }
}
