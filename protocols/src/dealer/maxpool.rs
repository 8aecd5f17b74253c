//! Max pool: the largest value of each window, as a tree of max(a, b) = b + relu(a - b).
//!
//! ceil(log2 n) levels of [`super::gadget`] with [`Relu`], nothing being cut off (s = 0), for n
//! values a window; values without a partner move up a level. Sums and differences of halves are
//! local. Every difference that is opened has its own fresh mask, as every gadget's values have:
//! without it P1, who knows the masks of wires, would read the differences of a window's values.
//! Messages and simulation are those of the gadget.
//!
//! Domain: differences of a window's values are in the gate's. Padding counts as -2^(k-2): where
//! there is any, no value is below that, and none is 2^(k-2) or more.

use fixedpoint::{pool::PoolShape, ring};

use super::{
    gadget::{self, ClientMaterial, ServerMaterial, Take},
    gate::Gate,
    relu::Relu,
};
use crate::{
    context::{Client, Producer, Server},
    cost::Cost,
    error::Result,
};

/// Messages of a level.
const LEVEL_PHASES: u16 = 2;

/// Phases of a pooling layer.
pub(super) fn phases(shape: &PoolShape) -> u16 {
    LEVEL_PHASES * levels(shape.window_len()).len() as u16
}

/// P0's material for a pooling layer, before the query.
pub struct ServerTree<'s>(Vec<ServerMaterial<'s>>);

/// P1's material for a pooling layer, before the query.
pub struct ClientTree(Vec<ClientMaterial>);

impl ServerTree<'_> {
    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(ServerMaterial::bytes).sum()
    }
}

impl ClientTree {
    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(ClientMaterial::bytes).sum()
    }
}

/// Messages of a pooling layer.
///
/// # Panics
/// If the gate cuts bits off or its rings differ.
pub fn cost(gate: &Gate, shape: &PoolShape) -> Cost {
    check(gate);
    levels(shape.window_len()).into_iter().fold(Cost::none(), |cost, pairs| {
        let level = gadget::cost(&Relu, gate, pairs * shape.output_len());
        cost.then(level)
    })
}

/// P2, ahead: from its halves of the values, its halves of the largest ones.
///
/// # Errors
/// A transport error.
pub fn produce(ctx: &Producer<'_>, gate: &Gate, shape: &PoolShape, v: &[u64]) -> Result<Vec<u64>> {
    climb(columns(shape, v, 0), |level, lead| {
        gadget::produce(&ctx.narrow(&level.to_string(), 0), &Relu, gate, lead)
    })
}

/// P1, ahead: from its halves of the values, if it knows them, its halves of the largest ones.
///
/// # Errors
/// None but those of other lanes.
pub fn prepare(
    ctx: &Client<'_>,
    shape: &PoolShape,
    r: Option<&[u64]>,
) -> Result<(ClientTree, Option<Vec<u64>>)> {
    let mut tree = Vec::new();
    let mut prepare = |level: usize, count: usize| {
        let material = gadget::prepare(&ctx.narrow(&level.to_string(), 0), count)?;
        let mask = material.mask().to_vec();
        tree.push(material);
        Ok(mask)
    };
    let known = match r {
        Some(r) => Some(climb(columns(shape, r, 0), |level, lead| prepare(level, lead.len()))?),
        None => {
            for (level, pairs) in levels(shape.window_len()).into_iter().enumerate() {
                prepare(level, pairs * shape.output_len())?;
            }
            None
        }
    };
    Ok((ClientTree(tree), known))
}

/// P0, ahead: takes what P2 dealt, as [`gadget::collect`] does.
///
/// # Errors
/// A transport error.
pub fn collect<'s>(
    ctx: &Server<'s>,
    gate: &Gate,
    shape: &PoolShape,
    take: Take,
) -> Result<ServerTree<'s>> {
    let levels = levels(shape.window_len()).into_iter().enumerate();
    let collect = |(level, pairs): (usize, usize)| {
        let ctx = ctx.narrow(&level.to_string(), 0);
        gadget::collect(&ctx, &Relu, gate, pairs * shape.output_len(), take)
    };
    Ok(ServerTree(levels.map(collect).collect::<Result<_>>()?))
}

/// P0, online.
///
/// # Errors
/// As [`gadget::serve`].
pub fn serve(
    ctx: &Server<'_>,
    gate: &Gate,
    shape: &PoolShape,
    material: ServerTree<'_>,
    u: &[u64],
) -> Result<Vec<u64>> {
    let mut levels = material.0.into_iter();
    climb(columns(shape, u, padding(gate)), |level, lead| {
        let material = levels.next().expect("material for every level");
        let ctx = ctx.narrow(&level.to_string(), LEVEL_PHASES * level as u16);
        gadget::serve(&ctx, &Relu, gate, material, lead)
    })
}

/// P1, online.
///
/// # Errors
/// As [`gadget::answer`].
pub fn answer(ctx: &Client<'_>, gate: &Gate, material: ClientTree) -> Result<()> {
    for (level, material) in material.0.into_iter().enumerate() {
        let ctx = ctx.narrow(&level.to_string(), LEVEL_PHASES * level as u16);
        gadget::answer(&ctx, &Relu, gate, material)?;
    }
    Ok(())
}

/// The largest value of each window; padding is the smallest.
pub fn ideal(gate: &Gate, shape: &PoolShape, x: &[i64]) -> Vec<i64> {
    let words: Vec<u64> = x.iter().map(|x| x.cast_unsigned()).collect();
    let columns = columns(shape, &words, padding(gate));
    let largest = |output: usize| columns.iter().map(|column| column[output].cast_signed()).max();
    (0..shape.output_len()).map(|output| largest(output).expect("a window has values")).collect()
}

/// How many windows hold values that the gate is not exact for.
pub fn outside(gate: &Gate, shape: &PoolShape, x: &[i64]) -> usize {
    // No value is as low as this: it marks padding.
    const MARK: i64 = i64::MIN;
    let words: Vec<u64> = x.iter().map(|x| x.cast_unsigned()).collect();
    let columns = columns(shape, &words, MARK.cast_unsigned());
    let (padding, (_, most)) = (padding(gate).cast_signed(), gate.domain());
    let outside = |output: &usize| {
        let window = || columns.iter().map(|column| column[*output].cast_signed());
        let highest = window().max().expect("a window has values");
        let lowest = window().map(|x| if x == MARK { padding } else { x }).min();
        let padded = window().any(|x| x == MARK);
        highest - lowest.expect("a window has values") > most || padded && highest < padding
    };
    (0..shape.output_len()).filter(outside).count()
}

/// Checks that a level's results can be the next one's values.
///
/// # Panics
/// If the gate cuts bits off or its rings differ.
fn check(gate: &Gate) {
    assert!(gate.shift() == 0 && gate.width() == gate.out(), "{gate:?} is no gate of a tree");
}

fn padding(gate: &Gate) -> u64 {
    (1u64 << (gate.bound() - 2)).wrapping_neg()
}

/// How many pairs each level compares.
fn levels(window: usize) -> Vec<usize> {
    let mut pairs = Vec::new();
    let mut left = window;
    while left > 1 {
        pairs.push(left / 2);
        left = left.div_ceil(2);
    }
    pairs
}

/// For each place in a window the values there.
fn columns(shape: &PoolShape, values: &[u64], padding: u64) -> Vec<Vec<u64>> {
    let column = |place: usize| {
        let mut column = Vec::new();
        shape.gather(values, place, padding, &mut column);
        column
    };
    (0..shape.window_len()).map(column).collect()
}

/// Climbs the tree: `relu` gets each level's leads a - b, pair by pair, and gives the halves of
/// their positive parts.
fn climb(
    mut columns: Vec<Vec<u64>>,
    mut relu: impl FnMut(usize, &[u64]) -> Result<Vec<u64>>,
) -> Result<Vec<u64>> {
    let mut level = 0;
    while columns.len() > 1 {
        let leads: Vec<Vec<u64>> =
            columns.chunks_exact(2).map(|pair| ring::sub(&pair[0], &pair[1])).collect();
        let positive = relu(level, &leads.concat())?;
        let odd = (columns.len() % 2 == 1).then(|| columns.pop().expect("one is left"));
        let parts = positive.chunks_exact(positive.len().div_ceil(leads.len()).max(1));
        columns = columns
            .chunks_exact(2)
            .zip(parts)
            .map(|(pair, positive)| ring::add(&pair[1], positive))
            .chain(odd)
            .collect();
        level += 1;
    }
    Ok(columns.pop().expect("a window has values"))
}

#[cfg(test)]
mod tests {
    use fixedpoint::{Padding, width::Width};

    use super::*;
    use crate::{
        Role, Stage,
        test_world::{TestWorld, words_for_tests},
    };

    fn run(shape: &PoolShape, x: &[i64], known: bool) {
        let gate = Gate::new(Width::new(23), 22, 0, Width::new(23));
        let r = words_for_tests(3, x.len());
        let z: Vec<u64> =
            x.iter().zip(&r).map(|(x, r)| x.cast_unsigned().wrapping_sub(*r)).collect();
        let outcome = TestWorld::new(4).run(|session| match session.role() {
            Role::CryptoProducer => session.produce("pool", |ctx| produce(ctx, &gate, shape, &r)),
            Role::ModelOwner => {
                let (tree, _) = session.serve(Stage::Ahead, 0, "pool", |ctx| {
                    collect(ctx, &gate, shape, Take::WhenNeeded)
                })?;
                let run = |ctx: &mut Server<'_>| serve(ctx, &gate, shape, tree, &z);
                Ok(session.serve(Stage::Online, 0, "pool", run)?.0)
            }
            Role::DataOwner => {
                let ((tree, mask), _) = session.query(Stage::Ahead, 0, "pool", |ctx| {
                    prepare(ctx, shape, known.then_some(&r[..]))
                })?;
                session.query(Stage::Online, 0, "pool", |ctx| answer(ctx, &gate, tree))?;
                Ok(mask.unwrap_or_default())
            }
        });
        let [z, mask, r] = outcome.results.map(|result| result.unwrap());
        assert_eq!(mask, if known { r.clone() } else { vec![] });
        let got: Vec<i64> =
            ring::add(&z, &r).into_iter().map(|word| gate.width().signed(word)).collect();
        assert_eq!(got, ideal(&gate, shape, x));
        let cost = cost(&gate, shape);
        let seen = &outcome.measurements[0];
        assert_eq!((seen.sent, seen.ahead), (cost.links(), cost.ahead_links()));
        assert_eq!((seen.rounds(), seen.depth), (cost.rounds(), cost.critical_path()));
    }

    #[test]
    fn windows_outside_of_the_gate_are_counted() {
        let gate = Gate::new(Width::new(9), 8, 0, Width::new(9));
        let shape = |padding| PoolShape {
            batch: 1,
            channels: 1,
            height: 1,
            width: 4,
            window: (1, 2),
            stride: (1, 2),
            padding: Padding { right: padding, left: padding, ..Padding::NONE },
        };
        let count = |padding, x: [i64; 4]| outside(&gate, &shape(padding), &x);
        assert_eq!(count(0, [64, -63, 200, 100]), 0);
        assert_eq!(count(0, [64, -64, 200, 72]), 2);
        // Padding is -64: the windows are the first, the next two, and the last.
        assert_eq!(count(1, [63, 200, 100, -64]), 0);
        assert_eq!(count(1, [64, 200, 100, -65]), 2);
    }

    #[test]
    fn finds_the_largest_of_each_window() {
        for (window, padding) in [((2, 2), 0), ((3, 3), 1), ((1, 5), 0), ((1, 1), 0)] {
            let shape = PoolShape {
                batch: 2,
                channels: 3,
                height: 12,
                width: 13,
                window,
                stride: (2, 2),
                padding: Padding::same(padding),
            };
            let edges = [0, 1, -1, (1 << 20) - 1, -(1 << 20)];
            let words = words_for_tests(5, shape.input_len());
            let random = words.iter().map(|word| (word % (1 << 21)) as i64 - (1 << 20));
            let x: Vec<i64> = random.collect();
            run(&shape, &x, true);
            let ties: Vec<i64> = words.iter().map(|word| edges[(word % 5) as usize]).collect();
            run(&shape, &ties, false);
        }
    }
}
