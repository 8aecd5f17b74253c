//! The sizes of images, and what can be wrong with the sizes of layers.

mod dims;
mod problem;

pub use dims::{Dims, ParseDimsError};
pub use problem::ShapeProblem;
