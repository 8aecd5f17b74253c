//! The check that a network's values fit the ring of the `securenn` suite, Z_2^64, by their ranges.
//!
//! | layer | values that must fit | fractional bits | bits, sign included |
//! |---|---|---|---|
//! | all | its results | f | 63 |
//! | input, inputs of a padded max pool | values | f | 61 |
//! | activation, max pool | values that it compares ([`LayerRange::compared_by`]) | f | 63 |
//! | convolution, fully connected, LeakyReLU | products | 2f | 63 |
//! | average | the sum times its factor | f + [`Divisor::bits`] | 63 |
//!
//! 63 bits are DReLU's domain, |x| < 2^62. Products and averages are truncated, and a truncation
//! fails with probability |x| / 2^64, so they must be far smaller.

use fixedpoint::{Padding, encoding::FixedPoint, truncation};
use protocols::average::Divisor;

use crate::{
    error::Result,
    graph::{Graph, NodeId, Op},
    ranges::{LayerRange, bits},
};

/// The demand of a layer on the ring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// The bits, sign included, of the values that are closest to their limit.
    pub bits: u32,
    /// The limit of these bits.
    pub limit: u32,
    /// A bound of the probability that a truncation in this layer spoils an image.
    pub failure: f64,
}

/// The demand of every layer on the ring, with this fixed point.
pub fn demands(graph: &Graph, ranges: &[LayerRange], fixed: FixedPoint) -> Vec<Demand> {
    graph.ids().map(|id| demand(graph, id, ranges, fixed)).collect()
}

/// For every layer, whether it and all layers before it have the bits that they demand, and their
/// truncations spoil an image with at most this probability.
pub(super) fn fitting(demands: &[Demand], failure: f64) -> Vec<bool> {
    let mut spent = 0.0;
    let mut fits = true;
    let fit = |demand: &Demand| {
        spent += demand.failure;
        fits &= demand.bits <= demand.limit && spent <= failure;
        fits
    };
    demands.iter().map(fit).collect()
}

/// The most fractional bits, up to `most`, for which every layer has the bits that it demands and
/// truncation spoils an image with at most the probability `failure`; `None` if even one is too
/// many. `ranges` returns the layers' ranges for a fixed point, on which intervals depend.
///
/// # Errors
/// The errors that `ranges` returns.
pub fn fitting_bits(
    graph: &Graph,
    most: u32,
    failure: f64,
    ranges: impl Fn(FixedPoint) -> Result<Vec<LayerRange>>,
) -> Result<Option<u32>> {
    for bits in (1..=most).rev() {
        let fixed = FixedPoint::new(bits);
        let demands = demands(graph, &ranges(fixed)?, fixed);
        if fitting(&demands, failure).into_iter().all(|fits| fits) {
            return Ok(Some(bits));
        }
    }
    Ok(None)
}

/// The bits of DReLU's domain, |x| < 2^62.
const DOMAIN: u32 = 63;

/// The bits of values with |x| < 2^60, whose differences from each other and from a max pool's
/// padding are in the domain.
const COMPARABLE: u32 = 61;

fn demand(graph: &Graph, id: NodeId, ranges: &[LayerRange], fixed: FixedPoint) -> Demand {
    let node = graph.node(id);
    let range = &ranges[id.index()];
    let f = fixed.fractional_bits();
    let truncated = truncated_scale(graph, id, fixed);
    let result = range.result.magnitude();
    let mut demand = if node.op == Op::Input {
        Demand::new(result, f, COMPARABLE)
    } else {
        Demand::new(result, truncated.unwrap_or(f), DOMAIN)
    };
    if let Some(compared) = range.compared_by(&node.op) {
        demand = demand.closer(Demand::new(compared.magnitude(), f, DOMAIN));
    }
    if node.op.max_pool().is_some_and(|window| window.padding != Padding::NONE) {
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

    /// The demand of both that is closer to its limit, or exceeds it by more.
    fn closer(self, other: Demand) -> Demand {
        if self.bits + other.limit >= other.bits + self.limit { self } else { other }
    }
}

/// The fractional bits of the values that a layer truncates; `None` if it truncates nothing.
fn truncated_scale(graph: &Graph, id: NodeId, fixed: FixedPoint) -> Option<u32> {
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
    fn every_kind_of_layer_demands_bits_at_its_scale() {
        let graph = test_nets::everything();
        let range = |magnitude: f64, compared: Option<f64>| {
            let around = |x: f64| Range { low: -x, high: x };
            LayerRange { result: around(magnitude), compared: compared.map(around), sum: 8.0 }
        };
        let ranges: Vec<LayerRange> = graph
            .nodes()
            .iter()
            .map(|node| {
                let compares = node.op.activation().is_some() || node.op.max_pool().is_some();
                range(3.0, compares.then_some(100.0))
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
            // 106, which has 8 bits too.
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
    fn layers_from_the_first_misfit_on_do_not_fit() {
        let fine = Demand { bits: 40, limit: 63, failure: 1e-5 };
        let wide = Demand { bits: 64, ..fine };
        let likely = Demand { failure: 0.1, ..fine };
        let fitting = |demands: &[Demand]| fitting(demands, WARN_FAILURE);
        assert_eq!(fitting(&[fine; 3]), [true; 3]);
        assert_eq!(fitting(&[fine, wide, likely]), [true, false, false]);
        assert_eq!(fitting(&[fine, likely, wide]), [true, false, false]);
        assert_eq!(fitting(&[fine, wide, fine]), [true, false, false]);
        let fits = fitting(&[Demand { failure: f64::exp2(-13.0), ..fine }; 20]);
        assert_eq!(fits.into_iter().filter(|fits| *fits).count(), 8);
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
    fn the_demand_of_a_sample_is_near_the_bound_of_its_run() {
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
