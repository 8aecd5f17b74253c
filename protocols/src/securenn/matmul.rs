//! MatMul (SecureNN, Algorithm 1): the product of two shared matrices over Z_2^64.
//!
//! Phases, messages and what they reveal are those of [`super::linear`], with one group: the left
//! matrix is opened once, the right one in blocks of columns.

use std::ops::Range;

use fixedpoint::gemm;

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

/// An m x k matrix times a k x n matrix, row by row; no size is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMulShape {
    /// Rows of the left matrix and of the product.
    pub m: usize,
    /// Columns of the left, rows of the right matrix.
    pub k: usize,
    /// Columns of the right matrix and of the product.
    pub n: usize,
}

/// Messages of a product.
pub fn cost(shape: &MatMulShape) -> Cost {
    linear_shape(shape).cost()
}

/// (2 (m k + k n) + m n) l bits, 2 rounds.
pub fn paper(shape: &MatMulShape) -> Paper {
    let MatMulShape { m, k, n } = *shape;
    let elements = 2 * (m * k + k * n) + m * n;
    Paper { rounds: 2, bits: elements as f64 * L }
}

/// P0 and P1: shares of x y, at the sum of both scales.
///
/// # Errors
/// A transport error, or matrices of another size.
pub fn evaluate(
    ctx: &mut Evaluator<'_>,
    shape: &MatMulShape,
    x: &Share,
    y: &Share,
) -> Result<Share> {
    ctx.check_len(y.len(), shape.k * shape.n)?;
    let columns = |piece: &linear::Piece, out: &mut [u64]| {
        copy_columns(y.words(), shape.n, piece.columns.clone(), out);
    };
    linear::evaluate(ctx, &linear_shape(shape), x.words(), columns).map(Share::new)
}

/// P2.
///
/// # Errors
/// A transport error.
pub fn deal(ctx: &mut Dealer<'_>, shape: &MatMulShape) -> Result<()> {
    linear::deal(ctx, &linear_shape(shape))
}

/// x y.
pub fn ideal(shape: &MatMulShape, x: &[u64], y: &[u64]) -> Vec<u64> {
    let MatMulShape { m, k, n } = *shape;
    let mut product = vec![0; m * n];
    gemm::multiply(m, k, n, x, y, &mut product);
    product
}

fn linear_shape(shape: &MatMulShape) -> LinearShape {
    LinearShape { groups: 1, rows: shape.m, inner: shape.k, images: 1, columns: shape.n }
}

fn copy_columns(matrix: &[u64], width: usize, columns: Range<usize>, out: &mut [u64]) {
    for (row, out) in matrix.chunks_exact(width).zip(out.chunks_exact_mut(columns.len())) {
        out.copy_from_slice(&row[columns.clone()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        SessionOptions,
        test_world::{TestWorld, share_for_tests, words_for_tests},
    };

    fn check(shape: MatMulShape, options: SessionOptions) {
        let x = words_for_tests(91, shape.m * shape.k);
        let y = words_for_tests(92, shape.k * shape.n);
        let (xs, ys) = (share_for_tests(93, &x), share_for_tests(94, &y));
        let outcome = TestWorld::new(91).options(options).layer(
            |ctx| {
                let side = ctx.side().index() as usize;
                evaluate(ctx, &shape, &xs[side], &ys[side])
            },
            |ctx| deal(ctx, &shape),
        );
        assert_eq!(outcome.open(), ideal(&shape, &x, &y));
        outcome.assert_cost(&cost(&shape));
        super::super::units::assert_paper(&cost(&shape), &paper(&shape), 0.0);
    }

    #[test]
    fn equals_its_ideal_its_cost_and_the_published_formula() {
        let default = SessionOptions::default();
        for (m, k, n) in [(1, 1, 1), (3, 5, 7), (64, 1, 9), (1, 100, 1), (33, 65, 130)] {
            check(MatMulShape { m, k, n }, default);
        }
        // Many lanes: 64 columns a piece.
        check(MatMulShape { m: 5, k: 40, n: 1000 }, SessionOptions { chunk: 64, window: 3 });
    }
}
