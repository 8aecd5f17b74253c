//! The executor of the `dealer` suite: a network with everything that does not depend on the query done
//! ahead of it.
//!
//! All three parties walk the same graph. Ahead, P2 deals layer by layer, P1 sends what the linear layers
//! need, and P0 collects both; online, P0 and P1 exchange two messages for each non-linear layer. Both stages
//! of a layer have the layer's name in the ledger, and what P0 sends once for a model is the layer
//! [`SETUP`]. Streamed, each stage runs on a thread of its own, the first just ahead of the second; dealt first, one
//! ends before the other begins.

use std::sync::Arc;

use protocols::{
    Role, Session, Stage,
    dealer::{
        WeightKey,
        gadget::Take,
        linear::{receive_weights, send_weights},
    },
};

use super::{
    layout::Layout,
    offline::{ClientLayer, Layer, ServerLayer},
    shelf::Shelf,
};
use crate::{
    error::{Error, Result},
    graph::{Graph, NodeId, OUTPUT, Order, SETUP, walk},
    suites::execution::{DealMode, INPUT_BITS, MaskedWeights, Progress, Stages, check_images},
    weights::EncodedModel,
};

/// What runs, the same at all parties.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The architecture.
    pub graph: &'a Graph,
    /// Its layout.
    pub layout: &'a Layout,
    /// When each layer starts, online.
    pub order: Order,
    /// Images.
    pub batch: usize,
}

/// P0, once for a model and session: sends P1 the masked weights.
///
/// # Errors
/// [`Error::ModelGraph`], [`Error::ModelEncoding`], [`Error::Protocol`].
pub fn send_setup(
    session: &Session,
    run: &Run<'_>,
    model: &EncodedModel,
    key: &WeightKey,
) -> Result<()> {
    let (of_model, of_run) =
        (model.fixed().fractional_bits(), run.layout.fixed().fractional_bits());
    if of_model != of_run {
        return Err(Error::ModelEncoding { model: of_model, run: of_run });
    }
    model.check(run.graph)?;
    session.serve(Stage::Ahead, 0, SETUP, |ctx| {
        for id in run.weighted() {
            let (layer, name) = (run.layout.layer(id), run.layer(id).name().to_owned());
            let weights = &model.layer(id).expect("the model was checked").weight;
            send_weights(&mut ctx.narrow(&name, 0), key, &name, layer.width, weights)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// P1, once for a model and session: receives them.
///
/// # Errors
/// [`Error::Protocol`].
pub fn receive_setup(session: &Session, run: &Run<'_>) -> Result<MaskedWeights> {
    let mut weights: Vec<Option<Vec<u64>>> = run.graph.ids().map(|_| None).collect();
    session.query(Stage::Ahead, 0, SETUP, |ctx| {
        for id in run.weighted() {
            let mut ctx = ctx.narrow(run.layer(id).name(), 0);
            let received =
                receive_weights(&mut ctx, run.layout.layer(id).width, run.layer(id).weight_len())?;
            weights[id.index()] = Some(received);
        }
        Ok(())
    })?;
    Ok(MaskedWeights(weights))
}

/// P2, all it does.
///
/// # Errors
/// [`Error::WrongParty`], [`Error::Batch`], later [`Error::Protocol`].
pub fn produce(
    session: &Session,
    run: &Run<'_>,
    key: &WeightKey,
    progress: Progress<'_>,
) -> Result<()> {
    check(session, run, Role::CryptoProducer)?;
    let walked = walk(run.graph, Order::Sequential, |id, _, operands: &[Arc<Vec<u64>>]| {
        let layer = run.layer(id);
        progress(id.index(), layer.name());
        let operands: Vec<&[u64]> = operands.iter().map(|operand| operand.as_slice()).collect();
        let half = session.produce(layer.name(), |ctx| layer.produce(ctx, key, &operands))?;
        Ok((half, 0))
    });
    let (half, _) = walked?;
    progress(run.graph.nodes().len(), OUTPUT);
    Ok(run.produce_result(session, &half)?)
}

/// P0, for a query to be answered long after: takes what the others send and keeps nothing of it. Its
/// transport is to keep the messages, which another one hands to [`serve`].
///
/// # Errors
/// As [`produce`].
pub fn collect(session: &Session, run: &Run<'_>, progress: Progress<'_>) -> Result<()> {
    check(session, run, Role::ModelOwner)?;
    Ok(collect_layers(session, run, Take::Ahead, progress, |_, _| Ok(()))?)
}

/// P1, for a query to be answered long after: sends what masks its part and keeps nothing. A session with
/// the same seeds can [`query`] without masked weights.
///
/// # Errors
/// As [`produce`].
pub fn prepare(
    session: &Session,
    run: &Run<'_>,
    weights: &MaskedWeights,
    progress: Progress<'_>,
) -> Result<()> {
    check(session, run, Role::DataOwner)?;
    Ok(prepare_layers(session, run, weights, progress, |_, _| Ok(()))?)
}

/// P0: answers a batch of queries. `between` is called when everything is dealt, where that comes first.
///
/// # Errors
/// [`Error::WrongParty`], [`Error::Batch`], later [`Error::Protocol`].
pub fn serve<'s>(
    stages: Stages<'s>,
    run: &Run<'_>,
    mode: DealMode,
    model: &EncodedModel,
    between: &dyn Fn() -> protocols::Result<()>,
    progress: Progress<'_>,
) -> Result<()> {
    check(stages.online, run, Role::ModelOwner)?;
    model.check(run.graph)?;
    // What comes meanwhile waits with its sender; what came long ago is read in the order of then.
    let take = match mode {
        DealMode::Streamed if stages.is_one_session() => Take::WhenNeeded,
        DealMode::Streamed | DealMode::DealtFirst => Take::Ahead,
    };
    let collect = |shelf: &Shelf<ServerLayer<'s>>| {
        collect_layers(stages.ahead, run, take, &|_, _| {}, |id, material| {
            let bytes = material.bytes();
            shelf.put(id, material, bytes)
        })
    };
    let answer = |shelf: &Shelf<ServerLayer<'s>>| {
        let (result, depth) =
            walk(run.graph, run.order, |id, depth, operands: &[Arc<Vec<u64>>]| {
                let layer = run.layer(id);
                let material = shelf.take(id)?;
                progress(id.index(), layer.name());
                let operands: Vec<&[u64]> =
                    operands.iter().map(|operand| operand.as_slice()).collect();
                stages.online.serve(Stage::Online, depth, layer.name(), |ctx| {
                    layer.serve(ctx, model, material, &operands)
                })
            })?;
        let material = shelf.take(run.last())?;
        progress(run.graph.nodes().len(), OUTPUT);
        run.serve_result(stages.online, depth, material, &result)
    };
    Ok(staged(mode, run.graph, collect, between, answer)?)
}

/// P1: has a batch of images, in NCHW order with f fractional bits, evaluated. The result is their logits at
/// the scale of [`Layout::result`], or where the layout has a label ([`Layout::label`]), that of each image.
/// `between` as in [`serve`]. Where `weights` are only those of polynomials it sends nothing ahead: it did in
/// [`prepare`].
///
/// # Errors
/// [`Error::WrongParty`], [`Error::Batch`], [`Error::Images`], [`Error::InputRange`], later
/// [`Error::Protocol`].
pub fn query(
    stages: Stages<'_>,
    run: &Run<'_>,
    mode: DealMode,
    weights: &MaskedWeights,
    images: &[u64],
    between: &dyn Fn() -> protocols::Result<()>,
    progress: Progress<'_>,
) -> Result<Vec<i64>> {
    check(stages.online, run, Role::DataOwner)?;
    let first = run.graph.ids().next().expect("a graph has an input");
    let limit_bits = INPUT_BITS.min(run.layout.layer(first).width.bits() - 1);
    check_images(run.graph, run.batch, images, limit_bits)?;
    let prepare = |shelf: &Shelf<ClientLayer>| {
        prepare_layers(stages.ahead, run, weights, &|_, _| {}, |id, material| {
            let bytes = material.bytes();
            shelf.put(id, material, bytes)
        })
    };
    let answer = |shelf: &Shelf<ClientLayer>| {
        let ((), depth) = walk(run.graph, run.order, |id, depth, _| {
            let layer = run.layer(id);
            let material = shelf.take(id)?;
            progress(id.index(), layer.name());
            stages.online.query(Stage::Online, depth, layer.name(), |ctx| {
                layer.answer(ctx, material, weights.layer(id).unwrap_or_default(), images)
            })
        })?;
        let material = shelf.take(run.last())?;
        progress(run.graph.nodes().len(), OUTPUT);
        run.answer_result(stages.online, depth, material)
    };
    Ok(staged(mode, run.graph, prepare, between, answer)?)
}

/// P0's first stage, layer by layer.
fn collect_layers<'s>(
    session: &'s Session,
    run: &Run<'_>,
    take: Take,
    progress: Progress<'_>,
    put: impl Fn(NodeId, ServerLayer<'s>) -> protocols::Result<()>,
) -> protocols::Result<()> {
    for id in run.graph.ids() {
        let layer = run.layer(id);
        progress(id.index(), layer.name());
        let (material, _) =
            session.serve(Stage::Ahead, 0, layer.name(), |ctx| layer.collect(ctx, take))?;
        put(id, material)?;
    }
    put(run.last(), run.collect_result(session, take)?)
}

/// P1's first stage, layer by layer.
fn prepare_layers(
    session: &Session,
    run: &Run<'_>,
    weights: &MaskedWeights,
    progress: Progress<'_>,
    put: impl Fn(NodeId, ClientLayer) -> protocols::Result<()> + Sync,
) -> protocols::Result<()> {
    let prepare = |id, _, operands: &[Arc<Option<Vec<u64>>>]| {
        let layer = run.layer(id);
        progress(id.index(), layer.name());
        let operands: Vec<Option<&[u64]>> =
            operands.iter().map(|operand| operand.as_deref()).collect();
        let weights = weights.layer(id);
        let prepare = |ctx: &mut protocols::Client<'_>| layer.prepare(ctx, weights, &operands);
        let ((mask, material), _) = session.query(Stage::Ahead, 0, layer.name(), prepare)?;
        put(id, material)?;
        Ok((mask, 0))
    };
    let (mask, _) = walk(run.graph, Order::Sequential, prepare)?;
    put(run.last(), run.prepare_result(session, mask)?)
}

/// Runs both stages, one beside or after the other.
fn staged<T: Send, O>(
    mode: DealMode,
    graph: &Graph,
    ahead: impl FnOnce(&Shelf<T>) -> protocols::Result<()> + Send,
    between: &dyn Fn() -> protocols::Result<()>,
    online: impl FnOnce(&Shelf<T>) -> protocols::Result<O>,
) -> protocols::Result<O> {
    let shelf = Shelf::new(graph.nodes().len() + 1, mode == DealMode::Streamed);
    if mode == DealMode::DealtFirst {
        ahead(&shelf)?;
        between()?;
        return online(&shelf);
    }
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let result = ahead(&shelf);
            if let Err(error) = &result {
                shelf.fail(error.clone());
            }
            result
        });
        let result = online(&shelf);
        if let Err(error) = &result {
            shelf.fail(error.clone());
        }
        first.join().expect("the first stage does not panic")?;
        result
    })
}

fn check(session: &Session, run: &Run<'_>, due: Role) -> Result<()> {
    let role = session.role();
    if role != due {
        return Err(Error::WrongParty { role });
    }
    run.graph.check_batch(run.batch)
}

impl Run<'_> {
    pub(super) fn layer(&self, id: NodeId) -> Layer<'_> {
        let &Run { graph, layout, batch, .. } = self;
        Layer { graph, layout, id, batch }
    }

    /// Where the material of what follows the last layer waits.
    fn last(&self) -> NodeId {
        NodeId::new(self.graph.nodes().len())
    }

    /// The layers with weights: linear ones, and those with polynomials.
    pub(super) fn weighted(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.graph.ids().filter(|&id| self.layer(id).weight_len() > 0)
    }

    /// The layers with polynomials.
    pub(super) fn polynomials(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.weighted().filter(|&id| self.graph.linear_shape(id, 1).is_none())
    }
}

#[cfg(test)]
mod tests {
    use fixedpoint::encoding::FixedPoint;
    use protocols::{
        LayerMeasurement,
        dealer::Mask,
        test_world::{Outcome, TestWorld},
    };

    use super::{
        super::{
            cost,
            layout::{Bounds, DEFAULT_MAGNITUDE_BITS},
            reference,
        },
        *,
    };
    use crate::{graph::Dims, output::Output, test_nets, weights::Model, weights::Weights, zoo};

    struct World {
        graph: Graph,
        layout: Layout,
        model: EncodedModel,
        images: Vec<u64>,
        batch: usize,
    }

    impl World {
        fn new(graph: Graph, batch: usize) -> World {
            let model = Model::fold(&graph, &Weights::random(&graph, 11)).unwrap();
            let images = test_nets::images(&graph, batch, 12);
            World::with(graph, &model, &images, batch)
        }

        fn with(graph: Graph, model: &Model, images: &[f64], batch: usize) -> World {
            let fixed = FixedPoint::new(12);
            let bounds = Bounds::Alike(DEFAULT_MAGNITUDE_BITS);
            let layout = Layout::new(&graph, fixed, &bounds, Output::Logits).unwrap();
            let model = layout.encode(&graph, model).unwrap();
            let images = fixed.encode_slice(images).unwrap();
            World { graph, layout, model, images, batch }
        }

        /// The same with labels for results, its input being as large as before.
        fn for_labels(mut self) -> World {
            let bounds = Bounds::Alike(DEFAULT_MAGNITUDE_BITS);
            let fixed = self.layout.fixed();
            self.layout = Layout::new(&self.graph, fixed, &bounds, Output::Label).unwrap();
            self
        }

        fn over(&self, world: &TestWorld, order: Order, mode: DealMode) -> Outcome<Vec<i64>> {
            let run = Run { graph: &self.graph, layout: &self.layout, order, batch: self.batch };
            let quiet = |_: usize, _: &str| {};
            world.run(|session| {
                let stages = Stages { ahead: session, online: session };
                let key = |other| WeightKey::new(session.seed_with(other, "weights"));
                let result = match session.role() {
                    Role::ModelOwner => {
                        send_setup(session, &run, &self.model, &key(Role::CryptoProducer))
                            .and_then(|()| {
                                serve(stages, &run, mode, &self.model, &|| Ok(()), &quiet)
                            })
                            .map(|()| Vec::new())
                    }
                    Role::DataOwner => receive_setup(session, &run).and_then(|weights| {
                        query(stages, &run, mode, &weights, &self.images, &|| Ok(()), &quiet)
                    }),
                    Role::CryptoProducer => {
                        produce(session, &run, &key(Role::ModelOwner), &quiet).map(|()| Vec::new())
                    }
                };
                result.map_err(|error| match error {
                    Error::Protocol(error) => error,
                    other => panic!("{other}"),
                })
            })
        }

        /// Runs it and checks result and cost; gives the error of the result.
        fn check(&self, order: Order, mode: DealMode) {
            let name = self.graph.name();
            let outcome = self.over(&TestWorld::new(20), order, mode);
            let [served, logits, dealt] = outcome.results.map(|result| result.unwrap());
            assert!(served.is_empty() && dealt.is_empty());
            let clear =
                reference::evaluate(&self.graph, &self.layout, &self.model, &self.images).unwrap();
            assert_eq!(clear.first_outside(), None, "{name}");
            let due = clear.output(&self.graph);
            let simulated = |seed| {
                let coins =
                    reference::simulate(&self.graph, &self.layout, &self.model, &self.images, seed);
                let coins = coins.unwrap();
                let pairs = coins.output(&self.graph).iter().zip(due);
                pairs.map(|(got, due)| got.abs_diff(*due)).max().unwrap()
            };
            let allowed = 8 * (simulated(1).max(simulated(2)) + 1);
            for (got, due) in logits.iter().zip(due) {
                assert!(got.abs_diff(*due) <= allowed, "{name}: {got}, not {due} +- {allowed}");
            }
            assert_eq!(logits.len(), due.len());
            // A wrong result would not be near by chance.
            let largest = due.iter().map(|due| due.unsigned_abs()).max().unwrap();
            assert!(allowed < largest / 4, "{name}: +- {allowed} of {largest}");
            self.check_cost(&outcome.measurements);
        }

        fn check_cost(&self, seen: &[LayerMeasurement]) {
            let of = |name: &str| seen.iter().find(|layer| layer.name == name).unwrap();
            let setup = cost::setup(&self.graph, &self.layout);
            assert_eq!(of(SETUP).sent, setup.links());
            for id in self.graph.ids() {
                let name = &self.graph.node(id).name;
                let (seen, cost) =
                    (of(name), cost::layer(&self.graph, &self.layout, id, self.batch));
                assert_eq!(seen.sent, cost.links(), "{name}");
                assert_eq!(seen.received, cost.links(), "{name}");
                assert_eq!(seen.ahead, cost.ahead_links(), "{name}");
                assert_eq!(seen.rounds(), cost.rounds(), "{name}");
            }
            let output = cost::output(&self.graph, &self.layout, self.batch);
            assert_eq!(of(OUTPUT).sent, output.links());
        }
    }

    #[test]
    fn networks_give_what_they_give_in_clear_and_cost_what_is_predicted() {
        for graph in [
            test_nets::tiny(),
            test_nets::everything(),
            test_nets::powers(),
            test_nets::mixed(),
            test_nets::binary(),
            test_nets::counted_signs(),
            test_nets::fire(),
            test_nets::shuffle_units(),
        ] {
            let world = World::new(graph, 3);
            world.check(Order::Sequential, DealMode::Streamed);
            world.check(Order::Overlapped, DealMode::Streamed);
            world.check(Order::Sequential, DealMode::DealtFirst);
        }
    }

    #[test]
    fn labels_are_those_of_the_logits_and_cost_what_is_predicted() {
        let test_nets::Digits { graph, model, images, .. } = test_nets::digits();
        let batch = images.len() / graph.input().len();
        let digits = World::with(graph, &model, &images, batch);
        for world in [World::new(test_nets::tiny(), 3), World::new(test_nets::fire(), 2), digits] {
            let world = world.for_labels();
            for mode in [DealMode::Streamed, DealMode::DealtFirst] {
                let outcome = world.over(&TestWorld::new(21), Order::Sequential, mode);
                let [_, labels, _] = outcome.results.map(|result| result.unwrap());
                let clear =
                    reference::evaluate(&world.graph, &world.layout, &world.model, &world.images)
                        .unwrap();
                assert_eq!(clear.first_outside(), None);
                let logits = clear.output(&world.graph);
                let allowed = reference::expected_error(
                    &world.graph,
                    &world.layout,
                    &world.model,
                    &world.images,
                    &clear,
                );
                let allowed = allowed.unwrap() as i64;
                let classes = world.graph.dims(world.graph.output()).len();
                assert_eq!(labels.len(), world.batch);
                for (logits, &label) in logits.chunks_exact(classes).zip(&labels) {
                    let largest = logits.iter().max().unwrap();
                    assert!(largest - logits[label as usize] <= 2 * allowed, "{logits:?}: {label}");
                }
                world.check_cost(&outcome.measurements);
            }
        }
    }

    #[test]
    fn a_label_takes_nine_messages_and_little_more() {
        let world = World::new(test_nets::digits_graph(), 1);
        let logits = cost::output(&world.graph, &world.layout, 1);
        let online = |cost: &protocols::Cost| cost.bytes() - cost.ahead_links().total();
        // 10 logits of 33 bits; 4 bits after 4 levels.
        assert_eq!((logits.bytes(), logits.rounds()), (42, 1));
        let world = world.for_labels();
        let label = cost::output(&world.graph, &world.layout, 1);
        assert_eq!(label.rounds(), 9);
        assert!(online(&label) > online(&logits) && label.bytes() < 5000, "{}", label.bytes());
        // Nobody but P2 and P0 knows the mask of the logits.
        assert_eq!(world.layout.layer(world.graph.output()).mask, Mask::Hidden);
    }

    #[test]
    fn the_networks_of_the_zoo_in_their_plans() {
        for (net, name) in [
            ("squeezenet", "orig"),
            ("squeezenet", "ours"),
            ("shufflenet-v2", "orig"),
            ("shufflenet-v2", "ours"),
            ("mobilenet-v2", "orig"),
            ("mobilenet-v2", "ours"),
            ("mobilenet-v2", "none"),
        ] {
            let input = Dims::new(1, 28, 28);
            let published = zoo::with_ratios(net).unwrap();
            let ratios = zoo::Ratios::published(published, name, input).unwrap();
            let options = zoo::Options { ratios: Some(ratios), ..zoo::Options::new(input, 10) };
            let graph = zoo::build(net, &options).unwrap();
            World::new(graph, 1).check(Order::Sequential, DealMode::Streamed);
        }
    }

    #[test]
    fn digits_are_told_as_in_clear() {
        let test_nets::Digits { graph, model, images, .. } = test_nets::digits();
        let batch = images.len() / graph.input().len();
        World::with(graph, &model, &images, batch).check(Order::Sequential, DealMode::Streamed);
    }
}
