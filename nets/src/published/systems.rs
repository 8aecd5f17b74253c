//! The systems whose published figures are compared with the costs of the same nets and operations
//! here, which are computed from shapes alone.
//!
//! | system | publication | figures |
//! |---|---|---|
//! | [`System::Delphi`] | Mishra et al., USENIX Security 2020 | Tables 1 and 3 |
//! | [`System::SafeNet`] | Lou et al., ICLR 2021 | Tables 2 to 4 |
//! | [`System::MiniOnn`] | Liu et al., CCS 2017 | Tables 2 and 4 |
//! | [`System::Xonn`] | Riazi et al., USENIX Security 2019 | Tables 11 and 12 |
//!
//! Figures that are not published or not at hand are `None`, and so are the seconds of our suites,
//! which would have to be measured.

use std::{fmt, str::FromStr};

use super::{
    comparison::{Comparison, Row},
    delphi, minionn, safenet, xonn,
};
use crate::error::{Error, Result};

/// A system that published figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Two parties, with encryption ahead of the query and garbled circuits or quadratic
    /// activations.
    Delphi,
    /// Like Delphi, with polynomials chosen channel by channel.
    SafeNet,
    /// Two parties, with encryption ahead of the query and garbled circuits.
    MiniOnn,
    /// Two parties, with binary nets in garbled circuits.
    Xonn,
}

impl System {
    /// All systems.
    pub const ALL: [System; 4] = [System::Delphi, System::SafeNet, System::MiniOnn, System::Xonn];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            System::Delphi => "delphi",
            System::SafeNet => "safenet",
            System::MiniOnn => "minionn",
            System::Xonn => "xonn",
        }
    }

    /// Differences that a reader must know to compare any of the rows.
    pub fn notes(self) -> &'static [&'static str] {
        match self {
            System::Delphi => &delphi::NOTES,
            System::SafeNet => &safenet::NOTES,
            System::MiniOnn => &minionn::NOTES,
            System::Xonn => &xonn::NOTES,
        }
    }

    /// The published figures, each followed by the costs in our suites.
    ///
    /// # Errors
    /// Never: every net and plan exists.
    pub fn rows(self) -> Result<Vec<Row>> {
        let comparisons = match self {
            System::Delphi => delphi::comparisons(),
            System::SafeNet => safenet::comparisons(),
            System::MiniOnn => minionn::comparisons(),
            System::Xonn => xonn::comparisons(),
        };
        let rows = comparisons.iter().map(Comparison::rows).collect::<Result<Vec<_>>>()?;
        Ok(rows.into_iter().flatten().collect())
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for System {
    type Err = Error;

    fn from_str(name: &str) -> Result<System> {
        let found = System::ALL.into_iter().find(|system| system.name() == name);
        found.ok_or_else(|| Error::unknown("system", name, System::ALL.map(System::name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite_name::SuiteName;

    /// The offline and online megabytes of a suite for the subject of a row.
    fn ours(system: System, what: &str, suite: SuiteName) -> (Option<f64>, f64) {
        let rows = system.rows().unwrap();
        let row = rows.iter().find(|row| row.what == what && row.by == suite.name()).unwrap();
        (row.figures.offline_mb, row.figures.online_mb.unwrap())
    }

    #[test]
    fn every_system_is_listed() {
        // A new variant does not compile here until it has the next place.
        let place = |system: System| match system {
            System::Delphi => 0,
            System::SafeNet => 1,
            System::MiniOnn => 2,
            System::Xonn => 3,
        };
        assert_eq!(System::ALL.map(place), [0, 1, 2, 3]);
    }

    #[test]
    fn activations_take_the_bits_of_their_formulas() {
        let ours = |what: &str, suite| ours(System::Delphi, &format!("{what}, a million"), suite);
        // Bits of one value of 32 bits. A truncation by 12 bits opens n = 21 bits, and one by 16
        // bits, before a polynomial, opens 17. Results are in rings of 33 bits after a ReLU, of 45
        // after a square, which has 12 bits more, and of 47 after a polynomial, which has 14 more.
        let bits = |bits: u64| bits as f64 / 8.0;
        assert_eq!(ours("ReLU", SuiteName::Dealer), (Some(bits(443)), bits(36 + 34)));
        let square = 2 * (2 * 45 - 21);
        assert_eq!(ours("square", SuiteName::Dealer), (Some(bits(square)), bits(21 + 45)));
        let polynomial = 2 * 2 * (2 * 47 - 17);
        assert_eq!(ours("quadratic", SuiteName::Dealer), (Some(bits(polynomial)), bits(17 + 47)));
        // A product opens two words in each direction and takes one word from P2.
        assert_eq!(ours("ReLU", SuiteName::SecureNn), (None, 584.0));
        assert_eq!(ours("square", SuiteName::SecureNn), (None, 5.0 * 8.0));
        assert_eq!(ours("quadratic", SuiteName::SecureNn), (None, 2.0 * 5.0 * 8.0));
    }

    #[test]
    fn convolutions_take_a_value_of_33_bits_each_way() {
        for (what, values) in [
            ("16x32x32, 16 3x3", 16_384.0),
            ("32x16x16, 32 3x3", 8192.0),
            ("64x8x8, 64 3x3", 4096.0),
        ] {
            let mb = values * 33.0 / 8.0 / 1e6;
            assert_eq!(ours(System::Delphi, what, SuiteName::Dealer), (Some(mb), mb));
        }
    }

    #[test]
    fn published_figures_are_as_printed() {
        let find = |system: System, what: &str, by: &str| {
            let rows = system.rows().unwrap();
            rows.into_iter().find(|row| row.what == what && row.by == by).unwrap().figures
        };
        let relu = find(System::Delphi, "ReLU, a million", "Delphi");
        assert_eq!((relu.offline_mb, relu.online_seconds), (Some(17_500.0), Some(65.0)));
        let mixed = find(System::SafeNet, "CNN-7, mixed", "SAFENet");
        assert_eq!((mixed.offline_seconds, mixed.total_seconds), (Some(55.2), Some(53.4)));
        let squares = find(System::MiniOnn, "Figure 10, squares", "MiniONN");
        assert_eq!((squares.offline_mb, squares.online_mb), (Some(3.8), Some(12.0)));
        let binary = find(System::Xonn, "BC1, s = 1.5", "XONN");
        assert_eq!((binary.total_mb, binary.total_seconds), (Some(2820.0), Some(8.59)));
        // Latencies that are not at hand.
        assert_eq!(find(System::Xonn, "BC6, s = 1", "XONN").total_seconds, None);
    }
}
