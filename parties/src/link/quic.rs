//! The transport between processes: messages over one QUIC connection a peer.
//!
//! Per peer and direction there is one stream of frames. Protocol threads put frames into an
//! outbox and take messages from an inbox; everything between the two runs on the network thread.
//! The first thing that goes wrong decides: it is the error of every call from then on, at this
//! party, and the reason that the two others are told.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use protocols::{
    Error, Link, Links, Result, Role,
    step::Step,
    transport::{Message, Received, Transport, inbox::Inbox},
};
use quinn::{Connection, ConnectionError};
use tokio::{task::JoinHandle, time::timeout};

use crate::link::{
    frame::{self, Decoder, MAX_PAYLOAD},
    goodbye::{Goodbye, explain},
    io_thread::{Network, each},
    outbox::{AHEAD, Closed, Outbox, Traffic},
    signal::{Control, Signal, Silence},
};

/// Pieces of a stream that are taken at once: each call locks the connection.
const PIECES: usize = 64;

/// One party's authenticated connections to the two others, or to one where the crypto producer takes no
/// part.
///
/// When it is dropped before [`QuicTransport::finish`], the others are told that this party
/// stopped. Its calls block: never make them on an asynchronous runtime's thread.
pub struct QuicTransport {
    shared: Arc<Shared>,
    /// Until [`QuicTransport::finish`] takes them.
    ends: Mutex<Option<Vec<End>>>,
    patience: Duration,
    // After `shared`, so that whoever waits is told before the thread goes.
    network: Network,
}

impl QuicTransport {
    /// Starts to carry messages over connections that are past their hello.
    pub(crate) fn start(
        network: Network,
        role: Role,
        peers: Vec<(Role, Connection, Control)>,
        patience: Duration,
    ) -> QuicTransport {
        let peers = peers.into_iter();
        let peers = peers.map(|(peer, link, control)| (Peer::new(role, peer, link), control));
        let (peers, controls): (Vec<Peer>, Vec<Control>) = peers.unzip();
        let inbox = Inbox::new(patience);
        let shared = Arc::new(Shared { role, inbox, peers, ending: OnceLock::new() });
        let start = |(place, control)| {
            let spawn = network.runtime();
            spawn.spawn(watch(shared.clone(), place));
            let writer = spawn.spawn(write(shared.clone(), place));
            let reader = spawn.spawn(read(shared.clone(), place));
            End { control, writer, reader }
        };
        let ends = Mutex::new(Some(controls.into_iter().enumerate().map(start).collect()));
        QuicTransport { shared, ends, patience, network }
    }

    /// Ends the run: waits until all parties have sent and received everything, compares
    /// what was counted at both ends of each link, and closes the connections. Call it after the
    /// last message; afterwards nothing can be sent or received.
    ///
    /// # Errors
    /// Whatever ended the run before; [`Error::PeerLost`]; [`Error::Stopped`] if the counts differ,
    /// if messages came that nobody took, if the others take longer than the profile's patience, or
    /// if it was called before.
    pub fn finish(&self) -> Result<()> {
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
        let result = self.network.runtime().block_on(async {
            timeout(self.patience, self.shared.barrier(&mut ends))
                .await
                .unwrap_or_else(|_| Err(late()))
        });
        match result {
            Ok(()) => {
                for peer in &self.shared.peers {
                    let path = peer.connection.stats().path;
                    tracing::debug!(
                        "to {}: round trip {:?}, {} packets sent, {} lost",
                        peer.role,
                        path.rtt,
                        path.sent_packets,
                        path.lost_packets
                    );
                }
                self.shared.end(Ending::Done);
                Ok(())
            }
            Err(error) => {
                self.shared.end(Ending::Failed(error));
                Err(self.shared.error())
            }
        }
    }

    /// UDP payload bytes that this party has sent so far, to each of the others: its own two links;
    /// the rest is zero. Handshakes, acknowledgements, encryption and repeats are in it; IP and UDP
    /// headers are not.
    pub fn wire_bytes(&self) -> Links {
        let mut links = Links::default();
        for peer in &self.shared.peers {
            links[Link::new(self.shared.role, peer.role)] = peer.connection.stats().udp_tx.bytes;
        }
        links
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

/// What the protocol threads and the network's tasks have in common.
struct Shared {
    role: Role,
    inbox: Inbox,
    peers: Vec<Peer>,
    ending: OnceLock<Ending>,
}

struct Peer {
    role: Role,
    connection: Connection,
    outbox: Outbox,
    /// Bytes of payload from this peer that protocols took.
    taken: AtomicU64,
}

/// What only the end of the run needs.
struct End {
    control: Control,
    writer: JoinHandle<()>,
    reader: JoinHandle<Traffic>,
}

enum Ending {
    Done,
    Failed(Error),
}

impl Peer {
    fn new(own: Role, role: Role, connection: Connection) -> Peer {
        let outbox = match own {
            Role::CryptoProducer => Outbox::bounded(AHEAD),
            _ => Outbox::default(),
        };
        Peer { role, connection, outbox, taken: AtomicU64::new(0) }
    }

    /// Counts a message that a protocol took, and tells a peer that waits to hear of it now and then.
    fn took(&self, bytes: usize) -> std::result::Result<(), Closed> {
        if self.role != Role::CryptoProducer {
            return Ok(());
        }
        let before = self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        let after = before + bytes as u64;
        if before / (AHEAD / 4) == after / (AHEAD / 4) {
            return Ok(());
        }
        let payload = after.to_le_bytes().to_vec();
        self.outbox.push(frame::header(frame::TAKEN, 0, 0, payload.len() as u32), payload)
    }

    /// What a frame of [`frame::TAKEN`] says; `None` if it is malformed.
    fn hear_taken(&self, payload: &[u8]) -> Option<()> {
        self.outbox.taken(u64::from_le_bytes(payload.try_into().ok()?));
        Some(())
    }
}

impl Shared {
    fn peer(&self, role: Role) -> &Peer {
        self.peers.iter().find(|peer| peer.role == role).expect("a peer that takes part")
    }

    /// Ends everything, once: wakes whoever waits and tells the peers.
    fn end(&self, ending: Ending) {
        if self.ending.set(ending).is_err() {
            return;
        }
        let goodbye = match self.ending.get().expect("it was just set") {
            Ending::Done => Goodbye::Done,
            Ending::Failed(error) => {
                self.inbox.fail(error.clone());
                Goodbye::of_error(error)
            }
        };
        for peer in &self.peers {
            peer.outbox.close();
            peer.connection.close(goodbye.code(), goodbye.reason().as_bytes());
        }
    }

    /// Why nothing more can be done.
    fn error(&self) -> Error {
        match self.ending.get() {
            Some(Ending::Failed(error)) => error.clone(),
            Some(Ending::Done) | None => {
                Error::Stopped { reason: "the run is over: nothing more can be sent".into() }
            }
        }
    }

    /// Waits until all are done with all messages, and know it of each other.
    async fn barrier(&self, ends: &mut [End]) -> Result<()> {
        each(ends.iter_mut().enumerate().map(|(place, end)| self.settle(place, end))).await?;
        let left_over = self.inbox.left_over();
        if left_over > 0 {
            let reason = format!("{left_over} messages came that no protocol took");
            return Err(Error::Stopped { reason });
        }
        each(ends.iter_mut().enumerate().map(|(place, end)| self.part(place, end))).await?;
        Ok(())
    }

    /// Both ends of the connection to a peer have sent and received all, and agree on how much.
    async fn settle(&self, place: usize, end: &mut End) -> Result<()> {
        let peer = &self.peers[place];
        let sent = peer.outbox.close();
        // Tasks end early only with the connection, whose watcher says why.
        let _ = (&mut end.writer).await;
        self.said(peer, end.control.send(&Signal::done(sent)).await)?;
        let announced = match self.said(peer, end.control.recv().await)? {
            Signal::Done { messages, bytes } => Traffic { messages, bytes },
            _ => return Err(self.out_of_turn(peer)),
        };
        let Ok(received) = (&mut end.reader).await else {
            return Err(self.error());
        };
        if received != announced && self.ending.get().is_none() {
            let (link, me) = (Link::new(peer.role, self.role), self.role);
            let reason = format!(
                "{link}: {} sent {} messages of {} bytes, {me} received {} of {}",
                peer.role, announced.messages, announced.bytes, received.messages, received.bytes
            );
            return Err(Error::Stopped { reason });
        }
        Ok(())
    }

    /// Only when a peer has said goodbye has it read our last message, so only then may the
    /// connection close. A peer that closes it as done has heard ours and said its own.
    async fn part(&self, place: usize, end: &mut End) -> Result<()> {
        let peer = &self.peers[place];
        let silence = match end.control.send(&Signal::Bye).await {
            Ok(()) => match end.control.recv().await {
                Ok(Signal::Bye) => return Ok(()),
                Ok(_) => return Err(self.out_of_turn(peer)),
                Err(silence) => silence,
            },
            Err(silence) => silence,
        };
        match peer.connection.close_reason() {
            Some(end) if is_done(&end) => Ok(()),
            _ => self.said(peer, Err(silence)),
        }
    }

    fn said<T>(&self, peer: &Peer, result: std::result::Result<T, Silence>) -> Result<T> {
        result.map_err(|silence| match (silence, peer.connection.close_reason()) {
            (Silence::Ended, Some(end)) => explain(self.role, peer.role, &end),
            (Silence::Ended, None) => self.error(),
            (Silence::Malformed(what), _) => {
                Error::Stopped { reason: format!("{} broke the protocol: {what}", peer.role) }
            }
        })
    }

    fn out_of_turn(&self, peer: &Peer) -> Error {
        let reason = format!("{} broke the protocol: its message is out of turn", peer.role);
        Error::Stopped { reason }
    }
}

/// Ends the run when a connection ends.
async fn watch(shared: Arc<Shared>, place: usize) {
    let peer = &shared.peers[place];
    let end = peer.connection.closed().await;
    // A peer that is done has said so to the barrier, which goes on with the other peer.
    if !is_done(&end) {
        shared.end(Ending::Failed(explain(shared.role, peer.role, &end)));
    }
}

/// Writes a peer's frames until its outbox closes.
async fn write(shared: Arc<Shared>, place: usize) {
    let peer = &shared.peers[place];
    // Errors here are ends of the connection, which its watcher reports.
    let Ok(mut stream) = peer.connection.open_uni().await else { return };
    while let Some((mut pieces, bytes)) = peer.outbox.take().await {
        if stream.write_all_chunks(&mut pieces).await.is_err() {
            return;
        }
        peer.outbox.written(bytes);
    }
    let _ = stream.finish();
}

/// Delivers a peer's frames until its stream ends; returns what came.
async fn read(shared: Arc<Shared>, place: usize) -> Traffic {
    let peer = &shared.peers[place];
    let mut received = Traffic::default();
    // Errors here are ends of the connection, which its watcher reports.
    let Ok(mut stream) = peer.connection.accept_uni().await else { return received };
    let mut decoder = Decoder::new();
    let mut pieces = [const { Bytes::new() }; PIECES];
    let malformed = |what: String| Error::Stopped {
        reason: format!("{} broke the protocol: {what}", peer.role),
    };
    loop {
        let count = match stream.read_chunks(&mut pieces).await {
            Ok(Some(count)) => count,
            Ok(None) => break,
            Err(_) => return received,
        };
        for piece in &mut pieces[..count] {
            let mut nonsense = false;
            let result = decoder.push(&std::mem::take(piece), |step, message| {
                received.count(message.payload.len());
                if step == frame::TAKEN {
                    nonsense |= peer.hear_taken(&message.payload).is_none();
                } else {
                    shared.inbox.deliver(peer.role, step, message);
                }
            });
            let broken = match result {
                Err(oversized) => oversized.to_string(),
                Ok(()) if nonsense => "it does not say how much it took".into(),
                Ok(()) => continue,
            };
            shared.end(Ending::Failed(malformed(broken)));
            return received;
        }
    }
    if !decoder.is_between_frames() {
        shared.end(Ending::Failed(malformed("its stream ended within a frame".into())));
    }
    received
}

fn is_done(end: &ConnectionError) -> bool {
    matches!(end, ConnectionError::ApplicationClosed(close) if Goodbye::read(close) == Goodbye::Done)
}

#[cfg(test)]
mod tests {
    use protocols::SessionOptions;

    use super::*;
    use crate::link::{
        connect::{Bound, Setup},
        hello::{Agreement, Purpose},
        profile::Profile,
        tls::{Identity, Trust},
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
        let count = 2 * (AHEAD >> 20);
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
            plan: None,
            dealt_first: false,
            output: Default::default(),
            purpose: Purpose::Answer,
        };
        let parties = bound.into_iter().zip(identities).map(|(bound, identity)| {
            let setup = Setup {
                identity,
                trust: Trust::from_der(certificates.clone()).unwrap(),
                addresses,
                agreement: agreement.clone(),
                profile: Profile::LOOPBACK,
                connect_timeout: Duration::from_secs(10),
            };
            std::thread::spawn(move || bound.connect(&setup).unwrap().transport)
        });
        let transports: Vec<_> =
            parties.collect::<Vec<_>>().into_iter().map(|party| party.join().unwrap()).collect();
        transports.try_into().expect("three parties")
    }
}
