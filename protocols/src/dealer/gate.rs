//! The public parameters of a non-linear layer, and what is opened under them.
//!
//! A value y in Z_{2^l} is held as u at P0 and v at P2, y = u + v. With rho = -v and Y = u +
//! 2^(k-1) = y + 2^(k-1) + rho, P0 opens T = (Y >> s) mod 2^n, n = k - s + 1, and P2 knows tau =
//! (rho >> s) mod 2^n. With m the top bit of T,
//!
//! t = T - tau + \[m = 0\] msb(tau) 2^n - 2^(k-1-s) = floor(y / 2^s) + coin,
//!
//! exactly, for -2^(k-1) <= y <= 2^(k-1). The coin is \[u0 < y mod 2^s\] for u0 = Y mod 2^s, which
//! P0 alone knows. Every T has a fresh mask: u and v are remasked by q, known to P0 and P2, before
//! it is opened. Without it P1, who knows the masks of wires, would read differences of secrets.

use fixedpoint::width::Width;

/// The parameters of a non-linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    width: Width,
    bound: u32,
    shift: u32,
    out: Width,
}

impl Gate {
    /// Values of Z_{2^l}, `width`, of magnitude below 2^(k-1), `bound` being k, which lose the last
    /// `shift` bits, s; results are in the ring `out`.
    ///
    /// # Panics
    /// Unless s + 2 <= k < l.
    pub fn new(width: Width, bound: u32, shift: u32, out: Width) -> Gate {
        assert!(shift + 2 <= bound, "{bound} bits, of which {shift} are cut off");
        assert!(bound < width.bits(), "{bound} bits in a ring of {}", width.bits());
        Gate { width, bound, shift, out }
    }

    /// The ring of the values.
    pub fn width(&self) -> Width {
        self.width
    }

    /// k: y is at least -2^(k-1) and at most 2^(k-1) - 2^s.
    pub fn bound(&self) -> u32 {
        self.bound
    }

    /// s: the bits cut off.
    pub fn shift(&self) -> u32 {
        self.shift
    }

    /// The ring of the results.
    pub fn out(&self) -> Width {
        self.out
    }

    /// n: the bits opened.
    pub fn opened(&self) -> Width {
        Width::new(self.bound - self.shift + 1)
    }

    /// The bits below the two top ones of what is opened: those that a sign is compared on.
    pub fn low_bits(&self) -> u32 {
        self.opened().bits() - 2
    }

    /// The smallest and the largest value that everything is exact for.
    pub fn domain(&self) -> (i64, i64) {
        let half = 1i64 << (self.bound - 1);
        (-half, half - (1 << self.shift))
    }

    /// The ring of msb(tau), which only ever appears times 2^n; none where that is 0.
    pub(crate) fn wrap(&self) -> Option<Width> {
        let bits = self.out.bits().checked_sub(self.opened().bits())?;
        (bits > 0).then(|| Width::new(bits))
    }

    /// 2^(k-1-s): how much T - tau is above t.
    pub(crate) fn half(&self) -> u64 {
        1 << (self.bound - 1 - self.shift)
    }

    /// P0: T of a value, `q` its fresh mask.
    pub fn open(&self, u: u64, q: u64) -> u64 {
        let lifted = u.wrapping_add(q).wrapping_add(1 << (self.bound - 1));
        // Bits from l on are above those that stay.
        self.opened().reduce(lifted >> self.shift)
    }

    /// P2: tau of a value, `q` its fresh mask.
    pub fn tau(&self, v: u64, q: u64) -> u64 {
        self.opened().reduce(q.wrapping_sub(v) >> self.shift)
    }

    /// The top bit of T or tau.
    pub(crate) fn msb(&self, opened: u64) -> u64 {
        opened >> (self.opened().bits() - 1)
    }

    /// floor(y / 2^s) + coin, for the u0 that makes the coin.
    pub fn truncated(&self, y: i64, u0: u64) -> i64 {
        let rest = y.cast_unsigned() & ((1 << self.shift) - 1);
        (y >> self.shift) + i64::from(u0 < rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::words_for_tests;

    #[test]
    fn the_identity_is_exact_in_its_wrap() {
        for (l, k, s) in
            [(33, 32, 12), (40, 32, 12), (64, 40, 16), (32, 28, 10), (7, 6, 1), (9, 8, 0)]
        {
            let gate = Gate::new(Width::new(l), k, s, Width::new(l));
            let (low, high) = gate.domain();
            let words = words_for_tests(u64::from(l), 60_000);
            for words in words.chunks_exact(3) {
                let edges = [low, low + 1, -1, 0, 1, high - 1, high, high + (1 << s)];
                let random = low + (words[2] % (high - low) as u64) as i64;
                for y in edges.into_iter().chain([random]) {
                    let (q, v) = (words[0], words[1]);
                    let u = y.cast_unsigned().wrapping_sub(v);
                    let (opened, tau) = (gate.open(u, q), gate.tau(v, q));
                    let wrap = (1 - gate.msb(opened)) * gate.msb(tau);
                    let wrapped = (wrap << gate.opened().bits()) as i64;
                    let t = opened as i64 - tau as i64 + wrapped - gate.half() as i64;
                    let u0 = (u.wrapping_add(q).wrapping_add(1 << (k - 1))) & ((1 << s) - 1);
                    assert_eq!(t, gate.truncated(y, u0), "{gate:?} {y}");
                }
            }
        }
    }
}
