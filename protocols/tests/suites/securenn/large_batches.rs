//! Every protocol on batches above 65,536 and of 1,000,000 values: other implementations go silently
//! wrong there.

use fixedpoint::{Padding, Side, conv::ConvShape, encoding::FixedPoint, pool::PoolShape, ring};
use protocols::{
    Dealer, Evaluator, Result, Share,
    securenn::{
        conv, drelu, leaky_relu, matmul, maxpool,
        polynomial::{self, PolynomialShape},
        relu, relu6, spline,
    },
    spline::Spline,
    test_world::{LayerOutcome, TestWorld, share_for_tests, signed_for_tests, words_for_tests},
};

const COUNTS: [usize; 2] = [65_537, 1_000_000];

#[test]
fn drelu_is_right_on_large_batches() {
    for count in COUNTS {
        let x = signed_for_tests(1, 1 << 62, count);
        let run = run(&x, drelu::evaluate, |ctx| drelu::deal(ctx, count));
        assert_eq!(wrong(&run.open(), &drelu::ideal(&x), 0), 0);
        run.assert_cost(&drelu::cost(count));
    }
}

#[test]
fn relu_is_right_on_large_batches() {
    for count in COUNTS {
        let x = signed_for_tests(2, 1 << 62, count);
        let run = run(&x, relu::evaluate, |ctx| relu::deal(ctx, count));
        assert_eq!(wrong(&run.open(), &relu::ideal(&x), 0), 0);
        run.assert_cost(&relu::cost(count));
        assert!(relu::cost(count).bytes() <= 586 * count as u64);
    }
}

#[test]
fn leaky_relu_is_right_on_large_batches() {
    let fixed = FixedPoint::default();
    for count in COUNTS {
        // Small values: the probability that any of a million wraps in the truncation is 2^-17.
        let x = signed_for_tests(3, 1 << 14, count);
        let run = run(
            &x,
            |ctx, x| leaky_relu::evaluate(ctx, x, leaky_relu::SLOPE, &fixed),
            |ctx| leaky_relu::deal(ctx, count),
        );
        assert_eq!(wrong(&run.open(), &leaky_relu::ideal(&x, leaky_relu::SLOPE, &fixed), 1), 0);
        run.assert_cost(&leaky_relu::cost(count));
    }
}

#[test]
fn relu6_is_right_on_large_batches() {
    let fixed = FixedPoint::default();
    for count in COUNTS {
        let x = signed_for_tests(4, 10 * fixed.one(), count);
        let run = run(&x, |ctx, x| relu6::evaluate(ctx, x, &fixed), |ctx| relu6::deal(ctx, count));
        assert_eq!(wrong(&run.open(), &relu6::ideal(&x, &fixed), 0), 0);
        run.assert_cost(&relu6::cost(count));
    }
}

#[test]
fn polynomials_are_right_on_large_batches() {
    let fixed = FixedPoint::default();
    let shape = PolynomialShape { degree: 3, channels: 64, plane: 49 };
    // Magnitudes below 2, of sums below 2^5: products are below 2^32, and none of a few million wraps.
    let (c, c0) = (signed_for_tests(21, 1 << 14, 3 * 64), signed_for_tests(22, 1 << 14, 64));
    let (cs, c0s) = (share_for_tests(23, &c), share_for_tests(24, &c0));
    for count in COUNTS {
        let x = signed_for_tests(25, 1 << 14, count);
        let evaluate = |ctx: &mut Evaluator<'_>, x: &Share| {
            polynomial::evaluate(ctx, &shape, own(ctx, &cs), own(ctx, &c0s), x, &fixed)
        };
        let run = run(&x, evaluate, |ctx| polynomial::deal(ctx, &shape, count));
        // Each of three coins grows by a factor of 2 with every product after it, and may turn its sign.
        let due = polynomial::ideal(&shape, &c, &c0, &x, &fixed);
        let lowest: Vec<u64> = due.iter().map(|y| y.wrapping_sub(7)).collect();
        assert_eq!(wrong(&run.open(), &lowest, 14), 0);
        run.assert_cost(&polynomial::cost(3, count));
    }
}

#[test]
fn splines_are_right_on_large_batches() {
    let step = Spline::new("step", 0, vec![-(1 << 12), 1 << 12], &[0, 1 << 12, 0], 12);
    for (spline, count) in [(Spline::sigmoid(13, 12), COUNTS[0]), (step, COUNTS[1])] {
        let x = signed_for_tests(26, 1 << 17, count);
        let run = run(
            &x,
            |ctx, x| spline::evaluate(ctx, &spline, x),
            |ctx| spline::deal(ctx, &spline, count),
        );
        assert_eq!(wrong(&run.open(), &spline::ideal(&spline, &x), 1), 0);
        run.assert_cost(&spline::cost(&spline, count));
    }
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

fn run(
    x: &[u64],
    evaluate: impl Fn(&mut Evaluator<'_>, &Share) -> Result<Share> + Sync,
    deal: impl Fn(&mut Dealer<'_>) -> Result<()> + Sync,
) -> LayerOutcome<Share> {
    let shares = share_for_tests(99, x);
    TestWorld::new(99).layer(|ctx| evaluate(ctx, own(ctx, &shares)), deal)
}

fn own<'a>(ctx: &Evaluator<'_>, shares: &'a [Share; 2]) -> &'a Share {
    &shares[ctx.side().index() as usize]
}

/// Values that are neither the expected one nor up to `coin` above it.
fn wrong(got: &[u64], expected: &[u64], coin: u64) -> usize {
    assert_eq!(got.len(), expected.len());
    ring::sub(got, expected).into_iter().filter(|difference| *difference > coin).count()
}
