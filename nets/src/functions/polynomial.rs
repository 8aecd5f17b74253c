//! Polynomials of degree 0, 2 or 3 whose coefficients are trained, channel by channel.

use fixedpoint::encoding::FixedPoint;
use protocols::{
    Share,
    securenn::{self, Elementwise, PolynomialShape},
};

use super::{
    forms::{DealerForm, Gadget},
    mean_square::MeanSquare,
    nonlinear::Nonlinear,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, shapes::ShapeProblem};

/// The degrees that a polynomial may have.
pub(super) const DEGREES: [u32; 3] = [0, 2, MAX_DEGREE];

/// The highest degree of a polynomial.
const MAX_DEGREE: u32 = 3;

pub(super) struct Polynomial {
    pub(super) degree: u32,
}

impl Nonlinear for Polynomial {
    fn name(&self) -> &'static str {
        match self.degree {
            0 => "polynomial-0",
            2 => "polynomial-2",
            3 => "polynomial-3",
            degree => unreachable!("no polynomial of degree {degree}"),
        }
    }

    fn parameters(&self) -> Vec<f64> {
        // The name has the degree.
        Vec::new()
    }

    fn trained_degree(&self) -> Option<u32> {
        Some(self.degree)
    }

    fn check(&self) -> Result<(), ShapeProblem> {
        if DEGREES.contains(&self.degree) {
            return Ok(());
        }
        Err(ShapeProblem::Degree { degree: self.degree })
    }

    fn value(&self, x: f64, terms: Terms<'_>) -> f64 {
        let sum = terms.coefficients.iter().rev().fold(0.0, |sum, c| (sum + c) * x);
        sum + terms.constant
    }

    fn range(&self, x: Range, terms: Terms<'_>) -> Range {
        let constant = Range { low: terms.constant, high: terms.constant };
        let powers = terms.coefficients.iter().zip(1..);
        powers.fold(constant, |sum, (&c, power)| sum.plus(x.power_times(power, c)))
    }

    fn knots(&self) -> Range {
        Range::ZERO
    }

    fn approximation_error(&self) -> f64 {
        0.0
    }

    fn error(&self, x: Range, terms: Terms<'_>, unit: f64) -> f64 {
        let x = x.magnitude();
        let term = |(c, power): (&f64, i32)| {
            // `dealer` keeps 5/6 of the bits of a coefficient and at least half of those of a
            // value, and each product has an error of one unit.
            let steepest = c.abs() * f64::from(power) * (x + 1.0).powi(power - 1);
            unit.powf(5.0 / 6.0) * x.powi(power) + 2.0 * unit.sqrt() * steepest + unit * x
        };
        unit + terms.coefficients.iter().zip(1..).map(term).sum::<f64>()
    }

    fn truncates(&self) -> bool {
        self.degree > 0
    }

    fn has_larger_intermediates(&self) -> bool {
        // Terms may cancel.
        true
    }

    fn largest_product(&self, x: f64, one: f64, terms: LargestTerms) -> f64 {
        // Horner's rule: each product is the truncated sum so far times x.
        let LargestTerms { coefficient, constant } = terms;
        let step = |sum: f64, _| sum * x / one + coefficient.max(constant);
        (1..self.degree).fold(coefficient, step) * x * f64::from(self.degree)
    }

    fn propagated_error(&self, _: f64, _: f64) -> f64 {
        f64::INFINITY
    }

    fn is_rectifier(&self) -> bool {
        false
    }

    fn mean_square(&self, x: MeanSquare) -> MeanSquare {
        if self.degree == 0 { MeanSquare::even(0.01) } else { x.times(0.25) }
    }

    fn securenn(&self, fixed: FixedPoint, terms: EncodedTerms) -> Box<dyn Elementwise> {
        let EncodedTerms { plane, coefficients, constants } = terms;
        let shape =
            PolynomialShape { degree: self.degree as usize, channels: constants.len(), plane };
        let (coefficients, constants) = (Share::new(coefficients), Share::new(constants));
        Box::new(securenn::Polynomial { shape, coefficients, constants, fixed })
    }

    fn dealer(&self, scale: u32, f: u32) -> DealerForm {
        let scales = PolynomialScales::new(self.degree, scale, f);
        let gadget = (self.degree > 0).then_some(Gadget::Polynomial(self.degree));
        DealerForm { raise: 0, gadget, kept: scales.value, scale: scales.result }
    }
}

/// The fractional bits of a polynomial's value, coefficients and result in the `dealer` suite.
/// Coefficients of lower powers have more bits, so that all terms have the same scale.
pub(crate) struct PolynomialScales {
    /// The degree.
    pub(crate) degree: u32,
    /// The fractional bits of the value.
    value: u32,
    /// The fractional bits of the result and of the constant.
    pub(crate) result: u32,
}

impl PolynomialScales {
    /// The scales of a polynomial on values with `input` fractional bits. Every bit of the result's
    /// scale is sent online, for this value and for those of all channels beside it. So values keep
    /// fewer than f bits: of 12, they keep 8 for degree 2 and 6 for degree 3, and the highest
    /// coefficient has 10 or 12.
    pub(crate) fn new(degree: u32, input: u32, f: u32) -> PolynomialScales {
        let (value, highest) = match degree {
            0 => (0, f),
            2 => (input.min(2 * f / 3), 5 * f / 6),
            3 => (input.min(f / 2), f),
            degree => unreachable!("no polynomial of degree {degree}"),
        };
        PolynomialScales { degree, value, result: degree * value + highest }
    }

    /// The fractional bits of the coefficient of a power.
    pub(crate) fn coefficient(&self, power: u32) -> u32 {
        self.result - power * self.value
    }
}
