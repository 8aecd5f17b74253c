//! The material that a session made or used.

use serde::{Deserialize, Serialize};

/// Material that a session made or used up, at one party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stock {
    /// The session that made it, in hexadecimal.
    pub session: String,
    /// The first query of it, counted from 0.
    pub first: u64,
    /// How many queries.
    pub queries: u64,
    /// Bytes of a query's file at this party.
    pub file_bytes: u64,
}
