//! The protocol suites a network can be evaluated with.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A protocol suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// [`protocols::securenn`].
    #[default]
    SecureNn,
    /// [`protocols::dealer`].
    Dealer,
}

impl Suite {
    /// All suites.
    pub const ALL: [Suite; 2] = [Suite::SecureNn, Suite::Dealer];

    /// The name in configs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Suite::SecureNn => "securenn",
            Suite::Dealer => "dealer",
        }
    }

    /// The fractional bits of a run that asks for none.
    pub const fn fractional_bits(self) -> u32 {
        match self {
            Suite::SecureNn => 13,
            Suite::Dealer => 12,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Suite {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Suite::ALL
            .into_iter()
            .find(|suite| suite.name() == name)
            .ok_or_else(|| Error::unknown("suite", name, Suite::ALL.map(Suite::name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_others_are_listed() {
        assert_eq!("securenn".parse::<Suite>().unwrap(), Suite::SecureNn);
        assert_eq!(serde_json::to_string(&Suite::SecureNn).unwrap(), "\"securenn\"");
        let error = "magic".parse::<Suite>().unwrap_err().to_string();
        assert!(error.contains("magic") && error.contains("securenn"), "{error}");
    }
}
