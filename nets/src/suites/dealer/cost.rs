//! What each layer sends in the `dealer` suite.

use protocols::{
    Cost,
    dealer::{Sign, Truncation, argmax, gadget, linear, maxpool, reveal},
};

use super::{
    layout::{self, Apply, Plan, Step},
    local,
};
use crate::{
    graph::{Graph, NodeId},
    weights::weight_shape,
};

/// Masked weights, once for a model.
pub fn setup(graph: &Graph, plan: &Plan) -> Cost {
    graph.ids().fold(Cost::none(), |cost, id| match weight_shape(graph, id) {
        Some((shape, ..)) => {
            cost.at(0, linear::setup_cost(plan.layer(id).width, shape.iter().product()))
        }
        None => cost,
    })
}

/// A layer, for a batch.
pub fn layer(graph: &Graph, plan: &Plan, id: NodeId, batch: usize) -> Cost {
    let layer = plan.layer(id);
    let input_len = batch * graph.input_dims(id).len();
    let before = match &layer.before {
        Some(gate) => gadget::cost(&Truncation, gate, input_len),
        None => Cost::none(),
    };
    before.then(match &layer.step {
        Step::Input => reveal::input_cost(layer.width, input_len),
        Step::Linear => {
            let shape = graph.linear_shape(id, batch).expect("a linear layer");
            linear::cost(&shape, layer.width, layer.mask)
        }
        Step::Local | Step::Average(_) => Cost::none(),
        Step::Activate(parts) => parts.iter().fold(Cost::none(), |cost, part| {
            let count = local::part_len(graph, id, batch, part);
            match &part.apply {
                Apply::Gadget(nonlinear, gate) => {
                    cost.at(0, gadget::cost(&*nonlinear.function(), gate, count))
                }
                Apply::Nothing | Apply::Constants => cost,
            }
        }),
        Step::AnySign(gate) => gadget::cost(&Sign, gate, batch * graph.dims(id).len()),
        Step::MaxPool(gate) => {
            let shape = graph.pool_shape(id, batch).expect("a pooling layer");
            maxpool::cost(gate, &shape)
        }
    })
}

/// Revealing the result of a batch: its logits, or its labels.
pub fn output(graph: &Graph, plan: &Plan, batch: usize) -> Cost {
    let output = graph.output();
    if let (Some(gate), Some(rows)) = (plan.label(), layout::rows(graph, batch)) {
        return argmax::cost(gate, &rows);
    }
    reveal::output_cost(plan.layer(output).width, batch * graph.dims(output).len())
}
