//! Real numbers as ring elements: x is stored as the integer nearest to x * 2^f, modulo 2^64.

use thiserror::Error;

/// Fixed-point numbers with a given count of fractional bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FixedPoint {
    fractional_bits: u32,
}

/// A number that has no fixed-point encoding.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum EncodingError {
    /// Not a number, or infinite.
    #[error("{value} has no fixed-point encoding: replace it by a finite number")]
    NotFinite {
        /// The number refused.
        value: f64,
    },
    /// Too large: its double would no longer have the right sign.
    #[error(
        "{value} is outside of (-{limit}, {limit}): scale it down or use fewer fractional bits"
    )]
    OutOfRange {
        /// The number refused.
        value: f64,
        /// 2^(62-f): magnitudes must be below it.
        limit: f64,
    },
}

impl FixedPoint {
    /// Numbers with `fractional_bits` bits after the point, at most 61.
    ///
    /// More bits are more precise, but a product holds twice as many before it is truncated, and
    /// the chance of a wrong truncation grows with its magnitude.
    #[must_use]
    pub const fn new(fractional_bits: u32) -> Self {
        assert!(fractional_bits <= 61, "a sign bit and a guard bit must remain");
        Self { fractional_bits }
    }

    /// Bits after the point.
    #[must_use]
    pub const fn fractional_bits(self) -> u32 {
        self.fractional_bits
    }

    /// The encoding of 1.
    #[must_use]
    pub const fn one(self) -> u64 {
        1 << self.fractional_bits
    }

    /// The ring element nearest to `value`, halves away from zero.
    ///
    /// # Errors
    /// If `value` is not finite, or its magnitude is 2^(62-f) or more.
    pub fn encode(self, value: f64) -> Result<u64, EncodingError> {
        if !value.is_finite() {
            return Err(EncodingError::NotFinite { value });
        }
        let limit = f64::exp2(f64::from(62 - self.fractional_bits));
        if value.abs() >= limit {
            return Err(EncodingError::OutOfRange { value, limit });
        }
        Ok(((value * self.scale()).round() as i64).cast_unsigned())
    }

    /// The number that a ring element, read as signed, stands for.
    #[must_use]
    pub fn decode(self, element: u64) -> f64 {
        element.cast_signed() as f64 / self.scale()
    }

    /// [`encode`](Self::encode) of every element.
    ///
    /// # Errors
    /// As `encode`, for the first number that has no encoding.
    pub fn encode_slice(self, values: &[f64]) -> Result<Vec<u64>, EncodingError> {
        values.iter().map(|&value| self.encode(value)).collect()
    }

    /// [`decode`](Self::decode) of every element.
    #[must_use]
    pub fn decode_slice(self, elements: &[u64]) -> Vec<f64> {
        elements.iter().map(|&element| self.decode(element)).collect()
    }

    fn scale(self) -> f64 {
        self.one() as f64
    }
}

impl Default for FixedPoint {
    /// 13 fractional bits: errors of 6e-5, and products of magnitude 2^10 truncate wrongly once in
    /// 2^28 times.
    fn default() -> Self {
        Self::new(13)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounds_to_nearest() {
        let fixed = FixedPoint::default();
        assert_eq!(fixed.fractional_bits(), 13);
        assert_eq!(fixed.encode(1.0), Ok(fixed.one()));
        assert_eq!(fixed.encode(-1.0), Ok(fixed.one().wrapping_neg()));
        assert_eq!(fixed.encode(0.4 / 8192.0), Ok(0));
        assert_eq!(fixed.encode(0.6 / 8192.0), Ok(1));
        assert_eq!(fixed.encode(-0.6 / 8192.0), Ok(u64::MAX));
        assert_eq!(fixed.encode(0.1), Ok(819));
        assert_eq!(fixed.encode_slice(&[0.5, -0.0]), Ok(vec![4096, 0]));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let fixed = FixedPoint::new(13);
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(fixed.encode(value), Err(EncodingError::NotFinite { .. })));
        }
        let limit = f64::exp2(49.0);
        for value in [limit, -limit, 1e300] {
            assert_eq!(fixed.encode(value), Err(EncodingError::OutOfRange { value, limit }));
        }
        assert!(fixed.encode(limit.next_down()).unwrap() < 1 << 62);
        assert_eq!(
            fixed.encode_slice(&[0.0, limit]),
            Err(EncodingError::OutOfRange { value: limit, limit })
        );
        let message = fixed.encode(limit).unwrap_err().to_string();
        assert!(message.contains("562949953421312"), "{message}");
    }

    proptest! {
        #[test]
        fn decoding_is_within_half_a_unit(value in -1e9f64..1e9, bits in 0u32..=30) {
            let fixed = FixedPoint::new(bits);
            let decoded = fixed.decode_slice(&fixed.encode_slice(&[value]).unwrap())[0];
            prop_assert!((decoded - value).abs() <= 0.5 / fixed.one() as f64);
        }
    }
}
