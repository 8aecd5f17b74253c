//! Material that is made ahead and kept in files, for queries that P0 and P1 answer by themselves.
//!
//! A query's material is what travels ahead of it. It depends on nothing but a party's seeds and on what
//! it received, so P0 keeps a seed and the messages, P1 a seed alone, and P2, which takes no further part,
//! nothing: a line in its log says what it dealt. To answer, a party runs the first stage again, on the file
//! instead of a connection.
//!
//! A file is used once. Before a party sends or reads the first message of a query, the query is in its list
//! of used ones and the file has no name any more, both on the disk; where anything fails after that,
//! the query is lost. A copy of a used file is refused, and removed, by that list. Both parties must hold
//! a query for it to be chosen, so it takes copies of both directories, lists included, from before a query
//! to answer another one with its material.
//!
//! Who reads a file learns this: from P0's, the masks of what P0 opens, which with the messages of that query
//! tell about its intermediate values as much as P2 could: nothing without P1's part. From P1's, the
//! masks of P1's inputs, so that with the messages of that query it tells the images. From both, everything.
//! They are secret like keys, each from the other party and P2 as well.

mod file;
mod session;
mod store;

pub(crate) use session::Making;

pub use file::{Fit, Label, Name};
pub use store::{Held, Store};

/// What a session brought or used up of it, at one party.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stock {
    /// The session that made it, in hexadecimal.
    pub session: String,
    /// The first query of it, counted from 0.
    pub first: u64,
    /// How many queries.
    pub queries: u64,
    /// Bytes of a query's file at this party.
    pub file_bytes: u64,
}
