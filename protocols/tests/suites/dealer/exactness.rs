//! Results are exact, coin included: P0's u and q, which decide it, follow from the test seed.

use fixedpoint::{Padding, conv::ConvShape, pool::PoolShape, ring, width::Width};
use protocols::{
    Client, Role, Server, SessionOptions, Stage,
    dealer::{
        Function, Gate, Mask, Polynomial, Relu, Truncation, WeightKey,
        gadget::{self, Take},
        linear, maxpool,
    },
    prf::Seed,
    spline::Spline,
    test_world::{TestWorld, polynomials_for_tests, words_for_tests},
};

use super::exact::{GATES, check_values, halves, values};

#[test]
fn polynomials_are_exact_on_a_million_values() {
    let gate = Gate::new(Width::new(33), 32, 12, Width::new(45));
    for (degree, channels, plane) in [(1, 1, 1), (2, 64, 3136), (3, 10, 7)] {
        let of = polynomials(degree, channels, plane);
        for count in [65_537, 1_000_000] {
            check_of(of.each_ref().map(|of| of as _), &gate, count);
        }
    }
}

/// One D, which travels as weights do, for several queries.
#[test]
fn coefficients_that_were_sent_once_serve_all_queries() {
    const COUNT: usize = 4 * 3 * 25;
    let gate = Gate::new(Width::new(33), 32, 12, Width::new(41));
    let (c, c0) = (words_for_tests(31, 3 * 2), words_for_tests(32, 3));
    let of = |c: Vec<u64>, c0: &[u64]| Polynomial::new(2, 25, c, c0.to_vec());
    let key = || WeightKey::new(Seed::from_bytes([9; 32]));
    let y = values(&Truncation, 1, &gate, COUNT);
    let (u, v) = halves(&y);
    let queries = ["first", "second", "third"];
    let world = TestWorld::new(33);
    let outcome = world.run(|session| match session.role() {
        Role::CryptoProducer => {
            let function = of(key().mask("poly", c.len()), &[]);
            let produce =
                |query| session.produce(query, |ctx| gadget::produce(ctx, &function, &gate, &v));
            queries.into_iter().map(produce).collect()
        }
        Role::ModelOwner => {
            session.serve(Stage::Ahead, 0, "setup", |ctx| {
                linear::send_weights(ctx, &key(), "poly", gate.out(), &c)
            })?;
            let function = of(c.clone(), &c0);
            let serve = |query| {
                let (material, _) = session.serve(Stage::Ahead, 0, query, |ctx| {
                    gadget::collect(ctx, &Polynomial::shape(2), &gate, COUNT, Take::Ahead)
                })?;
                let serve =
                    |ctx: &mut Server<'_>| gadget::serve(ctx, &function, &gate, material, &u);
                Ok(session.serve(Stage::Online, 0, query, serve)?.0)
            };
            queries.into_iter().map(serve).collect()
        }
        Role::DataOwner => {
            let (d, _) = session.query(Stage::Ahead, 0, "setup", |ctx| {
                linear::receive_weights(ctx, gate.out(), c.len())
            })?;
            let function = of(d, &[]);
            let answer = |query| {
                let prepare = |ctx: &mut Client<'_>| gadget::prepare(ctx, COUNT);
                let (material, _) = session.query(Stage::Ahead, 0, query, prepare)?;
                let mask = material.mask().to_vec();
                session.query(Stage::Online, 0, query, |ctx| {
                    gadget::answer(ctx, &function, &gate, material)
                })?;
                Ok(mask)
            };
            queries.into_iter().map(answer).collect()
        }
    });
    let [z, r, dealt]: [Vec<Vec<u64>>; 3] = outcome.results.map(|result| result.unwrap());
    assert_eq!(r, dealt);
    let clear = of(c, &c0);
    for (z, r) in z.iter().zip(&r) {
        for ((place, y), word) in y.iter().enumerate().zip(ring::add(z, r)) {
            let ideal = |coin| clear.ideal(place, (y >> gate.shift()) + coin).cast_unsigned();
            let due = [0, 1].map(|coin| gate.out().reduce(ideal(coin)));
            assert!(due.contains(&gate.out().reduce(word)), "{y}");
        }
    }
}

/// Up to nine knots anywhere and any slopes.
#[test]
fn splines_of_every_shape_are_exact() {
    for (l, k, s) in GATES {
        let reach = 1i64 << (k - 1 - s) >> 2;
        for knots in 0..10.min(reach.cast_unsigned() / 2) {
            let word = |place: u64| words_for_tests(1000 + 10 * knots + place, 12);
            let knot = |word: u64| (word % (2 * reach.cast_unsigned())).cast_signed() - reach;
            let mut places: Vec<i64> = word(0).into_iter().map(knot).collect();
            places.sort_unstable();
            places.dedup();
            places.truncate(knots as usize);
            let slopes = word(1).into_iter().map(|word| (word % 7).cast_signed() - 3);
            let slopes: Vec<i64> = slopes.take(places.len() + 1).collect();
            let spline = Spline::new("spline", knot(word(2)[0]), places, &slopes, 2);
            for out in [l, (l + 9).min(64), k - s + 1] {
                let gate = Gate::new(Width::new(l), k, s, Width::new(out));
                check(&spline, &gate, 1500);
            }
        }
    }
}

#[test]
fn every_count_of_low_bits_is_exact() {
    for low in 1..=62 {
        for shift in [0, 12] {
            let bound = low + 1 + shift;
            if bound < 64 {
                let gate = Gate::new(Width::new(bound + 1), bound, shift, Width::new(64));
                check(&Relu, &gate, 1500);
            }
        }
    }
}

#[test]
fn relu_and_truncation_are_exact_on_a_million_values() {
    let gate = Gate::new(Width::new(33), 32, 12, Width::new(33));
    check(&Relu, &gate, 1_000_000);
    check(&Truncation, &gate, 1_000_000);
}

#[test]
fn truncation_is_exact_up_to_the_bound_itself() {
    for (l, k, s) in GATES {
        let gate = Gate::new(Width::new(l), k, s, Width::new(64));
        let bound = 1i64 << (k - 1);
        let nearest = (0..=1i64 << s).map(|below| bound - below);
        let y: Vec<i64> = nearest.cycle().take(8000).collect();
        check_values([&Truncation; 3], &gate, SessionOptions::default(), &y);
    }
}

#[test]
fn the_coin_falls_as_often_as_the_rest_says() {
    let gate = Gate::new(Width::new(33), 32, 12, Width::new(33));
    const COUNT: usize = 60_000;
    for rest in [0, 1, 700, 2048, 4000, 4095] {
        let v = words_for_tests(rest, COUNT);
        let u: Vec<u64> = v.iter().map(|v| (rest + (5 << 12)).wrapping_sub(*v)).collect();
        let results = TestWorld::new(rest).gadget(&Truncation, &gate, &u, &v).open(&gate);
        let up = results.iter().filter(|&&t| t == 6).count();
        assert_eq!(up + results.iter().filter(|&&t| t == 5).count(), COUNT);
        let (rate, count) = (rest as f64 / 4096.0, COUNT as f64);
        let spread = (count * rate * (1.0 - rate)).sqrt();
        assert!((up as f64 - count * rate).abs() <= 6.0 * spread, "{up} of {COUNT} for {rest}");
    }
}

#[test]
fn max_pool_is_exact_on_a_million_values() {
    for (side, channels, window, stride, padding) in
        [(1000, 1, (2, 2), 2, 0), (60, 20, (3, 3), 1, 1), (40, 3, (1, 7), 1, 3)]
    {
        let shape = PoolShape {
            batch: 1,
            channels,
            height: side,
            width: side,
            window,
            stride: (stride, stride),
            padding: Padding { top: 0, left: padding, bottom: 0, right: padding },
        };
        let gate = Gate::new(Width::new(23), 22, 0, Width::new(23));
        let words = words_for_tests(5, shape.input_len());
        let edges = [0, 1, -1, (1 << 20) - 1, -(1 << 20)];
        let x: Vec<i64> = words
            .iter()
            .map(|word| match word >> 62 {
                0 => edges[(word % 5) as usize],
                _ => (word % (1 << 21)) as i64 - (1 << 20),
            })
            .collect();
        let (z, r) = halves(&x);
        let outcome = TestWorld::new(6).run(|session| match session.role() {
            Role::CryptoProducer => {
                session.produce("pool", |ctx| maxpool::produce(ctx, &gate, &shape, &r))
            }
            Role::ModelOwner => {
                let (tree, _) = session.serve(Stage::Ahead, 0, "pool", |ctx| {
                    maxpool::collect(ctx, &gate, &shape, Take::Ahead)
                })?;
                let serve = |ctx: &mut Server<'_>| maxpool::serve(ctx, &gate, &shape, tree, &z);
                Ok(session.serve(Stage::Online, 0, "pool", serve)?.0)
            }
            Role::DataOwner => {
                let prepare = |ctx: &mut Client<'_>| maxpool::prepare(ctx, &shape, Some(&r));
                let ((tree, mask), _) = session.query(Stage::Ahead, 0, "pool", prepare)?;
                let answer = |ctx: &mut Client<'_>| maxpool::answer(ctx, &gate, tree);
                session.query(Stage::Online, 0, "pool", answer)?;
                Ok(mask.unwrap())
            }
        });
        let [z, r, _] = outcome.results.map(|result| result.unwrap());
        let got: Vec<i64> =
            ring::add(&z, &r).into_iter().map(|word| gate.out().signed(word)).collect();
        assert!(got == maxpool::ideal(&gate, &shape, &x), "{shape:?}");
    }
}

#[test]
fn linear_layers_are_exact_on_a_million_values() {
    let full = ConvShape {
        batch: 16,
        in_channels: 16,
        out_channels: 64,
        height: 32,
        width: 32,
        kernel: (3, 3),
        stride: (1, 1),
        padding: Padding::same(1),
        dilation: (1, 1),
        groups: 1,
    };
    let depthwise = ConvShape { in_channels: 64, groups: 64, ..full };
    for (shape, mask, bits) in [(full, Mask::Hidden, 33), (depthwise, Mask::Known, 64)] {
        let width = Width::new(bits);
        let weights = words_for_tests(1, shape.weight_len());
        let (x, r) = (words_for_tests(2, shape.input_len()), words_for_tests(3, shape.input_len()));
        let z = ring::sub(&x, &r);
        let key = || WeightKey::new(Seed::from_bytes([4; 32]));
        let d = ring::sub(&weights, &key().mask("layer", weights.len()));
        let outcome = TestWorld::new(5).run(|session| match session.role() {
            Role::CryptoProducer => session.produce("layer", |ctx| {
                let a = key().mask("layer", shape.weight_len());
                linear::produce(ctx, &shape, width, mask, &a, &r)
            }),
            Role::ModelOwner => {
                let collect = |ctx: &mut Server<'_>| linear::collect(ctx, &shape, width, mask);
                let (material, _) = session.serve(Stage::Ahead, 0, "layer", collect)?;
                let serve = |ctx: &mut Server<'_>| {
                    linear::serve(ctx, &shape, width, material, &weights, &[], &z)
                };
                Ok(session.serve(Stage::Online, 0, "layer", serve)?.0)
            }
            Role::DataOwner => {
                let prepare =
                    |ctx: &mut Client<'_>| linear::prepare(ctx, &shape, width, mask, &d, &r);
                Ok(session.query(Stage::Ahead, 0, "layer", prepare)?.0)
            }
        });
        let [u, known, v] = outcome.results.map(|result| result.unwrap());
        assert!(known == if mask == Mask::Known { v.clone() } else { vec![] });
        let (mut got, mut due) = (ring::add(&u, &v), shape.convolve(&x, &weights));
        width.reduce_all(&mut got);
        width.reduce_all(&mut due);
        assert!(got == due, "{shape:?}");
    }
}

/// Edges and random values of a function's domain at a gate.
fn check(function: &dyn Function, gate: &Gate, count: usize) {
    check_of([function; 3], gate, count);
}

/// As [`check`], the function being what each party knows of it.
fn check_of(functions: [&dyn Function; 3], gate: &Gate, count: usize) {
    let y = values(functions[0], 1, gate, count);
    check_values(functions, gate, SessionOptions::default(), &y);
}

/// Polynomials with any coefficients, as the parties know them.
fn polynomials(degree: usize, channels: usize, plane: usize) -> [Polynomial; 3] {
    let (c, c0) = (words_for_tests(21, channels * degree), words_for_tests(22, channels));
    polynomials_for_tests(degree, plane, c, c0)
}
