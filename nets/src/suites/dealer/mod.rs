//! The `dealer` suite: preprocessing by P2, and two online messages for each non-linear layer.
//!
//! | file | what it holds |
//! |---|---|
//! | `suite` | the implementation of [`Suite`](super::Suite) |
//! | `layout`, `scales`, `rings` | the ring, scale and gates of every layer |
//! | `hash` | the hash of a layout |
//! | `public_bounds` | bounds of the layers' values that the model owner reveals |
//! | `run` | the executor: both stages of every party |
//! | `offline`, `online` | a layer ahead of the query and from the query on |
//! | `local` | computations without messages |
//! | `result` | revealing the logits or the label |
//! | `shelf` | the store of material between the stages |
//! | `masked_weights` | P1's masked weights as bytes |
//! | `cost` | bytes and rounds |
//! | `reference` | the network in clear as the suite computes it |
//! | `fit` | the check that values stay within the bounds |
//! | `bench` | benches of single operations |

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

pub use layout::{Bounds, DEFAULT_MAGNITUDE_BITS, LayerLayout, Layout};
pub use public_bounds::{PublicBound, PublicBounds};
pub use suite::Dealer;
