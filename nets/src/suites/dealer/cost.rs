//! What each layer sends in the `dealer` suite.

use protocols::{
    Cost,
    dealer::{Sign, Truncation, argmax, gadget, linear, maxpool, reveal},
};

use super::{
    layout::{Apply, Layout, Step, rows},
    local,
};
use crate::{
    cost::{LayerCost, NetworkCost},
    error::Result,
    graph::{Graph, NodeId, OUTPUT, SETUP},
    suite_name::SuiteName,
    weights::weight_shape,
};

/// The cost of a run over `batch` images, one layer after the other. A layer more, [`SETUP`], comes last:
/// what is sent once for a model.
///
/// # Errors
/// [`crate::Error::Batch`].
pub(super) fn network(graph: &Graph, layout: &Layout, batch: usize) -> Result<NetworkCost> {
    graph.check_batch(batch)?;
    let costs = graph.ids().map(|id| LayerCost {
        predicted: layer(graph, layout, id, batch),
        bound: layout.bound(graph, id),
        ..LayerCost::without_messages(graph, id)
    });
    let mut layers: Vec<LayerCost> = costs.collect();
    let result = graph.dims(graph.output());
    let revealed = LayerCost::step(OUTPUT, result, None, output(graph, layout, batch));
    layers.push(LayerCost { bound: layout.label_bound(graph), ..revealed });
    layers.push(LayerCost::step(SETUP, graph.input(), None, setup(graph, layout)));
    Ok(NetworkCost::new(SuiteName::Dealer, graph, batch, layers))
}

/// Masked weights, once for a model.
pub(super) fn setup(graph: &Graph, layout: &Layout) -> Cost {
    graph.ids().fold(Cost::none(), |cost, id| match weight_shape(graph, id) {
        Some((shape, ..)) => {
            cost.at(0, linear::setup_cost(layout.layer(id).width, shape.iter().product()))
        }
        None => cost,
    })
}

/// A layer, for a batch.
pub(super) fn layer(graph: &Graph, layout: &Layout, id: NodeId, batch: usize) -> Cost {
    let layer = layout.layer(id);
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
                Apply::Gadget(gadget, gate) => {
                    cost.at(0, gadget::cost(&*gadget.function(), gate, count))
                }
                Apply::Pass | Apply::Constants => cost,
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
pub(super) fn output(graph: &Graph, layout: &Layout, batch: usize) -> Cost {
    let output = graph.output();
    if let (Some(gate), Some(rows)) = (layout.label(), rows(graph, batch)) {
        return argmax::cost(gate, &rows);
    }
    reveal::output_cost(layout.layer(output).width, batch * graph.dims(output).len())
}
