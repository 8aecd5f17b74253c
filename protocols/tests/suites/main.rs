//! Laws for every function of each suite, one list of functions and one macro call a suite, and
//! tests of the suites from outside.
//!
//! Seeds are fixed, so a law that holds once holds always.

mod dealer;
mod securenn;
mod uniformity;

use std::{collections::BTreeMap, fs, path::Path};

use uniformity::{LIMIT, deviation};

/// Makes a test of each law for all samples of a suite.
macro_rules! laws {
    ($name:ident, $suite:ident, $implementation:literal) => {
        mod $name {
            use protocols::samples::$suite as all;

            #[test]
            fn every_implementation_has_a_sample() {
                let listed = all().iter().map(|sample| sample.implementation).collect();
                crate::check_complete(stringify!($suite), $implementation, listed);
            }

            #[test]
            fn results_are_ideal_up_to_coins() {
                all().iter().for_each(crate::$suite::laws::equals_its_ideal);
            }

            #[test]
            fn costs_are_those_predicted() {
                all().iter().for_each(crate::$suite::laws::costs_what_is_predicted);
            }

            #[test]
            fn lanes_of_every_size_agree() {
                all().iter().for_each(crate::$suite::laws::agrees_in_lanes_of_every_size);
            }

            #[test]
            fn results_are_ideal_beyond_65536_values() {
                all().iter().for_each(crate::$suite::laws::is_right_beyond_65536_values);
            }

            #[test]
            fn views_are_uniform() {
                all().iter().for_each(crate::$suite::laws::shows_uniform_views);
            }

            #[test]
            fn results_tell_nothing_of_masks() {
                all().iter().for_each(crate::$suite::laws::hides_masks_within_bounds);
            }

            #[test]
            #[ignore = "outside of the bounds P1 sees the wraparound that signs and truncations \
                        correct, until they are repaired"]
            fn results_tell_nothing_of_masks_out_of_bounds() {
                all().iter().for_each(crate::$suite::laws::hides_masks_out_of_bounds);
            }
        }
    };
}

laws!(securenn_laws, securenn, "Elementwise");
laws!(dealer_laws, dealer, "Function");

/// Checks that all types which implement a suite's trait, as its source says, are listed.
fn check_complete(suite: &str, implementation: &str, listed: Vec<&str>) {
    let last = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
    let listed: Vec<String> = listed.into_iter().map(last).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(suite);
    let mut found = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        let heads = source.lines().filter(|line| line.starts_with("impl"));
        for head in heads {
            let Some((_, of)) = head.split_once(&format!("{implementation} for ")) else {
                continue;
            };
            let name = of.trim_end_matches([' ', '{']).to_owned();
            assert!(listed.contains(&name), "{}: {name} has no sample", path.display());
            found += 1;
        }
    }
    assert!(found > 5, "only {found} implementations of {implementation} in the source");
}

/// Checks that numbers of 6 bits which a party sees are uniform whatever the result is, where
/// results are frequent enough to tell.
fn assert_independent(results: &[u64], seen: &[u64], what: &str) {
    let mut counts: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (result, seen) in results.iter().zip(seen) {
        counts.entry(*result).or_insert_with(|| vec![0; 64])[*seen as usize] += 1;
    }
    let mut frequent = 0;
    for (result, counts) in counts.iter().filter(|(_, counts)| counts.iter().sum::<u64>() >= 640) {
        let deviation = deviation(counts);
        assert!(deviation < LIMIT, "{what}, {result}: {deviation} standard deviations");
        frequent += 1;
    }
    assert!(frequent > 0, "{what}: no result is frequent");
}
