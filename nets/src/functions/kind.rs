//! The registry of functions.

use serde::{Deserialize, Serialize};

use super::{
    hard_sigmoid::HardSigmoid,
    leaky_relu::LeakyRelu,
    nonlinear::Nonlinear,
    polynomial::{DEGREES, Polynomial},
    power::{Cube, Square},
    relu::Relu,
    relu6::Relu6,
    s_curve::{SIGMOID, TANH},
    sign::Sign,
};

/// Generates the enum of all functions, the list of them and the conversion to [`Nonlinear`].
///
/// A function without a parameter is `Variant => value;`, one with a parameter `Variant {
/// parameter: Type } in VALUES => value;`, where `VALUES` are the ones that plans and benches offer
/// by name.
macro_rules! functions {
    ($(
        $(#[$meta:meta])*
        $variant:ident
            $({ $(#[$field_meta:meta])* $field:ident: $type:ty } in $values:expr)?
            => $function:expr;
    )+) => {
        /// A non-linear function, by its name and parameters.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum ActivationKind {
            $($(#[$meta])* $variant $({ $(#[$field_meta])* $field: $type })?,)+
        }

        impl ActivationKind {
            /// Every function that plans and benches know by name; one with a parameter is listed
            /// once for each named or usual value.
            pub fn all() -> Vec<ActivationKind> {
                let mut all = Vec::new();
                $(functions!(@instances all, $variant $(, $field in $values)?);)+
                all
            }

            /// The function itself: its values, errors and forms in both suites.
            pub fn function(self) -> Box<dyn Nonlinear> {
                match self {
                    $(ActivationKind::$variant $({ $field })? => Box::new($function),)+
                }
            }
        }
    };
    (@instances $all:ident, $variant:ident) => {
        $all.push(ActivationKind::$variant);
    };
    (@instances $all:ident, $variant:ident, $field:ident in $values:expr) => {
        $all.extend($values.map(|$field| ActivationKind::$variant { $field }));
    };
}

functions! {
    /// max(x, 0).
    Relu => Relu;
    /// min(max(x, 0), 6).
    Relu6 => Relu6;
    /// x above 0, slope times x below.
    LeakyRelu {
        /// From 0 to 1; public, like the rest of the architecture.
        slope: f64
    } in [protocols::limits::LEAKY_SLOPE] => LeakyRelu { slope };
    /// x^2.
    Square => Square;
    /// x^3.
    Cube => Cube;
    /// 1 if x >= 0, otherwise -1.
    Sign => Sign;
    /// 1 / (1 + e^-x), piecewise linear: the error is at most 0.005.
    Sigmoid => SIGMOID;
    /// tanh(x), piecewise linear: the error is at most 0.01.
    Tanh => TANH;
    /// min(max(x / 6 + 1/2, 0), 1).
    HardSigmoid => HardSigmoid;
    /// c_d x^d + ... + c_1 x + c_0. Each channel has its own coefficients; they are weights.
    Polynomial {
        /// d: 0 (a constant), 2 or 3.
        degree: u32
    } in DEGREES => Polynomial { degree };
}

impl ActivationKind {
    /// The name in reports, plans and on the command line.
    pub fn name(self) -> &'static str {
        self.function().name()
    }
}
