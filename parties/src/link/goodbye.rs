//! Why a connection ends: what a party tells the others when it closes, and what an ended
//! connection means.
//!
//! The party that caused the end is named all the way through. A party that notices that a peer is
//! gone passes that on as its own reason to close, so that the third party does not blame the
//! messenger.

use protocols::{Error, Role};
use quinn::{ApplicationClose, ConnectionError, VarInt};

use super::profile::Profile;

/// The longest reason sent or believed, in bytes: it must fit into one packet.
const LONGEST: usize = 900;

/// The reason in a closing packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// The run is over; everything has come.
    Done,
    /// The same party has opened a newer connection.
    Replaced,
    /// The parties disagree on what to run; the text says on what.
    Disagreement(String),
    /// Another party is gone.
    Lost(Role, String),
    /// The sender itself failed.
    Failed(String),
    /// No reason was given: the program dropped the connection.
    Unexplained,
}

impl Goodbye {
    /// The reason to close that an error is.
    pub(crate) fn from_error(error: &Error) -> Goodbye {
        match error {
            Error::PeerLost { party, reason } => Goodbye::Lost(*party, reason.clone()),
            Error::Stopped { reason } => Goodbye::Failed(reason.clone()),
            other => Goodbye::Failed(other.to_string()),
        }
    }

    /// The code in the closing packet.
    pub(crate) fn code(&self) -> VarInt {
        VarInt::from_u32(match self {
            Goodbye::Unexplained => 0,
            Goodbye::Done => 1,
            Goodbye::Replaced => 2,
            Goodbye::Disagreement(_) => 3,
            Goodbye::Failed(_) => 4,
            Goodbye::Lost(role, _) => 16 + role.index() as u32,
        })
    }

    /// The text in the closing packet.
    pub(crate) fn reason(&self) -> String {
        match self {
            Goodbye::Disagreement(text) | Goodbye::Lost(_, text) | Goodbye::Failed(text) => {
                printable(text.as_bytes(), LONGEST)
            }
            Goodbye::Done | Goodbye::Replaced | Goodbye::Unexplained => String::new(),
        }
    }

    /// The reason in a closing packet.
    pub(crate) fn read(close: &ApplicationClose) -> Goodbye {
        let text = printable(&close.reason, LONGEST);
        match close.error_code.into_inner() {
            1 => Goodbye::Done,
            2 => Goodbye::Replaced,
            3 => Goodbye::Disagreement(text),
            4 => Goodbye::Failed(text),
            code => match Role::ALL.into_iter().find(|role| code == 16 + role.index() as u64) {
                Some(role) => Goodbye::Lost(role, text),
                None => Goodbye::Unexplained,
            },
        }
    }

    /// The error that it is at `me` that `peer` said this.
    pub(crate) fn into_error(self, me: Role, peer: Role) -> Error {
        let lost = |party, reason| Error::PeerLost { party, reason };
        match self {
            Goodbye::Done => lost(peer, "it ended before the run was over".into()),
            Goodbye::Replaced => lost(peer, "it connected anew".into()),
            Goodbye::Unexplained => lost(peer, "it stopped without giving a reason".into()),
            Goodbye::Disagreement(reason) => Error::Stopped { reason },
            Goodbye::Failed(text) => lost(peer, format!("it stopped: {text}")),
            Goodbye::Lost(role, text) if role == me => {
                lost(peer, format!("it lost the connection to this party: {text}"))
            }
            Goodbye::Lost(role, text) => lost(role, format!("{text}, says {peer}")),
        }
    }
}

/// The error that the end of the connection to `peer` is at `me`.
pub(crate) fn explain(me: Role, peer: Role, end: &ConnectionError) -> Error {
    let lost = |reason: String| Error::PeerLost { party: peer, reason };
    match end {
        ConnectionError::ApplicationClosed(close) => Goodbye::read(close).into_error(me, peer),
        ConnectionError::TimedOut => {
            lost(format!("no sign of life for {} s", Profile::IDLE.as_secs_f32()))
        }
        ConnectionError::Reset => lost("it no longer knows this connection".into()),
        ConnectionError::LocallyClosed => {
            Error::Stopped { reason: "this party closed its connections".into() }
        }
        other => lost(printable(other.to_string().as_bytes(), LONGEST)),
    }
}

/// Text from another party, fit for a terminal: no control characters, no more than `limit` bytes.
pub(crate) fn printable(bytes: &[u8], limit: usize) -> String {
    let mut text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let end = text.floor_char_boundary(limit);
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goodbyes_survive_the_wire() {
        let text = || "no sign of life".to_owned();
        for goodbye in [
            Goodbye::Done,
            Goodbye::Replaced,
            Goodbye::Unexplained,
            Goodbye::Disagreement(text()),
            Goodbye::Failed(text()),
            Goodbye::Lost(Role::ModelOwner, text()),
            Goodbye::Lost(Role::CryptoProducer, text()),
        ] {
            let close =
                ApplicationClose { error_code: goodbye.code(), reason: goodbye.reason().into() };
            assert_eq!(Goodbye::read(&close), goodbye);
        }
    }

    #[test]
    fn the_culprit_is_named_by_the_third_party() {
        let lost = Error::PeerLost { party: Role::DataOwner, reason: "no sign of life".into() };
        let goodbye = Goodbye::from_error(&lost);
        let told = goodbye.clone().into_error(Role::CryptoProducer, Role::ModelOwner);
        assert_eq!(told.to_string(), "data-owner went away: no sign of life, says model-owner");
        let told = goodbye.into_error(Role::DataOwner, Role::ModelOwner).to_string();
        assert!(told.starts_with("model-owner went away: it lost the connection"), "{told}");
    }

    #[test]
    fn foreign_text_is_tamed() {
        assert_eq!(printable(b"a\x1b[31m\n\xffb", 100), "a [31m \u{fffd}b");
        assert_eq!(printable("ää".as_bytes(), 3), "ä");
    }
}
