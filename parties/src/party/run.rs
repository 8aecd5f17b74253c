//! One party's whole run over links that stand: the protocol on this thread, and what the party saw
//! of it.

use std::{path::Path, sync::Arc};

use nets::{
    Bench, EvaluatorInputs,
    dealer::{self, MaskedWeights, Pace},
    secure,
};
use protocols::{LayerMeasurement, Role, Session, SessionOptions};

use super::{
    connected::Connected,
    inputs::Inputs,
    material::{DealJob, Held, MadeFor, Stock, Store, Stored},
    process::Usage,
    ready::{Material, Ready},
    record::{Record, StageSeconds},
    task::Task,
    timing::{Clock, LayerStarts},
    weight_keys::ModelKeys,
};
use crate::{
    error::{Error, Result},
    link::ProcessTransport,
};

/// A query whose material was made before.
struct DealtQuery {
    /// The session that reads the material.
    session: Session,
    stock: Stock,
    images: usize,
    /// Packed, at the data owner.
    weights: Vec<u8>,
}

/// An evaluation under way.
struct Evaluation<'a> {
    task: &'a Task,
    inputs: &'a Inputs,
    images: usize,
    session: &'a Session,
    /// The material, where it was made before.
    dealt: Option<&'a DealtQuery>,
    progress: secure::Progress<'a>,
}

impl Connected {
    /// Does a party's part for a network. Where that is evaluated, the data owner gets what the
    /// task's output says. `ended` is told how many layers have ended, or, where branches run side
    /// by side, how many had started before the last one.
    ///
    /// # Errors
    /// Whatever the protocol meets; the links are closed by then.
    pub(crate) fn run(
        self,
        task: &Task,
        ready: &Ready,
        ended: &(dyn Fn(usize) + Sync),
    ) -> Result<(Record, Vec<u64>)> {
        match &ready.material {
            Material::None => self.evaluate(task, ready, None, ended),
            Material::Held(held) => self.evaluate(task, ready, Some(held), ended),
            Material::New { store, queries, made_for } => {
                Ok((self.deal(task, ready, store, *queries, *made_for, ended)?, Vec::new()))
            }
        }
    }

    /// Runs one operation on this party's own inputs; the result is its share of the outputs.
    ///
    /// # Errors
    /// Whatever the protocol meets; the links are closed by then.
    pub(crate) fn operate(
        self,
        bench: &Bench,
        options: SessionOptions,
        inputs: &[u64],
        ended: &dyn Fn(),
    ) -> Result<(Record, Vec<u64>)> {
        let (session, transport) = self.session("operate", options);
        let clock = Clock::start(&*transport, session.role());
        let share = bench.run(&session, inputs, &|| clock.await_dealt())?;
        let seconds = clock.stop();
        ended();
        let layers = session.measurements();
        Ok((finish(&session, &*transport, 0, layers, seconds)?, share))
    }

    fn evaluate(
        self,
        task: &Task,
        Ready { inputs, state, .. }: &Ready,
        held: Option<&Held>,
        ended: &(dyn Fn(usize) + Sync),
    ) -> Result<(Record, Vec<u64>)> {
        let (session, transport) = self.session("answer", task.options);
        let dealt = held.map(|held| self.dealt_query(held, task.options)).transpose()?;
        let images = match &dealt {
            Some(dealt) => dealt.images,
            None => self.announce_images(task, inputs)?,
        };
        let starts = LayerStarts::default();
        let progress = |_place: usize, layer: &str| ended(starts.note(layer));
        let mut clock = Clock::start(&*transport, session.role());
        let evaluation = Evaluation {
            task,
            inputs,
            images,
            session: &session,
            dealt: dealt.as_ref(),
            progress: &progress,
        };
        let (results, setup_kept) = if task.plan.is_some() {
            self.evaluate_dealer(&evaluation, state.as_deref(), &mut clock)?
        } else {
            (evaluation.securenn()?, false)
        };
        let seconds = clock.stop();
        ended(task.layer_count());
        let mut layers = session.measurements();
        let dealt_apart = task.plan.is_some() && self.role == Role::CryptoProducer;
        starts.chain(&mut layers, &clock, dealt_apart);
        let record = finish(&session, &*transport, images, layers, seconds)?;
        let stock = dealt.map(|dealt| dealt.stock);
        Ok((Record { setup_kept, stock, ..record }, results))
    }

    /// Agrees on a query of the material with the other evaluator, and opens it.
    fn dealt_query(&self, held: &Held, options: SessionOptions) -> Result<DealtQuery> {
        let query = self.take_query(held)?;
        let (name, images) = (query.label.name, query.label.batch as usize);
        let stock = Stock {
            session: name.session_hex(),
            first: name.query,
            queries: 1,
            file_bytes: query.size(),
        };
        let (seeds, messages) = query.into_parts();
        let stored = Stored::new(messages);
        let weights = match self.role {
            Role::DataOwner => stored.weights()?,
            Role::ModelOwner | Role::CryptoProducer => Vec::new(),
        };
        let session = Session::new(self.role, Arc::new(stored), seeds, options);
        Ok(DealtQuery { session, stock, images, weights })
    }

    /// Evaluates in `dealer`; returns the results and whether the masked weights were kept.
    fn evaluate_dealer(
        &self,
        evaluation: &Evaluation<'_>,
        state: Option<&Path>,
        clock: &mut Clock<'_>,
    ) -> Result<(Vec<u64>, bool)> {
        let Evaluation { inputs, session, dealt, .. } = *evaluation;
        let run = evaluation.dealer_run();
        let (keys, setup_kept) = match dealt {
            Some(dealt) => (dealt.keys(&run, self.role)?, false),
            None => {
                let setup = self.set_up(session, &run, inputs, state)?;
                (Some(setup.keys), setup.kept)
            }
        };
        clock.end_setup();
        let results = evaluation.dealer(&run, keys.as_ref(), clock);
        // What went wrong on the file ends the links, too.
        let results = results.inspect_err(|error| {
            if let Error::Protocol(error) = error {
                session.abort(error.clone());
            }
        })?;
        Ok((results, setup_kept))
    }

    /// Makes material.
    fn deal(
        self,
        task: &Task,
        Ready { inputs, state, .. }: &Ready,
        store: &Store,
        queries: u64,
        made_for: MadeFor,
        ended: &(dyn Fn(usize) + Sync),
    ) -> Result<Record> {
        let images = self.announce_images(task, inputs)?;
        let run = dealer_run(task, images);
        let (session, transport) = self.session("setup", task.options);
        let mut clock = Clock::start(&*transport, session.role());
        let setup = self.set_up(&session, &run, inputs, state.as_deref())?;
        clock.end_setup();
        let progress = |place: usize, _: &str| ended(place);
        let job = DealJob { store, run, options: task.options, made_for, progress: &progress };
        let (mut layers, stock) = self.make(&job, queries, &setup.keys)?;
        let offline = clock.since_setup();
        ended(task.layer_count());
        layers.extend(session.measurements());
        let seconds = StageSeconds { offline, ..clock.stop() };
        let record = finish(&session, &*transport, images, layers, seconds)?;
        Ok(Record { setup_kept: setup.kept, stock: Some(stock), ..record })
    }
}

impl DealtQuery {
    /// What a role has for the linear layers; the model owner has no more than its weights.
    fn keys(&self, run: &dealer::Run<'_>, role: Role) -> Result<Option<ModelKeys>> {
        if role != Role::DataOwner {
            return Ok(None);
        }
        let weights = MaskedWeights::unpack_for_query(run, &self.weights);
        let damaged = || Error::Run("the material's weights are damaged".into());
        Ok(Some(ModelKeys::DataOwner(weights.ok_or_else(damaged)?)))
    }
}

impl<'a> Evaluation<'a> {
    fn dealer_run(&self) -> dealer::Run<'a> {
        dealer_run(self.task, self.images)
    }

    /// One party's part of `securenn`; the data owner gets the results.
    fn securenn(&self) -> Result<Vec<u64>> {
        let Task { graph, fixed, order, output, .. } = self.task;
        let run = secure::Run { graph, order: *order, batch: self.images, output: *output };
        let evaluate = |inputs| secure::evaluate(self.session, &run, *fixed, inputs, self.progress);
        let results = match self.inputs {
            Inputs::Model(model) => evaluate(EvaluatorInputs::ModelOwner(model)),
            Inputs::Images(images) => evaluate(EvaluatorInputs::DataOwner(&images.words)),
            Inputs::Nothing => secure::deal(self.session, &run, self.progress).map(|()| None),
        };
        Ok(results?.unwrap_or_default())
    }

    /// One party's part of `dealer`, after its setup; the data owner gets the results. Without keys
    /// the first stage was long ago.
    fn dealer(
        &self,
        run: &dealer::Run<'_>,
        keys: Option<&ModelKeys>,
        clock: &Clock<'_>,
    ) -> Result<Vec<u64>> {
        let (session, progress, pace) = (self.session, self.progress, self.task.pace);
        if self.dealt.is_some() && pace == Pace::Streamed {
            // From here on all is online: what is still read is read from files.
            clock.await_dealt()?;
        }
        let ahead = self.dealt.map_or(session, |dealt| &dealt.session);
        let stages = dealer::Stages { ahead, online: session };
        let between = || clock.await_dealt();
        match (self.inputs, keys) {
            (Inputs::Model(model), _) => {
                dealer::serve(stages, run, pace, model, &between, progress)?;
                Ok(Vec::new())
            }
            (Inputs::Images(images), keys) => {
                let Some(ModelKeys::DataOwner(weights)) = keys else {
                    unreachable!("the data owner has masked weights, of polynomials at least");
                };
                let words = images.padded(run);
                let results =
                    dealer::query(stages, run, pace, weights, &words, &between, progress)?;
                let due = results.len() / run.batch * images.count;
                Ok(results.into_iter().take(due).map(i64::cast_unsigned).collect())
            }
            (Inputs::Nothing, Some(ModelKeys::CryptoProducer(key))) => {
                dealer::produce(ahead, run, key, progress)?;
                Ok(Vec::new())
            }
            (Inputs::Nothing, _) => {
                unreachable!("the crypto producer deals with its key or not at all")
            }
        }
    }
}

fn dealer_run(task: &Task, images: usize) -> dealer::Run<'_> {
    let plan = task.plan.as_ref().expect("the dealer suite has a plan");
    dealer::Run { graph: &task.graph, plan, order: task.order, batch: images }
}

/// Closes the links when both others have come as far; returns what this party saw.
fn finish(
    session: &Session,
    transport: &dyn ProcessTransport,
    images: usize,
    layers: Vec<LayerMeasurement>,
    seconds: StageSeconds,
) -> Result<Record> {
    transport.finish()?;
    let wire = transport.wire_bytes();
    let (role, usage) = (session.role(), Usage::so_far());
    Ok(Record { role, images, layers, wire, seconds, usage, setup_kept: false, stock: None })
}
