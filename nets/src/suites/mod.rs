//! Suites.

pub mod dealer;
pub mod name;
pub mod securenn;
