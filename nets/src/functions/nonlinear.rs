//! The trait of a non-linear function, which is all that the rest of the crate asks of one.

use fixedpoint::encoding::FixedPoint;
use protocols::securenn::Elementwise;

use super::{
    forms::DealerForm,
    mean_square::MeanSquare,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, shapes::ShapeProblem};

/// A non-linear function that layers apply to each value.
///
/// Errors are absolute. A unit is the smallest step of a fixed-point number, 2^-f. Functions with
/// trained coefficients take those of the value's channel as [`Terms`]; all others ignore them.
pub trait Nonlinear: Send + Sync {
    /// The name in reports, plans and on the command line.
    fn name(&self) -> &'static str;

    /// The parameters that the architecture's hash covers in addition to the name.
    fn parameters(&self) -> Vec<f64>;

    /// The degree of the polynomial that each channel has as trained weights; `None` for a function
    /// without weights.
    fn trained_degree(&self) -> Option<u32>;

    /// Checks that the parameters are in range.
    ///
    /// # Errors
    /// The parameter that is out of range.
    fn check(&self) -> Result<(), ShapeProblem>;

    /// The exact value.
    fn value(&self, x: f64, terms: Terms<'_>) -> f64;

    /// The exact range of the values over an interval. There is no default, so that every function
    /// states whether it is monotone.
    fn range(&self, x: Range, terms: Terms<'_>) -> Range;

    /// The interval (or a wider one) from the lowest to the highest knot: the points between two
    /// pieces of the function, with which both suites compare values.
    fn knots(&self) -> Range;

    /// The largest difference between the function and its piecewise-linear approximation, with 10
    /// fractional bits or more.
    fn approximation_error(&self) -> f64;

    /// The largest difference between [`Nonlinear::value`] and the result of either suite for a
    /// value in `x`: it sums the approximation, rounded slopes and coefficients, and truncations.
    /// `unit` is 2^-f.
    fn error(&self, x: Range, terms: Terms<'_>, unit: f64) -> f64;

    /// Whether the `securenn` suite truncates products of values.
    fn truncates(&self) -> bool;

    /// Whether intermediate values may be larger than both the argument and the result, as in
    /// Horner's rule.
    fn has_larger_intermediates(&self) -> bool;

    /// The largest product before a truncation in `securenn`, for values of magnitude `x`. Values
    /// are in units of 2^-f, so that 1 is `one`; products are in units of 2^-2f.
    fn largest_product(&self, x: f64, one: f64, terms: LargestTerms) -> f64;

    /// The largest error of a result in `securenn` for an argument with at most this error, both in
    /// units of 2^-f, so that 1 is `one`; infinite if it depends on the value.
    fn propagated_error(&self, error: f64, one: f64) -> f64;

    /// Whether the function is a ReLU, capped or not, which a search for activation plans
    /// exchanges.
    fn is_rectifier(&self) -> bool;

    /// The mean square of the results for approximately normal values of this mean square.
    fn mean_square(&self, x: MeanSquare) -> MeanSquare;

    /// The function in the `securenn` suite. Its cost and P2's part do not depend on the terms.
    fn securenn(&self, fixed: FixedPoint, terms: EncodedTerms) -> Box<dyn Elementwise>;

    /// The function in the `dealer` suite, for values with `scale` fractional bits in a network
    /// with `f` fractional bits.
    fn dealer(&self, scale: u32, f: u32) -> DealerForm;
}
