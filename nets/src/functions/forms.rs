//! The form of a function in the `dealer` suite: a gadget, and the scales before and after it.

use protocols::{
    dealer::{Cube, Function, Polynomial, Relu, Sign, Square, Truncation},
    spline::Spline,
};

/// The fractional bits of the slopes of piecewise-linear functions, in both suites.
pub const SLOPE_BITS: u32 = 12;

/// A function in the `dealer` suite.
#[derive(Clone, Debug, PartialEq)]
pub struct DealerForm {
    /// The number of bits by which values are shifted left first.
    pub raise: u32,
    /// The gadget; `None` if every channel has a constant in place of its values.
    pub gadget: Option<Gadget>,
    /// The fractional bits that are left after the gadget's truncation.
    pub kept: u32,
    /// The fractional bits of the result.
    pub scale: u32,
}

/// A function t -> f(t) that the suite evaluates after a truncation to t: the public part of a
/// layer in a network's layout. The coefficients of a polynomial are weights, so they are not part
/// of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Gadget {
    /// t.
    Truncation,
    /// max(t, 0).
    Relu,
    /// A piecewise-linear function.
    Spline(Spline),
    /// t^2.
    Square,
    /// t^3.
    Cube,
    /// 1 or -1.
    Sign,
    /// A polynomial of this degree, each channel with its own coefficients.
    Polynomial(u32),
}

impl Gadget {
    /// The protocol. A polynomial has no coefficients here, which is enough for its cost.
    pub fn function(&self) -> Box<dyn Function> {
        match self {
            Gadget::Truncation => Box::new(Truncation),
            Gadget::Relu => Box::new(Relu),
            Gadget::Spline(spline) => Box::new(spline.clone()),
            Gadget::Square => Box::new(Square),
            Gadget::Cube => Box::new(Cube),
            Gadget::Sign => Box::new(Sign),
            Gadget::Polynomial(degree) => Box::new(Polynomial::shape(*degree as usize)),
        }
    }
}

impl DealerForm {
    /// A gadget on values that are truncated to `f` fractional bits if they have more. `gadget` and
    /// `result` take the fractional bits that are left, and return the gadget and the scale of its
    /// result.
    pub(super) fn after_truncation(
        gadget: impl FnOnce(u32) -> Gadget,
        scale: u32,
        f: u32,
        result: impl FnOnce(u32) -> u32,
    ) -> DealerForm {
        let kept = scale.min(f);
        DealerForm { raise: 0, gadget: Some(gadget(kept)), kept, scale: result(kept) }
    }

    /// A piecewise-linear function on values that are shifted to `f` fractional bits if they have
    /// fewer: with few bits its pieces would be coarse.
    pub(super) fn with_pieces(spline: Spline, scale: u32, f: u32) -> DealerForm {
        let scale_after = f + spline.slope_bits();
        let raise = f.saturating_sub(scale);
        DealerForm { raise, gadget: Some(Gadget::Spline(spline)), kept: f, scale: scale_after }
    }
}
