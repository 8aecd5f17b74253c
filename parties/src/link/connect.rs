//! How the parties find each other: from a bound socket to authenticated connections, a common
//! session and its seeds. Where the crypto producer did its part before, the two others meet alone.
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

use protocols::{Role, prf::Seeds};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    agree::{Agreed, agree},
    connect_error::ConnectError,
    endpoint::{client_config, endpoint_config, enlarge_buffers, server_config, transport_config},
    gather::{Dial, deadline, gather, listen},
    hello::Agreement,
    identity::{Identity, IdentityError, Trust},
    io_thread::IoThread,
    profile::Profile,
    quic::QuicTransport,
};

/// Time to agree on a session, on top of the time to connect: others may need all of theirs to
/// gather their peers, and then a moment to answer.
const AGREEING: Duration = Duration::from_secs(2);

/// A party's UDP socket, bound and not yet in use.
#[derive(Debug)]
pub struct Bound {
    socket: Socket,
    address: SocketAddr,
}

/// The options of a party for [`Bound::connect`].
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Its certificate and key.
    pub identity: Identity,
    /// The certificates that it accepts.
    pub trust: Trust,
    /// Where the parties listen, by role. A party uses those with a lower index than its own.
    pub addresses: [SocketAddr; 3],
    /// The run that it wants.
    pub agreement: Agreement,
    /// The kind of the links.
    pub profile: Profile,
    /// How long it waits for the others to come up.
    pub connect_timeout: Duration,
}

/// A session of parties that know each other and agree on what to run.
#[derive(Debug)]
pub struct Established {
    /// The links to the others.
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

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Connects to the others, whenever they come up, and agrees with them on a session. It
    /// blocks: never call it on an asynchronous runtime's thread.
    ///
    /// # Errors
    /// [`ConnectError`]; the others are told, and end too.
    pub fn connect(self, options: &ConnectOptions) -> Result<Established, ConnectError> {
        let me = options.identity.role();
        options.trust.check_own(&options.identity)?;
        let (io, dials) = self.start_io(options)?;
        let Agreed { peers, session, seeds } = meet(&io, dials, options)?;
        let transport = QuicTransport::start(io, me, peers, options.profile.patience);
        Ok(Established { transport: Arc::new(transport), session, seeds })
    }

    /// Starts the endpoint, and prepares the connections that this party opens.
    fn start_io(self, options: &ConnectOptions) -> Result<(IoThread, Vec<Dial>), ConnectError> {
        let ConnectOptions { identity, trust, addresses, profile, .. } = options;
        let me = identity.role();
        let address = self.address;
        let unusable = |source| ConnectError::Bind { address, source };
        let granted = enlarge_buffers(&self.socket, profile.socket_buffer).map_err(unusable)?;
        let transport = transport_config(profile, granted);
        let peers = options.agreement.purpose.peers(me);
        let (dialled, awaited): (Vec<Role>, Vec<Role>) =
            peers.into_iter().partition(|peer| peer.index() < me.index());
        let server = server_config(identity, trust, awaited, &transport)?;
        let socket = UdpSocket::from(self.socket);
        let io = IoThread::start(socket, endpoint_config(profile), server).map_err(unusable)?;
        let dial = |peer: Role| {
            let config = client_config(identity, trust, peer, &transport)?;
            Ok(Dial { me, peer, address: addresses[peer.index()], config })
        };
        let dials = dialled.into_iter().map(dial).collect::<Result<_, IdentityError>>()?;
        Ok((io, dials))
    }
}

/// Gathers the connections to all peers, and agrees with them on a session.
fn meet(io: &IoThread, dials: Vec<Dial>, options: &ConnectOptions) -> Result<Agreed, ConnectError> {
    let ConnectOptions { identity, trust, agreement, connect_timeout, .. } = options;
    let me = identity.role();
    let peers = agreement.purpose.peers(me);
    let (events, mut happened) = mpsc::unbounded_channel();
    // Everything that holds a connection lives outside of the future that may fail: a connection
    // that is dropped closes without a reason, and the others are to hear the reason.
    let mut tasks = JoinSet::new();
    for dial in dials {
        tasks.spawn_on(dial.run(io.endpoint().clone(), events.clone()), io.runtime());
    }
    let task = listen(io.endpoint().clone(), me, trust.clone(), events);
    tasks.spawn_on(task, io.runtime());
    let mut gathered = [None, None, None];
    let result = io.runtime().block_on(async {
        let end = Instant::now() + *connect_timeout + AGREEING;
        gather(&peers, &mut happened, &mut gathered, *connect_timeout).await?;
        io.endpoint().set_server_config(None);
        let up = |peer: Role| gathered[peer.index()].clone().expect("everybody is gathered");
        let connections = peers.iter().map(|&peer| (peer, up(peer))).collect();
        timeout_at(end, agree(me, agreement, connections))
            .await
            .unwrap_or_else(|_| Err(deadline(peers.clone(), *connect_timeout, None)))
    });
    if let Err(error) = &result {
        io.close(&error.goodbye());
        // The reason has to be out before the connections are dropped.
        io.wait_idle();
    }
    result
}
