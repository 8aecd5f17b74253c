//! The chain gadget: \[a < tau\] XOR omega for a public a, in one message of D (D + 1) / 2 bits.
//!
//! tau (low bits only) and omega are known to P2 alone; a becomes known to P0 and P1. Both are cut
//! into D digits, digit 0 on top. With e_k(a) = \[a_k = tau_k\] and t_k(a) = \[a_k < tau_k\], omega
//! XORed into t_0, the bit is t_0 + e_0 (t_1 + e_1 (... t_{D-1})) over GF(2), the determinant of a
//! bidiagonal matrix. P2 deals a perfect randomised encoding of it: with fresh bits R\[i\]\[k\] for
//! i < k (and R\[k\]\[k\] = 1) and rho_k for k < D - 1, it tabulates for every digit k, every value
//! a of it and every i <= k
//!
//! - A_k\[a\]\[i\] = R\[i\]\[k\] e_k(a) XOR R\[i\]\[k+1\], for k < D - 1,
//! - B_k\[a\]\[i\] = R\[i\]\[k\] (t_k(a) XOR rho_k e_k(a) XOR rho_{k-1}), without rho_k for
//!   the last digit and without rho_{k-1} for the first.
//!
//! P0 holds the tables under pads that P1 can draw. It looks up its one entry of each digit and
//! sends P1 the A entries and c\[i\], the XOR of the B entries over k; P1 strips the pads, solves,
//! and learns the determinant and nothing else: what it sees is uniform among the encodings with
//! that determinant (enumerated in the tests for D = 2, 3, 4). One table, one look-up: two entries
//! of one table would tell more.
//!
//! Everything is bit-sliced: a [`Block`] holds one bit of 512 values, so looking up is a sum over
//! all entries and no memory access depends on a digit.

use std::sync::LazyLock;

use fixedpoint::planes::Block;

/// The widest digit: its table has 64 entries.
const MAX_DIGIT: u32 = 6;

/// The most digits.
const MAX_DIGITS: usize = 12;

/// The most bits.
const MAX_BITS: u32 = 62;

/// The weight of a bit that P0 sends to P1 online, beside one that P2 sends to P0 ahead.
const ONLINE_WEIGHT: usize = 4;

/// How the low bits are cut into digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Bits of each digit, from the top one down.
    widths: Vec<u32>,
}

impl Split {
    /// The cheapest split of `bits` bits, a bit online counting as four ahead.
    ///
    /// # Panics
    /// For no bits, or more than 62.
    pub fn cheapest(bits: u32) -> &'static Split {
        static ALL: LazyLock<Vec<Split>> =
            LazyLock::new(|| (1..=MAX_BITS).map(Split::search).collect());
        assert!((1..=MAX_BITS).contains(&bits), "{bits} bits to compare");
        &ALL[bits as usize - 1]
    }

    fn search(bits: u32) -> Split {
        let splits = (1..=MAX_DIGITS).filter_map(|digits| Split::with_digits(bits, digits));
        splits
            .min_by_key(|split| split.table_planes() + ONLINE_WEIGHT * split.opened_planes())
            .expect("12 digits of 6 bits hold 62")
    }

    /// The split into `digits` digits that has the smallest tables, if there is one.
    pub fn with_digits(bits: u32, digits: usize) -> Option<Split> {
        // best[b]: the smallest tables for the digits so far, holding b bits.
        let mut best: Vec<Option<(usize, Vec<u32>)>> = vec![None; bits as usize + 1];
        best[0] = Some((0, Vec::new()));
        for place in 0..digits {
            let mut next = vec![None; best.len()];
            for (held, (entries, widths)) in
                best.iter().enumerate().filter_map(|(held, best)| Some((held, best.as_ref()?)))
            {
                for width in 1..=MAX_DIGIT.min(bits - held as u32) {
                    let entries = entries + (columns(place, digits) << width);
                    let slot = &mut next[held + width as usize];
                    if slot.as_ref().is_none_or(|(known, _)| entries < *known) {
                        let widths = widths.iter().copied().chain([width]).collect();
                        *slot = Some((entries, widths));
                    }
                }
            }
            best = next;
        }
        best.pop().flatten().map(|(_, widths)| Split { widths })
    }

    /// D.
    pub fn digits(&self) -> usize {
        self.widths.len()
    }

    /// Bits of P2's tables, for each value.
    pub fn table_planes(&self) -> usize {
        let sizes = self.widths.iter().enumerate();
        sizes.map(|(k, width)| columns(k, self.digits()) << width).sum()
    }

    /// Bits that P0 sends, for each value.
    pub fn opened_planes(&self) -> usize {
        self.digits() * (self.digits() + 1) / 2
    }

    /// Bits that P2 draws for itself, for each value.
    pub fn random_planes(&self) -> usize {
        let digits = self.digits();
        digits * (digits - 1) / 2 + digits - 1
    }

    /// For each digit its place k, the bits of the number that it holds and where its table begins.
    fn tables(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>, usize)> + '_ {
        let mut top = self.widths.iter().sum::<u32>() as usize;
        let mut start = 0;
        self.widths.iter().enumerate().map(move |(k, &width)| {
            let bits = top - width as usize..top;
            top = bits.start;
            let table = start;
            start += columns(k, self.digits()) << width;
            (k, bits, table)
        })
    }
}

/// Bits of one entry of digit `k`'s table: A for i <= k, except in the last digit, then B for i <=
/// k.
const fn columns(k: usize, digits: usize) -> usize {
    if k + 1 == digits { digits } else { 2 * (k + 1) }
}

/// The place of A_k\[.\]\[i\] among the opened bits; c\[i\] follows after all of them.
const fn place(k: usize, i: usize) -> usize {
    k * (k + 1) / 2 + i
}

/// P2: XORs the tables of a batch of values onto `tables`, which hold their pads. `tau` are the
/// planes of the low bits, lowest first; `random` are fresh, [`Split::random_planes`] of them.
///
/// # Panics
/// If there are too few planes of anything.
pub fn encode(split: &Split, tau: &[Block], omega: Block, random: &[Block], tables: &mut [Block]) {
    let digits = split.digits();
    let (above, rho) = random.split_at(digits * (digits - 1) / 2);
    let r = |i: usize, k: usize| if i == k { Block::ONES } else { above[place(k - 1, i)] };
    let mut hot = [Block::ZERO; 1 << MAX_DIGIT];
    for (k, bits, table) in split.tables() {
        let hot = one_hot(&tau[bits], &mut hot);
        let last = k + 1 == digits;
        let columns = columns(k, digits);
        // t for the largest digit; a smaller one is below one more.
        let mut t = if k == 0 { omega } else { rho[k - 1] };
        for (a, &equal) in hot.iter().enumerate().rev() {
            let entry = &mut tables[table + a * columns..][..columns];
            let (links, sums) = entry.split_at_mut(if last { 0 } else { k + 1 });
            for (i, link) in links.iter_mut().enumerate() {
                *link ^= r(i, k) & equal ^ r(i, k + 1);
            }
            let value = if last { t } else { t ^ rho[k] & equal };
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum ^= r(i, k) & value;
            }
            t ^= equal;
        }
    }
}

/// P0 and P1: of a batch of values the entries at `a`, whose planes are the low bits, lowest first:
/// the A entries, then the sums c.
///
/// # Panics
/// As [`encode`].
pub fn look_up(split: &Split, a: &[Block], tables: &[Block], opened: &mut [Block]) {
    let digits = split.digits();
    let (links, sums) = opened.split_at_mut(place(digits - 1, 0));
    sums.fill(Block::ZERO);
    let mut hot = [Block::ZERO; 1 << MAX_DIGIT];
    for (k, bits, table) in split.tables() {
        let hot = one_hot(&a[bits], &mut hot);
        let columns = columns(k, digits);
        let table = &tables[table..][..columns * hot.len()];
        let pick = |column: usize| {
            let entries = table.iter().skip(column).step_by(columns);
            entries.zip(hot).fold(Block::ZERO, |sum, (&entry, &hot)| sum ^ entry & hot)
        };
        let first_sum = if k + 1 == digits { 0 } else { k + 1 };
        for i in 0..first_sum {
            links[place(k, i)] = pick(i);
        }
        for (i, sum) in sums[..=k].iter_mut().enumerate() {
            *sum ^= pick(first_sum + i);
        }
    }
}

/// P1: the bit, from the opened entries without their pads.
///
/// # Panics
/// As [`encode`].
pub(crate) fn solve(split: &Split, opened: &[Block]) -> Block {
    let digits = split.digits();
    let (links, sums) = opened.split_at(place(digits - 1, 0));
    // y_j is at j + 1.
    let mut y = [Block::ZERO; MAX_DIGITS + 1];
    for i in (0..digits).rev() {
        let links = (i..digits - 1).map(|j| y[j + 1] & links[place(j, i)]);
        y[i] = links.fold(sums[i], |bit, link| bit ^ link);
    }
    y[0]
}

/// For every value a of a digit the lanes where the digit is a.
fn one_hot<'h>(bits: &[Block], hot: &'h mut [Block; 1 << MAX_DIGIT]) -> &'h [Block] {
    hot[0] = Block::ONES;
    for (place, &bit) in bits.iter().enumerate() {
        let (low, high) = hot.split_at_mut(1 << place);
        for (low, high) in low.iter_mut().zip(high) {
            *high = *low & bit;
            *low ^= *high;
        }
    }
    &hot[..1 << bits.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::test_world::words_for_tests;

    fn planes_for_tests(test_seed: u64, count: usize) -> Vec<Block> {
        let words = words_for_tests(test_seed, 8 * count);
        words.chunks_exact(8).map(|words| Block(words.try_into().unwrap())).collect()
    }

    fn lane(planes: &[Block], lane: usize) -> u64 {
        let bit = |plane: &Block| plane.0[lane / 64] >> (lane % 64) & 1;
        planes.iter().enumerate().map(|(place, plane)| bit(plane) << place).sum()
    }

    #[test]
    fn splits_are_those_of_the_specification() {
        let of = |bits, digits| {
            let split = Split::with_digits(bits, digits).unwrap();
            (split.table_planes(), split.opened_planes())
        };
        assert_eq!(of(19, 5), (320, 15));
        assert_eq!(of(17, 5), (248, 15));
        assert_eq!(of(15, 5), (184, 15));
        assert_eq!(Split::cheapest(19).widths, [5, 4, 3, 3, 4]);
        assert_eq!(Split::cheapest(1).widths, [1]);
        assert_eq!(Split::with_digits(3, 4), None);
        for bits in 1..=62 {
            assert_eq!(Split::cheapest(bits).widths.iter().sum::<u32>(), bits);
        }
    }

    #[test]
    fn compares_512_values_at_once() {
        for (seed, bits) in [(1, 1), (2, 2), (3, 5), (4, 13), (5, 19), (6, 19), (7, 33), (8, 62)] {
            for split in (1..=6).filter_map(|digits| Split::with_digits(bits, digits)) {
                let tau = planes_for_tests(seed, bits as usize);
                let mut a = planes_for_tests(seed + 10, bits as usize);
                // Half of the lanes agree with tau in all but the lowest bits.
                for (a, tau) in a.iter_mut().zip(&tau).skip(1) {
                    a.0[..4].copy_from_slice(&tau.0[..4]);
                }
                let omega = planes_for_tests(seed + 20, 1)[0];
                let pads = planes_for_tests(seed + 30, split.table_planes());
                let random = planes_for_tests(seed + 40, split.random_planes());
                let mut tables = pads.clone();
                encode(&split, &tau, omega, &random, &mut tables);
                let mut opened = vec![Block::ZERO; split.opened_planes()];
                let mut pad = opened.clone();
                look_up(&split, &a, &tables, &mut opened);
                look_up(&split, &a, &pads, &mut pad);
                for (opened, pad) in opened.iter_mut().zip(&pad) {
                    *opened ^= *pad;
                }
                let bit = solve(&split, &opened);
                for at in 0..512 {
                    let less = u64::from(lane(&a, at) < lane(&tau, at));
                    let due = less ^ lane(&[omega], at);
                    assert_eq!(lane(&[bit], at), due, "{split:?}, lane {at}");
                }
            }
        }
    }

    /// Every state of the digits and every choice of the random bits: what P1 sees depends on the
    /// bit alone, and all sights of one bit are equally likely.
    #[test]
    fn what_is_opened_tells_the_bit_and_no_more() {
        for digits in 2..=4 {
            let split = Split { widths: vec![2; digits] };
            let random_bits = split.random_planes();
            let mut sights: BTreeMap<u64, BTreeSet<BTreeMap<u64, usize>>> = BTreeMap::new();
            // Digit 1 of tau; a below, equal, above.
            let tau: Vec<Block> =
                (0..2 * digits).map(|bit| [Block::ONES, Block::ZERO][bit % 2]).collect();
            for state in 0..3usize.pow(digits as u32) {
                let a: Vec<Block> = (0..2 * digits)
                    .map(|bit| {
                        let digit = state / 3usize.pow((bit / 2) as u32) % 3;
                        [Block::ZERO, Block::ONES][digit >> (bit % 2) & 1]
                    })
                    .collect();
                for omega in [Block::ZERO, Block::ONES] {
                    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
                    let mut result = None;
                    // 512 choices at a time, one a lane.
                    for batch in 0..(1usize << random_bits).div_ceil(512) {
                        let random: Vec<Block> = (0..random_bits)
                            .map(|bit| {
                                let choice = |lane: usize| ((batch * 512 + lane) >> bit & 1) as u64;
                                let word =
                                    |w: usize| (0..64).map(|b| choice(64 * w + b) << b).sum();
                                Block(std::array::from_fn(word))
                            })
                            .collect();
                        let mut tables = vec![Block::ZERO; split.table_planes()];
                        encode(&split, &tau, omega, &random, &mut tables);
                        let mut opened = vec![Block::ZERO; split.opened_planes()];
                        look_up(&split, &a, &tables, &mut opened);
                        let bit = solve(&split, &opened);
                        for at in 0..512.min(1 << random_bits) {
                            *seen.entry(lane(&opened, at)).or_default() += 1;
                            let bit = lane(&[bit], at);
                            assert_eq!(*result.get_or_insert(bit), bit);
                        }
                    }
                    sights.entry(result.unwrap()).or_default().insert(seen);
                }
            }
            // One distribution for each bit, uniform on its support.
            for (bit, distributions) in sights {
                assert_eq!(distributions.len(), 1, "{digits} digits, bit {bit}");
                let counts: BTreeSet<usize> =
                    distributions.iter().flat_map(|seen| seen.values().copied()).collect();
                assert_eq!(counts.len(), 1, "{digits} digits, bit {bit}");
            }
        }
    }
}
