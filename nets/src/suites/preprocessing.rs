//! The trait of a suite with preprocessing: its correlated randomness can be made ahead of the
//! query and kept.

use protocols::{Session, dealer::WeightKey};

use super::execution::{MaskedWeights, Progress};
use crate::{error::Result, weights::EncodedModel};

/// The preprocessing of a network: the setup, once for a model, and each party's stage ahead of a
/// query, in a session of its own.
pub trait Preprocessing {
    /// P0, once for a model and session: sends P1 the masked weights.
    ///
    /// # Errors
    /// [`crate::Error::ModelGraph`], [`crate::Error::ModelEncoding`], [`crate::Error::Protocol`].
    fn send_setup(&self, session: &Session, model: &EncodedModel, key: &WeightKey) -> Result<()>;

    /// P1, once for a model and session: receives the masked weights.
    ///
    /// # Errors
    /// [`crate::Error::Protocol`].
    fn receive_setup(&self, session: &Session) -> Result<MaskedWeights>;

    /// Masked weights as bytes, each layer packed in its ring.
    fn pack(&self, weights: &MaskedWeights) -> Vec<u8>;

    /// The masked weights from the bytes of [`Preprocessing::pack`]; `None` for bytes of another
    /// network.
    fn unpack(&self, packed: &[u8]) -> Option<MaskedWeights>;

    /// The masked weights that a query still needs after [`Preprocessing::prepare`], those of
    /// polynomials, as bytes.
    fn pack_for_query(&self, weights: &MaskedWeights) -> Vec<u8>;

    /// The masked weights from the bytes of [`Preprocessing::pack_for_query`]; `None` for bytes of
    /// another network.
    fn unpack_for_query(&self, packed: &[u8]) -> Option<MaskedWeights>;

    /// P0's stage ahead of a later query of `batch` images: receives the messages of the others. It
    /// keeps nothing; the transport must store the messages and return them to the session of the
    /// query.
    ///
    /// # Errors
    /// [`crate::Error::WrongParty`], [`crate::Error::Batch`], later [`crate::Error::Protocol`].
    fn collect(&self, session: &Session, batch: usize, progress: Progress<'_>) -> Result<()>;

    /// P1's stage ahead of a later query of `batch` images: sends the messages that depend on its
    /// masks. It keeps nothing; a session with the same seeds can run the query with the masked
    /// weights of [`Preprocessing::unpack_for_query`].
    ///
    /// # Errors
    /// Those of [`Preprocessing::collect`].
    fn prepare(
        &self,
        session: &Session,
        batch: usize,
        weights: &MaskedWeights,
        progress: Progress<'_>,
    ) -> Result<()>;

    /// P2's whole part for a query of `batch` images, which is all ahead of it.
    ///
    /// # Errors
    /// Those of [`Preprocessing::collect`].
    fn produce(
        &self,
        session: &Session,
        batch: usize,
        key: &WeightKey,
        progress: Progress<'_>,
    ) -> Result<()>;
}
