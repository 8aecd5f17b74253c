//! Truncation after a fixed-point product, on shares, without a message (Mohassel and Zhang,
//! "SecureML", 2017).
//!
//! The reconstructed result is `floor(x / 2^bits)` plus a coin that makes it unbiased: it is 1 with
//! probability equal to the part cut off. With probability [`wrap_failure_probability`] the two
//! shares wrap around the ring differently, and the result is off by 2^(64-bits).

use crate::Side;

/// Divides a shared vector over Z_{2^64} by 2^`bits`: each side calls it on its own share. `bits`
/// is below 64.
///
/// Both sides shift arithmetically, side one on the negative of its share: then the shares of a
/// small value are two numbers of opposite sign that differ by little, and their quotients still
/// cancel. A logical shift on either side fails half of the time.
pub fn truncate_share(side: Side, share: &mut [u64], bits: u32) {
    match side {
        Side::Zero => share.iter_mut().for_each(|x| *x = floor_shift(*x, bits)),
        Side::One => {
            share.iter_mut().for_each(|x| *x = floor_shift(x.wrapping_neg(), bits).wrapping_neg())
        }
    }
}

/// `floor(x / 2^bits)` of a plain ring element read as a signed integer: what [`truncate_share`]
/// approximates.
#[inline]
#[must_use]
pub const fn floor_shift(x: u64, bits: u32) -> u64 {
    (x.cast_signed() >> bits).cast_unsigned()
}

/// The probability that truncating a shared value of this magnitude (in units of the ring, not of
/// the fixed point) goes wrong: |x| / 2^64.
#[must_use]
pub fn wrap_failure_probability(max_abs: f64) -> f64 {
    (max_abs.abs() / 2f64.powi(64)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The reconstructed truncation of `x` under fresh random shares, minus its floor.
    fn error(rng: &mut ChaCha8Rng, x: u64, bits: u32) -> i64 {
        let first: u64 = rng.random();
        let (mut zero, mut one) = ([first], [x.wrapping_sub(first)]);
        truncate_share(Side::Zero, &mut zero, bits);
        truncate_share(Side::One, &mut one, bits);
        zero[0].wrapping_add(one[0]).wrapping_sub(floor_shift(x, bits)).cast_signed()
    }

    #[test]
    fn result_is_the_floor_plus_a_coin() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..100_000 {
            let x = rng.random_range(-(1i64 << 40)..1 << 40).cast_unsigned();
            let error = error(&mut rng, x, 13);
            assert!(error == 0 || error == 1, "{error}");
        }
        for x in [0i64, 1 << 13, -(1 << 13), 5 << 20] {
            assert_eq!(error(&mut rng, x.cast_unsigned(), 13), 0, "multiples are exact");
        }
    }

    #[test]
    fn the_coin_is_unbiased() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for x in [1i64, 4096, -4096, 1000, -1000, 8191, 123_456_789] {
            let cut_off = x.rem_euclid(1 << 13) as f64 / f64::from(1 << 13);
            let runs = 40_000;
            let ups: i64 = (0..runs).map(|_| error(&mut rng, x.cast_unsigned(), 13)).sum();
            let deviation = (ups as f64 / runs as f64 - cut_off).abs();
            // Five standard deviations of a fair coin.
            assert!(deviation < 0.0125, "{x}: {deviation}");
        }
    }

    #[test]
    fn large_values_fail_as_often_as_said() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for x in [1i64 << 60, -(1 << 60), 3 << 59] {
            let runs = 20_000;
            let wrong =
                (0..runs).filter(|_| error(&mut rng, x.cast_unsigned(), 13).abs() > 1).count();
            let (rate, said) = (wrong as f64 / f64::from(runs), wrap_failure_probability(x as f64));
            assert!((rate - said).abs() < 5.0 * (said / f64::from(runs)).sqrt(), "{rate} {said}");
        }
        assert_eq!(wrap_failure_probability(-f64::exp2(54.0)), f64::exp2(-10.0));
        assert_eq!(wrap_failure_probability(f64::INFINITY), 1.0);
    }
}
