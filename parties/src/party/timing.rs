//! When the stages of a run began at a party, and which layer the time went to.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

use protocols::{LayerMeasurement, Role, Transport, step::Step, transport::Message};

use super::record::StageSeconds;

/// The place where the evaluators tell each other that everything is dealt. No layer can have the
/// name.
const DEALT: &str = "session/dealt";

/// When a party's stages began.
pub(super) struct Clock<'t> {
    transport: &'t dyn Transport,
    role: Role,
    began: Instant,
    ready: Instant,
    query: OnceLock<Instant>,
}

impl Clock<'_> {
    /// A clock that starts now.
    pub(super) fn start(transport: &dyn Transport, role: Role) -> Clock<'_> {
        let began = Instant::now();
        Clock { transport, role, began, ready: began, query: OnceLock::new() }
    }

    /// Notes that what belongs to the model and the session is done.
    pub(super) fn end_setup(&mut self) {
        self.ready = Instant::now();
    }

    /// The time since the end of the setup.
    pub(super) fn since_setup(&self) -> f64 {
        self.ready.elapsed().as_secs_f64()
    }

    /// Notes that everything is dealt at this evaluator; returns when it is at the other one too.
    pub(super) fn await_dealt(&self) -> protocols::Result<()> {
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

    /// How long each stage took, up to now.
    pub(super) fn stop(&self) -> StageSeconds {
        let between = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64();
        let query = self.query.get().copied();
        StageSeconds {
            setup: between(self.began, self.ready),
            offline: query.map_or(0.0, |query| between(self.ready, query)),
            online: query.map(|query| between(query, Instant::now())),
        }
    }
}

/// When each layer of a run started.
#[derive(Default)]
pub(super) struct LayerStarts(Mutex<HashMap<String, Instant>>);

impl LayerStarts {
    /// Notes that a layer starts now; returns how many started before.
    pub(super) fn note(&self, layer: &str) -> usize {
        let mut starts = self.0.lock().expect("no panic while locked");
        let before = starts.len();
        starts.insert(layer.to_owned(), Instant::now());
        before
    }

    /// Makes the seconds of layers, measured each from its own start, run from the end of the layer
    /// before. `dealt_apart` says that a layer's share of this party ends with its dealing.
    pub(super) fn chain(
        self,
        layers: &mut [LayerMeasurement],
        clock: &Clock<'_>,
        dealt_apart: bool,
    ) {
        let starts = self.0.into_inner().expect("no panic while locked");
        let query = clock.query.get().copied();
        let mut before = clock.began;
        for layer in layers {
            let Some(start) = starts.get(&layer.name) else {
                // What is done once, before all else.
                layer.seconds = 0.0;
                before += Duration::from_secs_f64(layer.ahead_seconds);
                continue;
            };
            let spent = if dealt_apart { layer.ahead_seconds } else { layer.seconds };
            match query {
                Some(query) => before = before.max(query),
                // Where it is dealt meanwhile, nothing is spent on it alone.
                None => layer.ahead_seconds = 0.0,
            }
            let end = *start + Duration::from_secs_f64(spent);
            layer.seconds = end.saturating_duration_since(before).as_secs_f64();
            before = before.max(end);
        }
    }
}
