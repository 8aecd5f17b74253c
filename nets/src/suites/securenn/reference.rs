//! The network in clear in fixed point, as the parties of `securenn` compute it, except for the
//! coins of their truncations.

use std::cell::RefCell;

use fixedpoint::{
    Padding, conv::ConvShape, encoding::FixedPoint, pool::PoolShape, ring, truncation,
};
use protocols::{
    average::{self, Divisor},
    securenn::{Elementwise, maxpool},
};

use crate::{
    error::Result,
    functions::{ActivationKind, EncodedTerms},
    graph::{Graph, NodeId},
    reference::{Activated, Arithmetic, walk},
    uniform::Uniform,
    weights::{EncodedModel, LayerWeights},
};

/// Every layer's results for a batch of encoded images (NCHW), as ring elements with f fractional
/// bits. Products wrap around, and every truncation is a floor. The module `error` bounds the
/// difference from the parties' results.
///
/// # Errors
/// [`crate::Error::Images`], [`crate::Error::Batch`], [`crate::Error::ModelGraph`].
pub fn fixed(graph: &Graph, model: &EncodedModel, images: &[u64]) -> Result<Vec<Vec<u64>>> {
    model.check(graph)?;
    let layer = |id| model.layer(id).expect("the model was checked");
    let fixed = model.fixed();
    walk(graph, &Ring { fixed, layer }, images)
}

/// Like [`fixed`], with simulated coins: every truncation is a floor plus 0 or 1 with equal
/// probability, which has a larger variance than the parties' coins. The coins depend on the seed
/// alone.
///
/// # Errors
/// Those of [`fixed`].
pub(crate) fn simulated(
    graph: &Graph,
    model: &EncodedModel,
    images: &[u64],
    seed: u64,
) -> Result<Vec<Vec<u64>>> {
    model.check(graph)?;
    let layer = |id| model.layer(id).expect("the model was checked");
    let ring = Ring { fixed: model.fixed(), layer };
    let coins = RefCell::new(Coins::new(seed));
    walk(graph, &Tossed { ring, coins }, images)
}

struct Ring<F> {
    fixed: FixedPoint,
    layer: F,
}

impl<'m, F: Fn(NodeId) -> &'m LayerWeights<u64>> Arithmetic for Ring<F> {
    type Value = u64;

    fn linear(&self, id: NodeId, shape: &ConvShape, x: &[u64]) -> Vec<u64> {
        let layer = (self.layer)(id);
        let mut out = shape.convolve(x, &layer.weight);
        let bits = self.fixed.fractional_bits();
        for (index, channel) in out.chunks_exact_mut(shape.positions()).enumerate() {
            let bias = layer.bias[index % shape.out_channels];
            for y in channel {
                *y = truncation::floor_shift(y.wrapping_add(bias), bits);
            }
        }
        out
    }

    fn activate(&self, layer: &Activated<'_>, kind: ActivationKind, x: &[u64]) -> Vec<u64> {
        self.function(layer, kind).ideal(x)
    }

    fn max_pool(&self, shape: &PoolShape, x: &[u64]) -> Vec<u64> {
        maxpool::ideal(shape, x).value
    }

    fn avg_pool(&self, shape: &PoolShape, counted: Padding, x: &[u64]) -> Vec<u64> {
        average::ideal(shape, &Divisor::new(shape, counted, &self.fixed), x)
    }

    fn add(&self, a: &[u64], b: &[u64]) -> Vec<u64> {
        ring::add(a, b)
    }
}

impl<'m, F: Fn(NodeId) -> &'m LayerWeights<u64>> Ring<F> {
    fn function(&self, layer: &Activated<'_>, kind: ActivationKind) -> Box<dyn Elementwise> {
        let function = kind.function();
        let terms = function.trained_degree().map(|degree| {
            let degrees = layer.activation.degrees(layer.dims.channels);
            let (coefficients, constants) = (self.layer)(layer.id).polynomials(&degrees, degree);
            EncodedTerms { plane: layer.dims.plane(), coefficients, constants }
        });
        function.securenn(self.fixed, terms.unwrap_or_default())
    }
}

/// The arithmetic of [`Ring`] with a simulated coin for every truncation.
struct Tossed<F> {
    ring: Ring<F>,
    coins: RefCell<Coins>,
}

impl<F> Tossed<F> {
    fn toss(&self, mut floors: Vec<u64>) -> Vec<u64> {
        let mut coins = self.coins.borrow_mut();
        floors.iter_mut().for_each(|floor| *floor = floor.wrapping_add(coins.toss()));
        floors
    }
}

/// Coins that are 0 or 1 with equal probability.
struct Coins {
    words: Uniform,
    word: u64,
    left: u32,
}

impl Coins {
    fn new(seed: u64) -> Coins {
        Coins { words: Uniform::new("coins", seed), word: 0, left: 0 }
    }

    fn toss(&mut self) -> u64 {
        if self.left == 0 {
            (self.word, self.left) = (self.words.word(), u64::BITS);
        }
        let coin = self.word & 1;
        self.word >>= 1;
        self.left -= 1;
        coin
    }
}

impl<'m, F: Fn(NodeId) -> &'m LayerWeights<u64>> Arithmetic for Tossed<F> {
    type Value = u64;

    fn linear(&self, id: NodeId, shape: &ConvShape, x: &[u64]) -> Vec<u64> {
        self.toss(self.ring.linear(id, shape, x))
    }

    fn binary(&self, id: NodeId, shape: &ConvShape, x: &[u64]) -> Vec<u64> {
        self.ring.linear(id, shape, x)
    }

    fn activate(&self, layer: &Activated<'_>, kind: ActivationKind, x: &[u64]) -> Vec<u64> {
        let mut coins = self.coins.borrow_mut();
        let mut truncate =
            |product, bits| truncation::floor_shift(product, bits).wrapping_add(coins.toss());
        self.ring.function(layer, kind).ideal_with(x, &mut truncate)
    }

    fn max_pool(&self, shape: &PoolShape, x: &[u64]) -> Vec<u64> {
        self.ring.max_pool(shape, x)
    }

    fn avg_pool(&self, shape: &PoolShape, counted: Padding, x: &[u64]) -> Vec<u64> {
        let y = self.ring.avg_pool(shape, counted, x);
        if shape.window_len() == 1 { y } else { self.toss(y) }
    }

    fn add(&self, a: &[u64], b: &[u64]) -> Vec<u64> {
        self.ring.add(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        reference::float,
        test_nets,
        weights::{Model, Weights},
    };

    #[test]
    fn fixed_point_is_near_the_reals() {
        let graph = test_nets::everything();
        let model = Model::fold(&graph, &Weights::random(&graph, 7)).unwrap();
        let encoded = model.encode(&graph, FixedPoint::new(20)).unwrap();
        let images = test_nets::images(&graph, 3, 8);
        let real = float(&graph, &model, &images).unwrap();
        let fixed_images = encoded.fixed().encode_slice(&images).unwrap();
        let ring = fixed(&graph, &encoded, &fixed_images).unwrap();
        for id in graph.ids() {
            let decoded = encoded.fixed().decode_slice(&ring[id.index()]);
            assert_eq!(decoded.len(), 3 * graph.dims(id).len());
            let pairs = decoded.iter().zip(&real[id.index()]);
            let error = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(error < 1e-4, "{}: {error}", graph.node(id).name);
            let largest = decoded.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
            assert!(largest > 0.1, "{}: {largest}", graph.node(id).name);
        }
    }
}
