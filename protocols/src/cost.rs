//! The cost of a protocol, computed from shapes alone, and the cost that the literature states.

use std::collections::BTreeSet;

use crate::{
    ledger::{AHEAD, Links},
    party::{Link, Role},
};

/// The messages of a protocol: how many bytes over which link in which phase.
///
/// Phases count from 1 within the protocol. A cost is written by hand beside its protocol; tests
/// assert that it equals what the ledger measured, on every link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    sends: Vec<Send>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Send {
    phase: u16,
    taken: u16,
    link: Link,
    bytes: u64,
}

impl Cost {
    /// A protocol that sends nothing.
    pub fn none() -> Cost {
        Cost::default()
    }

    /// Adds a message; one without a byte is none.
    pub fn send(self, phase: u16, from: Role, to: Role, bytes: u64) -> Cost {
        self.send_ahead(phase, phase, from, to, bytes)
    }

    /// Adds a message that its receiver takes in a later phase only, after what it sends itself in
    /// that phase: nothing waits for it before.
    pub(crate) fn send_ahead(
        mut self,
        phase: u16,
        taken: u16,
        from: Role,
        to: Role,
        bytes: u64,
    ) -> Cost {
        if bytes == 0 {
            return self;
        }
        self.sends.push(Send { phase, taken, link: Link::new(from, to), bytes });
        self
    }

    /// Adds a message that travels ahead of the query: it belongs to no phase and nothing waits for
    /// it.
    pub fn ahead(self, from: Role, to: Role, bytes: u64) -> Cost {
        self.send(AHEAD, from, to, bytes)
    }

    /// Adds the same message from P0 to P1 and from P1 to P0.
    pub fn exchange(self, phase: u16, bytes: u64) -> Cost {
        self.send(phase, Role::ModelOwner, Role::DataOwner, bytes).send(
            phase,
            Role::DataOwner,
            Role::ModelOwner,
            bytes,
        )
    }

    /// Adds the same message from P2 to P0 and from P2 to P1.
    pub fn deal(self, phase: u16, bytes: u64) -> Cost {
        self.send(phase, Role::CryptoProducer, Role::ModelOwner, bytes).send(
            phase,
            Role::CryptoProducer,
            Role::DataOwner,
            bytes,
        )
    }

    /// Adds the same message from P0 to P2 and from P1 to P2.
    pub fn collect(self, phase: u16, bytes: u64) -> Cost {
        self.send(phase, Role::ModelOwner, Role::CryptoProducer, bytes).send(
            phase,
            Role::DataOwner,
            Role::CryptoProducer,
            bytes,
        )
    }

    /// Adds another protocol's messages, its phase 1 being phase `offset + 1` of this one.
    pub fn at(mut self, offset: u16, other: Cost) -> Cost {
        let shift = |phase| if phase == AHEAD { AHEAD } else { phase + offset };
        self.sends.extend(other.sends.into_iter().map(|send| Send {
            phase: shift(send.phase),
            taken: shift(send.taken),
            ..send
        }));
        self
    }

    /// Adds another protocol after the last phase of this one.
    pub fn then(self, other: Cost) -> Cost {
        let offset = self.last_phase();
        self.at(offset, other)
    }

    /// The number of phases in which something is sent.
    pub fn rounds(&self) -> u64 {
        let phases = self.sends.iter().map(|send| send.phase).filter(|&phase| phase != AHEAD);
        phases.collect::<BTreeSet<_>>().len() as u64
    }

    /// The payload bytes of each link.
    pub fn links(&self) -> Links {
        let mut links = Links::default();
        for send in &self.sends {
            links[send.link] += send.bytes;
        }
        links
    }

    /// The part of [`Cost::links`] that travels ahead of the query.
    pub fn ahead_links(&self) -> Links {
        self.clone().only_ahead().links()
    }

    /// The part of the cost that travels ahead of the query.
    pub fn only_ahead(mut self) -> Cost {
        self.sends.retain(|send| send.phase == AHEAD);
        self
    }

    /// The part of the cost that follows on the query.
    pub fn only_online(mut self) -> Cost {
        self.sends.retain(|send| send.phase != AHEAD);
        self
    }

    /// The payload bytes of all links together.
    pub fn bytes(&self) -> u64 {
        self.links().total()
    }

    /// Causal depths of P0, P1, P2 after this protocol, from the depths before it: a message
    /// carries its sender's depth as it stood when the phase began, a receiver takes the maximum
    /// plus one.
    pub fn depths_after(&self, before: [u32; 3]) -> [u32; 3] {
        let mut depths = before;
        let mut under_way = Vec::new();
        for phase in 1..=self.sends.iter().map(|send| send.taken).max().unwrap_or(0) {
            for send in self.sends.iter().filter(|send| send.phase == phase) {
                under_way.push((send, depths[send.link.from.index()] + 1));
            }
            for (send, arrival) in under_way.iter().filter(|(send, _)| send.taken == phase) {
                let depth = &mut depths[send.link.to.index()];
                *depth = (*depth).max(*arrival);
            }
        }
        depths
    }

    /// The critical path of this protocol alone, in one-way messages.
    pub fn critical_path(&self) -> u32 {
        self.depths_after([0; 3]).into_iter().max().unwrap_or(0)
    }

    fn last_phase(&self) -> u16 {
        self.sends.iter().map(|send| send.phase).max().unwrap_or(0)
    }
}

/// A published closed form: log p stays a real number, so bits do too.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Paper {
    /// Rounds (what this crate calls phases).
    pub rounds: u64,
    /// Bits over all links.
    pub bits: f64,
}

impl Paper {
    /// Megabytes of 10^6 bytes.
    pub fn megabytes(&self) -> f64 {
        self.bits / 8e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_follows_causality_not_phases() {
        // P2's triple waits for nobody: two phases, one latency.
        let matmul =
            Cost::none().send_ahead(1, 2, Role::CryptoProducer, Role::DataOwner, 8).exchange(2, 16);
        assert_eq!(matmul.rounds(), 2);
        assert_eq!(matmul.critical_path(), 1);
        assert_eq!(matmul.bytes(), 40);
        let twice = matmul.clone().then(matmul);
        assert_eq!((twice.rounds(), twice.critical_path()), (4, 2));
    }
}
