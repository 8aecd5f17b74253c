//! The accountant: what each layer sent and received, as counted where messages are handed over.

use std::{
    collections::BTreeSet,
    fmt,
    ops::{Add, AddAssign, Index, IndexMut},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

use crate::party::{Link, Role};

/// Bytes per directed link. Serialised as a map from "P0->P1" and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links([u64; 6]);

impl Links {
    /// The sum over all links.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each link with its bytes.
    pub fn iter(&self) -> impl Iterator<Item = (Link, u64)> + '_ {
        Link::ALL.into_iter().zip(self.0)
    }
}

impl Index<Link> for Links {
    type Output = u64;

    fn index(&self, link: Link) -> &u64 {
        &self.0[link.index()]
    }
}

impl IndexMut<Link> for Links {
    fn index_mut(&mut self, link: Link) -> &mut u64 {
        &mut self.0[link.index()]
    }
}

impl Add for Links {
    type Output = Links;

    fn add(mut self, other: Links) -> Links {
        self += other;
        self
    }
}

impl AddAssign for Links {
    fn add_assign(&mut self, other: Links) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, bytes)| *sum += bytes);
    }
}

impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.iter().map(|(link, bytes)| format!("{link} {bytes}")).collect();
        f.write_str(&parts.join(", "))
    }
}

impl Serialize for Links {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        for (link, bytes) in self.iter() {
            map.serialize_entry(&link.to_string(), &bytes)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Links {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut links = Links::default();
        for (name, bytes) in map {
            links[name.parse().map_err(serde::de::Error::custom)?] = bytes;
        }
        Ok(links)
    }
}

/// The phase of messages that travel ahead of a query.
pub const AHEAD: u16 = 0;

/// Whether a message can travel before the query is there, or must follow on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It depends on no input: correlated randomness, masked weights. It belongs to no phase and
    /// waits for nothing.
    Ahead,
    /// It depends on the query.
    Online,
}

/// The measurement of one layer at one party. Those of all three are merged with [`Self::merge`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerMeasurement {
    /// The layer.
    pub name: String,
    /// Payload bytes this party handed to the transport, per link.
    pub sent: Links,
    /// Payload bytes this party took from the transport, per link.
    pub received: Links,
    /// The bytes sent that travelled ahead of the query.
    pub ahead: Links,
    /// The phases in which it sent or received; none for what travelled ahead.
    pub phases: BTreeSet<u16>,
    /// Its causal depth when the layer ended, counted from the start of the session.
    pub depth: u32,
    /// Wall time from the start of the layer's online stage to its end.
    pub seconds: f64,
    /// Wall time of its stage ahead of the query.
    pub ahead_seconds: f64,
}

impl LayerMeasurement {
    /// The number of phases.
    pub fn rounds(&self) -> u64 {
        self.phases.len() as u64
    }

    /// Adds what another party saw of the same layer; time is that of the slowest.
    pub fn merge(&mut self, other: &LayerMeasurement) {
        let seconds = self.seconds.max(other.seconds);
        let ahead_seconds = self.ahead_seconds.max(other.ahead_seconds);
        self.extend(other);
        (self.seconds, self.ahead_seconds) = (seconds, ahead_seconds);
    }

    /// Adds another part of the same layer at the same party; times add up.
    pub(crate) fn extend(&mut self, other: &LayerMeasurement) {
        self.sent += other.sent;
        self.received += other.received;
        self.ahead += other.ahead;
        self.phases.extend(&other.phases);
        self.depth = self.depth.max(other.depth);
        self.seconds += other.seconds;
        self.ahead_seconds += other.ahead_seconds;
    }
}

/// Counters of one layer at one party, shared by its lanes.
#[derive(Debug)]
pub(crate) struct Meter {
    name: String,
    stage: Stage,
    sent: [AtomicU64; 6],
    received: [AtomicU64; 6],
    phases: Mutex<BTreeSet<u16>>,
    started: Instant,
    spent: OnceLock<Duration>,
}

impl Meter {
    pub(crate) fn new(name: &str, stage: Stage) -> Arc<Meter> {
        Arc::new(Meter {
            name: name.to_owned(),
            stage,
            sent: Default::default(),
            received: Default::default(),
            phases: Mutex::default(),
            started: Instant::now(),
            spent: OnceLock::new(),
        })
    }

    pub(crate) fn sent(&self, from: Role, to: Role, phase: u16, bytes: usize) {
        self.sent[Link::new(from, to).index()].fetch_add(bytes as u64, Ordering::Relaxed);
        self.saw(phase);
    }

    pub(crate) fn received(&self, from: Role, to: Role, phase: u16, bytes: usize) {
        self.received[Link::new(from, to).index()].fetch_add(bytes as u64, Ordering::Relaxed);
        self.saw(phase);
    }

    fn saw(&self, phase: u16) {
        if phase != AHEAD {
            self.phases.lock().expect("no panic while locked").insert(phase);
        }
    }

    /// The stage ended.
    pub(crate) fn stop(&self) {
        self.spent.get_or_init(|| self.started.elapsed());
    }

    pub(crate) fn measurement(&self, depth: u32) -> LayerMeasurement {
        let read = |counters: &[AtomicU64; 6]| {
            Links(std::array::from_fn(|i| counters[i].load(Ordering::Relaxed)))
        };
        let sent = read(&self.sent);
        let spent = self.spent.get().copied().unwrap_or_default().as_secs_f64();
        let ahead = self.stage == Stage::Ahead;
        LayerMeasurement {
            name: self.name.clone(),
            sent,
            received: read(&self.received),
            ahead: if ahead { sent } else { Links::default() },
            phases: self.phases.lock().expect("no panic while locked").clone(),
            depth,
            seconds: if ahead { 0.0 } else { spent },
            ahead_seconds: if ahead { spent } else { 0.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_serialise_by_name() {
        let mut links = Links::default();
        links[Link::new(Role::CryptoProducer, Role::DataOwner)] = 5;
        let text = serde_json::to_string(&links).unwrap();
        assert!(text.contains("\"P2->P1\":5"), "{text}");
        assert_eq!(serde_json::from_str::<Links>(&text).unwrap(), links);
    }
}
