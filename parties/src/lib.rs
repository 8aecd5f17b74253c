//! Three processes evaluate a network: who they are, how they find and trust each other, and how
//! messages travel between them over QUIC.

pub mod cli;
pub mod config;
pub mod data;
mod durable;
pub mod error;
pub mod launch;
pub mod link;
pub mod party;
pub mod planner;
pub mod report;
