//! Ranges from samples, which guarantee nothing about other inputs.

use protocols::channels;

use super::layer_range::{LayerRange, differences};
use crate::{
    error::{Error, Result},
    graph::{Graph, NodeId, Op},
    range::{LARGEST, Range},
    reference::{self, batch_of, fold_windows},
    weights::Model,
};

/// The smallest margin of a calibration.
pub const MIN_MARGIN: f64 = 4.0;

/// The values of a network on samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The range of each layer over all samples, without a margin; `sum` is the largest of any
    /// sample.
    pub layers: Vec<LayerRange>,
    /// The network's results for each sample.
    pub outputs: Vec<f64>,
}

/// The values of a network on these images (NCHW), over real numbers.
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
        let seen = graph.ids().map(|id| observed_layer(graph, id, &results));
        layers = if layers.is_empty() {
            seen.collect()
        } else {
            layers.iter().zip(seen).map(|(all, seen)| all.union(seen)).collect()
        };
        outputs.extend_from_slice(&results[graph.output().index()]);
    }
    Ok(Observed { layers, outputs })
}

/// For every layer, the range of its values on these images (NCHW) times `margin`, which is at
/// least [`MIN_MARGIN`].
///
/// The margin is for other images and for the errors of fixed point; it guarantees nothing. So
/// there should be many samples, of the kind that will be classified. If a value is out of range
/// all the same, the result is wrong.
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
    if (MIN_MARGIN..=MAX_MARGIN).contains(&margin) {
        return Ok(());
    }
    Err(Error::Margin { margin, min: MIN_MARGIN, max: MAX_MARGIN })
}

/// The largest margin of a calibration, far larger than any that is useful.
const MAX_MARGIN: f64 = 1e6;

impl Observed {
    /// The ranges if every value may be `margin` times as large.
    pub fn widened(&self, margin: f64) -> Vec<LayerRange> {
        self.layers.iter().map(|layer| layer.widened(margin)).collect()
    }
}

fn observed_layer(graph: &Graph, id: NodeId, results: &[Vec<f64>]) -> LayerRange {
    let node = graph.node(id);
    let input = || &results[node.inputs[0].index()];
    let compared = match &node.op {
        Op::Activation(activation) => {
            let dims = graph.dims(id);
            let active = activation.active_channels(dims.channels);
            let values = channels::gather(1, dims.channels, dims.plane(), input(), &active);
            Some(Range::spanning(values))
        }
        Op::MaxPool(_) => {
            let shape = graph.pool_shape(id, 1).expect("a pooling layer");
            let low = fold_windows(&shape, input(), f64::INFINITY, f64::min);
            let high = &results[id.index()];
            Some(differences(high.iter().zip(low).map(|(high, low)| high - low)))
        }
        Op::Input
        | Op::Linear(_)
        | Op::AvgPool(_)
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::Reshape(_) => None,
    };
    let result = &results[id.index()];
    let sum: f64 = result.iter().map(|x| x.abs()).sum();
    LayerRange { result: Range::spanning(result.iter().copied()), compared, sum: sum.min(LARGEST) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{test_nets, weights::Weights};

    #[test]
    fn a_calibration_is_what_was_seen_times_its_margin() {
        let graph = test_nets::everything();
        let model = Model::fold(&graph, &Weights::random(&graph, 5)).unwrap();
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
            let held = |x: &f64| (wide.result.low..=wide.result.high).contains(x);
            assert!(results.iter().all(held));
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
}
