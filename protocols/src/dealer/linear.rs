//! Linear layers: y = W x + b for weights that P0 knows, without an online message.
//!
//! | stage | from -> to | payload |
//! |---|---|---|
//! | once | P0 -> P1 | D = W - A |
//! | ahead | P1 -> P0 | e = D r + z' |
//! | ahead | P2 -> P0 | c = A r - z' - v, only if P1 is to know the mask of the result |
//!
//! x is a wire: z = x - r at P0, r at P1 and P2. A is drawn from a key of P0 and P2, z' (and v)
//! from one of P1 and P2, fresh for every layer and query. P2 has v = A r - z' or, if P1 is to know
//! it, v from that stream; P0 computes u = W z + e (+ c) + b = y - v. All in Z_{2^l}; the result's
//! scale is the sum of both.
//!
//! Simulation. P1 sees D, uniform because it does not know A. P0 sees e, uniform because of z', and
//! c, uniform because of v; of u it can compute what it holds anyway, W z + e + c. P0 + P1's views
//! of one layer used by two layers stay independent, as each has a z' of its own. v = A r - z' is
//! not uniform to who knows e and W, but P0, who does, has u = y - v and no more; nothing that
//! depends on v is sent before a gadget masks it anew. P2 receives nothing.

use std::ops::Range;

use fixedpoint::{
    conv::ConvShape,
    ring,
    width::{self, Width},
};

use crate::{
    context::{Client, Context, Producer, Server},
    cost::Cost,
    error::Result,
    party::Role,
    prf::Seed,
    step::Step,
};

/// The phase that errors name: everything here travels ahead.
const AHEAD: u16 = 1;

/// Results of one message, at least; a batch is cut between images.
const RESULTS: usize = 1 << 16;

/// Weights of one message of D: a multiple of 8, so that cutting adds no byte.
const WEIGHTS: usize = 1 << 20;

/// Who knows the mask of a linear layer's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// P2 alone: a gadget follows.
    Hidden,
    /// P1 too: a linear layer follows, or the result is revealed. It costs c.
    Known,
}

/// The key of A, for all layers of a model: P0's and P2's. It may outlive a session, with D, but
/// not the weights, as they are encoded: under one key, two versions tell P1 their difference.
pub struct WeightKey(Seed);

/// P0's material for a linear layer, before the query: e, or e + c.
pub struct LinearMaterial(Vec<u64>);

impl WeightKey {
    /// Takes a seed that P0 and P2 share and P1 does not know.
    pub fn new(seed: Seed) -> WeightKey {
        WeightKey(seed)
    }

    /// A of a layer.
    pub fn mask(&self, layer: &str, count: usize) -> Vec<u64> {
        self.0.stream(&Step::root(layer)).words(count)
    }
}

impl LinearMaterial {
    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        8 * self.0.len()
    }
}

/// The message of a layer's D, sent once.
pub fn setup_cost(width: Width, weights: usize) -> Cost {
    Cost::none().ahead(Role::ModelOwner, Role::DataOwner, width.bytes(weights) as u64)
}

/// Messages of a query.
pub fn cost(shape: &ConvShape, width: Width, mask: Mask) -> Cost {
    let per_image = shape.output_len() / shape.batch;
    let sizes =
        images(shape).into_iter().map(|images| width.bytes(images.len() * per_image) as u64);
    let bytes = sizes.sum();
    let cost = Cost::none().ahead(Role::DataOwner, Role::ModelOwner, bytes);
    match mask {
        Mask::Hidden => cost,
        Mask::Known => cost.ahead(Role::CryptoProducer, Role::ModelOwner, bytes),
    }
}

/// P0, once: sends D.
///
/// # Errors
/// A transport error.
pub fn send_weights(
    ctx: &mut Server<'_>,
    key: &WeightKey,
    layer: &str,
    width: Width,
    weights: &[u64],
) -> Result<()> {
    let difference = ring::sub(weights, &key.mask(layer, weights.len()));
    let mut parts = difference.chunks(WEIGHTS);
    parts.try_for_each(|part| ctx.send(Role::DataOwner, AHEAD, width::pack(width, part)))
}

/// P1, once: receives D.
///
/// # Errors
/// A transport error, [`crate::Error::Malformed`].
pub fn receive_weights(ctx: &mut Client<'_>, width: Width, count: usize) -> Result<Vec<u64>> {
    let mut difference = vec![0; count];
    for part in difference.chunks_mut(WEIGHTS) {
        let packed = ctx.recv(Role::ModelOwner, AHEAD, width.bytes(part.len()))?;
        width::unpack_into(width, &packed, part)
            .map_err(|what| ctx.malformed(Role::ModelOwner, AHEAD, what))?;
    }
    Ok(difference)
}

/// P2, ahead: v, from A and r.
///
/// # Errors
/// A transport error.
pub fn produce(
    ctx: &Producer<'_>,
    shape: &ConvShape,
    width: Width,
    mask: Mask,
    a: &[u64],
    r: &[u64],
) -> Result<Vec<u64>> {
    by_images(ctx, shape, |lane, part, inputs| {
        let mut v = part.convolve_modulo(width, &r[inputs], a);
        let shared = lane.prf_with(Role::DataOwner);
        shared.subtract_from(&mut v);
        if mask == Mask::Hidden {
            return Ok(v);
        }
        let known = shared.words(v.len());
        ring::sub_assign(&mut v, &known);
        lane.send(Role::ModelOwner, AHEAD, width::pack(width, &v))?;
        Ok(known)
    })
}

/// P1, ahead: sends e; its half v of the result, if it is to know that.
///
/// # Errors
/// A transport error.
pub fn prepare(
    ctx: &Client<'_>,
    shape: &ConvShape,
    width: Width,
    mask: Mask,
    d: &[u64],
    r: &[u64],
) -> Result<Vec<u64>> {
    by_images(ctx, shape, |lane, part, inputs| {
        let mut e = part.convolve_modulo(width, &r[inputs], d);
        let shared = lane.prf_with(Role::CryptoProducer);
        shared.add_to(&mut e);
        let known = match mask {
            Mask::Hidden => Vec::new(),
            Mask::Known => shared.words(e.len()),
        };
        lane.send(Role::ModelOwner, AHEAD, width::pack(width, &e))?;
        Ok(known)
    })
}

/// P1, long after it sent e: what [`prepare`] gave, without the work for e.
///
/// # Errors
/// None but those of other lanes.
pub fn recall(ctx: &Client<'_>, shape: &ConvShape, mask: Mask) -> Result<Vec<u64>> {
    by_images(ctx, shape, |lane, part, _| {
        if mask == Mask::Hidden {
            return Ok(Vec::new());
        }
        let shared = lane.prf_with(Role::CryptoProducer);
        // z' comes first in the stream.
        shared.words(part.output_len());
        Ok(shared.words(part.output_len()))
    })
}

/// P0, ahead: takes e and c.
///
/// # Errors
/// A transport error, [`crate::Error::Malformed`].
pub fn collect(
    ctx: &Server<'_>,
    shape: &ConvShape,
    width: Width,
    mask: Mask,
) -> Result<LinearMaterial> {
    let sum = by_images(ctx, shape, |lane, part, _| {
        let count = part.output_len();
        let mut take = |from: Role| {
            let packed = lane.recv(from, AHEAD, width.bytes(count))?;
            let words = width::unpack(width, &packed, count);
            words.map_err(|what| lane.malformed(from, AHEAD, what))
        };
        let mut sum = take(Role::DataOwner)?;
        if mask == Mask::Known {
            ring::add_assign(&mut sum, &take(Role::CryptoProducer)?);
        }
        Ok(sum)
    })?;
    Ok(LinearMaterial(sum))
}

/// P0, online: u, from z. Nothing is sent.
///
/// # Errors
/// None but those of other lanes.
pub fn serve(
    ctx: &Server<'_>,
    shape: &ConvShape,
    width: Width,
    material: LinearMaterial,
    weights: &[u64],
    bias: &[u64],
    z: &[u64],
) -> Result<Vec<u64>> {
    let mut u = by_images(ctx, shape, |_, part, inputs| {
        Ok(part.convolve_modulo(width, &z[inputs], weights))
    })?;
    ring::add_assign(&mut u, &material.0);
    let channels = u.chunks_exact_mut(shape.positions());
    for (channel, bias) in channels.zip(bias.iter().cycle()) {
        channel.iter_mut().for_each(|word| *word = word.wrapping_add(*bias));
    }
    Ok(u)
}

/// Runs a layer on groups of images, each in a lane of its own, which gets their shape and the
/// range of their inputs.
fn by_images<R: Copy + Send + Sync>(
    ctx: &Context<'_, R>,
    shape: &ConvShape,
    run: impl Fn(&mut Context<'_, R>, &ConvShape, Range<usize>) -> Result<Vec<u64>> + Sync,
) -> Result<Vec<u64>> {
    let groups = images(shape);
    let per_image = shape.input_len() / shape.batch;
    let parts = ctx.lanes(groups.len(), |lane, index| {
        let group = &groups[index];
        let part = ConvShape { batch: group.len(), ..*shape };
        run(lane, &part, group.start * per_image..group.end * per_image)
    })?;
    Ok(parts.concat())
}

/// The groups of images that a batch is cut into.
fn images(shape: &ConvShape) -> Vec<Range<usize>> {
    let group = (RESULTS * shape.batch).div_ceil(shape.output_len()).clamp(1, shape.batch);
    (0..shape.batch).step_by(group).map(|start| start..shape.batch.min(start + group)).collect()
}

#[cfg(test)]
mod tests {
    use fixedpoint::Padding;

    use super::*;
    use crate::{
        Stage,
        test_world::{TestWorld, words_for_tests},
    };

    fn shape(batch: usize) -> ConvShape {
        ConvShape {
            batch,
            in_channels: 4,
            out_channels: 6,
            height: 9,
            width: 7,
            kernel: (3, 3),
            stride: (2, 1),
            padding: Padding::same(1),
            dilation: (1, 1),
            groups: 2,
        }
    }

    fn check(shape: &ConvShape, width: Width, mask: Mask) {
        let weights = words_for_tests(1, shape.weight_len());
        let bias = words_for_tests(2, shape.out_channels);
        let (x, r) = (words_for_tests(3, shape.input_len()), words_for_tests(4, shape.input_len()));
        let z = ring::sub(&x, &r);
        let key = || WeightKey::new(Seed::from_bytes([5; 32]));
        let outcome = TestWorld::new(6).run(|session| match session.role() {
            Role::CryptoProducer => session.produce("layer", |ctx| {
                produce(ctx, shape, width, mask, &key().mask("layer", weights.len()), &r)
            }),
            Role::ModelOwner => {
                let serve = |stage, run: &mut dyn FnMut(&mut Server<'_>) -> Result<Vec<u64>>| {
                    Ok(session.serve(stage, 0, "layer", run)?.0)
                };
                session.serve(Stage::Ahead, 0, "setup", |ctx| {
                    send_weights(ctx, &key(), "layer", width, &weights)
                })?;
                let mut material = None;
                serve(Stage::Ahead, &mut |ctx| {
                    material = Some(collect(ctx, shape, width, mask)?);
                    Ok(vec![])
                })?;
                serve(Stage::Online, &mut |ctx| {
                    super::serve(ctx, shape, width, material.take().unwrap(), &weights, &bias, &z)
                })
            }
            Role::DataOwner => {
                let (d, _) = session.query(Stage::Ahead, 0, "setup", |ctx| {
                    receive_weights(ctx, width, weights.len())
                })?;
                let prepare = |ctx: &mut Client<'_>| prepare(ctx, shape, width, mask, &d, &r);
                Ok(session.query(Stage::Ahead, 0, "layer", prepare)?.0)
            }
        });
        let [u, known, v] = outcome.results.map(|result| result.unwrap());
        assert_eq!(known, if mask == Mask::Known { v.clone() } else { vec![] });
        let again = TestWorld::new(6).run(|session| match session.role() {
            Role::DataOwner => {
                let recall = |ctx: &mut Client<'_>| recall(ctx, shape, mask);
                Ok(session.query(Stage::Ahead, 0, "layer", recall)?.0)
            }
            Role::ModelOwner | Role::CryptoProducer => Ok(vec![]),
        });
        assert_eq!(again.results[1], Ok(known));
        let mut y = shape.convolve(&x, &weights);
        for (channel, bias) in y.chunks_exact_mut(shape.positions()).zip(bias.iter().cycle()) {
            channel.iter_mut().for_each(|word| *word = word.wrapping_add(*bias));
        }
        for (got, due) in ring::add(&u, &v).into_iter().zip(y) {
            assert_eq!(width.reduce(got), width.reduce(due));
        }
        let of = |name| outcome.measurements.iter().find(|seen| seen.name == name).unwrap();
        let (setup, query) = (setup_cost(width, weights.len()), cost(shape, width, mask));
        assert_eq!((of("setup").sent, of("layer").sent), (setup.links(), query.links()));
        assert_eq!((of("layer").ahead, of("layer").rounds()), (query.links(), 0));
    }

    #[test]
    fn equals_the_convolution_and_its_cost() {
        for mask in [Mask::Hidden, Mask::Known] {
            for bits in [1, 31, 32, 33, 64] {
                check(&shape(1), Width::new(bits), mask);
            }
            check(&shape(300), Width::new(45), mask);
        }
    }
}
