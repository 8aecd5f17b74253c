//! Ranges by interval arithmetic, which hold for every input.

use fixedpoint::{Padding, conv::ConvShape, encoding::FixedPoint};
use protocols::channels;

use super::layer_range::{LayerRange, differences};
use crate::{
    error::{Error, Result},
    functions::Terms,
    graph::{Activation, Graph, NodeId, Op, Portion, Reshape},
    range::{LARGEST, Range},
    weights::{LayerWeights, Model},
};

/// For every layer, a range that holds for all inputs within `input` (one range for each channel,
/// or one for all), in real units, by interval arithmetic channel by channel.
///
/// The ranges hold for the network over real numbers and in fixed point with these fractional bits,
/// at the parties of both suites and in their references. Encoding changes inputs, weights and
/// slopes by at most half a unit and every truncation changes its result by at most one; these
/// errors, and those of the coarser roundings of `dealer`, are added to the ranges. They hold as
/// long as there is no wraparound, which they serve to exclude: a layer cannot overflow if its
/// range and those of all layers before it fit the ring. Magnitudes are clamped to 10^150, which is
/// larger than any ring.
///
/// # Errors
/// [`Error::ModelGraph`], [`Error::InputRanges`].
pub fn intervals(
    graph: &Graph,
    model: &Model,
    input: &[Range],
    fixed: FixedPoint,
) -> Result<Vec<LayerRange>> {
    model.check(graph)?;
    let channels = graph.input().channels;
    let input = match input {
        &[one] => vec![one; channels],
        ranges if ranges.len() == channels => ranges.to_vec(),
        ranges => return Err(Error::InputRanges { channels, got: ranges.len() }),
    };
    let walk = Intervals { graph, model, unit: 1.0 / fixed.one() as f64 };
    let mut layers: Vec<Vec<Range>> = Vec::with_capacity(graph.nodes().len());
    let mut ranges = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let inputs = &graph.node(id).inputs;
        let inputs: Vec<&[Range]> = inputs.iter().map(|id| layers[id.index()].as_slice()).collect();
        let result = walk.result(id, &input, &inputs);
        let plane = graph.dims(id).plane() as f64;
        ranges.push(LayerRange {
            result: Range::hull(&result),
            compared: compared(graph, id, &inputs),
            sum: result.iter().map(|range| range.magnitude() * plane).sum::<f64>().min(LARGEST),
        });
        layers.push(result);
    }
    Ok(ranges)
}

/// Interval arithmetic over the channels of a layer.
struct Intervals<'a> {
    graph: &'a Graph,
    model: &'a Model,
    unit: f64,
}

impl Intervals<'_> {
    /// The ranges of a layer's channels from those of its inputs.
    fn result(&self, id: NodeId, image: &[Range], inputs: &[&[Range]]) -> Vec<Range> {
        let graph = self.graph;
        let dims = graph.input_dims(id);
        match &graph.node(id).op {
            Op::Input => {
                // The range of the encoded values, in real units; ends that have an encoding stay.
                let nearest = |x: f64| (x / self.unit).round() * self.unit;
                let encoded = |range: &Range| {
                    range
                        .union(Range { low: nearest(range.low), high: nearest(range.high) })
                        .clamped()
                };
                image.iter().map(encoded).collect()
            }
            Op::Linear(linear) => {
                let shape = linear.shape(1, dims);
                let layer = self.model.layer(id).expect("the model was checked");
                self.linear(&shape, layer, inputs[0])
            }
            Op::Activation(activation) => self.activate(id, activation, inputs[0]),
            Op::MaxPool(_) => inputs[0].to_vec(),
            Op::AvgPool(_) => self.average(id, inputs[0]),
            Op::Add => inputs[0].iter().zip(inputs[1]).map(|(a, b)| a.plus(*b)).collect(),
            Op::Concat => inputs.concat(),
            &Op::Slice { start, end } => inputs[0][start..end].to_vec(),
            &Op::Shuffle { groups } => channels::shuffle(1, dims.channels, 1, groups, inputs[0]),
            Op::Reshape(Reshape::Flat) => {
                let repeated = |&range| std::iter::repeat_n(range, dims.plane());
                inputs[0].iter().flat_map(repeated).collect()
            }
            &Op::Reshape(Reshape::Image(new)) => {
                let holding = |channel: usize| {
                    let (first, end) = (channel * new.plane(), (channel + 1) * new.plane());
                    let holding = first / dims.plane()..end.div_ceil(dims.plane());
                    Range::hull(&inputs[0][holding])
                };
                (0..new.channels).map(holding).collect()
            }
        }
    }

    /// The range of each output: the sum with every input at the end that is worst for its weight.
    fn linear(&self, shape: &ConvShape, layer: &LayerWeights<f64>, inputs: &[Range]) -> Vec<Range> {
        let (patch, taps) = (shape.patch(), shape.kernel.0 * shape.kernel.1);
        let (ins, outs) = (shape.in_channels / shape.groups, shape.out_channels / shape.groups);
        let inputs: Vec<Range> = if shape.padding == Padding::NONE {
            inputs.to_vec()
        } else {
            inputs.iter().map(|range| range.union(Range::ZERO)).collect()
        };
        let row = |(channel, (weights, &bias)): (usize, (&[f64], &f64))| {
            let first = channel / outs * ins;
            let mut sum = Range { low: bias, high: bias };
            // Sums of the magnitudes of inputs and of products.
            let (mut seen, mut products) = (0.0, bias.abs());
            for (weights, input) in weights.chunks_exact(taps).zip(&inputs[first..]) {
                let up: f64 = weights.iter().map(|weight| weight.max(0.0)).sum();
                let down: f64 = weights.iter().map(|weight| weight.min(0.0)).sum();
                sum.low += up * input.low + down * input.high;
                sum.high += up * input.high + down * input.low;
                seen += taps as f64 * input.magnitude();
                products += (up - down) * input.magnitude();
            }
            let rounded = self.unit / 2.0 * seen + 2.0 * self.unit;
            let float = 4.0 * (patch + 1) as f64 * f64::EPSILON * products;
            sum.off_by(rounded + float)
        };
        let rows = layer.weight.chunks_exact(patch).zip(&layer.bias);
        rows.enumerate().map(row).collect()
    }

    /// The ranges of a layer's functions, each on its channels.
    fn activate(&self, id: NodeId, activation: &Activation, inputs: &[Range]) -> Vec<Range> {
        let mut channels = inputs.to_vec();
        for Portion { kind, channels: active } in activation.portions(inputs.len()) {
            let Some(kind) = kind else { continue };
            let function = kind.function();
            let terms = function.trained_degree().map(|degree| {
                let layer = self.model.layer(id).expect("the model was checked");
                let terms = layer.polynomials(&activation.degrees(inputs.len()), degree);
                (degree as usize, terms)
            });
            for (place, channel) in active.into_iter().flatten().enumerate() {
                let terms = terms.as_ref().map(|(degree, (coefficients, constants))| Terms {
                    coefficients: &coefficients[place * degree..][..*degree],
                    constant: constants[place],
                });
                let (x, terms) = (inputs[channel], terms.unwrap_or_default());
                let error = function.error(x, terms, self.unit);
                channels[channel] = function.range(x, terms).off_by(error);
            }
        }
        channels
    }

    fn average(&self, id: NodeId, inputs: &[Range]) -> Vec<Range> {
        let shape = self.graph.pool_shape(id, 1).expect("a pooling layer");
        let average = |range: &Range| {
            let range =
                if shape.padding == Padding::NONE { *range } else { range.union(Range::ZERO) };
            // The relative error of the factor 1 / n is at most 2^-f.
            range.off_by(self.unit * (range.magnitude() + 2.0))
        };
        inputs.iter().map(average).collect()
    }
}

/// The range of the values that a layer compares with zero, from the ranges of its inputs'
/// channels.
fn compared(graph: &Graph, id: NodeId, inputs: &[&[Range]]) -> Option<Range> {
    match &graph.node(id).op {
        Op::Activation(activation) => {
            let channels = activation.active_channels(inputs[0].len()).into_iter().flatten();
            let ranges: Vec<Range> = channels.map(|channel| inputs[0][channel]).collect();
            Some(Range::hull(&ranges))
        }
        Op::MaxPool(_) => {
            let apart = inputs[0].iter().map(|range| range.high - range.low);
            Some(differences(apart))
        }
        Op::Input
        | Op::Linear(_)
        | Op::AvgPool(_)
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::Reshape(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ranges::observed, shapes::Dims, suites::securenn, test_nets, weights::Weights, zoo,
    };

    const FIXED: FixedPoint = FixedPoint::new(10);
    const INPUT: [Range; 1] = [Range { low: -1.0, high: 1.0 }];

    fn model(graph: &Graph) -> Model {
        Model::fold(graph, &Weights::random(graph, 5)).unwrap()
    }

    fn holds(range: Range, values: &[f64]) -> bool {
        values.iter().all(|&x| range.low <= x && x <= range.high)
    }

    #[test]
    fn intervals_hold_for_every_input_in_reals_and_in_fixed_point() {
        for graph in [
            test_nets::everything(),
            test_nets::powers(),
            test_nets::mixed(),
            test_nets::binary(),
            test_nets::counted_signs(),
            test_nets::shuffle_units(),
            test_nets::digits_graph(),
        ] {
            let model = model(&graph);
            let encoded = model.encode(&graph, FIXED).unwrap();
            let ranges = intervals(&graph, &model, &INPUT, FIXED).unwrap();
            for seed in 0..20 {
                let mut images = test_nets::images(&graph, 2, seed);
                if seed >= 10 {
                    // The corners are where intervals are reached.
                    images.iter_mut().for_each(|x| *x = x.signum());
                }
                let seen = observed(&graph, &model, &images).unwrap();
                let words = FIXED.encode_slice(&images).unwrap();
                let ring = securenn::simulated(&graph, &encoded, &words, seed).unwrap();
                for id in graph.ids() {
                    let (range, seen) = (&ranges[id.index()], &seen.layers[id.index()]);
                    let name = &graph.node(id).name;
                    let ends = [seen.result.low, seen.result.high];
                    assert!(holds(range.result, &ends), "{name}: {seen:?} in {range:?}");
                    let fixed = FIXED.decode_slice(&ring[id.index()]);
                    assert!(holds(range.result, &fixed), "{name}: {range:?}");
                    assert_eq!(range.compared.is_some(), seen.compared.is_some(), "{name}");
                    if let (Some(range), Some(seen)) = (range.compared, seen.compared) {
                        assert!(holds(range, &[seen.low, seen.high]), "{name}: {seen:?}");
                    }
                    assert!(seen.sum <= range.sum, "{name}");
                }
            }
        }
    }

    #[test]
    fn an_interval_is_reached() {
        let graph = test_nets::tiny();
        let (model, id) = (model(&graph), graph.find("conv1").unwrap());
        let layer = model.layer(id).unwrap();
        let fixed = FixedPoint::new(30);
        let input = [Range { low: -0.5, high: 2.0 }];
        let range = intervals(&graph, &model, &input, fixed).unwrap()[id.index()].result;
        let highest = |(weights, bias): (&[f64], &f64)| {
            let worst = weights.iter().map(|w| (w * -0.5).max(w * 2.0));
            bias + worst.sum::<f64>()
        };
        let rows = layer.weight.chunks_exact(9).zip(&layer.bias);
        let highest = rows.map(highest).fold(0.0, f64::max);
        assert!(highest <= range.high && range.high < highest + 1e-7, "{highest} {range:?}");
    }

    #[test]
    fn each_channel_has_its_range() {
        let graph = test_nets::everything();
        let model = model(&graph);
        let narrow = Range { low: 0.0, high: 0.25 };
        let both = intervals(&graph, &model, &[INPUT[0], narrow], FIXED).unwrap();
        let wide = intervals(&graph, &model, &INPUT, FIXED).unwrap();
        let stem = graph.find("stem").unwrap().index();
        assert!(both[stem].magnitude() < wide[stem].magnitude());
        let three = [narrow; 3];
        let error = intervals(&graph, &model, &three, FIXED).unwrap_err().to_string();
        assert!(error.contains("3 input ranges for 2 channels"), "{error}");
        let other = test_nets::tiny();
        assert!(matches!(intervals(&other, &model, &INPUT, FIXED), Err(Error::ModelGraph { .. })));
    }

    #[test]
    fn what_is_compared_is_seen() {
        let graph = test_nets::everything();
        let ranges = intervals(&graph, &model(&graph), &INPUT, FIXED).unwrap();
        let range = |name: &str| ranges[graph.find(name).unwrap().index()];
        // The first half of the channels.
        let (stem, relu6) = (range("stem").result, range("relu6").compared.unwrap());
        assert_eq!(relu6.union(stem), stem);
        // Two values of one channel.
        let (sum, high) = (range("sum").result, range("high").compared.unwrap());
        assert_eq!(high.low, -high.high);
        assert!(high.high <= sum.high - sum.low);
        assert_eq!(range("stem").compared, None);
    }

    #[test]
    fn deep_networks_have_finite_ranges() {
        let options = zoo::Options::new(Dims::new(3, 32, 32), 10);
        for net in ["squeezenet", "shufflenet-v2", "mobilenet-v2"] {
            let graph = zoo::build(net, &options).unwrap();
            let model = model(&graph);
            let ranges = intervals(&graph, &model, &INPUT, FIXED).unwrap();
            assert!(
                ranges.iter().all(|range| range.magnitude().is_finite() && range.sum.is_finite())
            );
            assert!(ranges.iter().all(|range| range.result.low <= range.result.high));
            let images = test_nets::images(&graph, 1, 1);
            let seen = observed(&graph, &model, &images).unwrap();
            let pairs = ranges.iter().zip(&seen.layers);
            assert!(pairs.into_iter().all(|(range, seen)| seen.magnitude() <= range.magnitude()));
        }
        let huge = [Range { low: -1e300, high: 1e300 }];
        let graph = test_nets::everything();
        let ranges = intervals(&graph, &model(&graph), &huge, FIXED).unwrap();
        assert!(ranges.iter().all(|range| range.magnitude() <= LARGEST));
    }
}
