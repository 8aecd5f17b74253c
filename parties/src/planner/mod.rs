//! The search for plans that cost less: what they cost, who searches, what was found, and what is written.
//!
//! The search itself is another program's, [`trainer`] speaks with it. What it finds is checked here before it counts.

pub mod points;
pub mod pricing;
pub mod results;
pub mod trainer;

mod picture;
