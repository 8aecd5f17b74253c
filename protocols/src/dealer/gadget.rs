//! Non-linear functions of values that P0 and P2 hold as u + v: two one-way messages, whatever the
//! function.
//!
//! | stage | from -> to | payload | bits a value |
//! |---|---|---|---|
//! | ahead | P2 -> P0 | tables of each chain; P0's shares | chains * tables + shares |
//! | online 1 | P0 -> P1 | T; of each chain the opened entries | n + chains * D (D + 1) / 2 |
//! | online 2 | P1 -> P0 | each chain's masked sign; P1's result minus r | chains + l_out |
//!
//! A [`Function`] says at which points it needs the sign of t (a chain each: [`super::chain`]),
//! what of tau and of the sign's masks P2 shares between P0 and P1, and how each of the two
//! combines its shares with what is public to both: T and the masked signs. The result is a wire: z
//! at P0, r at P1 and P2.
//!
//! Correlated randomness, for each value: from P0 and P2's seed q; from P1 and P2's the pads of the
//! tables, P1's shares and r; from P2's own the encoding's bits and the masks of the signs. P2
//! receives nothing.
//!
//! Simulation. P0 sees, ahead, tables and shares under pads and shares that only P1 and P2 can
//! draw: uniform. Online it sees the signs under masks that P2 alone knows, uniform and used once,
//! and P1's share minus r, uniform because r is. u0, the bits of u + q below s, decides the coin of
//! a truncation: the functionality draws it and hands it to P0, who has no output. P1 sees T,
//! uniform because of q (over all of Z_{2^n}: n + s <= l), and encodings of the masked signs, which
//! have one uniform distribution for each masked sign, itself uniform. P2 sees nothing.

use std::{ops::Range, sync::Mutex};

use fixedpoint::{
    planes::{BitPlanes, LANES},
    ring,
    width::{self, Width},
};

use super::{
    chain::{self, Split},
    gate::Gate,
};
use crate::{
    context::{Client, Context, Producer, Server},
    cost::Cost,
    error::Result,
    party::Role,
    prf::Prf,
};

/// The first message: what P0 opens.
const OPEN: u16 = 1;

/// The second message: what P1 answers.
const ANSWER: u16 = 2;

/// The step of what P2 deals.
const DEALT: &str = "dealt";

/// When P0 takes what P2 dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Ahead of the query.
    Ahead,
    /// When it is needed: a layer's material is then never there as a whole.
    WhenNeeded,
}

/// A non-linear function of t, the truncated value.
pub trait Function: Sync {
    /// Its name in steps and reports.
    fn name(&self) -> &'static str;

    /// The points p at which it needs \[t >= p\].
    fn points(&self) -> Vec<i64>;

    /// The rings of what P2 shares between P0 and P1.
    fn shared(&self, gate: &Gate) -> Vec<Width>;

    /// P2: what it shares, modulo those rings.
    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>>;

    /// P0 and P1: shares of the result, from shares of what P2 shared.
    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64>;

    /// The function itself, of the value at a place of the batch.
    fn ideal(&self, place: usize, t: i64) -> i64;

    /// The smallest and the largest value that it is exact for: where t minus any point has a sign
    /// too.
    fn domain(&self, gate: &Gate) -> (i64, i64) {
        let points = self.points();
        let farthest = points.iter().fold((0, 0), |(low, high), p| (low.min(*p), high.max(*p)));
        let ((below, above), (low, high)) = (farthest, gate.domain());
        (low + (above << gate.shift()), high + (below << gate.shift()))
    }
}

/// P2's knowledge of a chunk of a batch.
pub struct Secret<'a> {
    /// The place of the first value in the batch.
    pub first: usize,
    /// tau of each value.
    pub tau: &'a [u64],
    /// The mask of each sign, point by point.
    pub masks: &'a [Vec<u64>],
    /// P1's shares of what is shared.
    pub pads: &'a [Vec<u64>],
}

/// The values of a chunk of a batch that P0 and P1 both know.
pub struct Public<'a> {
    /// The place of the first value in the batch.
    pub first: usize,
    /// 1 at P0, 0 at P1: who adds what is public.
    pub one: u64,
    /// T of each value.
    pub opened: &'a [u64],
    /// Each sign under its mask, point by point.
    pub signs: &'a [Vec<u64>],
}

impl Public<'_> {
    /// A share of a bit, from the bit under its mask and a share of the mask.
    pub(crate) fn unmasked(&self, bit: u64, mask: u64) -> u64 {
        let flip = bit.wrapping_neg();
        (bit & self.one.wrapping_neg()).wrapping_add((mask ^ flip).wrapping_sub(flip))
    }
}

/// P0's material for a layer, before the query: used once, by move.
pub struct ServerMaterial<'s>(Vec<Mutex<Option<ServerLane<'s>>>>);

struct ServerLane<'s> {
    remask: Prf,
    dealt: Dealt<'s>,
}

/// A message of P2, or the step to take it from when it is needed.
pub(super) enum Dealt<'s> {
    Held(Vec<u8>),
    Coming(Box<Server<'s>>),
}

/// P1's material for a layer, before the query: used once, by move.
pub struct ClientMaterial {
    lanes: Vec<Mutex<Option<Prf>>>,
    mask: Vec<u64>,
}

/// Messages of `count` values.
pub fn cost(function: &dyn Function, gate: &Gate, count: usize) -> Cost {
    let sizes = Sizes::new(function, gate, count);
    Cost::none()
        .ahead(Role::CryptoProducer, Role::ModelOwner, sizes.dealt() as u64)
        .send(OPEN, Role::ModelOwner, Role::DataOwner, sizes.opened() as u64)
        .send(ANSWER, Role::DataOwner, Role::ModelOwner, sizes.answer() as u64)
}

/// P2, ahead: from its halves v, the masks r of the results.
///
/// # Errors
/// A transport error.
pub fn produce(
    ctx: &Producer<'_>,
    function: &dyn Function,
    gate: &Gate,
    v: &[u64],
) -> Result<Vec<u64>> {
    let chunks = ctx.chunks_of(v.len(), LANES);
    let masks = ctx.lanes(chunks.len(), |lane, index| {
        let Range { start, end } = chunks[index];
        let mut dealing = lane.narrow(DEALT, 0);
        let pads = dealing.prf_with(Role::DataOwner);
        let dealt = deal(lane, pads, function, gate, start, &v[start..end]);
        dealing.send(Role::ModelOwner, OPEN, dealt)?;
        Ok(result_mask(lane, end - start))
    })?;
    Ok(masks.concat())
}

/// P1, ahead: its material, which knows the masks r of the results. It sends nothing.
///
/// # Errors
/// None but those of other lanes.
pub fn prepare(ctx: &Client<'_>, count: usize) -> Result<ClientMaterial> {
    let chunks = ctx.chunks_of(count, LANES);
    let lanes = ctx.lanes(chunks.len(), |lane, index| {
        let mask = result_mask(lane, chunks[index].len());
        let pads = lane.narrow(DEALT, 0).into_prf_with(Role::CryptoProducer);
        Ok((Mutex::new(Some(pads)), mask))
    })?;
    let (lanes, masks): (Vec<_>, Vec<_>) = lanes.into_iter().unzip();
    Ok(ClientMaterial { lanes, mask: masks.concat() })
}

/// P0, ahead: takes what P2 dealt, at once or, where the memory for a whole layer's is not to be
/// spent, each part when it is needed.
///
/// # Errors
/// A transport error.
pub fn collect<'s>(
    ctx: &Server<'s>,
    function: &dyn Function,
    gate: &Gate,
    count: usize,
    take: Take,
) -> Result<ServerMaterial<'s>> {
    let chunks = ctx.chunks_of(count, LANES);
    let lanes = ctx.lanes(chunks.len(), |lane, index| {
        let remask = lane.narrow("open", 0).into_prf_with(Role::CryptoProducer);
        let sizes = Sizes::new(function, gate, chunks[index].len());
        let dealt = Dealt::coming(lane.narrow(DEALT, 0), sizes.dealt(), take)?;
        Ok(Mutex::new(Some(ServerLane { remask, dealt })))
    })?;
    Ok(ServerMaterial(lanes))
}

/// P0, online: from its halves u, its halves z of the results.
///
/// # Errors
/// A transport error, [`crate::Error::Malformed`].
pub fn serve(
    ctx: &Server<'_>,
    function: &dyn Function,
    gate: &Gate,
    material: ServerMaterial<'_>,
    u: &[u64],
) -> Result<Vec<u64>> {
    let chunks = ctx.chunks_of(u.len(), LANES);
    let parts = ctx.lanes(chunks.len(), |lane, index| {
        let Range { start, end } = chunks[index];
        let material = take_once(&material.0[index]);
        serve_chunk(lane, function, gate, material, start, &u[start..end])
    })?;
    Ok(parts.concat())
}

/// P1, online: answers what P0 opens. Its halves of the results are the material's masks.
///
/// # Errors
/// As [`serve`].
pub fn answer(
    ctx: &Client<'_>,
    function: &dyn Function,
    gate: &Gate,
    material: ClientMaterial,
) -> Result<()> {
    let ClientMaterial { lanes, mask } = material;
    let chunks = ctx.chunks_of(mask.len(), LANES);
    ctx.lanes(chunks.len(), |lane, index| {
        let Range { start, end } = chunks[index];
        let pads = take_once(&lanes[index]);
        answer_chunk(lane, function, gate, pads, start, &mask[start..end])
    })?;
    Ok(())
}

impl ServerMaterial<'_> {
    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        let lanes = self.0.iter().map(|lane| lane.lock().expect("no panic while locked"));
        lanes.map(|lane| lane.as_ref().map_or(0, |lane| lane.dealt.bytes())).sum()
    }
}

impl<'s> Dealt<'s> {
    /// P2's message in the first phase of this step.
    pub(super) fn coming(mut ctx: Server<'s>, len: usize, take: Take) -> Result<Dealt<'s>> {
        Ok(match take {
            Take::Ahead => Dealt::Held(ctx.recv(Role::CryptoProducer, OPEN, len)?),
            Take::WhenNeeded => Dealt::Coming(Box::new(ctx)),
        })
    }

    /// All of it.
    pub(super) fn taken(self, len: usize) -> Result<Vec<u8>> {
        match self {
            Dealt::Held(dealt) => Ok(dealt),
            Dealt::Coming(mut ctx) => ctx.recv(Role::CryptoProducer, OPEN, len),
        }
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Dealt::Held(dealt) => dealt.len(),
            Dealt::Coming(_) => 0,
        }
    }
}

impl ClientMaterial {
    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        8 * self.mask.len()
    }

    /// r, P1's halves of the results.
    pub fn mask(&self) -> &[u64] {
        &self.mask
    }
}

/// Bytes of the messages of a chunk.
struct Sizes {
    count: usize,
    opened: Width,
    out: Width,
    points: usize,
    split: Option<&'static Split>,
    shared: Vec<Width>,
}

impl Sizes {
    fn new(function: &dyn Function, gate: &Gate, count: usize) -> Sizes {
        let points = function.points().len();
        Sizes {
            count,
            opened: gate.opened(),
            out: gate.out(),
            points,
            split: (points > 0).then(|| Split::cheapest(gate.low_bits())),
            shared: function.shared(gate),
        }
    }

    fn tables(&self) -> usize {
        let planes = self.split.map_or(0, Split::table_planes);
        self.points * planes * Width::new(1).bytes(self.count)
    }

    fn dealt(&self) -> usize {
        let shared = self.shared.iter().map(|width| width.bytes(self.count));
        self.tables() + shared.sum::<usize>()
    }

    fn opened(&self) -> usize {
        let planes = self.split.map_or(0, Split::opened_planes);
        self.opened.bytes(self.count) + self.points * planes * Width::new(1).bytes(self.count)
    }

    fn answer(&self) -> usize {
        self.points * Width::new(1).bytes(self.count) + self.out.bytes(self.count)
    }
}

/// r of a chunk, for P1 and P2.
fn result_mask<R: Copy + Send + Sync>(ctx: &Context<'_, R>, count: usize) -> Vec<u64> {
    let other = match ctx.party() {
        Role::DataOwner => Role::CryptoProducer,
        Role::ModelOwner | Role::CryptoProducer => Role::DataOwner,
    };
    ctx.narrow("result", 0).into_prf_with(other).words(count)
}

/// P2: the tables and P0's shares.
fn deal(
    ctx: &mut Producer<'_>,
    pads: &mut Prf,
    function: &dyn Function,
    gate: &Gate,
    first: usize,
    v: &[u64],
) -> Vec<u8> {
    let count = v.len();
    let sizes = Sizes::new(function, gate, count);
    let mut remask = ctx.narrow("open", 0).into_prf_with(Role::ModelOwner);
    let pairs = v.iter().zip(remask.words(count));
    let tau: Vec<u64> = pairs.map(|(&v, q)| gate.tau(v, q)).collect();
    let mut dealt = Vec::with_capacity(sizes.dealt());
    let mut masks = Vec::with_capacity(sizes.points);
    if let Some(split) = sizes.split {
        let low = gate.low_bits();
        let tau = BitPlanes::transpose(&tau, 0, low + 1);
        let random = ctx.prf_private();
        // A chain of its own for every point: two look-ups in one table would tell their
        // difference.
        for _ in 0..sizes.points {
            let mask = random.bit_planes(1, count);
            // One plane more, as a split of one digit needs none.
            let encoding = random.bit_planes(split.random_planes() + 1, count);
            let mut tables = pads.bit_planes(split.table_planes(), count);
            for (batch, tables) in tables.batches_mut().enumerate() {
                let (low, top) = tau.batch(batch).split_at(low as usize);
                let omega = top[0] ^ mask.batch(batch)[0];
                chain::encode(split, low, omega, encoding.batch(batch), tables);
            }
            tables.clear_unused();
            tables.pack_into(&mut dealt);
            masks.push(mask.to_values());
        }
    }
    let pads: Vec<Vec<u64>> = sizes.shared.iter().map(|_| pads.words(count)).collect();
    let secret = Secret { first, tau: &tau, masks: &masks, pads: &pads };
    let shared = function.share(gate, &secret).into_iter().zip(&pads).zip(&sizes.shared);
    for ((mut values, pad), width) in shared {
        ring::sub_assign(&mut values, pad);
        width::pack_into(*width, &values, &mut dealt);
    }
    dealt
}

fn serve_chunk(
    ctx: &mut Server<'_>,
    function: &dyn Function,
    gate: &Gate,
    material: ServerLane<'_>,
    first: usize,
    u: &[u64],
) -> Result<Vec<u64>> {
    let count = u.len();
    let sizes = Sizes::new(function, gate, count);
    let ServerLane { mut remask, dealt } = material;
    let dealt = dealt.taken(sizes.dealt())?;
    let (tables, mut shares) = dealt.split_at(sizes.tables());
    // step 1
    let pairs = u.iter().zip(remask.words(count));
    let opened: Vec<u64> = pairs.map(|(&u, q)| gate.open(u, q)).collect();
    let mut message = Vec::with_capacity(sizes.opened());
    width::pack_into(gate.opened(), &opened, &mut message);
    if let Some(split) = sizes.split {
        let tables = tables.chunks_exact(tables.len() / sizes.points);
        for (point, tables) in function.points().into_iter().zip(tables) {
            let tables = BitPlanes::unpack(split.table_planes(), count, tables)
                .map_err(|what| ctx.malformed(Role::CryptoProducer, OPEN, what))?;
            look_up(split, gate, &opened, point, &tables).entries.pack_into(&mut message);
        }
    }
    ctx.send(Role::DataOwner, OPEN, message)?;
    let mut columns = Vec::with_capacity(sizes.shared.len());
    for &width in &sizes.shared {
        let (column, rest) = shares.split_at(width.bytes(count));
        shares = rest;
        columns.push(
            width::unpack(width, column, count)
                .map_err(|what| ctx.malformed(Role::CryptoProducer, OPEN, what))?,
        );
    }
    // step 2
    let answer = ctx.recv(Role::DataOwner, ANSWER, sizes.answer())?;
    let malformed = |what| ctx.malformed(Role::DataOwner, ANSWER, what);
    let (signs, result) = answer.split_at(sizes.points * Width::new(1).bytes(count));
    let signs = signs.chunks(Width::new(1).bytes(count).max(1));
    let signs = signs.map(|signs| width::unpack(Width::new(1), signs, count));
    let signs: Vec<Vec<u64>> = signs.collect::<std::result::Result<_, _>>().map_err(malformed)?;
    let public = Public { first, one: 1, opened: &opened, signs: &signs };
    let mut z = function.combine(gate, &public, &columns);
    ring::add_assign(&mut z, &width::unpack(gate.out(), result, count).map_err(malformed)?);
    Ok(z)
}

fn answer_chunk(
    ctx: &mut Client<'_>,
    function: &dyn Function,
    gate: &Gate,
    mut pads: Prf,
    first: usize,
    mask: &[u64],
) -> Result<()> {
    let count = mask.len();
    let sizes = Sizes::new(function, gate, count);
    // What needs no message is done before it comes.
    let tables: Vec<BitPlanes> = match sizes.split {
        Some(split) => {
            (0..sizes.points).map(|_| pads.bit_planes(split.table_planes(), count)).collect()
        }
        None => Vec::new(),
    };
    let columns: Vec<Vec<u64>> = sizes.shared.iter().map(|_| pads.words(count)).collect();
    // step 1
    let message = ctx.recv(Role::ModelOwner, OPEN, sizes.opened())?;
    let malformed = |what| ctx.malformed(Role::ModelOwner, OPEN, what);
    let (opened, entries) = message.split_at(gate.opened().bytes(count));
    let opened = width::unpack(gate.opened(), opened, count).map_err(malformed)?;
    let mut signs = Vec::with_capacity(sizes.points);
    let mut message = Vec::with_capacity(sizes.answer());
    if let Some(split) = sizes.split {
        let entries = entries.chunks_exact(entries.len() / sizes.points);
        for ((point, tables), entries) in function.points().into_iter().zip(&tables).zip(entries) {
            let mut entries =
                BitPlanes::unpack(split.opened_planes(), count, entries).map_err(malformed)?;
            let own = look_up(split, gate, &opened, point, tables);
            for (entry, own) in entries.as_mut_slice().iter_mut().zip(own.entries.as_slice()) {
                *entry ^= *own;
            }
            let mut sign = BitPlanes::zeros(1, count);
            let batches = entries.batches().zip(own.at.batches());
            for (sign, (entries, at)) in sign.as_mut_slice().iter_mut().zip(batches) {
                *sign = chain::solve(split, entries) ^ at[gate.low_bits() as usize];
            }
            sign.pack_into(&mut message);
            signs.push(sign.to_values());
        }
    }
    // step 2
    let public = Public { first, one: 0, opened: &opened, signs: &signs };
    let mut result = function.combine(gate, &public, &columns);
    ring::sub_assign(&mut result, mask);
    width::pack_into(gate.out(), &result, &mut message);
    ctx.send(Role::ModelOwner, ANSWER, message)
}

/// The entries of a chain's tables at T minus a point.
struct LookedUp {
    /// The low n - 1 bits of T minus the point.
    at: BitPlanes,
    entries: BitPlanes,
}

fn look_up(split: &Split, gate: &Gate, opened: &[u64], point: i64, tables: &BitPlanes) -> LookedUp {
    let point = point.cast_unsigned();
    let at: Vec<u64> = opened.iter().map(|opened| opened.wrapping_sub(point)).collect();
    let low = gate.low_bits();
    let at = BitPlanes::transpose(&at, 0, low + 1);
    let mut entries = BitPlanes::zeros(split.opened_planes(), opened.len());
    let batches = at.batches().zip(tables.batches());
    for (entries, (at, tables)) in entries.batches_mut().zip(batches) {
        chain::look_up(split, &at[..low as usize], tables, entries);
    }
    LookedUp { at, entries }
}

fn take_once<T>(slot: &Mutex<Option<T>>) -> T {
    let taken = slot.lock().expect("no panic while locked").take();
    taken.expect("a lane's material is used once, by its lane")
}
