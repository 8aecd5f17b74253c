//! Whole protocols, three parties on threads of one process: what computing costs without a network.
//!
//! `cargo bench -p protocols`. Throughput is in values (or outputs) a second.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fixedpoint::{Padding, conv::ConvShape, pool::PoolShape, width::Width};
use protocols::{
    Client, Evaluator, Role, Server, SessionOptions, Share, Stage,
    dealer::{
        Function, Gate, Relu, Truncation,
        gadget::{self, Take},
    },
    securenn::{conv, drelu, matmul, maxpool, relu},
    spline::Spline,
    test_world::{TestWorld, share_for_tests, signed_for_tests, words_for_tests},
};

fn element_wise(c: &mut Criterion) {
    const COUNT: usize = 100_000;
    let shares = share_for_tests(1, &signed_for_tests(2, 1 << 40, COUNT));
    let mut group = c.benchmark_group("100k values");
    group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("drelu", |b| {
        b.iter(|| {
            TestWorld::new(3)
                .layer(|ctx| drelu::evaluate(ctx, own(ctx, &shares)), |ctx| drelu::deal(ctx, COUNT))
        });
    });
    for chunk in [1024, 2048, 4096, 8192, 16384] {
        let options = SessionOptions { chunk, ..SessionOptions::default() };
        group.bench_function(format!("relu in chunks of {chunk}"), |b| {
            b.iter(|| {
                TestWorld::new(4).options(options).layer(
                    |ctx| relu::evaluate(ctx, own(ctx, &shares)),
                    |ctx| relu::deal(ctx, COUNT),
                )
            });
        });
    }
}

fn pooling(c: &mut Criterion) {
    let shape = PoolShape {
        batch: 1,
        channels: 16,
        height: 80,
        width: 80,
        window: (2, 2),
        stride: (2, 2),
        padding: Padding::NONE,
    };
    let shares = share_for_tests(5, &signed_for_tests(6, 1 << 40, shape.input_len()));
    let mut group = c.benchmark_group("maxpool");
    group.sample_size(10).throughput(Throughput::Elements(shape.output_len() as u64));
    group.bench_function("2x2", |b| {
        b.iter(|| {
            TestWorld::new(7).layer(
                |ctx| maxpool::evaluate(ctx, &shape, own(ctx, &shares)),
                |ctx| maxpool::deal(ctx, &shape),
            )
        });
    });
}

fn linear(c: &mut Criterion) {
    let mut group = c.benchmark_group("linear");
    group.sample_size(10);
    let shape = matmul::MatMulShape { m: 1000, k: 1000, n: 100 };
    let x = share_for_tests(8, &words_for_tests(9, shape.m * shape.k));
    let y = share_for_tests(10, &words_for_tests(11, shape.k * shape.n));
    group.bench_function("matmul 1000x1000x100", |b| {
        b.iter(|| {
            TestWorld::new(12).layer(
                |ctx| matmul::evaluate(ctx, &shape, own(ctx, &x), own(ctx, &y)),
                |ctx| matmul::deal(ctx, &shape),
            )
        });
    });
    let full = ConvShape {
        batch: 1,
        in_channels: 64,
        out_channels: 64,
        height: 32,
        width: 32,
        kernel: (3, 3),
        stride: (1, 1),
        padding: Padding::same(1),
        dilation: (1, 1),
        groups: 1,
    };
    for (name, shape) in
        [("conv 64 to 64", full), ("depthwise 64", ConvShape { groups: 64, ..full })]
    {
        let w = share_for_tests(13, &words_for_tests(14, shape.weight_len()));
        let x = share_for_tests(15, &words_for_tests(16, shape.input_len()));
        group.bench_function(name, |b| {
            b.iter(|| {
                TestWorld::new(17).layer(
                    |ctx| conv::evaluate(ctx, &shape, own(ctx, &w), own(ctx, &x)),
                    |ctx| conv::deal(ctx, &shape),
                )
            });
        });
    }
}

fn dealer(c: &mut Criterion) {
    const COUNT: usize = 100_000;
    let gate = Gate::new(Width::new(33), 32, 12, Width::new(33));
    let (u, v) = (words_for_tests(18, COUNT), words_for_tests(19, COUNT));
    let mut group = c.benchmark_group("dealer, 100k values");
    group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
    let functions: [&dyn Function; 3] = [&Truncation, &Relu, &Spline::relu6(6 << 12)];
    for function in functions {
        group.bench_function(function.name(), |b| {
            b.iter(|| {
                TestWorld::new(20).run(|session| match session.role() {
                    Role::CryptoProducer => {
                        session.produce("layer", |ctx| gadget::produce(ctx, function, &gate, &v))
                    }
                    Role::ModelOwner => {
                        let (material, _) = session.serve(Stage::Ahead, 0, "layer", |ctx| {
                            gadget::collect(ctx, function, &gate, COUNT, Take::Ahead)
                        })?;
                        let serve = |ctx: &mut Server<'_>| {
                            gadget::serve(ctx, function, &gate, material, &u)
                        };
                        Ok(session.serve(Stage::Online, 0, "layer", serve)?.0)
                    }
                    Role::DataOwner => {
                        let (material, _) = session
                            .query(Stage::Ahead, 0, "layer", |ctx| gadget::prepare(ctx, COUNT))?;
                        let answer =
                            |ctx: &mut Client<'_>| gadget::answer(ctx, function, &gate, material);
                        session.query(Stage::Online, 0, "layer", answer)?;
                        Ok(Vec::new())
                    }
                })
            });
        });
    }
}

fn own<'a>(ctx: &Evaluator<'_>, shares: &'a [Share; 2]) -> &'a Share {
    &shares[ctx.side().index() as usize]
}

criterion_group!(benches, element_wise, pooling, linear, dealer);
criterion_main!(benches);
