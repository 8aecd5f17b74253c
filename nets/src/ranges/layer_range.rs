//! The range of a layer's values, and the tighter of two ranges.

use serde::{Deserialize, Serialize};

use crate::{
    graph::{Activation, Op},
    range::{LARGEST, Range},
};

/// The range of a layer's values over all channels, in real units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerRange {
    /// The range of the results.
    pub result: Range,
    /// The range of the values that the layer compares with zero: the inputs of an activation on
    /// the channels that have a function, or differences of two values of a window of a max pool.
    /// `None` for a layer that compares nothing.
    pub compared: Option<Range>,
    /// The sum of the magnitudes of one image's results, to which the probability of a wrong
    /// truncation is proportional.
    pub sum: f64,
}

/// The source of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// [`super::intervals`]: it holds for every input of the given range, unless a layer before
    /// overflows.
    Interval,
    /// [`super::calibrated`]: all samples were far below it.
    Calibration,
}

/// A layer's range and its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The range.
    pub range: LayerRange,
    /// The source.
    pub source: Source,
}

/// For each layer, the range with the smaller [`LayerRange::magnitude`]; the interval if both are
/// equal or there is no calibration.
pub fn tighter(intervals: &[LayerRange], calibrated: Option<&[LayerRange]>) -> Vec<Bound> {
    let interval = |range: &LayerRange| Bound { range: *range, source: Source::Interval };
    let Some(calibrated) = calibrated else {
        return intervals.iter().map(interval).collect();
    };
    let smaller = |(range, other): (&LayerRange, &LayerRange)| {
        if range.magnitude() <= other.magnitude() {
            interval(range)
        } else {
            Bound { range: *other, source: Source::Calibration }
        }
    };
    intervals.iter().zip(calibrated).map(smaller).collect()
}

/// The bits, sign included, of a value of this magnitude at this number of fractional bits: the
/// least k with magnitude * 2^fractional_bits + 1 <= 2^(k-1).
pub fn bits(magnitude: f64, fractional_bits: u32) -> u32 {
    let units = magnitude * f64::from(fractional_bits).exp2();
    // Above 2^53 adding 1 changes nothing.
    let units = (units + 1.0).max(units.next_up());
    power_of_two(units).cast_unsigned() + 1
}

/// The least e with 2^e >= `value`, which must be a normal number above 0.
pub(crate) fn power_of_two(value: f64) -> i32 {
    const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = value.to_bits();
    let floor = (bits >> MANTISSA) as i32 - (f64::MAX_EXP - 1);
    floor + i32::from(bits << (u64::BITS - MANTISSA) != 0)
}

impl LayerRange {
    /// The largest magnitude among the results and the values compared.
    pub fn magnitude(&self) -> f64 {
        self.compared.map_or(0.0, Range::magnitude).max(self.result.magnitude())
    }

    /// The range of what this operation compares with zero: [`LayerRange::compared`] minus each
    /// knot of its functions.
    pub fn compared_by(&self, op: &Op) -> Option<Range> {
        let kinds = op.activation().into_iter().flat_map(Activation::kinds);
        let knots = kinds.map(|kind| kind.function().knots()).fold(Range::ZERO, Range::union);
        let less =
            |range: Range| Range { low: range.low - knots.high, high: range.high - knots.low };
        self.compared.map(less)
    }

    pub(super) fn union(&self, other: LayerRange) -> LayerRange {
        LayerRange {
            result: self.result.union(other.result),
            compared: self.compared.zip(other.compared).map(|(a, b)| a.union(b)),
            sum: self.sum.max(other.sum),
        }
    }

    pub(super) fn widened(&self, margin: f64) -> LayerRange {
        LayerRange {
            result: self.result.widened(margin),
            compared: self.compared.map(|range| range.widened(margin)),
            sum: (self.sum * margin).min(LARGEST),
        }
    }
}

/// The range of differences of values in either direction, from the largest difference in each
/// window.
pub(super) fn differences(apart: impl Iterator<Item = f64>) -> Range {
    let apart = apart.fold(0.0, f64::max);
    Range { low: -apart, high: apart }.clamped()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixedpoint::encoding::FixedPoint;

    use crate::{
        ranges::{MIN_MARGIN, calibrated, intervals},
        test_nets,
    };

    const FIXED: FixedPoint = FixedPoint::new(10);

    #[test]
    fn the_tighter_one_is_named() {
        let test_nets::Digits { graph, model, images, .. } = test_nets::digits();
        let input = [Range { low: 0.0, high: 1.0 }];
        let certain = intervals(&graph, &model, &input, FIXED).unwrap();
        let likely = calibrated(&graph, &model, &images, MIN_MARGIN).unwrap();
        let bounds = tighter(&certain, Some(&likely));
        assert_eq!(bounds[0].source, Source::Interval, "pixels fill their range");
        assert_eq!(bounds.last().unwrap().source, Source::Calibration);
        for (bound, (a, b)) in bounds.iter().zip(certain.iter().zip(&likely)) {
            assert_eq!(bound.range.magnitude(), a.magnitude().min(b.magnitude()));
        }
        let alone = tighter(&certain, None);
        assert!(alone.iter().all(|bound| bound.source == Source::Interval));
    }

    #[test]
    fn bits_hold_a_value_and_one_unit_more() {
        let cases = [
            (0.0, 13, 1),
            (1.0, 0, 2),
            (3.0, 0, 3),
            (3.5, 0, 4),
            (4.0, 0, 4),
            (0.5, 1, 2),
            (1.0, 13, 15),
            (f64::exp2(60.0), 0, 62),
            (f64::exp2(60.0).next_down(), 0, 61),
        ];
        for (magnitude, fractional_bits, expected) in cases {
            assert_eq!(bits(magnitude, fractional_bits), expected, "{magnitude}");
        }
        assert!(bits(LARGEST, 60) > 500);
    }
}
