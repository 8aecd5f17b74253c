//! Partial activations: which activations of a net's blocks are kept, of what kind, and on how many
//! channels.
//!
//! Every block of SqueezeNet, ShuffleNetV2 and MobileNetV2 has a first and a second activation.
//! Shafran, Segev, Peleg and Hoshen ("Crypto-Oriented Neural Architecture Design", 2021) remove
//! some and make others partial. Their plans have names here; other ratios come from a config.

use std::{collections::BTreeMap, str::FromStr};

use protocols::limits::LEAKY_SLOPE;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    graph::{Activation, ActivationKind, Dims, GraphBuilder, NodeId, Window},
};

/// The activations of a net, as ratios of channels that keep them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ratios {
    /// The kind of every activation; `none` also removes those outside of the blocks.
    pub activation: Kind,
    /// The ratio of the first activation of every block: 1 keeps it, 0 removes it, and a value
    /// between makes it partial.
    pub first: f64,
    /// The ratio of the second activation of every block.
    pub second: f64,
    /// The kind of pooling layers. Of the three nets, only SqueezeNet has any.
    #[serde(default)]
    pub pool: Pool,
    /// Whether convolutions that are left without an activation have twice the channels.
    #[serde(default)]
    pub double: bool,
    /// Blocks that differ from the others, counted from 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocks: BTreeMap<usize, BlockRatios>,
}

/// The settings of one block that differ from the others; those left out are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BlockRatios {
    /// The kind of both activations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Kind>,
    /// The ratio of the first activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<f64>,
    /// The ratio of the second activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<f64>,
}

/// The kind of an activation, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// x above 0, x / 10 below.
    LeakyRelu,
    /// x: no activation.
    None,
}

/// The kind of a pooling layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// The largest value of each window.
    #[default]
    Max,
    /// The average of each window, which needs no messages.
    Avg,
}

/// The two activations of one block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) first: Site,
    pub(super) second: Site,
}

/// A place for an activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Site {
    kind: Kind,
    ratio: f64,
}

impl Ratios {
    /// The ratios that keep every activation on all channels.
    pub fn original(kind: Kind) -> Ratios {
        Ratios {
            activation: kind,
            first: 1.0,
            second: 1.0,
            pool: Pool::Max,
            double: false,
            blocks: BTreeMap::new(),
        }
    }

    /// A published plan of a net: `orig`, `1`, `2`, `0.5-1`, `0.5-2`, `none`, `ours`,
    /// `0.5-1-double`, `0.5-2-double`. `ours` differs between the CIFAR and the MNIST data sets,
    /// which are told apart by the image's channels (three or one).
    ///
    /// # Errors
    /// [`Error::Unknown`] with all names.
    pub fn published(net: Published, name: &str, input: Dims) -> Result<Ratios> {
        let original = Ratios::original(net.kind());
        let keep = |first, second| Ratios { first, second, ..original.clone() };
        let half = if input.channels == 1 { 0.25 } else { 0.5 };
        Ok(match name {
            "orig" => original,
            "1" => keep(1.0, 0.0),
            "2" => keep(0.0, 1.0),
            "0.5-1" => keep(0.5, 0.0),
            "0.5-2" => keep(0.0, 0.5),
            "none" => keep(0.0, 0.0),
            "0.5-1-double" => Ratios { double: true, ..keep(0.5, 0.0) },
            "0.5-2-double" => Ratios { double: true, ..keep(0.0, 0.5) },
            "ours" => match net {
                Published::SqueezeNet if input.channels == 1 => {
                    Ratios { pool: Pool::Avg, ..keep(half, 0.0) }
                }
                Published::SqueezeNet => Ratios { pool: Pool::Avg, ..keep(0.0, half) },
                Published::ShuffleNetV2 => keep(half, 0.0),
                Published::MobileNetV2 => Ratios { activation: Kind::Relu, ..keep(0.0, half) },
            },
            _ => return Err(Error::unknown("plan", name, PUBLISHED_RATIOS)),
        })
    }

    /// Checks that every ratio is from 0 to 1 and every block exists.
    ///
    /// # Errors
    /// [`Error::Plan`].
    pub(super) fn check(&self, blocks: usize) -> Result<()> {
        if let Some(&block) = self.blocks.keys().find(|&&block| block >= blocks) {
            let what = format!("there is no block {block}: the net has {blocks}, counted from 0");
            return Err(Error::Plan { what });
        }
        let others = self.blocks.values().flat_map(|block| [block.first, block.second]);
        for ratio in [self.first, self.second].into_iter().chain(others.flatten()) {
            if !(0.0..=1.0).contains(&ratio) {
                let what = format!("a ratio of {ratio}: use one from 0 (removed) to 1 (kept)");
                return Err(Error::Plan { what });
            }
        }
        Ok(())
    }

    /// The activations of a block.
    pub(super) fn block(&self, block: usize) -> Block {
        let ratios = self.blocks.get(&block).copied().unwrap_or_default();
        let kind = ratios.activation.unwrap_or(self.activation);
        let site = |ratio: Option<f64>, common| Site { kind, ratio: ratio.unwrap_or(common) };
        Block { first: site(ratios.first, self.first), second: site(ratios.second, self.second) }
    }

    /// An activation outside of the blocks.
    pub(super) fn outside(&self) -> Site {
        Site { kind: self.activation, ratio: 1.0 }
    }

    /// The factor of the doubled widths: 2 or 1.
    pub(super) fn width(&self) -> usize {
        1 + usize::from(self.double)
    }

    /// Adds a pooling layer with windows of 2x2.
    pub(super) fn pool(&self, net: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId> {
        match self.pool {
            Pool::Max => net.max_pool(name, x, Window::square(2)),
            Pool::Avg => net.avg_pool(name, x, Window::square(2)),
        }
    }
}

/// The names of the plans of [`Ratios::published`].
pub const PUBLISHED_RATIOS: [&str; 9] =
    ["orig", "1", "2", "0.5-1", "0.5-2", "none", "ours", "0.5-1-double", "0.5-2-double"];

/// A net with published plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// SqueezeNet 1.0.
    SqueezeNet,
    /// ShuffleNetV2 1x.
    ShuffleNetV2,
    /// MobileNetV2.
    MobileNetV2,
}

impl Published {
    /// The net of this name, if it has published plans.
    pub fn named(name: &str) -> Option<Published> {
        [Published::SqueezeNet, Published::ShuffleNetV2, Published::MobileNetV2]
            .into_iter()
            .find(|net| net.name() == name)
    }

    /// The net's name.
    pub const fn name(self) -> &'static str {
        match self {
            Published::SqueezeNet => "squeezenet",
            Published::ShuffleNetV2 => "shufflenet-v2",
            Published::MobileNetV2 => "mobilenet-v2",
        }
    }

    /// The kind of the original net's activations.
    pub fn kind(self) -> Kind {
        match self {
            Published::SqueezeNet | Published::ShuffleNetV2 => Kind::Relu,
            Published::MobileNetV2 => Kind::Relu6,
        }
    }
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 4] = [Kind::Relu, Kind::Relu6, Kind::LeakyRelu, Kind::None];

    /// The name in configs and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Relu => "relu",
            Kind::Relu6 => "relu6",
            Kind::LeakyRelu => "leaky-relu",
            Kind::None => "none",
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Kind> {
        let mut all = Kind::ALL.into_iter();
        let found = all.find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::unknown("activation", name, Kind::ALL.map(Kind::name)))
    }
}

impl Pool {
    /// All kinds.
    pub const ALL: [Pool; 2] = [Pool::Max, Pool::Avg];

    /// The name in configs and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Pool::Max => "max",
            Pool::Avg => "avg",
        }
    }
}

impl FromStr for Pool {
    type Err = Error;

    fn from_str(name: &str) -> Result<Pool> {
        let mut all = Pool::ALL.into_iter();
        let found = all.find(|pool| pool.name() == name);
        found.ok_or_else(|| Error::unknown("pooling", name, Pool::ALL.map(Pool::name)))
    }
}

impl Site {
    /// Adds the activation, unless it is removed.
    pub(super) fn add(self, net: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId> {
        let kind = match self.kind {
            Kind::Relu => ActivationKind::Relu,
            Kind::Relu6 => ActivationKind::Relu6,
            Kind::LeakyRelu => ActivationKind::LeakyRelu { slope: LEAKY_SLOPE },
            Kind::None => return Ok(x),
        };
        if self.ratio == 0.0 {
            return Ok(x);
        }
        net.activation(name, x, Activation::Leading { kind, ratio: self.ratio })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_differ_where_the_ratios_say_so() {
        let mut ratios = Ratios::original(Kind::Relu);
        ratios.blocks.insert(1, BlockRatios { second: Some(0.0), ..BlockRatios::default() });
        let site = |ratio| Site { kind: Kind::Relu, ratio };
        assert_eq!(ratios.block(0), Block { first: site(1.0), second: site(1.0) });
        assert_eq!(ratios.block(1), Block { first: site(1.0), second: site(0.0) });
        assert!(ratios.check(2).is_ok());
        assert!(ratios.check(1).unwrap_err().to_string().contains("block 1"));
        ratios.first = 1.5;
        assert!(ratios.check(2).unwrap_err().to_string().contains("1.5"));
    }

    #[test]
    fn names_are_those_of_serde() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse::<Kind>().unwrap(), kind);
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{}\"", kind.name()));
        }
        for pool in Pool::ALL {
            assert_eq!(pool.name().parse::<Pool>().unwrap(), pool);
            let json = serde_json::to_string(&pool).unwrap();
            assert_eq!(json, format!("\"{}\"", pool.name()));
        }
        let error = "gelu".parse::<Kind>().unwrap_err().to_string();
        assert!(error.contains("gelu") && error.contains("leaky-relu"), "{error}");
        assert!("min".parse::<Pool>().is_err());
    }

    #[test]
    fn every_name_is_known_and_others_are_listed() {
        let input = Dims::new(3, 32, 32);
        for name in PUBLISHED_RATIOS {
            Ratios::published(Published::SqueezeNet, name, input).unwrap();
        }
        let error = Ratios::published(Published::SqueezeNet, "3", input).unwrap_err();
        assert!(error.to_string().contains("0.5-2-double"), "{error}");
    }
}
