//! What each layer sends in the `securenn` suite, and the published formulas.

use protocols::{
    Cost, Paper,
    securenn::{Elementwise, argmax, conv, matmul, maxpool, output},
};

use super::run::dense_shape;
use crate::{
    cost::{LayerCost, NetworkCost},
    error::Result,
    functions::{ActivationKind, EncodedTerms},
    graph::{Activation, Dims, Graph, Linear, NodeId, OUTPUT, Op, Portion},
    output::Output,
    suite_name::SuiteName,
};

/// The cost of a run over `batch` images, one layer after the other.
///
/// # Errors
/// [`crate::Error::Batch`].
pub(super) fn network(graph: &Graph, batch: usize, output: Output) -> Result<NetworkCost> {
    graph.check_batch(batch)?;
    let mut layers: Vec<LayerCost> = graph.ids().map(|id| layer(graph, id, batch)).collect();
    let result = graph.dims(graph.output());
    let (paper, predicted) = match output {
        Output::Logits => (None, output::cost(batch * result.len())),
        Output::Label => {
            (Some(argmax::paper(batch, result.len())), argmax::cost(batch, result.len()))
        }
    };
    layers.push(LayerCost::step(OUTPUT, result, paper, predicted));
    Ok(NetworkCost::new(SuiteName::SecureNn, graph, batch, layers))
}

fn layer(graph: &Graph, id: NodeId, batch: usize) -> LayerCost {
    let layer = LayerCost::without_messages(graph, id);
    let (paper, predicted) = match &graph.node(id).op {
        // The publications do not count sharing the input.
        Op::Input => return layer,
        Op::Linear(linear) => {
            let shape = linear.shape(batch, graph.input_dims(id));
            let predicted = match linear {
                Linear::Conv(_) => conv::cost(&shape),
                Linear::Dense(_) => matmul::cost(&dense_shape(&shape)),
            };
            (conv::paper(&shape), predicted)
        }
        Op::Activation(activation) => functions(activation, graph.dims(id), batch),
        Op::MaxPool(_) => {
            let shape = graph.pool_shape(id, batch).expect("a pooling layer");
            (maxpool::paper(&shape), maxpool::cost(&shape))
        }
        Op::AvgPool(_)
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::Reshape(_) => (Paper::default(), Cost::none()),
    };
    LayerCost { paper: Some(paper), predicted, ..layer }
}

/// Functions side by side, each on its channels.
fn functions(activation: &Activation, dims: Dims, batch: usize) -> (Paper, Cost) {
    let mut published = Paper::default();
    let mut predicted = Cost::none();
    for Portion { kind, channels } in activation.portions(dims.channels) {
        let Some(kind) = kind else { continue };
        let channels: usize = channels.iter().map(std::ops::Range::len).sum();
        let values = channels * batch * dims.plane();
        let function = without_terms(kind);
        let paper = function.paper(match activation {
            // The publication counts q c n values, also where q c is not whole.
            Activation::Leading { ratio, .. } => ratio * (batch * dims.len()) as f64,
            Activation::Runs(_) => values as f64,
        });
        published.rounds = published.rounds.max(paper.rounds);
        published.bits += paper.bits;
        predicted = predicted.at(0, function.cost(values));
    }
    (published, predicted)
}

/// The protocol of a function, for its messages: they depend on neither the precision nor the
/// coefficients.
pub(super) fn without_terms(kind: ActivationKind) -> Box<dyn Elementwise> {
    kind.function().securenn(fixedpoint::encoding::FixedPoint::default(), EncodedTerms::default())
}
