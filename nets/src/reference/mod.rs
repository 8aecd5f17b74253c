//! The network in clear: in real numbers, as it was trained, and in fixed point, as three parties
//! compute it but for the coins of their truncations.

use std::cell::RefCell;

use fixedpoint::{
    Padding, conv::ConvShape, encoding::FixedPoint, pool::PoolShape, ring, truncation,
};
use protocols::{
    channels,
    securenn::{
        avgpool::{self, Divisor},
        drelu, leaky_relu, maxpool,
        polynomial::{self, PolynomialShape},
        power::{self, Power},
        relu, relu6, spline,
    },
    spline::Spline,
};

use crate::{
    error::{Error, Result},
    graph::{ActivationKind, Graph, NodeId, Op, Portion},
    weights::Uniform,
    weights::model::{EncodedModel, Linear, Model},
};

/// Every layer's result for a batch of images (NCHW), in real numbers.
///
/// # Errors
/// [`Error::Images`], [`Error::Batch`], [`Error::ModelGraph`].
pub fn float(graph: &Graph, model: &Model, images: &[f64]) -> Result<Vec<Vec<f64>>> {
    model.check(graph)?;
    let layer = |id| model.layer(id).expect("the model was checked");
    walk(graph, &Float { layer }, images)
}

/// Every layer's result for a batch of encoded images (NCHW), as ring elements with f fractional
/// bits. Products wrap, every truncation is a floor; [`crate::suites::securenn::error`] says how far the parties'
/// result may be from this one.
///
/// # Errors
/// As [`float`].
pub fn fixed(graph: &Graph, model: &EncodedModel, images: &[u64]) -> Result<Vec<Vec<u64>>> {
    model.check(graph)?;
    let layer = |id| model.layer(id).expect("the model was checked");
    let fixed = model.fixed();
    walk(graph, &Ring { fixed, layer }, images)
}

/// [`fixed`] with the parties' coins: every truncation is a floor plus 0 or 1, each as likely, which
/// spreads more than the parties' own coins do. Another seed gives other coins.
///
/// # Errors
/// As [`float`].
pub fn simulated(
    graph: &Graph,
    model: &EncodedModel,
    images: &[u64],
    seed: u64,
) -> Result<Vec<Vec<u64>>> {
    model.check(graph)?;
    let layer = |id| model.layer(id).expect("the model was checked");
    let ring = Ring { fixed: model.fixed(), layer };
    let coins = RefCell::new(Uniform::new("coins", seed));
    walk(graph, &Tossed { ring, coins }, images)
}

/// The class with the largest logit of each image, the first of equal ones.
pub fn classes<T: PartialOrd>(logits: &[T], classes: usize) -> Vec<usize> {
    let best = |logits: &[T]| {
        (1..classes).fold(0, |best, class| match logits[class] > logits[best] {
            true => class,
            false => best,
        })
    };
    logits.chunks_exact(classes).map(best).collect()
}

/// How many images these values are.
pub(crate) fn batch_of(graph: &Graph, values: usize) -> Result<usize> {
    let dims = graph.input();
    let batch = values / dims.len();
    if !values.is_multiple_of(dims.len()) {
        return Err(Error::Images { dims, batch, expected: batch * dims.len(), got: values });
    }
    graph.check_batch(batch)?;
    Ok(batch)
}

/// What differs between real numbers and ring elements.
trait Arithmetic {
    type Value: Copy;

    fn linear(&self, id: NodeId, shape: &ConvShape, x: &[Self::Value]) -> Vec<Self::Value>;
    /// A linear layer whose truncation is exact.
    fn binary(&self, id: NodeId, shape: &ConvShape, x: &[Self::Value]) -> Vec<Self::Value> {
        self.linear(id, shape, x)
    }
    fn activate(&self, kind: ActivationKind, x: &[Self::Value]) -> Vec<Self::Value>;
    /// The polynomials of one `degree` of a layer that has channels of these `degrees`, on those channels.
    fn polynomial(
        &self,
        id: NodeId,
        degrees: &[u32],
        degree: u32,
        plane: usize,
        x: &[Self::Value],
    ) -> Vec<Self::Value>;
    fn max_pool(&self, shape: &PoolShape, x: &[Self::Value]) -> Vec<Self::Value>;
    fn avg_pool(&self, shape: &PoolShape, counted: Padding, x: &[Self::Value]) -> Vec<Self::Value>;
    fn add(&self, a: &[Self::Value], b: &[Self::Value]) -> Vec<Self::Value>;
}

fn walk<A: Arithmetic>(
    graph: &Graph,
    arithmetic: &A,
    images: &[A::Value],
) -> Result<Vec<Vec<A::Value>>> {
    let batch = batch_of(graph, images.len())?;
    let mut results: Vec<Vec<A::Value>> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let node = graph.node(id);
        let input = |place: usize| results[node.inputs[place].index()].as_slice();
        let dims = graph.input_dims(id);
        let linear = || graph.linear_shape(id, batch).expect("a linear layer");
        let pool = || graph.pool_shape(id, batch).expect("a pooling layer");
        let result = match &node.op {
            Op::Input => images.to_vec(),
            op @ (Op::Conv(_) | Op::Dense(_)) => match op.is_binary() {
                true => arithmetic.binary(id, &linear(), input(0)),
                false => arithmetic.linear(id, &linear(), input(0)),
            },
            Op::Activation(_) | Op::Mix(_) => activate(arithmetic, graph, id, batch, input(0)),
            Op::MaxPool(_) => arithmetic.max_pool(&pool(), input(0)),
            Op::AvgPool(_) | Op::GlobalAvgPool => {
                arithmetic.avg_pool(&pool(), graph.counted_padding(id), input(0))
            }
            Op::Add => arithmetic.add(input(0), input(1)),
            Op::Concat => {
                let part = |&id: &NodeId| (results[id.index()].as_slice(), graph.dims(id).channels);
                let parts: Vec<_> = node.inputs.iter().map(part).collect();
                channels::concat(batch, dims.plane(), &parts)
            }
            &Op::Slice { start, end } => {
                channels::slice(batch, dims.channels, dims.plane(), input(0), start..end)
            }
            &Op::Shuffle { groups } => {
                channels::shuffle(batch, dims.channels, dims.plane(), groups, input(0))
            }
            Op::Flatten | Op::Reshape(_) => input(0).to_vec(),
        };
        results.push(result);
    }
    Ok(results)
}

/// Each portion of an activation's channels through its function.
fn activate<A: Arithmetic>(
    arithmetic: &A,
    graph: &Graph,
    id: NodeId,
    batch: usize,
    x: &[A::Value],
) -> Vec<A::Value> {
    let (dims, op) = (graph.dims(id), &graph.node(id).op);
    let mut out = x.to_vec();
    for Portion { kind, channels } in op.portions(dims.channels) {
        let Some(kind) = kind else { continue };
        let values = channels::gather(batch, dims.channels, dims.plane(), x, &channels);
        let values = match kind {
            ActivationKind::Polynomial { degree } => {
                let degrees = op.degrees(dims.channels);
                arithmetic.polynomial(id, &degrees, degree, dims.plane(), &values)
            }
            kind => arithmetic.activate(kind, &values),
        };
        channels::scatter(batch, dims.channels, dims.plane(), &values, &channels, &mut out);
    }
    out
}

struct Float<F> {
    layer: F,
}

impl<'m, F: Fn(NodeId) -> &'m Linear<f64>> Arithmetic for Float<F> {
    type Value = f64;

    fn linear(&self, id: NodeId, shape: &ConvShape, x: &[f64]) -> Vec<f64> {
        let layer = (self.layer)(id);
        let (positions, patch) = (shape.positions(), shape.patch());
        let rows = shape.out_channels / shape.groups;
        let mut out = vec![0.0; shape.output_len()];
        let mut matrix = vec![0.0; patch * positions];
        for (block, out) in out.chunks_exact_mut(rows * positions).enumerate() {
            let (image, group) = (block / shape.groups, block % shape.groups);
            shape.im2col(x, image, group, 0..positions, &mut matrix);
            for (row, out) in out.chunks_exact_mut(positions).enumerate() {
                let channel = group * rows + row;
                out.fill(layer.bias[channel]);
                let weights = &layer.weight[channel * patch..][..patch];
                for (weight, seen) in weights.iter().zip(matrix.chunks_exact(positions)) {
                    out.iter_mut().zip(seen).for_each(|(y, x)| *y += weight * x);
                }
            }
        }
        out
    }

    fn activate(&self, kind: ActivationKind, x: &[f64]) -> Vec<f64> {
        x.iter().map(|&x| activated(kind, x)).collect()
    }

    fn polynomial(
        &self,
        id: NodeId,
        degrees: &[u32],
        degree: u32,
        plane: usize,
        x: &[f64],
    ) -> Vec<f64> {
        let (coefficients, constants) = (self.layer)(id).polynomials(degrees, degree);
        let value = |(index, &x): (usize, &f64)| {
            let channel = index / plane % constants.len();
            let own = &coefficients[channel * degree as usize..][..degree as usize];
            own.iter().rev().fold(0.0, |sum, c| (sum + c) * x) + constants[channel]
        };
        x.iter().enumerate().map(value).collect()
    }

    fn max_pool(&self, shape: &PoolShape, x: &[f64]) -> Vec<f64> {
        fold_windows(shape, x, f64::NEG_INFINITY, f64::max)
    }

    fn avg_pool(&self, shape: &PoolShape, counted: Padding, x: &[f64]) -> Vec<f64> {
        let mut sums = fold_windows(shape, x, 0.0, |sum, x| sum + x);
        let counts = shape.counts(counted);
        let pairs = sums.iter_mut().zip(counts.iter().cycle());
        pairs.for_each(|(sum, &count)| *sum /= count.max(1) as f64);
        sums
    }

    fn add(&self, a: &[f64], b: &[f64]) -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| a + b).collect()
    }
}

/// An activation of a real number.
pub(crate) fn activated(kind: ActivationKind, x: f64) -> f64 {
    match kind {
        ActivationKind::Relu => x.max(0.0),
        ActivationKind::Relu6 => x.clamp(0.0, 6.0),
        ActivationKind::LeakyRelu { slope } if x < 0.0 => x * slope,
        ActivationKind::LeakyRelu { .. } => x,
        ActivationKind::Square => x * x,
        ActivationKind::Cube => x * x * x,
        ActivationKind::Sign if x < 0.0 => -1.0,
        ActivationKind::Sign => 1.0,
        ActivationKind::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        ActivationKind::Tanh => x.tanh(),
        ActivationKind::Polynomial { .. } => unreachable!("it depends on the channel"),
    }
}

/// The pieces of a sigmoid or tanh, in fixed point.
pub(crate) fn s_curve(kind: ActivationKind, fixed: &FixedPoint) -> Spline {
    let bits = fixed.fractional_bits();
    match kind {
        ActivationKind::Sigmoid => Spline::sigmoid(bits, SLOPE_BITS),
        _ => Spline::tanh(bits, SLOPE_BITS),
    }
}

/// The bits of the slopes of a sigmoid and tanh.
const SLOPE_BITS: u32 = 13;

/// From bits b, or shares of them, 2b - 1 in units of `one`; `own` is 1 where the constant is added, else 0.
pub(crate) fn signs(mut bits: Vec<u64>, one: u64, own: u64) -> Vec<u64> {
    bits.iter_mut().for_each(|bit| *bit = bit.wrapping_mul(2 * one).wrapping_sub(own * one));
    bits
}

/// Folds each window, padding counting as `fill`, with which it also begins.
pub(crate) fn fold_windows(
    shape: &PoolShape,
    x: &[f64],
    fill: f64,
    f: impl Fn(f64, f64) -> f64,
) -> Vec<f64> {
    let mut folded = vec![fill; shape.output_len()];
    let mut column = Vec::new();
    for place in 0..shape.window_len() {
        shape.gather(x, place, fill, &mut column);
        let pairs = folded.iter_mut().zip(&column);
        pairs.for_each(|(folded, &x)| *folded = f(*folded, x));
    }
    folded
}

struct Ring<F> {
    fixed: FixedPoint,
    layer: F,
}

impl<'m, F: Fn(NodeId) -> &'m Linear<u64>> Arithmetic for Ring<F> {
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

    fn activate(&self, kind: ActivationKind, x: &[u64]) -> Vec<u64> {
        match kind {
            ActivationKind::Relu => relu::ideal(x),
            ActivationKind::Relu6 => relu6::ideal(x, &self.fixed),
            ActivationKind::LeakyRelu { slope } => leaky_relu::ideal(x, slope, &self.fixed),
            ActivationKind::Square => power::ideal(Power::Square, x, &self.fixed),
            ActivationKind::Cube => power::ideal(Power::Cube, x, &self.fixed),
            ActivationKind::Sign => signs(drelu::ideal(x), self.fixed.one(), 1),
            ActivationKind::Sigmoid | ActivationKind::Tanh => {
                spline::ideal(&s_curve(kind, &self.fixed), x)
            }
            ActivationKind::Polynomial { .. } => unreachable!("it depends on the channel"),
        }
    }

    fn polynomial(
        &self,
        id: NodeId,
        degrees: &[u32],
        degree: u32,
        plane: usize,
        x: &[u64],
    ) -> Vec<u64> {
        let (coefficients, constants) = (self.layer)(id).polynomials(degrees, degree);
        let shape = PolynomialShape { degree: degree as usize, channels: constants.len(), plane };
        if degree == 0 {
            return (0..x.len()).map(|index| constants[index / plane % constants.len()]).collect();
        }
        polynomial::ideal(&shape, &coefficients, &constants, x, &self.fixed)
    }

    fn max_pool(&self, shape: &PoolShape, x: &[u64]) -> Vec<u64> {
        maxpool::ideal(shape, x).value
    }

    fn avg_pool(&self, shape: &PoolShape, counted: Padding, x: &[u64]) -> Vec<u64> {
        avgpool::ideal(shape, &Divisor::new(shape, counted, &self.fixed), x)
    }

    fn add(&self, a: &[u64], b: &[u64]) -> Vec<u64> {
        ring::add(a, b)
    }
}

/// Ring elements whose truncations toss coins.
struct Tossed<F> {
    ring: Ring<F>,
    coins: RefCell<Uniform>,
}

impl<F> Tossed<F> {
    fn toss(&self, mut floors: Vec<u64>) -> Vec<u64> {
        let mut coins = self.coins.borrow_mut();
        for floors in floors.chunks_mut(64) {
            let mut word = coins.word();
            for floor in floors {
                *floor = floor.wrapping_add(word & 1);
                word >>= 1;
            }
        }
        floors
    }
}

impl<'m, F: Fn(NodeId) -> &'m Linear<u64>> Arithmetic for Tossed<F> {
    type Value = u64;

    fn linear(&self, id: NodeId, shape: &ConvShape, x: &[u64]) -> Vec<u64> {
        self.toss(self.ring.linear(id, shape, x))
    }

    fn binary(&self, id: NodeId, shape: &ConvShape, x: &[u64]) -> Vec<u64> {
        self.ring.linear(id, shape, x)
    }

    fn activate(&self, kind: ActivationKind, x: &[u64]) -> Vec<u64> {
        let y = self.ring.activate(kind, x);
        match kind {
            ActivationKind::LeakyRelu { .. } | ActivationKind::Square => self.toss(y),
            ActivationKind::Cube => {
                let bits = self.ring.fixed.fractional_bits();
                let square = self.activate(ActivationKind::Square, x);
                let cube = ring::mul(&square, x).into_iter();
                self.toss(cube.map(|cube| truncation::floor_shift(cube, bits)).collect())
            }
            ActivationKind::Sigmoid | ActivationKind::Tanh => self.toss(y),
            ActivationKind::Relu | ActivationKind::Relu6 | ActivationKind::Sign => y,
            ActivationKind::Polynomial { .. } => unreachable!("it depends on the channel"),
        }
    }

    fn polynomial(
        &self,
        id: NodeId,
        degrees: &[u32],
        degree: u32,
        plane: usize,
        x: &[u64],
    ) -> Vec<u64> {
        let (coefficients, constants) = (self.ring.layer)(id).polynomials(degrees, degree);
        let (channels, degree) = (constants.len(), degree as usize);
        let channel = |index: usize| index / plane % channels;
        let bits = self.ring.fixed.fractional_bits();
        let mut y: Vec<u64> = match degree {
            0 => vec![0; x.len()],
            _ => (0..x.len()).map(|i| coefficients[channel(i) * degree + degree - 1]).collect(),
        };
        for power in (0..degree).rev() {
            let products = ring::mul(&y, x).into_iter();
            y = self.toss(products.map(|y| truncation::floor_shift(y, bits)).collect());
            for (index, y) in y.iter_mut().enumerate().filter(|_| power > 0) {
                *y = y.wrapping_add(coefficients[channel(index) * degree + power - 1]);
            }
        }
        let sums = y.iter().enumerate();
        sums.map(|(index, y)| y.wrapping_add(constants[channel(index)])).collect()
    }

    fn max_pool(&self, shape: &PoolShape, x: &[u64]) -> Vec<u64> {
        self.ring.max_pool(shape, x)
    }

    fn avg_pool(&self, shape: &PoolShape, counted: Padding, x: &[u64]) -> Vec<u64> {
        let y = self.ring.avg_pool(shape, counted, x);
        match shape.window_len() {
            1 => y,
            _ => self.toss(y),
        }
    }

    fn add(&self, a: &[u64], b: &[u64]) -> Vec<u64> {
        self.ring.add(a, b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{test_nets, weights::Weights};

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

    #[test]
    fn logits_are_those_of_pytorch() {
        let test_nets::Digits { graph, model, images, expected } = test_nets::digits();
        let results = float(&graph, &model, &images).unwrap();
        let logits = &results[graph.output().index()];
        let mut right = 0;
        for (row, logits) in expected.iter().zip(logits.chunks_exact(10)) {
            for (expected, got) in row[1..].iter().zip(logits) {
                assert!((expected - got).abs() < 1e-4, "{expected} {got}");
            }
            right += usize::from(classes(logits, 10)[0] == row[0] as usize);
        }
        assert_eq!(right, expected.len());
    }

    #[test]
    fn wrong_inputs_are_refused() {
        let graph = test_nets::tiny();
        let model = Model::fold(&graph, &Weights::random(&graph, 1)).unwrap();
        let error = float(&graph, &model, &[0.0; 17]).unwrap_err().to_string();
        assert!(error.contains("17 input values"), "{error}");
        assert!(matches!(float(&graph, &model, &[]), Err(Error::Batch { .. })));
        let other = test_nets::everything();
        let images = test_nets::images(&other, 1, 1);
        let error = float(&other, &model, &images).unwrap_err();
        assert!(matches!(error, Error::ModelGraph { .. }));
    }

    #[test]
    fn the_first_largest_logit_wins() {
        assert_eq!(classes(&[1.0, 3.0, 3.0, -1.0, -2.0, -1.0], 3), [1, 0]);
    }
}
