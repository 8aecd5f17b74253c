//! Single operations of the suite, to be measured.
//!
//! Values start as u + v, P0 having them and v being drawn with P2; what P1 gives away of itself in a real
//! layer, e, is the linear layer's before it. Matrices and kernels are P0's, and their other operand
//! starts as P1's query, of which P0 gets x - r first.

use std::ops::Range;

use fixedpoint::{conv::ConvShape, ring, width::Width};
use protocols::{
    Cost, Result, Role, Session, Stage,
    dealer::{Cube, Drelu, Function, Polynomial, Relu, Sign, Square, Truncation},
    dealer::{
        Gate, Mask, WeightKey,
        gadget::{self, Take},
        linear, maxpool, reveal,
    },
    spline::Spline,
};

use crate::{
    bench::{Bench, BenchInputs, Operation},
    graph::SETUP,
};

/// The ring of matrices, and of values with the bound below.
const WIDTH: Width = Width::new(33);

/// The bits of values at the scale of products.
const BOUND: u32 = 32;

/// The bits of differences of values that a max pool compares.
const DIFFERENCE_BOUND: u32 = 22;

/// The ring of powers.
const POWER_WIDTH: Width = Width::new(64);

/// The bits of the slopes of an s-curve.
const SLOPE_BITS: u32 = 12;

enum Kind {
    Function(Box<dyn Function>, Gate),
    MaxPool(Gate),
    Linear(ConvShape),
}

fn kind(bench: &Bench) -> Kind {
    let f = bench.fixed.fractional_bits();
    let on = |function: Box<dyn Function>, out| {
        Kind::Function(function, Gate::new(WIDTH, BOUND, f, out))
    };
    match bench.operation {
        Operation::Drelu => on(Box::new(Drelu), WIDTH),
        Operation::Sign => on(Box::new(Sign), WIDTH),
        Operation::Truncation => on(Box::new(Truncation), WIDTH),
        Operation::Relu => on(Box::new(Relu), WIDTH),
        Operation::Relu6 => on(Box::new(Spline::relu6(bench.six())), WIDTH),
        Operation::LeakyRelu => {
            on(Box::new(Spline::leaky_relu(0.1, f)), Width::new(WIDTH.bits() + f))
        }
        Operation::Square => on(Box::new(Square), POWER_WIDTH),
        Operation::Cube => on(Box::new(Cube), POWER_WIDTH),
        Operation::Polynomial2 | Operation::Polynomial3 => {
            // As networks keep them, between two linear layers.
            let (kept, highest) = match bench.degree() {
                2 => (2 * f / 3, 5 * f / 6),
                _ => (f / 2, f),
            };
            let known = polynomial(bench, bench.coefficients(), vec![bench.constant()]);
            let scale = bench.degree() as u32 * kept + highest;
            let out = Width::new(WIDTH.bits() - 2 * f + scale + f);
            Kind::Function(Box::new(known), Gate::new(WIDTH, BOUND, 2 * f - kept, out))
        }
        Operation::Sigmoid => {
            on(Box::new(Spline::sigmoid(f, SLOPE_BITS)), Width::new(WIDTH.bits() + f))
        }
        Operation::Tanh => on(Box::new(Spline::tanh(f, SLOPE_BITS)), Width::new(WIDTH.bits() + f)),
        Operation::MaxPool => {
            let ring = Width::new(DIFFERENCE_BOUND + 1);
            Kind::MaxPool(Gate::new(ring, DIFFERENCE_BOUND, 0, ring))
        }
        Operation::MatMul => {
            // The columns of the right matrix are the places of an image.
            let shape = bench.matmul_shape();
            let conv = ConvShape {
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
            };
            Kind::Linear(conv)
        }
        Operation::Conv => Kind::Linear(bench.conv_shape()),
    }
}

/// A polynomial on all values, as a party knows it.
fn polynomial(bench: &Bench, coefficients: Vec<u64>, constants: Vec<u64>) -> Polynomial {
    Polynomial::new(bench.degree(), bench.count, coefficients, constants)
}

/// What it sends; the masked weights are the first part.
pub(crate) fn cost(bench: &Bench) -> Cost {
    match kind(bench) {
        Kind::Function(function, gate) => {
            let gadget = gadget::cost(&*function, &gate, bench.count);
            match bench.degree() {
                0 => gadget,
                degree => linear::setup_cost(gate.out(), degree).at(0, gadget),
            }
        }
        Kind::MaxPool(gate) => maxpool::cost(&gate, &bench.pool_shape()),
        Kind::Linear(shape) => linear::setup_cost(WIDTH, shape.weight_len())
            .at(0, reveal::input_cost(WIDTH, shape.input_len()))
            .at(0, linear::cost(&shape, WIDTH, Mask::Hidden)),
    }
}

/// The values that it is defined for, signed; `None` for the whole ring.
pub(crate) fn domain(bench: &Bench) -> Option<Range<i64>> {
    match kind(bench) {
        Kind::Function(function, gate) => {
            let (low, high) = function.domain(&gate);
            Some(low..high + 1)
        }
        Kind::MaxPool(gate) => {
            let half = 1 << (gate.bound() - 2);
            Some(-half..half)
        }
        Kind::Linear(_) => None,
    }
}

/// How many results are not the ideal ones up to a coin.
pub(crate) fn wrong(bench: &Bench, inputs: &BenchInputs, outputs: &[u64]) -> usize {
    let signed = |values: &[u64]| values.iter().map(|x| x.cast_signed()).collect::<Vec<i64>>();
    let (ring, due): (Width, Vec<[i64; 2]>) = match kind(bench) {
        Kind::Function(function, gate) => {
            let due = |(place, y): (usize, i64)| {
                let floor = y >> gate.shift();
                let coin = i64::from(y & ((1 << gate.shift()) - 1) != 0);
                [floor, floor + coin].map(|t| function.ideal(place, t))
            };
            (gate.out(), signed(&inputs.model_owner).into_iter().enumerate().map(due).collect())
        }
        Kind::MaxPool(gate) => {
            let largest = maxpool::ideal(&gate, &bench.pool_shape(), &signed(&inputs.model_owner));
            (gate.out(), largest.into_iter().map(|y| [y; 2]).collect())
        }
        Kind::Linear(shape) => {
            let y = shape.convolve(&inputs.data_owner, &inputs.model_owner);
            (WIDTH, y.into_iter().map(|y| [y.cast_signed(); 2]).collect())
        }
    };
    let differs = |(got, due): &(&u64, &[i64; 2])| {
        !due.iter().any(|due| ring.reduce(due.cast_unsigned()) == ring.reduce(**got))
    };
    let differing = outputs.iter().zip(&due).filter(differs).count();
    differing + outputs.len().abs_diff(due.len())
}

/// Any party: see [`Bench::run`].
pub(crate) fn run(
    bench: &Bench,
    session: &Session,
    own: &[u64],
    between: &dyn Fn() -> Result<()>,
) -> Result<Vec<u64>> {
    match kind(bench) {
        Kind::Linear(shape) => run_linear(bench, &shape, session, own, between),
        kind => run_nonlinear(bench, &kind, session, own, between),
    }
}

fn run_nonlinear(
    bench: &Bench,
    kind: &Kind,
    session: &Session,
    own: &[u64],
    between: &dyn Fn() -> Result<()>,
) -> Result<Vec<u64>> {
    let name = bench.name();
    let len = bench.input_len(Role::ModelOwner);
    let pool = || bench.pool_shape();
    let degree = bench.degree();
    match session.role() {
        Role::CryptoProducer => session.produce(name, |ctx| {
            let v = ctx.narrow("v", 0).into_prf_with(Role::ModelOwner).words(len);
            match kind {
                // P1 knows the masks too, and gives them.
                Kind::Function(function, gate) => {
                    let masks = (degree > 0).then(|| {
                        let key = WeightKey::new(session.seed_with(Role::ModelOwner, SETUP));
                        polynomial(bench, key.mask(name, degree), Vec::new())
                    });
                    let function: &dyn Function = match &masks {
                        Some(masks) => masks,
                        None => &**function,
                    };
                    gadget::produce(ctx, function, gate, &v).map(|_| Vec::new())
                }
                Kind::MaxPool(gate) => maxpool::produce(ctx, gate, &pool(), &v),
                Kind::Linear(_) => unreachable!("not linear"),
            }
        }),
        Role::ModelOwner => {
            enum Held<'s> {
                Function(gadget::ServerMaterial<'s>),
                Tree(maxpool::ServerTree<'s>),
            }
            let ((u, held), _) = session.serve(Stage::Ahead, 0, name, |ctx| {
                ctx.check_len(own.len(), len)?;
                let v = ctx.narrow("v", 0).into_prf_with(Role::CryptoProducer).words(len);
                let held = match kind {
                    Kind::Function(function, gate) => {
                        if degree > 0 {
                            let key =
                                WeightKey::new(session.seed_with(Role::CryptoProducer, SETUP));
                            let (mut setup, weights) =
                                (ctx.narrow("weights", 0), bench.coefficients());
                            linear::send_weights(&mut setup, &key, name, gate.out(), &weights)?;
                        }
                        Held::Function(gadget::collect(ctx, &**function, gate, len, Take::Ahead)?)
                    }
                    Kind::MaxPool(gate) => {
                        Held::Tree(maxpool::collect(ctx, gate, &pool(), Take::Ahead)?)
                    }
                    Kind::Linear(_) => unreachable!("not linear"),
                };
                Ok((ring::sub(own, &v), held))
            })?;
            between()?;
            let (z, _) = session.serve(Stage::Online, 0, name, |ctx| match (kind, held) {
                (Kind::Function(function, gate), Held::Function(material)) => {
                    gadget::serve(ctx, &**function, gate, material, &u)
                }
                (Kind::MaxPool(gate), Held::Tree(tree)) => {
                    maxpool::serve(ctx, gate, &pool(), tree, &u)
                }
                _ => unreachable!("material of another operation"),
            })?;
            Ok(z)
        }
        Role::DataOwner => match kind {
            Kind::Function(function, gate) => {
                let ((material, masked), _) = session.query(Stage::Ahead, 0, name, |ctx| {
                    let mut setup = ctx.narrow("weights", 0);
                    let masked = match degree {
                        0 => None,
                        _ => {
                            let masked = linear::receive_weights(&mut setup, gate.out(), degree)?;
                            Some(polynomial(bench, masked, Vec::new()))
                        }
                    };
                    Ok((gadget::prepare(ctx, len)?, masked))
                })?;
                let mask = material.mask().to_vec();
                between()?;
                let function: &dyn Function = match &masked {
                    Some(masked) => masked,
                    None => &**function,
                };
                session.query(Stage::Online, 0, name, |ctx| {
                    gadget::answer(ctx, function, gate, material)
                })?;
                Ok(mask)
            }
            Kind::MaxPool(gate) => {
                // P1 does not know the masks of the values, nor so those of the results, which P2 gives.
                let ((tree, _), _) = session
                    .query(Stage::Ahead, 0, name, |ctx| maxpool::prepare(ctx, &pool(), None))?;
                between()?;
                session.query(Stage::Online, 0, name, |ctx| maxpool::answer(ctx, gate, tree))?;
                Ok(Vec::new())
            }
            Kind::Linear(_) => unreachable!("not linear"),
        },
    }
}

fn run_linear(
    bench: &Bench,
    shape: &ConvShape,
    session: &Session,
    own: &[u64],
    between: &dyn Fn() -> Result<()>,
) -> Result<Vec<u64>> {
    let name = bench.name();
    let (weights, inputs) = (shape.weight_len(), shape.input_len());
    let key = |other| WeightKey::new(session.seed_with(other, SETUP));
    let mask = Mask::Hidden;
    match session.role() {
        Role::CryptoProducer => session.produce(name, |ctx| {
            let r = reveal::produce_input(&mut ctx.narrow("x", 0), inputs);
            let a = key(Role::ModelOwner).mask(name, weights);
            linear::produce(&ctx.narrow("linear", 0), shape, WIDTH, mask, &a, &r)
        }),
        Role::ModelOwner => {
            let (material, _) = session.serve(Stage::Ahead, 0, name, |ctx| {
                ctx.check_len(own.len(), weights)?;
                let mut setup = ctx.narrow("weights", 0);
                linear::send_weights(&mut setup, &key(Role::CryptoProducer), name, WIDTH, own)?;
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
