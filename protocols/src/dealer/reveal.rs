//! The ends of a network: the data owner's input becomes a wire, the result is revealed to it.
//!
//! | stage | from -> to | payload |
//! |---|---|---|
//! | input, online | P1 -> P0 | x - r |
//! | output, online | P0 -> P1 | u |
//!
//! P0 sees x - r, uniform because of r. P1 sees u, from which and its v follows the result, and
//! only it: to simulate u take the result minus v. The result comes at its full scale; what it
//! tells beyond the rounded logits is the last bits of the sums.

use fixedpoint::{
    ring,
    width::{self, Width},
};

use crate::{
    context::{Client, Producer, Server},
    cost::Cost,
    error::Result,
    party::Role,
};

/// The only phase of either protocol.
const PHASE: u16 = 1;

/// Messages of an input.
pub fn input_cost(width: Width, count: usize) -> Cost {
    Cost::none().send(PHASE, Role::DataOwner, Role::ModelOwner, width.bytes(count) as u64)
}

/// Messages of an output.
pub fn output_cost(width: Width, count: usize) -> Cost {
    Cost::none().send(PHASE, Role::ModelOwner, Role::DataOwner, width.bytes(count) as u64)
}

/// P1, ahead: r of the input.
pub fn prepare_input(ctx: &mut Client<'_>, count: usize) -> Vec<u64> {
    ctx.prf_with(Role::CryptoProducer).words(count)
}

/// P2, ahead: r of the input.
pub fn produce_input(ctx: &mut Producer<'_>, count: usize) -> Vec<u64> {
    ctx.prf_with(Role::DataOwner).words(count)
}

/// P1, online: sends x - r.
///
/// # Errors
/// A transport error.
pub fn send_input(ctx: &mut Client<'_>, width: Width, x: &[u64], r: &[u64]) -> Result<()> {
    ctx.send(Role::ModelOwner, PHASE, width::pack(width, &ring::sub(x, r)))
}

/// P0, online: receives z.
///
/// # Errors
/// A transport error, [`crate::Error::Malformed`].
pub fn receive_input(ctx: &mut Server<'_>, width: Width, count: usize) -> Result<Vec<u64>> {
    let packed = ctx.recv(Role::DataOwner, PHASE, width.bytes(count))?;
    width::unpack(width, &packed, count).map_err(|what| ctx.malformed(Role::DataOwner, PHASE, what))
}

/// P0, online: sends u.
///
/// # Errors
/// A transport error.
pub fn send_output(ctx: &mut Server<'_>, width: Width, u: &[u64]) -> Result<()> {
    ctx.send(Role::DataOwner, PHASE, width::pack(width, u))
}

/// P1, online: the result, signed.
///
/// # Errors
/// A transport error, [`crate::Error::Malformed`].
pub fn receive_output(ctx: &mut Client<'_>, width: Width, v: &[u64]) -> Result<Vec<i64>> {
    let packed = ctx.recv(Role::ModelOwner, PHASE, width.bytes(v.len()))?;
    let u = width::unpack(width, &packed, v.len())
        .map_err(|what| ctx.malformed(Role::ModelOwner, PHASE, what))?;
    Ok(ring::add(&u, v).into_iter().map(|word| width.signed(word)).collect())
}
