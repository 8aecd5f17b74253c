//! Average pooling, which is local: each window's sum, divided by the number of its values.
//!
//! A power of two divides by one truncation; any other divisor n multiplies by round(2^b / n) and
//! truncates by b = f + floor(log2 n) bits, so that the factor is within 2^-f of its value. Padding counts as values of 0, as PyTorch's default does. The result is the
//! ideal plus a truncation coin of 0 or 1 unit. Nothing is sent, so there is nothing to see.

use fixedpoint::{Side, encoding::FixedPoint, pool::PoolShape, ring, truncation};

use crate::share::Share;

/// One evaluator's half: `x` in NCHW order.
pub fn evaluate(side: Side, shape: &PoolShape, x: &Share, fixed: &FixedPoint) -> Share {
    let (factor, bits) = divisor(shape, fixed);
    Share::new(sums(shape, x.words())).scale(factor).truncate(side, bits)
}

/// The floor of each window's average.
pub fn ideal(shape: &PoolShape, x: &[u64], fixed: &FixedPoint) -> Vec<u64> {
    let (factor, bits) = divisor(shape, fixed);
    let average = |sum: u64| truncation::floor_shift(sum.wrapping_mul(factor), bits);
    sums(shape, x).into_iter().map(average).collect()
}

/// The factor before the truncation, and the bits of the truncation.
pub fn divisor(shape: &PoolShape, fixed: &FixedPoint) -> (u64, u32) {
    let count = shape.window_len() as u64;
    if count.is_power_of_two() {
        return (1, count.ilog2());
    }
    let bits = fixed.fractional_bits() + count.ilog2();
    (((1u64 << bits) + count / 2) / count, bits)
}

fn sums(shape: &PoolShape, x: &[u64]) -> Vec<u64> {
    let mut sums = vec![0; shape.output_len()];
    let mut column = Vec::new();
    for place in 0..shape.window_len() {
        shape.gather(x, place, 0, &mut column);
        ring::add_assign(&mut sums, &column);
    }
    sums
}

#[cfg(test)]
mod tests {
    use fixedpoint::Padding;

    use super::*;
    use crate::test_world::{share_for_tests, signed_for_tests};

    #[test]
    fn equals_its_ideal_up_to_the_coin() {
        let fixed = FixedPoint::default();
        for window in [(2, 2), (3, 3), (8, 8), (7, 5)] {
            let padding = Padding { top: 1, left: 0, bottom: 1, right: 0 };
            let shape = PoolShape {
                batch: 2,
                channels: 3,
                height: 14,
                width: 15,
                window,
                stride: window,
                padding,
            };
            let x = signed_for_tests(75, 1 << 30, shape.input_len());
            let shares = share_for_tests(76, &x);
            let [zero, one] = [Side::Zero, Side::One]
                .map(|side| evaluate(side, &shape, &shares[side.index() as usize], &fixed));
            let coins = zero.add(&one).sub(&Share::new(ideal(&shape, &x, &fixed)));
            assert!(coins.words().iter().all(|coin| *coin <= 1), "{window:?}");
        }
    }

    #[test]
    fn ideal_is_the_average_of_real_numbers() {
        let fixed = FixedPoint::default();
        for window in [(1, 3), (3, 3), (7, 7), (13, 13), (31, 31)] {
            let shape = PoolShape {
                batch: 1,
                channels: 1,
                height: window.0,
                width: window.1,
                window,
                stride: window,
                padding: Padding::NONE,
            };
            let reals: Vec<f64> = (0..shape.input_len()).map(|i| (i % 17) as f64 - 3.5).collect();
            let x = fixed.encode_slice(&reals).unwrap();
            let average = reals.iter().sum::<f64>() / reals.len() as f64;
            let got = fixed.decode(ideal(&shape, &x, &fixed)[0]);
            let unit = 1.0 / fixed.one() as f64;
            assert!((got - average).abs() <= (1.0 + average.abs()) * unit, "{window:?}: {got}");
        }
    }
}
