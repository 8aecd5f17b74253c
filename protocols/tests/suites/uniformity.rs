//! Chi-squared against the uniform distribution, on fixed seeds; a test fails below p = 10^-9.

/// Standard deviations at which the upper tail of the normal distribution is 10^-9.
pub(crate) const LIMIT: f64 = 5.998;

/// How far chi-squared is above its expectation, in standard deviations of the normal distribution
/// that Wilson and Hilferty give for its cube root.
pub(crate) fn deviation(counts: &[u64]) -> f64 {
    let total: u64 = counts.iter().sum();
    let expected = total as f64 / counts.len() as f64;
    let chi: f64 = counts.iter().map(|&n| (n as f64 - expected).powi(2) / expected).sum();
    let freedom = counts.len() as f64 - 1.0;
    let spread = 2.0 / (9.0 * freedom);
    ((chi / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}
