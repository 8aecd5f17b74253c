//! What functions are made of in the `dealer` suite.

use protocols::{
    dealer::{Cube, Function, Polynomial, Relu, Sign, Square, Truncation},
    spline::Spline,
};

/// The fractional bits of the slopes of functions of straight pieces, in both suites.
pub const SLOPE_BITS: u32 = 12;

/// A function in the `dealer` suite.
#[derive(Clone, Debug, PartialEq)]
pub struct DealerForm {
    /// The bits that values are lifted by first.
    pub raise: u32,
    /// The gadget; none where every channel has a constant in place of its values.
    pub gadget: Option<Gadget>,
    /// The fractional bits of what the gadget takes after it has truncated the rest.
    pub kept: u32,
    /// The fractional bits of the result.
    pub scale: u32,
}

/// The functions t -> f(t) that the suite evaluates after a truncation to t, without the coefficients
/// of polynomials: what a network's layout says of a layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Gadget {
    /// t.
    Truncation,
    /// max(t, 0).
    Relu,
    /// A function of straight pieces.
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
    /// The protocol. That of a polynomial, without its coefficients, has their costs alone.
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
    /// A gadget on values that are truncated to `f` bits, where they have more; its result has the scale
    /// that `result` makes of what is left.
    pub(super) fn of_truncated(
        gadget: impl FnOnce(u32) -> Gadget,
        scale: u32,
        f: u32,
        result: impl FnOnce(u32) -> u32,
    ) -> DealerForm {
        let kept = scale.min(f);
        DealerForm { raise: 0, gadget: Some(gadget(kept)), kept, scale: result(kept) }
    }

    /// A function of straight pieces on values that are lifted to `f` bits where they have fewer: with few
    /// bits its pieces would be coarse.
    pub(super) fn of_pieces(spline: Spline, scale: u32, f: u32) -> DealerForm {
        let scale_after = f + spline.slope_bits();
        let raise = f.saturating_sub(scale);
        DealerForm { raise, gadget: Some(Gadget::Spline(spline)), kept: f, scale: scale_after }
    }
}
