//! One-core speed of the kernels: `cargo bench -p fixedpoint`. Set `TERCET_SIMD=portable` or `avx2`
//! to see what a lesser processor would do. Matrix products count two operations for every term;
//! digits count values of 64; narrow elements and bit planes count values.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fixedpoint::conv::ConvShape;
use fixedpoint::planes::BitPlanes;
use fixedpoint::prime::{self, Comparison, DIGITS};
use fixedpoint::width::{self, Width};
use fixedpoint::{Padding, Side, dispatch, gemm, packing};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Values in a batch: digits of one operand fill half of a second-level cache, as a streamed chunk
/// should.
const VALUES: usize = 4096;

/// Rings of the products: whole words, fused 52-bit products, 32-bit ones.
const PRODUCT_BITS: [u32; 3] = [64, 33, 32];

criterion_main!(kernels);
criterion_group!(kernels, products, convolutions, digits, narrow, bits);

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("gemm/{}", dispatch::level()));
    for (m, k, n) in [(512, 512, 512), (64, 576, 1024), (1, 1024, 1024), (1024, 1024, 1)] {
        let (a, b) = (random_words(1, m * k), random_words(2, k * n));
        let mut c = vec![0; m * n];
        group.throughput(Throughput::Elements(2 * (m * k * n) as u64));
        for bits in PRODUCT_BITS {
            group.bench_function(format!("{m}x{k}x{n} modulo 2^{bits}"), |bencher| {
                let width = Width::new(bits);
                bencher.iter(|| gemm::multiply_modulo(width, m, k, n, &a, &b, &mut c));
            });
        }
    }
}

fn convolutions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("conv/{}", dispatch::level()));
    for groups in [1, 64] {
        let shape = ConvShape {
            batch: 1,
            in_channels: 64,
            out_channels: 64,
            height: 32,
            width: 32,
            kernel: (3, 3),
            stride: (1, 1),
            padding: Padding::same(1),
            dilation: (1, 1),
            groups,
        };
        let input = random_words(5, shape.input_len());
        let weights = random_words(6, shape.weight_len());
        group.throughput(Throughput::Elements(2 * shape.macs() as u64));
        for bits in PRODUCT_BITS {
            group.bench_function(format!("{groups} groups modulo 2^{bits}"), |bencher| {
                let width = Width::new(bits);
                bencher.iter(|| shape.convolve_modulo(width, &input, &weights));
            });
        }
    }
}

fn digits(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let words: Vec<u64> = (0..VALUES).map(|_| rng.random::<u64>() >> 1).collect();
    let beta: Vec<u64> = (0..VALUES).map(|_| rng.random_range(0..2)).collect();
    let rotation: Vec<u8> = (0..VALUES).map(|_| rng.random_range(0..64)).collect();
    let [mut x, mut s, mut z, mut out] = [(); 4].map(|()| vec![0u8; DIGITS * VALUES]);
    prime::sample_digits(&mut x, &mut |block| rng.fill_bytes(block));
    prime::sample_units(&mut s, &mut |block| rng.fill_bytes(block));
    prime::sample_digits(&mut z, &mut |block| rng.fill_bytes(block));
    let mut stream = vec![0; 1 << 20];
    rng.fill_bytes(&mut stream);

    let mut group = criterion.benchmark_group(format!("digits/{}", dispatch::level()));
    group.throughput(Throughput::Elements(VALUES as u64));
    group.bench_function("sample_digits", |bencher| {
        bencher.iter(|| {
            let mut rest = &stream[..];
            prime::sample_digits(&mut out, &mut |block| {
                let (next, after) = rest.split_at(block.len());
                block.copy_from_slice(next);
                rest = after;
            });
        });
    });
    group.bench_function("share_bits", |bencher| {
        bencher.iter(|| prime::share_bits(&words, &x, &mut out));
    });
    group.bench_function("blind_compare", |bencher| {
        let comparison =
            Comparison { bits: &x, r: &words, beta: &beta, s: &s, z: &z, rotation: &rotation };
        bencher.iter(|| prime::blind_compare(Side::One, &comparison, &mut out));
    });
    group.bench_function("zero_in_sum", |bencher| {
        let mut found = vec![0; VALUES];
        bencher.iter(|| prime::zero_in_sum(&x, &z, &mut found));
    });
    group.bench_function("pack", |bencher| {
        let mut packed = Vec::new();
        bencher.iter(|| {
            packed.clear();
            packing::pack_digits_into(&x, &mut packed);
        });
    });
    group.bench_function("unpack", |bencher| {
        let packed = packing::pack_digits(&x);
        bencher.iter(|| packing::unpack_digits(&packed, &mut out));
    });
}

fn narrow(criterion: &mut Criterion) {
    let values = random_words(3, VALUES);
    let mut group = criterion.benchmark_group(format!("width/{}", dispatch::level()));
    group.throughput(Throughput::Elements(VALUES as u64));
    for bits in [1, 5, 8, 21, 32, 33, 40, 60, 64] {
        let width = Width::new(bits);
        let mut packed = Vec::new();
        group.bench_function(format!("pack {bits}"), |bencher| {
            bencher.iter(|| {
                packed.clear();
                width::pack_into(width, &values, &mut packed);
            });
        });
        let mut unpacked = vec![0; VALUES];
        group.bench_function(format!("unpack {bits}"), |bencher| {
            bencher.iter(|| width::unpack_into(width, &packed, &mut unpacked));
        });
    }
}

fn bits(criterion: &mut Criterion) {
    let values = random_words(4, VALUES);
    let mut group = criterion.benchmark_group(format!("planes/{}", dispatch::level()));
    group.throughput(Throughput::Elements(VALUES as u64));
    for planes in [8, 21, 32, 64] {
        group.bench_function(format!("transpose {planes}"), |bencher| {
            bencher.iter(|| BitPlanes::transpose(&values, 0, planes));
        });
        let transposed = BitPlanes::transpose(&values, 0, planes);
        group.bench_function(format!("to_values {planes}"), |bencher| {
            bencher.iter(|| transposed.to_values());
        });
    }
    let transposed = BitPlanes::transpose(&values, 0, 21);
    let mut packed = Vec::new();
    transposed.pack_into(&mut packed);
    group.bench_function("pack 21", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            transposed.pack_into(&mut out);
        });
    });
    group.bench_function("unpack 21", |bencher| {
        bencher.iter(|| BitPlanes::unpack(21, VALUES, &packed));
    });
}

fn random_words(seed: u64, count: usize) -> Vec<u64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random()).collect()
}
