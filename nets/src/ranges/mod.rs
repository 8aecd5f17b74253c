//! The ranges of a network's values, layer by layer. They are known before anything runs, so that a
//! layer that does not fit its ring can be named.
//!
//! There are two kinds of ranges. [`intervals`] hold for every input, but assume the worst for
//! every weight of every layer, so they are far too wide in deep networks. [`calibrated`] ranges
//! come from samples, and guarantee nothing about other inputs. [`tighter`] takes the narrower of
//! both for each layer, together with its source.
//!
//! Ranges are computed from the model owner's weights, so they are as secret as these;
//! [`crate::suites::dealer::PublicBounds`] are what the model owner may reveal.
//!
//! | file | what it holds |
//! |---|---|
//! | `interval` | ranges by interval arithmetic |
//! | `observed` | ranges of samples, and calibration |
//! | `layer_range` | the range of a layer, and the tighter of two |
//! | `survey` | all that the model owner knows about its network's values |

#![warn(clippy::wildcard_enum_match_arm)]

mod interval;
mod layer_range;
mod observed;
mod survey;

pub use crate::range::Range;
pub use interval::intervals;
pub(crate) use layer_range::power_of_two;
pub use layer_range::{Bound, LayerRange, Source, bits, tighter};
pub use observed::{MIN_MARGIN, Observed, calibrated, check_margin, observed};
pub use survey::Survey;
