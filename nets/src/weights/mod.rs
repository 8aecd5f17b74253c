//! Weights.

mod checkpoint;
pub mod model;
pub mod tensors;

pub use tensors::*;
pub(crate) use tensors::{BATCH_NORM, Uniform, half, weight_shape};
