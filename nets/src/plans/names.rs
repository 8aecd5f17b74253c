//! The names of functions and the lists of channels in the file of an activation plan.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    graph::{ActivationKind, MAX_MIXED},
};

/// The name of a function of [`ActivationKind::all`] (`leaky-relu` has a slope of 0.1), or `none`
/// for values that pass unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName(usize);

/// A list of channels, counted from 0, such as `0-15,20`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channels(Vec<RangeInclusive<usize>>);

impl FunctionName {
    /// The function; `None` if values pass unchanged.
    pub fn kind(self) -> Option<ActivationKind> {
        ActivationKind::all().get(self.0).copied()
    }

    /// The text of the name.
    pub fn name(self) -> &'static str {
        self.kind().map_or(NONE, ActivationKind::name)
    }

    /// The name of a function with any parameters, or `none`.
    pub fn new(kind: Option<ActivationKind>) -> FunctionName {
        let kinds = ActivationKind::all();
        let has_name =
            |named: &ActivationKind| kind.is_some_and(|kind| kind.name() == named.name());
        FunctionName(kinds.iter().position(has_name).unwrap_or(kinds.len()))
    }

    /// All names of functions, and `none`.
    pub fn all() -> impl Iterator<Item = FunctionName> {
        (0..=ActivationKind::all().len()).map(FunctionName)
    }
}

/// The name for values that pass unchanged.
const NONE: &str = "none";

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FunctionName {
    type Err = Error;

    fn from_str(name: &str) -> Result<FunctionName> {
        let found = FunctionName::all().find(|function| function.name() == name);
        let known = || FunctionName::all().map(FunctionName::name);
        found.ok_or_else(|| Error::unknown("activation", name, known()))
    }
}

impl TryFrom<String> for FunctionName {
    type Error = Error;

    fn try_from(name: String) -> Result<FunctionName> {
        name.parse()
    }
}

impl From<FunctionName> for String {
    fn from(function: FunctionName) -> String {
        function.to_string()
    }
}

impl Channels {
    /// A list of these channels, which must ascend.
    pub fn new(channels: impl IntoIterator<Item = usize>) -> Channels {
        let mut ranges: Vec<RangeInclusive<usize>> = Vec::new();
        for channel in channels {
            match ranges.last_mut() {
                Some(last) if *last.end() + 1 == channel => *last = *last.start()..=channel,
                _ => ranges.push(channel..=channel),
            }
        }
        Channels(ranges)
    }

    /// The channels one by one.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().cloned().flatten()
    }
}

impl FromStr for Channels {
    type Err = Error;

    fn from_str(text: &str) -> Result<Channels> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last && last < MAX_MIXED).then_some(first..=last)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Channels).ok_or_else(|| Error::Plan {
            what: format!("'{text}' is no list of channels: write, for example, 0-15,20"),
        })
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Channels {
    type Error = Error;

    fn try_from(text: String) -> Result<Channels> {
        text.parse()
    }
}

impl From<Channels> for String {
    fn from(channels: Channels) -> String {
        channels.to_string()
    }
}
