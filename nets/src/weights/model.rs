//! A network's linear layers as they are computed: batch norm folded into them, then encoded.

use std::fmt;

use fixedpoint::encoding::FixedPoint;

use crate::{
    error::{Error, Result},
    graph::{Graph, NodeId},
    weights::{BATCH_NORM, Weights, weight_shape},
};

/// What PyTorch adds to a variance.
pub const BATCH_NORM_EPS: f64 = 1e-5;

/// The most fractional bits: a product has twice as many, and a bias among products needs a sign
/// bit, a guard bit and at least one whole bit beside them.
pub const MAX_FRACTIONAL_BITS: u32 = 30;

/// A linear layer: `weight` as in the weights file, `bias` one for each output channel.
#[derive(Clone, PartialEq)]
pub struct Linear<T> {
    /// Row-major, output channel first.
    pub weight: Vec<T>,
    /// One for each output channel; zeros where the file has none.
    pub bias: Vec<T>,
}

/// The linear layers of a network in real numbers. The model owner's secret: Debug prints no
/// contents.
#[derive(Clone, Debug, PartialEq)]
pub struct Model(Vec<Option<Linear<f64>>>);

/// The linear layers of a network as ring elements: weights with f fractional bits, biases with 2f,
/// as the products they are added to. The model owner's secret: Debug prints no contents.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedModel {
    fixed: FixedPoint,
    layers: Vec<Option<Linear<u64>>>,
}

impl Model {
    /// Folds every batch norm into the linear layer before it: with s = gamma / sqrt(var + eps),
    /// weights become w s and the bias (b - mean) s + beta. Of a binary layer, which signs follow, all of that is
    /// divided by |s|, so that its weights stay 1 and -1 and its bias is a threshold; where it takes signs, whose
    /// sums are whole, halfway between two of them.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] for weights of another network, [`Error::NegativeVariance`],
    /// [`Error::ZeroScale`], [`Error::NotBinary`], [`Error::AboveDegree`].
    pub fn fold(graph: &Graph, weights: &Weights) -> Result<Model> {
        let signs = Signs { are: graph.signs(), follow: graph.signs_follow() };
        let layers = graph.ids().map(|id| fold_layer(graph, id, &signs, weights));
        Ok(Model(layers.collect::<Result<_>>()?))
    }

    /// A linear layer; `None` for others.
    pub fn layer(&self, id: NodeId) -> Option<&Linear<f64>> {
        self.0.get(id.index())?.as_ref()
    }

    /// Checks that the model has the linear layers of this graph, and no others.
    ///
    /// # Errors
    /// [`Error::ModelGraph`].
    pub fn check(&self, graph: &Graph) -> Result<()> {
        check_layers(graph, |id| self.layer(id))
    }

    /// The same layers as ring elements: weights with f fractional bits, biases with 2f; of polynomials, which
    /// take truncated values, constants with f.
    ///
    /// # Errors
    /// [`Error::WeightRange`], [`Error::FractionalBits`] and, for a model of another graph,
    /// [`Error::ModelGraph`].
    pub fn encode(&self, graph: &Graph, fixed: FixedPoint) -> Result<EncodedModel> {
        let f = fixed.fractional_bits();
        let scales = |id| match graph.linear_shape(id, 1) {
            Some(_) => Scales { weight: vec![f], bias: vec![2 * f] },
            None => Scales { weight: vec![f], bias: vec![f] },
        };
        self.encode_with(graph, fixed, scales)
    }

    /// As [`Model::encode`], with other scales.
    pub(crate) fn encode_with(
        &self,
        graph: &Graph,
        fixed: FixedPoint,
        scales: impl Fn(NodeId) -> Scales,
    ) -> Result<EncodedModel> {
        check_fractional_bits(fixed)?;
        self.check(graph)?;
        let encode_layer = |id: NodeId| {
            let Some(layer) = self.layer(id) else {
                return Ok(None);
            };
            let (node, Scales { weight, bias }) = (graph.node(id), scales(id));
            let floored;
            let biases = match node.op.is_binary() {
                // Between two sums of values of f bits, the lower one says the same; and truncation is exact.
                true => {
                    let unit = f64::exp2(-f64::from(bias[0].min(fixed.fractional_bits())));
                    floored = layer.bias.iter().map(|b| (b / unit).floor() * unit).collect();
                    &floored
                }
                false => &layer.bias,
            };
            Ok(Some(Linear {
                weight: encode(&node.name, "weight", &layer.weight, &weight)?,
                bias: encode(&node.name, "bias", biases, &bias)?,
            }))
        };
        let layers = graph.ids().map(encode_layer).collect::<Result<_>>()?;
        Ok(EncodedModel { fixed, layers })
    }
}

/// The fractional bits of a layer's weights and biases, one after the other and over again.
pub(crate) struct Scales {
    pub(crate) weight: Vec<u32>,
    pub(crate) bias: Vec<u32>,
}

impl<T: Copy> Linear<T> {
    /// The polynomials of one degree, of a layer that has channels of these `degrees`: the coefficients of
    /// each channel from x on, and their constants.
    pub fn polynomials(&self, degrees: &[u32], degree: u32) -> (Vec<T>, Vec<T>) {
        let constants = constants(&self.bias, degrees, degree);
        (coefficients(&self.weight, degrees, degree), constants)
    }
}

/// Of a layer's biases, the constants of its polynomials of one degree.
pub(crate) fn constants<T: Copy>(bias: &[T], degrees: &[u32], degree: u32) -> Vec<T> {
    let own = bias.iter().zip(degrees).filter(|(_, own)| **own == degree);
    own.map(|(bias, _)| *bias).collect()
}

/// Of a layer's weights, or what masks them, those of its polynomials of one degree.
pub(crate) fn coefficients<T: Copy>(weights: &[T], degrees: &[u32], degree: u32) -> Vec<T> {
    let columns = degrees.iter().copied().max().unwrap_or(0) as usize;
    let rows = weights.chunks_exact(columns.max(1)).zip(degrees);
    let rows = rows.filter(|(_, own)| **own == degree);
    rows.flat_map(|(row, _)| &row[..degree as usize]).copied().collect()
}

impl EncodedModel {
    /// The fixed point of the weights.
    pub fn fixed(&self) -> FixedPoint {
        self.fixed
    }

    /// BLAKE3 of all weights and biases: as secret as they are, where they can be guessed.
    pub fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for layer in self.layers.iter().flatten() {
            for values in [&layer.weight, &layer.bias] {
                hasher.update(&(values.len() as u64).to_le_bytes());
                for chunk in values.chunks(1 << 12) {
                    let bytes: Vec<u8> = chunk.iter().flat_map(|word| word.to_le_bytes()).collect();
                    hasher.update(&bytes);
                }
            }
        }
        hasher.finalize()
    }

    /// A linear layer; `None` for others.
    pub fn layer(&self, id: NodeId) -> Option<&Linear<u64>> {
        self.layers.get(id.index())?.as_ref()
    }

    /// Checks that the model has the linear layers of this graph, and no others.
    ///
    /// # Errors
    /// [`Error::ModelGraph`].
    pub fn check(&self, graph: &Graph) -> Result<()> {
        check_layers(graph, |id| self.layer(id))
    }
}

impl<T> fmt::Debug for Linear<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (weights, biases) = (self.weight.len(), self.bias.len());
        write!(f, "Linear({weights} weights, {biases} biases)")
    }
}

/// Checks that products fit into the ring.
///
/// # Errors
/// [`Error::FractionalBits`].
pub fn check_fractional_bits(fixed: FixedPoint) -> Result<()> {
    let (bits, max) = (fixed.fractional_bits(), MAX_FRACTIONAL_BITS);
    if (1..=max).contains(&bits) {
        return Ok(());
    }
    Err(Error::FractionalBits { bits, max })
}

fn check_layers<'a, T: 'a>(
    graph: &Graph,
    layer: impl Fn(NodeId) -> Option<&'a Linear<T>>,
) -> Result<()> {
    let fits = |id| match (weight_shape(graph, id), layer(id)) {
        (None, None) => true,
        (Some((weight, outputs, _)), Some(layer)) => {
            layer.weight.len() == weight.iter().product::<usize>() && layer.bias.len() == outputs
        }
        _ => false,
    };
    if graph.ids().all(fits) {
        return Ok(());
    }
    let graph = graph.name().to_owned();
    Err(Error::ModelGraph { graph })
}

fn fold_layer(
    graph: &Graph,
    id: NodeId,
    signs: &Signs,
    weights: &Weights,
) -> Result<Option<Linear<f64>>> {
    let Some((shape, outputs, bias)) = weight_shape(graph, id) else {
        return Ok(None);
    };
    let node = graph.node(id);
    let tensor = |prefix: &str, suffix: &str| {
        weights.of(prefix, suffix).ok_or_else(|| Error::MissingTensor {
            tensor: format!("{prefix}.{suffix}"),
            present: Vec::new(),
        })
    };
    let mut layer = Linear {
        weight: match shape.contains(&0) {
            true => Vec::new(),
            false => tensor(&node.name, "weight")?.to_vec(),
        },
        bias: match bias {
            true => tensor(&node.name, "bias")?.to_vec(),
            false => vec![0.0; outputs],
        },
    };
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
        // Only signs follow, so a positive factor makes no difference.
        row.iter_mut().for_each(|weight| *weight *= scale.signum());
        *bias /= scale.abs();
        if signs.are[node.inputs[0].index()] && signs.follow[id.index()] {
            // Sums of signs are whole: between two of them the bias says the same of all. Beyond the largest sum
            // it says nothing new.
            let limit = fan_in as f64 + 1.0;
            *bias = bias.clamp(-limit, limit).floor() + 0.5;
        }
    }
    Ok(Some(layer))
}

/// Where a layer's values are signs, and where nothing but their signs matters.
struct Signs {
    are: Vec<bool>,
    follow: Vec<bool>,
}

/// What no shape says: weights of 1 and -1, and no coefficients above a channel's degree.
fn check_weights(graph: &Graph, id: NodeId, layer: &Linear<f64>) -> Result<()> {
    let node = graph.node(id);
    let tensor = || format!("{}.weight", node.name);
    if node.op.is_binary() {
        return match layer.weight.iter().position(|weight| weight.abs() != 1.0) {
            Some(index) => Err(Error::NotBinary { tensor: tensor(), index }),
            None => Ok(()),
        };
    }
    let degrees = node.op.degrees(graph.dims(id).channels);
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

fn encode(node: &str, tensor: &'static str, values: &[f64], bits: &[u32]) -> Result<Vec<u64>> {
    let encode = |(index, (&value, &bits))| {
        // The encoder's own error would print the weight.
        FixedPoint::new(bits).encode(value).map_err(|_| Error::WeightRange {
            node: node.to_owned(),
            tensor,
            index,
            limit_bits: 62 - bits,
        })
    };
    values.iter().zip(bits.iter().cycle()).enumerate().map(encode).collect()
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
        let [gamma, beta, mean, var] = BATCH_NORM.map(|suffix| weights.of("bn1", suffix).unwrap());
        let dims = graph.dims(id);
        for (index, (&got, &x)) in folded[id.index()].iter().zip(&plain[id.index()]).enumerate() {
            let c = index / dims.plane() % dims.channels;
            let expected = (x - mean[c]) / (var[c] + BATCH_NORM_EPS).sqrt() * gamma[c] + beta[c];
            assert!((got - expected).abs() < 1e-12, "{index}: {got} {expected}");
        }
    }

    #[test]
    fn encoding_has_f_and_2f_bits() {
        let graph = test_nets::tiny();
        let model = Model::fold(&graph, &Weights::random(&graph, 1)).unwrap();
        let encoded = model.encode(&graph, FixedPoint::new(13)).unwrap();
        let id = graph.find("fc").unwrap();
        let (real, ring) = (model.layer(id).unwrap(), encoded.layer(id).unwrap());
        for (bits, real, ring) in [(13, &real.weight, &ring.weight), (26, &real.bias, &ring.bias)] {
            let decoded = FixedPoint::new(bits).decode_slice(ring);
            let unit = f64::exp2(-f64::from(bits));
            assert!(decoded.iter().zip(real).all(|(a, b)| (a - b).abs() <= unit / 2.0));
        }
        assert!(encoded.layer(graph.find("relu").unwrap()).is_none());
        assert!(encoded.check(&graph).is_ok());
        assert!(encoded.check(&test_nets::everything()).is_err());
        assert!(model.encode(&test_nets::everything(), encoded.fixed()).is_err());
        assert!(!format!("{encoded:?} {model:?}").contains('.'));
    }

    #[test]
    fn what_does_not_fit_is_named_without_its_value() {
        let graph = test_nets::tiny();
        let mut model = Model::fold(&graph, &Weights::random(&graph, 1)).unwrap();
        let id = graph.find("fc").unwrap();
        model.0[id.index()].as_mut().unwrap().bias[2] = 123_456_789_012.0;
        let error = model.encode(&graph, FixedPoint::new(13)).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("bias of layer 'fc'"), "{error}");
        assert!(error.contains("index 2") && !error.contains("123"), "{error}");
        assert!(model.encode(&graph, FixedPoint::new(31)).is_err());
        assert!(model.encode(&graph, FixedPoint::new(0)).is_err());
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
