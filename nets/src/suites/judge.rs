//! Judging a run: how far the parties' results may be from the network in clear.

use crate::{graph::NodeId, output::Output};

/// A network in clear on a batch, in the fixed point of its suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The network's results, image by image.
    pub outputs: Vec<u64>,
    /// How far from them the parties' results may be, in units of theirs.
    pub tolerance: f64,
    /// The largest bound of any image on the probability that a truncation spoils its result, in a
    /// suite whose truncations may fail.
    pub truncation_failure: Option<f64>,
    /// The first layer that works on values out of range, where the suite's results would be wrong.
    pub out_of_range: Option<OutOfRange>,
}

/// A layer that works on values out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// The layer.
    pub layer: NodeId,
    /// How many values.
    pub values: usize,
}

/// How many times the largest error of a simulation an error may reach before it counts as wrong.
/// Errors are sums of many independent coins, so nearly normal: one of 8 times the largest of several
/// is not to be expected in any number of runs.
pub const MARGIN: f64 = 8.0;

/// The simulations whose largest error is taken.
pub(super) const SIMULATIONS: u64 = 2;

impl Reference {
    /// How many results of the data owner are off by more than coins can do: logits, or labels of
    /// `classes` classes. A label is, if the reference's logit for it is behind the largest one by more
    /// than two logits can be off.
    pub fn count_wrong(&self, results: &[u64], output: Output, classes: usize) -> usize {
        let difference = |a: u64, b: u64| a.wrapping_sub(b).cast_signed() as f64;
        match output {
            Output::Logits => {
                let pairs = results.iter().zip(&self.outputs);
                let off =
                    |&(&got, &due): &(&u64, &u64)| difference(got, due).abs() > self.tolerance;
                pairs.filter(off).count()
            }
            Output::Label => {
                let behind = |(logits, label): &(&[u64], &u64)| {
                    let own = logits[**label as usize];
                    let ahead = logits.iter().map(|&logit| difference(logit, own));
                    ahead.fold(0.0, f64::max) > 2.0 * self.tolerance
                };
                self.outputs.chunks_exact(classes).zip(results).filter(behind).count()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(outputs: &[i64], tolerance: f64) -> Reference {
        let outputs = outputs.iter().map(|x| x.cast_unsigned()).collect();
        Reference { outputs, tolerance, truncation_failure: None, out_of_range: None }
    }

    #[test]
    fn results_are_wrong_beyond_the_tolerance() {
        let reference = reference(&[10, -10, 0, 5], 2.0);
        let got = [12, -13, -2, 8].map(i64::cast_unsigned);
        assert_eq!(reference.count_wrong(&got, Output::Logits, 2), 2);
        // Of two classes 10 is ahead by 20, and 5 by 5.
        assert_eq!(reference.count_wrong(&[0, 1], Output::Label, 2), 0);
        assert_eq!(reference.count_wrong(&[1, 0], Output::Label, 2), 2);
        assert_eq!(
            super::Reference { tolerance: 3.0, ..reference }.count_wrong(&[1, 0], Output::Label, 2),
            1
        );
    }
}
