//! The securenn suite from outside: what each party sees, large batches, and damaged messages.

mod large_batches;
pub mod laws;
mod views;
