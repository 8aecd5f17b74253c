//! Non-linear functions: one file a function, one line a function in [`ActivationKind`]'s registry.
//!
//! Everything that the crate needs to know about a function is a method of [`Nonlinear`]: its exact
//! value, its range over an interval, its errors, and its form in each protocol suite. Ranges,
//! references, costs, benches, plans and both executors ask the trait, so a function that lacks an
//! answer does not compile.
//!
//! | file | what it holds |
//! |---|---|
//! | `nonlinear` | the trait |
//! | `kind` | the registry: the functions by name, as graphs hold them |
//! | `forms` | the form of a function in the `dealer` suite |
//! | `terms` | trained coefficients, channel by channel |
//! | `mean_square` | the mean square of values, for random weights |
//! | `laws` | the laws that every function keeps, as tests |
//! | the rest | one function each |

#![warn(clippy::wildcard_enum_match_arm)]

mod forms;
mod kind;
mod mean_square;
mod nonlinear;
mod terms;

mod hard_sigmoid;
mod leaky_relu;
mod polynomial;
mod power;
mod relu;
mod relu6;
mod s_curve;
mod sign;

#[cfg(test)]
mod laws;

pub use forms::{DealerForm, Gadget, SLOPE_BITS};
pub use kind::ActivationKind;
pub use mean_square::MeanSquare;
pub use nonlinear::Nonlinear;
pub(crate) use polynomial::PolynomialScales;
pub use terms::{EncodedTerms, LargestTerms, Terms};
