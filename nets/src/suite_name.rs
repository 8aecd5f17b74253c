//! The names of the protocol suites, which configs, reports and the command line use.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A protocol suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuiteName {
    /// The published three-party protocols ([`protocols::securenn`]).
    #[default]
    SecureNn,
    /// Protocols with preprocessing by P2 ([`protocols::dealer`]).
    Dealer,
}

impl SuiteName {
    /// All suites.
    pub const ALL: [SuiteName; 2] = [SuiteName::SecureNn, SuiteName::Dealer];

    /// The name in configs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            SuiteName::SecureNn => "securenn",
            SuiteName::Dealer => "dealer",
        }
    }

    /// The default number of fractional bits.
    pub const fn fractional_bits(self) -> u32 {
        match self {
            SuiteName::SecureNn => 13,
            SuiteName::Dealer => 12,
        }
    }
}

impl fmt::Display for SuiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SuiteName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        SuiteName::ALL
            .into_iter()
            .find(|suite| suite.name() == name)
            .ok_or_else(|| Error::unknown("suite", name, SuiteName::ALL.map(SuiteName::name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_listed() {
        // A new variant does not compile here until it has the next place.
        let place = |suite: SuiteName| match suite {
            SuiteName::SecureNn => 0,
            SuiteName::Dealer => 1,
        };
        assert_eq!(SuiteName::ALL.map(place), [0, 1]);
    }

    #[test]
    fn names_parse_and_others_are_listed() {
        assert_eq!("securenn".parse::<SuiteName>().unwrap(), SuiteName::SecureNn);
        assert_eq!(serde_json::to_string(&SuiteName::SecureNn).unwrap(), "\"securenn\"");
        let error = "magic".parse::<SuiteName>().unwrap_err().to_string();
        assert!(error.contains("magic") && error.contains("securenn"), "{error}");
    }
}
