//! The logistic function and the hyperbolic tangent, both by pieces: eight knots and a straight
//! line between each two.

use fixedpoint::encoding::FixedPoint;
use protocols::{securenn::Elementwise, spline::Spline};

use super::{
    forms::{DealerForm, SLOPE_BITS},
    mean_square::MeanSquare,
    nonlinear::Nonlinear,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, shapes::ShapeProblem};

/// A function from its lowest to its highest value, with a slope of at most 1 and a spline.
pub(super) struct SCurve {
    name: &'static str,
    value: fn(f64) -> f64,
    knots: Range,
    approximation_error: f64,
    mean_square: fn(MeanSquare) -> MeanSquare,
    /// The pieces for values with these fractional bits, and slopes with those.
    spline: fn(u32, u32) -> Spline,
}

/// 1 / (1 + e^-x).
pub(super) const SIGMOID: SCurve = SCurve {
    name: "sigmoid",
    value: |x| 1.0 / (1.0 + (-x).exp()),
    knots: Range { low: -6.0, high: 6.0 },
    approximation_error: 0.005,
    mean_square: |_| MeanSquare::positive(0.25),
    spline: Spline::sigmoid,
};

/// tanh(x).
pub(super) const TANH: SCurve = SCurve {
    name: "tanh",
    value: f64::tanh,
    // With few bits the knots are farther out.
    knots: Range { low: -4.0, high: 4.0 },
    approximation_error: 0.01,
    mean_square: |x| {
        let x = x.total();
        MeanSquare::even(x / (1.0 + x))
    },
    spline: Spline::tanh,
};

/// More than the difference between the functions and their pieces, with few bits or many.
const COARSE_ERROR: f64 = 1.0 / 32.0;

impl Nonlinear for SCurve {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> Vec<f64> {
        Vec::new()
    }

    fn trained_degree(&self) -> Option<u32> {
        None
    }

    fn check(&self) -> Result<(), ShapeProblem> {
        Ok(())
    }

    fn value(&self, x: f64, _: Terms<'_>) -> f64 {
        (self.value)(x)
    }

    fn range(&self, x: Range, _: Terms<'_>) -> Range {
        x.through_increasing(self.value)
    }

    fn knots(&self) -> Range {
        self.knots
    }

    fn approximation_error(&self) -> f64 {
        self.approximation_error
    }

    fn error(&self, x: Range, _: Terms<'_>, unit: f64) -> f64 {
        COARSE_ERROR + unit * (x.magnitude() + 1.0)
    }

    fn truncates(&self) -> bool {
        true
    }

    fn has_larger_intermediates(&self) -> bool {
        false
    }

    fn largest_product(&self, x: f64, one: f64, _: LargestTerms) -> f64 {
        x * one
    }

    fn propagated_error(&self, error: f64, _: f64) -> f64 {
        // No slope is above 1, and every piece but the first has a coin.
        error + 1.0
    }

    fn is_rectifier(&self) -> bool {
        false
    }

    fn mean_square(&self, x: MeanSquare) -> MeanSquare {
        (self.mean_square)(x)
    }

    fn securenn(&self, fixed: FixedPoint, _: EncodedTerms) -> Box<dyn Elementwise> {
        Box::new((self.spline)(fixed.fractional_bits(), SLOPE_BITS))
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        DealerForm::with_pieces((self.spline)(f, SLOPE_BITS), scale, f)
    }
}
