//! How large a network's values get, layer by layer: found before anything runs, so that a layer that
//! does not fit its ring is known by name.
//!
//! Two answers, each wrong where the other is right. [`intervals`] holds for every input, but takes every
//! weight at its worst, layer upon layer, so in deep networks it says far too much. [`calibrated`] holds for
//! the samples that it was given, and says nothing certain about others. [`tighter`] takes the
//! smaller of both for each layer and says which.
//!
//! Ranges are computed from the model owner's weights, so they are as secret;
//! [`crate::suites::dealer::PublicBounds`] is what it may tell the others.

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
