//! The hard sigmoid min(max(x / 6 + 1/2, 0), 1): exactly three straight pieces.

use fixedpoint::encoding::FixedPoint;
use protocols::{securenn::Elementwise, spline::Spline};

use super::{
    forms::{DealerForm, SLOPE_BITS},
    mean_square::MeanSquare,
    nonlinear::Nonlinear,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, shapes::ShapeProblem};

pub(super) struct HardSigmoid;

impl Nonlinear for HardSigmoid {
    fn name(&self) -> &'static str {
        "hard-sigmoid"
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
        (x / 6.0 + 0.5).clamp(0.0, 1.0)
    }

    fn range(&self, x: Range, terms: Terms<'_>) -> Range {
        x.through_increasing(|x| self.value(x, terms))
    }

    fn knots(&self) -> Range {
        Range { low: -3.0, high: 3.0 }
    }

    fn approximation_error(&self) -> f64 {
        0.0005
    }

    fn error(&self, _: Range, _: Terms<'_>, unit: f64) -> f64 {
        // Each knot is at the nearest unit of a value, and the result is truncated.
        self.approximation_error() + 2.0 * unit
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
        // No slope is above 1, and the truncation has a coin.
        error + 1.0
    }

    fn is_rectifier(&self) -> bool {
        false
    }

    fn mean_square(&self, _: MeanSquare) -> MeanSquare {
        MeanSquare::positive(0.25)
    }

    fn securenn(&self, fixed: FixedPoint, _: EncodedTerms) -> Box<dyn Elementwise> {
        Box::new(Spline::hard_sigmoid(fixed.fractional_bits(), SLOPE_BITS))
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        DealerForm::with_pieces(Spline::hard_sigmoid(f, SLOPE_BITS), scale, f)
    }
}
