//! The bounds that a suite computes with.

use serde::Serialize;

/// How large the values that a layer cuts or compares may be, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LayerBound {
    /// k: their bits at their scale, sign included.
    pub bits: u32,
    /// Where it is from.
    pub source: BoundSource,
}

/// Where a layer's bound is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundSource {
    /// The magnitude that all layers share ([`crate::suites::dealer::Bounds::Alike`]).
    MagnitudeBits,
    /// The layer's own, from the weights: it holds for every input.
    Interval,
    /// The layer's own, from samples.
    Calibration,
    /// The architecture: signs, and sums of signs.
    Structure,
}
