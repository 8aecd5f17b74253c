//! A network with a layer of every kind: input, fully connected with a hidden mask, ReLU, fully
//! connected with a known mask, output.

use fixedpoint::{Padding, conv::ConvShape, width::Width};
use protocols::{
    Client, Producer, Result, Role, Server, Session, Stage,
    dealer::{
        Function, Gate, Mask, Relu, WeightKey,
        gadget::{self, Take},
        linear, reveal,
    },
    prf::Seed,
    test_world::{Outcome, TestWorld, words_for_tests},
};

/// Inputs, hidden values, outputs: five values of 33 or 41 bits leave bits unused in the last byte.
pub(crate) const SIZES: [usize; 3] = [3, 5, 3];

/// The gate of the hidden values.
pub(crate) fn gate() -> Gate {
    Gate::new(Width::new(33), 32, 12, Width::new(41))
}

/// The weights of both layers, small.
pub(crate) fn weights() -> [Vec<u64>; 2] {
    [fully_connected(SIZES[0], SIZES[1]), fully_connected(SIZES[1], SIZES[2])].map(|shape| {
        let words = words_for_tests(shape.in_channels as u64, shape.weight_len());
        words.into_iter().map(|word| (word % (1 << 13)).wrapping_sub(1 << 12)).collect()
    })
}

pub(crate) fn fully_connected(inputs: usize, outputs: usize) -> ConvShape {
    ConvShape {
        batch: 1,
        in_channels: inputs,
        out_channels: outputs,
        height: 1,
        width: 1,
        kernel: (1, 1),
        stride: (1, 1),
        padding: Padding::default(),
        dilation: (1, 1),
        groups: 1,
    }
}

/// The result, for the coins that the second layer's values had: each hidden value is one of two.
pub(crate) fn run(world: &TestWorld, x: &[u64]) -> Outcome<Vec<i64>> {
    world.run(|session| match session.role() {
        Role::ModelOwner => serve(session).map(|()| Vec::new()),
        Role::DataOwner => query(session, x),
        Role::CryptoProducer => produce(session).map(|()| Vec::new()),
    })
}

/// The hidden values before their activation.
pub(crate) fn hidden(x: &[u64]) -> Vec<i64> {
    let y = fully_connected(SIZES[0], SIZES[1]).convolve(x, &weights()[0]);
    y.into_iter().map(u64::cast_signed).collect()
}

/// The outputs for these hidden values before their activation.
pub(crate) fn outputs(hidden: &[i64]) -> Vec<i64> {
    let words: Vec<u64> = hidden.iter().map(|t| Relu.ideal(0, *t).cast_unsigned()).collect();
    let y = fully_connected(SIZES[1], SIZES[2]).convolve(&words, &weights()[1]);
    y.into_iter().map(u64::cast_signed).collect()
}

fn key() -> WeightKey {
    WeightKey::new(Seed::from_bytes([3; 32]))
}

fn layers() -> [(&'static str, ConvShape, Width, Mask); 2] {
    [
        ("fc1", fully_connected(SIZES[0], SIZES[1]), gate().width(), Mask::Hidden),
        ("fc2", fully_connected(SIZES[1], SIZES[2]), gate().out(), Mask::Known),
    ]
}

fn produce(session: &Session) -> Result<()> {
    let (gate, [fc1, fc2]) = (gate(), layers());
    let layer = |(name, shape, width, mask): (&str, ConvShape, Width, Mask), r: &[u64]| {
        session.produce(name, |ctx| {
            let a = key().mask(name, shape.weight_len());
            linear::produce(ctx, &shape, width, mask, &a, r)
        })
    };
    let r = session
        .produce("input", |ctx: &mut Producer<'_>| Ok(reveal::produce_input(ctx, SIZES[0])))?;
    let v = layer(fc1, &r)?;
    let r = session.produce("relu", |ctx| gadget::produce(ctx, &Relu, &gate, &v))?;
    layer(fc2, &r).map(drop)
}

fn serve(session: &Session) -> Result<()> {
    let (gate, [fc1, fc2], weights) = (gate(), layers(), weights());
    for ((name, _, width, _), weights) in [fc1, fc2].into_iter().zip(&weights) {
        session.serve(Stage::Ahead, 0, &format!("{name} setup"), |ctx| {
            linear::send_weights(ctx, &key(), name, width, weights)
        })?;
    }
    let collect = |(name, shape, width, mask): (&str, ConvShape, Width, Mask)| {
        session.serve(Stage::Ahead, 0, name, |ctx| linear::collect(ctx, &shape, width, mask))
    };
    let (first, _) = collect(fc1)?;
    let (relu, _) = session.serve(Stage::Ahead, 0, "relu", |ctx| {
        gadget::collect(ctx, &Relu, &gate, SIZES[1], Take::Ahead)
    })?;
    let (second, _) = collect(fc2)?;

    let (z, depth) = session.serve(Stage::Online, 0, "input", |ctx: &mut Server<'_>| {
        reveal::receive_input(ctx, gate.width(), SIZES[0])
    })?;
    let (u, depth) = session.serve(Stage::Online, depth, "fc1", |ctx| {
        linear::serve(ctx, &fc1.1, fc1.2, first, &weights[0], &[], &z)
    })?;
    let (z, depth) = session
        .serve(Stage::Online, depth, "relu", |ctx| gadget::serve(ctx, &Relu, &gate, relu, &u))?;
    let (u, depth) = session.serve(Stage::Online, depth, "fc2", |ctx| {
        linear::serve(ctx, &fc2.1, fc2.2, second, &weights[1], &[], &z)
    })?;
    session
        .serve(Stage::Online, depth, "output", |ctx| reveal::send_output(ctx, gate.out(), &u))
        .map(drop)
}

fn query(session: &Session, x: &[u64]) -> Result<Vec<i64>> {
    let (gate, [fc1, fc2]) = (gate(), layers());
    let setup = |(name, shape, width, _): (&str, ConvShape, Width, Mask)| {
        session.query(Stage::Ahead, 0, &format!("{name} setup"), |ctx| {
            linear::receive_weights(ctx, width, shape.weight_len())
        })
    };
    let ((first, _), (second, _)) = (setup(fc1)?, setup(fc2)?);
    let prepare =
        |(name, shape, width, mask): (&str, ConvShape, Width, Mask), d: &[u64], r: &[u64]| {
            let prepare = |ctx: &mut Client<'_>| linear::prepare(ctx, &shape, width, mask, d, r);
            session.query(Stage::Ahead, 0, name, prepare)
        };
    let (r, _) =
        session.query(Stage::Ahead, 0, "input", |ctx| Ok(reveal::prepare_input(ctx, SIZES[0])))?;
    prepare(fc1, &first, &r)?;
    let (relu, _) = session.query(Stage::Ahead, 0, "relu", |ctx| gadget::prepare(ctx, SIZES[1]))?;
    let (v, _) = prepare(fc2, &second, relu.mask())?;

    let (_, depth) = session
        .query(Stage::Online, 0, "input", |ctx| reveal::send_input(ctx, gate.width(), x, &r))?;
    let (_, depth) = session
        .query(Stage::Online, depth, "relu", |ctx| gadget::answer(ctx, &Relu, &gate, relu))?;
    let output = |ctx: &mut Client<'_>| reveal::receive_output(ctx, gate.out(), &v);
    Ok(session.query(Stage::Online, depth, "output", output)?.0)
}
