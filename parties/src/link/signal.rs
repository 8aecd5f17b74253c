//! The control stream of a connection: a few small messages before and after the run.
//!
//! A message is its length (4 bytes, little-endian) and its bincode encoding. This is the only
//! place that uses bincode.

use protocols::Role;
use quinn::{Connection, RecvStream, SendStream};
use serde::{Deserialize, Serialize};

use super::outbox::Traffic;

/// The longest message, in bytes.
const LONGEST: usize = 16 << 10;

const ENCODING: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<LONGEST>,
> = bincode::config::standard().with_limit();

/// The first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The sender.
    pub role: Role,
    /// The terms that all parties must agree on, as names and values.
    pub terms: Vec<(String, String)>,
    /// Fresh randomness for the session.
    pub nonce: [u8; 32],
}

/// A message of the control stream, in the order in which they come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Signal {
    /// Who the sender is and what it wants to run.
    Hello(Hello),
    /// The sender agrees, and this is its session.
    Ready {
        /// The same at all three.
        session: [u8; 32],
    },
    /// The sender has sent everything to this peer.
    Done {
        /// The number of messages.
        messages: u64,
        /// The sum of their payloads' lengths.
        bytes: u64,
    },
    /// The sender has heard that both others are done.
    Bye,
}

impl Signal {
    pub(crate) fn done(sent: Traffic) -> Signal {
        Signal::Done { messages: sent.messages, bytes: sent.bytes }
    }
}

/// Why no message came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The connection ended; it knows why.
    Ended,
    /// The bytes that came are no message.
    Malformed(&'static str),
}

/// One end of a control stream.
pub(crate) struct Control {
    send: SendStream,
    recv: RecvStream,
}

impl Control {
    /// Opens the stream, for the party that opened the connection; it must send first.
    pub(crate) async fn open(connection: &Connection) -> Result<Control, Silence> {
        let (send, recv) = connection.open_bi().await.map_err(|_| Silence::Ended)?;
        Ok(Control { send, recv })
    }

    /// Takes the stream that the peer opened, once the peer has sent something.
    pub(crate) async fn accept(connection: &Connection) -> Result<Control, Silence> {
        let (send, recv) = connection.accept_bi().await.map_err(|_| Silence::Ended)?;
        Ok(Control { send, recv })
    }

    pub(crate) async fn send(&mut self, signal: &Signal) -> Result<(), Silence> {
        let body = bincode::serde::encode_to_vec(signal, ENCODING)
            .map_err(|_| Silence::Malformed("this party's message is too long"))?;
        let mut message = (body.len() as u32).to_le_bytes().to_vec();
        message.extend_from_slice(&body);
        self.send.write_all(&message).await.map_err(|_| Silence::Ended)
    }

    pub(crate) async fn recv(&mut self) -> Result<Signal, Silence> {
        let mut length = [0; 4];
        self.read(&mut length).await?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err(Silence::Malformed("its message is too long"));
        }
        let mut body = vec![0; length];
        self.read(&mut body).await?;
        let (signal, used) = bincode::serde::decode_from_slice(&body, ENCODING)
            .map_err(|_| Silence::Malformed("its message does not decode"))?;
        if used != length {
            return Err(Silence::Malformed("its message has bytes to spare"));
        }
        Ok(signal)
    }

    async fn read(&mut self, buffer: &mut [u8]) -> Result<(), Silence> {
        use quinn::{ReadError, ReadExactError};
        self.recv.read_exact(buffer).await.map_err(|error| match error {
            ReadExactError::ReadError(ReadError::ConnectionLost(_)) => Silence::Ended,
            _ => Silence::Malformed("it ended the control stream early"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_before_memory_is_taken() {
        // A hello whose list of terms claims 2^60 entries.
        let claim = [&[0, 0][..], &[253], &(1u64 << 60).to_le_bytes()].concat();
        assert!(bincode::serde::decode_from_slice::<Signal, _>(&claim, ENCODING).is_err());
    }
}
