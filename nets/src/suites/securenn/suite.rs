//! The implementation of [`Suite`], which is the interface of `securenn` to the rest of the crate.

use fixedpoint::encoding::FixedPoint;

use super::{
    cost,
    error::{expected_error, truncation_failure},
    fit::{demands, fitting, fitting_bits},
    reference::fixed,
    run::{self, EvaluatorInputs, Run, check_output},
};
use crate::{
    cost::NetworkCost,
    error::{Error, Result},
    graph::{Graph, NodeId},
    output::Output,
    ranges::LayerRange,
    suite_name::SuiteName,
    suites::{Execution, Inputs, Preprocessing, Reference, Remedy, Suite, WARN_FAILURE},
    weights::{EncodedModel, MAX_FRACTIONAL_BITS, Model, check_fractional_bits},
};

/// A network in the `securenn` suite.
#[derive(Clone, Debug)]
pub struct SecureNn {
    graph: Graph,
    fixed: FixedPoint,
    output: Output,
}

impl SecureNn {
    /// A network in the suite, with this precision and output.
    ///
    /// # Errors
    /// [`Error::FractionalBits`], [`Error::OneClass`], [`Error::Classes`].
    pub fn new(graph: Graph, fixed: FixedPoint, output: Output) -> Result<SecureNn> {
        check_fractional_bits(fixed)?;
        check_output(&graph, output)?;
        Ok(SecureNn { graph, fixed, output })
    }

    fn run(&self, execution: &Execution<'_>) -> Run<'_> {
        let &Execution { order, batch, .. } = execution;
        Run { graph: &self.graph, order, batch, output: self.output }
    }
}

impl Suite for SecureNn {
    fn name(&self) -> SuiteName {
        SuiteName::SecureNn
    }

    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn output(&self) -> Output {
        self.output
    }

    fn fixed(&self) -> FixedPoint {
        self.fixed
    }

    fn result_fixed(&self) -> FixedPoint {
        self.fixed
    }

    fn layout_hash(&self) -> Option<blake3::Hash> {
        None
    }

    fn preprocessing(&self) -> Option<&dyn Preprocessing> {
        None
    }

    fn cost(&self, batch: usize) -> Result<NetworkCost> {
        cost::network(&self.graph, batch, self.output)
    }

    fn encode(&self, model: &Model) -> Result<EncodedModel> {
        model.encode(&self.graph, self.fixed)
    }

    fn reference(&self, model: &EncodedModel, images: &[u64]) -> Result<Reference> {
        let graph = &self.graph;
        let mut results = fixed(graph, model, images)?;
        let errors = expected_error(graph, model, &results)?;
        let failures = truncation_failure(graph, model, &results, &errors)?;
        let output = graph.output().index();
        Ok(Reference {
            outputs: results.swap_remove(output),
            tolerance: errors[output],
            truncation_failure: Some(failures.into_iter().fold(0.0, f64::max)),
            out_of_range: None,
        })
    }

    fn fitting(&self, ranges: &[LayerRange], failure: f64) -> Vec<bool> {
        fitting(&demands(&self.graph, ranges, self.fixed), failure)
    }

    fn bound_bits(&self, _: NodeId) -> Option<i32> {
        None
    }

    fn remedy(&self, ranges: &dyn Fn(FixedPoint) -> Result<Vec<LayerRange>>) -> Result<Remedy> {
        let bits = fitting_bits(&self.graph, MAX_FRACTIONAL_BITS, WARN_FAILURE, ranges)?;
        Ok(Remedy::FractionalBits(bits))
    }

    fn evaluate(&self, execution: &Execution<'_>) -> Result<Vec<u64>> {
        let inputs = match execution.inputs {
            Inputs::ModelOwner { model } => EvaluatorInputs::ModelOwner(model),
            Inputs::DataOwner { images, .. } => EvaluatorInputs::DataOwner(images),
            Inputs::CryptoProducer { .. } => {
                return Err(Error::WrongParty { role: execution.inputs.role() });
            }
        };
        let (session, run) = (execution.sessions.online, self.run(execution));
        let result = run::evaluate(session, &run, self.fixed, inputs, execution.progress)?;
        Ok(result.unwrap_or_default())
    }

    fn deal(&self, execution: &Execution<'_>) -> Result<()> {
        run::deal(execution.sessions.online, &self.run(execution), execution.progress)
    }
}
