//! The public architecture of a network, without weights.
//!
//! | file | what it holds |
//! |---|---|
//! | `op` | what a layer computes |
//! | `architecture` | layers and how they hang together |
//! | `shape` | the sizes of layers |
//! | `builder` | building graphs layer by layer |
//! | `signs` | layers whose values are signs |
//! | `hash` | the hash that parties compare |
//! | `file` | the public file of a graph |
//! | `walk` | running layers one after the other or side by side |

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
