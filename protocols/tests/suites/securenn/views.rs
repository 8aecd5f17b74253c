//! Views of the protocols that are no element-wise functions, and damaged messages.

use fixedpoint::{Padding, conv::ConvShape, pool::PoolShape};
use protocols::{
    Error, Evaluator, Role, SessionOptions, Share,
    securenn::{Drelu, Elementwise, Relu, conv, maxpool},
    test_world::{Fate, TestWorld},
};

use super::view::check_view;
use crate::uniformity::{LIMIT, deviation};

/// Values of each element-wise run, all equal.
const COUNT: usize = 20_000;

#[test]
fn maxpool_views_are_uniform() {
    let shape = PoolShape {
        batch: 1,
        channels: 1,
        height: 200,
        width: 200,
        window: (2, 2),
        stride: (2, 2),
        padding: Padding::default(),
    };
    let shares = fixed_shares(3, shape.input_len());
    let run = world().layer(
        |ctx| maxpool::evaluate(ctx, &shape, own(ctx, &shares)).map(|pooled| pooled.value),
        |ctx| maxpool::deal(ctx, &shape),
    );
    let drelus = check_view(&run.records);
    assert_eq!(drelus.values().sum::<usize>(), 3 * shape.output_len());
}

#[test]
fn convolution_views_are_uniform_and_p2_receives_nothing() {
    let shape = ConvShape {
        batch: 1,
        in_channels: 8,
        out_channels: 8,
        height: 40,
        width: 40,
        kernel: (3, 3),
        stride: (1, 1),
        padding: Padding { top: 1, left: 1, bottom: 1, right: 1 },
        dilation: (1, 1),
        groups: 1,
    };
    let (weights, input) =
        (fixed_shares(1, shape.weight_len()), fixed_shares(2, shape.input_len()));
    let run = world().layer(
        |ctx| conv::evaluate(ctx, &shape, own(ctx, &weights), own(ctx, &input)),
        |ctx| conv::deal(ctx, &shape),
    );
    assert!(check_view(&run.records).is_empty(), "P2 receives something");
}

#[test]
fn the_uniformity_check_can_fail() {
    assert!(deviation(&[1000; 256]) < 0.0);
    let mut counts = [1000; 256];
    counts[3] = 1800;
    assert!(deviation(&counts) > LIMIT);
}

#[test]
fn corrupted_and_lost_messages_end_every_party_with_an_error() {
    type Damage = fn(&mut Vec<u8>) -> Fate;
    let damages: [(&str, Damage); 3] = [
        ("lost", |_| Fate::Drop),
        ("cut short", |payload| {
            payload.pop();
            Fate::Deliver
        }),
        ("out of range", |payload| {
            payload.fill(0xFF);
            Fate::Deliver
        }),
    ];
    for (name, damage) in damages {
        let world =
            world().patience(std::time::Duration::from_secs(1)).intercept(move |_, message| {
                if message.step.path().ends_with("#1/drelu/share_convert/private_compare") {
                    damage(&mut message.payload)
                } else {
                    Fate::Deliver
                }
            });
        let shares = fixed_shares(1, COUNT);
        let outcome = world.run(|session| match session.role() {
            Role::CryptoProducer => session.deal("layer", |ctx| Relu.deal(ctx, COUNT)),
            Role::ModelOwner | Role::DataOwner => {
                session.evaluate("layer", |ctx| Relu.evaluate(ctx, own(ctx, &shares))).map(|_| ())
            }
        });
        for result in &outcome.results {
            assert!(result.is_err(), "{name}");
        }
        let at_p2 = outcome.results[2].clone().unwrap_err();
        let expected = match name {
            // Whoever waits in vain first leaves, and the others find it gone.
            "lost" => matches!(at_p2, Error::Timeout { .. } | Error::PeerLost { .. }),
            "cut short" => matches!(at_p2, Error::Length { .. }),
            _ => matches!(at_p2, Error::Malformed { .. }),
        };
        assert!(expected, "{name}: {at_p2}");
    }
}

#[test]
fn a_message_under_another_phase_is_an_error() {
    let world = world().intercept(|_, message| {
        message.phase += u16::from(message.step.path().ends_with("compute_msb"));
        Fate::Deliver
    });
    let shares = fixed_shares(1, 10);
    let outcome = world.run(|session| match session.role() {
        Role::CryptoProducer => session.deal("layer", |ctx| Drelu.deal(ctx, 10)),
        Role::ModelOwner | Role::DataOwner => {
            session.evaluate("layer", |ctx| Drelu.evaluate(ctx, own(ctx, &shares))).map(|_| ())
        }
    });
    assert!(
        outcome
            .results
            .iter()
            .any(|result| matches!(result, Err(Error::Phase { expected: 4, got: 5, .. })))
    );
}

fn world() -> TestWorld {
    TestWorld::new(2026).record().options(SessionOptions { chunk: 4096, window: 3 })
}

/// Shares that are no more random than their values.
fn fixed_shares(value: u64, count: usize) -> [Share; 2] {
    [vec![12_345; count], vec![value.wrapping_sub(12_345); count]].map(Share::new)
}

fn own<'a>(ctx: &Evaluator<'_>, shares: &'a [Share; 2]) -> &'a Share {
    &shares[ctx.side().index() as usize]
}
