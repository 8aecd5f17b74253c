//! Whether a network's values stay within the bounds of its layout, known from their ranges.
//!
//! Only what is cut off or compared needs a bound, and the result; other values may be of any size.

use protocols::dealer::Gate;

use super::layout::{LayerLayout, Layout, Step};
use crate::{
    cost::BoundSource,
    graph::{Graph, NodeId},
    ranges::{LayerRange, Range, power_of_two},
};

/// For every layer the power of two that its values, or what it compares, must be below, and are so with a unit
/// to spare; `None` where nothing depends on it.
pub fn needed(graph: &Graph, layout: &Layout, ranges: &[LayerRange]) -> Vec<Option<i32>> {
    let unit = 1.0 / layout.fixed().one() as f64;
    let bits = |magnitude: f64| power_of_two(magnitude + unit);
    let result = |id: NodeId| ranges[id.index()].result.magnitude();
    let mut needed: Vec<Option<i32>> = vec![None; graph.nodes().len()];
    let mut need = |id: NodeId, magnitude: f64| {
        let known = &mut needed[id.index()];
        *known = (*known).max(Some(bits(magnitude)));
    };
    for id in graph.ids() {
        let (node, layer) = (graph.node(id), layout.layer(id));
        let compared = ranges[id.index()].compared_by(&node.op).map_or(0.0, Range::magnitude);
        match &layer.step {
            Step::Activate(_) => need(id, result(id).max(compared)),
            // The gate has a bit more for differences, or for those with padding.
            Step::MaxPool(gate) if more(layer, gate) => {
                need(id, result(id).max(compared / 2.0));
            }
            Step::MaxPool(_) => need(id, result(id).max(compared)),
            // Sums of signs are bounded by their number, and the rest of any size.
            Step::AnySign(_) | Step::Input | Step::Linear | Step::Local | Step::Average(_) => {}
        }
        if layer.before.is_some() {
            need(node.inputs[0], result(node.inputs[0]));
        }
    }
    need(graph.output(), result(graph.output()));
    needed
}

/// For every layer whether it and all before it are within the bounds of the layout.
pub fn fitting(graph: &Graph, layout: &Layout, ranges: &[LayerRange]) -> Vec<bool> {
    let mut fits = true;
    let pairs = graph.ids().zip(needed(graph, layout, ranges));
    let fit = pairs.map(|(id, needed)| {
        fits &= needed.is_none_or(|needed| needed <= layout.layer(id).magnitude_bits);
        fits
    });
    fit.collect()
}

/// The first layer that is not [`fitting`].
pub fn exceeding(graph: &Graph, layout: &Layout, ranges: &[LayerRange]) -> Option<NodeId> {
    fitting(graph, layout, ranges).iter().position(|fits| !fits).map(NodeId::new)
}

/// The magnitude that would do for all layers alike ([`super::layout::Bounds::Alike`]).
pub fn magnitude_bits(graph: &Graph, layout: &Layout, ranges: &[LayerRange]) -> u32 {
    let needed = graph.ids().zip(needed(graph, layout, ranges));
    // Those of the architecture stay.
    let own = needed.filter(|(id, _)| layout.layer(*id).source != BoundSource::Structure);
    own.filter_map(|(_, needed)| needed).max().unwrap_or(0).max(1).cast_unsigned()
}

/// Whether a max pool's gate has a bit more than the layer's bound.
fn more(layer: &LayerLayout, gate: &Gate) -> bool {
    gate.bound().cast_signed() > layer.magnitude_bits + layer.scale.cast_signed() + 1
}

#[cfg(test)]
mod tests {
    use fixedpoint::encoding::FixedPoint;

    use super::{super::layout::Bounds, *};
    use crate::{
        cost::LayerBound,
        graph::{Activation, ActivationKind, Dims, GraphBuilder, Op},
        output::Output,
        ranges::{MIN_MARGIN, calibrated, intervals, tighter},
        suites::dealer::PublicBounds,
        suites::dealer::reference,
        test_nets,
        weights::Model,
        weights::Weights,
    };

    const FIXED: FixedPoint = FixedPoint::new(12);

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
            let own = layout(&graph, &Bounds::Layers(public));
            assert_eq!(exceeding(&graph, &own, &ranges), None, "{}", graph.name());

            let bits = magnitude_bits(&graph, &layout(&graph, &Bounds::Alike(1)), &ranges);
            assert!(exceeding(&graph, &layout(&graph, &Bounds::Alike(bits)), &ranges).is_none());
            let tight = layout(&graph, &Bounds::Alike(bits - 1));
            assert!(exceeding(&graph, &tight, &ranges).is_some());

            let encoded = own.encode(&graph, &model).unwrap();
            let words = FIXED.encode_slice(&images).unwrap();
            let clear = reference::evaluate(&graph, &own, &encoded, &words).unwrap();
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
            let own = layout(&graph, &Bounds::Layers(public));
            let bits = magnitude_bits(&graph, &own, &ranges);
            assert_eq!(bits, 5, "{}", kind.name());
            for layout in [own, layout(&graph, &Bounds::Alike(bits))] {
                assert_eq!(exceeding(&graph, &layout, &ranges), None);
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
            // Differences, whose windows may be of several channels, take a bit more.
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
        let pool = graph.ids().find(|&id| matches!(graph.node(id).op, Op::MaxPool(_))).unwrap();
        let magnitude = public.layer(&graph.node(pool).name).unwrap().magnitude.log2() as u32;
        let own = layout(&graph, &Bounds::Layers(public)).bound(&graph, pool).unwrap();
        assert_eq!(own, LayerBound { bits: magnitude + 13, source: BoundSource::Interval });
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
