//! Truncation: floor(y / 2^s) plus a coin, with no other error.
//!
//! t = T - tau_m, tau_m = tau - \[m = 0\] msb(tau) 2^n + 2^(k-1-s) with m = msb(T). P2 shares tau
//! and msb(tau), the latter modulo 2^(l_out - n), since it only appears times 2^n. No sign is
//! needed. Messages and simulation are those of [`super::gadget`].

use fixedpoint::width::Width;

use super::{
    gadget::{Function, Public, Secret},
    gate::Gate,
};

/// The truncation of a layer that applies no function.
#[derive(Clone, Copy, Debug)]
pub struct Truncation;

impl Function for Truncation {
    fn name(&self) -> &'static str {
        "truncation"
    }

    fn points(&self) -> Vec<i64> {
        Vec::new()
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        [gate.out()].into_iter().chain(gate.wrap()).collect()
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        let tau = secret.tau.to_vec();
        [tau].into_iter().chain(gate.wrap().map(|_| tops(gate, secret.tau))).collect()
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let lifted = lift(gate, public.opened, &shares[0], shares.get(1));
        let half = public.one.wrapping_mul(gate.half());
        let mask = public.one.wrapping_neg();
        let pairs = public.opened.iter().zip(lifted);
        pairs.map(|(opened, tau)| (opened & mask).wrapping_sub(tau).wrapping_sub(half)).collect()
    }

    fn ideal(&self, _: usize, t: i64) -> i64 {
        t
    }
}

/// msb(tau) of each value.
pub(crate) fn tops(gate: &Gate, tau: &[u64]) -> Vec<u64> {
    tau.iter().map(|&tau| gate.msb(tau)).collect()
}

/// Shares of b (tau - \[m = 0\] msb(tau) 2^n) from those of b tau and b msb(tau), whatever b is.
pub(crate) fn lift(gate: &Gate, opened: &[u64], tau: &[u64], tops: Option<&Vec<u64>>) -> Vec<u64> {
    let Some(tops) = tops else {
        return tau.to_vec();
    };
    let n = gate.opened().bits();
    let lift = |((&opened, &tau), &top): ((&u64, &u64), &u64)| {
        // All ones where m = 0.
        let below = gate.msb(opened).wrapping_sub(1);
        tau.wrapping_sub((top << n) & below)
    };
    opened.iter().zip(tau).zip(tops).map(lift).collect()
}
