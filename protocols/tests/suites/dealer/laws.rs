//! The laws of the dealer suite.

use fixedpoint::width::Width;
use protocols::{
    Role, SessionOptions,
    dealer::{self, Gate, gadget},
    samples::Sample,
    test_world::{GadgetOutcome, TestWorld},
};

use super::{
    exact::{GATES, check_values, domain, values},
    view::{Field, Gadget, worst},
};
use crate::{assert_independent, uniformity::LIMIT};

type Function = Sample<dyn dealer::Function>;

/// Values of a view, all equal.
const COUNT: usize = 1 << 15;

/// Values of a chunk in a view: several lanes.
const CHUNK: usize = 4096;

/// At every gate whose bound is above the corners; the coin included, which P0's u and q decide.
pub(crate) fn equals_its_ideal(function: &Function) {
    for gate in gates(function, &GATES) {
        check(function, &gate, SessionOptions::default(), 3000);
    }
}

/// To the byte, ahead and online, the phase and the critical path.
pub(crate) fn costs_what_is_predicted(function: &Function) {
    for gate in gates(function, &[(33, 32, 12), (40, 32, 12), (64, 40, 16)]) {
        for count in [1, 7, 511, 512, 513, 2049] {
            let zeros = vec![0; count];
            let run = TestWorld::new(4).gadget_of(parties(function), &gate, &zeros, &zeros);
            run.assert_cost(&gadget::cost(&*function.plain, &gate, count));
        }
    }
}

/// One lane and many.
pub(crate) fn agrees_in_lanes_of_every_size(function: &Function) {
    let gate = gate();
    for (chunk, count) in [(64, 1), (64, 1500), (512, 513), (1024, 2047), (4096, 9000)] {
        let options = SessionOptions { chunk, window: 3 };
        check(function, &gate, options, count);
    }
}

/// Where other implementations go silently wrong.
pub(crate) fn is_right_beyond_65536_values(function: &Function) {
    check(function, &gate(), SessionOptions::default(), 65_537);
}

/// On equal values with equal halves all that belongs to one value is uniform and independent, and
/// P2 receives nothing.
pub(crate) fn shows_uniform_views(function: &Function) {
    // Few bits, so that all that is opened of a value is looked at together, where the corners are
    // within the bound.
    let small = Gate::new(Width::new(12), 11, 3, Width::new(14));
    let wide = Gate::new(Width::new(33), 32, 12, Width::new(33));
    let gate = if has_corners_in_bounds(function, &small) { small } else { wide };
    let (low, high) = domain(&*function.plain, function.degree, &gate);
    let values = if gate == small { vec![low, 0, high] } else { vec![high] };
    for y in values {
        let (world, run) = view(function, &gate, y);
        assert!(run.records.iter().all(|record| record.link.to != Role::CryptoProducer));
        let seen = seen(function, &world, &run, &gate);
        let what = format!("{} of {y} at {gate:?}", function.name);
        assert_uniform(&seen.seen_by_p0(), &format!("{what}, P0"));
        let opened = seen.seen_by_p1();
        assert_uniform(&opened, &format!("{what}, P1"));
        let all: Vec<Field> = opened.into_iter().chain(seen.drawn_by_p1()).collect();
        assert_uniform(&all, &format!("{what}, P1 with what it drew"));
    }
}

/// P1, who may learn a result, was shown a T that is uniform whatever the result is.
pub(crate) fn hides_masks_within_bounds(function: &Function) {
    let (low, high) = domain(&*function.plain, function.degree, &gate());
    [low, -1, 0, high].into_iter().for_each(|y| check_opened(function, y));
}

/// The same where the identity that corrects a wraparound fails.
pub(crate) fn hides_masks_out_of_bounds(function: &Function) {
    let (low, high) = gate().domain();
    [high + high / 2, low + low / 2].into_iter().for_each(|y| check_opened(function, y));
}

fn check_opened(function: &Function, y: i64) {
    let gate = gate();
    let (world, run) = view(function, &gate, y);
    let [opened, ..] = &seen(function, &world, &run, &gate).seen_by_p1()[..] else {
        panic!("T is seen");
    };
    let top: Vec<u64> = opened.values.iter().map(|value| value >> (opened.bits - 6)).collect();
    let results: Vec<u64> = run.open(&gate).into_iter().map(i64::cast_unsigned).collect();
    assert_independent(&results, &top, &format!("{} of {y}", function.name));
}

/// Wide enough for most results, and for a wraparound of what is opened to show in them.
fn gate() -> Gate {
    Gate::new(Width::new(36), 32, 12, Width::new(48))
}

/// The gates of (l, k, s) whose results are as wide as the values, wider and as narrow as the
/// values cut, where the corners are within the bound.
fn gates(function: &Function, of: &[(u32, u32, u32)]) -> Vec<Gate> {
    let widths = |&(l, k, s): &(u32, u32, u32)| {
        [l, (l + 7).min(64), k - s + 1].map(|out| Gate::new(Width::new(l), k, s, Width::new(out)))
    };
    of.iter().flat_map(widths).filter(|gate| has_corners_in_bounds(function, gate)).collect()
}

/// Whether values around all corners are in the function's domain at a gate.
fn has_corners_in_bounds(function: &Function, gate: &Gate) -> bool {
    let (low, high) = function.plain.domain(gate);
    low <= 0 && high >= 0
}

/// On edges, corners and random values.
fn check(function: &Function, gate: &Gate, options: SessionOptions, count: usize) {
    let y = values(&*function.plain, function.degree, gate, count);
    check_values(parties(function), gate, options, &y);
}

fn parties(function: &Function) -> [&dyn dealer::Function; 3] {
    function.parties.each_ref().map(|party| &**party)
}

/// A run on values that are all alike, with halves that are no more random.
fn view(function: &Function, gate: &Gate, y: i64) -> (TestWorld, GadgetOutcome) {
    let (u, v) = (vec![12_345; COUNT], vec![y.cast_unsigned().wrapping_sub(12_345); COUNT]);
    let options = SessionOptions { chunk: CHUNK, window: 3 };
    let world = TestWorld::new(2026).record().options(options);
    let run = world.gadget_of(parties(function), gate, &u, &v);
    (world, run)
}

fn seen<'a>(
    function: &'a Function,
    world: &'a TestWorld,
    run: &'a GadgetOutcome,
    gate: &Gate,
) -> Gadget<'a> {
    Gadget {
        world,
        records: &run.records,
        layer: "layer",
        function: &*function.plain,
        gate: *gate,
        count: COUNT,
        chunk: CHUNK,
    }
}

fn assert_uniform(fields: &[Field], what: &str) {
    let (deviation, place) = worst(fields);
    assert!(deviation < LIMIT, "{what}: {deviation} standard deviations at {place}");
}
