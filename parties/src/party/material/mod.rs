//! Material that is made ahead and kept in files, for queries that P0 and P1 answer by themselves.
//!
//! A query's material is what travels ahead of it. It depends on nothing but a party's seeds and
//! the messages that it received, so P0 keeps a seed and the messages, P1 a seed alone, and P2,
//! which takes no further part, nothing: a line in its log says what it dealt. To answer, a party
//! runs the first stage again, on the file instead of a connection.
//!
//! A file is used once. Before a party sends or reads the first message of a query, the query is in
//! its list of used ones and the file has no name any more, both on the disk; where anything fails
//! after that, the query is lost. A copy of a used file is refused, and removed, by that list. Both
//! parties must hold a query for it to be chosen, so it takes copies of both directories, lists
//! included, from before a query to answer another one with its material.
//!
//! Files are secret like keys, from the other evaluator above all. P0's holds what masks the values
//! that P0 opens: with it, P1 would learn that query's intermediate values, and from them about the
//! weights. P1's holds what masks the images: with it, P0 would learn them. P2 had all of it when
//! it dealt, and is of no use to either without the other's messages; the whole rests on P2
//! working with neither.

mod file;
mod label;
mod session;
mod stock;
mod store;
mod transport;

pub(crate) use session::DealJob;
pub(crate) use transport::Stored;

pub(crate) use label::MadeFor;
pub(crate) use stock::Stock;
pub(crate) use store::{Held, Store};
