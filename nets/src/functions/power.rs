//! The powers x^2 and x^3.

use fixedpoint::encoding::FixedPoint;
use protocols::securenn::{Elementwise, Power, Powers};

use super::{
    forms::{DealerForm, Gadget},
    mean_square::MeanSquare,
    nonlinear::Nonlinear,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, shapes::ShapeProblem};

pub(super) struct Square;

pub(super) struct Cube;

impl Nonlinear for Square {
    fn name(&self) -> &'static str {
        "square"
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
        x * x
    }

    fn range(&self, x: Range, _: Terms<'_>) -> Range {
        x.power_times(2, 1.0)
    }

    fn knots(&self) -> Range {
        Range::ZERO
    }

    fn approximation_error(&self) -> f64 {
        0.0
    }

    fn error(&self, _: Range, _: Terms<'_>, unit: f64) -> f64 {
        unit
    }

    fn truncates(&self) -> bool {
        true
    }

    fn has_larger_intermediates(&self) -> bool {
        false
    }

    fn largest_product(&self, x: f64, _: f64, _: LargestTerms) -> f64 {
        x * x
    }

    fn propagated_error(&self, _: f64, _: f64) -> f64 {
        f64::INFINITY
    }

    fn is_rectifier(&self) -> bool {
        false
    }

    fn mean_square(&self, x: MeanSquare) -> MeanSquare {
        let x = x.total();
        MeanSquare::positive(3.0 * x * x)
    }

    fn securenn(&self, fixed: FixedPoint, _: EncodedTerms) -> Box<dyn Elementwise> {
        Box::new(Powers { power: Power::Square, fixed })
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        DealerForm::after_truncation(|_| Gadget::Square, scale, f, |kept| 2 * kept)
    }
}

impl Nonlinear for Cube {
    fn name(&self) -> &'static str {
        "cube"
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
        x * x * x
    }

    fn range(&self, x: Range, terms: Terms<'_>) -> Range {
        x.through_increasing(|x| self.value(x, terms))
    }

    fn knots(&self) -> Range {
        Range::ZERO
    }

    fn approximation_error(&self) -> f64 {
        0.0
    }

    fn error(&self, x: Range, _: Terms<'_>, unit: f64) -> f64 {
        // The square's unit times x, and the cube's own.
        unit * (x.magnitude() + 1.0)
    }

    fn truncates(&self) -> bool {
        true
    }

    fn has_larger_intermediates(&self) -> bool {
        // A small cube may have a larger square.
        true
    }

    fn largest_product(&self, x: f64, one: f64, _: LargestTerms) -> f64 {
        // x^2, then x^2 truncated times x.
        x * x * (1.0 + x / one)
    }

    fn propagated_error(&self, _: f64, _: f64) -> f64 {
        f64::INFINITY
    }

    fn is_rectifier(&self) -> bool {
        false
    }

    fn mean_square(&self, x: MeanSquare) -> MeanSquare {
        let x = x.total();
        MeanSquare::even(15.0 * x * x * x)
    }

    fn securenn(&self, fixed: FixedPoint, _: EncodedTerms) -> Box<dyn Elementwise> {
        Box::new(Powers { power: Power::Cube, fixed })
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        DealerForm::after_truncation(|_| Gadget::Cube, scale, f, |kept| 3 * kept)
    }
}
