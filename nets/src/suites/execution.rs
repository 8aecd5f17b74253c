//! The part of one party in a run: its sessions, what it brings, and when it deals.

use protocols::{Role, Session, dealer::WeightKey};

use crate::{
    error::{Error, Result},
    graph::{Graph, Order},
    weights::EncodedModel,
};

/// The bits of the largest magnitude of an input, in either suite: differences that a max pool
/// compares are then inside of DReLU's domain, and padding is below every value.
pub(crate) const INPUT_BITS: u32 = 60;

/// Called with a layer's place and name before it runs.
pub type Progress<'a> = &'a (dyn Fn(usize, &str) + Sync);

/// A party's run of a network on a batch.
#[derive(Clone, Copy)]
pub struct Execution<'a> {
    /// The party's sessions.
    pub stages: Stages<'a>,
    /// When each layer starts, online.
    pub order: Order,
    /// Images.
    pub batch: usize,
    /// When correlated randomness is made, in a suite that has any.
    pub mode: DealMode,
    /// What the party brings.
    pub inputs: Inputs<'a>,
    /// Called when everything is dealt, where that comes first.
    pub dealt: &'a dyn Fn() -> protocols::Result<()>,
    /// Called with each layer, from several threads where layers overlap; the last one is `output`.
    pub progress: Progress<'a>,
}

/// A party's stages: one session, or the second of its own where the first was long ago.
#[derive(Clone, Copy)]
pub struct Stages<'a> {
    /// What travels ahead of the query.
    pub ahead: &'a Session,
    /// What follows the query.
    pub online: &'a Session,
}

/// When correlated randomness is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DealMode {
    /// Streamed, just before it is needed.
    #[default]
    Streamed,
    /// Dealt first: completely before the query.
    DealtFirst,
}

/// What a party brings: its own secret, and nothing of the others'.
#[derive(Clone, Copy)]
pub enum Inputs<'a> {
    /// P0.
    ModelOwner {
        /// The weights.
        model: &'a EncodedModel,
    },
    /// P1.
    DataOwner {
        /// Encoded images in NCHW order.
        images: &'a [u64],
        /// The masked weights, in a suite that has any.
        weights: Option<&'a MaskedWeights>,
    },
    /// P2.
    CryptoProducer {
        /// The key of the masks of the weights, in a suite that has one.
        key: Option<&'a WeightKey>,
    },
}

/// P1's masked weights D, layer by layer.
pub struct MaskedWeights(pub(super) Vec<Option<Vec<u64>>>);

impl Stages<'_> {
    /// Whether both stages are of one session.
    pub fn is_one_session(&self) -> bool {
        std::ptr::eq(self.ahead, self.online)
    }
}

impl Inputs<'_> {
    /// The role that brings this.
    pub fn role(&self) -> Role {
        match self {
            Inputs::ModelOwner { .. } => Role::ModelOwner,
            Inputs::DataOwner { .. } => Role::DataOwner,
            Inputs::CryptoProducer { .. } => Role::CryptoProducer,
        }
    }
}

/// Checks that a batch of encoded images has its size, and that their magnitudes are below 2 to
/// `limit_bits`.
///
/// # Errors
/// [`Error::Images`], [`Error::InputRange`].
pub(super) fn check_images(
    graph: &Graph,
    batch: usize,
    images: &[u64],
    limit_bits: u32,
) -> Result<()> {
    let (dims, got) = (graph.input(), images.len());
    let expected = batch * dims.len();
    if got != expected {
        return Err(Error::Images { dims, batch, expected, got });
    }
    let too_large = |x: &u64| x.cast_signed().unsigned_abs() >> limit_bits != 0;
    match images.iter().position(too_large) {
        Some(index) => Err(Error::InputRange { index, limit_bits }),
        None => Ok(()),
    }
}
