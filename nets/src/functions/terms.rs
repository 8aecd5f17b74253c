//! The coefficients of functions that are trained, channel by channel.

/// A channel's coefficients in real numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// The coefficients of x, x^2, ...
    pub coefficients: &'a [f64],
    /// The constant.
    pub constant: f64,
}

/// The largest magnitudes of a layer's coefficients, in units of 2^-f.
#[derive(Clone, Copy, Debug, Default)]
pub struct LargestTerms {
    /// Of the coefficients of x, x^2, ...
    pub coefficient: f64,
    /// Of the constants.
    pub constant: f64,
}

/// The coefficients of channels that alternate in a batch, as ring elements or a party's shares of
/// them. A secret where they are the model owner's: there is no Debug.
#[derive(Clone, Default)]
pub struct EncodedTerms {
    /// The values of one channel of one image.
    pub plane: usize,
    /// The coefficients of x, x^2, ..., channel by channel.
    pub coefficients: Vec<u64>,
    /// The constants, one a channel.
    pub constants: Vec<u64>,
}
