//! The securenn suite from outside: what each party sees, large batches, and damaged messages.

mod large_batches;
pub(crate) mod laws;
mod view;
mod views;
