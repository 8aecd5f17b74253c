//! The results of a gadget, coin included: P0's u and q, which decide it, follow from the test
//! seed.

use protocols::{
    Role, SessionOptions,
    dealer::{Function, Gate, gadget},
    test_world::{TestWorld, words_for_tests},
};

use super::view::chunks;

/// (l, k, s) of the specification, whole words, no cut, and the narrowest that there is; with the
/// last but three no bit is left for msb(tau).
pub(crate) const GATES: [(u32, u32, u32); 9] = [
    (32, 28, 10),
    (33, 32, 12),
    (40, 32, 12),
    (64, 40, 16),
    (64, 52, 20),
    (64, 63, 0),
    (23, 22, 0),
    (7, 6, 1),
    (3, 2, 0),
];

/// Runs a function, as each party knows it, on values; checks the results and what was sent.
pub(crate) fn check_values(
    functions: [&dyn Function; 3],
    gate: &Gate,
    options: SessionOptions,
    y: &[i64],
) {
    let [plain, ..] = functions;
    let (u, v) = halves(y);
    let world = TestWorld::new(11).options(options);
    let run = world.gadget_of(functions, gate, &u, &v);
    let due = exact_results(&world, options.chunk, plain, gate, y);
    for ((got, due), y) in run.open(gate).into_iter().zip(due).zip(y) {
        assert_eq!(got, due, "{} of {y} at {gate:?}", plain.name());
    }
    run.assert_cost(&gadget::cost(plain, gate, y.len()));
}

/// A function's domain at a gate, as far as its results fit their ring where a value is a factor
/// `degree` times.
pub(crate) fn domain(function: &dyn Function, degree: u32, gate: &Gate) -> (i64, i64) {
    let (low, high) = function.domain(gate);
    if degree == 1 {
        return (low, high);
    }
    let unit = 1i64 << gate.shift();
    let limit = unit << ((gate.out().bits() - 2) / degree).min(40 - gate.shift());
    (low.max(-limit), high.min(limit - unit))
}

/// A third edges, a third around 0, a third anywhere in the domain.
pub(crate) fn values(function: &dyn Function, degree: u32, gate: &Gate, count: usize) -> Vec<i64> {
    let unit = 1i64 << gate.shift();
    let (low, high) = domain(function, degree, gate);
    let corners = function.points().into_iter().chain([0]);
    let near = corners.flat_map(|corner| {
        let units = [-1, 0, 1].map(|units| (corner + units) * unit);
        units.into_iter().flat_map(|near| [near - 1, near, near + 1])
    });
    let edges = [low, low + 1, low + unit - 1, low + unit, high - unit, high - 1, high];
    let edges: Vec<i64> = edges.into_iter().chain(near).map(|edge| edge.clamp(low, high)).collect();
    let span = (high - low).cast_unsigned() + 1;
    let value = |(place, word): (usize, u64)| match place % 3 {
        0 => edges[word as usize % edges.len()],
        1 => ((word % (8 * unit.cast_unsigned())).cast_signed() - 4 * unit).clamp(low, high),
        _ => low.wrapping_add((word % span).cast_signed()),
    };
    words_for_tests(78, count).into_iter().enumerate().map(value).collect()
}

/// y - v and v, for random v.
pub(crate) fn halves(y: &[i64]) -> (Vec<u64>, Vec<u64>) {
    let v = words_for_tests(77, y.len());
    let u = y.iter().zip(&v).map(|(y, v)| y.cast_unsigned().wrapping_sub(*v)).collect();
    (u, v)
}

/// The function's results in the ring of the gate, for the coins that P0's u and q decide.
fn exact_results(
    world: &TestWorld,
    chunk: usize,
    function: &dyn Function,
    gate: &Gate,
    y: &[i64],
) -> Vec<i64> {
    let (u, _) = halves(y);
    let lanes = chunks(u.len(), chunk).into_iter().enumerate();
    let q = lanes.flat_map(|(lane, range)| {
        let step = format!("ahead/layer/#{lane}/open");
        world.stream(Role::ModelOwner, Role::CryptoProducer, &step).words(range.len())
    });
    let lost = (1u64 << gate.shift()) - 1;
    let result = |(place, ((&y, u), q)): (usize, ((&i64, u64), u64))| {
        let u0 = u.wrapping_add(q).wrapping_add(1 << (gate.bound() - 1)) & lost;
        let ideal = function.ideal(place, gate.truncated(y, u0));
        gate.out().signed(ideal.cast_unsigned())
    };
    y.iter().zip(u).zip(q).enumerate().map(result).collect()
}
