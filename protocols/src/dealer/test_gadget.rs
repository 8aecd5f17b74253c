//! What the tests of all functions share: a layer on values held as u + v, against the ideal.

use fixedpoint::width::Width;

use super::{
    gadget::{self, Function},
    gate::Gate,
};
use crate::test_world::{TestWorld, words_for_tests};

/// (l, k, s) of the specification.
const GATES: [(u32, u32, u32); 6] =
    [(32, 28, 10), (33, 32, 12), (40, 32, 12), (64, 40, 16), (23, 22, 0), (7, 6, 1)];

/// Checks a function at all gates, its result having `extra` bits more than the values cut.
pub(crate) fn check(function: &dyn Function, extra: u32) {
    check_within(function, extra, |_| u64::MAX >> 2);
}

/// As [`check`], on values of which no truncated one is larger than `limit` of the result's ring.
pub(crate) fn check_within(function: &dyn Function, extra: u32, limit: impl Fn(u32) -> u64) {
    check_of([function; 3], extra, limit);
}

/// As [`check_within`], the function being what each party knows of it.
pub(crate) fn check_of(functions: [&dyn Function; 3], extra: u32, limit: impl Fn(u32) -> u64) {
    for (l, k, s) in GATES {
        // As wide as the values, wider, and as narrow as the results.
        for out in [l + extra, l + extra + 7, k - s + 1 + extra] {
            if out > 64 {
                continue;
            }
            let gate = Gate::new(Width::new(l), k, s, Width::new(out));
            let farthest = functions[0].points().into_iter().map(i64::unsigned_abs).max();
            if farthest.unwrap_or(0) > gate.half() / 4 {
                continue;
            }
            check_gate(functions, &gate, limit(out), 3000);
        }
    }
}

/// Checks a function at one gate.
pub(crate) fn check_gate(functions: [&dyn Function; 3], gate: &Gate, limit: u64, count: usize) {
    let [function, ..] = functions;
    let y = values(function, gate, limit, count);
    let v = words_for_tests(7, count);
    let u: Vec<u64> = y.iter().zip(&v).map(|(y, v)| y.cast_unsigned().wrapping_sub(*v)).collect();
    let run = TestWorld::new(8).gadget_of(functions, gate, &u, &v);
    let name = function.name();
    for (place, (&y, got)) in y.iter().zip(run.open(gate)).enumerate() {
        let ring = |t: i64| gate.out().signed(function.ideal(place, t).cast_unsigned());
        let floor = y >> gate.shift();
        let due = [ring(floor), ring(floor + 1)];
        let exact = y & ((1 << gate.shift()) - 1) == 0;
        assert!(
            got == due[0] || got == due[1] && !exact,
            "{name} {gate:?}: {y} gives {got}, not {due:?}"
        );
    }
    run.assert_cost(&gadget::cost(function, gate, count));
}

/// Edges of the domain and of the function, and random values.
fn values(function: &dyn Function, gate: &Gate, limit: u64, count: usize) -> Vec<i64> {
    let (mut low, mut high) = function.domain(gate);
    let unit = 1i64 << gate.shift();
    let points = function.points();
    let corners = if points.is_empty() { vec![0] } else { points };
    let limit = limit.min(u64::MAX >> 2 >> gate.shift()).cast_signed() * unit;
    (low, high) = (low.max(-limit), high.min(limit - unit));
    let edges = [low, low + 1, low + unit, -unit - 1, -unit, 1 - unit, -1, 0, 1, unit - 1, unit]
        .into_iter()
        .chain([high - 1, high - unit, high])
        .chain(corners.iter().flat_map(|corner| [-1, 0, 1, unit].map(|near| corner * unit + near)));
    let span = (high - low).cast_unsigned();
    let random = words_for_tests(9, count).into_iter().enumerate().map(|(place, word)| {
        match place % 3 {
            // Near where a sign is decided.
            0 => {
                let corner = corners[(word >> 32) as usize % corners.len()];
                (corner - 4 + (word % 8).cast_signed()) * unit + (word >> 40) as i64 % unit
            }
            _ => low + (word % span).cast_signed(),
        }
    });
    let values = edges.chain(random).map(|y| y.clamp(low, high));
    values.take(count).collect()
}
