//! One party's whole run over links that stand: the protocol on this thread, and what the party saw
//! of it.

use std::{borrow::Cow, path::Path, sync::Arc};

use nets::{
    Bench,
    suites::{self, DealMode, Execution, Preprocessing, Progress, Sessions},
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
    progress: Progress<'a>,
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
        let (keys, setup_kept) = match task.suite.preprocessing() {
            Some(preprocessing) => {
                self.model_keys(&evaluation, preprocessing, state.as_deref(), &mut clock)?
            }
            None => (None, false),
        };
        let results = evaluation.run(keys.as_ref(), &clock);
        // What went wrong on the file ends the links, too.
        let results = results.inspect_err(|error| {
            if let Error::Protocol(error) = error {
                session.abort(error.clone());
            }
        })?;
        let seconds = clock.stop();
        ended(task.layer_count());
        let mut layers = session.measurements();
        let is_producer = self.role == Role::CryptoProducer;
        let dealt_apart = is_producer && task.suite.preprocessing().is_some();
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

    /// Gets what this party has for the linear layers, from the material or by the setup; returns
    /// whether the masked weights were kept.
    fn model_keys(
        &self,
        evaluation: &Evaluation<'_>,
        preprocessing: &dyn Preprocessing,
        state: Option<&Path>,
        clock: &mut Clock<'_>,
    ) -> Result<(Option<ModelKeys>, bool)> {
        let Evaluation { task, inputs, session, dealt, .. } = *evaluation;
        let (keys, setup_kept) = match dealt {
            Some(dealt) => (dealt.keys(preprocessing, self.role)?, false),
            None => {
                let setup = self.set_up(session, task, preprocessing, inputs, state)?;
                (Some(setup.keys), setup.kept)
            }
        };
        clock.end_setup();
        Ok((keys, setup_kept))
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
        let preprocessing = task.suite.preprocessing().expect("material is of such a suite");
        let (session, transport) = self.session("setup", task.options);
        let mut clock = Clock::start(&*transport, session.role());
        let setup = self.set_up(&session, task, preprocessing, inputs, state.as_deref())?;
        clock.end_setup();
        let progress = |place: usize, _: &str| ended(place);
        let job = DealJob {
            store,
            preprocessing,
            batch: images,
            options: task.options,
            made_for,
            progress: &progress,
        };
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
    /// A role's keys for the linear layers; the model owner has no more than its weights.
    fn keys(&self, preprocessing: &dyn Preprocessing, role: Role) -> Result<Option<ModelKeys>> {
        if role != Role::DataOwner {
            return Ok(None);
        }
        let weights = preprocessing.unpack_for_query(&self.weights);
        let damaged = || Error::Run("the material's weights are damaged".into());
        Ok(Some(ModelKeys::DataOwner(weights.ok_or_else(damaged)?)))
    }
}

impl Evaluation<'_> {
    /// One party's part, after its setup; the data owner gets the results. Without keys the stage
    /// ahead of the query was long ago.
    fn run(&self, keys: Option<&ModelKeys>, clock: &Clock<'_>) -> Result<Vec<u64>> {
        let &Evaluation { task, inputs, images, session, dealt, progress } = self;
        if dealt.is_some() && task.mode == DealMode::Streamed {
            // From here on all is online: what is still read is read from files.
            clock.await_dealt()?;
        }
        let ahead = dealt.map_or(session, |dealt| &dealt.session);
        let words = match inputs {
            Inputs::Images(own) => own.padded(images, task.graph().input().len()),
            Inputs::Model(_) | Inputs::Nothing => Cow::default(),
        };
        let execution = Execution {
            sessions: Sessions { ahead, online: session },
            order: task.order,
            batch: images,
            mode: task.mode,
            inputs: suite_inputs(inputs, &words, keys),
            dealt: &|| clock.await_dealt(),
            progress,
        };
        match inputs {
            Inputs::Model(_) => Ok(task.suite.evaluate(&execution)?),
            Inputs::Images(own) => {
                let mut results = task.suite.evaluate(&execution)?;
                results.truncate(results.len() / images * own.count);
                Ok(results)
            }
            Inputs::Nothing => {
                task.suite.deal(&execution)?;
                Ok(Vec::new())
            }
        }
    }
}

/// The inputs as the suite takes them, `images` being the encoded ones.
fn suite_inputs<'a>(
    inputs: &'a Inputs,
    images: &'a [u64],
    keys: Option<&'a ModelKeys>,
) -> suites::Inputs<'a> {
    let weights = keys.and_then(ModelKeys::masked_weights);
    match inputs {
        Inputs::Model(model) => suites::Inputs::ModelOwner { model },
        Inputs::Images(_) => suites::Inputs::DataOwner { images, weights },
        Inputs::Nothing => {
            suites::Inputs::CryptoProducer { key: keys.and_then(ModelKeys::weight_key) }
        }
    }
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
