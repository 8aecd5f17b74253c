//! How connected parties agree on a session: hellos, one session name, and a seed for each pair.

use std::time::Duration;

use protocols::{
    Error, Role,
    prf::{Seed, Seeds},
};
use quinn::Connection;
use tokio::time::timeout;
use zeroize::Zeroize;

use super::{
    connect_error::ConnectError,
    goodbye::explain,
    hello::{Agreement, compare, session_name},
    io_thread::join_peers,
    signal::{Control, Hello, Signal, Silence},
};

/// How long the reason for a silent control stream is waited for.
const FAREWELL: Duration = Duration::from_millis(500);

/// The parties' agreement.
pub(crate) struct Agreed {
    /// The connections and their control streams.
    pub peers: Vec<(Role, Connection, Control)>,
    /// The session's name.
    pub session: [u8; 32],
    /// Fresh seeds.
    pub seeds: Seeds,
}

/// Exchanges hellos over all connections and proves that all parties are in one session.
pub(crate) async fn agree(
    me: Role,
    agreement: &Agreement,
    peers: Vec<(Role, Connection)>,
) -> Result<Agreed, ConnectError> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).expect("the operating system gives random bytes");
    let own = Hello { role: me, terms: agreement.terms(), nonce };
    let greetings = peers.iter().map(|(peer, connection)| greet(&own, *peer, connection));
    let (mut controls, mut hellos): (Vec<Control>, Vec<Hello>) =
        join_peers(greetings).await?.into_iter().unzip();
    hellos.push(own);
    hellos.sort_by_key(|hello| hello.role);
    // All by all, so that each finds the same difference by itself.
    let terms: Vec<_> = hellos.iter().map(|hello| (hello.role, &hello.terms[..])).collect();
    compare(&terms).map_err(|difference| ConnectError::Disagreement(difference.to_string()))?;
    let nonces: Vec<_> = hellos.iter().map(|hello| hello.nonce).collect();
    let session = session_name(&nonces);
    let confirmations = peers
        .iter()
        .zip(&mut controls)
        .map(|((peer, connection), control)| confirm(me, &session, *peer, connection, control));
    join_peers(confirmations).await?;
    let with_others = me.others().map(|other| {
        match peers.iter().find(|(peer, _)| *peer == other) {
            Some((_, connection)) => pair_seed(connection, &session),
            // Nobody else has it: nothing is ever masked with what an absent party could know.
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
            Signal::Ready { .. } | Signal::Done { .. } | Signal::Bye => {
                Err(Silence::Malformed("its first message is no hello"))
            }
        }
    };
    match hellos.await {
        Ok((control, hello)) if hello.role == peer => Ok((control, hello)),
        Ok((_, hello)) => Err(ConnectError::Disagreement(format!(
            "{} has the certificate of {} as that of {peer}: swap the two there",
            own.role, hello.role
        ))),
        Err(silence) => Err(silence_error(own.role, peer, connection, silence).await),
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
            Signal::Ready { .. } => Err(Silence::Malformed("it is in another session")),
            Signal::Hello(_) | Signal::Done { .. } | Signal::Bye => {
                Err(Silence::Malformed("its second message is no agreement"))
            }
        }
    };
    match ready.await {
        Ok(()) => Ok(()),
        Err(silence) => Err(silence_error(me, peer, connection, silence).await),
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

/// Why a peer's control stream is silent. The end of the stream may be seen before that of the
/// connection, which has the reason: a peer that goes drops both.
async fn silence_error(
    me: Role,
    peer: Role,
    connection: &Connection,
    silence: Silence,
) -> ConnectError {
    match (silence, timeout(FAREWELL, connection.closed()).await) {
        (_, Ok(end)) => ConnectError::from_end(me, peer, connection.remote_address(), &end)
            .unwrap_or_else(|| explain(me, peer, &end).into()),
        (Silence::Malformed(what), Err(_)) => {
            Error::Stopped { reason: format!("{peer} broke the protocol: {what}") }.into()
        }
        (Silence::Ended, Err(_)) => {
            Error::PeerLost { party: peer, reason: "it stopped the control stream".into() }.into()
        }
    }
}
