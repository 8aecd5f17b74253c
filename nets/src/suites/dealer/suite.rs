//! The implementation of [`Suite`], which is the interface of `dealer` to the rest of the crate.

use fixedpoint::encoding::FixedPoint;
use protocols::{Session, dealer::WeightKey};

use super::{
    cost, fit,
    layout::{Bounds, Layout},
    reference,
    run::{self, Run},
};
use crate::{
    cost::NetworkCost,
    error::{Error, Result},
    graph::{Graph, NodeId, Order},
    output::Output,
    ranges::LayerRange,
    suite_name::SuiteName,
    suites::{
        Execution, Inputs, MaskedWeights, OutOfRange, Preprocessing, Progress, Reference, Remedy,
        Suite,
    },
    weights::{EncodedModel, Model},
};

/// A network in the `dealer` suite.
#[derive(Clone, Debug)]
pub struct Dealer {
    graph: Graph,
    layout: Layout,
    output: Output,
}

impl Dealer {
    /// A network in the suite, with this precision and output, whose values stay within bounds.
    ///
    /// # Errors
    /// [`Error::FractionalBits`], [`Error::RingWidth`], [`Error::OneClass`].
    pub fn new(graph: Graph, fixed: FixedPoint, bounds: &Bounds, output: Output) -> Result<Dealer> {
        let layout = Layout::new(&graph, fixed, bounds, output)?;
        Ok(Dealer { graph, layout, output })
    }

    /// The network's layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The smallest common magnitude of all layers, as a power of two, that fits values of these
    /// ranges.
    pub fn magnitude_bits(&self, ranges: &[LayerRange]) -> u32 {
        fit::magnitude_bits(&self.graph, &self.layout, ranges)
    }

    fn run(&self, order: Order, batch: usize) -> Run<'_> {
        Run { graph: &self.graph, layout: &self.layout, order, batch }
    }
}

impl Suite for Dealer {
    fn name(&self) -> SuiteName {
        SuiteName::Dealer
    }

    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn output(&self) -> Output {
        self.output
    }

    fn fixed(&self) -> FixedPoint {
        self.layout.fixed()
    }

    fn result_fixed(&self) -> FixedPoint {
        self.layout.result_fixed(&self.graph)
    }

    fn layout_hash(&self) -> Option<blake3::Hash> {
        Some(self.layout.hash())
    }

    fn preprocessing(&self) -> Option<&dyn Preprocessing> {
        Some(self)
    }

    fn cost(&self, batch: usize) -> Result<NetworkCost> {
        cost::network(&self.graph, &self.layout, batch)
    }

    fn encode(&self, model: &Model) -> Result<EncodedModel> {
        self.layout.encode(&self.graph, model)
    }

    fn reference(&self, model: &EncodedModel, images: &[u64]) -> Result<Reference> {
        let (graph, layout) = (&self.graph, &self.layout);
        let clear = reference::evaluate(graph, layout, model, images)?;
        let out_of_range = clear
            .first_outside()
            .map(|(place, values)| OutOfRange { layer: NodeId::new(place), values });
        // There is no tolerance for values out of range: the caller refuses them.
        let tolerance = match out_of_range {
            None => reference::expected_error(graph, layout, model, images, &clear)?,
            Some(_) => 0.0,
        };
        Ok(Reference {
            outputs: clear.output(graph).iter().map(|x| x.cast_unsigned()).collect(),
            tolerance,
            truncation_failure: None,
            out_of_range,
        })
    }

    fn fitting(&self, ranges: &[LayerRange], _: f64) -> Vec<bool> {
        fit::fitting(&self.graph, &self.layout, ranges)
    }

    fn bound_bits(&self, layer: NodeId) -> Option<i32> {
        Some(self.layout.layer(layer).magnitude_bits)
    }

    fn remedy(&self, ranges: &dyn Fn(FixedPoint) -> Result<Vec<LayerRange>>) -> Result<Remedy> {
        let bits = self.magnitude_bits(&ranges(self.fixed())?);
        let (bounds, fixed) = (Bounds::Alike(bits), self.fixed());
        let fits = Layout::new(&self.graph, fixed, &bounds, self.output).is_ok();
        Ok(Remedy::MagnitudeBits(fits.then_some(bits)))
    }

    fn evaluate(&self, execution: &Execution<'_>) -> Result<Vec<u64>> {
        let &Execution { sessions, order, batch, mode, inputs, dealt, progress } = execution;
        let run = self.run(order, batch);
        match inputs {
            Inputs::ModelOwner { model } => {
                run::serve(sessions, &run, mode, model, dealt, progress)?;
                Ok(Vec::new())
            }
            Inputs::DataOwner { images, weights } => {
                let weights = weights.ok_or(Error::NoMaskedWeights)?;
                let results = run::query(sessions, &run, mode, weights, images, dealt, progress)?;
                Ok(results.into_iter().map(i64::cast_unsigned).collect())
            }
            Inputs::CryptoProducer { .. } => Err(Error::WrongParty { role: inputs.role() }),
        }
    }

    fn deal(&self, execution: &Execution<'_>) -> Result<()> {
        let &Execution { sessions, order, batch, inputs, progress, .. } = execution;
        let key = match inputs {
            Inputs::CryptoProducer { key: Some(key) } => key,
            Inputs::CryptoProducer { key: None }
            | Inputs::ModelOwner { .. }
            | Inputs::DataOwner { .. } => return Err(Error::WrongParty { role: inputs.role() }),
        };
        run::produce(sessions.ahead, &self.run(order, batch), key, progress)
    }
}

/// Everything runs layer by layer. What does not depend on the batch uses a batch of 1.
impl Preprocessing for Dealer {
    fn send_setup(&self, session: &Session, model: &EncodedModel, key: &WeightKey) -> Result<()> {
        run::send_setup(session, &self.run(Order::Sequential, 1), model, key)
    }

    fn receive_setup(&self, session: &Session) -> Result<MaskedWeights> {
        run::receive_setup(session, &self.run(Order::Sequential, 1))
    }

    fn pack(&self, weights: &MaskedWeights) -> Vec<u8> {
        weights.pack(&self.run(Order::Sequential, 1))
    }

    fn unpack(&self, packed: &[u8]) -> Option<MaskedWeights> {
        MaskedWeights::unpack(&self.run(Order::Sequential, 1), packed)
    }

    fn pack_for_query(&self, weights: &MaskedWeights) -> Vec<u8> {
        weights.pack_for_query(&self.run(Order::Sequential, 1))
    }

    fn unpack_for_query(&self, packed: &[u8]) -> Option<MaskedWeights> {
        MaskedWeights::unpack_for_query(&self.run(Order::Sequential, 1), packed)
    }

    fn collect(&self, session: &Session, batch: usize, progress: Progress<'_>) -> Result<()> {
        run::collect(session, &self.run(Order::Sequential, batch), progress)
    }

    fn prepare(
        &self,
        session: &Session,
        batch: usize,
        weights: &MaskedWeights,
        progress: Progress<'_>,
    ) -> Result<()> {
        run::prepare(session, &self.run(Order::Sequential, batch), weights, progress)
    }

    fn produce(
        &self,
        session: &Session,
        batch: usize,
        key: &WeightKey,
        progress: Progress<'_>,
    ) -> Result<()> {
        run::produce(session, &self.run(Order::Sequential, batch), key, progress)
    }
}
