//! How a party gathers connections to its peers, whenever they come up.

use std::{net::SocketAddr, time::Duration};

use protocols::Role;
use quinn::{ClientConfig, Connection, Endpoint, Incoming};
use rustls::pki_types::CertificateDer;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use super::{
    connect_error::{ConnectError, Stranger, names},
    goodbye::Goodbye,
    identity::Trust,
};

/// How often a party says for whom it waits.
const REMINDER: Duration = Duration::from_secs(3);

/// The pause between two attempts to connect.
const RETRY: Duration = Duration::from_millis(100);

/// The longest that a stranger's handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Handshakes under way from which on a new one must first prove its address.
const BUSY: usize = 16;

/// An event while the parties find each other.
pub(crate) enum Event {
    /// A peer has connected, or was connected to.
    Up(Role, Connection),
    /// Somebody failed authentication.
    Stranger(Stranger),
    /// Waiting on is of no use.
    Fatal(ConnectError),
}

pub(crate) type Events = mpsc::UnboundedSender<Event>;

/// Waits until all peers are connected.
pub(crate) async fn gather(
    peers: &[Role],
    happened: &mut mpsc::UnboundedReceiver<Event>,
    gathered: &mut [Option<Connection>; 3],
    limit: Duration,
) -> Result<(), ConnectError> {
    let give_up = sleep(limit);
    tokio::pin!(give_up);
    let mut reminder = interval(REMINDER);
    reminder.tick().await;
    let mut last_stranger = None;
    loop {
        let missing: Vec<Role> =
            peers.iter().copied().filter(|peer| !is_up(&gathered[peer.index()])).collect();
        if missing.is_empty() {
            return Ok(());
        }
        tokio::select! {
            Some(event) = happened.recv() => match event {
                Event::Up(peer, connection) => {
                    tracing::debug!("{peer} is connected");
                    let place = &mut gathered[peer.index()];
                    if let Some(older) = place.replace(connection) {
                        older.close(Goodbye::Replaced.code(), b"");
                    }
                }
                Event::Stranger(stranger) => {
                    tracing::warn!("{stranger}");
                    last_stranger = Some(stranger);
                }
                Event::Fatal(error) => return Err(error),
            },
            _ = reminder.tick() => tracing::info!("waiting for {}", names(&missing)),
            () = &mut give_up => return Err(deadline(missing, limit, last_stranger)),
        }
    }
}

/// Connects to one peer, as often as it takes.
pub(crate) struct Dial {
    /// This party.
    pub me: Role,
    /// The peer.
    pub peer: Role,
    /// Its address.
    pub address: SocketAddr,
    /// The settings of the connection.
    pub config: ClientConfig,
}

impl Dial {
    /// Dials until the end of a connection is final.
    pub(super) async fn run(self, endpoint: Endpoint, events: Events) {
        let Dial { me, peer, address, .. } = self;
        loop {
            let connecting = match endpoint.connect_with(self.config.clone(), address, peer.name())
            {
                Ok(connecting) => connecting,
                Err(error) => {
                    let reason = error.to_string();
                    let error = ConnectError::Address { peer, address, reason };
                    let _ = events.send(Event::Fatal(error));
                    return;
                }
            };
            let end = match connecting.await {
                Ok(connection) => {
                    let _ = events.send(Event::Up(peer, connection.clone()));
                    connection.closed().await
                }
                Err(end) => end,
            };
            if let Some(error) = ConnectError::from_end(me, peer, address, &end) {
                let _ = events.send(Event::Fatal(error));
                return;
            }
            tracing::debug!("no {peer} at {address}: {end}");
            sleep(RETRY).await;
        }
    }
}

/// Accepts the connections of the peers that connect to this party.
pub(crate) async fn listen(endpoint: Endpoint, me: Role, trust: Trust, events: Events) {
    let mut handshakes = JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        while handshakes.try_join_next().is_some() {}
        if handshakes.len() >= BUSY && incoming.may_retry() {
            // It fails only for a retry of a retry, which the condition excludes.
            let _ = incoming.retry();
            continue;
        }
        handshakes.spawn(welcome(incoming, me, trust.clone(), events.clone()));
    }
    // The endpoint is closed: each ends with its connection, not before it has heard why.
    while handshakes.join_next().await.is_some() {}
}

/// Accepts one connection and stays with it until it ends.
async fn welcome(incoming: Incoming, me: Role, trust: Trust, events: Events) {
    let address = incoming.remote_address();
    let handshake = async { incoming.accept()?.await };
    let connection = match timeout(HANDSHAKE, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(end)) => {
            match Stranger::from_end(me, address, &end) {
                Some(stranger) => {
                    let _ = events.send(Event::Stranger(stranger));
                }
                None => tracing::debug!("a connection from {address} came to nothing: {end}"),
            }
            return;
        }
        Err(_) => return,
    };
    let Some(peer) = authenticated(&connection, &trust) else { return };
    let _ = events.send(Event::Up(peer, connection.clone()));
    let end = connection.closed().await;
    if let Some(error) = ConnectError::from_end(me, peer, address, &end) {
        let _ = events.send(Event::Fatal(error));
    }
}

/// The role whose certificate the other end has proved to be its own.
fn authenticated(connection: &Connection, trust: &Trust) -> Option<Role> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    trust.role_of(chain.first()?)
}

/// The error of a party whose peers did not come in time.
pub(crate) fn deadline(
    missing: Vec<Role>,
    limit: Duration,
    stranger: Option<Stranger>,
) -> ConnectError {
    ConnectError::Deadline { missing, seconds: limit.as_secs(), stranger }
}

fn is_up(connection: &Option<Connection>) -> bool {
    connection.as_ref().is_some_and(|connection| connection.close_reason().is_none())
}
