//! The dealer suite from outside: what each party sees, what breaks when a rule is broken,
//! exactness on millions of values, cost to the byte, and damaged messages.

mod costs;
mod damage;
mod exact;
mod exactness;
pub(crate) mod laws;
mod leaks;
mod net;
mod view;
mod views;
