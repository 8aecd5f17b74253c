//! The views of each party: on fixed inputs and fixed halves everything is uniform, and what
//! belongs to one value is independent too. P2 receives nothing.

use fixedpoint::{
    Padding,
    conv::ConvShape,
    pool::PoolShape,
    ring,
    width::{self, Width},
};
use protocols::{
    Client, Link, Producer, Role, Server, SessionOptions, Stage,
    dealer::{
        Function, Gate, Mask, Polynomial, Relu, Truncation, WeightKey,
        gadget::{self, Take},
        linear, maxpool, reveal,
    },
    prf::Seed,
    spline::Spline,
    test_world::{TestWorld, polynomials_for_tests},
    transport::recording::Record,
};

use crate::{
    dealer::view::{Field, Gadget, payload, worst},
    uniformity::LIMIT,
};

/// Values of each run, all equal.
const COUNT: usize = 1 << 15;

/// Values of a chunk: several lanes.
const CHUNK: usize = 4096;

/// P0's half of every value: no more random than the value.
const U: u64 = 12_345;

/// Small coefficients and large ones, 0 among them, in channels that alternate.
#[test]
fn views_of_polynomials_are_uniform() {
    for (gate, y) in [
        (Gate::new(Width::new(12), 11, 3, Width::new(14)), -700),
        (Gate::new(Width::new(12), 11, 3, Width::new(9)), 0),
        (Gate::new(Width::new(33), 32, 12, Width::new(41)), 77 << 12),
    ] {
        for (degree, c) in
            [(1, vec![0, 1]), (2, vec![0; 4]), (2, vec![3, 0, 0, 1 << 20]), (3, vec![u64::MAX; 6])]
        {
            let of = polynomials_for_tests(degree, 100, c, vec![0, 5]);
            check_of(of.each_ref().map(|of| of as &dyn Function), gate, y);
        }
    }
}

/// The coefficients of many channels, all alike, and what is seen of two queries with the same
/// ones. A is the same in both, and P0 knows it: so it also looks at what would tell tau if W had
/// no shares of its own.
#[test]
fn one_set_of_coefficients_may_serve_many_queries() {
    let gate = Gate::new(Width::new(12), 11, 3, Width::new(11));
    let key = WeightKey::new(Seed::from_bytes([8; 32]));
    let d = ring::sub(&vec![5; COUNT], &key.mask("channels", COUNT));
    assert_uniform(&[Field::new("D", gate.out().bits(), d)], "P1");

    let (c, a) = (vec![5, 6, 7], key.mask("layer", 3));
    let d = ring::sub(&c, &a);
    let of = [(c, vec![8]), (d, vec![]), (a.clone(), vec![])];
    let of = of.map(|(c, constants)| Polynomial::new(3, COUNT, c, constants));
    let (u, v) = halves(-300, COUNT);
    let queries = ["first", "second"];
    let world = world();
    let outcome = world.run(|session| {
        let function = &of[session.role().index()];
        for query in queries {
            match session.role() {
                Role::CryptoProducer => {
                    session.produce(query, |ctx| gadget::produce(ctx, function, &gate, &v))?;
                }
                Role::ModelOwner => {
                    let (material, _) = session.serve(Stage::Ahead, 0, query, |ctx| {
                        gadget::collect(ctx, function, &gate, COUNT, Take::Ahead)
                    })?;
                    session.serve(Stage::Online, 0, query, |ctx| {
                        gadget::serve(ctx, function, &gate, material, &u)
                    })?;
                }
                Role::DataOwner => {
                    let prepare = |ctx: &mut Client<'_>| gadget::prepare(ctx, COUNT);
                    let (material, _) = session.query(Stage::Ahead, 0, query, prepare)?;
                    session.query(Stage::Online, 0, query, |ctx| {
                        gadget::answer(ctx, function, &gate, material)
                    })?;
                }
            }
        }
        Ok(())
    });
    outcome.results.into_iter().for_each(|result| result.unwrap());
    nothing_reaches_p2(&outcome.records);
    let seen = queries.map(|layer| Gadget {
        world: &world,
        records: &outcome.records,
        layer,
        function: &of[0],
        gate,
        count: COUNT,
        chunk: CHUNK,
    });
    for see in [Gadget::seen_by_p0, Gadget::seen_by_p1, Gadget::drawn_by_p1] {
        assert_uniform(&seen.iter().flat_map(see).collect::<Vec<_>>(), "both queries");
    }
    // X_1 is the first share and W_2 the last but one: each has another for m = 0.
    for fields in seen.iter().map(Gadget::seen_by_p0) {
        let share = |place: usize| {
            let name = format!("share {place}");
            &fields.iter().find(|field| field.name == name).unwrap().values
        };
        let three = a[2].wrapping_mul(3);
        let sums =
            share(0).iter().zip(share(10)).map(|(x, w)| w.wrapping_sub(three.wrapping_mul(*x)));
        assert_uniform(&[Field::new("W_2 - 3 A_3 X_1", gate.out().bits(), sums.collect())], "P0");
    }
}

#[test]
fn the_narrowest_and_the_widest_gates_are_uniform() {
    for (l, k, s) in [(3, 2, 0), (7, 6, 1), (23, 22, 0), (64, 40, 16)] {
        let gate = Gate::new(Width::new(l), k, s, Width::new(l.max(14)));
        check(&Relu, gate, gate.domain().0);
        check(&Relu, gate, gate.domain().1);
    }
}

#[test]
fn max_pool_views_are_uniform_over_all_levels() {
    // Every pair of a window is in the next row's window too: the same difference is opened twice.
    let shape = PoolShape {
        batch: 1,
        channels: 1,
        height: 258,
        width: 129,
        window: (2, 2),
        stride: (1, 1),
        padding: Padding::default(),
    };
    let (windows, row) = (shape.output_len(), shape.out_width());
    assert_eq!(windows, COUNT + row);
    let gate = Gate::new(Width::new(23), 22, 0, Width::new(23));
    for x in [0, (1 << 20) - 1, -(1 << 20)] {
        let (z, r) = halves(x, shape.input_len());
        let world = world();
        let outcome = world.run(|session| match session.role() {
            Role::CryptoProducer => {
                session.produce("pool", |ctx| maxpool::produce(ctx, &gate, &shape, &r)).map(drop)
            }
            Role::ModelOwner => {
                let (tree, _) = session.serve(Stage::Ahead, 0, "pool", |ctx| {
                    maxpool::collect(ctx, &gate, &shape, Take::Ahead)
                })?;
                let serve = |ctx: &mut Server<'_>| maxpool::serve(ctx, &gate, &shape, tree, &z);
                session.serve(Stage::Online, 0, "pool", serve).map(drop)
            }
            Role::DataOwner => {
                let prepare = |ctx: &mut Client<'_>| maxpool::prepare(ctx, &shape, Some(&r));
                let ((tree, _), _) = session.query(Stage::Ahead, 0, "pool", prepare)?;
                let answer = |ctx: &mut Client<'_>| maxpool::answer(ctx, &gate, tree);
                session.query(Stage::Online, 0, "pool", answer).map(drop)
            }
        });
        outcome.results.into_iter().for_each(|result| result.unwrap());
        nothing_reaches_p2(&outcome.records);
        let level = |layer, count| Gadget {
            world: &world,
            records: &outcome.records,
            layer,
            function: &Relu,
            gate,
            count,
            chunk: CHUNK,
        };
        let (pairs, top) = (level("pool/0", 2 * windows), level("pool/1", windows));
        for see in [Gadget::seen_by_p0, Gadget::seen_by_p1] {
            let (mut pairs, mut top) = (see(&pairs), see(&top));
            // One gadget alone is looked at with its tables.
            pairs.retain(|field| !field.name.starts_with("table"));
            top.retain(|field| !field.name.starts_with("table"));
            let half = |range: std::ops::Range<usize>| {
                pairs.iter().map(move |field| Field {
                    values: field.values[range.clone()].to_vec(),
                    ..field.clone()
                })
            };
            let tree: Vec<Field> =
                half(0..windows).chain(half(windows..2 * windows)).chain(top).collect();
            assert_uniform(&tree, "a window");
            let twice: Vec<Field> =
                half(row..windows).chain(half(windows..2 * windows - row)).collect();
            assert_uniform(&twice, "a pair of two windows");
        }
    }
}

#[test]
fn linear_views_are_uniform_for_every_consumer() {
    // Two layers take the same wire, whose mask is constant.
    let shape = ConvShape {
        batch: 1,
        in_channels: 8,
        out_channels: 64,
        height: 32,
        width: 32,
        kernel: (8, 8),
        stride: (1, 1),
        padding: Padding { top: 3, left: 3, bottom: 4, right: 4 },
        dilation: (1, 1),
        groups: 1,
    };
    assert_eq!((shape.weight_len(), shape.output_len()), (COUNT, 2 * COUNT));
    let width = Width::new(33);
    let weights = vec![77; shape.weight_len()];
    let (z, r) = halves(4096, shape.input_len());
    let consumers = [("first", Mask::Known), ("second", Mask::Known), ("third", Mask::Hidden)];
    let key = || WeightKey::new(Seed::from_bytes([6; 32]));
    let outcome = world().run(|session| {
        match session.role() {
            Role::CryptoProducer => {
                for (layer, mask) in consumers {
                    session.produce(layer, |ctx| {
                        let a = key().mask(layer, shape.weight_len());
                        linear::produce(ctx, &shape, width, mask, &a, &r)
                    })?;
                }
            }
            Role::ModelOwner => {
                for (layer, mask) in consumers {
                    session.serve(Stage::Ahead, 0, &format!("{layer} setup"), |ctx| {
                        linear::send_weights(ctx, &key(), layer, width, &weights)
                    })?;
                    let collect = |ctx: &mut Server<'_>| linear::collect(ctx, &shape, width, mask);
                    let (material, _) = session.serve(Stage::Ahead, 0, layer, collect)?;
                    session.serve(Stage::Online, 0, layer, |ctx| {
                        linear::serve(ctx, &shape, width, material, &weights, &[], &z)
                    })?;
                }
            }
            Role::DataOwner => {
                for (layer, mask) in consumers {
                    let (d, _) =
                        session.query(Stage::Ahead, 0, &format!("{layer} setup"), |ctx| {
                            linear::receive_weights(ctx, width, shape.weight_len())
                        })?;
                    session.query(Stage::Ahead, 0, layer, |ctx| {
                        linear::prepare(ctx, &shape, width, mask, &d, &r)
                    })?;
                }
            }
        }
        Ok(())
    });
    outcome.results.into_iter().for_each(|result| result.unwrap());
    nothing_reaches_p2(&outcome.records);
    let field = |name: String, [from, to]: [Role; 2], path: &str, count: usize| {
        let packed = payload(&outcome.records, Link::new(from, to), path);
        Field::new(name, width.bits(), width::unpack(width, packed, count).unwrap())
    };
    let [p0, p1, p2] = Role::ALL;
    let (mut at_p0, mut at_p1) = (Vec::new(), Vec::new());
    for (layer, mask) in consumers {
        let path = format!("ahead/{layer}/#0");
        at_p0.push(field(format!("e of {layer}"), [p1, p0], &path, shape.output_len()));
        if mask == Mask::Known {
            at_p0.push(field(format!("c of {layer}"), [p2, p0], &path, shape.output_len()));
        }
        let path = format!("ahead/{layer} setup");
        at_p1.push(field(format!("D of {layer}"), [p0, p1], &path, shape.weight_len()));
    }
    assert_uniform(&at_p0, "P0");
    assert_uniform(&at_p1, "P1");
}

/// A linear result whose mask P1 knows, which three gadgets open.
#[test]
fn a_value_may_be_opened_as_often_as_it_is_used() {
    let gate = Gate::new(Width::new(12), 11, 3, Width::new(12));
    let functions: [(&str, &dyn Function); 3] =
        [("relu", &Relu), ("truncation", &Truncation), ("relu again", &Relu)];
    let (u, v) = halves(-100, COUNT);
    let world = world();
    let outcome = world.run(|session| {
        for (layer, function) in functions {
            match session.role() {
                Role::CryptoProducer => {
                    session.produce(layer, |ctx| gadget::produce(ctx, function, &gate, &v))?;
                }
                Role::ModelOwner => {
                    let (material, _) = session.serve(Stage::Ahead, 0, layer, |ctx| {
                        gadget::collect(ctx, function, &gate, COUNT, Take::Ahead)
                    })?;
                    session.serve(Stage::Online, 0, layer, |ctx| {
                        gadget::serve(ctx, function, &gate, material, &u)
                    })?;
                }
                Role::DataOwner => {
                    let prepare = |ctx: &mut Client<'_>| gadget::prepare(ctx, COUNT);
                    let (material, _) = session.query(Stage::Ahead, 0, layer, prepare)?;
                    session.query(Stage::Online, 0, layer, |ctx| {
                        gadget::answer(ctx, function, &gate, material)
                    })?;
                }
            }
        }
        Ok(())
    });
    outcome.results.into_iter().for_each(|result| result.unwrap());
    for see in [Gadget::seen_by_p0, Gadget::seen_by_p1, Gadget::drawn_by_p1] {
        let fields = functions.into_iter().flat_map(|(layer, function)| {
            let mut fields = see(&Gadget {
                world: &world,
                records: &outcome.records,
                layer,
                function,
                gate,
                count: COUNT,
                chunk: CHUNK,
            });
            fields.retain(|field| !field.name.starts_with("table"));
            fields
        });
        assert_uniform(&fields.collect::<Vec<_>>(), "three gadgets");
    }
}

#[test]
fn the_input_is_uniform_and_the_output_is_the_result() {
    let width = Width::new(33);
    let x = vec![3 << 12; COUNT];
    let outcome = world().run(|session| match session.role() {
        Role::CryptoProducer => {
            session.produce("input", |ctx: &mut Producer<'_>| Ok(reveal::produce_input(ctx, COUNT)))
        }
        Role::ModelOwner => {
            let receive = |ctx: &mut Server<'_>| reveal::receive_input(ctx, width, COUNT);
            let (z, depth) = session.serve(Stage::Online, 0, "input", receive)?;
            let send = |ctx: &mut Server<'_>| reveal::send_output(ctx, width, &z);
            session.serve(Stage::Online, depth, "output", send)?;
            Ok(z)
        }
        Role::DataOwner => {
            let prepare = |ctx: &mut Client<'_>| Ok(reveal::prepare_input(ctx, COUNT));
            let (r, _) = session.query(Stage::Ahead, 0, "input", prepare)?;
            let send = |ctx: &mut Client<'_>| reveal::send_input(ctx, width, &x, &r);
            session.query(Stage::Online, 0, "input", send)?;
            let receive = |ctx: &mut Client<'_>| reveal::receive_output(ctx, width, &r);
            let (got, _) = session.query(Stage::Online, 1, "output", receive)?;
            assert!(got.iter().all(|&got| got == 3 << 12));
            Ok(r)
        }
    });
    let [z, r, dealt] = outcome.results.map(|result| result.unwrap());
    assert_eq!(r, dealt);
    nothing_reaches_p2(&outcome.records);
    assert_uniform(&[Field::new("x - r", width.bits(), z.clone())], "P0");
    assert!(ring::add(&z, &r).into_iter().all(|x| width.reduce(x) == 3 << 12));
}

/// 64 bits at a time, nothing that travels is ever repeated: no stream is drawn from twice.
#[test]
fn no_word_travels_twice() {
    let gate = Gate::new(Width::new(64), 63, 0, Width::new(64));
    let (u, v) = halves(0, COUNT);
    let run = world().gadget(&Spline::relu6(64), &gate, &u, &v);
    let mut words: Vec<u64> = run
        .records
        .iter()
        .flat_map(|record| record.message.payload.as_chunks().0)
        .map(|word| u64::from_le_bytes(*word))
        .collect();
    let count = words.len();
    assert!(count > 1 << 19);
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), count);
}

#[test]
fn the_uniformity_check_can_fail() {
    let random = |seed| protocols::test_world::words_for_tests(seed, COUNT);
    let (a, b) = (random(1), random(2));
    let sum = ring::add(&a, &b);
    let fields = |c: Vec<u64>| {
        let fields = [("a", a.clone()), ("b", b.clone()), ("c", c)];
        worst(&fields.map(|(name, values)| Field::new(name, 16, values))).0
    };
    assert!(fields(random(3)) < LIMIT);
    // Three fields that depend on each other, any two of which do not.
    assert!(fields(sum) > LIMIT);
    // One that misses one number of 64.
    let biased = random(4).into_iter().map(|c| if c & 0xfc00 == 0x1c00 { c ^ 0x400 } else { c });
    assert!(fields(biased.collect()) > LIMIT);
}

fn world() -> TestWorld {
    TestWorld::new(2026).record().options(SessionOptions { chunk: CHUNK, window: 3 })
}

/// Halves that are no more random than their values.
fn halves(y: i64, count: usize) -> (Vec<u64>, Vec<u64>) {
    (vec![U; count], vec![y.cast_unsigned().wrapping_sub(U); count])
}

/// Runs a function on equal values and checks everybody's view of it.
fn check(function: &dyn Function, gate: Gate, y: i64) {
    check_of([function; 3], gate, y);
}

/// As [`check`], the function being what each party knows of it.
fn check_of(functions: [&dyn Function; 3], gate: Gate, y: i64) {
    let [function, ..] = functions;
    let (u, v) = halves(y, COUNT);
    let world = world();
    let run = world.gadget_of(functions, &gate, &u, &v);
    nothing_reaches_p2(&run.records);
    let records = &run.records;
    let seen = Gadget {
        world: &world,
        records,
        layer: "layer",
        function,
        gate,
        count: COUNT,
        chunk: CHUNK,
    };
    let name = format!("{} of {y} at {gate:?}", function.name());
    assert_uniform(&seen.seen_by_p0(), &format!("{name}, P0"));
    let opened = seen.seen_by_p1();
    assert_uniform(&opened, &format!("{name}, P1"));
    let all: Vec<Field> = opened.into_iter().chain(seen.drawn_by_p1()).collect();
    assert_uniform(&all, &format!("{name}, P1 with what it drew"));
}

fn assert_uniform(fields: &[Field], what: &str) {
    let (deviation, place) = worst(fields);
    assert!(deviation < LIMIT, "{what}: {deviation} standard deviations at {place}");
}

fn nothing_reaches_p2(records: &[Record]) {
    assert!(!records.is_empty());
    assert!(records.iter().all(|record| record.link.to != Role::CryptoProducer));
}
