//! LeakyReLU fused with the truncation before it: t above 0, alpha t below.
//!
//! With alpha = a / 2^g the result is a t + (2^g - a) b t, at a scale of g bits more; what P2 shares is what
//! [`super::relu`] needs. Messages and simulation are those of [`super::gadget`].

use fixedpoint::width::Width;

use super::{
    gadget::{Function, Public, Secret},
    gate::Gate,
    relu,
};

/// t above 0 and `slope` / 2^`bits` times t below, both times 2^`bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeakyRelu {
    /// a.
    pub slope: i64,
    /// g.
    pub bits: u32,
}

impl LeakyRelu {
    /// The nearest slope with so many bits.
    pub fn of(slope: f64, bits: u32) -> LeakyRelu {
        LeakyRelu { slope: (slope * f64::from(bits).exp2()).round() as i64, bits }
    }
}

impl Function for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky-relu"
    }

    fn points(&self) -> Vec<i64> {
        vec![0]
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        relu::shared(gate)
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        relu::share(gate, secret.tau, &secret.masks[0])
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let selected = relu::select(gate, public, &public.signs[0], shares);
        let slope = self.slope.cast_unsigned();
        let rest = (1u64 << self.bits).wrapping_sub(slope);
        let pairs = selected.truncated.iter().zip(selected.gated);
        pairs
            .map(|(t, gated)| slope.wrapping_mul(*t).wrapping_add(rest.wrapping_mul(gated)))
            .collect()
    }

    fn ideal(&self, _: usize, t: i64) -> i64 {
        t * if t < 0 { self.slope } else { 1 << self.bits }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::test_gadget::check, *};

    #[test]
    fn equals_its_ideal_and_its_cost() {
        check(&LeakyRelu::of(0.1, 8), 8);
    }
}
