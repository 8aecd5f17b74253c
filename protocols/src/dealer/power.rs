//! t^2 and t^3, fused with the truncation before them.
//!
//! t = T - tau_m where tau_m takes one of two values that P2 knows, by m = msb(T), which is public: t^2 = T^2 -
//! 2 T tau_m + tau_m^2 and so on. P2 shares tau, msb(tau) and, for each power of tau_m beyond the first,
//! its value for m = 1 and, divided by 2^n and modulo 2^(l_out - n), how much more it is for m = 0. No sign
//! is needed. The true power must fit the ring of the result. Messages and simulation are those of
//! [`super::gadget`].

use fixedpoint::width::Width;

use super::{
    gadget::{Function, Public, Secret},
    gate::Gate,
    truncation::{Truncation, lift},
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

    fn points(&self) -> Vec<u64> {
        Vec::new()
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        powers(gate, 2)
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        share(gate, secret, 2)
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let [first, second] = unmasked(gate, public, shares, 2).try_into().expect("two powers");
        let own = public.one.wrapping_neg();
        let square = |((&opened, first), second): ((&u64, u64), u64)| {
            let twice = opened.wrapping_mul(2);
            (opened.wrapping_mul(opened) & own)
                .wrapping_sub(twice.wrapping_mul(first))
                .wrapping_add(second)
        };
        public.opened.iter().zip(first).zip(second).map(square).collect()
    }

    fn ideal(&self, t: i64) -> i64 {
        t * t
    }
}

impl Function for Cube {
    fn name(&self) -> &'static str {
        "cube"
    }

    fn points(&self) -> Vec<u64> {
        Vec::new()
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        powers(gate, 3)
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        share(gate, secret, 3)
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let [first, second, third] =
            unmasked(gate, public, shares, 3).try_into().expect("three powers");
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

    fn ideal(&self, t: i64) -> i64 {
        t * t * t
    }
}

fn powers(gate: &Gate, degree: usize) -> Vec<Width> {
    (0..degree).flat_map(|_| Truncation.shared(gate)).collect()
}

fn share(gate: &Gate, secret: &Secret<'_>, degree: u32) -> Vec<Vec<u64>> {
    let n = gate.opened().bits();
    let mut shared = Truncation.share(gate, secret);
    for power in 2..=degree {
        // tau_m for m = 1, and how much less it is for m = 0.
        let at = |tau: u64| tau.wrapping_add(gate.half()).wrapping_pow(power);
        shared.push(secret.tau.iter().map(|&tau| at(tau)).collect());
        if gate.wrap().is_some() {
            let more = |&tau: &u64| {
                let wrapped = tau.wrapping_sub(gate.msb(tau) << n);
                // A multiple of 2^n, as tau and tau - 2^n agree modulo 2^n.
                at(wrapped).wrapping_sub(at(tau)) >> n
            };
            shared.push(secret.tau.iter().map(more).collect());
        }
    }
    shared
}

/// Shares of tau_m and its powers, for the m that T has.
fn unmasked(gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>], degree: usize) -> Vec<Vec<u64>> {
    let each = shares.len() / degree;
    let half = public.one.wrapping_mul(gate.half());
    let mut powers: Vec<Vec<u64>> = shares
        .chunks_exact(each)
        .enumerate()
        .map(|(power, shares)| {
            let more = shares.get(1).map(|more| match power {
                0 => more.clone(),
                // For tau it is what is taken away, for its powers what is added.
                _ => more.iter().map(|more| more.wrapping_neg()).collect(),
            });
            lift(gate, public.opened, &shares[0], more.as_ref())
        })
        .collect();
    powers[0].iter_mut().for_each(|tau| *tau = tau.wrapping_add(half));
    powers
}

#[cfg(test)]
mod tests {
    use super::{super::test_gadget::check_within, *};

    #[test]
    fn equal_their_ideals_and_their_costs() {
        check_within(&Square, 0, |out| 1 << ((out - 2) / 2).min(31));
        check_within(&Cube, 0, |out| 1 << ((out - 2) / 3).min(20));
    }
}
