//! One party's whole run over connections that stand: the protocol on this thread, and what this
//! party saw of it.

use std::{
    borrow::Cow,
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use nets::{
    Bench, EncodedModel, EvaluatorInputs,
    dealer::{self, MaskedWeights, Pace},
    secure,
};
use protocols::{
    LayerMeasurement, Links, Role, Session, SessionOptions, Transport, prf::Seeds, step::Step,
    transport::Message,
};
use serde::{Deserialize, Serialize};

use crate::{
    config::{Config, ProfileName, Protocol},
    data::Window,
    error::{Error, Result},
    link::{
        connect::{Bound, Established, Setup},
        hello::{Agreement, Purpose},
        profile::Profile,
        quic::QuicTransport,
        tls::{Identity, Trust},
    },
    party::{
        material::{Fit, Held, Making, Stock, Store},
        process::Usage,
        task::Task,
        weight_keys::ModelKeys,
    },
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

/// What the parties are to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// Evaluate the network.
    #[default]
    Answer,
    /// Make material for later.
    Deal {
        /// How many queries.
        queries: u64,
        /// Images a query, if the config's count is not meant.
        images: Option<usize>,
        /// Where to: each party has a directory of its own in it.
        directory: PathBuf,
    },
    /// Evaluate the network with a query's material.
    AnswerDealt {
        /// Where from.
        directory: PathBuf,
    },
}

impl Work {
    /// What the parties agree on about it.
    pub fn purpose(&self) -> Purpose {
        match self {
            Work::Answer => Purpose::Answer,
            Work::Deal { queries, .. } => Purpose::Deal(*queries),
            Work::AnswerDealt { .. } => Purpose::AnswerDealt,
        }
    }
}

/// All that a party brings, checked before any connection.
#[derive(Clone, Debug)]
pub struct Ready {
    inputs: Inputs,
    material: Material,
    /// Where it keeps what outlives a session.
    state: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Material {
    /// Streamed, and used at once.
    None,
    /// To be made.
    New { store: Store, queries: u64, fit: Fit },
    /// Made before.
    Held(Held),
}

impl Ready {
    /// Checks that a party can do its part.
    ///
    /// # Errors
    /// [`Error::File`] without material that fits, [`Error::Usage`] for a suite that has none.
    pub fn new(
        task: &Task,
        role: Role,
        config: &Config,
        inputs: Inputs,
        work: &Work,
    ) -> Result<Ready> {
        let material = match work {
            Work::Answer => Material::None,
            Work::Deal { queries, directory, .. } => {
                let fit = Fit::of(task, &inputs)?;
                Material::New { store: Store::make(directory, role)?, queries: *queries, fit }
            }
            Work::AnswerDealt { directory } => {
                let images = match &inputs {
                    Inputs::Images(images) => images.count,
                    Inputs::Model(_) | Inputs::Nothing => 0,
                };
                let fit = Fit::of(task, &inputs)?;
                Material::Held(Store::open(directory, role, &fit, images)?)
            }
        };
        let state = config.hosts[role.index()].state.clone();
        Ok(Ready { inputs, material, state })
    }
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
    /// Whether the data owner had the masked weights from an earlier session.
    pub setup_kept: bool,
    /// The material that it made, or used up.
    pub stock: Option<Stock>,
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

/// Finds the others.
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
    let peers = agreement.purpose.peers(role);
    let setup = Setup { identity, trust, addresses, agreement, profile, connect_timeout };
    let Established { transport, session, seeds } = bound.connect(&setup)?;
    Ok(Connected { role, peers, session, transport, seeds })
}

/// A party whose connections stand.
pub struct Connected {
    /// Who it is.
    pub role: Role,
    /// The others that take part.
    pub peers: Vec<Role>,
    /// The session's name.
    pub session: [u8; 32],
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
    /// Does a party's part for a network; where that is evaluated, the data owner gets what the task's output
    /// says. `ended` is told how many layers have, or where branches run side by side, how many had
    /// started before the last one.
    ///
    /// # Errors
    /// What the protocol meets; the connections are closed by then.
    pub fn run(
        self,
        task: &Task,
        ready: &Ready,
        ended: &(dyn Fn(usize) + Sync),
    ) -> Result<(Record, Vec<u64>)> {
        match &ready.material {
            Material::None => self.evaluate(task, ready, None, ended),
            Material::Held(held) => self.evaluate(task, ready, Some(held), ended),
            Material::New { store, queries, fit } => {
                Ok((self.deal(task, ready, store, *queries, *fit, ended)?, Vec::new()))
            }
        }
    }

    fn evaluate(
        self,
        task: &Task,
        Ready { inputs, state, .. }: &Ready,
        held: Option<&Held>,
        ended: &(dyn Fn(usize) + Sync),
    ) -> Result<(Record, Vec<u64>)> {
        let (session, transport) = self.session("answer", task.options);
        let (mut stock, mut ahead, mut kept_weights) = (None, None, Vec::new());
        let images = match held {
            None => self.announce_images(task, inputs)?,
            Some(held) => {
                let query = self.take_query(held)?;
                let (name, images) = (query.label.name, query.label.batch as usize);
                let (file_bytes, hex) = (query.size(), name.session_hex());
                stock = Some(Stock { session: hex, first: name.query, queries: 1, file_bytes });
                let (seeds, stored) = query.into_parts();
                if self.role == Role::DataOwner {
                    kept_weights = stored.weights()?;
                }
                ahead = Some(Session::new(self.role, Arc::new(stored), seeds, task.options));
                images
            }
        };
        let starts = Mutex::new(HashMap::new());
        let progress = |_place: usize, layer: &str| {
            let mut starts = starts.lock().expect("no panic while locked");
            ended(starts.len());
            starts.insert(layer.to_owned(), Instant::now());
        };
        let Task { graph, fixed, order, output, .. } = task;
        let mut clock = Clock::new(&transport, session.role());
        let mut setup_kept = false;
        let logits = match &task.plan {
            Some(plan) => {
                let run = dealer::Run { graph, plan, order: *order, batch: images };
                let keys = match (&ahead, self.role) {
                    (Some(_), Role::DataOwner) => {
                        let weights = MaskedWeights::unpack_for_query(&run, &kept_weights);
                        let damaged = || Error::Run("the material's weights are damaged".into());
                        Some(ModelKeys::DataOwner(weights.ok_or_else(damaged)?))
                    }
                    (Some(_), _) => None,
                    (None, _) => {
                        let setup = self.set_up(&session, &run, inputs, state.as_deref())?;
                        setup_kept = setup.kept;
                        Some(setup.keys)
                    }
                };
                clock.set_up();
                let stages =
                    dealer::Stages { ahead: ahead.as_ref().unwrap_or(&session), online: &session };
                let keys = keys.as_ref();
                let done = run_dealer(stages, &run, task.pace, inputs, keys, &clock, &progress);
                // What went wrong on the file ends the connection, too.
                done.inspect_err(|error| {
                    if let Error::Protocol(error) = error {
                        session.abort(error.clone());
                    }
                })?
            }
            None => {
                let run = secure::Run { graph, order: *order, batch: images, output: *output };
                let evaluate = |inputs| secure::evaluate(&session, &run, *fixed, inputs, &progress);
                match inputs {
                    Inputs::Model(model) => evaluate(EvaluatorInputs::ModelOwner(model)),
                    Inputs::Images(images) => evaluate(EvaluatorInputs::DataOwner(&images.words)),
                    Inputs::Nothing => secure::deal(&session, &run, &progress).map(|()| None),
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
        Ok((Record { setup_kept, stock, ..record }, logits))
    }

    /// Makes material.
    fn deal(
        self,
        task: &Task,
        Ready { inputs, state, .. }: &Ready,
        store: &Store,
        queries: u64,
        fit: Fit,
        ended: &(dyn Fn(usize) + Sync),
    ) -> Result<Record> {
        let images = self.announce_images(task, inputs)?;
        let Task { graph, order, .. } = task;
        let plan = task.plan.as_ref().expect("material fits a plan");
        let run = dealer::Run { graph, plan, order: *order, batch: images };
        let (session, transport) = self.session("setup", task.options);
        let mut clock = Clock::new(&transport, session.role());
        let setup = self.set_up(&session, &run, inputs, state.as_deref())?;
        clock.set_up();
        let progress = |place: usize, _: &str| ended(place);
        let making = Making { store, run, options: task.options, fit, progress: &progress };
        let (mut layers, stock) = self.make(&making, queries, &setup.keys)?;
        let offline = clock.ready.elapsed().as_secs_f64();
        ended(task.layers());
        layers.extend(session.measurements());
        let seconds = StageSeconds { offline, ..clock.stop() };
        let record = finish(&session, &transport, images, layers, seconds)?;
        Ok(Record { setup_kept: setup.kept, stock: Some(stock), ..record })
    }

    /// Runs one operation on this party's own inputs; the result is its share of the outputs.
    ///
    /// # Errors
    /// What the protocol meets; the connections are closed by then.
    pub fn operate(
        self,
        bench: &Bench,
        options: SessionOptions,
        own: &[u64],
        ended: &dyn Fn(),
    ) -> Result<(Record, Vec<u64>)> {
        let (session, transport) = self.session("operate", options);
        let clock = Clock::new(&transport, session.role());
        let share = bench.run(&session, own, &|| clock.dealt())?;
        let seconds = clock.stop();
        ended();
        let layers = session.measurements();
        Ok((finish(&session, &transport, 0, layers, seconds)?, share))
    }

    /// The number of images, which the data owner knows and the others must.
    fn announce_images(&self, task: &Task, inputs: &Inputs) -> Result<usize> {
        if let Inputs::Images(images) = inputs {
            for &other in &self.peers {
                self.tell(other, IMAGES, (images.count as u64).to_le_bytes().to_vec())?;
            }
            return Ok(images.count);
        }
        let count = self.hear(Role::DataOwner, IMAGES)?;
        let count = count.try_into().ok().map(u64::from_le_bytes);
        let count = count.and_then(|count| usize::try_from(count).ok());
        count.filter(|&count| task.graph.check_batch(count).is_ok()).ok_or_else(|| {
            let what = "it announced no usable number of images".into();
            let (from, step) = (Role::DataOwner, IMAGES.into());
            protocols::Error::Malformed { from, step, phase: 0, what }.into()
        })
    }

    /// Tells another party what is no payload of a protocol.
    pub(crate) fn tell(&self, to: Role, place: &str, payload: Vec<u8>) -> protocols::Result<()> {
        self.transport.send(to, Message { step: Step::root(place), phase: 0, depth: 0, payload })
    }

    /// What another party told.
    pub(crate) fn hear(&self, from: Role, place: &str) -> protocols::Result<Vec<u8>> {
        Ok(self.transport.recv(from, &Step::root(place))?.payload)
    }

    /// The one session of these seeds for a purpose, and the transport to be finished after it.
    fn session(&self, purpose: &str, options: SessionOptions) -> (Session, Arc<QuicTransport>) {
        let seeds = self.seeds.derive(purpose);
        (Session::new(self.role, self.transport.clone(), seeds, options), self.transport.clone())
    }
}

/// One party's part of the `dealer` suite, after its setup; the data owner gets the results. Without keys the
/// first stage was long ago.
fn run_dealer(
    stages: dealer::Stages<'_>,
    run: &dealer::Run<'_>,
    pace: Pace,
    inputs: &Inputs,
    keys: Option<&ModelKeys>,
    clock: &Clock<'_>,
    progress: secure::Progress<'_>,
) -> Result<Vec<u64>> {
    if !std::ptr::eq(stages.ahead, stages.online) && pace == Pace::Streamed {
        // From here on all is online: what is still read is read from files.
        clock.dealt()?;
    }
    let between = || clock.dealt();
    match (inputs, keys) {
        (Inputs::Model(model), _) => {
            dealer::serve(stages, run, pace, model, &between, progress)?;
            Ok(Vec::new())
        }
        (Inputs::Images(images), keys) => {
            let Some(ModelKeys::DataOwner(weights)) = keys else {
                unreachable!("the data owner has masked weights, of polynomials at least");
            };
            let words = images.padded(run);
            let logits = dealer::query(stages, run, pace, weights, &words, &between, progress)?;
            let due = logits.len() / run.batch * images.count;
            Ok(logits.into_iter().take(due).map(i64::cast_unsigned).collect())
        }
        (Inputs::Nothing, Some(ModelKeys::CryptoProducer(key))) => {
            dealer::produce(stages.ahead, run, key, progress)?;
            Ok(Vec::new())
        }
        (Inputs::Nothing, _) => {
            unreachable!("the crypto producer deals with its key or not at all")
        }
    }
}

impl Images {
    /// With black images after them, to as many as material was made for.
    fn padded(&self, run: &dealer::Run<'_>) -> Cow<'_, [u64]> {
        if self.count == run.batch {
            return Cow::Borrowed(&self.words);
        }
        let mut words = self.words.clone();
        words.resize(run.batch * run.graph.input().len(), 0);
        Cow::Owned(words)
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
    let (role, usage) = (session.role(), Usage::so_far());
    Ok(Record { role, images, layers, wire, seconds, usage, setup_kept: false, stock: None })
}

impl Record {
    /// What this party saw of a layer.
    pub fn layer(&self, name: &str) -> Option<&LayerMeasurement> {
        self.layers.iter().find(|layer| layer.name == name)
    }
}

impl Task {
    /// Loads what a role brings; `window` overrides the config's images.
    ///
    /// # Errors
    /// As [`Task::model`] and [`Task::batch`]; [`Error::File`] if nothing says for how many images material
    /// is made.
    pub fn inputs(
        &self,
        role: Role,
        config: &Config,
        window: Window,
        work: &Work,
    ) -> Result<Inputs> {
        Ok(match role {
            Role::ModelOwner => Inputs::Model(self.model(config)?.1),
            Role::DataOwner if let Work::Deal { images, .. } = work => {
                let count = match images {
                    Some(images) => *images,
                    None => config.data_owner()?.count.ok_or_else(|| {
                        let what = "missing key `data-owner.count`, or --images: how many images a query has";
                        Error::file(&config.file, what)
                    })?,
                };
                Inputs::Images(Images { count, words: Vec::new() })
            }
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
