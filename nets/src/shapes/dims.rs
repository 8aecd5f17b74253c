//! The size of one image, and its text form.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The size of one image: channels, rows, columns. A flat vector has 1 row and 1 column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dims {
    /// Channels, or the length of a flat vector.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A text that is not an image size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no image size: write channels x height x width, as in 3x32x32")]
pub struct ParseDimsError {
    /// The text given.
    pub text: String,
}

impl Dims {
    /// An image of these channels, rows and columns.
    pub const fn new(channels: usize, height: usize, width: usize) -> Dims {
        Dims { channels, height, width }
    }

    /// A flat vector.
    pub const fn flat(len: usize) -> Dims {
        Dims::new(len, 1, 1)
    }

    /// The number of values of one channel.
    pub const fn plane(self) -> usize {
        self.height * self.width
    }

    /// The number of values.
    pub const fn len(self) -> usize {
        self.channels * self.plane()
    }

    /// Whether there are no values.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

impl FromStr for Dims {
    type Err = ParseDimsError;

    fn from_str(text: &str) -> Result<Dims, ParseDimsError> {
        let sizes: Option<Vec<usize>> =
            text.split('x').map(|size| size.parse().ok().filter(|&size| size > 0)).collect();
        match sizes.as_deref() {
            Some(&[channels, height, width]) => Ok(Dims::new(channels, height, width)),
            _ => Err(ParseDimsError { text: text.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse_and_print() {
        assert_eq!("3x32x16".parse::<Dims>().unwrap(), Dims::new(3, 32, 16));
        assert_eq!(Dims::new(3, 32, 16).to_string(), "3x32x16");
        for text in ["3x32", "3x32x32x1", "0x1x1", "ax1x1", ""] {
            let error = text.parse::<Dims>().unwrap_err().to_string();
            assert!(error.contains("3x32x32"), "{error}");
        }
    }
}
