//! Benches of the suite's single operations. P1 has the values of non-linear operations; P0 has
//! matrices and kernels.

use std::ops::Range;

use fixedpoint::truncation;
use protocols::{
    Cost, Dealer, Evaluator, Paper, Result, Role, Session, Share,
    securenn::{Drelu, Elementwise, conv, input, matmul, maxpool},
};

use crate::{
    functions::EncodedTerms,
    suites::{SuiteBench, bench::BenchInputs},
    workload::{Operation, Workload},
};

/// The suite's benches.
pub(crate) struct Benches;

impl SuiteBench for Benches {
    fn holder(&self) -> Role {
        Role::DataOwner
    }

    fn cost(&self, work: &Workload) -> Cost {
        match Protocol::new(work) {
            Protocol::Elementwise(function) => function.cost(work.count),
            Protocol::MaxPool => maxpool::cost(&work.pool_shape()),
            Protocol::MatMul => matmul::cost(&work.matmul_shape()),
            Protocol::Conv => conv::cost(&work.conv_shape()),
        }
    }

    fn paper(&self, work: &Workload) -> Option<Paper> {
        Some(match Protocol::new(work) {
            Protocol::Elementwise(function) => function.paper(work.count as f64),
            Protocol::MaxPool => maxpool::paper(&work.pool_shape()),
            Protocol::MatMul => matmul::paper(&work.matmul_shape()),
            Protocol::Conv => conv::paper(&work.conv_shape()),
        })
    }

    fn domain(&self, work: &Workload) -> Option<Range<i64>> {
        match Protocol::new(work) {
            Protocol::Elementwise(function) => {
                let (low, high) = function.domain();
                Some(low..high + 1)
            }
            // Differences of two values are in DReLU's domain.
            Protocol::MaxPool => Some(-(1 << 61)..1 << 61),
            Protocol::MatMul | Protocol::Conv => None,
        }
    }

    fn scale(&self, work: &Workload) -> u32 {
        work.fixed.fractional_bits()
    }

    fn count_wrong(&self, work: &Workload, inputs: &BenchInputs, results: &[u64]) -> usize {
        let (left, x) = (&inputs.model_owner, &inputs.data_owner);
        let ideals = match Protocol::new(work) {
            Protocol::Elementwise(function) => with_all_coins(&*function, x),
            Protocol::MaxPool => {
                let pooled = maxpool::ideal(&work.pool_shape(), x);
                vec![[pooled.value, pooled.index].concat()]
            }
            Protocol::MatMul => vec![matmul::ideal(&work.matmul_shape(), left, x)],
            Protocol::Conv => vec![conv::ideal(&work.conv_shape(), left, x)],
        };
        let is_wrong =
            |&(place, got): &(usize, &u64)| ideals.iter().all(|due| due.get(place) != Some(got));
        let due = ideals[0].len();
        let wrong = results.iter().take(due).enumerate().filter(is_wrong).count();
        wrong + results.len().abs_diff(due)
    }

    fn run(
        &self,
        work: &Workload,
        name: &str,
        session: &Session,
        own: &[u64],
        _: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<u64>> {
        match session.role() {
            Role::CryptoProducer => {
                session.deal(name, |ctx| deal(work, ctx))?;
                Ok(Vec::new())
            }
            Role::ModelOwner | Role::DataOwner => {
                session.evaluate(name, |ctx| evaluate(work, ctx, own)).map(Share::into_words)
            }
        }
    }
}

/// An operation's protocol.
enum Protocol {
    Elementwise(Box<dyn Elementwise>),
    MaxPool,
    MatMul,
    Conv,
}

impl Protocol {
    /// The protocol with the coefficients in clear, which are also P0's shares.
    fn new(work: &Workload) -> Protocol {
        let terms = EncodedTerms {
            plane: work.count,
            coefficients: work.coefficients(),
            constants: vec![work.constant()],
        };
        Protocol::with_terms(work, terms)
    }

    /// The protocol with one party's shares of the coefficients; those of P1 are 0.
    fn at_party(work: &Workload, role: Role) -> Protocol {
        if role == Role::ModelOwner {
            return Protocol::new(work);
        }
        let coefficients = vec![0; work.degree()];
        let terms = EncodedTerms { plane: work.count, coefficients, constants: vec![0] };
        Protocol::with_terms(work, terms)
    }

    fn with_terms(work: &Workload, terms: EncodedTerms) -> Protocol {
        match work.operation {
            Operation::Drelu => Protocol::Elementwise(Box::new(Drelu)),
            Operation::Function(kind) => {
                Protocol::Elementwise(kind.function().securenn(work.fixed, terms))
            }
            Operation::MaxPool => Protocol::MaxPool,
            Operation::MatMul => Protocol::MatMul,
            Operation::Conv => Protocol::Conv,
            Operation::Truncation => unreachable!("it is local in this suite"),
        }
    }
}

/// The part of P0 or P1: it shares its `own` input without a message, and returns its share of the
/// result (for max pools, of all maxima, then of all places).
fn evaluate(work: &Workload, ctx: &mut Evaluator<'_>, own: &[u64]) -> Result<Share> {
    let lens = |role| work.input_len(role, Benches.holder());
    ctx.check_len(own.len(), lens(ctx.party()))?;
    let shared = |owner: Role| {
        let mut ctx = ctx.narrow(owner.name(), 0);
        if ctx.party() == owner {
            input::owner_share(&mut ctx, own)
        } else {
            input::peer_share(&mut ctx, lens(owner))
        }
    };
    let (left, x) = (shared(Role::ModelOwner), shared(Role::DataOwner));
    match Protocol::at_party(work, ctx.party()) {
        Protocol::Elementwise(function) => function.evaluate(ctx, &x),
        Protocol::MaxPool => {
            let pooled = maxpool::evaluate(ctx, &work.pool_shape(), &x)?;
            Ok(Share::concat(&[pooled.value, pooled.index]))
        }
        Protocol::MatMul => matmul::evaluate(ctx, &work.matmul_shape(), &left, &x),
        Protocol::Conv => conv::evaluate(ctx, &work.conv_shape(), &left, &x),
    }
}

/// The part of P2.
fn deal(work: &Workload, ctx: &mut Dealer<'_>) -> Result<()> {
    match Protocol::at_party(work, Role::CryptoProducer) {
        Protocol::Elementwise(function) => function.deal(ctx, work.count),
        Protocol::MaxPool => maxpool::deal(ctx, &work.pool_shape()),
        Protocol::MatMul => matmul::deal(ctx, &work.matmul_shape()),
        Protocol::Conv => conv::deal(ctx, &work.conv_shape()),
    }
}

/// The results for every sequence of coins of a value's truncations.
fn with_all_coins(function: &dyn Elementwise, x: &[u64]) -> Vec<Vec<u64>> {
    let result = |coins: u64| {
        let mut calls = 0;
        function.ideal_with(x, &mut |product, bits| {
            // Each truncation is applied to all values before the next one.
            let coin = coins >> (calls / x.len()) & 1;
            calls += 1;
            truncation::floor_shift(product, bits).wrapping_add(coin)
        })
    };
    (0..1 << function.truncations()).map(result).collect()
}
