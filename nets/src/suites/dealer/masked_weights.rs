//! P1's masked weights as bytes, for a party that keeps them beyond a session.

use fixedpoint::width;

use super::run::Run;
use crate::{graph::NodeId, suites::execution::MaskedWeights};

impl MaskedWeights {
    /// As bytes, each layer packed in its ring.
    pub fn pack(&self, run: &Run<'_>) -> Vec<u8> {
        self.pack_layers(run, run.weighted())
    }

    /// What [`MaskedWeights::pack`] gave for the same network and layout; `None` for anything else.
    pub fn unpack(run: &Run<'_>, packed: &[u8]) -> Option<MaskedWeights> {
        MaskedWeights::unpack_layers(run, run.weighted(), packed)
    }

    /// Those alone that [`query`] needs when [`prepare`] was long ago: of polynomials.
    pub fn pack_for_query(&self, run: &Run<'_>) -> Vec<u8> {
        self.pack_layers(run, run.polynomials())
    }

    /// What [`MaskedWeights::pack_for_query`] gave for the same network and layout; `None` for anything else.
    pub fn unpack_for_query(run: &Run<'_>, packed: &[u8]) -> Option<MaskedWeights> {
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

    pub(super) fn layer(&self, id: NodeId) -> Option<&[u64]> {
        self.0[id.index()].as_deref()
    }
}
