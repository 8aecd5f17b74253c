//! The sign: 1 if x >= 0, otherwise -1.

use fixedpoint::encoding::FixedPoint;
use protocols::securenn::{self, Elementwise};

use super::{
    forms::{DealerForm, Gadget},
    mean_square::MeanSquare,
    nonlinear::Nonlinear,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, shapes::ShapeProblem};

pub(super) struct Sign;

impl Nonlinear for Sign {
    fn name(&self) -> &'static str {
        "sign"
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
        if x < 0.0 { -1.0 } else { 1.0 }
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

    fn propagated_error(&self, error: f64, one: f64) -> f64 {
        if error == 0.0 { 0.0 } else { error.max(2.0 * one) }
    }

    fn is_rectifier(&self) -> bool {
        false
    }

    fn mean_square(&self, _: MeanSquare) -> MeanSquare {
        MeanSquare::even(1.0)
    }

    fn securenn(&self, fixed: FixedPoint, _: EncodedTerms) -> Box<dyn Elementwise> {
        Box::new(securenn::Sign { one: fixed.one() })
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        DealerForm::after_truncation(|_| Gadget::Sign, scale, f, |_| 0)
    }
}
