//! A party whose links stand, and what the parties tell each other besides the protocols.

use std::{net::SocketAddr, sync::Arc};

use protocols::{Role, Session, SessionOptions, prf::Seeds, step::Step, transport::Message};

use super::{inputs::Inputs, task::Task};
use crate::{
    config::Protocol,
    error::{Error, Result},
    link::{Agreement, Bound, ConnectOptions, Established, Identity, ProcessTransport, Trust},
};

/// The place where the data owner announces the number of images. No layer can have the name.
const IMAGES: &str = "session/images";

/// A party whose links stand.
pub(crate) struct Connected {
    /// Who it is.
    pub role: Role,
    /// The others that take part.
    pub peers: Vec<Role>,
    /// The session's name.
    pub session: [u8; 32],
    /// The links.
    pub transport: Arc<dyn ProcessTransport>,
    /// The seeds that it shares with each of the others.
    pub seeds: Seeds,
}

/// Finds the others.
///
/// # Errors
/// [`Error::Connect`], [`Error::Identity`] or [`Error::Protocol`].
pub(crate) fn connect(
    bound: Bound,
    identity: Identity,
    trust: Trust,
    addresses: [SocketAddr; 3],
    agreement: Agreement,
    protocol: &Protocol,
) -> Result<Connected> {
    let role = identity.role();
    let peers = agreement.purpose.peers(role);
    let options = ConnectOptions {
        identity,
        trust,
        addresses,
        agreement,
        profile: protocol.profile.profile(),
        connect_timeout: protocol.connect_timeout,
    };
    let Established { transport, session, seeds } = bound.connect(&options)?;
    Ok(Connected { role, peers, session, transport, seeds })
}

impl Connected {
    /// The one session of these seeds for a purpose, and the transport to finish after it.
    pub(super) fn session(
        &self,
        purpose: &str,
        options: SessionOptions,
    ) -> (Session, Arc<dyn ProcessTransport>) {
        let seeds = self.seeds.derive(purpose);
        (Session::new(self.role, self.transport.clone(), seeds, options), self.transport.clone())
    }

    /// The number of images, which the data owner knows and the others must.
    pub(super) fn announce_images(&self, task: &Task, inputs: &Inputs) -> Result<usize> {
        if let Inputs::Images(images) = inputs {
            for &other in &self.peers {
                self.tell(other, IMAGES, (images.count as u64).to_le_bytes().to_vec())?;
            }
            return Ok(images.count);
        }
        let count = self.hear(Role::DataOwner, IMAGES)?;
        let count = count.try_into().ok().map(u64::from_le_bytes);
        let count = count.and_then(|count| usize::try_from(count).ok());
        count.filter(|&count| task.graph().check_batch(count).is_ok()).ok_or_else(|| {
            malformed(Role::DataOwner, IMAGES, "it announced no usable number of images")
        })
    }

    /// Tells another party something that is no payload of a protocol.
    pub(super) fn tell(&self, to: Role, place: &str, payload: Vec<u8>) -> protocols::Result<()> {
        self.transport.send(to, Message { step: Step::root(place), phase: 0, depth: 0, payload })
    }

    /// Receives such a notice from another party.
    pub(super) fn hear(&self, from: Role, place: &str) -> protocols::Result<Vec<u8>> {
        Ok(self.transport.recv(from, &Step::root(place))?.payload)
    }
}

/// The error of a message that does not say what is due.
pub(super) fn malformed(from: Role, place: &str, what: &str) -> Error {
    let (step, what) = (place.into(), what.into());
    protocols::Error::Malformed { from, step, phase: 0, what }.into()
}
