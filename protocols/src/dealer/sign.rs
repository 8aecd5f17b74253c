//! The sign of t: \[t >= 0\] as 0 and 1, or as -1 and 1.
//!
//! With the masked sign B = b XOR r, b = B + (1 - 2B) r: P2 shares r. Messages and simulation are
//! those of [`super::gadget`].

use fixedpoint::width::Width;

use super::{
    gadget::{Function, Public, Secret},
    gate::Gate,
};

/// 1 where t is 0 or more, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Drelu;

/// 1 where t is 0 or more, else -1.
#[derive(Clone, Copy, Debug)]
pub struct Sign;

impl Function for Drelu {
    fn name(&self) -> &'static str {
        "drelu"
    }

    fn points(&self) -> Vec<i64> {
        vec![0]
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        vec![gate.out()]
    }

    fn share(&self, _: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        vec![secret.masks[0].clone()]
    }

    fn combine(&self, _: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let pairs = public.signs[0].iter().zip(&shares[0]);
        pairs.map(|(&bit, &mask)| public.unmasked(bit, mask)).collect()
    }

    fn ideal(&self, _: usize, t: i64) -> i64 {
        i64::from(t >= 0)
    }
}

impl Function for Sign {
    fn name(&self) -> &'static str {
        "sign"
    }

    fn points(&self) -> Vec<i64> {
        Drelu.points()
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        Drelu.shared(gate)
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        Drelu.share(gate, secret)
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let mut bits = Drelu.combine(gate, public, shares);
        bits.iter_mut().for_each(|bit| *bit = bit.wrapping_mul(2).wrapping_sub(public.one));
        bits
    }

    fn ideal(&self, _: usize, t: i64) -> i64 {
        if t < 0 { -1 } else { 1 }
    }
}
