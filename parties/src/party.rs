//! One party's whole run over connections that stand: the protocol on this thread, and what this
//! party saw of it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use nets::{Bench, EncodedModel, EvaluatorInputs, secure};
use protocols::{
    LayerMeasurement, Links, Role, Session, SessionOptions, Share, Transport, prf::Seeds,
    step::Step, transport::Message,
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
    /// before, so that they add up to the whole time in either order.
    pub layers: Vec<LayerMeasurement>,
    /// UDP bytes it sent.
    pub wire: Links,
    /// What its process used.
    pub usage: Usage,
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

impl Connected {
    /// Evaluates a network; the data owner gets the logits. `ended` is told how many layers have, or
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
        let began = Instant::now();
        let starts = Mutex::new(HashMap::new());
        let progress = |_place: usize, layer: &str| {
            let mut starts = starts.lock().expect("no panic while locked");
            ended(starts.len());
            starts.insert(layer.to_owned(), Instant::now());
        };
        let Task { graph, fixed, order, .. } = task;
        let evaluate =
            |inputs| secure::evaluate(&session, graph, *order, images, *fixed, inputs, &progress);
        let logits = match inputs {
            Inputs::Model(model) => evaluate(EvaluatorInputs::ModelOwner(model)),
            Inputs::Images(images) => evaluate(EvaluatorInputs::DataOwner(&images.words)),
            Inputs::Nothing => {
                secure::deal(&session, graph, *order, images, &progress).map(|()| None)
            }
        }?;
        ended(task.layers());
        let starts = starts.into_inner().expect("no panic while locked");
        let mut layers = session.measurements();
        let mut before = began;
        for layer in &mut layers {
            let end = starts[&layer.name] + Duration::from_secs_f64(layer.seconds);
            layer.seconds = end.saturating_duration_since(before).as_secs_f64();
            before = before.max(end);
        }
        Ok((finish(&session, &transport, images, layers)?, logits.unwrap_or_default()))
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
        let name = bench.name();
        let share = match session.role() {
            Role::CryptoProducer => session.deal(name, |ctx| bench.deal(ctx)).map(|()| Vec::new()),
            _ => session.evaluate(name, |ctx| bench.evaluate(ctx, own)).map(Share::into_words),
        }?;
        ended();
        let layers = session.measurements();
        Ok((finish(&session, &transport, 0, layers)?, share))
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

/// Ends the connections when both others have come as far, and tells what this party saw.
fn finish(
    session: &Session,
    transport: &QuicTransport,
    images: usize,
    layers: Vec<LayerMeasurement>,
) -> Result<Record> {
    transport.finish()?;
    let wire = transport.wire_bytes();
    Ok(Record { role: session.role(), images, layers, wire, usage: Usage::so_far() })
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
