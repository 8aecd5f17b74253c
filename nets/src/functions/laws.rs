//! Laws that every function of the registry keeps.

use fixedpoint::encoding::FixedPoint;
use protocols::securenn::Elementwise;

use super::{
    kind::ActivationKind,
    mean_square::MeanSquare,
    nonlinear::Nonlinear,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, uniform::Uniform};

const FIXED: FixedPoint = FixedPoint::new(12);
const ONE: f64 = 4096.0;

/// Coefficients for every function that has any.
const COEFFICIENTS: [f64; 3] = [0.75, -0.5, 0.25];
const CONSTANT: f64 = -0.125;

struct Case {
    kind: ActivationKind,
    function: Box<dyn Nonlinear>,
    degree: usize,
}

impl Case {
    fn terms(&self) -> Terms<'static> {
        match self.function.trained_degree() {
            Some(_) => Terms { coefficients: &COEFFICIENTS[..self.degree], constant: CONSTANT },
            None => Terms::default(),
        }
    }

    fn value(&self, x: f64) -> f64 {
        self.function.value(x, self.terms())
    }

    /// The function in `securenn` on `count` values.
    fn securenn(&self, count: usize) -> Box<dyn Elementwise> {
        let terms = self.terms();
        let constants = self.function.trained_degree().map(|_| encode(terms.constant));
        self.function.securenn(
            FIXED,
            EncodedTerms {
                plane: count,
                coefficients: terms.coefficients.iter().map(|c| encode(*c)).collect(),
                constants: constants.into_iter().collect(),
            },
        )
    }
}

fn cases() -> impl Iterator<Item = Case> {
    ActivationKind::all().into_iter().map(|kind| {
        let function = kind.function();
        let degree = function.trained_degree().unwrap_or(0) as usize;
        Case { kind, function, degree }
    })
}

fn encode(x: f64) -> u64 {
    FIXED.encode(x).unwrap()
}

/// Values around every knot, and random ones of a few sizes.
fn values(case: &Case) -> Vec<f64> {
    let mut uniform = Uniform::new(case.function.name(), 7);
    let knots = case.function.knots();
    let near = [knots.low, 0.0, knots.high]
        .into_iter()
        .flat_map(|knot| [-1.0, -1.0 / ONE, 0.0, 1.0 / ONE, 1.0].map(|more| knot + more));
    let mut values: Vec<f64> = near.collect();
    for size in [0.5, 2.0, 8.0] {
        values.extend((0..400).map(|_| uniform.between(-size, size)));
    }
    // Values that have an encoding, so that both sides take the same.
    values.iter().map(|x| (x * ONE).round() / ONE).collect()
}

#[test]
fn names_and_parameters_tell_functions_apart() {
    let mut seen = Vec::new();
    for case in cases() {
        let own = (case.function.name(), case.function.parameters());
        assert!(!seen.contains(&own), "{own:?}");
        seen.push(own);
        assert!(case.function.check().is_ok());
    }
    let slopes =
        [0.1, 0.2].map(|slope| ActivationKind::LeakyRelu { slope }.function().parameters());
    assert_ne!(slopes[0], slopes[1]);
}

#[test]
fn ranges_hold_all_values_and_their_ends_are_reached() {
    for case in cases() {
        let mut uniform = Uniform::new("ranges", 1);
        for _ in 0..300 {
            let [a, b] = [(); 2].map(|()| uniform.between(-9.0, 9.0));
            let x = Range::between(a, b);
            let range = case.function.range(x, case.terms());
            let step = (x.high - x.low) / 500.0;
            let grid = (0..=500).map(|place| (x.low + step * f64::from(place)).min(x.high));
            let turns = [0.0, case.function.knots().low, case.function.knots().high];
            let inside = turns.into_iter().filter(|turn| (x.low..=x.high).contains(turn));
            let seen = Range::spanning(grid.chain(inside).map(|x| case.value(x)));
            let slack = 1e-9 * (1.0 + range.magnitude());
            let name = case.function.name();
            assert!(
                range.low <= seen.low + slack && seen.high <= range.high + slack,
                "{name} {x:?}"
            );
            // The terms of a polynomial are each taken at their worst.
            if case.degree < 2 {
                let tight = (range.low - seen.low).abs() + (range.high - seen.high).abs();
                assert!(tight <= slack, "{name} {x:?}: {range:?} {seen:?}");
            }
        }
    }
}

#[test]
fn securenn_computes_the_function_within_its_error() {
    for case in cases() {
        let x = values(&case);
        let words = FIXED.encode_slice(&x).unwrap();
        let got = FIXED.decode_slice(&case.securenn(x.len()).ideal(&words));
        for (x, got) in x.iter().zip(got) {
            let (at, due) = (Range { low: *x, high: *x }, case.value(*x));
            let allowed = case.function.error(at, case.terms(), 1.0 / ONE) + 1.0 / ONE;
            assert!((got - due).abs() <= allowed, "{:?} of {x}: {got}, {due}", case.kind);
        }
    }
}

#[test]
fn dealer_computes_the_function_within_its_error() {
    let f = FIXED.fractional_bits();
    for case in cases() {
        for scale in [f, 2 * f] {
            let form = case.function.dealer(scale, f);
            let Some(gadget) = &form.gadget else {
                assert_eq!(case.function.trained_degree(), Some(0), "{:?}", case.kind);
                continue;
            };
            if case.degree > 0 {
                continue;
            }
            let protocol = gadget.function();
            let unit = f64::from(form.scale).exp2();
            for x in values(&case) {
                let raised = ((x * f64::from(scale).exp2()) as i64) << form.raise;
                let t = raised >> (scale + form.raise - form.kept);
                let (got, due) = (protocol.ideal(0, t) as f64 / unit, case.value(x));
                let at = Range { low: x, high: x };
                let allowed = case.function.error(at, Terms::default(), 1.0 / ONE) + 1.0 / ONE;
                assert!((got - due).abs() <= allowed, "{:?} of {x}: {got}, {due}", case.kind);
            }
            let knots = case.function.knots();
            let kept = f64::from(form.kept).exp2();
            let points = protocol.points().into_iter().map(|point| point as f64 / kept);
            let outside = |point: &f64| *point < knots.low || *point > knots.high;
            assert_eq!(points.filter(outside).count(), 0, "knots of {:?}", case.kind);
        }
    }
}

#[test]
fn pieces_are_as_near_as_they_say() {
    for case in cases() {
        let step = 1.0 / 256.0;
        let x: Vec<f64> = (-4096..=4096).map(|place| f64::from(place) * step).collect();
        let words = FIXED.encode_slice(&x).unwrap();
        let got = FIXED.decode_slice(&case.securenn(x.len()).ideal(&words));
        for (&x, got) in x.iter().zip(got) {
            // Beside the pieces, slopes and products are rounded.
            let power = x.abs().max(1.0).powi(case.degree.max(2).try_into().unwrap());
            let rounding = 8.0 / ONE * power;
            let allowed = case.function.approximation_error() + rounding;
            assert!((got - case.value(x)).abs() <= allowed, "{:?} of {x}", case.kind);
        }
    }
}

#[test]
fn truncations_are_declared() {
    for case in cases() {
        let function = case.securenn(1);
        assert_eq!(case.function.truncates(), function.truncations() > 0, "{:?}", case.kind);
        assert_eq!(function.cost(1).bytes() == 0, case.function.trained_degree() == Some(0));
    }
}

#[test]
fn products_before_truncations_are_no_larger_than_declared() {
    for case in cases() {
        let x = values(&case);
        let words = FIXED.encode_slice(&x).unwrap();
        let mut largest = 0.0f64;
        case.securenn(x.len()).ideal_with(&words, &mut |product, bits| {
            largest = largest.max(product.cast_signed().unsigned_abs() as f64);
            fixedpoint::truncation::floor_shift(product, bits)
        });
        let magnitude = ONE * x.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let terms = LargestTerms { coefficient: 0.75 * ONE, constant: 0.125 * ONE };
        let declared = case.function.largest_product(magnitude, ONE, terms);
        assert!(largest <= declared, "{:?}: {largest} {declared}", case.kind);
    }
}

#[test]
fn errors_grow_no_more_than_declared() {
    for case in cases() {
        let mut uniform = Uniform::new("errors", 1);
        for x in values(&case) {
            let error = uniform.between(-0.25, 0.25);
            let change = ONE * (case.value(x + error) - case.value(x)).abs();
            let declared = case.function.propagated_error(ONE * error.abs(), ONE);
            assert!(change <= declared + 1e-6, "{:?} at {x}: {change} {declared}", case.kind);
        }
        let none = case.function.propagated_error(0.0, ONE);
        assert!(none <= 1.0 || none.is_infinite(), "{:?}: only its coin", case.kind);
    }
}

#[test]
fn mean_squares_are_about_those_of_normal_values() {
    for case in cases().filter(|case| case.function.trained_degree().is_none()) {
        let mut uniform = Uniform::new("normal", 1);
        // Twelve uniform values less 6 are nearly normal.
        let mut normal = || (0..12).map(|_| uniform.between(-0.5, 0.5)).sum::<f64>();
        let squares = (0..4000).map(|_| case.value(normal()).powi(2));
        let seen = squares.sum::<f64>() / 4000.0;
        let declared = case.function.mean_square(MeanSquare::even(1.0)).total();
        let ratio = declared / seen;
        assert!((0.5..2.0).contains(&ratio), "{:?}: {declared} {seen}", case.kind);
    }
}
