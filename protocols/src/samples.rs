//! A sample of every function of both suites: what the laws and the benches run over.
//!
//! A function that is not in its suite's list fails a test of the laws, `tests/suites`; one that is
//! in it gets all of them, and a bench.

use fixedpoint::encoding::FixedPoint;

use crate::{
    dealer::{self, Function},
    limits::LEAKY_SLOPE,
    securenn::{self, Elementwise, PolynomialShape, Power},
    share::Share,
    spline::Spline,
    test_world::{polynomials_for_tests, share_for_tests, signed_for_tests, words_for_tests},
};

/// A function, as each party and whoever knows everything has it.
pub struct Sample<F: ?Sized> {
    /// The name, unique within the suite.
    pub name: String,
    /// The name of the type that implements the suite's trait.
    pub implementation: &'static str,
    /// The function as P0, P1 and P2 know it.
    pub parties: [Box<F>; 3],
    /// The function in plain, whose ideal is that of all three.
    pub plain: Box<F>,
    /// Values around which it changes, beside 0: t in the dealer suite, a in securenn.
    pub corners: Vec<i64>,
    /// How often a value is a factor of the result, which has to fit its ring.
    pub degree: u32,
}

/// The encoding of the samples' values.
const FIXED: FixedPoint = FixedPoint::new(13);

/// A sample or more of every implementation of [`Elementwise`].
pub fn securenn() -> Vec<Sample<dyn Elementwise>> {
    let mut samples = vec![
        elementwise("drelu", securenn::Drelu, vec![]),
        elementwise("relu", securenn::Relu, vec![]),
        elementwise("relu6", securenn::Relu6 { fixed: FIXED }, vec![6 << 13]),
        elementwise("sign", securenn::Sign { one: FIXED.one() }, vec![]),
    ];
    for slope in [0.0, LEAKY_SLOPE] {
        let function = securenn::LeakyRelu { slope, fixed: FIXED };
        samples.push(elementwise(&format!("leaky-relu of slope {slope}"), function, vec![]));
    }
    for power in [Power::Square, Power::Cube] {
        let function = securenn::Powers { power, fixed: FIXED };
        samples.push(elementwise(function.name(), function, vec![]));
    }
    for spline in [
        Spline::sigmoid(13, 13),
        Spline::hard_sigmoid(13, 12),
        Spline::new("zigzag", 5, vec![-40, -3, 0, 9, 50], &[2, -1, 2, 3, 2, -7], 3),
        Spline::new("whole slopes", 5, vec![-40, 9], &[2, -1, 2], 0),
        Spline::new("line", -9, vec![], &[3], 2),
    ] {
        let corners = spline.knots().to_vec();
        samples.push(elementwise(Spline::name(&spline), spline, corners));
    }
    samples.extend((0..=3).map(secret_polynomial));
    samples
}

/// A sample or more of every implementation of [`Function`].
pub fn dealer() -> Vec<Sample<dyn Function>> {
    let mut samples = vec![
        gadget("truncation", dealer::Truncation, 1),
        gadget("relu", dealer::Relu, 1),
        gadget("drelu", dealer::Drelu, 1),
        gadget("sign", dealer::Sign, 1),
        gadget("square", dealer::Square, 2),
        gadget("cube", dealer::Cube, 3),
    ];
    for spline in [
        Spline::leaky_relu(LEAKY_SLOPE, 8),
        Spline::relu6(20),
        // One piece is parallel to the base, one is the base again, and the last is neither.
        Spline::new("spline", 3, vec![-20, -4, 0, 15], &[0, 2, 0, -1, 1], 1),
        Spline::sigmoid(12, 12),
        Spline::hard_sigmoid(12, 12),
        Spline::new("line", -9, vec![], &[3], 2),
    ] {
        samples.push(gadget(Spline::name(&spline), spline, 1));
    }
    samples.extend((1..=3).map(keyed_polynomial));
    samples
}

fn elementwise<T: Elementwise + Clone + 'static>(
    name: &str,
    function: T,
    corners: Vec<i64>,
) -> Sample<dyn Elementwise> {
    let boxed = || Box::new(function.clone()) as Box<dyn Elementwise>;
    Sample {
        name: name.to_owned(),
        implementation: std::any::type_name::<T>(),
        parties: [boxed(), boxed(), boxed()],
        plain: boxed(),
        corners,
        degree: 1,
    }
}

/// A polynomial with coefficients small enough for every sum of Horner's rule to be in the domain.
fn secret_polynomial(degree: usize) -> Sample<dyn Elementwise> {
    let shape = PolynomialShape { degree, channels: 7, plane: 13 };
    let c = signed_for_tests(60, 1 << 9, shape.channels * degree);
    let c0 = signed_for_tests(61, 1 << 9, shape.channels);
    let boxed = |coefficients, constants| {
        let function = securenn::Polynomial { shape, coefficients, constants, fixed: FIXED };
        Box::new(function) as Box<dyn Elementwise>
    };
    let [p0, p1] = share_for_tests(62, &c);
    let [p0_constants, p1_constants] = share_for_tests(63, &c0);
    let p2 = securenn::Polynomial::without_coefficients(degree, FIXED);
    Sample {
        name: format!("polynomial of degree {degree}"),
        implementation: std::any::type_name::<securenn::Polynomial>(),
        parties: [boxed(p0, p0_constants), boxed(p1, p1_constants), Box::new(p2)],
        plain: boxed(Share::new(c), Share::new(c0)),
        corners: vec![],
        degree: 1,
    }
}

fn gadget<T: Function + Clone + 'static>(
    name: &str,
    function: T,
    degree: u32,
) -> Sample<dyn Function> {
    let boxed = || Box::new(function.clone()) as Box<dyn Function>;
    Sample {
        name: name.to_owned(),
        implementation: std::any::type_name::<T>(),
        parties: [boxed(), boxed(), boxed()],
        plain: boxed(),
        corners: function.points(),
        degree,
    }
}

/// A polynomial with any coefficients: whatever wraps in the result's ring is right there.
fn keyed_polynomial(degree: usize) -> Sample<dyn Function> {
    let (channels, plane) = (3, 100);
    let (c, c0) = (words_for_tests(64, channels * degree), words_for_tests(65, channels));
    let parties = polynomials_for_tests(degree, plane, c, c0);
    let plain = Box::new(parties[0].clone());
    Sample {
        name: format!("polynomial of degree {degree}"),
        implementation: std::any::type_name::<dealer::Polynomial>(),
        parties: parties.map(|party| Box::new(party) as Box<dyn Function>),
        plain,
        corners: vec![],
        degree: 1,
    }
}
