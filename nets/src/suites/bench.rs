//! The trait of a suite's benches.

use std::ops::Range;

use protocols::{Cost, Paper, Role, Session};

use crate::workload::Workload;

/// Single operations in a suite.
pub(crate) trait SuiteBench {
    /// The evaluator that holds all values of a non-linear operation.
    fn holder(&self) -> Role;

    /// What an operation sends.
    fn cost(&self, work: &Workload) -> Cost;

    /// The published formula; none where nothing is published.
    fn paper(&self, work: &Workload) -> Option<Paper>;

    /// The values that an operation is defined for, signed; none for the whole ring.
    fn domain(&self, work: &Workload) -> Option<Range<i64>>;

    /// The fractional bits of the values that an operation takes.
    fn scale(&self, work: &Workload) -> u32;

    /// The number of results that are not the ideal ones up to the coins of truncations; missing and
    /// surplus results are all wrong.
    fn count_wrong(&self, work: &Workload, inputs: &BenchInputs, results: &[u64]) -> usize;

    /// A party's part, on its `own` input, under a name. `between` is called when all that is possible
    /// ahead is done. The results are the sums of what the parties give.
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

/// What the evaluators hold in clear before a bench. Invented, so nothing about it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchInputs {
    /// P0's: the left matrix or the kernels; else nothing in `securenn` and the values in `dealer`.
    pub model_owner: Vec<u64>,
    /// P1's: the right matrix (row-major) or the images; else the values in `securenn`.
    pub data_owner: Vec<u64>,
}
