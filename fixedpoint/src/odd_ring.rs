//! Z_{2^64-1}, in which doubling is a bijection and so carries a sign into a parity.
//!
//! Zero has two representations, 0 and [`MODULUS`]. Every function takes either and returns the
//! canonical one, below the modulus; an opened value that were not canonical would compare wrongly.
//! Nothing branches on an operand.

/// 2^64 - 1.
pub const MODULUS: u64 = u64::MAX;

/// `x` modulo 2^64 - 1: itself, but 0 for [`MODULUS`].
#[inline]
#[must_use]
pub const fn canonical(x: u64) -> u64 {
    x.wrapping_add((x == MODULUS) as u64)
}

/// `a + b`.
#[inline]
#[must_use]
pub const fn add(a: u64, b: u64) -> u64 {
    // 2^64 = 1, so the carry comes back in at the bottom; it cannot carry again, as a + b <= 2^65 -
    // 2.
    let (sum, carry) = a.overflowing_add(b);
    canonical(sum.wrapping_add(carry as u64))
}

/// `a - b`.
#[inline]
#[must_use]
pub const fn sub(a: u64, b: u64) -> u64 {
    add(a, !b)
}

/// `-a`.
#[inline]
#[must_use]
pub const fn neg(a: u64) -> u64 {
    canonical(!a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EDGES: [u64; 12] = [
        0,
        1,
        2,
        MODULUS,
        MODULUS - 1,
        MODULUS - 2,
        1 << 63,
        (1 << 63) - 1,
        (1 << 63) + 1,
        1 << 62,
        1 << 32,
        u32::MAX as u64,
    ];

    fn check(a: u64, b: u64) {
        let modulus = MODULUS as u128;
        let (wide_a, wide_b) = (a as u128 % modulus, b as u128 % modulus);
        assert_eq!(canonical(a) as u128, wide_a);
        assert_eq!(add(a, b) as u128, (wide_a + wide_b) % modulus, "{a} + {b}");
        assert_eq!(sub(a, b) as u128, (wide_a + modulus - wide_b) % modulus, "{a} - {b}");
        assert_eq!(neg(a) as u128, (modulus - wide_a) % modulus, "-{a}");
    }

    #[test]
    fn edges() {
        for a in EDGES {
            for b in EDGES {
                check(a, b);
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_wide_integers(a in any::<u64>(), b in any::<u64>()) {
            check(a, b);
        }
    }
}
