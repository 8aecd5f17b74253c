//! The laws of the securenn suite.

use std::collections::BTreeMap;

use fixedpoint::{
    packing::{PACKED_VALUE_BYTES, unpack_digits},
    prime::{DIGITS, P},
    truncation,
};
use protocols::{
    Role, SessionOptions, Share,
    samples::Sample,
    securenn::Elementwise,
    test_world::{LayerOutcome, TestWorld, share_for_tests, words_for_tests},
    transport::recording::Record,
};

use crate::{
    assert_independent,
    uniformity::{LIMIT, deviation},
};

type Function = Sample<dyn Elementwise>;

/// Values of a view, all equal.
const COUNT: usize = 1 << 13;

/// On edges, corners and random values of the domain.
pub fn equals_its_ideal(function: &Function) {
    check(&TestWorld::new(1), function, &values(function, 3000));
}

/// To the byte, the phase and the critical path; and as published, but for the packing of digits.
pub fn costs_what_is_predicted(function: &Function) {
    for count in [1, 63, 64, 65, 2049] {
        check(&TestWorld::new(2), function, &values(function, count));
    }
    let (cost, paper) = (function.plain.cost(640), function.plain.paper(640.0));
    assert_eq!(cost.rounds(), paper.rounds, "{}", function.name);
    let bits = 8.0 * cost.bytes() as f64;
    assert!((paper.bits - 1e-3..=1.01 * paper.bits).contains(&bits), "{}: {bits}", function.name);
}

/// A chunk that is one lane, and many lanes of few values.
pub fn agrees_in_lanes_of_every_size(function: &Function) {
    for (chunk, window, count) in [(64, 1, 130), (64, 3, 700), (1024, 2, 1025), (4096, 8, 5000)] {
        let world = TestWorld::new(3).options(SessionOptions { chunk, window });
        check(&world, function, &values(function, count));
    }
}

/// Where other implementations go silently wrong.
pub fn is_right_beyond_65536_values(function: &Function) {
    check(&TestWorld::new(4), function, &values(function, 65_537));
}

/// On equal values with equal shares everything that a party receives is uniform; P2 receives what
/// DReLUs send it and nothing else.
pub fn shows_uniform_views(function: &Function) {
    if is_local(function) {
        return;
    }
    let (low, high) = function.plain.domain();
    for value in [low, 0, high] {
        let value = value.cast_unsigned();
        // No more random than the value.
        let shares = [12_345, value.wrapping_sub(12_345)].map(|word| Share::new(vec![word; COUNT]));
        let options = SessionOptions { chunk: 4096, window: 3 };
        let world = TestWorld::new(2026).record().options(options);
        let run = run(&world, function, &shares);
        let lanes = check_seen_by_p2(&run.records);
        check_uniform(&run.records, &lanes);
        if !lanes.is_empty() {
            check_compare_sums(&run.records);
        }
    }
}

/// P1, who learns a result, has a share of it that is uniform whatever the result is.
pub fn hides_masks_within_bounds(function: &Function) {
    let (low, high) = function.plain.domain();
    [low, -5, 0, high].into_iter().for_each(|value| check_own_share(function, value));
}

/// The same where truncations fail because a value is too large.
pub fn hides_masks_out_of_bounds(function: &Function) {
    [1 << 61, -(1 << 60), 1 << 55].into_iter().for_each(|value| check_own_share(function, value));
}

/// Whether nothing travels, so that there is nothing to see and nothing is masked anew.
fn is_local(function: &Function) -> bool {
    function.plain.cost(COUNT).bytes() == 0
}

fn check_own_share(function: &Function, value: i64) {
    if is_local(function) {
        return;
    }
    let shares = share_for_tests(5, &[value.cast_unsigned(); COUNT]);
    let run = run(&TestWorld::new(6), function, &shares);
    // What a truncation leaves of a share has so many bits less.
    let mut cut = 0;
    function.plain.ideal_with(&[0], &mut |product, bits| {
        cut = bits;
        truncation::floor_shift(product, bits)
    });
    let own: Vec<u64> = run.shares[1].words().iter().map(|word| word << cut >> 58).collect();
    assert_independent(&run.open(), &own, &format!("{} of {value}", function.name));
}

/// Checks the results of a batch, coins included, and what was sent.
fn check(world: &TestWorld, function: &Function, x: &[u64]) {
    let run = run(world, function, &share_for_tests(7, x));
    let possible = possible_results(function, x);
    for (place, got) in run.open().into_iter().enumerate() {
        let mut due = possible.iter().map(|results| results[place]);
        let (name, x) = (&function.name, x[place].cast_signed());
        assert!(due.any(|due| due == got), "{name} of {x} gives {}", got.cast_signed());
    }
    run.assert_cost(&function.plain.cost(x.len()));
}

fn run(world: &TestWorld, function: &Function, shares: &[Share; 2]) -> LayerOutcome<Share> {
    let [.., p2] = &function.parties;
    world.layer(
        |ctx| {
            let party = ctx.party().index();
            function.parties[party].evaluate(ctx, &shares[party])
        },
        |ctx| p2.deal(ctx, shares[0].len()),
    )
}

/// The results of all values for each way in which the coins of a value may fall: none falls where
/// nothing is cut off.
fn possible_results(function: &Function, x: &[u64]) -> Vec<Vec<u64>> {
    let truncations = function.plain.truncations();
    let results = |coins: u64| {
        let mut calls = 0;
        let results = function.plain.ideal_with(x, &mut |product, bits| {
            let coin = coins >> (calls / x.len()) & 1;
            calls += 1;
            let exact = product & ((1 << bits) - 1) == 0;
            truncation::floor_shift(product, bits).wrapping_add(if exact { 0 } else { coin })
        });
        assert_eq!(calls, x.len() * truncations as usize, "truncations of {}", function.name);
        results
    };
    assert_eq!(results(0), function.plain.ideal(x));
    (0..1 << truncations).map(results).collect()
}

/// Edges of the domain and corners, then random values, small ones as often as large ones.
fn values(function: &Function, count: usize) -> Vec<u64> {
    let (low, high) = function.plain.domain();
    let corners = function.corners.iter().chain(&[0]);
    let near = corners.flat_map(|corner| [-2, -1, 0, 1, 2].map(|more| corner + more));
    let edges = [low, high, low + 1, high - 1].into_iter().chain(near);
    // Arithmetic shifts: magnitudes of all numbers of bits that the domain has.
    let bits = u64::from((high + 1).ilog2());
    let random = words_for_tests(8, count).into_iter();
    let random = random.map(|word| word.cast_signed() >> (63 - bits + word % bits));
    let values = edges.chain(random).map(|value| value.clamp(low, high).cast_unsigned());
    values.take(count).collect()
}

/// The step with its lane left out: `layer/#3/drelu` is `drelu`.
fn place(record: &Record) -> String {
    let parts = record.path.split('/').skip(1).filter(|part| !part.starts_with('#'));
    parts.collect::<Vec<_>>().join("/")
}

/// Where in a step's path a DReLU begins, if it is a part of one.
fn drelu_of(path: &str) -> Option<&str> {
    let at = path.find("share_convert").or_else(|| path.find("compute_msb"))?;
    Some(&path[..at])
}

/// Checks that P2 receives in each DReLU its 8 bytes and twice 49 bytes a value from both
/// evaluators, and nothing elsewhere. Gives the values of each.
fn check_seen_by_p2(records: &[Record]) -> BTreeMap<String, usize> {
    let mut seen: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.link.to == Role::CryptoProducer) {
        let drelu = drelu_of(&record.path).unwrap_or_else(|| panic!("P2 in {}", record.path));
        let step = &record.path[drelu.len()..];
        let steps = seen.entry(drelu.to_owned()).or_default();
        *steps.entry(step).or_default() += record.message.payload.len();
    }
    let values = |(drelu, steps): (String, BTreeMap<&str, usize>)| {
        let values = steps["share_convert"] / 16;
        let packed = 2 * PACKED_VALUE_BYTES * values;
        let due = [
            ("compute_msb/private_compare", packed),
            ("share_convert", 16 * values),
            ("share_convert/private_compare", packed),
        ];
        assert_eq!(steps, BTreeMap::from(due), "{drelu}");
        (drelu, values)
    };
    seen.into_iter().map(values).collect()
}

/// Everything received is uniform: digits over 0..67, words in each of their bytes.
fn check_uniform(records: &[Record], lanes: &BTreeMap<String, usize>) {
    let mut digits: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut bytes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in records {
        let payload = &record.message.payload;
        let name = format!("{} {} phase {}", place(record), record.link, record.message.phase);
        let values = drelu_of(&record.path).map_or(0, |drelu| lanes[drelu]);
        if values > 0 && payload.len() == PACKED_VALUE_BYTES * values {
            let bins = digits.entry(name).or_insert_with(|| vec![0; P as usize]);
            unpack(payload).into_iter().for_each(|digit| bins[digit as usize] += 1);
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

/// The sum of the two messages of each private comparison: a fair coin whether it holds a zero, the
/// zero's place uniform, all other entries uniform units.
fn check_compare_sums(records: &[Record]) {
    let to_p2 = |from| {
        let compares = records
            .iter()
            .filter(|record| record.link.from == from && record.path.ends_with("/private_compare"));
        let messages: BTreeMap<&str, Vec<u8>> =
            compares.map(|record| (&*record.path, unpack(&record.message.payload))).collect();
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

fn unpack(payload: &[u8]) -> Vec<u8> {
    let mut digits = vec![0; payload.len() / PACKED_VALUE_BYTES * DIGITS];
    unpack_digits(payload, &mut digits).expect("well-formed digits");
    digits
}
