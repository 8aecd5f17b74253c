//! The execution of a network at one party: its sessions, its inputs, and the mode of dealing.

use fixedpoint::encoding::FixedPoint;
use protocols::{Role, Session, dealer::WeightKey};

use crate::{
    error::{Error, Result},
    graph::{Graph, Order},
    weights::EncodedModel,
};

/// The power of two that bounds the magnitudes of inputs in both suites. The differences that a max
/// pool compares are then in DReLU's domain, and padding is smaller than every value.
pub(crate) const INPUT_BITS: u32 = 60;

/// A callback that takes a layer's index and name before the layer runs.
pub type Progress<'a> = &'a (dyn Fn(usize, &str) + Sync);

/// A party's execution of a network on a batch.
#[derive(Clone, Copy)]
pub struct Execution<'a> {
    /// The party's sessions.
    pub sessions: Sessions<'a>,
    /// The order in which layers start online.
    pub order: Order,
    /// The number of images.
    pub batch: usize,
    /// The mode of dealing, for a suite with preprocessing.
    pub mode: DealMode,
    /// The inputs of the party.
    pub inputs: Inputs<'a>,
    /// Called when everything is dealt, in the mode [`DealMode::DealtFirst`].
    pub dealt: &'a dyn Fn() -> protocols::Result<()>,
    /// Called for each layer, and last for `output`; from several threads if layers overlap.
    pub progress: Progress<'a>,
}

/// A party's sessions for both stages. They are the same session, or two if the first stage was run
/// earlier and its material kept.
#[derive(Clone, Copy)]
pub struct Sessions<'a> {
    /// The session of the stage ahead of the query.
    pub ahead: &'a Session,
    /// The session of the stage from the query on.
    pub online: &'a Session,
}

/// The mode of dealing: when correlated randomness is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DealMode {
    /// Each layer's randomness is dealt just before the layer needs it.
    #[default]
    Streamed,
    /// All randomness is dealt before the query.
    DealtFirst,
}

/// The inputs of a party: its own secrets and nothing of the others'.
#[derive(Clone, Copy)]
pub enum Inputs<'a> {
    /// The inputs of P0.
    ModelOwner {
        /// The weights.
        model: &'a EncodedModel,
    },
    /// The inputs of P1.
    DataOwner {
        /// Encoded images in NCHW order.
        images: &'a [u64],
        /// The masked weights, for a suite with preprocessing.
        weights: Option<&'a MaskedWeights>,
    },
    /// The inputs of P2.
    CryptoProducer {
        /// The key of the masks of the weights, for a suite with preprocessing.
        key: Option<&'a WeightKey>,
    },
}

/// P1's masked weights D, layer by layer; `None` for layers without weights.
pub struct MaskedWeights(pub(super) Vec<Option<Vec<u64>>>);

impl Sessions<'_> {
    /// Whether both stages run in one session.
    pub(super) fn is_one_session(&self) -> bool {
        std::ptr::eq(self.ahead, self.online)
    }
}

impl Inputs<'_> {
    /// The role whose inputs these are.
    pub fn role(&self) -> Role {
        match self {
            Inputs::ModelOwner { .. } => Role::ModelOwner,
            Inputs::DataOwner { .. } => Role::DataOwner,
            Inputs::CryptoProducer { .. } => Role::CryptoProducer,
        }
    }
}

/// Checks that a model belongs to a graph and is encoded for this fixed point.
///
/// # Errors
/// [`Error::ModelEncoding`], [`Error::ModelGraph`].
pub(super) fn check_model(graph: &Graph, fixed: FixedPoint, model: &EncodedModel) -> Result<()> {
    let (encoded, run) = (model.fixed().fractional_bits(), fixed.fractional_bits());
    if encoded != run {
        return Err(Error::ModelEncoding { model: encoded, run });
    }
    model.check(graph)
}

/// Checks that encoded images are a whole batch, and that their magnitudes are below
/// 2^`limit_bits`.
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
