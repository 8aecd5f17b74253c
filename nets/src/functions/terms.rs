//! The trained coefficients of functions: of one channel, and of all channels of a layer.

/// One channel's coefficients, as real numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// The coefficients of x, x^2, ...
    pub coefficients: &'a [f64],
    /// The constant.
    pub constant: f64,
}

/// The largest magnitudes among a layer's coefficients, in units of 2^-f.
#[derive(Clone, Copy, Debug, Default)]
pub struct LargestTerms {
    /// The largest among the coefficients of x, x^2, ...
    pub coefficient: f64,
    /// The largest among the constants.
    pub constant: f64,
}

/// The coefficients of all channels of a layer, as ring elements or as one party's shares of them.
/// They may be the model owner's secret, so there is no `Debug`.
#[derive(Clone, Default)]
pub struct EncodedTerms {
    /// The number of values of one channel in one image.
    pub plane: usize,
    /// The coefficients of x, x^2, ..., channel by channel.
    pub coefficients: Vec<u64>,
    /// One constant for each channel.
    pub constants: Vec<u64>,
}
