//! The network in clear over real numbers, as it was trained.

use fixedpoint::{Padding, conv::ConvShape, pool::PoolShape};

use super::walk::{Activated, Arithmetic, walk};
use crate::{
    error::Result,
    functions::{ActivationKind, Terms},
    graph::{Graph, NodeId},
    weights::{LayerWeights, Model},
};

/// Every layer's results for a batch of images (NCHW), as real numbers.
///
/// # Errors
/// [`crate::Error::Images`], [`crate::Error::Batch`], [`crate::Error::ModelGraph`].
pub fn float(graph: &Graph, model: &Model, images: &[f64]) -> Result<Vec<Vec<f64>>> {
    model.check(graph)?;
    let layer = |id| model.layer(id).expect("the model was checked");
    walk(graph, &Float { layer }, images)
}

/// The class with the largest logit for each image; the first, if several are equal.
pub fn classes<T: PartialOrd>(logits: &[T], classes: usize) -> Vec<usize> {
    let best = |logits: &[T]| {
        (1..classes).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
    };
    logits.chunks_exact(classes).map(best).collect()
}

struct Float<F> {
    layer: F,
}

impl<'m, F: Fn(NodeId) -> &'m LayerWeights<f64>> Arithmetic for Float<F> {
    type Value = f64;

    fn linear(&self, id: NodeId, shape: &ConvShape, x: &[f64]) -> Vec<f64> {
        let layer = (self.layer)(id);
        let (positions, patch) = (shape.positions(), shape.patch());
        let rows = shape.out_channels / shape.groups;
        let mut out = vec![0.0; shape.output_len()];
        let mut matrix = vec![0.0; patch * positions];
        for (block, out) in out.chunks_exact_mut(rows * positions).enumerate() {
            let (image, group) = (block / shape.groups, block % shape.groups);
            shape.im2col(x, image, group, 0..positions, &mut matrix);
            for (row, out) in out.chunks_exact_mut(positions).enumerate() {
                let channel = group * rows + row;
                out.fill(layer.bias[channel]);
                let weights = &layer.weight[channel * patch..][..patch];
                for (weight, seen) in weights.iter().zip(matrix.chunks_exact(positions)) {
                    out.iter_mut().zip(seen).for_each(|(y, x)| *y += weight * x);
                }
            }
        }
        out
    }

    fn activate(&self, layer: &Activated<'_>, kind: ActivationKind, x: &[f64]) -> Vec<f64> {
        let function = kind.function();
        let Some(degree) = function.trained_degree() else {
            return x.iter().map(|&x| function.value(x, Terms::default())).collect();
        };
        let degrees = layer.activation.degrees(layer.dims.channels);
        let (coefficients, constants) = (self.layer)(layer.id).polynomials(&degrees, degree);
        let degree = degree as usize;
        let value = |(index, &x): (usize, &f64)| {
            let channel = index / layer.dims.plane() % constants.len();
            let coefficients = &coefficients[channel * degree..][..degree];
            function.value(x, Terms { coefficients, constant: constants[channel] })
        };
        x.iter().enumerate().map(value).collect()
    }

    fn max_pool(&self, shape: &PoolShape, x: &[f64]) -> Vec<f64> {
        fold_windows(shape, x, f64::NEG_INFINITY, f64::max)
    }

    fn avg_pool(&self, shape: &PoolShape, counted: Padding, x: &[f64]) -> Vec<f64> {
        let mut sums = fold_windows(shape, x, 0.0, |sum, x| sum + x);
        let counts = shape.counts(counted);
        let pairs = sums.iter_mut().zip(counts.iter().cycle());
        pairs.for_each(|(sum, &count)| *sum /= count.max(1) as f64);
        sums
    }

    fn add(&self, a: &[f64], b: &[f64]) -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| a + b).collect()
    }
}

/// Folds the values of each window, starting with `fill`, which also stands for padding.
pub(crate) fn fold_windows(
    shape: &PoolShape,
    x: &[f64],
    fill: f64,
    f: impl Fn(f64, f64) -> f64,
) -> Vec<f64> {
    let mut folded = vec![fill; shape.output_len()];
    let mut column = Vec::new();
    for place in 0..shape.window_len() {
        shape.gather(x, place, fill, &mut column);
        let pairs = folded.iter_mut().zip(&column);
        pairs.for_each(|(folded, &x)| *folded = f(*folded, x));
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Error, test_nets, weights::Weights};

    #[test]
    fn logits_are_those_of_pytorch() {
        let test_nets::Digits { graph, model, images, expected } = test_nets::digits();
        let results = float(&graph, &model, &images).unwrap();
        let logits = &results[graph.output().index()];
        let mut right = 0;
        for (row, logits) in expected.iter().zip(logits.chunks_exact(10)) {
            for (expected, got) in row[1..].iter().zip(logits) {
                assert!((expected - got).abs() < 1e-4, "{expected} {got}");
            }
            right += usize::from(classes(logits, 10)[0] == row[0] as usize);
        }
        assert_eq!(right, expected.len());
    }

    #[test]
    fn wrong_inputs_are_refused() {
        let graph = test_nets::tiny();
        let model = Model::fold(&graph, &Weights::random(&graph, 1)).unwrap();
        let error = float(&graph, &model, &[0.0; 17]).unwrap_err().to_string();
        assert!(error.contains("17 input values"), "{error}");
        assert!(matches!(float(&graph, &model, &[]), Err(Error::Batch { .. })));
        let other = test_nets::everything();
        let images = test_nets::images(&other, 1, 1);
        let error = float(&other, &model, &images).unwrap_err();
        assert!(matches!(error, Error::ModelGraph { .. }));
    }

    #[test]
    fn the_first_largest_logit_wins() {
        assert_eq!(classes(&[1.0, 3.0, 3.0, -1.0, -2.0, -1.0], 3), [1, 0]);
    }
}
