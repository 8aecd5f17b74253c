//! Folding batch norm into the linear layer before it.

use super::{
    model::{LayerWeights, Model},
    tensors::{BATCH_NORM, Weights, weight_shape},
};
use crate::{
    error::{Error, Result},
    graph::{Graph, NodeId},
};

/// The epsilon that PyTorch adds to a variance.
pub const BATCH_NORM_EPS: f64 = 1e-5;

impl Model {
    /// Folds every batch norm into the linear layer before it: with s = gamma / sqrt(var + eps), a
    /// weight w becomes w s and a bias b becomes (b - mean) s + beta. In a binary layer, both are
    /// divided by |s|, which changes no sign of a result: weights stay 1 and -1, and the bias is a
    /// threshold. If the layer takes signs, their sums are integers, and the threshold is moved
    /// halfway between two.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] for weights of another network, [`Error::NegativeVariance`],
    /// [`Error::ZeroScale`], [`Error::NotBinary`], [`Error::AboveDegree`].
    pub fn fold(graph: &Graph, weights: &Weights) -> Result<Model> {
        let signs = Signs { are: graph.signs(), follow: graph.signs_follow() };
        let layers = graph.ids().map(|id| fold_layer(graph, id, &signs, weights));
        Ok(Model(layers.collect::<Result<_>>()?))
    }
}

fn fold_layer(
    graph: &Graph,
    id: NodeId,
    signs: &Signs,
    weights: &Weights,
) -> Result<Option<LayerWeights<f64>>> {
    let Some((shape, outputs, bias)) = weight_shape(graph, id) else {
        return Ok(None);
    };
    let node = graph.node(id);
    let tensor = |prefix: &str, suffix: &str| {
        weights.suffixed(prefix, suffix).ok_or_else(|| Error::MissingTensor {
            tensor: format!("{prefix}.{suffix}"),
            present: Vec::new(),
        })
    };
    let weight =
        if shape.contains(&0) { Vec::new() } else { tensor(&node.name, "weight")?.to_vec() };
    let bias = if bias { tensor(&node.name, "bias")?.to_vec() } else { vec![0.0; outputs] };
    let mut layer = LayerWeights { weight, bias };
    check_weights(graph, id, &layer)?;
    let mut scale = vec![1.0; outputs];
    if let Some(prefix) = &node.batch_norm {
        let [gamma, beta, mean, var] = BATCH_NORM.map(|suffix| tensor(prefix, suffix));
        let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
        if let Some(index) = var.iter().position(|&var| var < 0.0) {
            let tensor = format!("{prefix}.running_var");
            return Err(Error::NegativeVariance { tensor, index });
        }
        for (channel, scale) in scale.iter_mut().enumerate() {
            *scale = gamma[channel] / (var[channel] + BATCH_NORM_EPS).sqrt();
            let bias = &mut layer.bias[channel];
            *bias = (*bias - mean[channel]) * *scale + beta[channel];
        }
        if let (true, Some(index)) = (node.op.is_binary(), scale.iter().position(|&s| s == 0.0)) {
            return Err(Error::ZeroScale { tensor: format!("{prefix}.weight"), index });
        }
    }
    let binary = node.op.is_binary();
    if binary && node.batch_norm.is_some() && !signs.follow[id.index()] {
        return Err(Error::SignsDoNotFollow { node: node.name.clone() });
    }
    let fan_in = layer.weight.len() / outputs.max(1);
    let rows = layer.weight.chunks_exact_mut(fan_in.max(1));
    for ((row, bias), scale) in rows.zip(&mut layer.bias).zip(scale) {
        if !binary {
            row.iter_mut().for_each(|weight| *weight *= scale);
            continue;
        }
        // Only the signs of the results matter, so a positive factor makes no difference.
        row.iter_mut().for_each(|weight| *weight *= scale.signum());
        *bias /= scale.abs();
        if signs.are[node.inputs[0].index()] && signs.follow[id.index()] {
            // Sums of signs are integers, and every threshold between two of them acts alike; so
            // does every threshold out of their range.
            let limit = fan_in as f64 + 1.0;
            *bias = bias.clamp(-limit, limit).floor() + 0.5;
        }
    }
    Ok(Some(layer))
}

/// The signs of a binary network, layer by layer.
struct Signs {
    /// Whether the values are signs.
    are: Vec<bool>,
    /// Whether nothing but the signs of the values matters.
    follow: Vec<bool>,
}

/// Checks what the shape does not: that weights of a binary layer are 1 or -1, and that
/// coefficients above a channel's degree are 0.
fn check_weights(graph: &Graph, id: NodeId, layer: &LayerWeights<f64>) -> Result<()> {
    let node = graph.node(id);
    let tensor = || format!("{}.weight", node.name);
    if node.op.is_binary() {
        return match layer.weight.iter().position(|weight| weight.abs() != 1.0) {
            Some(index) => Err(Error::NotBinary { tensor: tensor(), index }),
            None => Ok(()),
        };
    }
    let channels = graph.dims(id).channels;
    let activation = node.op.activation();
    let degrees = activation.map_or_else(Vec::new, |activation| activation.degrees(channels));
    let columns = degrees.iter().copied().max().unwrap_or(0) as usize;
    let rows = layer.weight.chunks_exact(columns.max(1)).zip(&degrees);
    let above = |(row, (values, &degree)): (usize, (&[f64], &u32))| {
        let place = values.iter().skip(degree as usize).position(|&c| c != 0.0)?;
        Some(row * columns + degree as usize + place)
    };
    match rows.enumerate().find_map(above) {
        Some(index) => Err(Error::AboveDegree { tensor: tensor(), index }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{reference, test_nets};

    #[test]
    fn folding_changes_no_result() {
        let graph = test_nets::tiny();
        let weights = Weights::random(&graph, 3);
        let id = graph.find("conv1").unwrap();
        let images = test_nets::images(&graph, 2, 4);
        let run = |graph| {
            let model = Model::fold(graph, &weights).unwrap();
            reference::float(graph, &model, &images).unwrap()
        };
        let folded = run(&graph);
        // The same convolution alone, and batch norm as it is defined.
        let plain = run(&test_nets::tiny_without_batch_norm());
        let [gamma, beta, mean, var] =
            BATCH_NORM.map(|suffix| weights.suffixed("bn1", suffix).unwrap());
        let dims = graph.dims(id);
        for (index, (&got, &x)) in folded[id.index()].iter().zip(&plain[id.index()]).enumerate() {
            let c = index / dims.plane() % dims.channels;
            let expected = (x - mean[c]) / (var[c] + BATCH_NORM_EPS).sqrt() * gamma[c] + beta[c];
            assert!((got - expected).abs() < 1e-12, "{index}: {got} {expected}");
        }
    }

    #[test]
    fn negative_variances_are_refused() {
        let graph = test_nets::tiny();
        let mut weights = Weights::random(&graph, 1);
        weights.tensor_mut("bn1.running_var")[1] = -0.5;
        let error = Model::fold(&graph, &weights).unwrap_err().to_string();
        assert!(error.contains("'bn1.running_var'") && error.contains("index 1"), "{error}");
    }
}
