//! Limits of the probability of failure, and the remedies for a network that does not fit.

/// The probability that truncation spoils an image above which a user should be warned.
pub const WARN_FAILURE: f64 = 1.0 / 1024.0;

/// The probability that truncation spoils an image above which nothing should be run.
pub const REFUSE_FAILURE: f64 = 1.0 / 64.0;

/// A setting for which a network fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The most fractional bits that fit; `None` if even one is too many.
    FractionalBits(Option<u32>),
    /// A common magnitude for all layers, as a power of two; `None` if no ring is wide enough.
    MagnitudeBits(Option<u32>),
}
