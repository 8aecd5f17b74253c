//! Judging the results of a run by a reference: the network in clear, with a tolerance.

use crate::{graph::NodeId, output::Output};

/// The results of a network in clear on a batch, in the fixed point of its suite.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The network's results for each image.
    pub outputs: Vec<u64>,
    /// The largest expected error of the parties' results, in units of the results.
    pub tolerance: f64,
    /// The largest bound, over all images, of the probability that a truncation spoils the result;
    /// `None` for a suite whose truncations do not fail.
    pub truncation_failure: Option<f64>,
    /// The first layer with values out of range, for which the suite's results would be wrong.
    pub out_of_range: Option<OutOfRange>,
}

/// A layer with values out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// The layer.
    pub layer: NodeId,
    /// The number of values out of range.
    pub values: usize,
}

/// The ratio of the tolerance to the largest error in a simulation. Errors are sums of many
/// independent coins, so they are nearly normal: one of 8 times the largest of several is not to be
/// expected in any number of runs.
pub(super) const MARGIN: f64 = 8.0;

/// The number of simulations whose largest error is taken.
pub(super) const SIMULATIONS: u64 = 2;

impl Reference {
    /// The number of wrong results, which are logits, or labels of `classes` classes. A logit is
    /// wrong if its error exceeds the tolerance. A label is wrong if the reference's logit for it
    /// is smaller than the largest one by more than twice the tolerance.
    pub fn count_wrong(&self, results: &[u64], output: Output, classes: usize) -> usize {
        let difference = |a: u64, b: u64| a.wrapping_sub(b).cast_signed() as f64;
        match output {
            Output::Logits => {
                let pairs = results.iter().zip(&self.outputs);
                let is_wrong =
                    |&(&got, &due): &(&u64, &u64)| difference(got, due).abs() > self.tolerance;
                pairs.filter(is_wrong).count()
            }
            Output::Label => {
                let is_wrong = |(logits, label): &(&[u64], &u64)| {
                    let labelled = logits[**label as usize];
                    let larger = logits.iter().map(|&logit| difference(logit, labelled));
                    larger.fold(0.0, f64::max) > 2.0 * self.tolerance
                };
                self.outputs.chunks_exact(classes).zip(results).filter(is_wrong).count()
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
    fn results_are_wrong_if_they_exceed_the_tolerance() {
        let reference = reference(&[10, -10, 0, 5], 2.0);
        let got = [12, -13, -2, 8].map(i64::cast_unsigned);
        assert_eq!(reference.count_wrong(&got, Output::Logits, 2), 2);
        // The larger of two logits is larger by 20 in the first image, and by 5 in the second.
        assert_eq!(reference.count_wrong(&[0, 1], Output::Label, 2), 0);
        assert_eq!(reference.count_wrong(&[1, 0], Output::Label, 2), 2);
        let tolerant = Reference { tolerance: 3.0, ..reference };
        assert_eq!(tolerant.count_wrong(&[1, 0], Output::Label, 2), 1);
    }
}
