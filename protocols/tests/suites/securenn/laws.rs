//! The laws of the securenn suite.

use fixedpoint::truncation;
use protocols::{
    SessionOptions, Share,
    samples::Sample,
    securenn::Elementwise,
    test_world::{LayerOutcome, TestWorld, share_for_tests, words_for_tests},
};

use super::view::check_view;
use crate::assert_independent;

type Function = Sample<dyn Elementwise>;

/// Values of a view, all equal.
const COUNT: usize = 1 << 13;

/// On edges, corners and random values of the domain.
pub(crate) fn equals_its_ideal(function: &Function) {
    check(&TestWorld::new(1), function, &values(function, 3000));
}

/// To the byte, the phase and the critical path; and as published, but for the packing of digits.
pub(crate) fn costs_what_is_predicted(function: &Function) {
    for count in [1, 63, 64, 65, 2049] {
        check(&TestWorld::new(2), function, &values(function, count));
    }
    let (cost, paper) = (function.plain.cost(640), function.plain.paper(640.0));
    assert_eq!(cost.rounds(), paper.rounds, "{}", function.name);
    let bits = 8.0 * cost.bytes() as f64;
    assert!((paper.bits - 1e-3..=1.01 * paper.bits).contains(&bits), "{}: {bits}", function.name);
}

/// A chunk that is one lane, and many lanes of few values.
pub(crate) fn agrees_in_lanes_of_every_size(function: &Function) {
    for (chunk, window, count) in [(64, 1, 130), (64, 3, 700), (1024, 2, 1025), (4096, 8, 5000)] {
        let world = TestWorld::new(3).options(SessionOptions { chunk, window });
        check(&world, function, &values(function, count));
    }
}

/// Where other implementations go silently wrong.
pub(crate) fn is_right_beyond_65536_values(function: &Function) {
    check(&TestWorld::new(4), function, &values(function, 65_537));
}

/// On equal values with equal shares everything that a party receives is uniform; P2 receives what
/// DReLUs send it and nothing else.
pub(crate) fn shows_uniform_views(function: &Function) {
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
        check_view(&run.records);
    }
}

/// P1, who learns a result, has a share of it that is uniform whatever the result is.
pub(crate) fn hides_masks_within_bounds(function: &Function) {
    let (low, high) = function.plain.domain();
    [low, -5, 0, high].into_iter().for_each(|value| check_own_share(function, value));
}

/// The same where truncations fail because a value is too large.
pub(crate) fn hides_masks_out_of_bounds(function: &Function) {
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
