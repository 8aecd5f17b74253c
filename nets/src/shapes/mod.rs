//! The sizes of images, and the reasons why the sizes of layers may not fit.
//!
//! | file | what it holds |
//! |---|---|
//! | `dims` | the size of one image |
//! | `problem` | the reason why a layer does not fit its inputs |

mod dims;
mod problem;

pub use dims::{Dims, ParseDimsError};
pub use problem::ShapeProblem;
