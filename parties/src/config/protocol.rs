//! `[protocol]`: how the network is evaluated.

use std::{path::PathBuf, time::Duration};

use nets::{SuiteName, suites::dealer::DEFAULT_MAGNITUDE_BITS};
use protocols::SessionOptions;

use crate::link::ProfileName;

/// The largest magnitudes that a config may ask for, as a power of two.
pub(crate) const MAX_MAGNITUDE_BITS: u32 = 40;

/// How long a party waits for the others where nothing is said.
pub(super) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How the network is evaluated. `docs/config.md` has the meaning of each key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Protocol {
    /// The protocol suite.
    pub suite: SuiteName,
    /// Fractional bits of a fixed-point number; the suite's own if not given.
    pub fractional_bits: Option<u32>,
    /// In `dealer`, where there are no bounds: the values of all layers are below 2 to this power.
    pub magnitude_bits: u32,
    /// In `dealer`: a file of `tercet calibrate` with the bounds of every layer.
    pub bounds: Option<PathBuf>,
    /// In `dealer`: whether all correlated randomness is made before the query.
    pub dealt_first: bool,
    /// Chunk and window of long batches.
    pub options: SessionOptions,
    /// Whether branches of the network run side by side.
    pub overlap: bool,
    /// The kind of the links between the parties.
    pub profile: ProfileName,
    /// How long a party waits for the two others to come up.
    pub connect_timeout: Duration,
}

impl Default for Protocol {
    fn default() -> Self {
        Protocol {
            suite: SuiteName::default(),
            fractional_bits: None,
            magnitude_bits: DEFAULT_MAGNITUDE_BITS,
            bounds: None,
            dealt_first: false,
            options: SessionOptions::default(),
            overlap: false,
            profile: ProfileName::default(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
        }
    }
}

/// Parses a suite's name on the command line.
///
/// # Errors
/// The names that there are.
pub(crate) fn parse_suite(name: &str) -> Result<SuiteName, String> {
    name.parse().map_err(|_| {
        let names = SuiteName::ALL.map(SuiteName::name).join(", ");
        format!("one of {names}")
    })
}
