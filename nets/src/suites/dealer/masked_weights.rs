//! P1's masked weights as bytes, for a data owner that keeps them after a session.

use fixedpoint::width;

use super::run::Run;
use crate::{graph::NodeId, suites::execution::MaskedWeights};

impl MaskedWeights {
    /// The masked weights as bytes, each layer packed in its ring.
    pub(super) fn pack(&self, run: &Run<'_>) -> Vec<u8> {
        self.pack_layers(run, run.weighted())
    }

    /// The masked weights from the bytes of [`MaskedWeights::pack`] for the same network and
    /// layout; `None` for other bytes.
    pub(super) fn unpack(run: &Run<'_>, packed: &[u8]) -> Option<MaskedWeights> {
        MaskedWeights::unpack_layers(run, run.weighted(), packed)
    }

    /// The masked weights of polynomials as bytes: those that a query still needs after
    /// [`super::run::prepare`].
    pub(super) fn pack_for_query(&self, run: &Run<'_>) -> Vec<u8> {
        self.pack_layers(run, run.polynomials())
    }

    /// The masked weights from the bytes of [`MaskedWeights::pack_for_query`] for the same network
    /// and layout; `None` for other bytes.
    pub(super) fn unpack_for_query(run: &Run<'_>, packed: &[u8]) -> Option<MaskedWeights> {
        MaskedWeights::unpack_layers(run, run.polynomials(), packed)
    }

    fn pack_layers(&self, run: &Run<'_>, layers: impl Iterator<Item = NodeId>) -> Vec<u8> {
        let mut packed = Vec::new();
        for id in layers {
            let weights = self.layer(id).expect("weights of every layer that has any");
            width::pack_into(run.layout.layer(id).width, weights, &mut packed);
        }
        packed
    }

    fn unpack_layers(
        run: &Run<'_>,
        layers: impl Iterator<Item = NodeId>,
        mut packed: &[u8],
    ) -> Option<MaskedWeights> {
        let mut weights: Vec<Option<Vec<u64>>> = run.graph.ids().map(|_| None).collect();
        for id in layers {
            let (width, count) = (run.layout.layer(id).width, run.layer(id).weight_len());
            let (layer, rest) = packed.split_at_checked(width.bytes(count))?;
            weights[id.index()] = Some(width::unpack(width, layer, count).ok()?);
            packed = rest;
        }
        packed.is_empty().then_some(MaskedWeights(weights))
    }

    /// The masked weights of a layer, if it has any.
    pub(super) fn layer(&self, id: NodeId) -> Option<&[u64]> {
        self.0[id.index()].as_deref()
    }
}
