//! How the parties find each other: from a bound socket to authenticated connections, a common session and
//! its seeds. Where the crypto producer did its part before, the two others meet alone.
//!
//! Of two parties the one with the higher index connects to the other: P1 to P0, P2 to P0 and P1.
//! They may be started in any order. The hellos pass only when a party has all its connections, so
//! that a disagreement between two always reaches the third.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use protocols::{
    Error, Role,
    prf::{Seed, Seeds},
};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, Incoming, ServerConfig,
    TransportConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::pki_types::CertificateDer;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, interval, sleep, timeout, timeout_at},
};
use zeroize::Zeroize;

use crate::link::{
    goodbye::{Goodbye, explain},
    hello::{Agreement, compare, session},
    io_thread::{Network, each},
    profile::Profile,
    quic::QuicTransport,
    signal::{Control, Hello, Signal, Silence},
    tls::{self, Identity, IdentityError, Refusal, Trust},
};

/// How often a party says for whom it waits.
const REMINDER: Duration = Duration::from_secs(3);

/// The pause between two attempts to connect.
const RETRY: Duration = Duration::from_millis(100);

/// The longest that a stranger's handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Handshakes under way from which on a new one must first prove its address.
const BUSY: usize = 16;

/// Why no run could start.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// This party's own address is of no use.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// This party's own certificate or key is of no use.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No connection can be made to a peer's address.
    #[error("cannot connect to {peer} at {address}: {reason}")]
    Address {
        /// The peer.
        peer: Role,
        /// Its address.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Who answers at a peer's address is somebody else.
    #[error(
        "{address} presents {refusal}, where {peer} is expected: check the address and the \
         certificate that this party has of {peer}"
    )]
    Impostor {
        /// The expected party.
        peer: Role,
        /// Where it should be.
        address: SocketAddr,
        /// What is wrong with the certificate.
        refusal: Refusal,
    },
    /// A peer does not accept this party's certificate.
    #[error(
        "{peer} at {address} was shown {refusal}: check there the certificate of {role}, and that \
         this is the address of {peer}"
    )]
    Refused {
        /// The peer.
        peer: Role,
        /// Its address.
        address: SocketAddr,
        /// This party.
        role: Role,
        /// What is wrong with the certificate.
        refusal: Refusal,
    },
    /// Not everybody came.
    #[error("{missing} did not connect within {seconds} s{refused}")]
    Deadline {
        /// Who is missing.
        missing: String,
        /// How long this party waited.
        seconds: u64,
        /// The last stranger that was refused meanwhile, or nothing.
        refused: String,
    },
    /// The parties want to run different things. The text is the same at all three.
    #[error("{0}")]
    Disagreement(String),
    /// A peer ended the session, went away, or does not keep to the protocol.
    #[error(transparent)]
    Peer(#[from] Error),
}

/// A party's UDP socket, bound and not yet in use.
#[derive(Debug)]
pub struct Bound {
    socket: Socket,
    address: SocketAddr,
}

/// What a party brings to [`Bound::connect`].
#[derive(Clone, Debug)]
pub struct Setup {
    /// Who it is.
    pub identity: Identity,
    /// Whom it accepts.
    pub trust: Trust,
    /// Where the parties listen, by role. A party uses those with a lower index than its own.
    pub addresses: [SocketAddr; 3],
    /// What it wants to run.
    pub agreement: Agreement,
    /// What the links are like.
    pub profile: Profile,
    /// How long it waits for the others to come up.
    pub connect_timeout: Duration,
}

/// A session of parties that know each other and agree on what to run.
#[derive(Debug)]
pub struct Established {
    /// The way to the others.
    pub transport: Arc<QuicTransport>,
    /// The session's name, the same at all of them.
    pub session: [u8; 32],
    /// Fresh for this session.
    pub seeds: Seeds,
}

impl Bound {
    /// Binds a socket; port 0 takes any free one.
    ///
    /// # Errors
    /// [`ConnectError::Bind`].
    pub fn bind(address: SocketAddr) -> Result<Bound, ConnectError> {
        let bind = || {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
            socket.bind(&address.into())?;
            let address =
                socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
            Ok(Bound { socket, address })
        };
        bind().map_err(|source| ConnectError::Bind { address, source })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Connects to the others, whenever they come up, and agrees with them on a session. It
    /// blocks: never call it on an asynchronous runtime's thread.
    ///
    /// # Errors
    /// [`ConnectError`]; the others are told, and end too.
    pub fn connect(self, setup: &Setup) -> Result<Established, ConnectError> {
        let Setup { identity, trust, profile, .. } = setup;
        let me = identity.role();
        let peers = setup.agreement.purpose.peers(me);
        trust.check_own(identity)?;
        let address = self.address;
        let unusable = |source| ConnectError::Bind { address, source };
        let granted = enlarge_buffers(&self.socket, profile.socket_buffer).map_err(unusable)?;
        let transport = profile.transport_config(granted);
        let mut endpoint = EndpointConfig::default();
        if let Some(datagram) = profile.datagram {
            endpoint.max_udp_payload_size(datagram).expect("profiles hold at least 1200");
        }
        let (dialled, awaited): (Vec<Role>, Vec<Role>) =
            peers.iter().partition(|peer| peer.index() < me.index());
        let server = server_config(identity, trust, awaited, &transport)?;
        let network =
            Network::start(UdpSocket::from(self.socket), endpoint, server).map_err(unusable)?;
        let dials = dialled
            .into_iter()
            .map(|peer| {
                let config = client_config(identity, trust, peer, &transport)?;
                Ok(Dial { me, peer, address: setup.addresses[peer.index()], config })
            })
            .collect::<Result<Vec<_>, IdentityError>>()?;
        // All that holds a connection lives outside of the future that may fail: a connection that
        // is dropped closes without a reason, and the others are to hear the reason.
        let (events, mut happened) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for dial in dials {
            let task = dial.run(network.endpoint().clone(), events.clone());
            tasks.spawn_on(task, network.runtime());
        }
        let task = listen(network.endpoint().clone(), me, trust.clone(), events);
        tasks.spawn_on(task, network.runtime());
        let mut gathered = [None, None, None];
        let result = network.runtime().block_on(async {
            // Others may need all their time to gather, and then a moment to answer.
            let deadline = Instant::now() + setup.connect_timeout + Duration::from_secs(2);
            gather(&peers, &mut happened, &mut gathered, setup.connect_timeout).await?;
            network.endpoint().set_server_config(None);
            let up = |peer: Role| gathered[peer.index()].clone().expect("everybody is gathered");
            let connections = peers.iter().map(|&peer| (peer, up(peer))).collect();
            timeout_at(deadline, agree(me, &setup.agreement, connections))
                .await
                .unwrap_or_else(|_| Err(missed(&peers, setup.connect_timeout, None)))
        });
        match result {
            Ok(Agreed { peers, session, seeds }) => {
                let transport = QuicTransport::start(network, me, peers, profile.patience);
                Ok(Established { transport: Arc::new(transport), session, seeds })
            }
            Err(error) => {
                network.close(&goodbye(&error));
                // It waits until the reason is out, and only then the connections are dropped.
                drop(network);
                Err(error)
            }
        }
    }
}

/// Connects to one peer, as often as it takes.
struct Dial {
    me: Role,
    peer: Role,
    address: SocketAddr,
    config: ClientConfig,
}

/// What happens while the parties find each other.
enum Event {
    /// A peer has connected, or was connected to.
    Up(Role, Connection),
    /// Somebody was refused.
    Stranger(String),
    /// There is no use in waiting on.
    Hopeless(ConnectError),
}

type Events = mpsc::UnboundedSender<Event>;

/// Waits until all peers are connected.
async fn gather(
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
                Event::Stranger(what) => {
                    tracing::warn!("{what}");
                    last_stranger = Some(what);
                }
                Event::Hopeless(error) => return Err(error),
            },
            _ = reminder.tick() => tracing::info!("waiting for {}", names(&missing)),
            () = &mut give_up => return Err(missed(&missing, limit, last_stranger)),
        }
    }
}

impl Dial {
    async fn run(self, endpoint: Endpoint, events: Events) {
        let Dial { me, peer, address, .. } = self;
        loop {
            let connecting = match endpoint.connect_with(self.config.clone(), address, peer.name())
            {
                Ok(connecting) => connecting,
                Err(error) => {
                    let reason = error.to_string();
                    let error = ConnectError::Address { peer, address, reason };
                    let _ = events.send(Event::Hopeless(error));
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
            if let Some(error) = hopeless(me, peer, address, &end) {
                let _ = events.send(Event::Hopeless(error));
                return;
            }
            tracing::debug!("no {peer} at {address}: {end}");
            sleep(RETRY).await;
        }
    }
}

/// Takes the connections of the peers that connect to this party.
async fn listen(endpoint: Endpoint, me: Role, trust: Trust, events: Events) {
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

/// Takes one connection and stays with it until it ends.
async fn welcome(incoming: Incoming, me: Role, trust: Trust, events: Events) {
    let address = incoming.remote_address();
    let handshake = async { incoming.accept()?.await };
    let connection = match timeout(HANDSHAKE, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(end)) => {
            let what = match refusal(&end) {
                Some((Whose::Theirs, refusal)) => {
                    format!("a connection from {address} was refused: it presents {refusal}")
                }
                Some((Whose::Own, refusal)) => {
                    format!("{address} was shown {refusal}: check there the certificate of {me}")
                }
                None => {
                    tracing::debug!("a connection from {address} came to nothing: {end}");
                    return;
                }
            };
            let _ = events.send(Event::Stranger(what));
            return;
        }
        Err(_) => return,
    };
    let Some(peer) = authenticated(&connection, &trust) else { return };
    let _ = events.send(Event::Up(peer, connection.clone()));
    let end = connection.closed().await;
    if let Some(error) = hopeless(me, peer, address, &end) {
        let _ = events.send(Event::Hopeless(error));
    }
}

/// The role whose certificate the other end has proved to be its own.
fn authenticated(connection: &Connection, trust: &Trust) -> Option<Role> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    trust.role_of(chain.first()?)
}

/// What comes of agreeing.
struct Agreed {
    peers: Vec<(Role, Connection, Control)>,
    session: [u8; 32],
    seeds: Seeds,
}

/// What all connections must go through before anything else: hellos, and proof of one session.
async fn agree(
    me: Role,
    agreement: &Agreement,
    peers: Vec<(Role, Connection)>,
) -> Result<Agreed, ConnectError> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).expect("the operating system gives random bytes");
    let own = Hello { role: me, terms: agreement.terms(), nonce };
    let greetings = peers.iter().map(|(peer, connection)| greet(&own, *peer, connection));
    let (mut controls, mut hellos): (Vec<Control>, Vec<Hello>) =
        each(greetings).await?.into_iter().unzip();
    hellos.push(own);
    hellos.sort_by_key(|hello| hello.role);
    // All by all, so that each finds the same difference by itself.
    let terms: Vec<_> = hellos.iter().map(|hello| (hello.role, &hello.terms[..])).collect();
    compare(&terms).map_err(|difference| ConnectError::Disagreement(difference.to_string()))?;
    let nonces: Vec<_> = hellos.iter().map(|hello| hello.nonce).collect();
    let session = session(&nonces);
    let confirmations = peers
        .iter()
        .zip(&mut controls)
        .map(|((peer, connection), control)| confirm(me, &session, *peer, connection, control));
    each(confirmations).await?;
    let with_others = me.others().map(|other| {
        match peers.iter().find(|(peer, _)| *peer == other) {
            Some((_, connection)) => pair_seed(connection, &session),
            // Nobody else has it, so that nothing is ever masked with what an absent party could know.
            None => Seed::from_os(),
        }
    });
    let seeds = Seeds { with_others, private: Seed::from_os() };
    let peers = peers.into_iter().zip(controls);
    let peers = peers.map(|((peer, connection), control)| (peer, connection, control)).collect();
    Ok(Agreed { peers, session, seeds })
}

/// Exchanges hellos with one peer.
async fn greet(
    own: &Hello,
    peer: Role,
    connection: &Connection,
) -> Result<(Control, Hello), ConnectError> {
    let hellos = async {
        let mut control = if own.role > peer {
            Control::open(connection).await?
        } else {
            Control::accept(connection).await?
        };
        control.send(&Signal::Hello(own.clone())).await?;
        match control.recv().await? {
            Signal::Hello(hello) => Ok((control, hello)),
            _ => Err(Silence::Malformed("its first message is no hello")),
        }
    };
    match hellos.await {
        Ok((control, hello)) if hello.role == peer => Ok((control, hello)),
        Ok((_, hello)) => Err(ConnectError::Disagreement(format!(
            "{} has the certificate of {} as that of {peer}: swap the two there",
            own.role, hello.role
        ))),
        Err(silence) => Err(silent(own.role, peer, connection, silence).await),
    }
}

/// Makes sure that all computed the same session, and with it that all agree.
async fn confirm(
    me: Role,
    session: &[u8; 32],
    peer: Role,
    connection: &Connection,
    control: &mut Control,
) -> Result<(), ConnectError> {
    let ready = async {
        control.send(&Signal::Ready { session: *session }).await?;
        match control.recv().await? {
            Signal::Ready { session: theirs } if theirs == *session => Ok(()),
            _ => Err(Silence::Malformed("it is in another session")),
        }
    };
    match ready.await {
        Ok(()) => Ok(()),
        Err(silence) => Err(silent(me, peer, connection, silence).await),
    }
}

/// The seed that only the two ends of a connection know.
fn pair_seed(connection: &Connection, session: &[u8; 32]) -> Seed {
    let mut bytes = [0; 32];
    connection
        .export_keying_material(&mut bytes, b"tercet pair seed v1", session)
        .expect("TLS 1.3 exports 32 bytes");
    let seed = Seed::from_bytes(bytes);
    bytes.zeroize();
    seed
}

/// Why a peer's control stream is silent. Its end may be seen before that of the connection, which tells the
/// reason: a peer that goes drops both.
async fn silent(me: Role, peer: Role, connection: &Connection, silence: Silence) -> ConnectError {
    match (silence, timeout(FAREWELL, connection.closed()).await) {
        (_, Ok(end)) => hopeless(me, peer, connection.remote_address(), &end)
            .unwrap_or_else(|| explain(me, peer, &end).into()),
        (Silence::Malformed(what), Err(_)) => {
            Error::Stopped { reason: format!("{peer} broke the protocol: {what}") }.into()
        }
        (Silence::Ended, Err(_)) => {
            Error::PeerLost { party: peer, reason: "it stopped the control stream".into() }.into()
        }
    }
}

/// How long the reason for a silent control stream is waited for.
const FAREWELL: Duration = Duration::from_millis(500);

/// Whether the end of a connection is the end of all, rather than worth another attempt.
fn hopeless(
    me: Role,
    peer: Role,
    address: SocketAddr,
    end: &ConnectionError,
) -> Option<ConnectError> {
    match refusal(end) {
        Some((Whose::Theirs, refusal)) => {
            return Some(ConnectError::Impostor { peer, address, refusal });
        }
        Some((Whose::Own, refusal)) => {
            return Some(ConnectError::Refused { peer, address, role: me, refusal });
        }
        None => {}
    }
    match end {
        ConnectionError::ApplicationClosed(close) => match Goodbye::read(close) {
            Goodbye::Unexplained | Goodbye::Replaced | Goodbye::Done => None,
            Goodbye::Disagreement(text) => Some(ConnectError::Disagreement(text)),
            goodbye => Some(goodbye.into_error(me, peer).into()),
        },
        ConnectionError::ConnectionClosed(close)
            if close.error_code == tls::no_common_protocol() =>
        {
            let reason = "it speaks another version: install the same release at all parties";
            Some(ConnectError::Address { peer, address, reason: reason.into() })
        }
        _ => None,
    }
}

/// Whose certificate was refused.
enum Whose {
    Theirs,
    Own,
}

fn refusal(end: &ConnectionError) -> Option<(Whose, Refusal)> {
    match end {
        ConnectionError::TransportError(error) => {
            Refusal::from_code(error.code).map(|refusal| (Whose::Theirs, refusal))
        }
        ConnectionError::ConnectionClosed(close) => {
            Refusal::from_code(close.error_code).map(|refusal| (Whose::Own, refusal))
        }
        _ => None,
    }
}

/// What to tell the others.
fn goodbye(error: &ConnectError) -> Goodbye {
    match error {
        ConnectError::Disagreement(text) => Goodbye::Disagreement(text.clone()),
        ConnectError::Peer(error) => Goodbye::of_error(error),
        other => Goodbye::Failed(other.to_string()),
    }
}

fn is_up(connection: &Option<Connection>) -> bool {
    connection.as_ref().is_some_and(|connection| connection.close_reason().is_none())
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(" and ")
}

fn missed(missing: &[Role], limit: Duration, stranger: Option<String>) -> ConnectError {
    let refused = stranger.map_or(String::new(), |what| format!("; meanwhile {what}"));
    ConnectError::Deadline { missing: names(missing), seconds: limit.as_secs(), refused }
}

/// Returns the receive buffer that the kernel granted, in bytes.
fn enlarge_buffers(socket: &Socket, bytes: usize) -> io::Result<usize> {
    socket.set_recv_buffer_size(bytes)?;
    socket.set_send_buffer_size(bytes)?;
    // Linux reports twice what it grants, to account for its own bookkeeping.
    let granted = socket.recv_buffer_size()? / if cfg!(target_os = "linux") { 2 } else { 1 };
    if granted < bytes {
        tracing::warn!(
            "the kernel grants a UDP receive buffer of {granted} bytes where {bytes} are wanted, \
             which slows the run down: sysctl -w net.core.rmem_max={bytes} \
             net.core.wmem_max={bytes}"
        );
    }
    Ok(granted.min(bytes))
}

fn client_config(
    identity: &Identity,
    trust: &Trust,
    peer: Role,
    transport: &Arc<TransportConfig>,
) -> Result<ClientConfig, IdentityError> {
    let tls = tls::client_config(identity, trust, peer)?;
    let tls = QuicClientConfig::try_from(tls).expect("AES-128-GCM is among the suites");
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(transport.clone());
    Ok(config)
}

/// `None` for a party to which nobody connects.
fn server_config(
    identity: &Identity,
    trust: &Trust,
    peers: Vec<Role>,
    transport: &Arc<TransportConfig>,
) -> Result<Option<ServerConfig>, IdentityError> {
    if peers.is_empty() {
        return Ok(None);
    }
    let tls = tls::server_config(identity, trust, peers)?;
    let tls = QuicServerConfig::try_from(tls).expect("AES-128-GCM is among the suites");
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(transport.clone()).migration(false);
    Ok(Some(config))
}
