//! Leaks that the rules prevent, by breaking each on purpose.

use fixedpoint::{
    planes::BitPlanes,
    ring,
    width::{self, Width},
};
use protocols::{
    Link, Role, SessionOptions,
    dealer::{Function, Gate, Polynomial, Relu, WeightKey, chain, chain::Split, gadget::Secret},
    prf::Seed,
    test_world::{TestWorld, words_for_tests},
};

use crate::{
    dealer::view::{Field, payload, worst},
    uniformity::LIMIT,
};

const COUNT: usize = 1 << 15;

/// Without a mask of its own for what is opened, P1 reads the differences of a max pool: it knows
/// the masks of wires, r.
#[test]
fn without_a_remask_p1_reads_differences_of_wires() {
    let gate = Gate::new(Width::new(23), 22, 0, Width::new(23));
    let (r, other) = (words_for_tests(1, COUNT), words_for_tests(2, COUNT));
    let lead = ring::sub(&r, &other);
    let difference: Vec<u64> = words_for_tests(3, COUNT)
        .iter()
        .map(|word| (word % (1 << 21)).wrapping_sub(1 << 20))
        .collect();
    let u = ring::sub(&difference, &lead);
    let recovered = |q: &[u64]| {
        let read = |((&u, &q), &lead): ((&u64, &u64), &u64)| {
            gate.opened().signed(gate.open(u, q).wrapping_add(lead).wrapping_sub(1 << 21))
        };
        let pairs = u.iter().zip(q).zip(&lead).map(read).zip(&difference);
        pairs.filter(|(read, difference)| *read == difference.cast_signed()).count()
    };
    assert_eq!(recovered(&vec![0; COUNT]), COUNT);
    assert!(recovered(&words_for_tests(4, COUNT)) < 5);
}

/// One mask for two openings tells the difference of what they hide.
#[test]
fn one_mask_for_two_openings_tells_their_difference() {
    let gate = Gate::new(Width::new(33), 32, 12, Width::new(33));
    let (u, q) = (words_for_tests(5, COUNT), words_for_tests(6, COUNT));
    let y = |unit: u64| unit << gate.shift();
    let open = |more: u64, q: &[u64]| -> Vec<u64> {
        u.iter().zip(q).map(|(u, q)| gate.open(u.wrapping_add(y(more)), *q)).collect()
    };
    let apart = |first: Vec<u64>, second: Vec<u64>| {
        let difference = ring::sub(&second, &first);
        difference.into_iter().filter(|&d| gate.opened().reduce(d) == 700).count()
    };
    assert_eq!(apart(open(0, &q), open(700, &q)), COUNT);
    assert!(apart(open(0, &q), open(700, &words_for_tests(7, COUNT))) < 5);
}

/// Two look-ups in one table tell more than their two bits; each in a table of its own, whatever
/// tau is, tell nothing that is not uniform.
#[test]
fn two_look_ups_in_a_table_tell_more_than_their_bits() {
    let split = Split::with_digits(6, 2).unwrap();
    let points = [0o50, 0o53];
    // What P1 sees of both, without pads: A, c[0] and c[1] of each.
    let seen = |tau: u64, fresh: bool| {
        let planes = |value: u64| BitPlanes::transpose(&[value; COUNT], 0, 6);
        let tau = planes(tau);
        let mut stream = TestWorld::new(3).stream(Role::ModelOwner, Role::DataOwner, "P2's");
        let mut draw = || (stream.bit_planes(1, COUNT), stream.bit_planes(2, COUNT));
        let (first, second) = (draw(), draw());
        let tables = [&first, if fresh { &second } else { &first }];
        let fields = points.iter().zip(tables).map(|(&point, (mask, random))| {
            let point = planes(point);
            let mut opened = BitPlanes::zeros(split.opened_planes(), COUNT);
            for (batch, opened) in opened.batches_mut().enumerate() {
                let mut tables = vec![Default::default(); split.table_planes()];
                let omega = mask.batch(batch)[0];
                chain::encode(&split, tau.batch(batch), omega, random.batch(batch), &mut tables);
                chain::look_up(&split, point.batch(batch), &tables, opened);
            }
            Field::new("look-up", opened.planes() as u32, opened.to_values())
        });
        fields.collect::<Vec<_>>()
    };
    assert_eq!((split.random_planes(), split.opened_planes()), (2, 3));
    // Both points are below 0o72 and 0o77, by their first digit alone. Yet c[1] tells whether the
    // last digit lies between theirs.
    let moved = |tau: u64| {
        let fields = seen(tau, false);
        let pairs = fields[0].values.iter().zip(&fields[1].values);
        pairs.filter(|(first, second)| (*first ^ *second) >> 2 & 1 == 1).count()
    };
    assert_eq!([moved(0o72), moved(0o77)], [COUNT, 0]);
    assert!(worst(&seen(0o72, false)).0 > LIMIT);
    for tau in [0, 0o51, 0o54, 0o72, 0o77] {
        let (deviation, place) = worst(&seen(tau, true));
        assert!(deviation < LIMIT, "{tau}: {deviation} at {place}");
    }
}

/// The same seeds for two queries: P1 reads the difference of the values, rounded.
#[test]
fn a_session_that_is_run_twice_is_a_two_time_pad() {
    let gate = Gate::new(Width::new(33), 32, 12, Width::new(33));
    let opened = |test_seed: u64, y: u64| {
        let options = SessionOptions { chunk: COUNT, window: 1 };
        let world = TestWorld::new(test_seed).record().options(options);
        let v = words_for_tests(12, COUNT);
        let u: Vec<u64> = v.iter().map(|v| y.wrapping_sub(*v)).collect();
        let run = world.gadget(&Relu, &gate, &u, &v);
        let link = Link::new(Role::ModelOwner, Role::DataOwner);
        let message = payload(&run.records, link, "layer/#0");
        let opened = gate.opened();
        width::unpack(opened, &message[..opened.bytes(COUNT)], COUNT).unwrap()
    };
    let found = |first: Vec<u64>, second: Vec<u64>| {
        let difference = ring::sub(&second, &first);
        difference.into_iter().filter(|&d| gate.opened().reduce(d) == 1234).count()
    };
    let first = opened(1, 99);
    assert_eq!(found(first.clone(), opened(1, 99 + (1234 << 12))), COUNT);
    assert!(found(first, opened(2, 99 + (1234 << 12))) < 5);
}

/// P0 knows A. Without shares of its own, the term of A and P1's share of tau would tell it tau.
#[test]
fn terms_of_the_key_need_shares_of_their_own() {
    let gate = Gate::new(Width::new(33), 32, 12, Width::new(33));
    let a = WeightKey::new(Seed::from_bytes([1; 32])).mask("poly", 3);
    let polynomial = Polynomial::new(3, COUNT, a.clone(), Vec::new());
    let mut tau = words_for_tests(15, COUNT);
    gate.opened().reduce_all(&mut tau);
    let pads: Vec<Vec<u64>> = (20..32).map(|seed| words_for_tests(seed, COUNT)).collect();
    let secret = Secret { first: 0, tau: &tau, masks: &[], pads: &pads };
    let shared = polynomial.share(&gate, &secret);
    assert_eq!(shared.len(), pads.len());
    // X_1 is the first and W_2 = -3 A_3 x'_1 the last but one.
    let x = ring::sub(&shared[0], &pads[0]);
    let three = a[2].wrapping_mul(3);
    let told = |w: &[u64]| {
        let half = 1 << (gate.bound() - 1 - gate.shift());
        let tells = |((w, x), tau): ((&u64, &u64), &u64)| {
            let sum = three.wrapping_mul(*x).wrapping_sub(*w);
            gate.out().reduce(sum) == gate.out().reduce(three.wrapping_mul(tau + half))
        };
        w.iter().zip(&x).zip(&tau).filter(|of| tells(*of)).count()
    };
    assert_eq!(told(&shared[10]), COUNT);
    assert!(told(&ring::sub(&shared[10], &pads[10])) < 5);
}

/// New weights under the key of old ones: P1 reads how they changed.
#[test]
fn a_weight_key_is_for_one_version_of_the_weights() {
    let key = WeightKey::new(Seed::from_bytes([1; 32]));
    let (old, new) = (words_for_tests(13, 100), words_for_tests(14, 100));
    let masked = |weights: &[u64]| ring::sub(weights, &key.mask("conv1", weights.len()));
    assert_eq!(ring::sub(&masked(&new), &masked(&old)), ring::sub(&new, &old));
    assert_ne!(key.mask("conv1", 100), key.mask("conv2", 100));
}
