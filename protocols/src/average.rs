//! Average pooling, which is local: each window's sum, divided by the number of its values.
//!
//! A power of two divides by one truncation; any other divisor n multiplies by round(2^b / n) and
//! truncates by b = f + floor(log2 n) bits, so that the factor is within 2^-f of its value. Padding
//! counts as values of 0, as PyTorch's default does, or not at all: then windows at the edge have
//! divisors of their own, and b is that of a whole window. The result is the ideal plus a
//! truncation coin of 0 or 1 unit. Nothing is sent, so there is nothing to see.

use fixedpoint::{Padding, Side, encoding::FixedPoint, pool::PoolShape, ring, truncation};

use crate::share::Share;

/// The factors of the sums of windows, and how many bits are cut off the products.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divisor {
    /// One for all windows, or one for each window of a channel.
    factors: Vec<u64>,
    bits: u32,
    weight: u64,
}

impl Divisor {
    /// The divisor of windows whose padding counts as zeros up to `counted` around the image, and
    /// not at all further out.
    pub fn new(shape: &PoolShape, counted: Padding, fixed: &FixedPoint) -> Divisor {
        let whole = shape.window_len() as u64;
        let mut counts = shape.counts(counted);
        if counts.iter().all(|&count| count as u64 == whole) {
            if whole.is_power_of_two() {
                return Divisor { factors: vec![1], bits: whole.ilog2(), weight: whole };
            }
            counts.truncate(1);
        }
        let bits = fixed.fractional_bits() + whole.ilog2();
        let factor = |count: u64| ((1 << bits) + count / 2) / count;
        // The sum of a window in which nothing counts is 0, whatever divides it.
        let counts = counts.into_iter().map(|count| count.max(1) as u64);
        let (factors, weights): (Vec<u64>, Vec<u64>) =
            counts.map(|count| (factor(count), count * factor(count))).unzip();
        let weight = weights.into_iter().max().unwrap_or(0);
        Divisor { factors, bits, weight }
    }

    /// How many bits the truncation cuts off.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The largest sum of a window's factors, about 2 to the bits.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    fn multiply(&self, sums: &mut [u64]) {
        let pairs = sums.iter_mut().zip(self.factors.iter().cycle());
        pairs.for_each(|(sum, factor)| *sum = sum.wrapping_mul(*factor));
    }
}

/// One evaluator's half: `x` in NCHW order.
pub fn evaluate(side: Side, shape: &PoolShape, divisor: &Divisor, x: &Share) -> Share {
    Share::new(lifted(shape, divisor, x.words())).truncate(side, divisor.bits)
}

/// Each window's average times 2 to the divisor's bits: what is to be truncated. The same on shares
/// and on plain values.
pub fn lifted(shape: &PoolShape, divisor: &Divisor, x: &[u64]) -> Vec<u64> {
    let mut sums = sums(shape, x);
    divisor.multiply(&mut sums);
    sums
}

/// The floor of each window's average.
pub fn ideal(shape: &PoolShape, divisor: &Divisor, x: &[u64]) -> Vec<u64> {
    let sums = lifted(shape, divisor, x);
    sums.into_iter().map(|sum| truncation::floor_shift(sum, divisor.bits)).collect()
}

/// Each window's sum, padding being zeros.
pub fn sums(shape: &PoolShape, x: &[u64]) -> Vec<u64> {
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
    use super::*;
    use crate::test_world::{share_for_tests, signed_for_tests};

    fn shape(window: (usize, usize), size: (usize, usize), padding: Padding) -> PoolShape {
        PoolShape {
            batch: 2,
            channels: 3,
            height: size.0,
            width: size.1,
            window,
            stride: window,
            padding,
        }
    }

    #[test]
    fn equals_its_ideal_up_to_the_coin() {
        let fixed = FixedPoint::default();
        let padding = Padding { top: 1, left: 0, bottom: 1, right: 0 };
        for window in [(2, 2), (3, 3), (8, 8), (7, 5)] {
            for counted in [padding, Padding::NONE] {
                let shape = shape(window, (14, 15), padding);
                let divisor = Divisor::new(&shape, counted, &fixed);
                let x = signed_for_tests(75, 1 << 30, shape.input_len());
                let shares = share_for_tests(76, &x);
                let [zero, one] = [Side::Zero, Side::One]
                    .map(|side| evaluate(side, &shape, &divisor, &shares[side.index() as usize]));
                let coins = zero.add(&one).sub(&Share::new(ideal(&shape, &divisor, &x)));
                assert!(coins.words().iter().all(|coin| *coin <= 1), "{window:?}");
            }
        }
    }

    #[test]
    fn ideal_is_the_average_of_real_numbers() {
        let fixed = FixedPoint::default();
        for window in [(1, 3), (3, 3), (7, 7), (13, 13), (31, 31)] {
            let shape = shape(window, window, Padding::NONE);
            let divisor = Divisor::new(&shape, Padding::NONE, &fixed);
            let reals: Vec<f64> = (0..shape.input_len()).map(|i| (i % 17) as f64 - 3.5).collect();
            let x = fixed.encode_slice(&reals).unwrap();
            let channels = reals.chunks(window.0 * window.1);
            for (channel, got) in channels.zip(ideal(&shape, &divisor, &x)) {
                let average = channel.iter().sum::<f64>() / channel.len() as f64;
                let (got, unit) = (fixed.decode(got), 1.0 / fixed.one() as f64);
                assert!((got - average).abs() <= (1.0 + average.abs()) * unit, "{window:?}: {got}");
            }
        }
    }

    #[test]
    fn padding_that_does_not_count_leaves_averages_as_they_are() {
        let fixed = FixedPoint::default();
        let padding = Padding { top: 1, left: 1, bottom: 2, right: 0 };
        let counted = Padding { bottom: 1, ..Padding::NONE };
        let shape = PoolShape { stride: (1, 1), ..shape((3, 2), (4, 4), padding) };
        let x = fixed.encode_slice(&vec![3.0; shape.input_len()]).unwrap();
        let y = fixed.decode_slice(&ideal(&shape, &Divisor::new(&shape, counted, &fixed), &x));
        let plane = shape.out_height() * shape.out_width();
        for (place, y) in y.into_iter().enumerate() {
            let row = place % plane / shape.out_width();
            // One of three rows of the fourth windows is a counted zero, and of the fifth one of
            // two.
            let expected = match row {
                0..3 => 3.0,
                3 => 2.0,
                _ => 1.5,
            };
            assert!((y - expected).abs() < 0.001, "{y} for {expected} in row {row}");
        }
    }
}
