//! Intervals of real numbers.

/// The magnitude to which every interval is clamped: larger than any ring, but small enough that
/// products with weights stay finite.
pub(crate) const LARGEST: f64 = 1e150;

/// Values from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The smallest value.
    pub low: f64,
    /// The largest value.
    pub high: f64,
}

impl Range {
    /// The interval of 0 alone.
    pub const ZERO: Range = Range { low: 0.0, high: 0.0 };

    /// The interval between two values, which may be in either order.
    pub fn between(a: f64, b: f64) -> Range {
        Range { low: a.min(b), high: a.max(b) }.clamped()
    }

    /// The largest magnitude.
    pub fn magnitude(self) -> f64 {
        self.high.max(-self.low)
    }

    /// The smallest interval that contains both.
    pub fn union(self, other: Range) -> Range {
        Range { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// The interval of values up to `margin` times as far from 0; it includes 0.
    pub fn widened(self, margin: f64) -> Range {
        Range { low: self.low.min(0.0) * margin, high: self.high.max(0.0) * margin }.clamped()
    }

    /// The interval of values with an error of up to `error`.
    pub(crate) fn off_by(self, error: f64) -> Range {
        Range { low: self.low - error, high: self.high + error }.clamped()
    }

    /// The interval of sums of a value of either interval.
    pub(crate) fn plus(self, other: Range) -> Range {
        Range { low: self.low + other.low, high: self.high + other.high }.clamped()
    }

    /// The image of the interval under a function that never decreases.
    pub(crate) fn through_increasing(self, function: impl Fn(f64) -> f64) -> Range {
        Range { low: function(self.low), high: function(self.high) }.clamped()
    }

    /// The interval of `factor` times a power of a value.
    pub(crate) fn power_times(self, power: u32, factor: f64) -> Range {
        let [a, b] = [self.low, self.high].map(|x| factor * x.powi(power.cast_signed()));
        let ends = Range::between(a, b);
        if self.low < 0.0 && self.high > 0.0 { ends.union(Range::ZERO) } else { ends }
    }

    /// The interval, clamped to [`LARGEST`].
    pub(crate) fn clamped(self) -> Range {
        Range { low: self.low.clamp(-LARGEST, LARGEST), high: self.high.clamp(-LARGEST, LARGEST) }
    }

    /// The smallest interval that contains all of these, which are at least one.
    pub(crate) fn hull(ranges: &[Range]) -> Range {
        ranges.iter().copied().reduce(Range::union).expect("a layer has channels")
    }

    /// The smallest interval that contains these values.
    pub(crate) fn spanning(values: impl IntoIterator<Item = f64>) -> Range {
        let (low, high) = values
            .into_iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        Range { low, high }.clamped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_intervals_turn_at_zero() {
        let around = Range { low: -2.0, high: 1.0 };
        assert_eq!(around.power_times(2, 1.0), Range { low: 0.0, high: 4.0 });
        assert_eq!(around.power_times(3, -1.0), Range { low: -1.0, high: 8.0 });
        assert_eq!(
            Range { low: 1.0, high: 3.0 }.power_times(2, 2.0),
            Range { low: 2.0, high: 18.0 }
        );
    }
}
