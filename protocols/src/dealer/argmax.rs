//! Argmax: the place of the largest of K values. P1 learns it and nothing else of them: not even
//! how much larger the largest is.
//!
//! A value y_i, held as u + v, becomes y_i 2^c + K - 1 - i for K <= 2^c, which is local, and the
//! largest of these is found as in [`maxpool`]. No two are equal, and among equal values the first
//! one's is the largest. Its last c bits are K - 1 - i; P0 sends its half of them, under a mask r
//! of their own.
//!
//! | stage | from -> to | payload | bits a row |
//! |---|---|---|---|
//! | ahead | P2 -> P0 | that of the tree | |
//! | ahead | P2 -> P0 | v - r mod 2^c, v its half of the largest | c |
//! | online, ceil(log2 K) levels | P0 -> P1, P1 -> P0 | those of the tree | |
//! | online, then | P0 -> P1 | u + (v - r) mod 2^c | c |
//!
//! r comes from P1 and P2's seed. P1 need not know the masks of the values.
//!
//! Functionality: given the halves of K values for each row, P1 gets the place of the first of the
//! largest.
//!
//! Simulation. The tree's messages are those of the gadget. P0 sees v - r beside them, uniform as r
//! is, which is used for nothing else. P1 sees K - 1 - i - r mod 2^c, which follows from i and r.
//! More than c bits of the largest must never be sent: P1 knows the masks of a tree's wires and
//! would read the value.
//!
//! Domain: values of `bits` bits, sign included, for the gate that [`Rows::gate`] gives.

use fixedpoint::{
    Padding,
    pool::PoolShape,
    ring,
    width::{self, Width},
};

use super::{
    gadget::{Dealt, Take},
    gate::Gate,
    maxpool::{self, ClientTree, ServerTree},
};
use crate::{
    context::{Client, Producer, Server},
    cost::Cost,
    error::Result,
    party::Role,
};

/// The only phase of the label, after those of the tree.
const PHASE: u16 = 1;

/// The step of the label.
const LABEL: &str = "label";

/// Rows of values, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    count: usize,
    classes: usize,
}

/// P0's material, before the query.
pub struct ServerMaterial<'s> {
    tree: ServerTree<'s>,
    share: Dealt<'s>,
}

/// P1's material, before the query.
pub struct ClientMaterial {
    tree: ClientTree,
    mask: Vec<u64>,
}

impl Rows {
    /// `count` rows of `classes` values, K.
    ///
    /// # Panics
    /// For fewer than two classes.
    pub fn new(count: usize, classes: usize) -> Rows {
        assert!(classes > 1, "{classes} classes to choose from");
        Rows { count, classes }
    }

    /// c: the bits of a place.
    pub fn label(&self) -> Width {
        Width::new((self.classes - 1).ilog2() + 1)
    }

    /// The gate of values of this many bits, sign included. They need to be known in a ring of c
    /// bits less than the gate's only.
    pub fn gate(&self, bits: u32) -> Gate {
        // Differences have one bit more than values.
        let bound = bits + 1 + self.label().bits();
        let ring = Width::new(bound + 1);
        Gate::new(ring, bound, 0, ring)
    }

    /// Every row a window.
    fn windows(&self) -> PoolShape {
        PoolShape {
            batch: self.count,
            channels: 1,
            height: 1,
            width: self.classes,
            window: (1, self.classes),
            stride: (1, self.classes),
            padding: Padding::NONE,
        }
    }

    /// Values, or halves of them, with room for a place below.
    fn lifted(&self, values: &[u64]) -> Vec<u64> {
        assert_eq!(values.len(), self.count * self.classes, "values of every row");
        values.iter().map(|value| value << self.label().bits()).collect()
    }

    /// Halves of values, with the places of those of which this party holds the public part.
    fn placed(&self, values: &[u64]) -> Vec<u64> {
        let mut lifted = self.lifted(values);
        for row in lifted.chunks_exact_mut(self.classes) {
            let places = (0..self.classes as u64).rev();
            row.iter_mut().zip(places).for_each(|(value, place)| {
                *value = value.wrapping_add(place);
            });
        }
        lifted
    }
}

impl ServerMaterial<'_> {
    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        self.tree.bytes() + self.share.bytes()
    }
}

impl ClientMaterial {
    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        self.tree.bytes() + 8 * self.mask.len()
    }
}

/// Its messages.
pub fn cost(gate: &Gate, rows: &Rows) -> Cost {
    let bytes = rows.label().bytes(rows.count) as u64;
    let label = Cost::none().ahead(Role::CryptoProducer, Role::ModelOwner, bytes).send(
        PHASE,
        Role::ModelOwner,
        Role::DataOwner,
        bytes,
    );
    maxpool::cost(gate, &rows.windows()).then(label)
}

/// P2, ahead: from its halves of the values.
///
/// # Errors
/// A transport error.
pub fn produce(ctx: &Producer<'_>, gate: &Gate, rows: &Rows, v: &[u64]) -> Result<()> {
    let largest = maxpool::produce(ctx, gate, &rows.windows(), &rows.lifted(v))?;
    let mut ctx = ctx.narrow(LABEL, 0);
    let mask = ctx.prf_with(Role::DataOwner).words(rows.count);
    let share = width::pack(rows.label(), &ring::sub(&largest, &mask));
    ctx.send(Role::ModelOwner, PHASE, share)
}

/// P1, ahead. It sends nothing.
///
/// # Errors
/// None but those of other lanes.
pub fn prepare(ctx: &Client<'_>, rows: &Rows) -> Result<ClientMaterial> {
    let (tree, _) = maxpool::prepare(ctx, &rows.windows(), None)?;
    let mask = ctx.narrow(LABEL, 0).prf_with(Role::CryptoProducer).words(rows.count);
    Ok(ClientMaterial { tree, mask })
}

/// P0, ahead: takes what P2 dealt, as [`super::gadget::collect`] does.
///
/// # Errors
/// A transport error.
pub fn collect<'s>(
    ctx: &Server<'s>,
    gate: &Gate,
    rows: &Rows,
    take: Take,
) -> Result<ServerMaterial<'s>> {
    let tree = maxpool::collect(ctx, gate, &rows.windows(), take)?;
    let bytes = rows.label().bytes(rows.count);
    let share = Dealt::coming(ctx.narrow(LABEL, 0), bytes, take)?;
    Ok(ServerMaterial { tree, share })
}

/// P0, online: from its halves of the values.
///
/// # Errors
/// As [`maxpool::serve`].
pub fn serve(
    ctx: &Server<'_>,
    gate: &Gate,
    rows: &Rows,
    material: ServerMaterial<'_>,
    u: &[u64],
) -> Result<()> {
    let ServerMaterial { tree, share } = material;
    let windows = rows.windows();
    let largest = maxpool::serve(ctx, gate, &windows, tree, &rows.placed(u))?;
    let mut ctx = ctx.narrow(LABEL, maxpool::phases(&windows));
    let share = share.taken(rows.label().bytes(rows.count))?;
    let share = width::unpack(rows.label(), &share, rows.count)
        .map_err(|what| ctx.malformed(Role::CryptoProducer, PHASE, what))?;
    // Packing keeps the last c bits.
    ctx.send(Role::DataOwner, PHASE, width::pack(rows.label(), &ring::add(&largest, &share)))
}

/// P1, online: for each row the place of the first of its largest values.
///
/// # Errors
/// A transport error, [`crate::Error::Malformed`].
pub fn answer(
    ctx: &Client<'_>,
    gate: &Gate,
    rows: &Rows,
    material: ClientMaterial,
) -> Result<Vec<u64>> {
    let ClientMaterial { tree, mask } = material;
    maxpool::answer(ctx, gate, tree)?;
    let mut ctx = ctx.narrow(LABEL, maxpool::phases(&rows.windows()));
    let packed = ctx.recv(Role::ModelOwner, PHASE, rows.label().bytes(rows.count))?;
    let malformed = |what| ctx.malformed(Role::ModelOwner, PHASE, what);
    let masked = width::unpack(rows.label(), &packed, rows.count)
        .map_err(|what| malformed(what.to_string()))?;
    let last = rows.classes as u64 - 1;
    let place = |(masked, mask): (u64, u64)| {
        let place = last.checked_sub(rows.label().reduce(masked.wrapping_add(mask)));
        place.ok_or_else(|| malformed(format!("a label beyond {last}")))
    };
    masked.into_iter().zip(mask).map(place).collect()
}

/// For each row the place of the first of its largest values.
pub fn ideal(rows: &Rows, y: &[i64]) -> Vec<u64> {
    let first = |row: &[i64]| {
        let largest = row.iter().max().expect("a row has values");
        row.iter().position(|y| y == largest).expect("one is the largest") as u64
    };
    y.chunks_exact(rows.classes).map(first).collect()
}

/// How many rows hold values that the gate is not exact for.
pub fn outside(gate: &Gate, rows: &Rows, y: &[i64]) -> usize {
    let words: Vec<u64> = y.iter().map(|y| y.cast_unsigned()).collect();
    let placed: Vec<i64> = rows.placed(&words).into_iter().map(u64::cast_signed).collect();
    maxpool::outside(gate, &rows.windows(), &placed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Stage,
        party::Link,
        test_world::{Outcome, TestWorld, words_for_tests},
    };

    /// Bits of the values.
    const BITS: u32 = 20;

    fn run(world: &TestWorld, rows: &Rows, y: &[i64], take: Take) -> Outcome<Vec<u64>> {
        let gate = rows.gate(BITS);
        // Both halves as they are known: in the ring of the values.
        let known = Width::new(gate.width().bits() - rows.label().bits());
        let v: Vec<u64> =
            words_for_tests(3, y.len()).into_iter().map(|word| known.reduce(word)).collect();
        let u: Vec<u64> = y
            .iter()
            .zip(&v)
            .map(|(y, v)| known.reduce(y.cast_unsigned().wrapping_sub(*v)))
            .collect();
        world.run(|session| match session.role() {
            Role::CryptoProducer => {
                session.produce("argmax", |ctx| produce(ctx, &gate, rows, &v))?;
                Ok(Vec::new())
            }
            Role::ModelOwner => {
                let (material, _) = session
                    .serve(Stage::Ahead, 0, "argmax", |ctx| collect(ctx, &gate, rows, take))?;
                let serve = |ctx: &mut Server<'_>| serve(ctx, &gate, rows, material, &u);
                session.serve(Stage::Online, 0, "argmax", serve)?;
                Ok(Vec::new())
            }
            Role::DataOwner => {
                let prepare = |ctx: &mut Client<'_>| prepare(ctx, rows);
                let (material, _) = session.query(Stage::Ahead, 0, "argmax", prepare)?;
                let answer = |ctx: &mut Client<'_>| answer(ctx, &gate, rows, material);
                Ok(session.query(Stage::Online, 0, "argmax", answer)?.0)
            }
        })
    }

    fn check(rows: &Rows, y: &[i64], take: Take) {
        let outcome = run(&TestWorld::new(5), rows, y, take);
        let [_, labels, _] = outcome.results.map(|result| result.unwrap());
        assert_eq!(labels, ideal(rows, y), "{rows:?}");
        let (seen, cost) = (&outcome.measurements[0], cost(&rows.gate(BITS), rows));
        assert_eq!((seen.sent, seen.ahead), (cost.links(), cost.ahead_links()));
        assert_eq!((seen.rounds(), seen.depth), (cost.rounds(), cost.critical_path()));
        let levels = rows.classes.next_power_of_two().ilog2();
        assert_eq!(
            (cost.rounds(), cost.critical_path()),
            (2 * u64::from(levels) + 1, 2 * levels + 1)
        );
    }

    #[test]
    fn finds_the_first_of_the_largest() {
        let (low, high) = (-(1i64 << (BITS - 1)) + 1, (1i64 << (BITS - 1)) - 1);
        let edges = [low, low + 1, -1, 0, 1, high - 1, high];
        for classes in [2, 3, 10, 16, 100] {
            let rows = Rows::new(37, classes);
            let words = words_for_tests(classes as u64, 37 * classes);
            let of = |value: &dyn Fn(u64) -> i64| words.iter().map(|&word| value(word)).collect();
            let random: Vec<i64> = of(&|word| low + (word % (2 * high as u64)) as i64);
            check(&rows, &random, Take::Ahead);
            // Many of a row are equal.
            let near: Vec<i64> = of(&|word| (word % 2) as i64);
            check(&rows, &near, Take::WhenNeeded);
            let far: Vec<i64> = of(&|word| edges[(word % 7) as usize]);
            check(&rows, &far, Take::Ahead);
            check(&rows, &vec![low; 37 * classes], Take::WhenNeeded);
            assert_eq!(outside(&rows.gate(BITS), &rows, &far), 0);
        }
        let rows = Rows::new(2, 2);
        assert_eq!(outside(&rows.gate(BITS), &rows, &[low - 4, high, low, high]), 1);
    }

    #[test]
    fn places_take_as_many_bits_as_they_need() {
        let bits = |classes| Rows::new(1, classes).label().bits();
        assert_eq!([2, 3, 4, 5, 10, 16, 17, 1000].map(bits), [1, 2, 2, 3, 4, 4, 5, 10]);
        let gate = Rows::new(1, 10).gate(32);
        assert_eq!((gate.bound(), gate.width().bits(), gate.shift()), (37, 38, 0));
    }

    #[test]
    fn the_data_owner_receives_a_label_under_its_mask_and_no_more() {
        let rows = Rows::new(1 << 12, 4);
        // The same values in every row, and others with the same label.
        for margin in [1, 1000] {
            let y = [-3, 5 + margin, 5, 5].repeat(1 << 12);
            let outcome = run(&TestWorld::new(6).record(), &rows, &y, Take::Ahead);
            assert!(outcome.results[1].as_ref().unwrap().iter().all(|&label| label == 1));
            let link = Link::new(Role::ModelOwner, Role::DataOwner);
            let mut records = outcome.records.iter();
            let last = records.rfind(|record| record.link == link && record.path.contains(LABEL));
            let payload = &last.unwrap().message.payload;
            assert_eq!(payload.len(), rows.label().bytes(1 << 12));
            let seen = width::unpack(rows.label(), payload, 1 << 12).unwrap();
            // 1024 expected of each, 28 off in a standard deviation.
            let mut counts = [0i64; 4];
            seen.iter().for_each(|&seen| counts[seen as usize] += 1);
            assert!(counts.iter().all(|count| (count - 1024).abs() < 160), "{counts:?}");
        }
    }
}
