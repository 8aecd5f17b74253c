//! Benches of single operations: inputs in clear, the protocol, its cost, and a check of the
//! results.

#![warn(clippy::wildcard_enum_match_arm)]

use std::ops::Range;

use protocols::{Cost, Paper, Role, Session, exchange};

pub use super::suite_bench::BenchInputs;
use super::suite_bench::SuiteBench;
pub use crate::workload::{ConvSize, MAX_COUNT, Operation};
use crate::{error::Result, suite_name::SuiteName, uniform::Uniform, workload::Workload};

/// The name of a bench that transfers bytes without a protocol.
pub const TRANSPORT: &str = "transport";

/// A bench of an operation in a suite: the same at all parties.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bench {
    work: Workload,
    suite: SuiteName,
    bare: bool,
}

impl Bench {
    /// A bench of an operation, with the suite's default fractional bits. [`Operation`] says what
    /// `count` means.
    ///
    /// # Errors
    /// [`crate::Error::Count`], [`crate::Error::Unknown`] for an operation that the suite does not
    /// have.
    pub fn new(operation: Operation, count: usize, suite: SuiteName) -> Result<Bench> {
        Ok(Bench { work: Workload::new(operation, count, suite)?, suite, bare: false })
    }

    /// The same bench with a convolution of this size; the count is then a number of images.
    ///
    /// # Errors
    /// [`crate::Error::BenchSize`] for another operation, or a size that is 0 or too large.
    pub fn with_conv(self, size: ConvSize) -> Result<Bench> {
        Ok(Bench { work: self.work.with_conv(size)?, ..self })
    }

    /// A bench of the transport alone: the same bytes over the same links without the protocol. It
    /// has neither inputs nor outputs.
    pub fn bare(self) -> Bench {
        Bench { bare: true, ..self }
    }

    /// The operation.
    pub fn operation(&self) -> Operation {
        self.work.operation
    }

    /// The size of a convolution, if it is not the default one.
    pub fn conv(&self) -> Option<ConvSize> {
        self.work.conv
    }

    /// The name in reports.
    pub fn name(&self) -> &'static str {
        if self.bare { TRANSPORT } else { self.operation().name() }
    }

    /// The count.
    pub fn count(&self) -> usize {
        self.work.count
    }

    /// The suite.
    pub fn suite(&self) -> SuiteName {
        self.suite
    }

    /// Inputs from the whole domain of the operation, its edges first. They depend on the seed
    /// alone.
    pub fn inputs(&self, test_seed: u64) -> BenchInputs {
        let domain = self.in_suite().domain(&self.work);
        let draw = |role: Role| {
            let mut uniform = Uniform::new(role.name(), test_seed);
            let random = std::iter::repeat_with(|| match &domain {
                Some(domain) => uniform.within(domain),
                None => uniform.word(),
            });
            let values = self.edges(domain.as_ref()).into_iter().chain(random);
            values.take(self.input_len(role)).collect()
        };
        BenchInputs { model_owner: draw(Role::ModelOwner), data_owner: draw(Role::DataOwner) }
    }

    /// Any party: runs the operation on its `own` input. The results are the sums of what the
    /// parties return; those of a max pool in `securenn` are all maxima, then all places. `between`
    /// is called after everything that can be done ahead.
    ///
    /// # Errors
    /// [`protocols::Error::Shape`] for inputs of another length, or a transport error.
    pub fn run(
        &self,
        session: &Session,
        own: &[u64],
        between: &dyn Fn() -> protocols::Result<()>,
    ) -> protocols::Result<Vec<u64>> {
        let name = self.name();
        if !self.bare {
            return self.in_suite().run(&self.work, name, session, own, between);
        }
        let same_bytes = self.in_suite().cost(&self.work);
        match session.role() {
            Role::CryptoProducer => session.deal(name, |ctx| exchange::run(ctx, &same_bytes))?,
            Role::ModelOwner | Role::DataOwner => session.evaluate(name, |ctx| {
                ctx.check_len(own.len(), 0)?;
                exchange::run(ctx, &same_bytes)
            })?,
        }
        Ok(Vec::new())
    }

    /// The messages that the bench will send.
    pub fn cost(&self) -> Cost {
        let cost = self.in_suite().cost(&self.work);
        if self.bare { exchange::cost(&cost) } else { cost }
    }

    /// The published formula; none for a bare transfer.
    pub fn paper(&self) -> Option<Paper> {
        if self.bare { None } else { self.in_suite().paper(&self.work) }
    }

    /// The number of reconstructed outputs that differ from the ideal ones by more than the coins
    /// of truncations. Missing and surplus outputs count as wrong.
    pub fn count_wrong(&self, inputs: &BenchInputs, outputs: &[u64]) -> usize {
        if self.bare {
            return outputs.len();
        }
        self.in_suite().count_wrong(&self.work, inputs, outputs)
    }

    fn in_suite(&self) -> &'static dyn SuiteBench {
        self.suite.bench()
    }

    /// The ends of the domain, and values around 0 and around the knots of a function.
    fn edges(&self, domain: Option<&Range<i64>>) -> Vec<u64> {
        let Some(&Range { start, end }) = domain else {
            return vec![0, 1, u64::MAX, 1 << 63];
        };
        let unit = f64::from(self.in_suite().scale(&self.work)).exp2();
        let knots = match self.operation() {
            Operation::Function(kind) => {
                let knots = kind.function().knots();
                [knots.low, knots.high].map(|knot| (knot * unit) as i64)
            }
            Operation::Drelu
            | Operation::MaxPool
            | Operation::MatMul
            | Operation::Conv
            | Operation::Truncation => [0; 2],
        };
        let near = knots.iter().flat_map(|knot| [knot - 1, *knot, knot + 1]);
        [start, end - 1, -1, 0, 1, start + 1, end - 2]
            .into_iter()
            .chain(near)
            .filter(|edge| (start..end).contains(edge))
            .map(i64::cast_unsigned)
            .collect()
    }

    fn input_len(&self, role: Role) -> usize {
        if self.bare { 0 } else { self.work.input_len(role, self.in_suite().holder()) }
    }
}

#[cfg(test)]
mod tests {
    use protocols::test_world::TestWorld;

    use super::*;
    use crate::{functions::ActivationKind, shapes::Dims};

    #[test]
    fn every_operation_is_right_and_costs_what_it_says() {
        let operations = |suite| Operation::of_suite(suite).into_iter().map(move |op| (suite, op));
        for (suite, operation) in SuiteName::ALL.into_iter().flat_map(operations) {
            let bench = Bench::new(operation, 3000, suite).unwrap();
            let inputs = bench.inputs(41);
            let outcome = TestWorld::new(42).run(|session| {
                let own = match session.role() {
                    Role::ModelOwner => &inputs.model_owner[..],
                    Role::DataOwner => &inputs.data_owner,
                    Role::CryptoProducer => &[],
                };
                bench.run(session, own, &|| Ok(()))
            });
            let (seen, cost) = (&outcome.measurements[0], bench.cost());
            assert_eq!((seen.sent, seen.received), (cost.links(), cost.links()), "{operation}");
            assert_eq!((seen.ahead, seen.rounds()), (cost.ahead_links(), cost.rounds()));
            assert_eq!(seen.depth, cost.critical_path(), "{operation}");
            let parts = outcome.results.map(|result| result.unwrap());
            let mut outputs = parts
                .into_iter()
                .filter(|part| !part.is_empty())
                .reduce(|a, b| a.iter().zip(&b).map(|(a, b)| a.wrapping_add(*b)).collect());
            let outputs = outputs.as_mut().unwrap();
            assert_eq!(bench.count_wrong(&inputs, outputs), 0, "{suite} {operation}");
            if let Some(paper) = bench.paper() {
                assert_eq!(paper.rounds, bench.cost().rounds(), "{operation}");
            }
            let bare = bench.bare();
            // Whole words: up to 7 bytes more on each of six links.
            let surplus = bare.cost().bytes() - bench.cost().bytes();
            assert!(surplus <= 6 * 7, "{operation}: {surplus}");
            assert_eq!(bare.count_wrong(&bare.inputs(1), &[]), 0);

            assert_eq!(bench.count_wrong(&inputs, &outputs[..900]), outputs.len() - 900);
            outputs[7] = outputs[7].wrapping_add(1 << 20);
            outputs[9] = outputs[9].wrapping_sub(1);
            let wrong = bench.count_wrong(&inputs, outputs);
            // The coin of a truncation may hide the last change, and adding 2^20 may wrap around.
            let exact = [Operation::Drelu, Operation::MaxPool, Operation::MatMul, Operation::Conv];
            let least = if exact.contains(&operation) { 2 } else { 1 };
            assert!((least..=2).contains(&wrong), "{suite} {operation}: {wrong}");
        }
    }

    #[test]
    fn a_million_is_the_size_the_table_gives() {
        let million =
            |operation: Operation| Bench::new(operation, 1_000_000, SuiteName::SecureNn).unwrap();
        let matmul = million(Operation::MatMul).work.matmul_shape();
        assert_eq!((matmul.m, matmul.k, matmul.n), (1000, 1000, 100));
        let conv = million(Operation::Conv).work.conv_shape();
        assert_eq!((conv.batch, conv.in_channels, conv.out_channels), (1, 64, 64));
        assert_eq!(million(Operation::MaxPool).work.pool_shape().output_len(), 1_000_000);
        // 584 bytes a ReLU.
        assert_eq!(million(Operation::Function(ActivationKind::Relu)).cost().bytes(), 584_000_000);
        let relu =
            Bench::new(Operation::Function(ActivationKind::Relu), 1_000_000, SuiteName::Dealer)
                .unwrap()
                .cost();
        // 443 bits ahead, 70 online.
        assert_eq!(relu.ahead_links().total(), 55_375_000);
        assert_eq!(relu.bytes() - relu.ahead_links().total(), 8_750_000);
    }

    #[test]
    fn inputs_repeat_and_hold_the_edges() {
        let bench =
            Bench::new(Operation::Function(ActivationKind::Relu6), 100, SuiteName::SecureNn)
                .unwrap();
        let inputs = bench.inputs(1);
        assert_eq!(inputs, bench.inputs(1));
        assert_ne!(inputs, bench.inputs(2));
        assert!(inputs.model_owner.is_empty());
        let x = &inputs.data_owner;
        assert_eq!(x.len(), 100);
        for edge in [0, 6 << 13, (1 << 62) - 1, (6 << 13) - (1i64 << 62)] {
            assert!(x.contains(&edge.cast_unsigned()), "{edge}");
        }
        let leaky = ActivationKind::LeakyRelu { slope: 0.1 };
        let bench = Bench::new(Operation::Function(leaky), 100, SuiteName::SecureNn).unwrap();
        let mut values = bench.inputs(1).data_owner.into_iter();
        assert!(values.all(|x| x.cast_signed().unsigned_abs() <= 1 << 21));
        // The largest of the domain, ReLU6's corner and six itself.
        let bench =
            Bench::new(Operation::Function(ActivationKind::Relu6), 100, SuiteName::Dealer).unwrap();
        let BenchInputs { model_owner: x, data_owner } = bench.inputs(1);
        assert!(data_owner.is_empty());
        for edge in [(1i64 << 31) - (1 << 12), (6 << 24) - (1 << 31), 6 << 24, (6 << 24) - 1] {
            assert!(x.contains(&edge.cast_unsigned()), "{edge}");
        }
    }

    #[test]
    fn names_parse_and_counts_are_checked() {
        for operation in Operation::all() {
            assert_eq!(operation.name().parse::<Operation>().unwrap(), operation);
        }
        let size = ConvSize { image: Dims::new(16, 32, 32), kernels: 8, side: 3 };
        let conv =
            Bench::new(Operation::Conv, 2, SuiteName::Dealer).unwrap().with_conv(size).unwrap();
        assert_eq!(conv.work.conv_shape().output_len(), 2 * 8 * 32 * 32);
        for (operation, size) in [
            (Operation::Function(ActivationKind::Relu), size),
            (Operation::Conv, ConvSize { side: 4, ..size }),
            (Operation::Conv, ConvSize { kernels: 0, ..size }),
            (Operation::Conv, ConvSize { image: Dims::new(16, 1 << 20, 1 << 20), ..size }),
        ] {
            let bench = Bench::new(operation, 2, SuiteName::Dealer).unwrap();
            assert!(bench.with_conv(size).is_err(), "{size:?}");
        }
        let error = "softmax".parse::<Operation>().unwrap_err().to_string();
        assert!(error.contains("leaky-relu"), "{error}");
        for count in [0, MAX_COUNT + 1] {
            assert!(
                Bench::new(Operation::Function(ActivationKind::Relu), count, SuiteName::Dealer)
                    .is_err()
            );
        }
    }
}
