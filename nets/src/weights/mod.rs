//! Weights, the model owner's secret: from a file to ring elements.
//!
//! | file | what it holds |
//! |---|---|
//! | `tensors` | the tensors of a network, by name |
//! | `safetensors`, `checkpoint` | weights from files, and the formats that are refused |
//! | `random` | random weights, for tests and measurements |
//! | `fold` | folding batch norm into the layer before it |
//! | `model` | the folded layers, as real numbers and as ring elements |

#![warn(clippy::wildcard_enum_match_arm)]

mod checkpoint;
mod fold;
mod model;
mod random;
mod safetensors;
mod tensors;

pub use fold::BATCH_NORM_EPS;
pub use model::{EncodedModel, LayerWeights, MAX_FRACTIONAL_BITS, Model, check_fractional_bits};
pub(crate) use model::{Scales, channel_coefficients, channel_constants};
pub(crate) use safetensors::half;
pub(crate) use tensors::weight_shape;
pub use tensors::{Parameter, Weights, parameters};
