//! The check that a network's values stay within the bounds of its layout, by their ranges.
//!
//! Only values that are truncated or compared need a bound, and the result; other values may have
//! any size.

use protocols::dealer::Gate;

use super::layout::{Computation, LayerLayout, Layout};
use crate::{
    cost::BoundSource,
    graph::{Graph, NodeId},
    ranges::{LayerRange, Range, power_of_two},
};

/// For every layer, the power of two that exceeds its values and those that it compares by at least
/// one unit; `None` if nothing depends on it.
pub(super) fn needed(graph: &Graph, layout: &Layout, ranges: &[LayerRange]) -> Vec<Option<i32>> {
    let unit = 1.0 / layout.fixed().one() as f64;
    let bits = |magnitude: f64| power_of_two(magnitude + unit);
    let result = |id: NodeId| ranges[id.index()].result.magnitude();
    let mut needed: Vec<Option<i32>> = vec![None; graph.nodes().len()];
    let mut need = |id: NodeId, magnitude: f64| {
        let largest = &mut needed[id.index()];
        *largest = (*largest).max(Some(bits(magnitude)));
    };
    for id in graph.ids() {
        let (node, layer) = (graph.node(id), layout.layer(id));
        let compared = ranges[id.index()].compared_by(&node.op).map_or(0.0, Range::magnitude);
        match &layer.computation {
            Computation::Activate(_) => need(id, result(id).max(compared)),
            Computation::MaxPool(gate) => {
                let compared =
                    if has_bit_for_differences(layer, gate) { compared / 2.0 } else { compared };
                need(id, result(id).max(compared));
            }
            // Sums of signs are bounded by their number; other values may have any size.
            Computation::AnySign(_)
            | Computation::Input
            | Computation::Linear
            | Computation::Local
            | Computation::Average(_) => {}
        }
        if layer.before.is_some() {
            need(node.inputs[0], result(node.inputs[0]));
        }
    }
    need(graph.output(), result(graph.output()));
    needed
}

/// For every layer, whether it and all layers before it are within the bounds of the layout.
pub(super) fn fitting(graph: &Graph, layout: &Layout, ranges: &[LayerRange]) -> Vec<bool> {
    let mut fits = true;
    let pairs = graph.ids().zip(needed(graph, layout, ranges));
    let fit = pairs.map(|(id, needed)| {
        fits &= needed.is_none_or(|needed| needed <= layout.layer(id).magnitude_bits);
        fits
    });
    fit.collect()
}

/// The smallest magnitude that fits all layers as a common bound
/// ([`super::layout::Bounds::Alike`]).
pub(super) fn magnitude_bits(graph: &Graph, layout: &Layout, ranges: &[LayerRange]) -> u32 {
    let needed = graph.ids().zip(needed(graph, layout, ranges));
    // The architecture bounds the other layers.
    let bounded = needed.filter(|(id, _)| layout.layer(*id).source != BoundSource::Structure);
    bounded.filter_map(|(_, needed)| needed).max().unwrap_or(0).max(1).cast_unsigned()
}

/// Whether a max pool's gate has one bit more than the layer's bound, for differences of values.
fn has_bit_for_differences(layer: &LayerLayout, gate: &Gate) -> bool {
    gate.bound().cast_signed() > layer.magnitude_bits + layer.scale.cast_signed() + 1
}

#[cfg(test)]
mod tests {
    use fixedpoint::encoding::FixedPoint;

    use super::{super::layout::Bounds, *};
    use crate::{
        cost::LayerBound,
        graph::{Activation, ActivationKind, Dims, GraphBuilder},
        output::Output,
        ranges::{MIN_MARGIN, calibrated, intervals, tighter},
        suites::dealer::{PublicBounds, reference},
        test_nets,
        weights::{Model, Weights},
    };

    const FIXED: FixedPoint = FixedPoint::new(12);

    fn all_fit(graph: &Graph, layout: &Layout, ranges: &[LayerRange]) -> bool {
        fitting(graph, layout, ranges).into_iter().all(|fits| fits)
    }

    fn layout(graph: &Graph, bounds: &Bounds) -> Layout {
        Layout::new(graph, FIXED, bounds, Output::Logits).unwrap()
    }

    #[test]
    fn layers_fit_the_bounds_made_for_them_and_no_smaller_ones() {
        for (graph, model, images) in networks() {
            let input = [Range { low: -1.0, high: 1.0 }];
            let certain = intervals(&graph, &model, &input, FIXED).unwrap();
            let likely = calibrated(&graph, &model, &images, MIN_MARGIN).unwrap();
            let bounds = tighter(&certain, Some(&likely));
            let ranges: Vec<LayerRange> = bounds.iter().map(|bound| bound.range).collect();
            let public = PublicBounds::new(&graph, &bounds, FIXED, MIN_MARGIN);
            let by_layer = layout(&graph, &Bounds::Layers(public));
            assert!(all_fit(&graph, &by_layer, &ranges), "{}", graph.name());

            let bits = magnitude_bits(&graph, &layout(&graph, &Bounds::Alike(1)), &ranges);
            assert!(all_fit(&graph, &layout(&graph, &Bounds::Alike(bits)), &ranges));
            let tight = layout(&graph, &Bounds::Alike(bits - 1));
            assert!(!all_fit(&graph, &tight, &ranges));

            let encoded = by_layer.encode(&graph, &model).unwrap();
            let words = FIXED.encode_slice(&images).unwrap();
            let clear = reference::evaluate(&graph, &by_layer, &encoded, &words).unwrap();
            assert_eq!(clear.first_outside(), None, "{}", graph.name());
        }
    }

    #[test]
    fn values_less_a_knot_are_within_the_bounds() {
        for kind in [ActivationKind::Relu6, ActivationKind::Sigmoid, ActivationKind::Tanh] {
            let mut net = GraphBuilder::new("knots", Dims::flat(2)).unwrap();
            let x = net.activation("function", net.input(), Activation::full(kind)).unwrap();
            let graph = net.finish(x).unwrap();
            let model = Model::fold(&graph, &Weights::random(&graph, 1)).unwrap();
            let (images, input) = ([-15.75, 15.75], [Range { low: -15.75, high: 15.75 }]);
            let ranges = intervals(&graph, &model, &input, FIXED).unwrap();
            let public = PublicBounds::new(&graph, &tighter(&ranges, None), FIXED, MIN_MARGIN);
            let by_layer = layout(&graph, &Bounds::Layers(public));
            let bits = magnitude_bits(&graph, &by_layer, &ranges);
            assert_eq!(bits, 5, "{}", kind.name());
            for layout in [by_layer, layout(&graph, &Bounds::Alike(bits))] {
                assert!(all_fit(&graph, &layout, &ranges));
                let encoded = layout.encode(&graph, &model).unwrap();
                let words = FIXED.encode_slice(&images).unwrap();
                let clear = reference::evaluate(&graph, &layout, &encoded, &words).unwrap();
                assert_eq!(clear.first_outside(), None, "{}", kind.name());
            }
        }
    }

    #[test]
    fn sums_of_signs_are_bounded_by_their_number() {
        let graph = test_nets::binary();
        let model = Model::fold(&graph, &Weights::random(&graph, 5)).unwrap();
        let ranges = intervals(&graph, &model, &[Range { low: -1.0, high: 1.0 }], FIXED).unwrap();
        let public = PublicBounds::new(&graph, &tighter(&ranges, None), FIXED, MIN_MARGIN);
        for bounds in [Bounds::Alike(3), Bounds::Layers(public)] {
            let layout = layout(&graph, &bounds);
            let bound = |name| layout.bound(&graph, graph.find(name).unwrap()).unwrap();
            let structure = |bits| LayerBound { bits, source: BoundSource::Structure };
            // 45 signs and a threshold of up to 46, then 6 and 7.
            assert_eq!(bound("sign2"), structure(8));
            assert_eq!(bound("sign3"), structure(5));
            // Differences take one bit more, as a window may have values of several channels.
            assert_eq!(bound("pool2"), structure(9));
        }
    }

    #[test]
    fn differences_take_a_bit_where_a_bound_does_not_cover_them() {
        let graph = test_nets::digits_graph();
        let digits = test_nets::digits();
        let likely = calibrated(&graph, &digits.model, &digits.images, MIN_MARGIN).unwrap();
        let bounds = tighter(&likely, None);
        let public = PublicBounds::new(&graph, &bounds, FIXED, MIN_MARGIN);
        let pool = graph.ids().find(|&id| graph.node(id).op.max_pool().is_some()).unwrap();
        let magnitude = public.layer(&graph.node(pool).name).unwrap().magnitude.log2() as u32;
        let by_layer = layout(&graph, &Bounds::Layers(public)).bound(&graph, pool).unwrap();
        assert_eq!(by_layer, LayerBound { bits: magnitude + 13, source: BoundSource::Interval });
        let alike = layout(&graph, &Bounds::Alike(magnitude)).bound(&graph, pool).unwrap();
        assert_eq!(alike, LayerBound { bits: magnitude + 14, source: BoundSource::MagnitudeBits });
    }

    fn networks() -> Vec<(Graph, Model, Vec<f64>)> {
        let digits = test_nets::digits();
        let others = [
            test_nets::everything(),
            test_nets::fire(),
            test_nets::shuffle_units(),
            test_nets::mixed(),
            test_nets::binary(),
            test_nets::counted_signs(),
        ];
        let random = others.map(|graph| {
            let weights = Weights::random(&graph, 5);
            let model = Model::fold(&graph, &weights).unwrap();
            let images = test_nets::images(&graph, 2, 3);
            (graph, model, images)
        });
        random.into_iter().chain([(digits.graph, digits.model, digits.images)]).collect()
    }
}
