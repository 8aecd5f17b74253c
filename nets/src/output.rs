//! The data owner's choice of output: all logits, or the label alone.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The data owner's view of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// The logit of every class.
    #[default]
    Logits,
    /// The class with the largest logit (the first, if several are equal) and nothing else.
    Label,
}

impl Output {
    /// All outputs.
    pub const ALL: [Output; 2] = [Output::Logits, Output::Label];

    /// The name in configs.
    pub const fn name(self) -> &'static str {
        match self {
            Output::Logits => "logits",
            Output::Label => "label",
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Output {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Output::ALL
            .into_iter()
            .find(|output| output.name() == name)
            .ok_or_else(|| Error::unknown("output", name, Output::ALL.map(Output::name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_is_listed() {
        // A new variant does not compile here until it has the next place.
        let place = |output: Output| match output {
            Output::Logits => 0,
            Output::Label => 1,
        };
        assert_eq!(Output::ALL.map(place), [0, 1]);
    }

    #[test]
    fn names_parse_and_others_are_listed() {
        for output in Output::ALL {
            assert_eq!(output.name().parse::<Output>().unwrap(), output);
        }
        let error = "label ".parse::<Output>().unwrap_err().to_string();
        assert!(error.contains("logits, label"), "{error}");
    }
}
