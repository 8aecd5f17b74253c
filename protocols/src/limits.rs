//! Numbers that hold for both suites, so that a network that fits one fits the other.

/// The most values of a max pool's window. Phases are numbered in 16 bits, and a max pool of the
/// `securenn` suite takes nine for each value after the first.
pub const MAX_WINDOW: usize = 7281;

/// The most values of which the place of the largest can be told: they are one window.
pub const MAX_CLASSES: usize = MAX_WINDOW;

/// The published slope of a LeakyReLU below 0.
pub const LEAKY_SLOPE: f64 = 0.1;
