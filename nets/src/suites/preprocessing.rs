//! The trait of a suite whose correlated randomness can be made ahead of the query and kept.

use protocols::{Session, dealer::WeightKey};

use super::execution::{MaskedWeights, Progress};
use crate::{error::Result, weights::EncodedModel};

/// The preprocessing of a network: what is sent once for a model, and each party's stage ahead of a
/// query, on a transport of its own.
pub trait Preprocessing {
    /// P0, once for a model and session: sends P1 the masked weights.
    ///
    /// # Errors
    /// [`crate::Error::ModelGraph`], [`crate::Error::ModelEncoding`], [`crate::Error::Protocol`].
    fn send_setup(&self, session: &Session, model: &EncodedModel, key: &WeightKey) -> Result<()>;

    /// P1, once for a model and session: receives them.
    ///
    /// # Errors
    /// [`crate::Error::Protocol`].
    fn receive_setup(&self, session: &Session) -> Result<MaskedWeights>;

    /// Masked weights as bytes, each layer packed in its ring.
    fn pack(&self, weights: &MaskedWeights) -> Vec<u8>;

    /// What [`Preprocessing::pack`] gave for the same network; `None` for anything else.
    fn unpack(&self, packed: &[u8]) -> Option<MaskedWeights>;

    /// Those masked weights alone that a query needs when [`Preprocessing::prepare`] was long ago: of
    /// polynomials.
    fn pack_for_query(&self, weights: &MaskedWeights) -> Vec<u8>;

    /// What [`Preprocessing::pack_for_query`] gave for the same network; `None` for anything else.
    fn unpack_for_query(&self, packed: &[u8]) -> Option<MaskedWeights>;

    /// P0, for a query of `batch` images to be answered long after: takes what the others send and keeps
    /// nothing of it. Its transport is to keep the messages, which another one hands to the query.
    ///
    /// # Errors
    /// [`crate::Error::WrongParty`], [`crate::Error::Batch`], later [`crate::Error::Protocol`].
    fn collect(&self, session: &Session, batch: usize, progress: Progress<'_>) -> Result<()>;

    /// P1, for a query to be answered long after: sends what masks its part and keeps nothing. A session
    /// with the same seeds can query without masked weights but those of polynomials.
    ///
    /// # Errors
    /// As [`Preprocessing::collect`].
    fn prepare(
        &self,
        session: &Session,
        batch: usize,
        weights: &MaskedWeights,
        progress: Progress<'_>,
    ) -> Result<()>;

    /// P2, all it does.
    ///
    /// # Errors
    /// As [`Preprocessing::collect`].
    fn produce(
        &self,
        session: &Session,
        batch: usize,
        key: &WeightKey,
        progress: Progress<'_>,
    ) -> Result<()>;
}
