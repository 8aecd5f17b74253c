//! Three processes evaluate a network: who they are, how they find and trust each other, and how
//! messages travel between them over QUIC.

pub mod architecture;
pub mod cli;
pub mod config;
pub mod connect;
pub mod control;
pub mod data;
mod durable;
pub mod error;
pub mod estimate;
mod frame;
mod goodbye;
pub mod hello;
pub mod launch;
pub mod launched;
pub mod material;
mod network;
mod outbox;
pub mod party;
pub mod plan_file;
pub mod planner;
pub mod process;
pub mod profile;
pub mod quic;
pub mod report;
mod setup;
mod signal;
pub mod survey;
pub mod table;
pub mod task;
pub mod tls;
