//! The sizes of images, and the reasons why the sizes of layers may not fit.

mod dims;
mod problem;

pub use dims::{Dims, ParseDimsError};
pub use problem::ShapeProblem;
