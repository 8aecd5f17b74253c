//! How far the parties' result may be from the fixed-point reference, and how likely it is that a
//! truncation goes wrong altogether.
//!
//! Linear protocols and DReLU are exact. All that differs is truncation: cutting off b bits gives
//! floor(x / 2^b) plus a coin of 0 or 1, where the reference takes the floor. So an error of at most
//! d before it (in the units of x) is at most ceil(d / 2^b) + 1 after it: two floors differ by at
//! most the ceiling of the difference of what they round. What an error e (in units of 2^-f) of a
//! layer's inputs becomes:
//!
//! | layer | error of its result |
//! |---|---|
//! | convolution, fully connected | ceil(e max over outputs of sum abs(w) / 2^f) + 1 |
//! | average of n | ceil(e n round(2^b / n) / 2^b) + 1, b = f + floor(log2 n); where n is a power of two e + 1, for 1 e |
//! | LeakyReLU | e + 1: slopes of at most 1, then a truncation |
//! | ReLU, max pool | e: no value changes more than the inputs do |
//! | ReLU6 | min(e, 6 2^f) |
//! | square, cube, polynomial | none: it depends on the values |
//! | sigmoid, tanh | e + 1: slopes of at most 1, then a truncation |
//! | sign | 2 2^f, for an e of 0 none |
//! | binary layer | e times its fan-in: its products and thresholds are multiples of 2^f, so truncation is exact |
//! | sum | the sum of both |
//! | concatenation | the larger one |
//! | slice, shuffle, flatten, reshape, channels that pass | e |
//!
//! This bound ([`error_bound`]) holds for every input and every coin, unless a truncation wraps, which is off by
//! 2^(64-b) and happens with probability |x| / 2^64. But it takes every weight and every coin at its
//! worst, layer upon layer, so after tens of layers it says nothing. [`expected_error`] is what a run is
//! held to: where the worst case is more than [`MARGIN`] times what simulated coins do to this very input
//! ([`simulated`]), it is that.
//!
//! A run whose sum of these probabilities is small
//! is also far inside of DReLU's domain: 2^-6 in sum means |x| < 2^58 before and 2^(58-f) after every
//! truncation. (The executor bounds the input, which is not truncated.)

use std::ops::Range;

use fixedpoint::truncation;
use protocols::{average::Divisor, channels};

use super::reference::simulated;
use crate::{
    error::Result,
    functions::{ActivationKind, LargestTerms},
    graph::{Activation, Graph, NodeId, Op, Portion},
    reference::batch_of,
    suites::judge::{MARGIN, SIMULATIONS},
    weights::EncodedModel,
};

/// For every layer a bound on |secure - reference| of its values, in units of 2^-f.
///
/// # Errors
/// [`crate::Error::ModelGraph`].
pub fn error_bound(graph: &Graph, model: &EncodedModel) -> Result<Vec<f64>> {
    model.check(graph)?;
    let unit = model.fixed().one() as f64;
    let mut bounds: Vec<f64> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let inputs = &graph.node(id).inputs;
        let inputs: Vec<f64> = inputs.iter().map(|input| bounds[input.index()]).collect();
        let largest = inputs.iter().copied().fold(0.0, f64::max);
        bounds.push(match &graph.node(id).op {
            // What is a multiple of 2^f before is exact after it.
            Op::Linear(linear) if linear.is_binary() => largest * widest_row(model, id) / unit,
            Op::Linear(_) => truncated(largest * widest_row(model, id), unit),
            Op::AvgPool(_) => match averaging(graph, model, id) {
                (_, 0) => largest,
                (weight, bits) => truncated(largest * weight, f64::from(bits).exp2()),
            },
            Op::Activation(activation) => {
                let error = |portion: Portion| match portion.kind {
                    Some(kind) => kind.function().propagated_error(largest, unit),
                    None => largest,
                };
                let portions = activation.portions(graph.dims(id).channels);
                portions.into_iter().map(error).fold(0.0, f64::max)
            }
            Op::Add => inputs.iter().sum(),
            Op::Input
            | Op::MaxPool(_)
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => largest,
        });
    }
    Ok(bounds)
}

/// For every layer how far from the reference (`results`, by [`super::reference::fixed`]) the parties'
/// results may be expected at most, in units of 2^-f: [`error_bound`], or [`MARGIN`] times the largest
/// error in simulated runs where that is less. It never fails for want of luck where the bound is small,
/// and stays close in deep networks, where the bound explodes.
///
/// # Errors
/// As [`truncation_failure`].
pub fn expected_error(
    graph: &Graph,
    model: &EncodedModel,
    results: &[Vec<u64>],
) -> Result<Vec<f64>> {
    let mut errors = error_bound(graph, model)?;
    let mut largest = vec![0.0; errors.len()];
    for seed in 0..SIMULATIONS {
        let simulated = simulated(graph, model, &results[0], seed)?;
        for (largest, (got, due)) in largest.iter_mut().zip(simulated.iter().zip(results)) {
            let errors = got.iter().zip(due).map(|(got, due)| magnitude(got.wrapping_sub(*due)));
            *largest = errors.fold(*largest, f64::max);
        }
    }
    for (error, largest) in errors.iter_mut().zip(largest) {
        *error = error.min(MARGIN * (largest + 1.0));
    }
    Ok(errors)
}

/// For every image a bound on the probability that one of its truncations goes wrong, given the
/// reference's results ([`super::reference::fixed`]) and how far from them the parties' may be
/// ([`expected_error`] or [`error_bound`]): the sum of |x| / 2^64 over all truncated values x, as large as
/// they are before truncation.
/// A layer whose products might wrap around the ring counts with the most they could reach, which
/// makes the result large.
///
/// # Errors
/// [`crate::Error::ModelGraph`], [`crate::Error::Images`], [`crate::Error::Batch`].
pub fn truncation_failure(
    graph: &Graph,
    model: &EncodedModel,
    results: &[Vec<u64>],
    errors: &[f64],
) -> Result<Vec<f64>> {
    model.check(graph)?;
    let batch = batch_of(graph, results[0].len())?;
    let mut failures = vec![0.0; batch];
    for id in graph.ids() {
        let Some((truncated, bits)) = truncation_of(graph, model, id) else {
            continue;
        };
        let dims = graph.dims(id);
        let size = (dims.channels, dims.plane());
        let reach = reach(graph, model, errors, results, id);
        let images = results[id.index()].chunks_exact(dims.len());
        for (image, failure) in images.zip(&mut failures) {
            let truncated = channels::gather(1, size.0, size.1, image, &truncated);
            let sum: f64 = truncated.iter().map(|&y| magnitude(y)).sum();
            let count = truncated.len() as f64;
            // A small cube may have a larger square, and a polynomial larger terms.
            let exact = reach < f64::exp2(63.0) && !has_larger_intermediates(graph, id);
            let before = match exact {
                // x < (|y| + 1) 2^bits for a result y.
                true => (sum + count * (errors[id.index()] + 1.0)) * f64::from(bits).exp2(),
                false => count * reach,
            };
            *failure += truncation::wrap_failure_probability(before);
        }
    }
    Ok(failures)
}

/// For every layer the magnitude that its values have at most before truncation, in units of 2^-2f
/// for products, over the whole batch; `None` for layers that truncate nothing.
///
/// # Errors
/// As [`truncation_failure`].
pub fn max_abs(
    graph: &Graph,
    model: &EncodedModel,
    results: &[Vec<u64>],
    errors: &[f64],
) -> Result<Vec<Option<f64>>> {
    model.check(graph)?;
    batch_of(graph, results[0].len())?;
    let of_layer = |id: NodeId| {
        let (_, bits) = truncation_of(graph, model, id)?;
        let reach = reach(graph, model, errors, results, id);
        let largest = largest(&results[id.index()]) + errors[id.index()] + 1.0;
        Some(match reach < f64::exp2(63.0) {
            true => largest * f64::from(bits).exp2(),
            false => reach,
        })
    };
    Ok(graph.ids().map(of_layer).collect())
}

fn has_larger_intermediates(graph: &Graph, id: NodeId) -> bool {
    let activation = graph.node(id).op.activation();
    let mut kinds = activation.into_iter().flat_map(Activation::kinds);
    kinds.any(|kind| kind.function().has_larger_intermediates())
}

/// The channels that a layer truncates, and by how many bits.
fn truncation_of(
    graph: &Graph,
    model: &EncodedModel,
    id: NodeId,
) -> Option<(Vec<Range<usize>>, u32)> {
    let channels = graph.dims(id).channels;
    let bits = model.fixed().fractional_bits();
    match &graph.node(id).op {
        Op::Linear(_) => Some((whole(channels), bits)),
        Op::AvgPool(_) => match averaging(graph, model, id) {
            (_, 0) => None,
            (_, bits) => Some((whole(channels), bits)),
        },
        Op::Activation(activation) => {
            let truncates =
                |portion: &Portion| portion.kind.is_some_and(|kind| kind.function().truncates());
            let portions = activation.portions(channels).into_iter().filter(truncates);
            let truncated: Vec<_> = portions.flat_map(|portion| portion.channels).collect();
            (!truncated.is_empty()).then_some((truncated, bits))
        }
        Op::Input
        | Op::MaxPool(_)
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::Reshape(_) => None,
    }
}

fn whole(channels: usize) -> Vec<Range<usize>> {
    std::iter::once(0..channels).collect()
}

/// What a layer's values before truncation cannot exceed, whatever cancels: inputs as large as the
/// largest, all with the signs of their weights.
fn reach(
    graph: &Graph,
    model: &EncodedModel,
    errors: &[f64],
    results: &[Vec<u64>],
    id: NodeId,
) -> f64 {
    let node = graph.node(id);
    let unit = model.fixed().one() as f64;
    let input = |input: &NodeId| largest(&results[input.index()]) + errors[input.index()];
    let input = node.inputs.iter().map(input).fold(0.0, f64::max);
    match &node.op {
        Op::Linear(_) => {
            let layer = model.layer(id).expect("the model was checked");
            input * widest_row(model, id) + largest(&layer.bias)
        }
        Op::AvgPool(_) => {
            let (weight, _) = averaging(graph, model, id);
            input * weight
        }
        Op::Activation(activation) => {
            let terms = model.layer(id).map(|layer| LargestTerms {
                coefficient: largest(&layer.weight),
                constant: largest(&layer.bias),
            });
            let terms = terms.unwrap_or_default();
            let product =
                |kind: ActivationKind| kind.function().largest_product(input, unit, terms);
            activation.kinds().map(product).fold(0.0, f64::max)
        }
        Op::Input
        | Op::MaxPool(_)
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::Reshape(_) => input * unit,
    }
}

/// What an average multiplies its window with before its truncation, summed over the window, and the
/// bits of that truncation.
fn averaging(graph: &Graph, model: &EncodedModel, id: NodeId) -> (f64, u32) {
    let shape = graph.pool_shape(id, 1).expect("a pooling layer");
    let divisor = Divisor::new(&shape, graph.counted_padding(id), &model.fixed());
    (divisor.weight() as f64, divisor.bits())
}

/// The largest sum of magnitudes of the weights of one output channel.
fn widest_row(model: &EncodedModel, id: NodeId) -> f64 {
    let layer = model.layer(id).expect("a linear layer");
    let rows = layer.weight.chunks_exact(layer.weight.len() / layer.bias.len());
    let sum = |row: &[u64]| row.iter().map(|&weight| magnitude(weight)).sum();
    rows.map(sum).fold(0.0, f64::max)
}

/// What an error becomes when `divisor`, a power of two, cuts off its last bits.
fn truncated(error: f64, divisor: f64) -> f64 {
    // Errors are whole numbers, exact up to 2^53; above, rounding must not lose one.
    let error = match error < f64::exp2(53.0) {
        true => error,
        false => error.next_up(),
    };
    (error / divisor).ceil() + 1.0
}

fn largest(values: &[u64]) -> f64 {
    values.iter().map(|&value| magnitude(value)).fold(0.0, f64::max)
}

fn magnitude(value: u64) -> f64 {
    value.cast_signed().unsigned_abs() as f64
}

#[cfg(test)]
mod tests {
    use super::{super::reference::fixed, *};
    use crate::{graph::Dims, test_nets, weights::Model, weights::Weights, zoo};
    use fixedpoint::encoding::FixedPoint;

    fn encoded(graph: &Graph, bits: u32) -> EncodedModel {
        let model = Model::fold(graph, &Weights::random(graph, 5)).unwrap();
        model.encode(graph, FixedPoint::new(bits)).unwrap()
    }

    fn bound(graph: &Graph, model: &EncodedModel, name: &str) -> f64 {
        error_bound(graph, model).unwrap()[graph.find(name).unwrap().index()]
    }

    #[test]
    fn errors_grow_as_the_table_says() {
        let graph = test_nets::everything();
        let model = encoded(&graph, 13);
        let at = |name: &str| bound(&graph, &model, name);
        assert_eq!((at("input"), at("stem"), at("relu6")), (0.0, 1.0, 1.0));
        let id = graph.find("depthwise").unwrap();
        assert_eq!(at("depthwise"), (widest_row(&model, id) / 8192.0).ceil() + 1.0);
        assert_eq!(at("leaky"), at("pointwise") + 1.0);
        assert_eq!(at("joined"), at("leaky").max(at("left")));
        assert_eq!(at("sum"), at("mixed") + at("relu6"));
        assert_eq!(at("high"), at("sum"));
        // 6 round(2^16 / 6), the divisor at an edge, is a little above 2^16.
        assert_eq!(at("mean"), at("sum") + 2.0);
        assert_eq!(at("halves"), at("relu") + 1.0);
    }

    #[test]
    fn failure_is_the_sum_of_magnitudes() {
        let graph = test_nets::tiny();
        let model = encoded(&graph, 13);
        let images = test_nets::images(&graph, 2, 6);
        let images = model.fixed().encode_slice(&images).unwrap();
        let results = fixed(&graph, &model, &images).unwrap();
        let errors = error_bound(&graph, &model).unwrap();
        let failures = truncation_failure(&graph, &model, &results, &errors).unwrap();
        assert_eq!(failures.len(), 2);
        // 11 truncated values of about 2^26.
        for failure in failures {
            assert!(failure > f64::exp2(-40.0) && failure < f64::exp2(-32.0), "{failure}");
        }
        let largest = max_abs(&graph, &model, &results, &errors).unwrap();
        let truncating: Vec<bool> = largest.iter().map(Option::is_some).collect();
        assert_eq!(truncating, [false, true, false, false, true]);
        assert!(largest[1].unwrap() < f64::exp2(29.0));
    }

    #[test]
    fn products_that_could_wrap_are_seen() {
        let graph = test_nets::tiny();
        let model = encoded(&graph, 24);
        let results: Vec<Vec<u64>> =
            graph.ids().map(|id| vec![1 << 46; graph.dims(id).len()]).collect();
        let errors = error_bound(&graph, &model).unwrap();
        let failures = truncation_failure(&graph, &model, &results, &errors).unwrap();
        assert!(failures[0] > 0.01, "{failures:?}");
    }

    #[test]
    fn the_digits_net_is_far_from_failing() {
        let test_nets::Digits { graph, model, images, .. } = test_nets::digits();
        let model = model.encode(&graph, FixedPoint::default()).unwrap();
        let images = model.fixed().encode_slice(&images).unwrap();
        let results = fixed(&graph, &model, &images).unwrap();
        let errors = error_bound(&graph, &model).unwrap();
        for failure in truncation_failure(&graph, &model, &results, &errors).unwrap() {
            assert!(failure < f64::exp2(-20.0), "{failure}");
        }
    }

    #[test]
    fn deep_networks_stay_near_the_reference() {
        let options = zoo::Options::new(Dims::new(3, 16, 16), 10);
        for net in ["squeezenet", "shufflenet-v2", "mobilenet-v2"] {
            let graph = zoo::build(net, &options).unwrap();
            let model = encoded(&graph, 13);
            let images = test_nets::images(&graph, 1, 9);
            let images = model.fixed().encode_slice(&images).unwrap();
            let results = fixed(&graph, &model, &images).unwrap();
            let errors = expected_error(&graph, &model, &results).unwrap();
            let bound = error_bound(&graph, &model).unwrap();
            assert!(errors.iter().zip(&bound).all(|(error, bound)| error <= bound));
            let output = graph.output().index();
            let logits = largest(&results[output]);
            assert!(logits > 0.1 * 8192.0 && logits < 100.0 * 8192.0, "{net}: {logits}");
            assert!(errors[output] < logits / 4.0, "{net}: {} of {logits}", errors[output]);
            let other = simulated(&graph, &model, &images, 1000).unwrap();
            for (got, due) in other[output].iter().zip(&results[output]) {
                assert!(magnitude(got.wrapping_sub(*due)) <= errors[output], "{net}");
            }
            let failures = truncation_failure(&graph, &model, &results, &errors).unwrap();
            assert!(failures[0] < f64::exp2(-10.0), "{net}: {}", failures[0]);
        }
    }
}
