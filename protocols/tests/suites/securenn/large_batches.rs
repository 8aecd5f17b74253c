//! Protocols on batches of about a million values: other implementations go silently wrong there.
//! The laws have element-wise functions on more than 65,536.

use fixedpoint::{Padding, Side, conv::ConvShape, pool::PoolShape, ring};
use protocols::{
    Evaluator, Share,
    securenn::{Elementwise, Relu, conv, matmul, maxpool},
    test_world::{TestWorld, share_for_tests, signed_for_tests, words_for_tests},
};

#[test]
fn relu_is_right_on_a_million_values() {
    let x = signed_for_tests(2, 1 << 62, 1_000_000);
    let shares = share_for_tests(99, &x);
    let run = TestWorld::new(99)
        .layer(|ctx| Relu.evaluate(ctx, own(ctx, &shares)), |ctx| Relu.deal(ctx, x.len()));
    assert_eq!(wrong(&run.open(), &Relu.ideal(&x), 0), 0);
    let cost = Relu.cost(x.len());
    run.assert_cost(&cost);
    assert!(cost.bytes() <= 586 * x.len() as u64);
}

#[test]
fn maxpool_is_right_on_large_batches() {
    for (channels, side) in [(1, 514), (16, 500)] {
        let shape = PoolShape {
            batch: 1,
            channels,
            height: side,
            width: side,
            window: (2, 2),
            stride: (2, 2),
            padding: Padding::default(),
        };
        let x = signed_for_tests(5, 1 << 61, shape.input_len());
        let shares = share_for_tests(15, &x);
        let run = TestWorld::new(5).layer(
            |ctx| maxpool::evaluate(ctx, &shape, own(ctx, &shares)),
            |ctx| maxpool::deal(ctx, &shape),
        );
        let expected = maxpool::ideal(&shape, &x);
        let [zero, one] = &run.shares;
        assert_eq!(wrong(zero.value.add(&one.value).words(), &expected.value, 0), 0);
        assert_eq!(wrong(zero.index.add(&one.index).words(), &expected.index, 0), 0);
        run.assert_cost(&maxpool::cost(&shape));
    }
}

#[test]
fn matmul_is_right_on_a_million_elements() {
    let shape = matmul::MatMulShape { m: 1000, k: 1000, n: 100 };
    let x = words_for_tests(6, shape.m * shape.k);
    let y = words_for_tests(7, shape.k * shape.n);
    let (xs, ys) = (share_for_tests(16, &x), share_for_tests(17, &y));
    let run = TestWorld::new(6).layer(
        |ctx| matmul::evaluate(ctx, &shape, own(ctx, &xs), own(ctx, &ys)),
        |ctx| matmul::deal(ctx, &shape),
    );
    assert_eq!(wrong(&run.open(), &matmul::ideal(&shape, &x, &y), 0), 0);
    run.assert_cost(&matmul::cost(&shape));
}

#[test]
fn convolutions_are_right_on_a_million_elements() {
    let full = ConvShape {
        batch: 16,
        in_channels: 64,
        out_channels: 64,
        height: 32,
        width: 32,
        kernel: (3, 3),
        stride: (1, 1),
        padding: Padding { top: 1, left: 1, bottom: 1, right: 1 },
        dilation: (1, 1),
        groups: 1,
    };
    for shape in [full, ConvShape { groups: 64, ..full }] {
        let w = words_for_tests(8, shape.weight_len());
        let x = words_for_tests(9, shape.input_len());
        let (ws, xs) = (share_for_tests(18, &w), share_for_tests(19, &x));
        let run = TestWorld::new(8).layer(
            |ctx| conv::evaluate(ctx, &shape, own(ctx, &ws), own(ctx, &xs)),
            |ctx| conv::deal(ctx, &shape),
        );
        assert_eq!(wrong(&run.open(), &conv::ideal(&shape, &w, &x), 0), 0);
        run.assert_cost(&conv::cost(&shape));
    }
}

#[test]
fn truncation_is_right_on_a_million_values() {
    let x = signed_for_tests(10, 1 << 27, 1_000_000);
    let [zero, one] = share_for_tests(20, &x);
    let opened = zero.truncate(Side::Zero, 13).add(&one.truncate(Side::One, 13)).into_words();
    let floor: Vec<u64> = x.iter().map(|&x| ((x as i64) >> 13) as u64).collect();
    assert_eq!(wrong(&opened, &floor, 1), 0);
}

fn own<'a>(ctx: &Evaluator<'_>, shares: &'a [Share; 2]) -> &'a Share {
    &shares[ctx.side().index() as usize]
}

/// Values that are neither the expected one nor up to `coin` above it.
fn wrong(got: &[u64], expected: &[u64], coin: u64) -> usize {
    assert_eq!(got.len(), expected.len());
    ring::sub(got, expected).into_iter().filter(|difference| *difference > coin).count()
}
