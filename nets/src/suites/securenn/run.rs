//! The executor: it evaluates a network over shares in the `securenn` suite, layer by layer or with
//! branches in parallel.
//!
//! All three parties walk the same graph. A layer's name is its step, so it is the tag of its
//! messages and its key in the ledger, as in [`crate::cost`]. Weights are shared without a message
//! inside the layer that uses them, and dropped after it. A truncation is part of the layer whose
//! products it truncates.

use std::sync::Arc;

use fixedpoint::encoding::FixedPoint;
use protocols::{
    Dealer, Evaluator, Role, Session, Share,
    average::{self, Divisor},
    channels,
    limits::MAX_CLASSES,
    securenn::{Elementwise, argmax, conv, input, matmul, maxpool, output},
};

use super::protocol::{dense_shape, without_terms};
use crate::{
    error::{Error, Result},
    functions::{ActivationKind, EncodedTerms},
    graph::{Activation, Graph, Linear, NodeId, OUTPUT, Op, Order, Portion, walk},
    output::Output,
    suites::execution::{INPUT_BITS, Progress, check_images, check_model},
    weights::{EncodedModel, LayerWeights, check_fractional_bits},
};

/// The inputs of an evaluator: its own secret and nothing of the other's.
#[derive(Clone, Copy)]
pub(super) enum EvaluatorInputs<'a> {
    /// The inputs of P0: the weights.
    ModelOwner(&'a EncodedModel),
    /// The inputs of P1: encoded images in NCHW order.
    DataOwner(&'a [u64]),
}

/// A run, the same at all parties.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// The architecture.
    pub(super) graph: &'a Graph,
    /// The order in which layers start.
    pub(super) order: Order,
    /// The number of images.
    pub(super) batch: usize,
    /// The output of the data owner.
    pub(super) output: Output,
}

/// Evaluates a network on a batch, as P0 or P1. The data owner's result is the logits of each image
/// with f fractional bits, or the label of each image; the model owner's is `None`. `progress` is
/// called with each layer's index and name before it runs (from several threads if layers overlap),
/// and last with `output`. A session must run only one network, as masks depend on the session
/// alone.
///
/// # Errors
/// Those of wrong inputs, before anything is sent: [`Error::WrongParty`], [`Error::Batch`],
/// [`Error::Images`], [`Error::InputRange`], [`Error::ModelGraph`], [`Error::ModelEncoding`],
/// [`Error::FractionalBits`], [`Error::OneClass`], [`Error::Classes`]. After that, only
/// [`Error::Protocol`].
pub(super) fn evaluate(
    session: &Session,
    run: &Run<'_>,
    fixed: FixedPoint,
    inputs: EvaluatorInputs<'_>,
    progress: Progress<'_>,
) -> Result<Option<Vec<u64>>> {
    let &Run { graph, order, batch, output } = run;
    check_output(graph, output)?;
    check_inputs(session.role(), graph, batch, fixed, inputs)?;
    let (result, depth) = walk(graph, order, |id, depth, operands| {
        let name = &graph.node(id).name;
        progress(id.index(), name);
        let layer = Layer { graph, id, batch, fixed, inputs, operands };
        session.evaluate_from(depth, name, |ctx| layer.evaluate(ctx))
    })?;
    progress(graph.nodes().len(), OUTPUT);
    let classes = graph.dims(graph.output()).len();
    let reveal = |ctx: &mut Evaluator<'_>| match output {
        Output::Logits => output::evaluate(ctx, &result),
        Output::Label => argmax::evaluate(ctx, batch, classes, &result),
    };
    Ok(session.evaluate_from(depth, OUTPUT, reveal)?.0)
}

/// P2's part of [`evaluate`], which needs only the public architecture.
///
/// # Errors
/// [`Error::WrongParty`], [`Error::Batch`], [`Error::OneClass`], [`Error::Classes`]; after that,
/// [`Error::Protocol`].
pub(super) fn deal(session: &Session, run: &Run<'_>, progress: Progress<'_>) -> Result<()> {
    let &Run { graph, order, batch, output } = run;
    let role = session.role();
    if role != Role::CryptoProducer {
        return Err(Error::WrongParty { role });
    }
    check_output(graph, output)?;
    graph.check_batch(batch)?;
    let ((), depth) = walk(graph, order, |id, depth, _| {
        let name = &graph.node(id).name;
        progress(id.index(), name);
        session.deal_from(depth, name, |ctx| deal_layer(ctx, graph, id, batch))
    })?;
    progress(graph.nodes().len(), OUTPUT);
    // P2 has no part in revealing logits, but its ledger must have the same layers as the others.
    let classes = graph.dims(graph.output()).len();
    session.deal_from(depth, OUTPUT, |ctx| match output {
        Output::Logits => Ok(()),
        Output::Label => argmax::deal(ctx, batch, classes),
    })?;
    Ok(())
}

/// Checks that the network has the number of results that this output needs.
///
/// # Errors
/// [`Error::OneClass`], [`Error::Classes`].
pub(super) fn check_output(graph: &Graph, output: Output) -> Result<()> {
    let (classes, max) = (graph.dims(graph.output()).len(), MAX_CLASSES);
    match output {
        Output::Label if classes < 2 => Err(Error::OneClass { graph: graph.name().to_owned() }),
        Output::Label if classes > max => Err(Error::Classes { classes, max }),
        Output::Label | Output::Logits => Ok(()),
    }
}

fn check_inputs(
    role: Role,
    graph: &Graph,
    batch: usize,
    fixed: FixedPoint,
    inputs: EvaluatorInputs<'_>,
) -> Result<()> {
    graph.check_batch(batch)?;
    check_fractional_bits(fixed)?;
    match (role, inputs) {
        (Role::ModelOwner, EvaluatorInputs::ModelOwner(model)) => check_model(graph, fixed, model),
        (Role::DataOwner, EvaluatorInputs::DataOwner(images)) => {
            check_images(graph, batch, images, INPUT_BITS)
        }
        (Role::ModelOwner | Role::CryptoProducer, EvaluatorInputs::DataOwner(_))
        | (Role::DataOwner | Role::CryptoProducer, EvaluatorInputs::ModelOwner(_)) => {
            Err(Error::WrongParty { role })
        }
    }
}

/// A layer at an evaluator, with its shares of the operands.
struct Layer<'a> {
    graph: &'a Graph,
    id: NodeId,
    batch: usize,
    fixed: FixedPoint,
    inputs: EvaluatorInputs<'a>,
    operands: &'a [Arc<Share>],
}

impl Layer<'_> {
    fn evaluate(&self, ctx: &mut Evaluator<'_>) -> protocols::Result<Share> {
        let (graph, id, batch) = (self.graph, self.id, self.batch);
        let node = graph.node(id);
        let dims = graph.input_dims(id);
        let operand = |place: usize| self.operands[place].as_ref();
        let linear = || graph.linear_shape(id, batch).expect("a linear layer");
        let pool = || graph.pool_shape(id, batch).expect("a pooling layer");
        match &node.op {
            Op::Input => Ok(match self.inputs {
                EvaluatorInputs::DataOwner(images) => input::owner_share(ctx, images),
                EvaluatorInputs::ModelOwner(_) => input::peer_share(ctx, batch * dims.len()),
            }),
            Op::Linear(Linear::Conv(_)) => {
                let shape = linear();
                let weights = self.weights(ctx, shape.weight_len(), |layer| layer.weight.clone());
                let products = conv::evaluate(ctx, &shape, &weights, operand(0))?;
                Ok(self.finish_linear(ctx, products, shape.positions()))
            }
            Op::Linear(Linear::Dense(_)) => {
                let shape = dense_shape(&linear());
                // P0 transposes in clear, so that no share has to be transposed.
                let weights = self.weights(ctx, shape.k * shape.n, |layer| {
                    transpose(&layer.weight, shape.n, shape.k)
                });
                let products = matmul::evaluate(ctx, &shape, operand(0), &weights)?;
                Ok(self.finish_linear(ctx, products, 1))
            }
            Op::Activation(activation) => self.activate(ctx, activation, operand(0)),
            Op::MaxPool(_) => Ok(maxpool::evaluate(ctx, &pool(), operand(0))?.value),
            Op::AvgPool(_) => {
                let shape = pool();
                let divisor = Divisor::new(&shape, graph.counted_padding(id), &self.fixed);
                Ok(average::evaluate(ctx.side(), &shape, &divisor, operand(0)))
            }
            Op::Add => Ok(operand(0).add(operand(1))),
            Op::Concat => {
                let channels = node.inputs.iter().map(|&input| graph.dims(input).channels);
                let parts = self.operands.iter().map(|share| share.words());
                let parts: Vec<_> = parts.zip(channels).collect();
                Ok(Share::new(channels::concat(batch, dims.plane(), &parts)))
            }
            &Op::Slice { start, end } => {
                let (words, plane) = (operand(0).words(), dims.plane());
                let slice = channels::slice(batch, dims.channels, plane, words, start..end);
                Ok(Share::new(slice))
            }
            &Op::Shuffle { groups } => {
                let (words, plane) = (operand(0).words(), dims.plane());
                let mixed = channels::shuffle(batch, dims.channels, plane, groups, words);
                Ok(Share::new(mixed))
            }
            Op::Reshape(_) => Ok(operand(0).clone()),
        }
    }

    /// Evaluates the functions of an activation in parallel, each on its channels.
    fn activate(
        &self,
        ctx: &mut Evaluator<'_>,
        activation: &Activation,
        x: &Share,
    ) -> protocols::Result<Share> {
        let dims = self.graph.dims(self.id);
        let (batch, channels, plane) = (self.batch, dims.channels, dims.plane());
        let portions = activation.portions(channels);
        if let [Portion { kind: Some(kind), .. }] = portions[..] {
            return self.function(ctx, activation, kind).evaluate(ctx, x);
        }
        let results = ctx.lanes(portions.len(), |lane, index| {
            let Portion { kind, channels: ranges } = &portions[index];
            let values = Share::new(channels::gather(batch, channels, plane, x.words(), ranges));
            match *kind {
                Some(kind) => self.function(lane, activation, kind).evaluate(lane, &values),
                None => Ok(values),
            }
        })?;
        let mut joined = vec![0; x.len()];
        for (Portion { channels: ranges, .. }, values) in portions.iter().zip(results) {
            channels::scatter(batch, channels, plane, values.words(), ranges, &mut joined);
        }
        Ok(Share::new(joined))
    }

    /// The protocol of a function with this party's shares of its coefficients.
    fn function(
        &self,
        ctx: &Evaluator<'_>,
        activation: &Activation,
        kind: ActivationKind,
    ) -> Box<dyn Elementwise> {
        let function = kind.function();
        let terms = function.trained_degree().map(|degree| {
            let dims = self.graph.dims(self.id);
            let degrees = activation.degrees(dims.channels);
            let channels = degrees.iter().filter(|other| **other == degree).count();
            let polynomials = |layer: &LayerWeights<u64>| layer.polynomials(&degrees, degree);
            // Constants are only added, so the model owner's share can be all of them.
            let constants = self.owned_weights().map(|layer| polynomials(layer).1);
            let constants = constants.unwrap_or_else(|| vec![0; channels]);
            let count = channels * degree as usize;
            let coefficients = self.weights(ctx, count, |layer| polynomials(layer).0).into_words();
            EncodedTerms { plane: dims.plane(), coefficients, constants }
        });
        function.securenn(self.fixed, terms.unwrap_or_default())
    }

    /// This party's share of the weights, which `arrange` puts in the protocol's order at the
    /// owner.
    fn weights(
        &self,
        ctx: &Evaluator<'_>,
        count: usize,
        arrange: impl FnOnce(&LayerWeights<u64>) -> Vec<u64>,
    ) -> Share {
        let mut ctx = ctx.narrow("weights", 0);
        match self.owned_weights() {
            Some(layer) => input::owner_share(&mut ctx, &arrange(layer)),
            None => input::peer_share(&mut ctx, count),
        }
    }

    /// Adds the bias, to the model owner's share, and truncates.
    fn finish_linear(&self, ctx: &Evaluator<'_>, mut products: Share, positions: usize) -> Share {
        if let Some(layer) = self.owned_weights() {
            let channels = products.words_mut().chunks_exact_mut(positions);
            for (channel, bias) in channels.zip(layer.bias.iter().cycle()) {
                for word in channel {
                    *word = word.wrapping_add(*bias);
                }
            }
        }
        products.truncate(ctx.side(), self.fixed.fractional_bits())
    }

    /// The layer's weights, if this party owns them.
    fn owned_weights(&self) -> Option<&LayerWeights<u64>> {
        match self.inputs {
            EvaluatorInputs::ModelOwner(model) => {
                Some(model.layer(self.id).expect("the model was checked"))
            }
            EvaluatorInputs::DataOwner(_) => None,
        }
    }
}

/// P2's part of a layer.
fn deal_layer(
    ctx: &mut Dealer<'_>,
    graph: &Graph,
    id: NodeId,
    batch: usize,
) -> protocols::Result<()> {
    let linear = || graph.linear_shape(id, batch).expect("a linear layer");
    match &graph.node(id).op {
        Op::Linear(Linear::Conv(_)) => conv::deal(ctx, &linear()),
        Op::Linear(Linear::Dense(_)) => matmul::deal(ctx, &dense_shape(&linear())),
        Op::Activation(activation) => {
            let dims = graph.dims(id);
            let count = |portion: &Portion| batch * portion.len() * dims.plane();
            let portions = activation.portions(dims.channels);
            if let [portion @ Portion { kind: Some(kind), .. }] = &portions[..] {
                return without_terms(*kind).deal(ctx, count(portion));
            }
            ctx.lanes(portions.len(), |lane, index| match portions[index].kind {
                Some(kind) => without_terms(kind).deal(lane, count(&portions[index])),
                None => Ok(()),
            })?;
            Ok(())
        }
        Op::MaxPool(_) => {
            let shape = graph.pool_shape(id, batch).expect("a pooling layer");
            maxpool::deal(ctx, &shape)
        }
        Op::Input
        | Op::AvgPool(_)
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::Shuffle { .. }
        | Op::Reshape(_) => Ok(()),
    }
}

/// The transpose of a row-major matrix of `rows` x `columns`.
fn transpose(matrix: &[u64], rows: usize, columns: usize) -> Vec<u64> {
    let column = |c: usize| (0..rows).map(move |r| matrix[r * columns + c]);
    (0..columns).flat_map(column).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use protocols::{
        SessionOptions,
        step::Step,
        test_world::{Fate, TestWorld},
        transport::shaped::Shape,
    };

    use super::*;
    use crate::{
        suites::{DealMode, SuiteName, test_run::TestRun},
        test_nets,
    };

    fn run(graph: Graph, batch: usize) -> TestRun {
        TestRun::new(SuiteName::SecureNn, graph, batch)
    }

    #[test]
    fn a_batch_in_small_chunks() {
        let options = SessionOptions { chunk: 64, window: 3 };
        let world = TestWorld::new(22).options(options);
        run(test_nets::digits_graph(), 3).check(&world, Order::Sequential, DealMode::Streamed);
    }

    #[test]
    fn branches_over_long_links() {
        let shape = Shape { one_way_latency: Duration::from_millis(3), bandwidth: 1e9 };
        let options = SessionOptions { chunk: 64, window: 2 };
        let world = TestWorld::new(27).shape(shape).options(options);
        run(test_nets::fire(), 1).check(&world, Order::Overlapped, DealMode::Streamed);
    }

    #[test]
    fn parties_of_different_orders_end_with_the_same_result() {
        let run = run(test_nets::shuffle_units(), 1);
        let results = |order: fn(Role) -> Order| {
            run.evaluate(&TestWorld::new(28), order, DealMode::Streamed).results
        };
        let alike = results(|_| Order::Overlapped);
        let different = results(|role| Order::with_overlap(role == Role::DataOwner));
        assert_eq!(different, alike);
    }

    #[test]
    fn a_layer_that_fails_ends_the_others() {
        let run = run(test_nets::fire(), 1);
        for order in [Order::Sequential, Order::Overlapped] {
            let broken = Step::root("expand3_relu");
            let world = TestWorld::new(29).intercept(move |_, message| {
                if message.step.path().starts_with(broken.path()) {
                    message.payload.pop();
                }
                Fate::Deliver
            });
            let before = Instant::now();
            let outcome = run.evaluate(&world, |_| order, DealMode::Streamed);
            assert!(before.elapsed() < Duration::from_secs(60), "nobody waits for a lost message");
            let mut broken = 0;
            for result in outcome.results {
                let error = result.unwrap_err();
                if let protocols::Error::Length { step, .. } = &error {
                    assert!(step.starts_with("expand3_relu"), "{step}");
                    broken += 1;
                } else {
                    assert!(matches!(error, protocols::Error::PeerLost { .. }), "{error}");
                }
            }
            assert!(broken > 0);
        }
    }
}
