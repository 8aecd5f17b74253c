//! The executor: a network over shares, layer by layer or branch beside branch, with the `securenn`
//! suite.
//!
//! All three parties walk the same graph; a layer's name is its step, so it is the tag of its
//! messages and the ledger's key, the same as in [`crate::cost`]. Weights are shared without a
//! message inside the layer that uses them, and gone after it. Truncation belongs to the layer whose products it cuts.

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
    suites::execution::{INPUT_BITS, Progress, check_images},
    weights::{EncodedModel, LayerWeights, check_fractional_bits},
};

/// What an evaluator brings: its own secret, and nothing of the other's.
#[derive(Clone, Copy)]
pub enum EvaluatorInputs<'a> {
    /// P0: the weights.
    ModelOwner(&'a EncodedModel),
    /// P1: encoded images in NCHW order.
    DataOwner(&'a [u64]),
}

/// What runs, the same at all parties.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The architecture.
    pub graph: &'a Graph,
    /// When each layer starts.
    pub order: Order,
    /// Images.
    pub batch: usize,
    /// What the data owner learns.
    pub output: Output,
}

/// Evaluates a network on a batch, as P0 or P1; the result is the logits (image by image, with f
/// fractional bits), or the label of each image, at the data owner and `None` at the model owner.
/// `progress` is called with each layer's place and name before it runs (from several threads where
/// layers overlap), the last being `output`. One evaluation per session: its masks are the session's.
///
/// # Errors
/// Wrong inputs are found before anything is sent: [`Error::WrongParty`], [`Error::Batch`],
/// [`Error::Images`], [`Error::InputRange`], [`Error::ModelGraph`], [`Error::ModelEncoding`],
/// [`Error::FractionalBits`], [`Error::OneClass`], [`Error::Classes`]. Later only [`Error::Protocol`].
pub fn evaluate(
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

/// P2's side of [`evaluate`]: it needs the public architecture only.
///
/// # Errors
/// [`Error::WrongParty`], [`Error::Batch`], [`Error::OneClass`], [`Error::Classes`], later
/// [`Error::Protocol`].
pub fn deal(session: &Session, run: &Run<'_>, progress: Progress<'_>) -> Result<()> {
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
    // It takes no part in revealing logits; the layer keeps the three ledgers alike.
    let classes = graph.dims(graph.output()).len();
    session.deal_from(depth, OUTPUT, |ctx| match output {
        Output::Logits => Ok(()),
        Output::Label => argmax::deal(ctx, batch, classes),
    })?;
    Ok(())
}

/// Checks that a label can be told.
///
/// # Errors
/// [`Error::OneClass`], [`Error::Classes`].
pub fn check_output(graph: &Graph, output: Output) -> Result<()> {
    let (classes, max) = (graph.dims(graph.output()).len(), MAX_CLASSES);
    match output {
        Output::Label if classes < 2 => Err(Error::OneClass { graph: graph.name().to_owned() }),
        Output::Label if classes > max => Err(Error::Classes { classes, max }),
        _ => Ok(()),
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
        (Role::ModelOwner, EvaluatorInputs::ModelOwner(model)) => {
            let (model_bits, run) = (model.fixed().fractional_bits(), fixed.fractional_bits());
            if model_bits != run {
                let model = model_bits;
                return Err(Error::ModelEncoding { model, run });
            }
            model.check(graph)
        }
        (Role::DataOwner, EvaluatorInputs::DataOwner(images)) => {
            check_images(graph, batch, images, INPUT_BITS)
        }
        _ => Err(Error::WrongParty { role }),
    }
}

/// A layer at an evaluator, with shares of what it works on.
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
                // The owner transposes in clear, so nobody has to move a share about.
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

    /// Each portion of the channels through its function, side by side.
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

    /// The protocol of a function, with this party's shares of its coefficients.
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
            let channels = degrees.iter().filter(|own| **own == degree).count();
            let polynomials = |layer: &LayerWeights<u64>| layer.polynomials(&degrees, degree);
            // They are added, so the model owner's half has all of them.
            let constants = self.own_layer().map(|layer| polynomials(layer).1);
            let constants = constants.unwrap_or_else(|| vec![0; channels]);
            let count = channels * degree as usize;
            let coefficients = self.weights(ctx, count, |layer| polynomials(layer).0).into_words();
            EncodedTerms { plane: dims.plane(), coefficients, constants }
        });
        function.securenn(self.fixed, terms.unwrap_or_default())
    }

    /// This party's half of the weights, which `layout` puts in the protocol's order at the owner.
    fn weights(
        &self,
        ctx: &Evaluator<'_>,
        count: usize,
        layout: impl FnOnce(&LayerWeights<u64>) -> Vec<u64>,
    ) -> Share {
        let mut ctx = ctx.narrow("weights", 0);
        match self.own_layer() {
            Some(layer) => input::owner_share(&mut ctx, &layout(layer)),
            None => input::peer_share(&mut ctx, count),
        }
    }

    /// The bias, which the model owner adds to its half, and the truncation.
    fn finish_linear(&self, ctx: &Evaluator<'_>, mut products: Share, positions: usize) -> Share {
        if let Some(layer) = self.own_layer() {
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
    fn own_layer(&self) -> Option<&LayerWeights<u64>> {
        match self.inputs {
            EvaluatorInputs::ModelOwner(model) => {
                Some(model.layer(self.id).expect("the model was checked"))
            }
            EvaluatorInputs::DataOwner(_) => None,
        }
    }
}

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

/// A row-major matrix of `rows` x `columns`, turned.
fn transpose(matrix: &[u64], rows: usize, columns: usize) -> Vec<u64> {
    let column = |c: usize| (0..rows).map(move |r| matrix[r * columns + c]);
    (0..columns).flat_map(column).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Mutex,
        time::{Duration, Instant},
    };

    use protocols::{
        SessionOptions,
        step::Step,
        test_world::{Fate, Outcome, TestWorld},
        transport::shaped::Shape,
    };

    use super::*;
    use crate::{
        reference::classes,
        suites::securenn::{error_bound, expected_error, fixed},
        test_nets,
        weights::Model,
        weights::Weights,
    };

    const FIXED: FixedPoint = FixedPoint::new(13);

    struct World {
        fixed: FixedPoint,
        graph: Graph,
        batch: usize,
        output: Output,
        model: EncodedModel,
        images: Vec<u64>,
    }

    impl World {
        fn new(graph: Graph, batch: usize) -> World {
            World::with(FIXED, graph, batch)
        }

        fn with(fixed: FixedPoint, graph: Graph, batch: usize) -> World {
            let model = Model::fold(&graph, &Weights::random(&graph, 11)).unwrap();
            let model = model.encode(&graph, fixed).unwrap();
            let images = fixed.encode_slice(&test_nets::images(&graph, batch, 12));
            let images = images.unwrap();
            World { fixed, graph, batch, output: Output::Logits, model, images }
        }

        fn run(&self, order: Order) -> Run<'_> {
            let World { graph, batch, output, .. } = self;
            Run { graph, order, batch: *batch, output: *output }
        }

        fn over(&self, world: &TestWorld, order: Order) -> Outcome<Option<Vec<u64>>> {
            let (run, quiet) = (self.run(order), &|_: usize, _: &str| {});
            world.run(|session| {
                let evaluate = |inputs| evaluate(session, &run, self.fixed, inputs, quiet);
                let result = match session.role() {
                    Role::ModelOwner => evaluate(EvaluatorInputs::ModelOwner(&self.model)),
                    Role::DataOwner => evaluate(EvaluatorInputs::DataOwner(&self.images)),
                    Role::CryptoProducer => deal(session, &run, quiet).map(|()| None),
                };
                result.map_err(|error| match error {
                    Error::Protocol(error) => error,
                    other => panic!("{other}"),
                })
            })
        }

        fn check(&self, world: &TestWorld) {
            let secure = self.check_order(world, Order::Sequential);
            let results = fixed(&self.graph, &self.model, &self.images).unwrap();
            let output = self.graph.output().index();
            let mut bound = error_bound(&self.graph, &self.model).unwrap()[output];
            if bound.is_infinite() {
                bound = expected_error(&self.graph, &self.model, &results).unwrap()[output];
            }
            assert_eq!(secure.len(), results[output].len());
            for (secure, reference) in secure.iter().zip(&results[output]) {
                let error = secure.wrapping_sub(*reference).cast_signed();
                assert!(error.unsigned_abs() as f64 <= bound, "{error} exceeds {bound}");
            }
            // A bound that any result meets would be worth nothing.
            let largest = results[output].iter().map(|&y| y.cast_signed().unsigned_abs());
            assert!(bound < largest.max().unwrap() as f64, "{bound}");
            // Masks hang on steps alone, so even truncation's coins are the same.
            assert_eq!(self.check_order(world, Order::Overlapped), secure);
        }

        /// The logits, after a comparison of what was measured with what was predicted.
        fn check_order(&self, world: &TestWorld, order: Order) -> Vec<u64> {
            let outcome = self.over(world, order);
            let [model_owner, data_owner, producer] = outcome.results;
            assert_eq!(model_owner.unwrap(), None);
            assert_eq!(producer.unwrap(), None);
            let cost = super::super::cost::network(&self.graph, self.batch, self.output).unwrap();
            let cost = cost.in_order(order);
            let measured = &outcome.measurements;
            assert_eq!(measured.len(), cost.layers.len());
            for (place, (layer, depth)) in cost.layers.iter().zip(cost.depths()).enumerate() {
                let name = &layer.name;
                let measured = match order {
                    Order::Sequential => &measured[place],
                    Order::Overlapped => measured.iter().find(|seen| seen.name == *name).unwrap(),
                };
                assert_eq!(measured.name, *name);
                assert_eq!(measured.sent, layer.predicted.links(), "{name}");
                assert_eq!(measured.received, layer.predicted.links(), "{name}");
                assert_eq!(measured.rounds(), layer.predicted.rounds(), "{name}");
                assert_eq!(measured.depth, depth, "{name}");
            }
            let deepest = measured.iter().map(|layer| layer.depth).max().unwrap();
            assert_eq!(deepest, cost.totals().critical_path);
            data_owner.unwrap().unwrap()
        }
    }

    #[test]
    fn the_digits_net() {
        World::new(test_nets::digits_graph(), 1).check(&TestWorld::new(21));
    }

    #[test]
    fn trained_digits_are_recognised() {
        const IMAGES: usize = 12;
        let test_nets::Digits { graph, model, images, expected } = test_nets::digits();
        let images = &images[..IMAGES * graph.input().len()];
        let run = World {
            fixed: FIXED,
            batch: IMAGES,
            output: Output::Logits,
            model: model.encode(&graph, FIXED).unwrap(),
            images: FIXED.encode_slice(images).unwrap(),
            graph,
        };
        let [_, logits, _] = run.over(&TestWorld::new(20), Order::Sequential).results;
        let logits = FIXED.decode_slice(&logits.unwrap().unwrap());
        for (row, logits) in expected.iter().zip(logits.chunks_exact(10)) {
            for (expected, got) in row[1..].iter().zip(logits) {
                assert!((expected - got).abs() < 0.05, "{expected} {got}");
            }
            assert_eq!(classes(logits, 10)[0], row[0] as usize);
        }
    }

    #[test]
    fn a_batch_in_small_chunks() {
        let options = SessionOptions { chunk: 64, window: 3 };
        World::new(test_nets::digits_graph(), 3).check(&TestWorld::new(22).options(options));
    }

    #[test]
    fn every_operation() {
        for batch in [1, 2] {
            // Worst cases add up over its layers: 18 bits keep them below the values.
            let run = World::with(FixedPoint::new(18), test_nets::everything(), batch);
            run.check(&TestWorld::new(23));
        }
    }

    #[test]
    fn branches() {
        for graph in [
            test_nets::fire(),
            test_nets::shuffle_units(),
            test_nets::powers(),
            test_nets::mixed(),
            test_nets::binary(),
            test_nets::counted_signs(),
        ] {
            let run = World::with(FixedPoint::new(18), graph, 2);
            run.check(&TestWorld::new(26));
        }
    }

    #[test]
    fn branches_over_long_links() {
        let run = World::new(test_nets::fire(), 1);
        let shape = Shape { one_way_latency: Duration::from_millis(3), bandwidth: 1e9 };
        let options = SessionOptions { chunk: 64, window: 2 };
        run.check_order(&TestWorld::new(27).shape(shape).options(options), Order::Overlapped);
    }

    #[test]
    fn parties_of_different_orders_end_with_the_same_result() {
        let run = World::new(test_nets::shuffle_units(), 1);
        let alike = run.over(&TestWorld::new(28), Order::Overlapped).results;
        let outcome = TestWorld::new(28).run(|session| {
            let evaluate = |order, inputs| {
                evaluate(session, &run.run(order), FIXED, inputs, &|_, _| {}).unwrap()
            };
            let (sequential, overlapped) = (Order::Sequential, Order::Overlapped);
            Ok(match session.role() {
                Role::ModelOwner => evaluate(sequential, EvaluatorInputs::ModelOwner(&run.model)),
                Role::DataOwner => evaluate(overlapped, EvaluatorInputs::DataOwner(&run.images)),
                Role::CryptoProducer => {
                    deal(session, &run.run(sequential), &|_, _| {}).unwrap();
                    None
                }
            })
        });
        assert_eq!(outcome.results, alike);
    }

    #[test]
    fn a_label_is_that_of_the_logits() {
        let test_nets::Digits { graph, model, images, .. } = test_nets::digits();
        let batch = 20;
        let images = FIXED.encode_slice(&images[..batch * graph.input().len()]).unwrap();
        let model = model.encode(&graph, FIXED).unwrap();
        let results = fixed(&graph, &model, &images).unwrap();
        let logits = FIXED.decode_slice(&results[graph.output().index()]);
        let world = World { fixed: FIXED, graph, batch, output: Output::Label, model, images };
        let labels = world.check_order(&TestWorld::new(30), Order::Sequential);
        let due = classes(&logits, 10);
        assert_eq!(labels.iter().map(|&label| label as usize).collect::<Vec<_>>(), due);
    }

    #[test]
    fn a_layer_that_fails_ends_the_others() {
        let run = World::new(test_nets::fire(), 1);
        for order in [Order::Sequential, Order::Overlapped] {
            let broken = Step::root("expand3_relu");
            let world = TestWorld::new(29).intercept(move |_, message| {
                if message.step.path().starts_with(broken.path()) {
                    message.payload.pop();
                }
                Fate::Deliver
            });
            let before = Instant::now();
            let outcome = run.over(&world, order);
            assert!(before.elapsed() < Duration::from_secs(60), "nobody waits for a lost message");
            let mut broken = 0;
            for result in outcome.results {
                match result.unwrap_err() {
                    protocols::Error::Length { step, .. } => {
                        assert!(step.starts_with("expand3_relu"), "{step}");
                        broken += 1;
                    }
                    protocols::Error::PeerLost { .. } => {}
                    other => panic!("{other}"),
                }
            }
            assert!(broken > 0);
        }
    }

    #[test]
    fn progress_names_every_layer_in_order() {
        let run = World::new(test_nets::tiny(), 1);
        let order = Order::Sequential;
        let seen: [Mutex<Vec<(usize, String)>>; 3] = Default::default();
        TestWorld::new(24).run(|session| {
            let note = |index: usize, name: &str| {
                let mut seen = seen[session.role().index()].lock().unwrap();
                seen.push((index, name.to_owned()));
            };
            let evaluate = |inputs| {
                evaluate(session, &run.run(order), FIXED, inputs, &note).unwrap();
            };
            match session.role() {
                Role::ModelOwner => evaluate(EvaluatorInputs::ModelOwner(&run.model)),
                Role::DataOwner => evaluate(EvaluatorInputs::DataOwner(&run.images)),
                Role::CryptoProducer => deal(session, &run.run(order), &note).unwrap(),
            }
            Ok(())
        });
        let names = ["input", "conv1", "relu", "flatten", "fc", "output"];
        let expected: Vec<(usize, String)> =
            (0..).zip(names).map(|(index, name)| (index, name.to_owned())).collect();
        for seen in seen {
            assert_eq!(seen.into_inner().unwrap(), expected);
        }
    }

    #[test]
    fn wrong_inputs_are_found_before_anything_is_sent() {
        let run = World::new(test_nets::tiny(), 2);
        let other = World::new(test_nets::digits_graph(), 2);
        let mut too_large = run.images.clone();
        too_large[31] = (1u64 << 60).wrapping_neg();
        let outcome = TestWorld::new(25).run(|session| {
            let role = session.role();
            let whole = run.run(Order::Sequential);
            let evaluate = |batch, fixed, inputs| {
                let run = Run { batch, ..whole };
                let result = evaluate(session, &run, fixed, inputs, &|_, _| {});
                result.unwrap_err().to_string()
            };
            let model = EvaluatorInputs::ModelOwner(&run.model);
            let other_model = EvaluatorInputs::ModelOwner(&other.model);
            let data = EvaluatorInputs::DataOwner(&run.images);
            let errors = match role {
                Role::ModelOwner => vec![
                    (evaluate(2, FIXED, data), "another party"),
                    (evaluate(2, FIXED, other_model), "does not belong"),
                    (evaluate(2, FixedPoint::new(12), model), "13 fractional bits"),
                    (evaluate(0, FIXED, model), "batch of 0"),
                ],
                Role::DataOwner => vec![
                    (evaluate(2, FIXED, model), "another party"),
                    (evaluate(3, FIXED, data), "48"),
                    (evaluate(2, FIXED, EvaluatorInputs::DataOwner(&too_large)), "at index 31"),
                    (evaluate(2, FixedPoint::new(40), data), "40 fractional bits"),
                ],
                Role::CryptoProducer => vec![(evaluate(2, FIXED, data), "another party")],
            };
            for (error, part) in errors {
                assert!(error.contains(part), "{role}: {error}");
            }
            if role != Role::CryptoProducer {
                assert!(deal(session, &whole, &|_, _| {}).is_err());
            }
            Ok(())
        });
        assert!(outcome.measurements.is_empty() && outcome.records.is_empty());
    }
}
