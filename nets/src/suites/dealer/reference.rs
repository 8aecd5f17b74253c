//! The network in clear as the suite computes it: on the same integers, except for the coins of
//! truncations.

use std::cell::RefCell;

use protocols::dealer::{Function, Gate, Sign, Truncation, argmax, maxpool};

use super::{
    layout::{Apply, Computation, Layout, Part, rows},
    local,
    offline::Layer,
};
use crate::{
    error::Result,
    graph::Graph,
    reference::batch_of,
    suites::judge::{MARGIN, SIMULATIONS},
    uniform::Uniform,
    weights::EncodedModel,
};

/// Every layer's results for a batch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clear {
    /// The results of each layer, at its scale.
    pub(super) results: Vec<Vec<i64>>,
    /// For each layer, the number of values for which its gates are not exact, so that the suite's
    /// results would be wrong.
    pub(super) outside: Vec<usize>,
}

impl Clear {
    /// The index of the first layer with values for which its gates are not exact, and their
    /// number.
    pub(super) fn first_outside(&self) -> Option<(usize, usize)> {
        let mut counted = self.outside.iter().copied().enumerate();
        counted.find(|(_, count)| *count > 0)
    }

    /// The network's results.
    pub(super) fn output(&self, graph: &Graph) -> &[i64] {
        &self.results[graph.output().index()]
    }
}

/// The network on images in NCHW order with f fractional bits; every truncation is a floor.
///
/// # Errors
/// [`crate::Error::Images`], [`crate::Error::Batch`], [`crate::Error::ModelGraph`].
pub(super) fn evaluate(
    graph: &Graph,
    layout: &Layout,
    model: &EncodedModel,
    images: &[u64],
) -> Result<Clear> {
    run(graph, layout, model, images, &|y, gate| y >> gate.shift())
}

/// Like [`evaluate`], with simulated coins: the remainder of each truncation is compared with a
/// uniform u0. The coins depend on the seed alone.
///
/// # Errors
/// Those of [`evaluate`].
pub(super) fn simulate(
    graph: &Graph,
    layout: &Layout,
    model: &EncodedModel,
    images: &[u64],
    seed: u64,
) -> Result<Clear> {
    let coins = RefCell::new(Uniform::new("coins", seed));
    run(graph, layout, model, images, &|y, gate| {
        let u0 = coins.borrow_mut().word() & ((1 << gate.shift()) - 1);
        gate.truncated(y, u0)
    })
}

/// The largest expected error of the parties' results relative to the reference `clear`, in units
/// of the results: [`MARGIN`] times the largest error of simulated coins on the same images.
///
/// # Errors
/// Those of [`evaluate`].
pub(super) fn expected_error(
    graph: &Graph,
    layout: &Layout,
    model: &EncodedModel,
    images: &[u64],
    clear: &Clear,
) -> Result<f64> {
    let mut largest = 0;
    for seed in 0..SIMULATIONS {
        let simulated = simulate(graph, layout, model, images, seed)?;
        let pairs = simulated.output(graph).iter().zip(clear.output(graph));
        largest = pairs.map(|(got, due)| got.abs_diff(*due)).fold(largest, u64::max);
    }
    Ok(MARGIN * (largest + 1) as f64)
}

/// A truncation by a gate, which may toss a coin.
type Truncate<'a> = &'a dyn Fn(i64, &Gate) -> i64;

fn run(
    graph: &Graph,
    layout: &Layout,
    model: &EncodedModel,
    images: &[u64],
    truncate: Truncate<'_>,
) -> Result<Clear> {
    model.check(graph)?;
    let batch = batch_of(graph, images.len())?;
    let mut clear = Clear { results: Vec::new(), outside: Vec::new() };
    for id in graph.ids() {
        let operands = graph.node(id).inputs.iter().map(|input| &clear.results[input.index()]);
        let operands: Vec<Vec<u64>> = operands.map(|values| unsigned(values)).collect();
        let layer = Layer { graph, layout, id, batch };
        let mut evaluation = Evaluation { layer, model, images, truncate, outside: 0 };
        let result = evaluation.result(&operands);
        clear.results.push(signed(&result));
        clear.outside.push(evaluation.outside);
    }
    if let (Some(gate), Some(rows)) = (layout.label(), rows(graph, batch)) {
        let outside = argmax::outside(gate, &rows, clear.output(graph));
        clear.outside[graph.output().index()] += outside;
    }
    Ok(clear)
}

/// The evaluation of one layer.
struct Evaluation<'a> {
    layer: Layer<'a>,
    model: &'a EncodedModel,
    images: &'a [u64],
    truncate: Truncate<'a>,
    /// The number of values so far for which a gate is not exact.
    outside: usize,
}

impl Evaluation<'_> {
    /// The layer's result.
    fn result(&mut self, operands: &[Vec<u64>]) -> Vec<u64> {
        let Layer { graph, layout, id, batch } = self.layer;
        let layer = layout.layer(id);
        let truncated =
            layer.before.as_ref().map(|gate| self.apply(&Truncation, gate, &operands[0]));
        let input = || truncated.as_deref().unwrap_or(&operands[0]);
        match &layer.computation {
            Computation::Input => self.images.to_vec(),
            Computation::Linear => self.linear(input()),
            Computation::Local => {
                let operands: Vec<&[u64]> = operands.iter().map(Vec::as_slice).collect();
                local::local(graph, layout, id, batch, &operands)
            }
            Computation::Average(_) => local::average(graph, layout, id, batch, input()),
            Computation::Activate(parts) => self.activate(parts, input()),
            Computation::AnySign(gate) => {
                let mut sums = local::windows(graph, id, batch, input());
                local::add_sizes(graph, id, &mut sums);
                self.apply(&Sign, gate, &sums)
            }
            Computation::MaxPool(gate) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                let x = signed(input());
                self.outside += maxpool::outside(gate, &shape, &x);
                unsigned(&maxpool::ideal(gate, &shape, &x))
            }
        }
    }

    fn linear(&self, x: &[u64]) -> Vec<u64> {
        let Layer { graph, id, batch, .. } = self.layer;
        let shape = graph.linear_shape(id, batch).expect("a linear layer");
        let linear = self.model.layer(id).expect("the model was checked");
        let mut y = shape.convolve(x, &linear.weight);
        let channels = y.chunks_exact_mut(shape.positions());
        for (channel, bias) in channels.zip(linear.bias.iter().cycle()) {
            channel.iter_mut().for_each(|y| *y = y.wrapping_add(*bias));
        }
        y
    }

    fn activate(&mut self, parts: &[Part], x: &[u64]) -> Vec<u64> {
        let layer = self.layer;
        let Layer { graph, id, batch, .. } = layer;
        let (weight, bias) = self.model.layer(id).map_or_else(Default::default, |weights| {
            (weights.weight.as_slice(), weights.bias.as_slice())
        });
        let mut values = Vec::new();
        for part in parts {
            let y = local::part(graph, id, batch, part, x);
            values.push(match &part.apply {
                Apply::Gadget(gadget, gate) => {
                    self.apply(&*layer.function(gadget, weight, bias), gate, &y)
                }
                Apply::Pass => y,
                Apply::Constants => layer.constants(bias),
            });
        }
        local::join(graph, id, batch, parts, values)
    }

    /// A gadget on these values.
    fn apply(&mut self, function: &dyn Function, gate: &Gate, y: &[u64]) -> Vec<u64> {
        let (low, high) = function.domain(gate);
        let (truncate, outside) = (self.truncate, &mut self.outside);
        let apply = |(place, &y): (usize, &u64)| {
            let y = y.cast_signed();
            *outside += usize::from(!(low..=high).contains(&y));
            function.ideal(place, truncate(y, gate)).cast_unsigned()
        };
        y.iter().enumerate().map(apply).collect()
    }
}

fn signed(values: &[u64]) -> Vec<i64> {
    values.iter().map(|x| x.cast_signed()).collect()
}

fn unsigned(values: &[i64]) -> Vec<u64> {
    values.iter().map(|x| x.cast_unsigned()).collect()
}
