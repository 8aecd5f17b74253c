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

pub(super) struct Sigmoid;

pub(super) struct Tanh;

impl Nonlinear for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
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
        1.0 / (1.0 + (-x).exp())
    }

    fn range(&self, x: Range, terms: Terms<'_>) -> Range {
        x.through_increasing(|x| self.value(x, terms))
    }

    fn knots(&self) -> Range {
        Range { low: -6.0, high: 6.0 }
    }

    fn approximation_error(&self) -> f64 {
        0.005
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

    fn mean_square(&self, _: MeanSquare) -> MeanSquare {
        MeanSquare::positive(0.25)
    }

    fn securenn(&self, fixed: FixedPoint, _: EncodedTerms) -> Box<dyn Elementwise> {
        Box::new(Spline::sigmoid(fixed.fractional_bits(), SLOPE_BITS))
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        DealerForm::with_pieces(Spline::sigmoid(f, SLOPE_BITS), scale, f)
    }
}

impl Nonlinear for Tanh {
    fn name(&self) -> &'static str {
        "tanh"
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
        x.tanh()
    }

    fn range(&self, x: Range, terms: Terms<'_>) -> Range {
        x.through_increasing(|x| self.value(x, terms))
    }

    fn knots(&self) -> Range {
        // With few bits the knots are farther out.
        Range { low: -4.0, high: 4.0 }
    }

    fn approximation_error(&self) -> f64 {
        0.01
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
        let x = x.total();
        MeanSquare::even(x / (1.0 + x))
    }

    fn securenn(&self, fixed: FixedPoint, _: EncodedTerms) -> Box<dyn Elementwise> {
        Box::new(Spline::tanh(fixed.fractional_bits(), SLOPE_BITS))
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        DealerForm::with_pieces(Spline::tanh(f, SLOPE_BITS), scale, f)
    }
}

/// More than the difference between the functions and their pieces, with few bits or many.
const COARSE_ERROR: f64 = 1.0 / 32.0;
