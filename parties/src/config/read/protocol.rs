//! Reading `[protocol]`.

use std::time::Duration;

use nets::SuiteName;
use protocols::SessionOptions;

use super::{super::protocol::Protocol, section::Section};
use crate::{error::Result, link::ProfileName};

impl Protocol {
    pub(super) fn read(table: &Section) -> Result<Protocol> {
        table.check_keys()?;
        let default = Protocol::default();
        let options = read_options(table, default.options)?;
        let bits = table.integer("fractional_bits")?;
        let magnitude = table.integer("magnitude_bits")?;
        let timeout = table.integer("connect_timeout_seconds")?;
        let profile = table.name("profile", ProfileName::ALL, ProfileName::name)?;
        Ok(Protocol {
            suite: table.name("suite", SuiteName::ALL, SuiteName::name)?.unwrap_or_default(),
            fractional_bits: bits.map(|bits| bits as u32),
            magnitude_bits: magnitude.map_or(default.magnitude_bits, |bits| bits as u32),
            bounds: table.path("bounds")?,
            dealt_first: table.flag("dealt_first")?.unwrap_or(false),
            options,
            overlap: table.flag("overlap")?.unwrap_or(false),
            profile: profile.unwrap_or_default(),
            connect_timeout: timeout
                .map_or(default.connect_timeout, |seconds| Duration::from_secs(seconds as u64)),
        })
    }
}

fn read_options(table: &Section, mut options: SessionOptions) -> Result<SessionOptions> {
    if let Some(chunk) = table.integer("chunk")? {
        if chunk % 64 != 0 {
            return Err(table.wrong("chunk", "a multiple of 64"));
        }
        options.chunk = chunk as usize;
    }
    if let Some(window) = table.integer("window")? {
        options.window = window as usize;
    }
    Ok(options)
}
