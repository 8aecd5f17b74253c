//! ReLU6 fused with the truncation before it: min(max(t, 0), c), c being 6 at the scale of t.
//!
//! Two chains of their own give b_1 = \[t >= 0\] and b_2 = \[t >= c\] under masks r_1 and r_2; d = b_1 XOR b_2 is 1
//! where t passes, and is public under r_1 XOR r_2. The result is d t + c b_2. P2 shares what
//! [`super::relu`] needs for d, and r_2 modulo 2^(l_out - z), since it only appears times c, which z zeros
//! end. Domain: also y >= -2^(k-1) + c 2^s, so that t - c has a sign. Messages and simulation are those of
//! [`super::gadget`].

use fixedpoint::width::Width;

use super::{
    gadget::{Function, Public, Secret},
    gate::Gate,
    relu,
};

/// min(max(t, 0), cap).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relu6 {
    /// c, above 0.
    pub cap: u64,
}

impl Relu6 {
    /// The ring of r_2; none where c is 0 in the ring of the result.
    fn cap_width(&self, gate: &Gate) -> Option<Width> {
        let bits = gate.out().bits().saturating_sub(self.cap.trailing_zeros());
        (bits > 0).then(|| Width::new(bits))
    }
}

impl Function for Relu6 {
    fn name(&self) -> &'static str {
        "relu6"
    }

    fn points(&self) -> Vec<i64> {
        vec![0, self.cap.cast_signed()]
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        relu::shared(gate).into_iter().chain(self.cap_width(gate)).collect()
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        let [above, beyond] = secret.masks else { unreachable!("two points") };
        let passing: Vec<u64> = above.iter().zip(beyond).map(|(a, b)| a ^ b).collect();
        let mut values = relu::share(gate, secret.tau, &passing);
        values.extend(self.cap_width(gate).map(|_| beyond.clone()));
        values
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let [above, beyond] = public.signs else { unreachable!("two points") };
        let passing: Vec<u64> = above.iter().zip(beyond).map(|(a, b)| a ^ b).collect();
        let (shares, masks) = shares.split_at(relu::shared(gate).len());
        let mut result = relu::select(gate, public, &passing, shares).gated;
        if let Some(masks) = masks.first() {
            for ((x, &bit), &mask) in result.iter_mut().zip(beyond).zip(masks) {
                let flip = bit.wrapping_neg();
                let bit = (bit & public.one.wrapping_neg())
                    .wrapping_add((mask ^ flip).wrapping_sub(flip));
                *x = x.wrapping_add(self.cap.wrapping_mul(bit));
            }
        }
        result
    }

    fn ideal(&self, _: usize, t: i64) -> i64 {
        t.clamp(0, self.cap.cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::test_gadget::{check, check_gate},
        *,
    };

    #[test]
    fn equals_its_ideal_and_its_cost() {
        check(&Relu6 { cap: 6 << 10 }, 0);
        check(&Relu6 { cap: 7 }, 0);
        // No bit is left for msb(tau).
        let gate = Gate::new(Width::new(64), 63, 0, Width::new(64));
        check_gate([&Relu6 { cap: 7 << 40 }; 3], &gate, u64::MAX >> 2, 3000);
    }
}
