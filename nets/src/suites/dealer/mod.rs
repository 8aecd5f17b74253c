//! The `dealer` suite: preprocessing by P2, and two messages a non-linear layer online.
//!
//! | file | what it holds |
//! |---|---|
//! | `suite` | the suite's [`Suite`](super::Suite) |
//! | `layout`, `scales`, `rings`, `hash` | the ring, scale and gates of every layer, and the hash that parties compare |
//! | `public_bounds` | what the model owner tells the others of how large values get |
//! | `run` | the executor: both stages of every party |
//! | `offline`, `online`, `local`, `result` | a layer ahead of the query, after it, and without messages; what follows the last one |
//! | `shelf` | where material waits between the stages |
//! | `masked_weights` | P1's masked weights as bytes |
//! | `cost` | bytes and rounds |
//! | `reference` | the network in clear as the suite computes it |
//! | `fit` | whether values stay within the bounds |
//! | `bench` | single operations |

pub(crate) mod bench;
mod cost;
mod fit;
mod hash;
mod layout;
mod local;
mod masked_weights;
mod offline;
mod online;
mod public_bounds;
mod reference;
mod result;
mod rings;
mod run;
mod scales;
mod shelf;
mod suite;

pub use layout::{Apply, Bounds, DEFAULT_MAGNITUDE_BITS, LayerLayout, Layout, Part, Step};
pub use public_bounds::{PublicBound, PublicBounds};
pub use suite::Dealer;
