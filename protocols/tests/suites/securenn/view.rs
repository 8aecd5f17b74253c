//! The views of the parties, and whether they are uniform.

use std::collections::BTreeMap;

use fixedpoint::{
    packing::{PACKED_VALUE_BYTES, unpack_digits},
    prime::{DIGITS, P},
};
use protocols::{Role, transport::recording::Record};

use crate::uniformity::{LIMIT, deviation};

/// Checks that everything received is uniform and that P2 receives what DReLUs send it and nothing
/// else. Gives the values of each DReLU.
pub(crate) fn check_view(records: &[Record]) -> BTreeMap<String, usize> {
    let drelus = check_seen_by_p2(records);
    check_uniform(records, &drelus);
    if !drelus.is_empty() {
        check_compare_sums(records);
    }
    drelus
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
fn check_uniform(records: &[Record], drelus: &BTreeMap<String, usize>) {
    let mut digits: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut bytes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in records {
        let payload = &record.message.payload;
        let name = format!("{} {} phase {}", place(record), record.link, record.message.phase);
        let values = drelu_of(&record.path).map_or(0, |drelu| drelus[drelu]);
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
