//! The mean square of a layer's values, by which random weights are scaled.

/// The mean square of a layer's values, as the sum of two parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanSquare {
    /// The contribution of values that are as often negative as positive.
    pub even: f64,
    /// The contribution of values that are never negative.
    pub positive: f64,
}

impl MeanSquare {
    /// Values that are as often negative as positive.
    pub fn even(square: f64) -> MeanSquare {
        MeanSquare { even: square, positive: 0.0 }
    }

    /// Values that are never negative.
    pub fn positive(square: f64) -> MeanSquare {
        MeanSquare { even: 0.0, positive: square }
    }

    /// Both parts together.
    pub fn total(self) -> f64 {
        self.even + self.positive
    }

    /// The mean square of a sum.
    pub fn plus(self, other: MeanSquare) -> MeanSquare {
        let (even, positive) = (self.even + other.even, self.positive + other.positive);
        MeanSquare { even, positive }
    }

    /// Both parts multiplied by a factor.
    pub fn times(self, factor: f64) -> MeanSquare {
        MeanSquare { even: self.even * factor, positive: self.positive * factor }
    }

    /// The mean square after values below 0 are multiplied by `slope`. Half of the even part is
    /// below 0; the positive part is unchanged, so sums in residual networks grow.
    pub(super) fn rectified(self, slope: f64) -> MeanSquare {
        MeanSquare::positive(self.positive + self.even * (1.0 + slope * slope) / 2.0)
    }
}
