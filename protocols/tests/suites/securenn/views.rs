//! What each party receives: on fixed inputs and fixed shares everything is uniform, and P2 receives
//! what the message tables allow and nothing else.

use std::collections::BTreeMap;

use crate::uniformity::{LIMIT, deviation};
use fixedpoint::{
    Padding, Side,
    conv::ConvShape,
    encoding::FixedPoint,
    packing::{PACKED_VALUE_BYTES, unpack_digits},
    pool::PoolShape,
    prime::{DIGITS, P},
};
use protocols::{
    Dealer, Error, Evaluator, Result, Role, SessionOptions, Share,
    securenn::{
        conv, drelu, leaky_relu, maxpool,
        polynomial::{self, PolynomialShape},
        relu, relu6, spline,
    },
    spline::Spline,
    test_world::{Fate, LayerOutcome, TestWorld},
    transport::recording::Record,
};

/// Values of each element-wise run, all equal.
const COUNT: usize = 20_000;

#[test]
fn relu_views_are_uniform() {
    for value in [0, 1, 5u64.wrapping_neg(), (1 << 62) - 1] {
        let run = elementwise(value, relu::evaluate, |ctx| relu::deal(ctx, COUNT));
        check_uniform(&run.records, COUNT);
        check_compare_sums(&run.records);
        assert_eq!(received_by_p2(&run.records), drelu_view("drelu", COUNT));
    }
}

#[test]
fn drelu_views_are_uniform() {
    let run = elementwise(7, drelu::evaluate, |ctx| drelu::deal(ctx, COUNT));
    check_uniform(&run.records, COUNT);
    check_compare_sums(&run.records);
    let bare = drelu_view("", COUNT);
    assert_eq!(received_by_p2(&run.records), bare);
}

#[test]
fn leaky_relu_and_relu6_views_are_uniform() {
    let fixed = FixedPoint::default();
    let evaluate = |ctx: &mut Evaluator<'_>, x: &Share| {
        leaky_relu::evaluate(ctx, x, leaky_relu::SLOPE, &fixed)
    };
    let run = elementwise(11, evaluate, |ctx| leaky_relu::deal(ctx, COUNT));
    check_uniform(&run.records, COUNT);
    assert_eq!(received_by_p2(&run.records), drelu_view("drelu", COUNT));

    let evaluate = |ctx: &mut Evaluator<'_>, x: &Share| relu6::evaluate(ctx, x, &fixed);
    let run = elementwise(11, evaluate, |ctx| relu6::deal(ctx, COUNT));
    check_uniform(&run.records, COUNT);
    check_compare_sums(&run.records);
    let mut expected = drelu_view("drelu_six", COUNT);
    expected.extend(drelu_view("drelu", COUNT));
    assert_eq!(received_by_p2(&run.records), expected);
}

#[test]
fn polynomial_views_are_uniform_and_p2_receives_nothing() {
    let fixed = FixedPoint::default();
    for degree in 1..=3 {
        let shape = PolynomialShape { degree, channels: 2, plane: 50 };
        let (c, c0) = (fixed_shares(9, 2 * degree), fixed_shares(0, 2));
        let evaluate = |ctx: &mut Evaluator<'_>, x: &Share| {
            polynomial::evaluate(ctx, &shape, own(ctx, &c), own(ctx, &c0), x, &fixed)
        };
        let run = elementwise(5, evaluate, |ctx| polynomial::deal(ctx, &shape, COUNT));
        check_uniform(&run.records, 0);
        assert!(received_by_p2(&run.records).is_empty());
    }
}

#[test]
fn spline_views_are_uniform() {
    let sigmoid = Spline::sigmoid(13, 12);
    let evaluate = |ctx: &mut Evaluator<'_>, x: &Share| spline::evaluate(ctx, &sigmoid, x);
    let run = elementwise(11, evaluate, |ctx| spline::deal(ctx, &sigmoid, COUNT));
    let relus = sigmoid.knots().len() * COUNT;
    check_uniform(&run.records, relus);
    check_compare_sums(&run.records);
    assert_eq!(received_by_p2(&run.records), drelu_view("drelu", relus));
}

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
    check_uniform(&run.records, shape.output_len());
    check_compare_sums(&run.records);
    let steps = ["1/drelu", "2/drelu", "3/drelu"];
    let expected =
        steps.into_iter().flat_map(|step| drelu_view(step, shape.output_len())).collect();
    assert_eq!(received_by_p2(&run.records), expected);
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
    check_uniform(&run.records, 0);
    assert!(received_by_p2(&run.records).is_empty());
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
                match message.step.path().ends_with("#1/drelu/share_convert/private_compare") {
                    true => damage(&mut message.payload),
                    false => Fate::Deliver,
                }
            });
        let shares = fixed_shares(1, COUNT);
        let outcome = world.run(|session| match session.role() {
            Role::CryptoProducer => session.deal("layer", |ctx| relu::deal(ctx, COUNT)),
            _ => {
                session.evaluate("layer", |ctx| relu::evaluate(ctx, own(ctx, &shares))).map(|_| ())
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
        Role::CryptoProducer => session.deal("layer", |ctx| drelu::deal(ctx, 10)),
        _ => session.evaluate("layer", |ctx| drelu::evaluate(ctx, own(ctx, &shares))).map(|_| ()),
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

fn elementwise(
    value: u64,
    evaluate: impl Fn(&mut Evaluator<'_>, &Share) -> Result<Share> + Sync,
    deal: impl Fn(&mut Dealer<'_>) -> Result<()> + Sync,
) -> LayerOutcome<Share> {
    let shares = fixed_shares(value, COUNT);
    world().layer(|ctx| evaluate(ctx, own(ctx, &shares)), deal)
}

/// Shares that are no more random than their values.
fn fixed_shares(value: u64, count: usize) -> [Share; 2] {
    [vec![12_345; count], vec![value.wrapping_sub(12_345); count]].map(Share::new)
}

fn own<'a>(ctx: &Evaluator<'_>, shares: &'a [Share; 2]) -> &'a Share {
    &shares[if ctx.side() == Side::Zero { 0 } else { 1 }]
}

/// The step with its lane left out: `layer/#3/drelu` is `drelu`.
fn place(record: &Record) -> String {
    let parts: Vec<&str> =
        record.path.split('/').skip(1).filter(|part| !part.starts_with('#')).collect();
    parts.join("/")
}

/// Bytes that P2 received, by step, phase within the layer left out.
fn received_by_p2(records: &[Record]) -> BTreeMap<String, usize> {
    let mut bytes = BTreeMap::new();
    for record in records.iter().filter(|record| record.link.to == Role::CryptoProducer) {
        *bytes.entry(place(record)).or_default() += record.message.payload.len();
    }
    bytes
}

/// What P2 receives in a DReLU of `count` values, from both evaluators.
fn drelu_view(prefix: &str, count: usize) -> BTreeMap<String, usize> {
    let steps = [
        ("share_convert", 8),
        ("share_convert/private_compare", PACKED_VALUE_BYTES),
        ("compute_msb/private_compare", PACKED_VALUE_BYTES),
    ];
    let path = |step: &str| match prefix {
        "" => step.to_owned(),
        prefix => format!("{prefix}/{step}"),
    };
    steps.into_iter().map(|(step, bytes)| (path(step), 2 * bytes * count)).collect()
}

/// Everything received is uniform: digits over 0..67, words in each of their bytes. `count` is the
/// number of values, which tells digits (49 bytes a value) from words.
fn check_uniform(records: &[Record], count: usize) {
    let mut digits: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut bytes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in records {
        let payload = &record.message.payload;
        let name = format!("{} {} phase {}", place(record), record.link, record.message.phase);
        if is_digits(payload, count) {
            let bins = digits.entry(name).or_insert_with(|| vec![0; P as usize]);
            for digit in unpack(payload) {
                bins[digit as usize] += 1;
            }
        } else {
            for (position, byte) in payload.iter().enumerate() {
                let name = format!("{name} byte {}", position % 8);
                bytes.entry(name).or_insert_with(|| vec![0; 256])[*byte as usize] += 1;
            }
        }
    }
    assert!(!bytes.is_empty());
    for (name, counts) in digits.iter().chain(&bytes) {
        let deviation = deviation(counts);
        assert!(deviation < LIMIT, "{name}: {deviation} standard deviations");
    }
}

/// Per private comparison, the sum of the two messages: a fair coin whether it holds a zero, the
/// zero's place uniform, all other entries uniform units.
fn check_compare_sums(records: &[Record]) {
    let to_p2 = |from| {
        let mut messages: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for record in records {
            if record.link.from == from && record.path.ends_with("/private_compare") {
                messages.insert(&record.path, unpack(&record.message.payload));
            }
        }
        messages
    };
    let (zero, one) = (to_p2(Role::ModelOwner), to_p2(Role::DataOwner));
    assert!(!zero.is_empty() && zero.len() == one.len());
    let (mut units, mut places, mut found) = (vec![0; P as usize - 1], vec![0; DIGITS], [0; 2]);
    for (path, zero) in &zero {
        for (zero, one) in zero.chunks_exact(DIGITS).zip(one[path].chunks_exact(DIGITS)) {
            let sum: Vec<u8> = zero.iter().zip(one).map(|(a, b)| (a + b) % P).collect();
            sum.iter().filter(|&&d| d != 0).for_each(|&d| units[d as usize - 1] += 1);
            let zeros: Vec<usize> = (0..DIGITS).filter(|&i| sum[i] == 0).collect();
            assert!(zeros.len() <= 1, "at most one entry is zero");
            found[zeros.len()] += 1;
            zeros.iter().for_each(|&i| places[i] += 1);
        }
    }
    for counts in [&units[..], &places, &found] {
        assert!(deviation(counts) < LIMIT, "{}", deviation(counts));
    }
}

fn is_digits(payload: &[u8], count: usize) -> bool {
    // Chunks are of one size but for the last, of at most 4096 values.
    let chunk = count.div_ceil(count.div_ceil(4096).max(1)).next_multiple_of(64).max(64);
    let last = count % chunk;
    [chunk, last].iter().any(|values| payload.len() == PACKED_VALUE_BYTES * values)
}

fn unpack(payload: &[u8]) -> Vec<u8> {
    let mut digits = vec![0; payload.len() / PACKED_VALUE_BYTES * DIGITS];
    unpack_digits(payload, &mut digits).expect("well-formed digits");
    digits
}
