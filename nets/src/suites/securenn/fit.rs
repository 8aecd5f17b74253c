//! Whether a network's values fit the ring of the `securenn` suite, Z_2^64, known from their ranges.
//!
//! | layer | what must fit | at how many fractional bits | bits, sign included |
//! |---|---|---|---|
//! | all | its results | f | 63 |
//! | input, inputs of a padded max pool | values | f | 61 |
//! | activation, max pool | what it compares ([`LayerRange::compared_by`]) | f | 63 |
//! | convolution, fully connected, LeakyReLU | products | 2f | 63 |
//! | average | the sum times its factor | f + [`Divisor::bits`] | 63 |
//!
//! 63 bits are DReLU's domain, |x| < 2^62. Products and averages are truncated, and a truncation is wrong with
//! probability |x| / 2^64: they must stay far below.

use fixedpoint::{Padding, encoding::FixedPoint, truncation};
use protocols::average::Divisor;

use crate::{
    error::Result,
    graph::{Graph, NodeId, Op},
    ranges::{LayerRange, bits},
};

/// What a layer asks of the ring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Bits, sign included, of what comes closest to its limit.
    pub bits: u32,
    /// The most that it may have.
    pub limit: u32,
    /// At most the probability that a truncation here spoils an image.
    pub failure: f64,
}

/// What every layer asks of the ring with this fixed point.
pub fn demands(graph: &Graph, ranges: &[LayerRange], fixed: FixedPoint) -> Vec<Demand> {
    graph.ids().map(|id| demand(graph, id, ranges, fixed)).collect()
}

/// For every layer whether it and all before it have the bits that they ask for, and truncation spoils an
/// image in one of them with no more than this probability.
pub fn fitting(demands: &[Demand], failure: f64) -> Vec<bool> {
    let mut spent = 0.0;
    let mut fits = true;
    let fit = |demand: &Demand| {
        spent += demand.failure;
        fits &= demand.bits <= demand.limit && spent <= failure;
        fits
    };
    demands.iter().map(fit).collect()
}

/// The first layer that is not [`fitting`].
pub fn exceeding(demands: &[Demand], failure: f64) -> Option<NodeId> {
    fitting(demands, failure).iter().position(|fits| !fits).map(NodeId::new)
}

/// The most fractional bits, up to `most`, with which no layer is [`exceeding`]; `None` where even one
/// is too many. `ranges` gives the layers' ranges, which for intervals depend on the fixed point.
///
/// # Errors
/// Those of `ranges`.
pub fn fitting_bits(
    graph: &Graph,
    most: u32,
    failure: f64,
    ranges: impl Fn(FixedPoint) -> Result<Vec<LayerRange>>,
) -> Result<Option<u32>> {
    for bits in (1..=most).rev() {
        let fixed = FixedPoint::new(bits);
        if exceeding(&demands(graph, &ranges(fixed)?, fixed), failure).is_none() {
            return Ok(Some(bits));
        }
    }
    Ok(None)
}

/// |x| < 2^62.
const DOMAIN: u32 = 63;

/// |x| < 2^60, so that differences with another and with a max pool's padding are in the domain.
const COMPARABLE: u32 = 61;

fn demand(graph: &Graph, id: NodeId, ranges: &[LayerRange], fixed: FixedPoint) -> Demand {
    let node = graph.node(id);
    let range = &ranges[id.index()];
    let f = fixed.fractional_bits();
    let truncated = truncated_at(graph, id, fixed);
    let result = range.result.magnitude();
    let mut demand = if node.op == Op::Input {
        Demand::new(result, f, COMPARABLE)
    } else {
        Demand::new(result, truncated.unwrap_or(f), DOMAIN)
    };
    if let Some(compared) = range.compared_by(&node.op) {
        demand = demand.closer(Demand::new(compared.magnitude(), f, DOMAIN));
    }
    if let Op::MaxPool(window) = &node.op
        && window.padding != Padding::NONE
    {
        let input = &ranges[node.inputs[0].index()];
        demand = demand.closer(Demand::new(input.result.magnitude(), f, COMPARABLE));
    }
    if let Some(scale) = truncated {
        let before = range.sum * f64::from(scale).exp2();
        demand.failure = truncation::wrap_failure_probability(before);
    }
    demand
}

impl Demand {
    fn new(magnitude: f64, fractional_bits: u32, limit: u32) -> Demand {
        Demand { bits: bits(magnitude, fractional_bits), limit, failure: 0.0 }
    }

    /// The one of both that is closer to its limit, or further beyond.
    fn closer(self, other: Demand) -> Demand {
        if self.bits + other.limit >= other.bits + self.limit { self } else { other }
    }
}

/// The fractional bits of what a layer truncates; `None` where it truncates nothing.
fn truncated_at(graph: &Graph, id: NodeId, fixed: FixedPoint) -> Option<u32> {
    let f = fixed.fractional_bits();
    match &graph.node(id).op {
        Op::Linear(_) => Some(2 * f),
        Op::Activation(activation) => {
            activation.kinds().any(|kind| kind.function().truncates()).then_some(2 * f)
        }
        Op::AvgPool(_) => {
            let shape = graph.pool_shape(id, 1).expect("a pooling layer");
            let bits = Divisor::new(&shape, graph.counted_padding(id), &fixed).bits();
            (bits > 0).then_some(f + bits)
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

#[cfg(test)]
mod tests {
    use super::{
        super::{error as bounds, reference},
        *,
    };
    use crate::{
        ranges::{Range, calibrated, intervals, observed},
        suites::WARN_FAILURE,
        test_nets,
        weights::{Model, Weights},
    };

    const INPUT: [Range; 1] = [Range { low: -1.0, high: 1.0 }];

    #[test]
    fn every_kind_of_layer_asks_at_its_scale() {
        let graph = test_nets::everything();
        let range = |magnitude: f64, compared: Option<f64>| {
            let around = |x: f64| Range { low: -x, high: x };
            LayerRange { result: around(magnitude), compared: compared.map(around), sum: 8.0 }
        };
        let ranges: Vec<LayerRange> = graph
            .nodes()
            .iter()
            .map(|node| match node.op {
                Op::Activation(_) | Op::MaxPool(_) => range(3.0, Some(100.0)),
                _ => range(3.0, None),
            })
            .collect();
        let demands = demands(&graph, &ranges, FixedPoint::new(10));
        let failure = |scale: i32| 8.0 * f64::from(scale - 64).exp2();
        // 3 has 3 bits before the point, sign included, and 100 has 8.
        for (name, bits, limit, expected) in [
            ("input", 13, 61, 0.0),
            ("stem", 23, 63, failure(20)),
            ("logits", 23, 63, failure(20)),
            ("relu", 18, 63, 0.0),
            // 106, which still has 8.
            ("relu6", 18, 63, 0.0),
            ("leaky", 23, 63, failure(20)),
            ("sum", 13, 63, 0.0),
            // Padded: 48 bits to go for inputs, 45 for differences.
            ("high", 18, 63, 0.0),
            // A factor of 13 fractional bits for 9 values, a shift of 2 for 4.
            ("mean", 26, 63, failure(23)),
            ("halves", 15, 63, failure(12)),
        ] {
            let got = demands[graph.find(name).unwrap().index()];
            assert_eq!(got, Demand { bits, limit, failure: expected }, "{name}");
        }
        let mut wide = ranges.clone();
        wide[graph.find("sum").unwrap().index()] = range(100.0, None);
        let id = graph.find("high").unwrap();
        let padded = demand(&graph, id, &wide, FixedPoint::new(10));
        assert_eq!((padded.bits, padded.limit), (18, 61));
    }

    #[test]
    fn the_layer_that_asks_too_much_is_found() {
        let fine = Demand { bits: 40, limit: 63, failure: 1e-5 };
        let wide = Demand { bits: 64, ..fine };
        let likely = Demand { failure: 0.1, ..fine };
        let found = |demands: &[Demand]| exceeding(demands, WARN_FAILURE).map(NodeId::index);
        assert_eq!(found(&[fine; 3]), None);
        assert_eq!(found(&[fine, wide, likely]), Some(1));
        assert_eq!(found(&[fine, likely, wide]), Some(1));
        assert_eq!(found(&[Demand { failure: f64::exp2(-13.0), ..fine }; 20]), Some(8));
        assert_eq!(fitting(&[fine, wide, fine], WARN_FAILURE), [true, false, false]);
    }

    #[test]
    fn as_many_bits_fit_as_truncation_allows() {
        let test_nets::Digits { graph, model, images, .. } = test_nets::digits();
        let calibrated = calibrated(&graph, &model, &images, 4.0).unwrap();
        let likely = fitting_bits(&graph, 30, WARN_FAILURE, |_| Ok(calibrated.clone())).unwrap();
        let certain = fitting_bits(&graph, 30, WARN_FAILURE, |fixed| {
            intervals(&graph, &model, &INPUT, fixed)
        });
        let (likely, certain) = (likely.unwrap(), certain.unwrap().unwrap());
        assert!(certain >= 13 && certain < likely, "{certain} {likely}");
        let huge = vec![LayerRange { sum: 1e150, ..calibrated[0] }; graph.nodes().len()];
        let none = fitting_bits(&graph, 30, WARN_FAILURE, |_| Ok(huge.clone())).unwrap();
        assert_eq!(none, None);
    }

    #[test]
    fn what_samples_ask_is_what_the_bound_of_a_run_says() {
        let graph = test_nets::everything();
        let model = Model::fold(&graph, &Weights::random(&graph, 7)).unwrap();
        let fixed = FixedPoint::new(16);
        let images = test_nets::images(&graph, 1, 8);
        let seen = observed(&graph, &model, &images).unwrap();
        let sum: f64 = demands(&graph, &seen.layers, fixed).iter().map(|d| d.failure).sum();
        let encoded = model.encode(&graph, fixed).unwrap();
        let words = fixed.encode_slice(&images).unwrap();
        let results = reference::fixed(&graph, &encoded, &words).unwrap();
        let errors = bounds::error_bound(&graph, &encoded).unwrap();
        let bound = bounds::truncation_failure(&graph, &encoded, &results, &errors).unwrap()[0];
        // The partial LeakyReLU counts whole here.
        assert!((0.9..1.3).contains(&(sum / bound)), "{sum} {bound}");
    }
}
