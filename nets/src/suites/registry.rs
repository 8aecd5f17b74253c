//! Suites by name: networks in them, and their benches.

use fixedpoint::encoding::FixedPoint;

use super::{
    dealer::{self, Bounds, DEFAULT_MAGNITUDE_BITS, Dealer},
    securenn::{self, SecureNn},
    suite::Suite,
    suite_bench::SuiteBench,
};
use crate::{error::Result, graph::Graph, output::Output, suite_name::SuiteName};

impl SuiteName {
    /// The suite's benches.
    pub(crate) fn bench(self) -> &'static dyn SuiteBench {
        match self {
            SuiteName::SecureNn => &securenn::bench::Benches,
            SuiteName::Dealer => &dealer::bench::Benches,
        }
    }

    /// A network in the suite, with the suite's default precision and, if it needs bounds, the
    /// default ones.
    ///
    /// # Errors
    /// Those of [`SecureNn::new`] and [`Dealer::new`].
    pub fn with_defaults(self, graph: Graph, output: Output) -> Result<Box<dyn Suite>> {
        let bounds = Bounds::Alike(DEFAULT_MAGNITUDE_BITS);
        self.with_network(graph, FixedPoint::new(self.fractional_bits()), &bounds, output)
    }

    /// A network in the suite; only suites that need bounds use `bounds`.
    ///
    /// # Errors
    /// Those of [`SecureNn::new`] and [`Dealer::new`].
    pub fn with_network(
        self,
        graph: Graph,
        fixed: FixedPoint,
        bounds: &Bounds,
        output: Output,
    ) -> Result<Box<dyn Suite>> {
        Ok(match self {
            SuiteName::SecureNn => Box::new(SecureNn::new(graph, fixed, output)?),
            SuiteName::Dealer => Box::new(Dealer::new(graph, fixed, bounds, output)?),
        })
    }
}
