//! ReLU fused with the truncation before it: max(t, 0) = b t, b = \[t >= 0\].
//!
//! With the masked sign B = b XOR r, b t = B (T - tau_m) + (1 - 2B)(r T - r tau_m): P2 shares tau,
//! r, r tau and, modulo 2^(l_out - n), msb(tau) and r msb(tau). Messages and simulation are those
//! of [`super::gadget`].

use fixedpoint::width::Width;

use super::{
    gadget::{Function, Public, Secret},
    gate::Gate,
    truncation::{Truncation, lift, tops},
};

/// max(t, 0).
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Function for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn points(&self) -> Vec<i64> {
        vec![0]
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        Truncation.shared(gate).into_iter().chain(shared(gate)).collect()
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        let gated = share(gate, secret.tau, &secret.masks[0]);
        Truncation.share(gate, secret).into_iter().chain(gated).collect()
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let (own, shares) = shares.split_at(Truncation.shared(gate).len());
        let truncated = Truncation.combine(gate, public, own);
        gated(gate, public, &truncated, &public.signs[0], shares)
    }

    fn ideal(&self, _: usize, t: i64) -> i64 {
        t.max(0)
    }
}

/// The rings of what [`gated`] needs: r, r tau, r msb(tau).
pub(crate) fn shared(gate: &Gate) -> Vec<Width> {
    [gate.out(); 2].into_iter().chain(gate.wrap()).collect()
}

/// The values that P2 shares for [`gated`], for bits masked by `mask`.
pub(crate) fn share(gate: &Gate, tau: &[u64], mask: &[u64]) -> Vec<Vec<u64>> {
    let gated = |values: &[u64]| -> Vec<u64> {
        values.iter().zip(mask).map(|(value, bit)| value & bit.wrapping_neg()).collect()
    };
    let tops = gate.wrap().map(|_| gated(&tops(gate, tau)));
    [mask.to_vec(), gated(tau)].into_iter().chain(tops).collect()
}

/// Shares of b t for bits b, from shares of t, b under their masks and what [`share`] gave.
pub(crate) fn gated(
    gate: &Gate,
    public: &Public<'_>,
    truncated: &[u64],
    bits: &[u64],
    shares: &[Vec<u64>],
) -> Vec<u64> {
    let (opened, half) = (public.opened, gate.half());
    let mut gated = lift(gate, opened, &shares[1], shares.get(2));
    let rest = opened.iter().zip(&shares[0]).zip(truncated.iter().zip(bits));
    for (gated, ((&opened, &mask), (&t, &bit))) in gated.iter_mut().zip(rest) {
        // r t, since r 2^(k-1-s) and r tau_m leave T.
        let masked = mask.wrapping_mul(opened.wrapping_sub(half)).wrapping_sub(*gated);
        let bit = bit.wrapping_neg();
        *gated = (t & bit).wrapping_add((masked ^ bit).wrapping_sub(bit));
    }
    gated
}

#[cfg(test)]
mod tests {
    use fixedpoint::width::Width;

    use super::{super::gadget::cost, *};

    #[test]
    fn costs_what_the_specification_allows() {
        let bits = |l: u32, out: u32| {
            let gate = Gate::new(Width::new(l), 32, 12, Width::new(out));
            let cost = cost(&Relu, &gate, 8);
            let links: Vec<u64> = cost.links().iter().map(|(_, bytes)| bytes).collect();
            (cost.ahead_links().total(), links[0], links[2])
        };
        assert_eq!(bits(33, 33), (443, 36, 34));
        assert_eq!(bits(40, 40), (574 - 96, 36, 41));
    }
}
