//! The architecture of a network: public, and without weights.
//!
//! | file | what it holds |
//! |---|---|
//! | `op` | what a layer computes |
//! | `architecture` | layers and their connections |
//! | `shape` | the sizes of layers |
//! | `builder` | building graphs layer by layer |
//! | `signs` | properties of binary networks: which values are signs, and bounds of their sums |
//! | `hash` | the hash that parties compare |
//! | `file` | the public file of a graph |
//! | `walk` | running layers one after the other or in parallel |

#![warn(clippy::wildcard_enum_match_arm)]

mod architecture;
mod builder;
mod file;
mod hash;
mod op;
mod shape;
mod signs;
mod walk;

pub use crate::functions::ActivationKind;
pub use crate::shapes::Dims;
pub use architecture::{Graph, INPUT, MAX_BATCH, Node, NodeId, OUTPUT, SETUP};
pub use builder::GraphBuilder;
pub use op::{
    Activation, Average, Conv, Dense, Linear, MAX_FUNCTIONS, MAX_MIXED, Op, Portion, Reshape, Run,
    Window, leading,
};
pub use shape::MAX_VALUES;
pub(crate) use shape::{check_dims, output_dims};
pub use walk::Order;
pub(crate) use walk::walk;
