//! The transport over QUIC: messages over one connection a peer.
//!
//! Per peer and direction there is one stream of frames. Protocol threads put frames into an
//! outbox and take messages from an inbox; everything between the two runs on the I/O thread.
//! The first thing that goes wrong decides: it is the error of every call from then on, at this
//! party, and the reason that the two others are told.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use protocols::{
    Error, Link, Links, Result, Role,
    step::Step,
    transport::{Message, Received, Transport},
};
use quinn::Connection;
use tokio::time::timeout;

use super::{
    frame::{self, MAX_PAYLOAD},
    io_thread::IoThread,
    outbox::Closed,
    peers::{End, Ending, Shared},
    signal::Control,
    transport::ProcessTransport,
};

/// One party's authenticated connections to the two others, or to one where the crypto producer
/// takes no part.
///
/// When it is dropped before [`ProcessTransport::finish`], the others are told that this party
/// stopped. Its calls block: never make them on an asynchronous runtime's thread.
pub struct QuicTransport {
    shared: Arc<Shared>,
    /// Until [`ProcessTransport::finish`] takes them.
    ends: Mutex<Option<Vec<End>>>,
    patience: Duration,
    // After `shared`, so that whoever waits is told before the thread goes.
    io: IoThread,
}

impl QuicTransport {
    /// Starts to carry messages over connections that are past their hello.
    pub(crate) fn start(
        io: IoThread,
        role: Role,
        peers: Vec<(Role, Connection, Control)>,
        patience: Duration,
    ) -> QuicTransport {
        let (shared, ends) = Shared::start(io.runtime(), role, peers, patience);
        QuicTransport { shared, ends: Mutex::new(Some(ends)), patience, io }
    }
}

impl Transport for QuicTransport {
    fn send(&self, to: Role, message: Message) -> Result<()> {
        if let Some(error) = self.shared.inbox.failure() {
            return Err(error);
        }
        let Message { step, phase, depth, payload } = message;
        if payload.len() > MAX_PAYLOAD {
            let reason = format!(
                "{step} needs a message of {} bytes, over the limit of {MAX_PAYLOAD}: evaluate \
                 fewer images at once",
                payload.len()
            );
            return Err(Error::Stopped { reason });
        }
        let header = frame::header(step.id(), phase, depth, payload.len() as u32);
        self.shared.peer(to).outbox.push(header, payload).map_err(|_| self.shared.error())
    }

    fn recv(&self, from: Role, step: &Step) -> Result<Received> {
        let message = self.shared.inbox.take(from, step)?;
        let told = self.shared.peer(from).took(message.payload.len());
        told.map_err(|Closed| self.shared.error())?;
        Ok(message)
    }

    fn abort(&self, error: Error) {
        self.shared.end(Ending::Failed(error));
    }
}

impl ProcessTransport for QuicTransport {
    fn finish(&self) -> Result<()> {
        let ends = self.ends.lock().expect("no panic while locked").take();
        let Some(mut ends) = ends else {
            return Err(self.shared.error());
        };
        let seconds = self.patience.as_secs();
        let late = || Error::Stopped {
            reason: format!(
                "the other parties did not reach the end of the run within {seconds} s"
            ),
        };
        let result = self.io.runtime().block_on(async {
            timeout(self.patience, self.shared.barrier(&mut ends))
                .await
                .unwrap_or_else(|_| Err(late()))
        });
        match result {
            Ok(()) => {
                self.shared.log_paths();
                self.shared.end(Ending::Done);
                Ok(())
            }
            Err(error) => {
                self.shared.end(Ending::Failed(error));
                Err(self.shared.error())
            }
        }
    }

    /// UDP payload: handshakes, acknowledgements, encryption and repeats are in it; IP and UDP
    /// headers are not.
    fn wire_bytes(&self) -> Links {
        let mut links = Links::default();
        for peer in &self.shared.peers {
            links[Link::new(self.shared.role, peer.role)] = peer.connection.stats().udp_tx.bytes;
        }
        links
    }
}

impl Drop for QuicTransport {
    fn drop(&mut self) {
        let reason = "it left before the end of the run".into();
        self.shared.end(Ending::Failed(Error::Stopped { reason }));
    }
}

impl fmt::Debug for QuicTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuicTransport({})", self.shared.role)
    }
}

#[cfg(test)]
mod tests {
    use protocols::SessionOptions;

    use super::*;
    use crate::link::{
        connect::{Bound, ConnectOptions},
        hello::{Agreement, Purpose},
        identity::{Identity, Trust},
        outbox::MAX_AHEAD,
        profile::Profile,
    };

    #[test]
    fn an_oversized_frame_ends_the_run_and_names_its_sender() {
        let [model_owner, data_owner, crypto_producer] = world();
        let step = Step::root("huge");
        let header = frame::header(step.id(), 1, 1, u32::MAX);
        data_owner.shared.peer(Role::CryptoProducer).outbox.push(header, vec![0; 9]).unwrap();
        let error = crypto_producer.recv(Role::DataOwner, &step).err().unwrap().to_string();
        assert!(error.contains("data-owner broke the protocol"), "{error}");
        assert!(error.contains("4294967295 bytes, over the limit"), "{error}");
        for other in [&model_owner, &data_owner] {
            let error = other.recv(Role::CryptoProducer, &step).err().unwrap().to_string();
            assert!(error.contains("data-owner broke the protocol"), "{error}");
        }
    }

    #[test]
    fn the_crypto_producer_runs_ahead_only_so_far() {
        let [_model_owner, data_owner, crypto_producer] = world();
        let step = Step::root("conv1");
        let message = Message { step: step.clone(), phase: 1, depth: 1, payload: vec![7; 1 << 20] };
        let count = 2 * (MAX_AHEAD >> 20);
        std::thread::scope(|scope| {
            let dealer = scope.spawn(|| {
                for _ in 0..count {
                    crypto_producer.send(Role::DataOwner, message.clone()).unwrap();
                }
            });
            std::thread::sleep(Duration::from_millis(300));
            assert!(!dealer.is_finished());
            for _ in 0..count {
                let payload = data_owner.recv(Role::CryptoProducer, &step).unwrap().payload;
                assert!(payload == message.payload);
            }
            dealer.join().unwrap();
        });
    }

    #[test]
    fn a_message_that_is_too_long_is_not_sent() {
        let [model_owner, _data_owner, _crypto_producer] = world();
        let payload = vec![0; MAX_PAYLOAD + 1];
        let message = Message { step: Step::root("conv1"), phase: 1, depth: 1, payload };
        let error = model_owner.send(Role::DataOwner, message).unwrap_err().to_string();
        assert!(error.contains("conv1 needs a message of 268435457 bytes"), "{error}");
    }

    #[test]
    fn counts_that_differ_end_the_run() {
        let [model_owner, data_owner, crypto_producer] = world();
        // A lost message cannot be staged on a reliable stream; a miscounted one can.
        let peer = model_owner.shared.peer(Role::DataOwner);
        peer.outbox.push(frame::header(Step::root("x").id(), 1, 1, 0), Vec::new()).unwrap();
        peer.outbox.miscount();
        let errors = std::thread::scope(|scope| {
            [&model_owner, &data_owner, &crypto_producer]
                .map(|transport| scope.spawn(|| transport.finish().unwrap_err().to_string()))
                .map(|thread| thread.join().unwrap())
        });
        let counts = "P0->P1: model-owner sent 2 messages of 0 bytes, data-owner received 1 of 0";
        assert!(errors.iter().all(|error| error.contains(counts)), "{errors:?}");
    }

    fn world() -> [Arc<QuicTransport>; 3] {
        let identities = Role::ALL.map(Identity::generate);
        let certificates = identities.each_ref().map(|identity| identity.certificate().to_vec());
        let bound = Role::ALL.map(|_| Bound::bind("127.0.0.1:0".parse().unwrap()).unwrap());
        let addresses = bound.each_ref().map(Bound::local_addr);
        let agreement = Agreement {
            suite: "securenn".into(),
            ring_bits: 64,
            fractional_bits: 13,
            architecture: [0; 32],
            options: SessionOptions::default(),
            overlap: false,
            layout: None,
            dealt_first: false,
            output: Default::default(),
            purpose: Purpose::Answer,
        };
        let parties = bound.into_iter().zip(identities).map(|(bound, identity)| {
            let options = ConnectOptions {
                identity,
                trust: Trust::from_der(certificates.clone()).unwrap(),
                addresses,
                agreement: agreement.clone(),
                profile: Profile::LOOPBACK,
                connect_timeout: Duration::from_secs(10),
            };
            std::thread::spawn(move || bound.connect(&options).unwrap().transport)
        });
        let transports: Vec<_> =
            parties.collect::<Vec<_>>().into_iter().map(|party| party.join().unwrap()).collect();
        transports.try_into().expect("three parties")
    }
}
