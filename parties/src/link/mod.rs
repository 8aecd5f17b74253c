//! The links between the parties: how they find and trust each other, and how messages travel between them over
//! QUIC.

pub mod connect;
pub(crate) mod frame;
mod goodbye;
pub mod hello;
mod io_thread;
mod outbox;
pub mod profile;
pub mod quic;
mod signal;
pub mod tls;
