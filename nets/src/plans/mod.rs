//! Plans that change a network's activations.

pub mod activation_plan;
pub mod search;
