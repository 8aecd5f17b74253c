//! One party's whole run over connections that stand: the protocol on this thread, and what this
//! party saw of it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use nets::{
    Bench, EncodedModel, EvaluatorInputs,
    dealer::{self, Pace},
    graph::SETUP,
    secure,
};
use protocols::{
    LayerMeasurement, Links, Role, Session, SessionOptions, Transport, dealer::WeightKey,
    prf::Seeds, step::Step, transport::Message,
};
use serde::{Deserialize, Serialize};

use crate::{
    config::{Config, ProfileName, Protocol},
    connect::{Bound, Established, Setup},
    data::Window,
    error::Result,
    hello::Agreement,
    process::Usage,
    profile::Profile,
    quic::QuicTransport,
    task::Task,
    tls::{Identity, Trust},
};

/// What one party brings to a network's evaluation.
#[derive(Clone, Debug)]
pub enum Inputs {
    /// P0: the weights.
    Model(EncodedModel),
    /// P1: encoded images.
    Images(Images),
    /// P2: nothing.
    Nothing,
}

/// Encoded images. Debug prints their number only.
#[derive(Clone)]
pub struct Images {
    /// How many.
    pub count: usize,
    /// Image by image, channel by channel, row by row.
    pub words: Vec<u64>,
}

/// What one party saw of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The party.
    pub role: Role,
    /// Images in the batch; 0 for a bench.
    pub images: usize,
    /// Layer by layer, in the order in which they ended; `seconds` run from the end of the one
    /// before, so that they add up to the time from the query to the result in either order. What is done
    /// before the query is in `ahead_seconds`.
    pub layers: Vec<LayerMeasurement>,
    /// UDP bytes it sent.
    pub wire: Links,
    /// How long each stage took.
    pub seconds: StageSeconds,
    /// What its process used.
    pub usage: Usage,
}

/// Wall time of a run's stages at one party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageSeconds {
    /// What belongs to the model and the session.
    pub setup: f64,
    /// Dealing, where it comes before the query.
    pub offline: f64,
    /// From the query to the result, with all material present; none where it is dealt meanwhile, and
    /// at a party that takes no part in it.
    pub online: Option<f64>,
}

/// Finds the two others.
///
/// # Errors
/// [`crate::error::Error::Connect`], [`crate::error::Error::Identity`] or
/// [`crate::error::Error::Protocol`].
pub fn connect(
    bound: Bound,
    identity: Identity,
    trust: Trust,
    addresses: [SocketAddr; 3],
    agreement: Agreement,
    protocol: &Protocol,
) -> Result<Connected> {
    let role = identity.role();
    let profile = match protocol.profile {
        ProfileName::Loopback => Profile::LOOPBACK,
        ProfileName::Lan => Profile::LAN,
        ProfileName::Wan => Profile::WAN,
    };
    let connect_timeout = protocol.connect_timeout;
    let setup = Setup { identity, trust, addresses, agreement, profile, connect_timeout };
    let Established { transport, seeds } = bound.connect(&setup)?;
    Ok(Connected { role, transport, seeds })
}

/// A party whose connections to both others stand.
pub struct Connected {
    /// Who it is.
    pub role: Role,
    /// The connections.
    pub transport: Arc<QuicTransport>,
    /// What it shares with each of the others.
    pub seeds: Seeds,
}

/// Where the data owner tells how many images there are. A name that no layer can have.
const IMAGES: &str = "session/images";

/// Where the evaluators tell each other that everything is dealt.
const DEALT: &str = "session/dealt";

impl Connected {
    /// Evaluates a network; the data owner gets what the task's output says. `ended` is told how many layers have, or
    /// where branches run side by side, how many had started before the last one.
    ///
    /// # Errors
    /// What the protocol meets; the connections are closed by then.
    pub fn evaluate(
        self,
        task: &Task,
        inputs: &Inputs,
        ended: &(dyn Fn(usize) + Sync),
    ) -> Result<(Record, Vec<u64>)> {
        let images = self.announce_images(task, inputs)?;
        let (session, transport) = self.session(task.options);
        let starts = Mutex::new(HashMap::new());
        let progress = |_place: usize, layer: &str| {
            let mut starts = starts.lock().expect("no panic while locked");
            ended(starts.len());
            starts.insert(layer.to_owned(), Instant::now());
        };
        let Task { graph, fixed, order, .. } = task;
        let mut clock = Clock::new(&transport, session.role());
        let logits = match &task.plan {
            Some(plan) => {
                let run = dealer::Run { graph, plan, order: *order, batch: images };
                run_dealer(&session, &run, task.pace, inputs, &mut clock, &progress)?
            }
            None => {
                let evaluate = |inputs| {
                    secure::evaluate(&session, graph, *order, images, *fixed, inputs, &progress)
                };
                match inputs {
                    Inputs::Model(model) => evaluate(EvaluatorInputs::ModelOwner(model)),
                    Inputs::Images(images) => evaluate(EvaluatorInputs::DataOwner(&images.words)),
                    Inputs::Nothing => {
                        secure::deal(&session, graph, *order, images, &progress).map(|()| None)
                    }
                }?
                .unwrap_or_default()
            }
        };
        let seconds = clock.stop();
        ended(task.layers());
        let starts = starts.into_inner().expect("no panic while locked");
        let mut layers = session.measurements();
        let dealer = task.plan.is_some();
        let mut before = clock.began;
        for layer in &mut layers {
            let spent = match session.role() {
                Role::CryptoProducer if dealer => layer.ahead_seconds,
                _ => layer.seconds,
            };
            let end = match starts.get(&layer.name) {
                Some(start) => {
                    match clock.query() {
                        Some(query) => before = before.max(query),
                        // Where it is dealt meanwhile, nothing is spent on it alone.
                        None => layer.ahead_seconds = 0.0,
                    }
                    *start + Duration::from_secs_f64(spent)
                }
                // What is done once, before all else.
                None => before + Duration::from_secs_f64(layer.ahead_seconds),
            };
            layer.seconds = match starts.contains_key(&layer.name) {
                true => end.saturating_duration_since(before).as_secs_f64(),
                false => 0.0,
            };
            before = before.max(end);
        }
        let record = finish(&session, &transport, images, layers, seconds)?;
        Ok((record, logits))
    }

    /// Runs one operation on this party's own inputs; the result is its share of the outputs.
    ///
    /// # Errors
    /// As [`Connected::evaluate`].
    pub fn operate(
        self,
        bench: &Bench,
        options: SessionOptions,
        own: &[u64],
        ended: &dyn Fn(),
    ) -> Result<(Record, Vec<u64>)> {
        let (session, transport) = self.session(options);
        let clock = Clock::new(&transport, session.role());
        let share = bench.run(&session, own, &|| clock.dealt())?;
        let seconds = clock.stop();
        ended();
        let layers = session.measurements();
        Ok((finish(&session, &transport, 0, layers, seconds)?, share))
    }

    /// The number of images, which the data owner knows and the others must.
    fn announce_images(&self, task: &Task, inputs: &Inputs) -> Result<usize> {
        let step = Step::root(IMAGES);
        if let Inputs::Images(images) = inputs {
            let payload = (images.count as u64).to_le_bytes().to_vec();
            for other in self.role.others() {
                let (step, payload) = (step.clone(), payload.clone());
                self.transport.send(other, Message { step, phase: 0, depth: 0, payload })?;
            }
            return Ok(images.count);
        }
        let message = self.transport.recv(Role::DataOwner, &step)?;
        let count = message.payload.try_into().ok().map(u64::from_le_bytes);
        let count = count.and_then(|count| usize::try_from(count).ok());
        count.filter(|&count| task.graph.check_batch(count).is_ok()).ok_or_else(|| {
            let what = "it announced no usable number of images".into();
            let (from, step) = (Role::DataOwner, IMAGES.into());
            protocols::Error::Malformed { from, step, phase: 0, what }.into()
        })
    }

    /// The one session that these seeds are for, and the transport to be finished after it.
    fn session(self, options: SessionOptions) -> (Session, Arc<QuicTransport>) {
        (Session::new(self.role, self.transport.clone(), self.seeds, options), self.transport)
    }
}

/// One party's part of the `dealer` suite; the data owner gets the results.
fn run_dealer(
    session: &Session,
    run: &dealer::Run<'_>,
    pace: Pace,
    inputs: &Inputs,
    clock: &mut Clock<'_>,
    progress: secure::Progress<'_>,
) -> Result<Vec<u64>> {
    let stages = dealer::Stages { ahead: session, online: session };
    let key = |other| WeightKey::new(session.seed_with(other, SETUP));
    match inputs {
        Inputs::Model(model) => {
            dealer::send_setup(session, run, model, &key(Role::CryptoProducer))?;
            clock.set_up();
            dealer::serve(stages, run, pace, model, &|| clock.dealt(), progress)?;
            Ok(Vec::new())
        }
        Inputs::Images(images) => {
            let weights = dealer::receive_setup(session, run)?;
            clock.set_up();
            let between = || clock.dealt();
            let logits =
                dealer::query(stages, run, pace, &weights, &images.words, &between, progress)?;
            Ok(logits.into_iter().map(i64::cast_unsigned).collect())
        }
        Inputs::Nothing => {
            dealer::produce(session, run, &key(Role::ModelOwner), progress)?;
            Ok(Vec::new())
        }
    }
}

/// When a party's stages began.
struct Clock<'t> {
    transport: &'t QuicTransport,
    role: Role,
    began: Instant,
    ready: Instant,
    query: OnceLock<Instant>,
}

impl Clock<'_> {
    fn new(transport: &QuicTransport, role: Role) -> Clock<'_> {
        let began = Instant::now();
        Clock { transport, role, began, ready: began, query: OnceLock::new() }
    }

    /// What belongs to the model and the session is done.
    fn set_up(&mut self) {
        self.ready = Instant::now();
    }

    /// Everything is dealt at this evaluator; returns when it is at the other one too.
    fn dealt(&self) -> protocols::Result<()> {
        let other = match self.role {
            Role::ModelOwner => Role::DataOwner,
            Role::DataOwner => Role::ModelOwner,
            Role::CryptoProducer => return Ok(()),
        };
        let step = Step::root(DEALT);
        let message = Message { step: step.clone(), phase: 0, depth: 0, payload: Vec::new() };
        self.transport.send(other, message)?;
        self.transport.recv(other, &step)?;
        tracing::info!("everything is dealt");
        // A second call would be a second query.
        self.query.set(Instant::now()).expect("a session has one query");
        Ok(())
    }

    fn query(&self) -> Option<Instant> {
        self.query.get().copied()
    }

    fn stop(&self) -> StageSeconds {
        let between = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64();
        StageSeconds {
            setup: between(self.began, self.ready),
            offline: self.query().map_or(0.0, |query| between(self.ready, query)),
            online: self.query().map(|query| between(query, Instant::now())),
        }
    }
}

/// Ends the connections when both others have come as far, and tells what this party saw.
fn finish(
    session: &Session,
    transport: &QuicTransport,
    images: usize,
    layers: Vec<LayerMeasurement>,
    seconds: StageSeconds,
) -> Result<Record> {
    transport.finish()?;
    let wire = transport.wire_bytes();
    Ok(Record { role: session.role(), images, layers, wire, seconds, usage: Usage::so_far() })
}

impl Record {
    /// What this party saw of a layer.
    pub fn layer(&self, name: &str) -> Option<&LayerMeasurement> {
        self.layers.iter().find(|layer| layer.name == name)
    }
}

impl Task {
    /// Loads what a role brings; `images` overrides the config's count.
    ///
    /// # Errors
    /// As [`Task::model`] and [`Task::batch`].
    pub fn inputs(&self, role: Role, config: &Config, window: Window) -> Result<Inputs> {
        Ok(match role {
            Role::ModelOwner => Inputs::Model(self.model(config)?.1),
            Role::DataOwner => {
                let (batch, words) = self.batch(config, window)?;
                Inputs::Images(Images { count: batch.images, words })
            }
            Role::CryptoProducer => Inputs::Nothing,
        })
    }
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Images({})", self.count)
    }
}
