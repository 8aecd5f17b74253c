//! The network in clear as the suite computes it: the same integers, but for the coins of truncations.

use std::cell::RefCell;

use protocols::dealer::{Function, Gate, Sign, Truncation, argmax, maxpool};

use super::{
    layout::{Apply, Layout, Step, rows},
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

/// Every layer's result for a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Clear {
    /// Layer by layer, at the layer's scale.
    pub results: Vec<Vec<i64>>,
    /// How many values of each layer were outside of what its gate is exact for: their results are not
    /// those of the suite.
    pub outside: Vec<usize>,
}

impl Clear {
    /// The first layer with values that its gate is not exact for, and how many.
    pub fn first_outside(&self) -> Option<(usize, usize)> {
        let mut counted = self.outside.iter().copied().enumerate();
        counted.find(|(_, count)| *count > 0)
    }

    /// The network's results.
    pub fn output(&self, graph: &Graph) -> &[i64] {
        &self.results[graph.output().index()]
    }
}

/// The network on images in NCHW order with f fractional bits, every truncation a floor.
///
/// # Errors
/// [`crate::Error::Images`], [`crate::Error::Batch`], [`crate::Error::ModelGraph`].
pub fn evaluate(
    graph: &Graph,
    layout: &Layout,
    model: &EncodedModel,
    images: &[u64],
) -> Result<Clear> {
    run(graph, layout, model, images, &|y, gate| y >> gate.shift())
}

/// As [`evaluate`] with coins: each truncation's rest is compared with a uniform u0. Another seed gives
/// others.
///
/// # Errors
/// As [`evaluate`].
pub fn simulate(
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

/// How far from the reference the parties' results may be: several times what simulated coins do to this
/// very query, as [`crate::suites::securenn::error::expected_error`].
///
/// # Errors
/// As [`evaluate`].
pub fn expected_error(
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
    let mut clear = Clear { results: Vec::new(), outside: vec![0; graph.nodes().len()] };
    for id in graph.ids() {
        let layer = layout.layer(id);
        let node = graph.node(id);
        let words = |values: &[i64]| values.iter().map(|x| x.cast_unsigned()).collect::<Vec<u64>>();
        let operands: Vec<Vec<u64>> =
            node.inputs.iter().map(|input| words(&clear.results[input.index()])).collect();
        let outside = &mut clear.outside[id.index()];
        let cut = layer
            .before
            .as_ref()
            .map(|gate| apply(&Truncation, gate, &operands[0], truncate, outside));
        let input = || cut.as_deref().unwrap_or(&operands[0]);
        let result = match &layer.step {
            Step::Input => images.to_vec(),
            Step::Linear => {
                let shape = graph.linear_shape(id, batch).expect("a linear layer");
                let linear = model.layer(id).expect("the model was checked");
                let mut y = shape.convolve(input(), &linear.weight);
                let channels = y.chunks_exact_mut(shape.positions());
                for (channel, bias) in channels.zip(linear.bias.iter().cycle()) {
                    channel.iter_mut().for_each(|y| *y = y.wrapping_add(*bias));
                }
                y
            }
            Step::Local => {
                let operands: Vec<&[u64]> = operands.iter().map(Vec::as_slice).collect();
                local::local(graph, layout, id, batch, &operands)
            }
            Step::Average(_) => local::average(graph, layout, id, batch, input()),
            Step::Activate(parts) => {
                let layer_of = Layer { graph, layout, id, batch };
                let (weight, bias) = model
                    .layer(id)
                    .map_or((&[][..], &[][..]), |own| (own.weight.as_slice(), own.bias.as_slice()));
                let mut values = Vec::new();
                for part in parts {
                    let y = local::part(graph, id, batch, part, input());
                    values.push(match &part.apply {
                        Apply::Gadget(gadget, gate) => {
                            let function = layer_of.function(gadget, weight, bias);
                            apply(&*function, gate, &y, truncate, outside)
                        }
                        Apply::Pass => y,
                        Apply::Constants => layer_of.constants(bias),
                    });
                }
                local::join(graph, id, batch, parts, values)
            }
            Step::AnySign(gate) => {
                let mut sums = local::windows(graph, id, batch, input());
                local::add_sizes(graph, id, &mut sums);
                apply(&Sign, gate, &sums, truncate, outside)
            }
            Step::MaxPool(gate) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                let x: Vec<i64> = input().iter().map(|x| x.cast_signed()).collect();
                *outside += maxpool::outside(gate, &shape, &x);
                words(&maxpool::ideal(gate, &shape, &x))
            }
        };
        clear.results.push(result.into_iter().map(u64::cast_signed).collect());
    }
    if let (Some(gate), Some(rows)) = (layout.label(), rows(graph, batch)) {
        let outside = argmax::outside(gate, &rows, clear.output(graph));
        clear.outside[graph.output().index()] += outside;
    }
    Ok(clear)
}

fn apply(
    function: &dyn Function,
    gate: &Gate,
    y: &[u64],
    truncate: Truncate<'_>,
    outside: &mut usize,
) -> Vec<u64> {
    let (low, high) = function.domain(gate);
    let apply = |(place, &y): (usize, &u64)| {
        let y = y.cast_signed();
        *outside += usize::from(!(low..=high).contains(&y));
        function.ideal(place, truncate(y, gate)).cast_unsigned()
    };
    y.iter().enumerate().map(apply).collect()
}
