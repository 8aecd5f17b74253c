//! The trait of a suite's benches: single operations with inputs, costs and a check of the results.

use std::ops::Range;

use protocols::{Cost, Paper, Role, Session};

use crate::workload::Workload;

/// Single operations in a suite.
pub(crate) trait SuiteBench {
    /// The evaluator that holds all values of a non-linear operation.
    fn holder(&self) -> Role;

    /// The messages of an operation.
    fn cost(&self, work: &Workload) -> Cost;

    /// The published formula; `None` if nothing is published.
    fn paper(&self, work: &Workload) -> Option<Paper>;

    /// The signed values for which an operation is defined; `None` for the whole ring.
    fn domain(&self, work: &Workload) -> Option<Range<i64>>;

    /// The fractional bits of the values that an operation takes.
    fn scale(&self, work: &Workload) -> u32;

    /// The number of results that differ from the ideal ones by more than the coins of truncations.
    /// Missing and surplus results count as wrong.
    fn count_wrong(&self, work: &Workload, inputs: &BenchInputs, results: &[u64]) -> usize;

    /// A party's part, on its `own` input; `name` is the step. `between` is called after everything
    /// that can be done ahead. The results are the sums of what the parties return.
    ///
    /// # Errors
    /// [`protocols::Error::Shape`] for inputs of another length, or a transport error.
    fn run(
        &self,
        work: &Workload,
        name: &str,
        session: &Session,
        own: &[u64],
        between: &dyn Fn() -> protocols::Result<()>,
    ) -> protocols::Result<Vec<u64>>;
}

/// The inputs of both evaluators in clear. They are made up, so nothing about them is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchInputs {
    /// P0's input: the left matrix or the kernels; for other operations, nothing in `securenn` and
    /// the values in `dealer`.
    pub model_owner: Vec<u64>,
    /// P1's input: the right matrix (row-major) or the images; for other operations, the values in
    /// `securenn` and nothing in `dealer`.
    pub data_owner: Vec<u64>,
}
