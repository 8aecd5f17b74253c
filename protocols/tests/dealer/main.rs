//! The dealer suite from outside: what each party sees, what breaks when a rule is broken, exactness on millions of
//! values, cost to the byte, and damaged messages.

mod costs;
mod damage;
mod exactness;
mod leaks;
mod net;
#[path = "../uniformity/mod.rs"]
mod uniformity;
mod view;
mod views;
