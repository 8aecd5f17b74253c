//! The links between the parties: authenticated QUIC connections, one to each peer.
//!
//! [`connect`](Bound::connect) takes a party from a bound socket to a [`QuicTransport`] whose ends
//! have authenticated each other and agree on what to run. What the rest of the crate needs of a
//! transport is [`ProcessTransport`].

mod agree;
mod connect;
mod connect_error;
mod endpoint;
pub(crate) mod frame;
mod gather;
mod goodbye;
mod hello;
mod identity;
mod io_thread;
mod outbox;
mod peers;
mod profile;
mod quic;
mod signal;
mod tls;
mod transport;

pub use connect::{Bound, ConnectOptions, Established};
pub use connect_error::{ConnectError, Stranger};
pub use hello::{Agreement, PROTOCOL_VERSION, Purpose};
pub use identity::{Identity, IdentityError, Trust, write_identities};
pub use profile::{Profile, ProfileName};
pub use quic::QuicTransport;
pub use tls::Refusal;
pub use transport::ProcessTransport;
