//! ReLU: max(x, 0).

use fixedpoint::encoding::FixedPoint;
use protocols::securenn::{self, Elementwise};

use super::{
    forms::{DealerForm, Gadget},
    mean_square::MeanSquare,
    nonlinear::Nonlinear,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, shapes::ShapeProblem};

pub(super) struct Relu;

impl Nonlinear for Relu {
    fn name(&self) -> &'static str {
        "relu"
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
        x.max(0.0)
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

    fn propagated_error(&self, error: f64, _: f64) -> f64 {
        error
    }

    fn is_rectifier(&self) -> bool {
        true
    }

    fn mean_square(&self, x: MeanSquare) -> MeanSquare {
        x.rectified(0.0)
    }

    fn securenn(&self, _: FixedPoint, _: EncodedTerms) -> Box<dyn Elementwise> {
        Box::new(securenn::Relu)
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        DealerForm::after_truncation(|_| Gadget::Relu, scale, f, |kept| kept)
    }
}
