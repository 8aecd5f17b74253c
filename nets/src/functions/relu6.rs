//! ReLU6: min(max(x, 0), 6).

use fixedpoint::encoding::FixedPoint;
use protocols::{
    securenn::{self, Elementwise},
    spline::Spline,
};

use super::{
    forms::{DealerForm, Gadget},
    mean_square::MeanSquare,
    nonlinear::Nonlinear,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, shapes::ShapeProblem};

pub(super) struct Relu6;

impl Nonlinear for Relu6 {
    fn name(&self) -> &'static str {
        "relu6"
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
        x.clamp(0.0, CAP)
    }

    fn range(&self, x: Range, terms: Terms<'_>) -> Range {
        x.through_increasing(|x| self.value(x, terms))
    }

    fn knots(&self) -> Range {
        Range { low: 0.0, high: CAP }
    }

    fn approximation_error(&self) -> f64 {
        0.0
    }

    fn error(&self, _: Range, _: Terms<'_>, _: f64) -> f64 {
        0.0
    }

    fn truncates(&self) -> bool {
        false
    }

    fn has_larger_intermediates(&self) -> bool {
        false
    }

    fn largest_product(&self, x: f64, one: f64, _: LargestTerms) -> f64 {
        x * one
    }

    fn propagated_error(&self, error: f64, one: f64) -> f64 {
        error.min(CAP * one)
    }

    fn is_rectifier(&self) -> bool {
        true
    }

    fn mean_square(&self, x: MeanSquare) -> MeanSquare {
        x.rectified(0.0)
    }

    fn securenn(&self, fixed: FixedPoint, _: EncodedTerms) -> Box<dyn Elementwise> {
        Box::new(securenn::Relu6 { fixed })
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        let capped = |kept: u32| Gadget::Spline(Spline::relu6(6 << kept));
        DealerForm::after_truncation(capped, scale, f, |kept| kept)
    }
}

/// The largest result.
const CAP: f64 = 6.0;
