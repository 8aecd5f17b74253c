//! The messages of each layer in the `dealer` suite.

use protocols::{
    Cost,
    dealer::{Sign, Truncation, argmax, gadget, linear, maxpool, reveal},
};

use super::{
    layout::{Apply, Computation, Layout, rows},
    local,
};
use crate::{
    cost::{LayerCost, NetworkCost},
    error::Result,
    graph::{Graph, NodeId, OUTPUT, SETUP},
    suite_name::SuiteName,
    weights::weight_shape,
};

/// The cost of a run over `batch` images, one layer after the other. The last step, [`SETUP`], is
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

/// The cost of sending masked weights, once for a model.
fn setup(graph: &Graph, layout: &Layout) -> Cost {
    graph.ids().fold(Cost::none(), |cost, id| match weight_shape(graph, id) {
        Some((shape, ..)) => {
            cost.at(0, linear::setup_cost(layout.layer(id).width, shape.iter().product()))
        }
        None => cost,
    })
}

/// The cost of a layer for a batch.
fn layer(graph: &Graph, layout: &Layout, id: NodeId, batch: usize) -> Cost {
    let layer = layout.layer(id);
    let input_len = batch * graph.input_dims(id).len();
    let before = match &layer.before {
        Some(gate) => gadget::cost(&Truncation, gate, input_len),
        None => Cost::none(),
    };
    before.then(match &layer.computation {
        Computation::Input => reveal::input_cost(layer.width, input_len),
        Computation::Linear => {
            let shape = graph.linear_shape(id, batch).expect("a linear layer");
            linear::cost(&shape, layer.width, layer.mask)
        }
        Computation::Local | Computation::Average(_) => Cost::none(),
        Computation::Activate(parts) => parts.iter().fold(Cost::none(), |cost, part| {
            let count = local::part_len(graph, id, batch, part);
            match &part.apply {
                Apply::Gadget(gadget, gate) => {
                    cost.at(0, gadget::cost(&*gadget.function(), gate, count))
                }
                Apply::Pass | Apply::Constants => cost,
            }
        }),
        Computation::AnySign(gate) => gadget::cost(&Sign, gate, batch * graph.dims(id).len()),
        Computation::MaxPool(gate) => {
            let shape = graph.pool_shape(id, batch).expect("a pooling layer");
            maxpool::cost(gate, &shape)
        }
    })
}

/// The cost of revealing the logits or labels of a batch.
fn output(graph: &Graph, layout: &Layout, batch: usize) -> Cost {
    let output = graph.output();
    if let (Some(gate), Some(rows)) = (layout.label(), rows(graph, batch)) {
        return argmax::cost(gate, &rows);
    }
    reveal::output_cost(layout.layer(output).width, batch * graph.dims(output).len())
}

#[cfg(test)]
mod tests {
    use fixedpoint::encoding::FixedPoint;
    use protocols::dealer::Mask;

    use super::*;
    use crate::{
        output::Output,
        suites::dealer::{Bounds, DEFAULT_MAGNITUDE_BITS},
        test_nets,
    };

    #[test]
    fn a_label_takes_nine_messages_and_little_more() {
        let graph = test_nets::digits_graph();
        let bounds = Bounds::Alike(DEFAULT_MAGNITUDE_BITS);
        let layout = |output| Layout::new(&graph, FixedPoint::new(12), &bounds, output).unwrap();
        let logits = output(&graph, &layout(Output::Logits), 1);
        // 10 logits of 33 bits; 4 bits after 4 levels.
        assert_eq!((logits.bytes(), logits.rounds()), (42, 1));
        let layout = layout(Output::Label);
        let label = output(&graph, &layout, 1);
        assert_eq!(label.rounds(), 9);
        let online = |cost: &Cost| cost.bytes() - cost.ahead_links().total();
        assert!(online(&label) > online(&logits) && label.bytes() < 5000, "{}", label.bytes());
        // Nobody but P2 and P0 knows the mask of the logits.
        assert_eq!(layout.layer(graph.output()).mask, Mask::Hidden);
    }
}
