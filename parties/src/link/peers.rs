//! The peers of a QUIC transport: what protocol threads share with the tasks of the I/O thread,
//! those tasks, and the end of a run.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use protocols::{Error, Link, Result, Role, transport::inbox::Inbox};
use quinn::{Connection, ConnectionError};
use tokio::{runtime::Handle, task::JoinHandle};

use super::{
    frame::{self, Decoder},
    goodbye::{Goodbye, explain},
    io_thread::join_peers,
    outbox::{Closed, MAX_AHEAD, Outbox, Traffic},
    signal::{Control, Signal, Silence},
};

/// Pieces of a stream that are taken at once: each call locks the connection.
const PIECES: usize = 64;

/// The state that protocol threads and the tasks of the I/O thread share.
pub(crate) struct Shared {
    /// This party.
    pub role: Role,
    /// Messages that no protocol has taken yet.
    pub inbox: Inbox,
    /// The other ends.
    pub peers: Vec<Peer>,
    ending: OnceLock<Ending>,
}

/// The other end of a connection.
pub(crate) struct Peer {
    /// Who it is.
    pub role: Role,
    /// The connection.
    pub connection: Connection,
    /// Frames that are not written yet.
    pub outbox: Outbox,
    /// Bytes of payload from this peer that protocols took.
    taken: AtomicU64,
}

/// The parts of a connection that only the end of the run needs.
pub(crate) struct End {
    control: Control,
    writer: JoinHandle<()>,
    reader: JoinHandle<Traffic>,
}

/// How a run ended.
pub(crate) enum Ending {
    Done,
    Failed(Error),
}

impl Peer {
    fn new(own: Role, role: Role, connection: Connection) -> Peer {
        let outbox = match own {
            Role::CryptoProducer => Outbox::bounded(MAX_AHEAD),
            Role::ModelOwner | Role::DataOwner => Outbox::default(),
        };
        Peer { role, connection, outbox, taken: AtomicU64::new(0) }
    }

    /// Counts a message that a protocol took, and reports the sum now and then to a peer that waits
    /// for it.
    pub(super) fn took(&self, bytes: usize) -> std::result::Result<(), Closed> {
        if self.role != Role::CryptoProducer {
            return Ok(());
        }
        let before = self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        let after = before + bytes as u64;
        if before / (MAX_AHEAD / 4) == after / (MAX_AHEAD / 4) {
            return Ok(());
        }
        let payload = after.to_le_bytes().to_vec();
        self.outbox.push(frame::header(frame::TAKEN, 0, 0, payload.len() as u32), payload)
    }

    /// Notes a frame of [`frame::TAKEN`]; `None` if it is malformed.
    fn note_taken(&self, payload: &[u8]) -> Option<()> {
        self.outbox.taken(u64::from_le_bytes(payload.try_into().ok()?));
        Some(())
    }
}

impl Shared {
    /// Starts the tasks of all connections.
    pub(super) fn start(
        runtime: &Handle,
        role: Role,
        peers: Vec<(Role, Connection, Control)>,
        patience: Duration,
    ) -> (Arc<Shared>, Vec<End>) {
        let peers = peers.into_iter();
        let peers = peers.map(|(peer, link, control)| (Peer::new(role, peer, link), control));
        let (peers, controls): (Vec<Peer>, Vec<Control>) = peers.unzip();
        let inbox = Inbox::new(patience);
        let shared = Arc::new(Shared { role, inbox, peers, ending: OnceLock::new() });
        let start = |(place, control)| {
            runtime.spawn(watch(shared.clone(), place));
            let writer = runtime.spawn(write(shared.clone(), place));
            let reader = runtime.spawn(read(shared.clone(), place));
            End { control, writer, reader }
        };
        let ends = controls.into_iter().enumerate().map(start).collect();
        (shared, ends)
    }

    /// The other end with this role.
    pub(super) fn peer(&self, role: Role) -> &Peer {
        self.peers.iter().find(|peer| peer.role == role).expect("a peer that takes part")
    }

    /// Ends everything, once: wakes whoever waits and tells the peers.
    pub(super) fn end(&self, ending: Ending) {
        if self.ending.set(ending).is_err() {
            return;
        }
        let goodbye = match self.ending.get().expect("it was just set") {
            Ending::Done => Goodbye::Done,
            Ending::Failed(error) => {
                self.inbox.fail(error.clone());
                Goodbye::from_error(error)
            }
        };
        for peer in &self.peers {
            peer.outbox.close();
            peer.connection.close(goodbye.code(), goodbye.reason().as_bytes());
        }
    }

    /// Why nothing more can be done.
    pub(super) fn error(&self) -> Error {
        match self.ending.get() {
            Some(Ending::Failed(error)) => error.clone(),
            Some(Ending::Done) | None => {
                Error::Stopped { reason: "the run is over: nothing more can be sent".into() }
            }
        }
    }

    /// Logs what the connections went through.
    pub(super) fn log_paths(&self) {
        for peer in &self.peers {
            let path = peer.connection.stats().path;
            tracing::debug!(
                "to {}: round trip {:?}, {} packets sent, {} lost",
                peer.role,
                path.rtt,
                path.sent_packets,
                path.lost_packets
            );
        }
    }

    /// Waits until all are done with all messages, and know it of each other.
    pub(super) async fn barrier(&self, ends: &mut [End]) -> Result<()> {
        join_peers(ends.iter_mut().enumerate().map(|(place, end)| self.settle(place, end))).await?;
        let left_over = self.inbox.left_over();
        if left_over > 0 {
            let reason = format!("{left_over} messages came that no protocol took");
            return Err(Error::Stopped { reason });
        }
        join_peers(ends.iter_mut().enumerate().map(|(place, end)| self.part(place, end))).await?;
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
            Signal::Hello(_) | Signal::Ready { .. } | Signal::Bye => {
                return Err(self.out_of_turn(peer));
            }
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
                Ok(Signal::Hello(_) | Signal::Ready { .. } | Signal::Done { .. }) => {
                    return Err(self.out_of_turn(peer));
                }
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
                    nonsense |= peer.note_taken(&message.payload).is_none();
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
    let ConnectionError::ApplicationClosed(close) = end else { return false };
    Goodbye::read(close) == Goodbye::Done
}
