//! The common part of matrix products and convolutions: SecureNN's MatMul (Algorithm 1) with one
//! left matrix per group and a right matrix that comes in pieces.
//!
//! | phase | from -> to | payload | elements |
//! |---|---|---|---|
//! | 1 | P2 -> P1 | C_1 = A B - C_0 | as the result |
//! | 2 | P0 <-> P1 | F = left - A, once; E = right - B, piece by piece | as both matrices |
//!
//! Randomness: P0 with P2: A_0, B_0, C_0. P1 with P2: A_1, B_1. P0 with P1: a sharing of zero for
//! the output. With E and F opened, side j computes left_j E + F (right_j - j E) + C_j.
//!
//! Who sees what: E and F are uniform to P0 and P1 because the other half of A and B is; C_1 is
//! uniform to P1 because C_0 is. P2 receives nothing. A masks the left matrix once, and every
//! column has a B of its own: pieces are the blocks of one large triple.
//!
//! The pieces of a lane travel in one message each way, so that a depthwise convolution does not
//! send a message per channel; lanes stream, so that a party holds `window` of them at once. P2
//! waits for nobody here; how far it runs ahead is the transport's to bound.

use std::{
    ops::Range,
    sync::{Mutex, OnceLock},
};

use fixedpoint::{Side, gemm, ring};

use super::units::WORD;
use crate::{
    context::{Context, Dealer, Evaluator},
    cost::Cost,
    error::{Error, Result},
    party::Role,
};

/// A product of one `rows x inner` matrix per group with `inner x columns` matrices, one per group
/// and image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinearShape {
    pub(crate) groups: usize,
    pub(crate) rows: usize,
    pub(crate) inner: usize,
    pub(crate) images: usize,
    pub(crate) columns: usize,
}

/// Columns of one group's matrix of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) image: usize,
    pub(crate) group: usize,
    pub(crate) columns: Range<usize>,
}

impl LinearShape {
    fn left_len(&self) -> usize {
        self.groups * self.rows * self.inner
    }

    /// Bytes and phases.
    pub(crate) fn cost(&self) -> Cost {
        let columns = (self.images * self.groups * self.columns) as u64;
        let result = self.rows as u64 * columns;
        let opened = self.left_len() as u64 + self.inner as u64 * columns;
        Cost::none()
            .send_ahead(1, 2, Role::CryptoProducer, Role::DataOwner, WORD * result)
            .exchange(2, WORD * opened)
    }

    /// Cuts the right matrices into lanes of about `words` elements, every lane a list of pieces.
    fn lanes(&self, words: usize) -> Vec<Vec<Piece>> {
        // Whole tiles of the matrix kernels, and at least one.
        let width = (words / self.inner / 64 * 64).max(64).min(self.columns);
        let mut lanes = Vec::new();
        let (mut lane, mut filled) = (Vec::new(), 0);
        for image in 0..self.images {
            for group in 0..self.groups {
                for start in (0..self.columns).step_by(width) {
                    let columns = start..self.columns.min(start + width);
                    filled += self.inner * columns.len();
                    lane.push(Piece { image, group, columns });
                    if filled >= words {
                        lanes.push(std::mem::take(&mut lane));
                        filled = 0;
                    }
                }
            }
        }
        if !lane.is_empty() {
            lanes.push(lane);
        }
        lanes
    }

    /// The left matrix of a group.
    fn left<'a>(&self, group: usize, all: &'a [u64]) -> &'a [u64] {
        let len = self.rows * self.inner;
        &all[group * len..(group + 1) * len]
    }

    /// Splits a lane's buffer into one part a piece, each of `height x columns`.
    fn parts<'a>(
        &self,
        pieces: &'a [Piece],
        height: usize,
        mut words: &'a [u64],
    ) -> impl Iterator<Item = &'a [u64]> + use<'a> {
        pieces.iter().map(move |piece| {
            let (part, rest) = words.split_at(height * piece.columns.len());
            words = rest;
            part
        })
    }

    /// Adds to a lane's results the products of two left matrices a group with a right one each.
    fn add_products(
        &self,
        pieces: &[Piece],
        lefts: [&[u64]; 2],
        rights: [&[u64]; 2],
        mut results: &mut [u64],
    ) {
        let [first, second] = rights.map(|right| self.parts(pieces, self.inner, right));
        for ((piece, first), second) in pieces.iter().zip(first).zip(second) {
            let width = piece.columns.len();
            let (result, rest) = results.split_at_mut(self.rows * width);
            results = rest;
            for (left, right) in lefts.into_iter().zip([first, second]) {
                let left = self.left(piece.group, left);
                gemm::multiply(self.rows, self.inner, width, left, right, result);
            }
        }
    }

    /// The result of a lane, put where it belongs: images, then groups, then rows, then columns.
    fn store(&self, pieces: &[Piece], result: &[u64], out: &mut [u64]) {
        for (piece, part) in pieces.iter().zip(self.parts(pieces, self.rows, result)) {
            let first_row = (piece.image * self.groups + piece.group) * self.rows;
            for (row, values) in part.chunks_exact(piece.columns.len()).enumerate() {
                let start = (first_row + row) * self.columns + piece.columns.start;
                out[start..start + values.len()].copy_from_slice(values);
            }
        }
    }
}

/// P0 and P1. `left` holds the groups' matrices one after the other; `columns` writes this party's
/// half of a piece of the right matrix, row by row.
pub(crate) fn evaluate(
    ctx: &mut Evaluator<'_>,
    shape: &LinearShape,
    left: &[u64],
    columns: impl Fn(&Piece, &mut [u64]) + Sync,
) -> Result<Vec<u64>> {
    ctx.check_len(left.len(), shape.left_len())?;
    let (side, peer) = (ctx.side(), ctx.peer());
    let lanes = shape.lanes(lane_words(ctx));

    // phase 2, the left matrix
    let mut left_ctx = ctx.narrow("left", 0);
    let mut opened = send_left(&mut left_ctx, left)?;
    // The other half is taken by whichever lane needs it first, after that lane has sent its own
    // columns: nobody waits for one opening before sending the other.
    let receive_left = move || -> Result<Vec<u64>> {
        for part in opened.chunks_mut(LEFT_PART) {
            ring::add_assign(part, &left_ctx.recv_words(peer, 2, part.len())?);
        }
        Ok(opened)
    };
    let receive_left = Mutex::new(Some(receive_left));
    let opened_left = OnceLock::new();
    let opened_left = || -> Result<&Vec<u64>> {
        let receive = || {
            let receive = receive_left.lock().expect("no panic while locked").take();
            receive.expect("initialised once")()
        };
        opened_left.get_or_init(receive).as_ref().map_err(Error::clone)
    };
    let results = ctx.lanes(lanes.len(), |lane, index| {
        let pieces = &lanes[index];
        let mut right = Vec::new();
        for piece in pieces {
            let start = right.len();
            right.resize(start + shape.inner * piece.columns.len(), 0);
            columns(piece, &mut right[start..]);
        }
        let result_len = right.len() / shape.inner * shape.rows;
        // phase 2, the right matrices
        let mut opened = right.clone();
        lane.prf_with(Role::CryptoProducer).subtract_from(&mut opened);
        lane.send_words(peer, 2, &opened)?;
        // phase 1
        let mut result = match side {
            Side::Zero => lane.prf_with(Role::CryptoProducer).words(result_len),
            Side::One => lane.recv_words(Role::CryptoProducer, 1, result_len)?,
        };
        lane.rerandomise(&mut result);
        // phase 2
        ring::add_assign(&mut opened, &lane.recv_words(peer, 2, right.len())?);
        if side == Side::One {
            ring::sub_assign(&mut right, &opened);
        }
        shape.add_products(pieces, [left, opened_left()?], [&opened, &right], &mut result);
        Ok(result)
    })?;
    let mut out = vec![0; shape.images * shape.groups * shape.rows * shape.columns];
    for (pieces, result) in lanes.iter().zip(results) {
        shape.store(pieces, &result, &mut out);
    }
    Ok(out)
}

/// Sends the left matrix under A, part by part. Gives this party's half of what is opened.
fn send_left(ctx: &mut Evaluator<'_>, left: &[u64]) -> Result<Vec<u64>> {
    let peer = ctx.peer();
    let mut opened = Vec::with_capacity(left.len());
    for part in left.chunks(LEFT_PART) {
        let mut masked = part.to_vec();
        ctx.prf_with(Role::CryptoProducer).subtract_from(&mut masked);
        ctx.send_words(peer, 2, &masked)?;
        opened.extend(masked);
    }
    Ok(opened)
}

/// P2.
pub(crate) fn deal(ctx: &mut Dealer<'_>, shape: &LinearShape) -> Result<()> {
    let lanes = shape.lanes(lane_words(ctx));
    let mut left_ctx = ctx.narrow("left", 0);
    let left = deal_mask(&mut left_ctx, shape.left_len());
    ctx.lanes(lanes.len(), |lane, index| {
        let pieces = &lanes[index];
        let columns: usize = pieces.iter().map(|piece| piece.columns.len()).sum();
        let right = deal_mask(lane, shape.inner * columns);
        // phase 1
        let mut c = lane.prf_with(Role::ModelOwner).words(shape.rows * columns);
        ring::neg_assign(&mut c);
        let mut rest = c.as_mut_slice();
        for (piece, right) in pieces.iter().zip(shape.parts(pieces, shape.inner, &right)) {
            let width = piece.columns.len();
            let (out, tail) = rest.split_at_mut(shape.rows * width);
            rest = tail;
            let left = shape.left(piece.group, &left);
            gemm::multiply(shape.rows, shape.inner, width, left, right, out);
        }
        lane.send_words(Role::DataOwner, 1, &c)
    })?;
    Ok(())
}

/// The sum of what both evaluators draw.
fn deal_mask(ctx: &mut Dealer<'_>, len: usize) -> Vec<u64> {
    let mut mask = ctx.prf_with(Role::ModelOwner).words(len);
    ctx.prf_with(Role::DataOwner).add_to(&mut mask);
    mask
}

/// Elements of the right matrix in a lane: enough work for the message to be worth it.
fn lane_words<R: Copy + Send + Sync>(ctx: &Context<'_, R>) -> usize {
    32 * ctx.chunk()
}

/// Elements of the left matrix in a message: large weights are masked, sent and added in the cache.
const LEFT_PART: usize = 1 << 15;
