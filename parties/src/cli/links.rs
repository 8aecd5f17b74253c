//! The options for the links that times are predicted for.

use crate::{
    error::{Error, Result},
    report::LinkModel,
};

/// The links between the parties, by name or in numbers.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct LinkArgs {
    /// The links between the parties: lan is 0.5 ms and 10 Gbit/s, wan 40 ms and 100 Mbit/s.
    #[arg(long, value_enum)]
    link: Option<Preset>,
    /// Round-trip time of the links, in milliseconds.
    #[arg(long, value_name = "MS", value_parser = not_negative)]
    rtt: Option<f64>,
    /// Bandwidth of the links, in 10^6 bits a second.
    #[arg(long, value_name = "MBIT", value_parser = positive)]
    bandwidth: Option<f64>,
}

/// Links by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Preset {
    Lan,
    Wan,
}

impl LinkArgs {
    /// The links asked for, and their name: `custom` where a number is given.
    ///
    /// # Errors
    /// [`Error::Usage`] where half of them is left open.
    pub(super) fn model(&self) -> Result<Option<(&'static str, LinkModel)>> {
        let preset = self.link.map(|link| match link {
            Preset::Lan => ("lan", LinkModel::LAN),
            Preset::Wan => ("wan", LinkModel::WAN),
        });
        match (preset, self.rtt, self.bandwidth) {
            (preset, None, None) => Ok(preset),
            (None, Some(rtt_ms), Some(bandwidth_mbit)) => {
                Ok(Some(("custom", LinkModel { rtt_ms, bandwidth_mbit })))
            }
            (Some((_, model)), rtt, bandwidth) => {
                let rtt_ms = rtt.unwrap_or(model.rtt_ms);
                let bandwidth_mbit = bandwidth.unwrap_or(model.bandwidth_mbit);
                Ok(Some(("custom", LinkModel { rtt_ms, bandwidth_mbit })))
            }
            (None, _, _) => {
                let what = "--rtt and --bandwidth go together; or give --link for the other one";
                Err(Error::Usage(what.into()))
            }
        }
    }
}

fn not_negative(text: &str) -> std::result::Result<f64, String> {
    number(text).ok_or("a number, 0 or above".into())
}

/// As a value parser.
pub(super) fn positive(text: &str) -> std::result::Result<f64, String> {
    number(text).filter(|number| *number > 0.0).ok_or("a number above 0".into())
}

/// A finite number that is not negative.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}
