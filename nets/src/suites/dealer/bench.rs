//! Benches of the suite's single operations.
//!
//! P0 has the values of non-linear operations, in clear. It splits each into u + v, where P0 and P2
//! draw v from their common seed. (In a network, the split is the result of the linear layer
//! before.) P0 also has matrices and kernels. Their other operand is P1's query, which P0 first
//! receives masked by r.

use std::ops::Range;

use fixedpoint::{conv::ConvShape, ring, width::Width};
use protocols::{
    Client, Cost, Paper, Result, Role, Server, Session, Stage,
    dealer::{
        Drelu, Function, Gate, Mask, Polynomial, Truncation, WeightKey,
        gadget::{self, Take},
        linear, maxpool, reveal,
    },
    securenn::matmul::MatMulShape,
};

use crate::{
    functions::{ActivationKind, Gadget},
    graph::SETUP,
    suites::{SuiteBench, bench::BenchInputs},
    workload::{Operation, Workload},
};

/// The ring of matrices, and of values of [`BOUND`] bits.
const WIDTH: Width = Width::new(33);

/// The bits of values at the scale of products.
const BOUND: u32 = 32;

/// The bits of differences of values that a max pool compares.
const DIFFERENCE_BOUND: u32 = 22;

/// The ring of powers.
const POWER_WIDTH: Width = Width::new(64);

/// The suite's benches.
pub(crate) struct Benches;

impl SuiteBench for Benches {
    fn holder(&self) -> Role {
        Role::ModelOwner
    }

    /// The first part is the masked weights.
    fn cost(&self, work: &Workload) -> Cost {
        match Protocol::new(work) {
            Protocol::Function(function, gate) => {
                let gadget = gadget::cost(&*function, &gate, work.count);
                match work.degree() {
                    0 => gadget,
                    degree => linear::setup_cost(gate.out(), degree).at(0, gadget),
                }
            }
            Protocol::MaxPool(gate) => maxpool::cost(&gate, &work.pool_shape()),
            Protocol::Linear(shape) => linear::setup_cost(WIDTH, shape.weight_len())
                .at(0, reveal::input_cost(WIDTH, shape.input_len()))
                .at(0, linear::cost(&shape, WIDTH, Mask::Hidden)),
        }
    }

    fn paper(&self, _: &Workload) -> Option<Paper> {
        None
    }

    fn domain(&self, work: &Workload) -> Option<Range<i64>> {
        match Protocol::new(work) {
            Protocol::Function(function, gate) => {
                let (low, high) = function.domain(&gate);
                Some(low..high + 1)
            }
            Protocol::MaxPool(gate) => {
                let half = 1 << (gate.bound() - 2);
                Some(-half..half)
            }
            Protocol::Linear(_) => None,
        }
    }

    /// Values have the scale of products.
    fn scale(&self, work: &Workload) -> u32 {
        2 * work.fixed.fractional_bits()
    }

    fn count_wrong(&self, work: &Workload, inputs: &BenchInputs, results: &[u64]) -> usize {
        let signed = |values: &[u64]| values.iter().map(|x| x.cast_signed()).collect::<Vec<i64>>();
        let (ring, due): (Width, Vec<[i64; 2]>) = match Protocol::new(work) {
            Protocol::Function(function, gate) => {
                let due = |(place, y): (usize, i64)| {
                    let floor = y >> gate.shift();
                    let coin = i64::from(y & ((1 << gate.shift()) - 1) != 0);
                    [floor, floor + coin].map(|t| function.ideal(place, t))
                };
                let values = signed(&inputs.model_owner).into_iter();
                (gate.out(), values.enumerate().map(due).collect())
            }
            Protocol::MaxPool(gate) => {
                let values = signed(&inputs.model_owner);
                let largest = maxpool::ideal(&gate, &work.pool_shape(), &values);
                (gate.out(), largest.into_iter().map(|y| [y; 2]).collect())
            }
            Protocol::Linear(shape) => {
                let y = shape.convolve(&inputs.data_owner, &inputs.model_owner);
                (WIDTH, y.into_iter().map(|y| [y.cast_signed(); 2]).collect())
            }
        };
        let differs = |(got, due): &(&u64, &[i64; 2])| {
            !due.iter().any(|due| ring.reduce(due.cast_unsigned()) == ring.reduce(**got))
        };
        let differing = results.iter().zip(&due).filter(differs).count();
        differing + results.len().abs_diff(due.len())
    }

    fn run(
        &self,
        work: &Workload,
        name: &str,
        session: &Session,
        own: &[u64],
        between: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<u64>> {
        let run = BenchRun { work, name, session, own, between };
        match Protocol::new(work) {
            Protocol::Function(function, gate) => run.function(&*function, &gate),
            Protocol::MaxPool(gate) => run.max_pool(&gate),
            Protocol::Linear(shape) => run.linear(&shape),
        }
    }
}

/// The protocol of an operation.
enum Protocol {
    Function(Box<dyn Function>, Gate),
    MaxPool(Gate),
    Linear(ConvShape),
}

impl Protocol {
    fn new(work: &Workload) -> Protocol {
        let f = work.fixed.fractional_bits();
        let gate = Gate::new(WIDTH, BOUND, f, WIDTH);
        match work.operation {
            Operation::Drelu => Protocol::Function(Box::new(Drelu), gate),
            Operation::Truncation => Protocol::Function(Box::new(Truncation), gate),
            Operation::Function(kind) => Protocol::function(work, kind, f),
            Operation::MaxPool => {
                let ring = Width::new(DIFFERENCE_BOUND + 1);
                Protocol::MaxPool(Gate::new(ring, DIFFERENCE_BOUND, 0, ring))
            }
            Operation::MatMul => Protocol::Linear(matmul_as_conv(&work.matmul_shape())),
            Operation::Conv => Protocol::Linear(work.conv_shape()),
        }
    }

    /// A function of values at the scale of products, as in a network after a linear layer.
    fn function(work: &Workload, kind: ActivationKind, f: u32) -> Protocol {
        let form = kind.function().dealer(2 * f, f);
        let gadget = form.gadget.expect("a function that sends messages");
        let out = match &gadget {
            Gadget::Square | Gadget::Cube => POWER_WIDTH,
            Gadget::Truncation
            | Gadget::Relu
            | Gadget::Spline(_)
            | Gadget::Sign
            | Gadget::Polynomial(_) => Width::new(WIDTH.bits() + form.scale.saturating_sub(f)),
        };
        let gate = Gate::new(WIDTH, BOUND, 2 * f - form.kept, out);
        let function = match gadget {
            Gadget::Polynomial(_) => {
                Box::new(polynomial(work, work.coefficients(), vec![work.constant()]))
            }
            Gadget::Truncation
            | Gadget::Relu
            | Gadget::Spline(_)
            | Gadget::Square
            | Gadget::Cube
            | Gadget::Sign => gadget.function(),
        };
        Protocol::Function(function, gate)
    }
}

/// A matrix product as a 1x1 convolution: the columns of the right matrix are the pixels of an
/// image.
fn matmul_as_conv(shape: &MatMulShape) -> ConvShape {
    ConvShape {
        batch: 1,
        in_channels: shape.k,
        out_channels: shape.m,
        height: 1,
        width: shape.n,
        kernel: (1, 1),
        stride: (1, 1),
        padding: fixedpoint::Padding::NONE,
        dilation: (1, 1),
        groups: 1,
    }
}

/// A polynomial on all values, with what one party has of its coefficients.
fn polynomial(work: &Workload, coefficients: Vec<u64>, constants: Vec<u64>) -> Polynomial {
    Polynomial::new(work.degree(), work.count, coefficients, constants)
}

/// A run of an operation at one party.
struct BenchRun<'a> {
    work: &'a Workload,
    name: &'a str,
    session: &'a Session,
    own: &'a [u64],
    between: &'a dyn Fn() -> Result<()>,
}

impl BenchRun<'_> {
    /// The key of the masks of weights, which P0 and P2 share.
    fn key(&self) -> WeightKey {
        let other = match self.session.role() {
            Role::CryptoProducer => Role::ModelOwner,
            Role::ModelOwner | Role::DataOwner => Role::CryptoProducer,
        };
        WeightKey::new(self.session.seed_with(other, SETUP))
    }

    fn function(&self, function: &dyn Function, gate: &Gate) -> Result<Vec<u64>> {
        let &BenchRun { work, name, session, own, between } = self;
        let (count, degree) = (work.count, work.degree());
        match session.role() {
            Role::CryptoProducer => session.produce(name, |ctx| {
                let v = ctx.narrow("v", 0).into_prf_with(Role::ModelOwner).words(count);
                // P1 knows the masks of the results too, and returns them.
                let masks = (degree > 0)
                    .then(|| polynomial(work, self.key().mask(name, degree), Vec::new()));
                let function = masks.as_ref().map_or(function, |masks| masks as &dyn Function);
                gadget::produce(ctx, function, gate, &v).map(|_| Vec::new())
            }),
            Role::ModelOwner => {
                let ((u, material), _) = session.serve(Stage::Ahead, 0, name, |ctx| {
                    ctx.check_len(own.len(), count)?;
                    let v = ctx.narrow("v", 0).into_prf_with(Role::CryptoProducer).words(count);
                    if degree > 0 {
                        let (mut setup, weights) = (ctx.narrow("weights", 0), work.coefficients());
                        linear::send_weights(&mut setup, &self.key(), name, gate.out(), &weights)?;
                    }
                    let material = gadget::collect(ctx, function, gate, count, Take::Ahead)?;
                    Ok((ring::sub(own, &v), material))
                })?;
                between()?;
                let serve = |ctx: &mut Server<'_>| gadget::serve(ctx, function, gate, material, &u);
                Ok(session.serve(Stage::Online, 0, name, serve)?.0)
            }
            Role::DataOwner => {
                let ((material, masked), _) = session.query(Stage::Ahead, 0, name, |ctx| {
                    let mut setup = ctx.narrow("weights", 0);
                    let masked = if degree > 0 {
                        let masked = linear::receive_weights(&mut setup, gate.out(), degree)?;
                        Some(polynomial(work, masked, Vec::new()))
                    } else {
                        None
                    };
                    Ok((gadget::prepare(ctx, count)?, masked))
                })?;
                let mask = material.mask().to_vec();
                between()?;
                let function = masked.as_ref().map_or(function, |masked| masked as &dyn Function);
                let answer = |ctx: &mut Client<'_>| gadget::answer(ctx, function, gate, material);
                session.query(Stage::Online, 0, name, answer)?;
                Ok(mask)
            }
        }
    }

    fn max_pool(&self, gate: &Gate) -> Result<Vec<u64>> {
        let &BenchRun { work, name, session, own, between } = self;
        let pool = work.pool_shape();
        let len = pool.input_len();
        match session.role() {
            Role::CryptoProducer => session.produce(name, |ctx| {
                let v = ctx.narrow("v", 0).into_prf_with(Role::ModelOwner).words(len);
                maxpool::produce(ctx, gate, &pool, &v)
            }),
            Role::ModelOwner => {
                let ((u, tree), _) = session.serve(Stage::Ahead, 0, name, |ctx| {
                    ctx.check_len(own.len(), len)?;
                    let v = ctx.narrow("v", 0).into_prf_with(Role::CryptoProducer).words(len);
                    let tree = maxpool::collect(ctx, gate, &pool, Take::Ahead)?;
                    Ok((ring::sub(own, &v), tree))
                })?;
                between()?;
                let serve = |ctx: &mut Server<'_>| maxpool::serve(ctx, gate, &pool, tree, &u);
                Ok(session.serve(Stage::Online, 0, name, serve)?.0)
            }
            Role::DataOwner => {
                // P1 knows neither the masks of the values nor those of the results, which P2
                // returns.
                let ((tree, _), _) = session
                    .query(Stage::Ahead, 0, name, |ctx| maxpool::prepare(ctx, &pool, None))?;
                between()?;
                session.query(Stage::Online, 0, name, |ctx| maxpool::answer(ctx, gate, tree))?;
                Ok(Vec::new())
            }
        }
    }

    fn linear(&self, shape: &ConvShape) -> Result<Vec<u64>> {
        let &BenchRun { name, session, own, between, .. } = self;
        let (weights, inputs) = (shape.weight_len(), shape.input_len());
        let mask = Mask::Hidden;
        match session.role() {
            Role::CryptoProducer => session.produce(name, |ctx| {
                let r = reveal::produce_input(&mut ctx.narrow("x", 0), inputs);
                let a = self.key().mask(name, weights);
                linear::produce(&ctx.narrow("linear", 0), shape, WIDTH, mask, &a, &r)
            }),
            Role::ModelOwner => {
                let (material, _) = session.serve(Stage::Ahead, 0, name, |ctx| {
                    ctx.check_len(own.len(), weights)?;
                    let mut setup = ctx.narrow("weights", 0);
                    linear::send_weights(&mut setup, &self.key(), name, WIDTH, own)?;
                    linear::collect(&ctx.narrow("linear", 0), shape, WIDTH, mask)
                })?;
                between()?;
                let bias = vec![0; shape.out_channels];
                let (u, _) = session.serve(Stage::Online, 0, name, |ctx| {
                    let z = reveal::receive_input(&mut ctx.narrow("x", 0), WIDTH, inputs)?;
                    linear::serve(&ctx.narrow("linear", 0), shape, WIDTH, material, own, &bias, &z)
                })?;
                Ok(u)
            }
            Role::DataOwner => {
                let (r, _) = session.query(Stage::Ahead, 0, name, |ctx| {
                    ctx.check_len(own.len(), inputs)?;
                    let r = reveal::prepare_input(&mut ctx.narrow("x", 0), inputs);
                    let mut setup = ctx.narrow("weights", 0);
                    let d = linear::receive_weights(&mut setup, WIDTH, weights)?;
                    linear::prepare(&ctx.narrow("linear", 0), shape, WIDTH, mask, &d, &r)?;
                    Ok(r)
                })?;
                between()?;
                session.query(Stage::Online, 0, name, |ctx| {
                    reveal::send_input(&mut ctx.narrow("x", 0), WIDTH, own, &r)
                })?;
                Ok(Vec::new())
            }
        }
    }
}
