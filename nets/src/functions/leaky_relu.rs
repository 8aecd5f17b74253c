//! Leaky ReLU: x above 0 and slope times x below, with a public slope.

use fixedpoint::encoding::FixedPoint;
use protocols::{
    securenn::{self, Elementwise},
    spline::Spline,
};

use super::{
    forms::{DealerForm, Gadget, SLOPE_BITS},
    mean_square::MeanSquare,
    nonlinear::Nonlinear,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, shapes::ShapeProblem};

pub(super) struct LeakyRelu {
    pub(super) slope: f64,
}

impl Nonlinear for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky-relu"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![self.slope]
    }

    fn trained_degree(&self) -> Option<u32> {
        None
    }

    fn check(&self) -> Result<(), ShapeProblem> {
        if (0.0..=1.0).contains(&self.slope) {
            return Ok(());
        }
        Err(ShapeProblem::Slope { slope: self.slope })
    }

    fn value(&self, x: f64, _: Terms<'_>) -> f64 {
        if x < 0.0 { x * self.slope } else { x }
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
        // A slope is rounded to the coarser of both suites.
        let slope_unit = f64::exp2(-f64::from(SLOPE_BITS)).max(unit);
        slope_unit / 2.0 * x.magnitude() + unit
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
        error + 1.0
    }

    fn is_rectifier(&self) -> bool {
        false
    }

    fn mean_square(&self, x: MeanSquare) -> MeanSquare {
        x.rectified(self.slope)
    }

    fn securenn(&self, fixed: FixedPoint, _: EncodedTerms) -> Box<dyn Elementwise> {
        Box::new(securenn::LeakyRelu { slope: self.slope, fixed })
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        let pieces = |_| Gadget::Spline(Spline::leaky_relu(self.slope, SLOPE_BITS));
        DealerForm::after_truncation(pieces, scale, f, |kept| kept + SLOPE_BITS)
    }
}
