//! t^2 and t^3, fused with the truncation before them.
//!
//! t = T - tau_m where tau_m takes one of two values that P2 knows, by m = msb(T), which is public:
//! t^2 = T^2 - 2 T tau_m + tau_m^2 and so on. P2 shares, for each power of tau_m, its value for m =
//! 1 and, divided by 2^n and modulo 2^(l_out - n), how much less it is for m = 0. No sign is
//! needed. The true power must fit the ring of the result. Messages and simulation are those of
//! [`super::gadget`].

use fixedpoint::width::Width;

use super::{
    gadget::{Function, Public, Secret},
    gate::Gate,
    truncation::lift,
};

/// t^2.
#[derive(Clone, Copy, Debug)]
pub struct Square;

/// t^3.
#[derive(Clone, Copy, Debug)]
pub struct Cube;

impl Function for Square {
    fn name(&self) -> &'static str {
        "square"
    }

    fn points(&self) -> Vec<i64> {
        Vec::new()
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        shared(gate, 2)
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        share(gate, secret.tau, 2)
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let [first, second] =
            lifted(gate, public.opened, shares, 2).try_into().expect("two powers");
        let own = public.one.wrapping_neg();
        let square = |((&opened, first), second): ((&u64, u64), u64)| {
            let twice = opened.wrapping_mul(2);
            (opened.wrapping_mul(opened) & own)
                .wrapping_sub(twice.wrapping_mul(first))
                .wrapping_add(second)
        };
        public.opened.iter().zip(first).zip(second).map(square).collect()
    }

    fn ideal(&self, _: usize, t: i64) -> i64 {
        t * t
    }
}

impl Function for Cube {
    fn name(&self) -> &'static str {
        "cube"
    }

    fn points(&self) -> Vec<i64> {
        Vec::new()
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        shared(gate, 3)
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        share(gate, secret.tau, 3)
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let [first, second, third] =
            lifted(gate, public.opened, shares, 3).try_into().expect("three powers");
        let own = public.one.wrapping_neg();
        let cube = |(((&opened, first), second), third): (((&u64, u64), u64), u64)| {
            let square = opened.wrapping_mul(opened);
            let thrice = opened.wrapping_mul(3);
            (square.wrapping_mul(opened) & own)
                .wrapping_sub(square.wrapping_mul(3).wrapping_mul(first))
                .wrapping_add(thrice.wrapping_mul(second))
                .wrapping_sub(third)
        };
        public.opened.iter().zip(first).zip(second).zip(third).map(cube).collect()
    }

    fn ideal(&self, _: usize, t: i64) -> i64 {
        t * t * t
    }
}

/// The rings of what P2 shares of `count` values, each of which is one of two by m: the value for
/// m = 1 and, divided by 2^n, how much less it is for m = 0.
pub(crate) fn shared(gate: &Gate, count: usize) -> Vec<Width> {
    (0..count).flat_map(|_| [gate.out()].into_iter().chain(gate.wrap())).collect()
}

/// tau_m and its powers up to a degree, in those rings.
pub(crate) fn share(gate: &Gate, tau: &[u64], degree: usize) -> Vec<Vec<u64>> {
    let n = gate.opened().bits();
    let mut shared = Vec::new();
    for power in 1..=degree as u32 {
        let at = |tau: u64| tau.wrapping_add(gate.half()).wrapping_pow(power);
        shared.push(tau.iter().map(|&tau| at(tau)).collect());
        if gate.wrap().is_some() {
            // A multiple of 2^n, as tau and tau - 2^n agree modulo 2^n.
            let less = |&tau: &u64| at(tau).wrapping_sub(at(tau.wrapping_sub(gate.msb(tau) << n)));
            shared.push(tau.iter().map(|tau| less(tau) >> n).collect());
        }
    }
    shared
}

/// Shares of the first `count` powers of tau_m, for the m that the opened T has.
pub(crate) fn lifted(
    gate: &Gate,
    opened: &[u64],
    shares: &[Vec<u64>],
    count: usize,
) -> Vec<Vec<u64>> {
    let each = shares.chunks_exact(shares.len() / count);
    each.map(|shares| lift(gate, opened, &shares[0], shares.get(1))).collect()
}
