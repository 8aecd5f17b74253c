//! The executor of the `dealer` suite: it does everything that does not depend on the query ahead
//! of it.
//!
//! All three parties walk the same graph. Ahead of the query, P2 deals layer by layer, P1 sends the
//! messages of linear layers that depend on its masks, and P0 collects both. From the query on, P0
//! and P1 exchange two messages for each non-linear layer. Both stages of a layer have the layer's
//! name in the ledger, and P0's messages that are sent once for a model have the name [`SETUP`]. In
//! the mode [`DealMode::Streamed`], each stage runs on its own thread, the first just ahead of the
//! second; in [`DealMode::DealtFirst`], the first ends before the second begins.

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
    suites::execution::{
        DealMode, INPUT_BITS, MaskedWeights, Progress, Sessions, check_images, check_model,
    },
    weights::EncodedModel,
};

/// A run, the same at all parties.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// The architecture.
    pub(super) graph: &'a Graph,
    /// The layout.
    pub(super) layout: &'a Layout,
    /// The order in which layers start online.
    pub(super) order: Order,
    /// The number of images.
    pub(super) batch: usize,
}

/// P0, once for a model and session: sends P1 the masked weights.
///
/// # Errors
/// [`Error::ModelGraph`], [`Error::ModelEncoding`], [`Error::Protocol`].
pub(super) fn send_setup(
    session: &Session,
    run: &Run<'_>,
    model: &EncodedModel,
    key: &WeightKey,
) -> Result<()> {
    check_model(run.graph, run.layout.fixed(), model)?;
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

/// P1, once for a model and session: receives the masked weights.
///
/// # Errors
/// [`Error::Protocol`].
pub(super) fn receive_setup(session: &Session, run: &Run<'_>) -> Result<MaskedWeights> {
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

/// P2's whole part, which is all ahead of the query.
///
/// # Errors
/// [`Error::WrongParty`], [`Error::Batch`]; after that, [`Error::Protocol`].
pub(super) fn produce(
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

/// P0's stage ahead of a later query: receives the messages of the others. It keeps nothing; the
/// transport must store the messages and return them to the session of [`serve`].
///
/// # Errors
/// Those of [`produce`].
pub(super) fn collect(session: &Session, run: &Run<'_>, progress: Progress<'_>) -> Result<()> {
    check(session, run, Role::ModelOwner)?;
    Ok(collect_layers(session, run, Take::Ahead, progress, |_, _| Ok(()))?)
}

/// P1's stage ahead of a later query: sends the messages that depend on its masks. It keeps
/// nothing; a session with the same seeds can [`query`] with the masked weights of polynomials
/// alone.
///
/// # Errors
/// Those of [`produce`].
pub(super) fn prepare(
    session: &Session,
    run: &Run<'_>,
    weights: &MaskedWeights,
    progress: Progress<'_>,
) -> Result<()> {
    check(session, run, Role::DataOwner)?;
    Ok(prepare_layers(session, run, weights, progress, |_, _| Ok(()))?)
}

/// P0's part of a query. `between` is called when everything is dealt, in [`DealMode::DealtFirst`].
///
/// # Errors
/// [`Error::WrongParty`], [`Error::Batch`], [`Error::ModelEncoding`], [`Error::ModelGraph`]; after
/// that, [`Error::Protocol`].
pub(super) fn serve<'s>(
    sessions: Sessions<'s>,
    run: &Run<'_>,
    mode: DealMode,
    model: &EncodedModel,
    between: &dyn Fn() -> protocols::Result<()>,
    progress: Progress<'_>,
) -> Result<()> {
    check(sessions.online, run, Role::ModelOwner)?;
    check_model(run.graph, run.layout.fixed(), model)?;
    // In one session, messages wait at their sender until they are needed. Stored messages must be
    // read in the order in which they were sent.
    let take = match mode {
        DealMode::Streamed if sessions.is_one_session() => Take::WhenNeeded,
        DealMode::Streamed | DealMode::DealtFirst => Take::Ahead,
    };
    let collect = |shelf: &Shelf<ServerLayer<'s>>| {
        collect_layers(sessions.ahead, run, take, &|_, _| {}, |id, material| {
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
                sessions.online.serve(Stage::Online, depth, layer.name(), |ctx| {
                    layer.serve(ctx, model, material, &operands)
                })
            })?;
        let material = shelf.take(run.result_place())?;
        progress(run.graph.nodes().len(), OUTPUT);
        run.serve_result(sessions.online, depth, material, &result)
    };
    Ok(staged(mode, run.graph, collect, between, answer)?)
}

/// P1's part of a query: a batch of images in NCHW order with f fractional bits. The result is
/// their logits at the scale of [`Layout::result_fixed`] or, if the layout has a label, the label
/// of each image. `between` is called as in [`serve`]. With the masked weights of polynomials
/// alone, P1 sends nothing ahead, as it did so in [`prepare`].
///
/// # Errors
/// [`Error::WrongParty`], [`Error::Batch`], [`Error::Images`], [`Error::InputRange`]; after that,
/// [`Error::Protocol`].
pub(super) fn query(
    sessions: Sessions<'_>,
    run: &Run<'_>,
    mode: DealMode,
    weights: &MaskedWeights,
    images: &[u64],
    between: &dyn Fn() -> protocols::Result<()>,
    progress: Progress<'_>,
) -> Result<Vec<i64>> {
    check(sessions.online, run, Role::DataOwner)?;
    let first = run.graph.ids().next().expect("a graph has an input");
    let limit_bits = INPUT_BITS.min(run.layout.layer(first).width.bits() - 1);
    check_images(run.graph, run.batch, images, limit_bits)?;
    let prepare = |shelf: &Shelf<ClientLayer>| {
        prepare_layers(sessions.ahead, run, weights, &|_, _| {}, |id, material| {
            let bytes = material.bytes();
            shelf.put(id, material, bytes)
        })
    };
    let answer = |shelf: &Shelf<ClientLayer>| {
        let ((), depth) = walk(run.graph, run.order, |id, depth, _| {
            let layer = run.layer(id);
            let material = shelf.take(id)?;
            progress(id.index(), layer.name());
            sessions.online.query(Stage::Online, depth, layer.name(), |ctx| {
                layer.answer(ctx, material, weights.layer(id).unwrap_or_default(), images)
            })
        })?;
        let material = shelf.take(run.result_place())?;
        progress(run.graph.nodes().len(), OUTPUT);
        run.answer_result(sessions.online, depth, material)
    };
    Ok(staged(mode, run.graph, prepare, between, answer)?)
}

/// P0's stage ahead of the query, layer by layer; `put` stores the material.
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
    put(run.result_place(), run.collect_result(session, take)?)
}

/// P1's stage ahead of the query, layer by layer; `put` stores the material.
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
    put(run.result_place(), run.prepare_result(session, mask)?)
}

/// Runs both stages, in parallel or one after the other.
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

/// Checks that the session is that of a role, and the batch.
fn check(session: &Session, run: &Run<'_>, due: Role) -> Result<()> {
    let role = session.role();
    if role != due {
        return Err(Error::WrongParty { role });
    }
    run.graph.check_batch(run.batch)
}

impl Run<'_> {
    /// A layer of this run.
    pub(super) fn layer(&self, id: NodeId) -> Layer<'_> {
        let &Run { graph, layout, batch, .. } = self;
        Layer { graph, layout, id, batch }
    }

    /// The place on the shelf of the material for the step after the last layer.
    fn result_place(&self) -> NodeId {
        NodeId::new(self.graph.nodes().len())
    }

    /// The layers with weights: linear layers and activations with polynomials.
    pub(super) fn weighted(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.graph.ids().filter(|&id| self.layer(id).weight_len() > 0)
    }

    /// The activations with polynomials.
    pub(super) fn polynomials(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.weighted().filter(|&id| self.graph.linear_shape(id, 1).is_none())
    }
}

#[cfg(test)]
mod tests {
    use protocols::test_world::TestWorld;

    use super::*;
    use crate::{
        graph::Dims,
        suites::{SuiteName, test_run::TestRun},
        zoo,
    };

    #[test]
    fn the_networks_of_the_zoo_with_published_ratios() {
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
            let run = TestRun::new(SuiteName::Dealer, zoo::build(net, &options).unwrap(), 1);
            run.check(&TestWorld::new(20), Order::Sequential, DealMode::Streamed);
        }
    }
}
