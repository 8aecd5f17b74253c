//! Whole protocols, three parties on threads of one process: what computing costs without a
//! network.
//!
//! `cargo bench -p protocols`. Throughput is in values (or outputs) a second.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fixedpoint::{Padding, conv::ConvShape, pool::PoolShape, width::Width};
use protocols::{
    Evaluator, SessionOptions, Share,
    dealer::Gate,
    samples,
    securenn::{conv, matmul, maxpool},
    test_world::{TestWorld, share_for_tests, signed_for_tests, words_for_tests},
};

/// Values of a function's bench.
const COUNT: usize = 100_000;

/// Every function of the securenn suite, and a ReLU in chunks of other sizes.
fn securenn(c: &mut Criterion) {
    let mut group = c.benchmark_group("100k values");
    group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
    for function in samples::securenn() {
        let run = |world: &TestWorld, shares: &[Share; 2]| {
            let [.., p2] = &function.parties;
            world.layer(
                |ctx| function.parties[ctx.party().index()].evaluate(ctx, own(ctx, shares)),
                |ctx| p2.deal(ctx, COUNT),
            )
        };
        let bound = function.plain.domain().1.cast_unsigned().min(1 << 40);
        let shares = share_for_tests(1, &signed_for_tests(2, bound, COUNT));
        group.bench_function(&function.name, |b| b.iter(|| run(&TestWorld::new(3), &shares)));
        if function.name != "relu" {
            continue;
        }
        for chunk in [1024, 2048, 4096, 8192, 16384] {
            let world = TestWorld::new(4).options(SessionOptions { chunk, ..Default::default() });
            group.bench_function(format!("relu in chunks of {chunk}"), |b| {
                b.iter(|| run(&world, &shares));
            });
        }
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

/// Every function of the dealer suite.
fn dealer(c: &mut Criterion) {
    let gate = Gate::new(Width::new(33), 32, 12, Width::new(33));
    let (u, v) = (words_for_tests(18, COUNT), words_for_tests(19, COUNT));
    let mut group = c.benchmark_group("dealer, 100k values");
    group.sample_size(10).throughput(Throughput::Elements(COUNT as u64));
    for function in samples::dealer() {
        let parties = function.parties.each_ref().map(|party| &**party);
        group.bench_function(&function.name, |b| {
            b.iter(|| TestWorld::new(20).gadget_of(parties, &gate, &u, &v));
        });
    }
}

fn own<'a>(ctx: &Evaluator<'_>, shares: &'a [Share; 2]) -> &'a Share {
    &shares[ctx.side().index() as usize]
}

criterion_group!(benches, securenn, pooling, linear, dealer);
criterion_main!(benches);
