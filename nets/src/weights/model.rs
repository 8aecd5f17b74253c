//! A network's layers with weights in the form in which they are computed: with batch norm folded
//! in, as real numbers or encoded as ring elements.

use std::fmt;

use fixedpoint::encoding::FixedPoint;

use super::tensors::weight_shape;
use crate::{
    error::{Error, Result},
    graph::{Graph, NodeId},
};

/// The most fractional bits. A product has twice as many, and a bias at the scale of products also
/// needs a sign bit, a guard bit and at least one integer bit.
pub const MAX_FRACTIONAL_BITS: u32 = 24;

/// A layer with weights: a linear layer, or an activation with polynomials.
#[derive(Clone, PartialEq)]
pub struct LayerWeights<T> {
    /// The weights as in the weights file: row-major, output channel first.
    pub weight: Vec<T>,
    /// One bias for each output channel; zeros if the file has none.
    pub bias: Vec<T>,
}

/// The layers of a network that have weights, as real numbers. They are the model owner's secret,
/// so `Debug` prints no contents.
#[derive(Clone, Debug, PartialEq)]
pub struct Model(pub(super) Vec<Option<LayerWeights<f64>>>);

/// The layers of a network that have weights, as ring elements at the scales of a suite. They are
/// the model owner's secret, so `Debug` prints no contents.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedModel {
    fixed: FixedPoint,
    layers: Vec<Option<LayerWeights<u64>>>,
}

impl Model {
    /// A layer's weights; `None` for a layer without weights.
    pub fn layer(&self, id: NodeId) -> Option<&LayerWeights<f64>> {
        self.0.get(id.index())?.as_ref()
    }

    /// Checks that the model has weights for exactly the layers of this graph that need them.
    ///
    /// # Errors
    /// [`Error::ModelGraph`].
    pub fn check(&self, graph: &Graph) -> Result<()> {
        check_layers(graph, |id| self.layer(id))
    }

    /// The same layers as ring elements: weights with f fractional bits and biases with 2f, like
    /// the products that they are added to. The constants of polynomials, which take truncated
    /// values, have f.
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

    /// Like [`Model::encode`], with the scales of each layer from `scales`.
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
            let biases = if node.op.is_binary() {
                // A threshold between two multiples of the inputs' unit acts like the lower one,
                // after which truncation is exact.
                let unit = f64::exp2(-f64::from(bias[0].min(fixed.fractional_bits())));
                floored = layer.bias.iter().map(|b| (b / unit).floor() * unit).collect();
                &floored
            } else {
                &layer.bias
            };
            Ok(Some(LayerWeights {
                weight: encode(&node.name, "weight", &layer.weight, &weight)?,
                bias: encode(&node.name, "bias", biases, &bias)?,
            }))
        };
        let layers = graph.ids().map(encode_layer).collect::<Result<_>>()?;
        Ok(EncodedModel { fixed, layers })
    }
}

/// The fractional bits of a layer's weights and biases: one number for each, repeated cyclically.
pub(crate) struct Scales {
    pub(crate) weight: Vec<u32>,
    pub(crate) bias: Vec<u32>,
}

impl<T: Copy> LayerWeights<T> {
    /// The polynomials of one degree in a layer whose channels have these `degrees`: the
    /// coefficients of x, x^2, ... channel by channel, and the constants.
    pub fn polynomials(&self, degrees: &[u32], degree: u32) -> (Vec<T>, Vec<T>) {
        let constants = channel_constants(&self.bias, degrees, degree);
        (channel_coefficients(&self.weight, degrees, degree), constants)
    }
}

/// The constants of a layer's polynomials of one degree, from its biases.
pub(crate) fn channel_constants<T: Copy>(bias: &[T], degrees: &[u32], degree: u32) -> Vec<T> {
    let constants = bias.iter().zip(degrees).filter(|(_, other)| **other == degree);
    constants.map(|(bias, _)| *bias).collect()
}

/// The coefficients of a layer's polynomials of one degree, from its weights or their masks.
pub(crate) fn channel_coefficients<T: Copy>(weights: &[T], degrees: &[u32], degree: u32) -> Vec<T> {
    let columns = degrees.iter().copied().max().unwrap_or(0) as usize;
    let rows = weights.chunks_exact(columns.max(1)).zip(degrees);
    let rows = rows.filter(|(_, other)| **other == degree);
    rows.flat_map(|(row, _)| &row[..degree as usize]).copied().collect()
}

impl EncodedModel {
    /// The fixed point that the weights are encoded for.
    pub fn fixed(&self) -> FixedPoint {
        self.fixed
    }

    /// BLAKE3 of all weights and biases. It is as secret as they are: whoever guesses the weights
    /// could check the guess.
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

    /// A layer's weights; `None` for a layer without weights.
    pub fn layer(&self, id: NodeId) -> Option<&LayerWeights<u64>> {
        self.layers.get(id.index())?.as_ref()
    }

    /// Checks that the model has weights for exactly the layers of this graph that need them.
    ///
    /// # Errors
    /// [`Error::ModelGraph`].
    pub fn check(&self, graph: &Graph) -> Result<()> {
        check_layers(graph, |id| self.layer(id))
    }
}

impl<T> fmt::Debug for LayerWeights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (weights, biases) = (self.weight.len(), self.bias.len());
        write!(f, "LayerWeights({weights} weights, {biases} biases)")
    }
}

/// Checks that products fit the ring.
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
    layer: impl Fn(NodeId) -> Option<&'a LayerWeights<T>>,
) -> Result<()> {
    let fits = |id| match (weight_shape(graph, id), layer(id)) {
        (None, None) => true,
        (Some((weight, outputs, _)), Some(layer)) => {
            layer.weight.len() == weight.iter().product::<usize>() && layer.bias.len() == outputs
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    if graph.ids().all(fits) {
        return Ok(());
    }
    let graph = graph.name().to_owned();
    Err(Error::ModelGraph { graph })
}

fn encode(node: &str, tensor: &'static str, values: &[f64], bits: &[u32]) -> Result<Vec<u64>> {
    let encode = |(index, (&value, &bits))| {
        // The encoder's error would print the weight.
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
    use crate::{test_nets, weights::Weights};

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
}
