//! How likely a failure may be, and what would help where a network does not fit.

/// Above this probability that truncation spoils an image, a user should be warned.
pub const WARN_FAILURE: f64 = 1.0 / 1024.0;

/// Above this one nothing should be run.
pub const REFUSE_FAILURE: f64 = 1.0 / 64.0;

/// A setting with which a network fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The most fractional bits that fit; none where even one is too many.
    FractionalBits(Option<u32>),
    /// The magnitude of all layers alike, as a power of two; none where no ring is wide enough.
    MagnitudeBits(Option<u32>),
}
