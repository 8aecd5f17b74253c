//! Continuous piecewise-linear functions with public knots and slopes, as integers: what both
//! suites evaluate.
//!
//! f(t) = a + s_0 t + sum_j (s_j - s_{j-1}) max(t - p_j, 0). The knots p_j are at the scale of t,
//! the slopes have `slope_bits` fractional bits, so the result has that many more than t.

/// A continuous piecewise-linear function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spline {
    name: &'static str,
    knots: Vec<i64>,
    lines: Vec<Line>,
    slope_bits: u32,
}

/// A piece of it: t to slope t + offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) slope: i64,
    pub(crate) offset: i64,
}

/// The right half of tanh: knots, and the values there. Eight knots in all, four of them below 0.
///
/// Where the function is concave, the pieces whose largest error is the same E above and below go
/// from knots at which the value is E above the function; the last knot is where 1 is. The first
/// piece goes through 0 and meets the function in error -E too. That leaves one E for each number
/// of knots: 0.1121 for two, 0.0348 for four, 0.0167 for six, 0.0098066 for eight, 0.0064 for ten,
/// 0.0046 for twelve; half of that for a sigmoid.
const TANH: [(f64, f64); 4] =
    [(0.5107607, 0.4803443), (0.9682614, 0.7577459), (1.5422531, 0.9223048), (2.6564635, 1.0)];

impl Spline {
    /// A function that is `start` + `slopes`\[0\] t below the first knot and has the slope
    /// `slopes`\[j\] from `knots`\[j - 1\] on.
    ///
    /// # Panics
    /// Unless the knots ascend and there is one slope more than knots.
    pub fn new(
        name: &'static str,
        start: i64,
        knots: Vec<i64>,
        slopes: &[i64],
        slope_bits: u32,
    ) -> Spline {
        assert_eq!(slopes.len(), knots.len() + 1, "slopes of {name}");
        assert!(knots.is_sorted_by(|a, b| a < b), "knots of {name} that do not ascend");
        let mut lines = vec![Line { slope: slopes[0], offset: start }];
        for (&knot, &slope) in knots.iter().zip(&slopes[1..]) {
            let last = lines[lines.len() - 1];
            let turn = slope.wrapping_sub(last.slope).wrapping_mul(knot);
            lines.push(Line { slope, offset: last.offset.wrapping_sub(turn) });
        }
        Spline { name, knots, lines, slope_bits }
    }

    /// min(max(t, 0), cap).
    ///
    /// # Panics
    /// Unless the cap is above 0.
    pub fn relu6(cap: i64) -> Spline {
        Spline::new("relu6", 0, vec![0, cap], &[0, 1, 0], 0)
    }

    /// t above 0 and, below 0, t times `slope` rounded to `slope_bits` bits.
    pub fn leaky_relu(slope: f64, slope_bits: u32) -> Spline {
        let one = 1i64 << slope_bits;
        let slopes = [(slope * one as f64).round() as i64, one];
        Spline::new("leaky-relu", 0, vec![0], &slopes, slope_bits)
    }

    /// The logistic function 1 / (1 + e^-t), t having `bits` fractional bits: eight knots, 0 below
    /// -5.31 and 1 above 5.31. From 10 bits and 12 of the slopes on, the error is at most 0.005.
    ///
    /// # Panics
    /// Unless `slope_bits` is 8 or more and both together 48 or less.
    pub fn sigmoid(bits: u32, slope_bits: u32) -> Spline {
        let half = 1 << (bits + slope_bits - 1);
        Spline::s_curve("sigmoid", half, |(x, y)| (2.0 * x, y / 2.0), bits, slope_bits)
    }

    /// The hyperbolic tangent, t having `bits` fractional bits: eight knots, -1 below -2.66 and 1
    /// above 2.66. From 10 bits and 12 of the slopes on, the error is at most 0.01.
    ///
    /// # Panics
    /// As [`Spline::sigmoid`].
    pub fn tanh(bits: u32, slope_bits: u32) -> Spline {
        Spline::s_curve("tanh", 0, |point| point, bits, slope_bits)
    }

    /// The hard sigmoid min(max(t / 6 + 1/2, 0), 1), t having `bits` fractional bits: two knots, as
    /// near to -3 and 3 as the rounded slope brings the result to 1. From 10 bits and 12 of the
    /// slope on, the error is at most 0.0005.
    pub fn hard_sigmoid(bits: u32, slope_bits: u32) -> Spline {
        let slope = ((1u64 << slope_bits) as f64 / 6.0).round();
        let knot = ((1u64 << (bits + slope_bits)) as f64 / (2.0 * slope)).round() as i64;
        Spline::new("hard-sigmoid", 0, vec![-knot, knot], &[0, slope as i64, 0], slope_bits)
    }

    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The knots, ascending, at the scale of t.
    pub fn knots(&self) -> &[i64] {
        &self.knots
    }

    /// How many fractional bits more than t the result has.
    pub fn slope_bits(&self) -> u32 {
        self.slope_bits
    }

    /// f(t), modulo 2^64.
    pub fn value(&self, t: i64) -> i64 {
        let Line { slope, offset } = self.lines[self.knots.partition_point(|&knot| knot <= t)];
        slope.wrapping_mul(t).wrapping_add(offset)
    }

    /// The pieces, from left to right.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// A multiple of tanh that is `centre` at 0.
    fn s_curve(
        name: &'static str,
        centre: i64,
        scaled: impl Fn((f64, f64)) -> (f64, f64),
        bits: u32,
        slope_bits: u32,
    ) -> Spline {
        assert!(slope_bits >= 8 && bits + slope_bits <= 48, "{bits} and {slope_bits} bits");
        // Powers of two and quotients are exact or rounded alike everywhere, so all parties have
        // the same knots.
        let (slope_unit, unit) =
            ((1u64 << slope_bits) as f64, (1u64 << (bits + slope_bits)) as f64);
        let (mut knots, mut slopes) = (Vec::new(), Vec::new());
        let (mut last, mut knot, mut value) = ((0.0, 0.0), 0i64, 0i64);
        for (x, y) in TANH.map(scaled) {
            let slope = ((y - last.1) / (x - last.0) * slope_unit).round();
            // Where the rounded slope comes closest to the value: errors of slopes do not add up.
            let run = ((y * unit - value as f64) / slope).round() as i64;
            // Where a unit is longer than a piece, a flat one of a unit keeps the knots apart.
            let (slope, run) = if run > 0 { (slope as i64, run) } else { (0, 1) };
            (last, knot, value) = ((x, y), knot + run, value + run * slope);
            knots.push(knot);
            slopes.push(slope);
        }
        let mirrored = knots.iter().rev().map(|knot| -knot).chain(knots.iter().copied()).collect();
        let middle = slopes.iter().skip(1).rev().chain(&slopes).copied();
        let slopes: Vec<i64> = [0].into_iter().chain(middle).chain([0]).collect();
        Spline::new(name, centre - value, mirrored, &slopes, slope_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error over all t, outside of the outermost knots too.
    fn worst(spline: &Spline, of: impl Fn(f64) -> f64, bits: u32) -> f64 {
        let (unit, end) = (f64::from(1u32 << bits), 3 * spline.knots()[7]);
        let scale = unit * f64::from(1u32 << spline.slope_bits());
        let error = |t: i64| (spline.value(t) as f64 / scale - of(t as f64 / unit)).abs();
        (-end..=end).map(error).fold(0.0, f64::max)
    }

    fn logistic(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    #[test]
    fn errors_are_at_most_what_is_said() {
        for bits in [10, 11, 12, 13, 16] {
            for slope_bits in [12, 13, 14, 15] {
                let error = worst(&Spline::sigmoid(bits, slope_bits), logistic, bits);
                assert!(error <= 0.005, "sigmoid, {bits} and {slope_bits} bits: {error}");
                let error = worst(&Spline::tanh(bits, slope_bits), f64::tanh, bits);
                assert!(error <= 0.01, "tanh, {bits} and {slope_bits} bits: {error}");
            }
        }
    }

    #[test]
    fn hard_sigmoids_are_as_near_as_they_say() {
        for (bits, slope_bits) in [(10, 12), (12, 12), (13, 12), (16, 14)] {
            let spline = Spline::hard_sigmoid(bits, slope_bits);
            let unit = f64::from(1u32 << bits);
            let scale = unit * f64::from(1u32 << slope_bits);
            for t in -(8 << bits)..8 << bits {
                let due = (f64::from(t) / unit / 6.0 + 0.5).clamp(0.0, 1.0);
                let got = spline.value(t.into()) as f64 / scale;
                assert!((got - due).abs() <= 0.0005, "{bits} bits, {t}: {got}, {due}");
            }
            assert_eq!(spline.value(i64::MIN >> 8), 0);
        }
        assert_eq!(Spline::hard_sigmoid(0, 12).knots(), [-3, 3]);
    }

    #[test]
    fn few_bits_leave_all_knots_and_coarse_curves() {
        for bits in 0..10 {
            let coarse = 1.0 / f64::from(1u32 << bits);
            for (spline, of) in [
                (Spline::sigmoid(bits, 13), logistic as fn(f64) -> f64),
                (Spline::tanh(bits, 13), f64::tanh),
            ] {
                assert_eq!(spline.knots().len(), 8);
                let error = worst(&spline, of, bits);
                assert!(error <= 0.01 + coarse / 4.0, "{}, {bits} bits: {error}", spline.name());
            }
        }
    }

    #[test]
    fn the_error_is_the_same_at_and_between_all_knots() {
        // The error is the same, with alternating signs, between the knots and at them.
        let points: Vec<(f64, f64)> = [(0.0, 0.0)].into_iter().chain(TANH).collect();
        for (place, pair) in points.windows(2).enumerate() {
            let [(from, low), (to, high)] = [pair[0], pair[1]];
            let slope = (high - low) / (to - from);
            // Where tanh has that slope.
            let x = (1.0 - slope).sqrt().atanh();
            assert!((from..to).contains(&x), "piece {place}");
            let below = x.tanh() - (low + slope * (x - from));
            assert!((below - 0.0098066).abs() < 1e-6, "piece {place}: {below}");
            assert!((high - to.tanh() - 0.0098066).abs() < 1e-6, "knot {place}");
        }
    }

    #[test]
    fn curves_rise_and_end_where_they_should() {
        for bits in [10, 12, 16] {
            for slope_bits in [12, 14] {
                let one = 1i64 << (bits + slope_bits);
                for (spline, low) in
                    [(Spline::sigmoid(bits, slope_bits), 0), (Spline::tanh(bits, slope_bits), -one)]
                {
                    let (name, end) = (spline.name(), 2 * spline.knots()[7]);
                    assert!((-end..end).all(|t| spline.value(t) <= spline.value(t + 1)), "{name}");
                    let symmetric = |t: i64| spline.value(t) + spline.value(-t) == low + one;
                    assert!((0..end).all(symmetric), "{name}");
                    // Off by less than a unit of t has in the outermost piece.
                    let (far, outermost) = (i64::MAX >> 1, spline.lines()[1].slope);
                    assert!((spline.value(far) - one).abs() <= outermost / 2 + 1, "{name}");
                    assert!((spline.value(-far) - low).abs() <= outermost / 2 + 1, "{name}");
                }
            }
        }
    }

    #[test]
    fn values_follow_the_slopes_from_knot_to_knot() {
        let spline = Spline::new("roof", 7, vec![-3, 2, 10], &[1, 5, -2, 0], 0);
        let mut value = 7 - 20;
        for t in -20..20 {
            assert_eq!(spline.value(t), value, "{t}");
            value += match t {
                ..-3 => 1,
                -3..2 => 5,
                2..10 => -2,
                _ => 0,
            };
        }
    }

    #[test]
    #[should_panic(expected = "do not ascend")]
    fn knots_ascend() {
        Spline::new("knot", 0, vec![2, 2], &[0, 1, 0], 0);
    }
}
