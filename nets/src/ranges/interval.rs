//! How large a network's values get, layer by layer: found before anything runs, so that a layer that
//! does not fit its ring is known by name.
//!
//! Two answers, each wrong where the other is right. [`intervals`] holds for every input, but takes every
//! weight at its worst, layer upon layer, so in deep networks it says far too much. [`calibrated`] holds for
//! the samples that it was given, and says nothing certain about others. [`tighter`] takes the
//! smaller of both for each layer and says which.
//!
//! Ranges are computed from the model owner's weights, so they are as secret;
//! [`crate::suites::dealer::public_bounds`] is what it may tell the others.

use std::ops;

use fixedpoint::{Padding, conv::ConvShape, encoding::FixedPoint};
use protocols::channels;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    graph::{ActivationKind, Graph, NodeId, Op, Portion},
    reference::{self, activated, batch_of, fold_windows},
    suites::dealer::layout::SLOPE_BITS,
    weights::model::{Linear, Model},
};

/// More than the pieces of a sigmoid or tanh are off ([`protocols::spline`]), few bits or many.
const S_CURVE_ERROR: f64 = 1.0 / 32.0;

/// The least margin of a calibration.
pub const MIN_MARGIN: f64 = 4.0;

/// Values from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The least.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

/// How large a layer's values are, in real units, over all channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerRange {
    /// Its results.
    pub result: Range,
    /// What it compares with zero: the inputs of an activation where it is applied (a partial one
    /// passes the others), differences of two values of a window for a max pool. `None` for a layer
    /// that compares nothing.
    pub compared: Option<Range>,
    /// The magnitudes of one image's results, added up: what the chance of a wrong truncation grows
    /// with.
    pub sum: f64,
}

/// Where a bound is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// [`intervals`]: no input of the given range goes beyond it, unless a layer before overflows.
    Interval,
    /// [`calibrated`]: no sample came near it.
    Calibration,
}

/// A layer's range, and where it is from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The range.
    pub range: LayerRange,
    /// Where it is from.
    pub source: Source,
}

/// What samples did.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Each layer's ranges over all samples, as they were; `sum` is the largest of a sample.
    pub layers: Vec<LayerRange>,
    /// The network's results, sample by sample.
    pub outputs: Vec<f64>,
}

/// For every layer a range that holds for all inputs within `input` (one range for each channel, or
/// one for all), by interval arithmetic channel by channel.
///
/// It holds for the network in real numbers and in fixed point with these fractional bits, as
/// [`reference::fixed`] and the parties of `securenn` compute it: encoding moves inputs, weights and slopes by
/// half a unit at most, every truncation its result by one, and what either adds is added here, as is what
/// `dealer` rounds more coarsely. It holds unless the ring wraps, which is what ranges are for: a layer whose range
/// fits the ring, after others that do, cannot overflow. Ranges beyond 10^150 are cut to that, more than any ring
/// holds.
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
            result: Range::around(&result),
            compared: compared(graph, id, &inputs),
            sum: result.iter().map(|range| range.magnitude() * plane).sum::<f64>().min(MOST),
        });
        layers.push(result);
    }
    Ok(ranges)
}

/// What the network does with these images (NCHW), in real numbers.
///
/// # Errors
/// As [`reference::float`].
pub fn observed(graph: &Graph, model: &Model, images: &[f64]) -> Result<Observed> {
    batch_of(graph, images.len())?;
    let mut layers: Vec<LayerRange> = Vec::new();
    let mut outputs = Vec::new();
    // One by one: all layers' results of a whole batch would take gigabytes.
    for image in images.chunks_exact(graph.input().len()) {
        let results = reference::float(graph, model, image)?;
        let of_layer = |id| observed_layer(graph, id, &results);
        let seen = graph.ids().map(of_layer);
        layers = match layers.is_empty() {
            true => seen.collect(),
            false => layers.iter().zip(seen).map(|(all, seen)| all.or(seen)).collect(),
        };
        outputs.extend_from_slice(&results[graph.output().index()]);
    }
    Ok(Observed { layers, outputs })
}

/// For every layer the range of what these images (NCHW) make of it, times `margin`, at least
/// [`MIN_MARGIN`].
///
/// Nothing is certain about other images: the margin is for them, and for what fixed point adds to
/// real numbers. So the samples should be of the kind that will be classified, and not few; where a value goes
/// beyond its bound all the same, the result is wrong.
///
/// # Errors
/// As [`reference::float`], and [`Error::Margin`].
pub fn calibrated(
    graph: &Graph,
    model: &Model,
    images: &[f64],
    margin: f64,
) -> Result<Vec<LayerRange>> {
    check_margin(margin)?;
    Ok(observed(graph, model, images)?.widened(margin))
}

/// Checks a calibration's margin.
///
/// # Errors
/// [`Error::Margin`].
pub fn check_margin(margin: f64) -> Result<()> {
    match (MIN_MARGIN..=MOST_MARGIN).contains(&margin) {
        true => Ok(()),
        false => Err(Error::Margin { margin, min: MIN_MARGIN, max: MOST_MARGIN }),
    }
}

/// For each layer the range of smaller [`LayerRange::magnitude`]; the interval where they are equal, or
/// where there is no calibration.
pub fn tighter(intervals: &[LayerRange], calibrated: Option<&[LayerRange]>) -> Vec<Bound> {
    let interval = |range: &LayerRange| Bound { range: *range, source: Source::Interval };
    let Some(calibrated) = calibrated else {
        return intervals.iter().map(interval).collect();
    };
    let smaller =
        |(range, other): (&LayerRange, &LayerRange)| match range.magnitude() <= other.magnitude() {
            true => interval(range),
            false => Bound { range: *other, source: Source::Calibration },
        };
    intervals.iter().zip(calibrated).map(smaller).collect()
}

/// The bits, sign included, of a value of this magnitude with so many fractional bits: the least k
/// with magnitude * 2^fractional_bits + 1 <= 2^(k-1).
pub fn bits(magnitude: f64, fractional_bits: u32) -> u32 {
    let units = magnitude * f64::from(fractional_bits).exp2();
    // Above 2^53 adding 1 changes nothing.
    let units = (units + 1.0).max(units.next_up());
    power_of_two(units).cast_unsigned() + 1
}

/// The least e with 2^e >= `value`, a normal number above 0.
pub(crate) fn power_of_two(value: f64) -> i32 {
    const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = value.to_bits();
    let floor = (bits >> MANTISSA) as i32 - (f64::MAX_EXP - 1);
    floor + i32::from(bits << (u64::BITS - MANTISSA) != 0)
}

/// What ranges are cut to: far beyond every ring, and its products with weights are still finite.
const MOST: f64 = 1e150;

/// Far beyond every use.
const MOST_MARGIN: f64 = 1e6;

impl Range {
    /// Nothing but zero.
    pub const ZERO: Range = Range { low: 0.0, high: 0.0 };

    /// From one of these to the other, whichever is less.
    pub fn between(a: f64, b: f64) -> Range {
        Range { low: a.min(b), high: a.max(b) }.cut()
    }

    /// The largest magnitude.
    pub fn magnitude(self) -> f64 {
        self.high.max(-self.low)
    }

    /// What holds the values of both.
    pub fn or(self, other: Range) -> Range {
        Range { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// What holds these values when each may be so many times as far from 0.
    pub fn widened(self, margin: f64) -> Range {
        Range { low: self.low.min(0.0) * margin, high: self.high.max(0.0) * margin }.cut()
    }

    /// What holds these values when each may be off by `error`.
    fn off_by(self, error: f64) -> Range {
        Range { low: self.low - error, high: self.high + error }.cut()
    }

    fn cut(self) -> Range {
        Range { low: self.low.clamp(-MOST, MOST), high: self.high.clamp(-MOST, MOST) }
    }

    /// What holds all these ranges.
    fn around(ranges: &[Range]) -> Range {
        ranges.iter().copied().reduce(Range::or).expect("a layer has channels")
    }

    /// What holds all these values.
    fn of(values: impl IntoIterator<Item = f64>) -> Range {
        let (low, high) = values
            .into_iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        Range { low, high }.cut()
    }
}

impl LayerRange {
    /// The largest magnitude of what it results in and what it compares.
    pub fn magnitude(&self) -> f64 {
        self.compared.map_or(0.0, Range::magnitude).max(self.result.magnitude())
    }

    /// [`LayerRange::compared`] as this operation compares it: values less each of its functions' knots.
    pub fn compared_by(&self, op: &Op) -> Option<Range> {
        let knots = op.kinds().map(knots).fold(Range::ZERO, Range::or);
        let less =
            |range: Range| Range { low: range.low - knots.high, high: range.high - knots.low };
        self.compared.map(less)
    }

    fn or(&self, other: LayerRange) -> LayerRange {
        LayerRange {
            result: self.result.or(other.result),
            compared: self.compared.zip(other.compared).map(|(a, b)| a.or(b)),
            sum: self.sum.max(other.sum),
        }
    }

    fn widened(&self, margin: f64) -> LayerRange {
        LayerRange {
            result: self.result.widened(margin),
            compared: self.compared.map(|range| range.widened(margin)),
            sum: (self.sum * margin).min(MOST),
        }
    }
}

impl Observed {
    /// The ranges when every value may be so many times as large.
    pub fn widened(&self, margin: f64) -> Vec<LayerRange> {
        self.layers.iter().map(|layer| layer.widened(margin)).collect()
    }
}

/// Interval arithmetic over the channels of a layer.
struct Intervals<'a> {
    graph: &'a Graph,
    model: &'a Model,
    unit: f64,
}

impl Intervals<'_> {
    /// A layer's ranges, channel by channel, from those of its inputs.
    fn result(&self, id: NodeId, image: &[Range], inputs: &[&[Range]]) -> Vec<Range> {
        let graph = self.graph;
        let dims = graph.input_dims(id);
        match &graph.node(id).op {
            Op::Input => {
                // What is encoded in real numbers again: an end that has an encoding stays.
                let nearest = |x: f64| (x / self.unit).round() * self.unit;
                let encoded = |range: &Range| {
                    range.or(Range { low: nearest(range.low), high: nearest(range.high) }).cut()
                };
                image.iter().map(encoded).collect()
            }
            Op::Conv(_) | Op::Dense(_) => {
                let shape = graph.linear_shape(id, 1).expect("a linear layer");
                let layer = self.model.layer(id).expect("the model was checked");
                self.linear(&shape, layer, inputs[0])
            }
            op @ (Op::Activation(_) | Op::Mix(_)) => {
                let mut channels = inputs[0].to_vec();
                for Portion { kind, channels: active } in op.portions(dims.channels) {
                    let Some(kind) = kind else { continue };
                    if let ActivationKind::Polynomial { degree } = kind {
                        self.polynomials(id, degree, active, &mut channels);
                        continue;
                    }
                    for channel in active.into_iter().flatten() {
                        channels[channel] = self.activate(kind, channels[channel]);
                    }
                }
                channels
            }
            Op::MaxPool(_) => inputs[0].to_vec(),
            Op::AvgPool(_) | Op::GlobalAvgPool => self.average(id, inputs[0]),
            Op::Add => {
                let sum = |(a, b): (&Range, &Range)| {
                    Range { low: a.low + b.low, high: a.high + b.high }.cut()
                };
                inputs[0].iter().zip(inputs[1]).map(sum).collect()
            }
            Op::Concat => inputs.concat(),
            &Op::Slice { start, end } => inputs[0][start..end].to_vec(),
            &Op::Shuffle { groups } => channels::shuffle(1, dims.channels, 1, groups, inputs[0]),
            Op::Flatten => {
                let repeated = |&range| std::iter::repeat_n(range, dims.plane());
                inputs[0].iter().flat_map(repeated).collect()
            }
            &Op::Reshape(new) => {
                let holding = |channel: usize| {
                    let (first, end) = (channel * new.plane(), (channel + 1) * new.plane());
                    let holding = first / dims.plane()..end.div_ceil(dims.plane());
                    Range::around(&inputs[0][holding])
                };
                (0..new.channels).map(holding).collect()
            }
        }
    }

    /// Each output's sum with every input at the end that its weight makes worst.
    fn linear(&self, shape: &ConvShape, layer: &Linear<f64>, inputs: &[Range]) -> Vec<Range> {
        let (patch, taps) = (shape.patch(), shape.kernel.0 * shape.kernel.1);
        let (ins, outs) = (shape.in_channels / shape.groups, shape.out_channels / shape.groups);
        let inputs: Vec<Range> = match shape.padding == Padding::NONE {
            true => inputs.to_vec(),
            false => inputs.iter().map(|range| range.or(Range::ZERO)).collect(),
        };
        let row = |(channel, (weights, &bias)): (usize, (&[f64], &f64))| {
            let first = channel / outs * ins;
            let mut sum = Range { low: bias, high: bias };
            // Sums of magnitudes, of inputs and of products.
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

    fn activate(&self, kind: ActivationKind, x: Range) -> Range {
        // All of them but the square grow with x.
        let range = match kind {
            ActivationKind::Square => {
                let nearest =
                    if x.low <= 0.0 && x.high >= 0.0 { 0.0 } else { x.low.abs().min(x.high.abs()) };
                Range { low: nearest * nearest, high: x.magnitude() * x.magnitude() }
            }
            _ => Range { low: activated(kind, x.low), high: activated(kind, x.high) },
        };
        match kind {
            ActivationKind::Relu | ActivationKind::Relu6 | ActivationKind::Sign => range,
            ActivationKind::Square => range.off_by(self.unit),
            // The square's unit, times x, and its own.
            ActivationKind::Cube => range.off_by(self.unit * (x.magnitude() + 1.0)),
            ActivationKind::LeakyRelu { .. } => {
                let slope = f64::exp2(-f64::from(SLOPE_BITS)).max(self.unit);
                range.off_by(slope / 2.0 * x.magnitude() + self.unit)
            }
            ActivationKind::Sigmoid | ActivationKind::Tanh => {
                range.off_by(S_CURVE_ERROR + self.unit * (x.magnitude() + 1.0))
            }
            ActivationKind::Polynomial { .. } => unreachable!("it depends on the channel"),
        }
    }

    /// Puts the polynomials of one degree in place of what they take: term by term, each at its worst.
    fn polynomials(
        &self,
        id: NodeId,
        degree: u32,
        active: Vec<ops::Range<usize>>,
        channels: &mut [Range],
    ) {
        let layer = self.model.layer(id).expect("the model was checked");
        let degrees = self.graph.node(id).op.degrees(channels.len());
        let (coefficients, constants) = layer.polynomials(&degrees, degree);
        for (place, channel) in active.into_iter().flatten().enumerate() {
            let x = channels[channel];
            let own = &coefficients[place * degree as usize..][..degree as usize];
            let mut sum = Range { low: constants[place], high: constants[place] };
            let mut error = self.unit;
            for (c, power) in own.iter().zip(1..) {
                let ends = [c * x.low.powi(power), c * x.high.powi(power)];
                let mut term = Range::of(ends);
                if x.low < 0.0 && x.high > 0.0 {
                    term = term.or(Range::ZERO);
                }
                sum = Range { low: sum.low + term.low, high: sum.high + term.high };
                // Of a coefficient 5 bits in 6 are kept and of the value at least half; each product is off by
                // one unit.
                let steep = c.abs() * f64::from(power) * (x.magnitude() + 1.0).powi(power - 1);
                error += self.unit.powf(5.0 / 6.0) * x.magnitude().powi(power)
                    + 2.0 * self.unit.sqrt() * steep
                    + self.unit * x.magnitude();
            }
            channels[channel] = sum.off_by(error).cut();
        }
    }

    fn average(&self, id: NodeId, inputs: &[Range]) -> Vec<Range> {
        let shape = self.graph.pool_shape(id, 1).expect("a pooling layer");
        let average = |range: &Range| {
            let range = match shape.padding == Padding::NONE {
                true => *range,
                false => range.or(Range::ZERO),
            };
            // The factor of n values is within 2^-f of 1 / n, in parts of it.
            range.off_by(self.unit * (range.magnitude() + 2.0))
        };
        inputs.iter().map(average).collect()
    }
}

/// What a layer compares with zero, from its inputs' channels.
fn compared(graph: &Graph, id: NodeId, inputs: &[&[Range]]) -> Option<Range> {
    match &graph.node(id).op {
        op @ (Op::Activation(_) | Op::Mix(_)) => {
            let channels = active(op, inputs[0].len()).into_iter().flatten();
            let ranges: Vec<Range> = channels.map(|channel| inputs[0][channel]).collect();
            Some(Range::around(&ranges))
        }
        Op::MaxPool(_) => {
            let apart = inputs[0].iter().map(|range| range.high - range.low);
            Some(differences(apart))
        }
        _ => None,
    }
}

fn observed_layer(graph: &Graph, id: NodeId, results: &[Vec<f64>]) -> LayerRange {
    let node = graph.node(id);
    let input = || &results[node.inputs[0].index()];
    let compared = match &node.op {
        op @ (Op::Activation(_) | Op::Mix(_)) => {
            let dims = graph.dims(id);
            let active = active(op, dims.channels);
            let values = channels::gather(1, dims.channels, dims.plane(), input(), &active);
            Some(Range::of(values))
        }
        Op::MaxPool(_) => {
            let shape = graph.pool_shape(id, 1).expect("a pooling layer");
            let low = fold_windows(&shape, input(), f64::INFINITY, f64::min);
            let high = &results[id.index()];
            Some(differences(high.iter().zip(low).map(|(high, low)| high - low)))
        }
        _ => None,
    };
    let result = &results[id.index()];
    let sum: f64 = result.iter().map(|x| x.abs()).sum();
    LayerRange { result: Range::of(result.iter().copied()), compared, sum: sum.min(MOST) }
}

/// From the lowest to the highest of the points at which a function takes another piece, or wider.
fn knots(kind: ActivationKind) -> Range {
    match kind {
        ActivationKind::Relu6 => Range { low: 0.0, high: 6.0 },
        ActivationKind::Sigmoid => Range { low: -6.0, high: 6.0 },
        // With few bits knots are farther out.
        ActivationKind::Tanh => Range { low: -4.0, high: 4.0 },
        ActivationKind::Relu
        | ActivationKind::LeakyRelu { .. }
        | ActivationKind::Square
        | ActivationKind::Cube
        | ActivationKind::Sign
        | ActivationKind::Polynomial { .. } => Range::ZERO,
    }
}

/// The channels that a function takes.
fn active(op: &Op, channels: usize) -> Vec<ops::Range<usize>> {
    let portions = op.portions(channels).into_iter().filter(|portion| portion.kind.is_some());
    portions.flat_map(|portion| portion.channels).collect()
}

/// Differences in both directions, from how far apart the values of each window may be.
fn differences(apart: impl Iterator<Item = f64>) -> Range {
    let apart = apart.fold(0.0, f64::max);
    Range { low: -apart, high: apart }.cut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph::Dims, test_nets, weights::Weights, zoo};

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
                let ring = reference::simulated(&graph, &encoded, &words, seed).unwrap();
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
        let of = |name: &str| ranges[graph.find(name).unwrap().index()];
        // The first half of the channels.
        let (stem, relu6) = (of("stem").result, of("relu6").compared.unwrap());
        assert_eq!(relu6.or(stem), stem);
        // Two values of one channel.
        let (sum, high) = (of("sum").result, of("high").compared.unwrap());
        assert_eq!(high.low, -high.high);
        assert!(high.high <= sum.high - sum.low);
        assert_eq!(of("stem").compared, None);
    }

    #[test]
    fn a_calibration_is_what_was_seen_times_its_margin() {
        let graph = test_nets::everything();
        let model = model(&graph);
        let images = test_nets::images(&graph, 3, 2);
        let seen = observed(&graph, &model, &images).unwrap();
        let results = reference::float(&graph, &model, &images).unwrap();
        assert_eq!(seen.outputs, results[graph.output().index()]);
        let ranges = calibrated(&graph, &model, &images, 4.0).unwrap();
        for ((seen, wide), results) in seen.layers.iter().zip(&ranges).zip(&results) {
            let largest = results.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
            assert_eq!(seen.result.magnitude(), largest);
            assert_eq!(wide.magnitude(), 4.0 * seen.magnitude());
            assert_eq!(wide.sum, 4.0 * seen.sum);
            assert!(holds(wide.result, results));
        }
        let above = Range { low: 1.0, high: 2.0 }.widened(4.0);
        assert_eq!(above, Range { low: 0.0, high: 8.0 });
        for margin in [0.0, 3.9, -4.0, f64::NAN, f64::INFINITY] {
            let error = calibrated(&graph, &model, &images, margin).unwrap_err();
            assert!(matches!(error, Error::Margin { .. }), "{error}");
        }
        assert!(calibrated(&graph, &model, &images[1..], 4.0).is_err());
        assert!(calibrated(&graph, &model, &[], 4.0).is_err());
    }

    #[test]
    fn the_tighter_one_is_named() {
        let test_nets::Digits { graph, model, images, .. } = test_nets::digits();
        let input = [Range { low: 0.0, high: 1.0 }];
        let certain = intervals(&graph, &model, &input, FIXED).unwrap();
        let likely = calibrated(&graph, &model, &images, MIN_MARGIN).unwrap();
        let bounds = tighter(&certain, Some(&likely));
        assert_eq!(bounds[0].source, Source::Interval, "pixels fill their range");
        assert_eq!(bounds.last().unwrap().source, Source::Calibration);
        for (bound, (a, b)) in bounds.iter().zip(certain.iter().zip(&likely)) {
            assert_eq!(bound.range.magnitude(), a.magnitude().min(b.magnitude()));
        }
        let alone = tighter(&certain, None);
        assert!(alone.iter().all(|bound| bound.source == Source::Interval));
    }

    #[test]
    fn bits_hold_a_value_and_one_unit_more() {
        let cases = [
            (0.0, 13, 1),
            (1.0, 0, 2),
            (3.0, 0, 3),
            (3.5, 0, 4),
            (4.0, 0, 4),
            (0.5, 1, 2),
            (1.0, 13, 15),
            (f64::exp2(60.0), 0, 62),
            (f64::exp2(60.0).next_down(), 0, 61),
        ];
        for (magnitude, fractional_bits, expected) in cases {
            assert_eq!(bits(magnitude, fractional_bits), expected, "{magnitude}");
        }
        assert!(bits(MOST, 60) > 500);
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
        assert!(ranges.iter().all(|range| range.magnitude() <= MOST));
    }
}
