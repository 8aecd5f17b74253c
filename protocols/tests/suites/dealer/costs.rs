//! Messages are as predicted, on every link, ahead and online, for odd sizes.

use fixedpoint::{Padding, conv::ConvShape, pool::PoolShape, width::Width};
use protocols::{
    Client, Cost, LayerMeasurement, Role, Server, Stage,
    dealer::{
        Function, Gate, Mask, Polynomial, Truncation, WeightKey,
        gadget::{self, Take},
        linear, maxpool, reveal,
    },
    prf::Seed,
    test_world::{TestWorld, polynomials_for_tests},
};

const COUNTS: [usize; 6] = [1, 7, 511, 512, 513, 2049];

#[test]
fn polynomials_cost_what_is_predicted_without_their_coefficients() {
    for (l, k, s, out) in [(33, 32, 12, 33), (40, 32, 12, 47), (33, 32, 12, 21)] {
        let gate = Gate::new(Width::new(l), k, s, Width::new(out));
        for degree in 1..=3 {
            let of = polynomials_for_tests(degree, 10, vec![1; 3 * degree], vec![1; 3]);
            for count in COUNTS.into_iter().chain([70_001]) {
                let values = vec![0; count];
                let functions = of.each_ref().map(|of| of as &dyn Function);
                let run = TestWorld::new(4).gadget_of(functions, &gate, &values, &values);
                let cost = gadget::cost(&Polynomial::shape(degree), &gate, count);
                assert_cost(&run.measurement, &cost);
                let links: Vec<u64> = cost.only_online().links().iter().map(|(_, b)| b).collect();
                let truncation = gadget::cost(&Truncation, &gate, count).only_online();
                assert_eq!(links, truncation.links().iter().map(|(_, b)| b).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn max_pools_cost_what_is_predicted() {
    let gate = Gate::new(Width::new(23), 22, 0, Width::new(23));
    for (side, window, stride) in [(2, (2, 2), 2), (7, (3, 3), 1), (45, (2, 2), 2), (80, (3, 2), 1)]
    {
        let shape = PoolShape {
            batch: 1,
            channels: 1,
            height: side,
            width: side,
            window,
            stride: (stride, stride),
            padding: Padding::default(),
        };
        let values = vec![0; shape.input_len()];
        let outcome = TestWorld::new(1).run(|session| match session.role() {
            Role::CryptoProducer => session
                .produce("layer", |ctx| maxpool::produce(ctx, &gate, &shape, &values))
                .map(drop),
            Role::ModelOwner => {
                let (tree, _) = session.serve(Stage::Ahead, 0, "layer", |ctx| {
                    maxpool::collect(ctx, &gate, &shape, Take::Ahead)
                })?;
                let serve =
                    |ctx: &mut Server<'_>| maxpool::serve(ctx, &gate, &shape, tree, &values);
                session.serve(Stage::Online, 0, "layer", serve).map(drop)
            }
            Role::DataOwner => {
                let prepare = |ctx: &mut Client<'_>| maxpool::prepare(ctx, &shape, None);
                let ((tree, _), _) = session.query(Stage::Ahead, 0, "layer", prepare)?;
                let answer = |ctx: &mut Client<'_>| maxpool::answer(ctx, &gate, tree);
                session.query(Stage::Online, 0, "layer", answer).map(drop)
            }
        });
        outcome.results.into_iter().for_each(|result| result.unwrap());
        assert_cost(&outcome.measurements[0], &maxpool::cost(&gate, &shape));
    }
}

#[test]
fn linear_layers_cost_what_is_predicted() {
    // Some of one message, some of several, a last one that is smaller, some with more results than
    // a message has.
    for (batch, side, outputs) in [(1, 1, 1), (7, 1, 13), (1000, 3, 9), (3, 150, 3), (129, 23, 1)] {
        let shape = ConvShape {
            batch,
            in_channels: 1,
            out_channels: outputs,
            height: side,
            width: side,
            kernel: (1, 1),
            stride: (1, 1),
            padding: Padding::default(),
            dilation: (1, 1),
            groups: 1,
        };
        for (mask, bits) in [(Mask::Hidden, 33), (Mask::Known, 41), (Mask::Known, 64)] {
            let width = Width::new(bits);
            let zeros = |count| vec![0; count];
            let outcome = TestWorld::new(2).run(|session| match session.role() {
                Role::CryptoProducer => session
                    .produce("layer", |ctx| {
                        let a = zeros(shape.weight_len());
                        linear::produce(ctx, &shape, width, mask, &a, &zeros(shape.input_len()))
                    })
                    .map(drop),
                Role::ModelOwner => {
                    let (key, weights) = (key(), zeros(shape.weight_len()));
                    session.serve(Stage::Ahead, 0, "setup", |ctx| {
                        linear::send_weights(ctx, &key, "layer", width, &weights)
                    })?;
                    let collect = |ctx: &mut Server<'_>| linear::collect(ctx, &shape, width, mask);
                    let (material, _) = session.serve(Stage::Ahead, 0, "layer", collect)?;
                    let z = zeros(shape.input_len());
                    let serve = |ctx: &mut Server<'_>| {
                        linear::serve(ctx, &shape, width, material, &weights, &[], &z)
                    };
                    session.serve(Stage::Online, 0, "layer", serve).map(drop)
                }
                Role::DataOwner => {
                    let (d, _) = session.query(Stage::Ahead, 0, "setup", |ctx| {
                        linear::receive_weights(ctx, width, shape.weight_len())
                    })?;
                    let r = zeros(shape.input_len());
                    let prepare =
                        |ctx: &mut Client<'_>| linear::prepare(ctx, &shape, width, mask, &d, &r);
                    session.query(Stage::Ahead, 0, "layer", prepare).map(drop)
                }
            });
            outcome.results.into_iter().for_each(|result| result.unwrap());
            let seen = |name| outcome.measurements.iter().find(|layer| layer.name == name).unwrap();
            assert_cost(seen("setup"), &linear::setup_cost(width, shape.weight_len()));
            assert_cost(seen("layer"), &linear::cost(&shape, width, mask));
        }
    }
}

#[test]
fn inputs_and_outputs_cost_what_is_predicted() {
    for count in COUNTS.into_iter().chain([70_001]) {
        let width = Width::new(33);
        let outcome = TestWorld::new(3).run(|session| {
            let values = vec![0; count];
            match session.role() {
                Role::CryptoProducer => Ok(()),
                Role::ModelOwner => {
                    session.serve(Stage::Online, 0, "input", |ctx| {
                        reveal::receive_input(ctx, width, count)
                    })?;
                    session
                        .serve(Stage::Online, 0, "output", |ctx| {
                            reveal::send_output(ctx, width, &values)
                        })
                        .map(drop)
                }
                Role::DataOwner => {
                    session.query(Stage::Online, 0, "input", |ctx| {
                        reveal::send_input(ctx, width, &values, &values)
                    })?;
                    session
                        .query(Stage::Online, 0, "output", |ctx| {
                            reveal::receive_output(ctx, width, &values)
                        })
                        .map(drop)
                }
            }
        });
        outcome.results.into_iter().for_each(|result| result.unwrap());
        let seen = |name| outcome.measurements.iter().find(|layer| layer.name == name).unwrap();
        assert_cost(seen("input"), &reveal::input_cost(width, count));
        assert_cost(seen("output"), &reveal::output_cost(width, count));
    }
}

fn assert_cost(seen: &LayerMeasurement, cost: &Cost) {
    assert_eq!(seen.sent, cost.links(), "{}", seen.name);
    assert_eq!(seen.received, cost.links(), "{}", seen.name);
    assert_eq!(seen.ahead, cost.ahead_links(), "{}", seen.name);
    assert_eq!((seen.rounds(), seen.depth), (cost.rounds(), cost.critical_path()));
}

fn key() -> WeightKey {
    WeightKey::new(Seed::from_bytes([3; 32]))
}
