//! Weights as a training framework left them: named tensors from a safetensors file.

use std::{collections::BTreeMap, fmt, fs::File, io::Read, ops::Range, path::Path};

use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};

use crate::{
    error::{Error, Result},
    graph::{ActivationKind, Graph, NodeId, Op, Portion},
    weights::checkpoint,
};

/// What a batch norm's tensors are called, after its prefix.
pub(crate) const BATCH_NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// Counts training steps; says nothing about the network.
const IGNORED_SUFFIX: &str = "num_batches_tracked";

/// The tensors of a network, each of the right shape and finite. The model owner's secret: Debug
/// prints names only.
#[derive(Clone, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, Vec<f64>>,
}

/// A tensor that a network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the weights file: that of the layer or batch norm, a dot, and `weight` and so on.
    pub name: String,
    /// Its shape: a convolution's weight is `[out, in / groups, rows, columns]`, a fully connected
    /// layer's `[out, in]`; of polynomials `[channels, degree]`, the coefficients of x first and zeros above a
    /// channel's own degree; all else, such as the polynomials' constants, is a vector.
    pub shape: Vec<usize>,
}

/// The tensors that a network needs, in the order of its layers.
pub fn parameters(graph: &Graph) -> Vec<Parameter> {
    let of_node = |id| {
        let node = graph.node(id);
        let Some((weight, outputs, bias)) = weight_shape(graph, id) else {
            return Vec::new();
        };
        let mut parameters = vec![parameter(&node.name, "weight", weight)];
        // Constants have no coefficients but the last.
        parameters.retain(|parameter| parameter.shape.iter().all(|&size| size > 0));
        if bias {
            parameters.push(parameter(&node.name, "bias", vec![outputs]));
        }
        if let Some(prefix) = &node.batch_norm {
            parameters.extend(BATCH_NORM.map(|suffix| parameter(prefix, suffix, vec![outputs])));
        }
        parameters
    };
    graph.ids().flat_map(of_node).collect()
}

impl Weights {
    /// The weights of a network from a safetensors file (F16, BF16, F32 or F64). The file holds the
    /// network's [`parameters`] and nothing else, but for `num_batches_tracked`, which is ignored. All
    /// names may have a prefix in common, such as `module.`, which wrappers put there.
    ///
    /// # Errors
    /// [`Error::File`] around [`Error::Io`], [`Error::WeightsFormat`], [`Error::WeightsSize`] or any
    /// error of [`Weights::parse`].
    pub fn read(path: &Path, graph: &Graph) -> Result<Weights> {
        let result = read_checked(path, graph).and_then(|bytes| Weights::parse(&bytes, graph));
        result.map_err(|error| Error::File { path: path.to_owned(), source: Box::new(error) })
    }

    /// As [`Weights::read`], from bytes.
    ///
    /// # Errors
    /// [`Error::Safetensors`], [`Error::MissingTensor`], [`Error::ExtraTensors`],
    /// [`Error::TensorShape`], [`Error::TensorType`], [`Error::NotFinite`].
    pub fn parse(bytes: &[u8], graph: &Graph) -> Result<Weights> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| Error::Safetensors { reason: error.to_string() })?;
        let mut present: BTreeMap<&str, TensorView<'_>> = file.iter().collect();
        present.retain(|name, _| !name.ends_with(IGNORED_SUFFIX));
        let names: Vec<String> = present.keys().map(|name| (*name).to_owned()).collect();
        let parameters = parameters(graph);
        let prefix = common_prefix(&names, &parameters);
        let mut tensors = BTreeMap::new();
        for parameter in &parameters {
            let name = format!("{prefix}{}", parameter.name);
            let Some(view) = present.remove(name.as_str()) else {
                return Err(Error::MissingTensor { tensor: name, present: names });
            };
            if view.shape() != parameter.shape {
                return Err(Error::TensorShape {
                    tensor: name,
                    got: view.shape().to_vec(),
                    expected: parameter.shape.clone(),
                    advice: advice(&parameters, parameter, view.shape()),
                });
            }
            tensors.insert(parameter.name.clone(), read_tensor(&name, &view)?);
        }
        if !present.is_empty() {
            let tensors = present.into_keys().map(str::to_owned).collect();
            return Err(Error::ExtraTensors { tensors });
        }
        Ok(Weights { tensors })
    }

    /// Weights for a network that has not been trained: the same for the same graph and seed, of a
    /// size that keeps values near 1 in deep networks whatever their activations, and with batch norms
    /// that are not trivial. For tests and measurements; nothing about them is secret.
    pub fn random(graph: &Graph, seed: u64) -> Weights {
        let squares = mean_squares(graph);
        let draw = |Parameter { name, shape }: Parameter| {
            let mut uniform = Uniform::new(&name, seed);
            let len = shape.iter().product();
            let layer = graph.find(name.trim_end_matches(".weight"));
            let op = layer.map(|id| &graph.node(id).op);
            if op.is_some_and(Op::is_binary) {
                let values = (0..len).map(|_| uniform.between(-1.0, 1.0).signum()).collect();
                return (name, values);
            }
            if let (Some(op @ (Op::Activation(_) | Op::Mix(_))), Some(id)) = (op, layer) {
                // Less slope than `mean_squares` counts with and little curvature: values shrink a little from layer to
                // layer, where else deep networks would drive them to where squares and cubes outgrow them.
                let columns = shape[1];
                let of = |degree: u32| -> Vec<f64> {
                    let drawn = [(0.3, 0.5), (0.01, 0.05), (-0.005, 0.005)]
                        .map(|(low, high)| uniform.between(low, high));
                    let degree = degree as usize;
                    let own = drawn.into_iter().take(degree);
                    own.chain(std::iter::repeat(0.0)).take(columns).collect()
                };
                let values = op.degrees(graph.dims(id).channels).into_iter().flat_map(of).collect();
                return (name, values);
            }
            let (low, high) = match shape.as_slice() {
                // A variance that brings the sum of fan-in products to a mean square of 1.
                [_, fan_in @ ..] if !fan_in.is_empty() => {
                    let inputs = &graph.node(layer.expect("a linear layer")).inputs;
                    let fan_in = fan_in.iter().product::<usize>() as f64;
                    let bound = (3.0 / (fan_in * squares[inputs[0].index()])).sqrt();
                    (-bound, bound)
                }
                _ if name.ends_with("running_var") => (0.5, 1.5),
                _ if name.ends_with("weight") => (0.8, 1.2),
                _ => (-0.1, 0.1),
            };
            let values = (0..len).map(|_| uniform.between(low, high)).collect();
            (name, values)
        };
        let tensors = parameters(graph).into_iter().map(draw).collect();
        Weights { tensors }
    }

    /// The bytes of a safetensors file with the tensors of their network, in single precision.
    pub fn to_safetensors(&self, graph: &Graph) -> Vec<u8> {
        let stored: Vec<_> = parameters(graph)
            .into_iter()
            .map(|Parameter { name, shape }| {
                let values = &self.tensors[&name];
                let bytes: Vec<u8> =
                    values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
                (name, shape, bytes)
            })
            .collect();
        let views = stored.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            (name, view.expect("a tensor of its shape"))
        });
        serialize(views, None).expect("tensors of unlike names")
    }

    /// Tensors that fit their network and are finite.
    pub(crate) fn from_tensors(tensors: BTreeMap<String, Vec<f64>>) -> Weights {
        Weights { tensors }
    }

    /// A tensor in row-major order.
    pub fn tensor(&self, name: &str) -> Option<&[f64]> {
        self.tensors.get(name).map(Vec::as_slice)
    }

    #[cfg(test)]
    pub(crate) fn tensor_mut(&mut self, name: &str) -> &mut Vec<f64> {
        self.tensors.get_mut(name).expect("a tensor of the network")
    }

    /// A tensor of a layer or batch norm.
    pub(crate) fn of(&self, prefix: &str, suffix: &str) -> Option<&[f64]> {
        self.tensor(&format!("{prefix}.{suffix}"))
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weights({:?})", self.tensors.keys())
    }
}

/// The mean square of a layer's values: of what is as often negative as positive, and of what never is negative.
#[derive(Clone, Copy)]
struct MeanSquare {
    even: f64,
    positive: f64,
}

impl MeanSquare {
    fn even(square: f64) -> MeanSquare {
        MeanSquare { even: square, positive: 0.0 }
    }

    fn positive(square: f64) -> MeanSquare {
        MeanSquare { even: 0.0, positive: square }
    }

    fn total(self) -> f64 {
        self.even + self.positive
    }

    fn plus(self, other: MeanSquare) -> MeanSquare {
        let (even, positive) = (self.even + other.even, self.positive + other.positive);
        MeanSquare { even, positive }
    }

    fn times(self, factor: f64) -> MeanSquare {
        MeanSquare { even: self.even * factor, positive: self.positive * factor }
    }

    /// Of a function's results, values being about normal. A ReLU takes half of what is even and, on top of it,
    /// leaves what is positive: so sums in residual networks grow.
    fn of(self, kind: Option<ActivationKind>) -> MeanSquare {
        let x = self.total();
        match kind {
            None => self,
            Some(ActivationKind::Relu | ActivationKind::Relu6) => {
                MeanSquare::positive(self.positive + self.even / 2.0)
            }
            Some(ActivationKind::LeakyRelu { slope }) => {
                MeanSquare::positive(self.positive + self.even * (1.0 + slope * slope) / 2.0)
            }
            Some(ActivationKind::Square) => MeanSquare::positive(3.0 * x * x),
            Some(ActivationKind::Cube) => MeanSquare::even(15.0 * x * x * x),
            Some(ActivationKind::Sign) => MeanSquare::even(1.0),
            Some(ActivationKind::Sigmoid) => MeanSquare::positive(0.25),
            Some(ActivationKind::Tanh) => MeanSquare::even(x / (1.0 + x)),
            Some(ActivationKind::Polynomial { degree: 0 }) => MeanSquare::even(0.01),
            Some(ActivationKind::Polynomial { .. }) => self.times(0.25),
        }
    }
}

/// What random batch norms make of a mean square of 1: of weights in 0.8..1.2, variances in 0.5..1.5, and means and biases
/// within 0.1.
const BATCH_NORM_SQUARE: f64 = 1.12;

/// For every layer about the mean square of its values, if those of the input are uniform in 0..1 and
/// every linear layer's are 1.
fn mean_squares(graph: &Graph) -> Vec<f64> {
    let mut squares: Vec<MeanSquare> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let inputs = &graph.node(id).inputs;
        let input = |place: usize| squares[inputs[place].index()];
        // A mean, each part with its number of channels.
        let mixed = |parts: Vec<(usize, MeanSquare)>| {
            let channels = graph.dims(id).channels as f64;
            let part = |(own, square): (usize, MeanSquare)| square.times(own as f64 / channels);
            parts.into_iter().map(part).fold(MeanSquare::even(0.0), MeanSquare::plus)
        };
        // Neighbours are neither equal nor independent: an average's square is less and a maximum's
        // more by something between nothing and their number.
        let window =
            |id| (graph.pool_shape(id, 1).expect("a pooling layer").window_len() as f64).sqrt();
        squares.push(match &graph.node(id).op {
            Op::Input => MeanSquare::positive(1.0 / 3.0),
            // Of a binary layer's sums nothing depends on their size but what a sign takes.
            Op::Conv(_) | Op::Dense(_) => {
                let norm = graph.node(id).batch_norm.as_ref();
                MeanSquare::even(norm.map_or(1.0, |_| BATCH_NORM_SQUARE))
            }
            op @ (Op::Activation(_) | Op::Mix(_)) => {
                let portions = op.portions(graph.dims(id).channels);
                let of = |portion: &Portion| (portion.len(), input(0).of(portion.kind));
                mixed(portions.iter().map(of).collect())
            }
            Op::MaxPool(_) => input(0).times(window(id)),
            Op::AvgPool(_) | Op::GlobalAvgPool => input(0).times(1.0 / window(id)),
            Op::Add => input(0).plus(input(1)),
            Op::Concat => {
                let of = |id: &NodeId| (graph.dims(*id).channels, squares[id.index()]);
                mixed(inputs.iter().map(of).collect())
            }
            Op::Slice { .. } | Op::Shuffle { .. } | Op::Flatten | Op::Reshape(_) => input(0),
        });
    }
    squares.into_iter().map(MeanSquare::total).collect()
}

/// The weight shape of a linear layer or an activation with polynomials, how many biases it has and whether
/// the file holds them; `None` for layers without weights.
pub(crate) fn weight_shape(graph: &Graph, id: NodeId) -> Option<(Vec<usize>, usize, bool)> {
    let inputs = graph.input_dims(id).channels;
    match &graph.node(id).op {
        Op::Conv(conv) => {
            let (rows, columns) = conv.kernel;
            let weight = vec![conv.out_channels, inputs / conv.groups, rows, columns];
            Some((weight, conv.out_channels, conv.bias))
        }
        Op::Dense(dense) => Some((vec![dense.out, inputs], dense.out, dense.bias)),
        op => {
            let degrees = op.degrees(inputs);
            let columns = degrees.iter().copied().max()? as usize;
            Some((vec![degrees.len(), columns], degrees.len(), true))
        }
    }
}

fn parameter(prefix: &str, suffix: &str, shape: Vec<usize>) -> Parameter {
    let name = format!("{prefix}.{suffix}");
    Parameter { name, shape }
}

/// The bytes of a file that may be a network's weights by its beginning and its size.
fn read_checked(path: &Path, graph: &Graph) -> Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(checkpoint::HEAD as u64).read_to_end(&mut bytes)?;
    checkpoint::check(path, &bytes)?;
    let values: usize =
        parameters(graph).iter().map(|parameter| parameter.shape.iter().product::<usize>()).sum();
    let most = 8 * values as u64 + HEADER_ALLOWANCE;
    let size = file.metadata()?.len();
    if size > most {
        return Err(Error::WeightsSize { bytes: size, most });
    }
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Names, shapes, remarks and counters of steps take less.
const HEADER_ALLOWANCE: u64 = 16 << 20;

/// What all names of a file have before the network's.
fn common_prefix(names: &[String], parameters: &[Parameter]) -> String {
    let before = |name: &String| {
        let prefix = name.strip_suffix(&parameters.first()?.name)?;
        let whole = prefix.is_empty() || prefix.ends_with('.');
        (whole && names.iter().all(|name| name.starts_with(prefix))).then(|| prefix.to_owned())
    };
    names.iter().find_map(before).unwrap_or_default()
}

/// What a tensor of another shape comes from, and what to do.
fn advice(parameters: &[Parameter], parameter: &Parameter, got: &[usize]) -> String {
    let due = &parameter.shape[..];
    let layer =
        |parameter: &Parameter| parameter.name.rsplit_once('.').map(|(layer, _)| layer.to_owned());
    let [first, last] =
        [parameters.first(), parameters.last()].map(|end| end.and_then(layer) == layer(parameter));
    match (got, due) {
        ([classes, rest @ ..], [due, due_rest @ ..]) if last && rest == due_rest => format!(
            "the file tells {classes} classes apart, not {due}: set that number of classes, or train \
             the last layer anew"
        ),
        ([a, channels, kernel @ ..], [b, due, due_kernel @ ..])
            if first && a == b && kernel == due_kernel && kernel.len() == 2 =>
        {
            format!(
                "the file takes images of {channels} channels, not {due}: set that input, or train on \
                 such images"
            )
        }
        ([.., rows, columns], [.., due_rows, due_columns])
            if got.len() == 4 && due.len() == 4 && [rows, columns] != [due_rows, due_columns] =>
        {
            format!(
                "its kernels are {rows}x{columns}, as in nets for other image sizes (ImageNet's): train \
                 the net of this one, or export that model to ONNX and give it as the network"
            )
        }
        ([a, _], [b, _]) if a == b => {
            "the file was trained on images of another size: set that input, or train it anew"
                .into()
        }
        _ => "the file is of another width, plan or version of the net".into(),
    }
}

/// The values of a tensor, if they are finite numbers.
fn read_tensor(name: &str, view: &TensorView<'_>) -> Result<Vec<f64>> {
    let tensor = || name.to_owned();
    let values = numbers(view).ok_or_else(|| Error::TensorType {
        tensor: tensor(),
        dtype: format!("{:?}", view.dtype()),
    })?;
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NotFinite { tensor: tensor(), index }),
        None => Ok(values),
    }
}

/// The elements of a tensor; `None` for a type that is not read.
fn numbers(view: &TensorView<'_>) -> Option<Vec<f64>> {
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|&chunk| number(chunk)).collect()
    }
    let bytes = view.data();
    match view.dtype() {
        Dtype::F64 => Some(each(bytes, f64::from_le_bytes)),
        Dtype::F32 => Some(each(bytes, |b| f32::from_le_bytes(b).into())),
        Dtype::BF16 => {
            Some(each(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16).into()))
        }
        Dtype::F16 => Some(each(bytes, |b| half(u16::from_le_bytes(b)))),
        _ => None,
    }
}

/// IEEE 754 binary16.
pub(crate) fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * f64::exp2(-24.0),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * f64::from(exponent - 25).exp2(),
    };
    sign * magnitude
}

/// A stream of numbers that depends on a label and a seed alone.
pub(crate) struct Uniform {
    stream: blake3::OutputReader,
    /// A stretch of the stream: a hash is fast by the block only.
    words: Vec<u64>,
}

impl Uniform {
    pub(crate) fn new(label: &str, seed: u64) -> Uniform {
        let mut hasher = blake3::Hasher::new_derive_key("tercet random test values");
        hasher.update(&seed.to_le_bytes());
        hasher.update(label.as_bytes());
        Uniform { stream: hasher.finalize_xof(), words: Vec::new() }
    }

    pub(crate) fn word(&mut self) -> u64 {
        if self.words.is_empty() {
            let mut bytes = [0; 1024];
            self.stream.fill(&mut bytes);
            let words = bytes.as_chunks().0.iter().rev();
            self.words.extend(words.map(|&word| u64::from_le_bytes(word)));
        }
        self.words.pop().expect("just filled")
    }

    /// A number of this range, as a ring element.
    pub(crate) fn within(&mut self, range: &Range<i64>) -> u64 {
        let width = range.end.wrapping_sub(range.start).cast_unsigned();
        (self.word() % width).wrapping_add(range.start.cast_unsigned())
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.word() >> 11) as f64 / f64::exp2(53.0);
        low + (high - low) * unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_nets;

    type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

    /// The tiny net's tensors, as F32.
    fn stored() -> Vec<Stored> {
        let graph = test_nets::tiny();
        let weights = Weights::random(&graph, 1);
        let store = |p: Parameter| {
            let values = weights.tensor(&p.name).unwrap();
            let bytes = values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
            (p.name, Dtype::F32, p.shape, bytes)
        };
        parameters(&graph).into_iter().map(store).collect()
    }

    fn file(tensors: &[Stored]) -> Vec<u8> {
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        serialize(views, None).unwrap()
    }

    fn parse(tensors: &[Stored]) -> Result<Weights> {
        Weights::parse(&file(tensors), &test_nets::tiny())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let graph = test_nets::everything();
        let weights = Weights::random(&graph, 1);
        let once = Weights::parse(&weights.to_safetensors(&graph), &graph).unwrap();
        assert_eq!(Weights::parse(&once.to_safetensors(&graph), &graph).unwrap(), once);
        let (name, values) = weights.tensors.first_key_value().unwrap();
        assert!((values[0] - once.tensor(name).unwrap()[0]).abs() < 1e-6);
    }

    fn find<'a>(tensors: &'a mut [Stored], name: &str) -> &'a mut Stored {
        tensors.iter_mut().find(|t| t.0 == name).unwrap()
    }

    #[test]
    fn a_good_file_is_read() {
        let mut tensors = stored();
        tensors.push(("bn1.num_batches_tracked".into(), Dtype::I64, vec![], vec![0; 8]));
        let weights = parse(&tensors).unwrap();
        let expected = Weights::random(&test_nets::tiny(), 1);
        for Parameter { name, .. } in parameters(&test_nets::tiny()) {
            let pairs = weights.tensor(&name).unwrap().iter();
            let pairs = pairs.zip(expected.tensor(&name).unwrap());
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6), "{name}");
        }
        assert!(!format!("{weights:?}").contains("0."), "{weights:?}");
    }

    #[test]
    fn every_float_type_is_read() {
        for (dtype, bytes, expected) in [
            (Dtype::F64, (-1.5f64).to_le_bytes().to_vec(), -1.5),
            (Dtype::F32, 0.25f32.to_le_bytes().to_vec(), 0.25),
            (Dtype::BF16, 0xC020u16.to_le_bytes().to_vec(), -2.5),
            (Dtype::F16, 0x3E00u16.to_le_bytes().to_vec(), 1.5),
            (Dtype::F16, 0x8001u16.to_le_bytes().to_vec(), -f64::exp2(-24.0)),
            (Dtype::F16, 0x7BFFu16.to_le_bytes().to_vec(), 65504.0),
        ] {
            let view = TensorView::new(dtype, vec![1], &bytes).unwrap();
            assert_eq!(numbers(&view), Some(vec![expected]), "{dtype:?}");
        }
        assert!(half(0x7C00).is_infinite() && half(0xFE00).is_nan());
        let mut tensors = stored();
        *find(&mut tensors, "fc.bias") = ("fc.bias".into(), Dtype::I32, vec![3], vec![0; 12]);
        let error = parse(&tensors).unwrap_err().to_string();
        assert!(error.contains("'fc.bias'") && error.contains("I32"), "{error}");
    }

    #[test]
    fn truncated_files_are_refused() {
        let bytes = file(&stored());
        let graph = test_nets::tiny();
        for len in [0, 4, 8, 100, bytes.len() - 1] {
            let error = Weights::parse(&bytes[..len], &graph).unwrap_err();
            assert!(matches!(error, Error::Safetensors { .. }), "{len}: {error}");
            assert!(error.to_string().contains("truncated"), "{error}");
        }
    }

    #[test]
    fn missing_and_extra_tensors_are_named() {
        let mut tensors = stored();
        find(&mut tensors, "fc.weight").0 = "fc.wieght".into();
        let error = parse(&tensors).unwrap_err().to_string();
        assert!(error.contains("'fc.weight'") && error.contains("'fc.wieght'"), "{error}");
        let mut tensors = stored();
        tensors.push(("head.bias".into(), Dtype::F32, vec![1], vec![0; 4]));
        let error = parse(&tensors).unwrap_err().to_string();
        assert!(error.contains("'head.bias'"), "{error}");
    }

    #[test]
    fn wrong_shapes_are_named() {
        let mut tensors = stored();
        find(&mut tensors, "conv1.weight").2.reverse();
        let error = parse(&tensors).unwrap_err().to_string();
        for part in ["'conv1.weight'", "[3, 3, 1, 2]", "[2, 1, 3, 3]"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn another_shape_is_explained() {
        let complaint = |name: &str, shape: &[usize]| {
            let mut tensors = stored();
            let tensor = find(&mut tensors, name);
            tensor.2 = shape.to_vec();
            tensor.3 = vec![0; 4 * shape.iter().product::<usize>()];
            parse(&tensors).unwrap_err().to_string()
        };
        let fc = parameters(&test_nets::tiny()).into_iter().find(|p| p.name == "fc.weight");
        let [classes, inputs] = fc.unwrap().shape[..] else { panic!("fully connected") };
        let cases: [(&str, &[usize], &str); 6] = [
            ("conv1.weight", &[2, 3, 3, 3], "takes images of 3 channels, not 1"),
            (
                "conv1.weight",
                &[2, 1, 7, 7],
                "its kernels are 7x7, as in nets for other image sizes",
            ),
            ("conv1.weight", &[4, 1, 3, 3], "of another width, plan or version"),
            ("fc.weight", &[1000, inputs], "the file tells 1000 classes apart, not 3"),
            ("fc.weight", &[classes, inputs + 1], "trained on images of another size"),
            ("fc.bias", &[1000], "the file tells 1000 classes apart, not 3"),
        ];
        for (name, shape, expected) in cases {
            let message = complaint(name, shape);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_prefix_that_all_names_have_is_passed_over() {
        let expected = parse(&stored()).unwrap();
        for prefix in ["module.", "model.", "_orig_mod.module."] {
            let mut tensors = stored();
            tensors.iter_mut().for_each(|tensor| tensor.0.insert_str(0, prefix));
            tensors.push(("epoch.num_batches_tracked".into(), Dtype::I64, vec![], vec![0; 8]));
            assert_eq!(parse(&tensors).unwrap(), expected);
            let bias = find(&mut tensors, &format!("{prefix}fc.bias"));
            bias.2 = vec![1, 3];
            let error = parse(&tensors).unwrap_err().to_string();
            assert!(error.contains(&format!("'{prefix}fc.bias' has shape [1, 3]")), "{error}");
            find(&mut tensors, &format!("{prefix}fc.bias")).0 = "fc.bias".into();
            let error = parse(&tensors).unwrap_err().to_string();
            assert!(error.contains("tensor 'conv1.weight' is missing"), "{error}");
        }
    }

    #[test]
    fn what_is_not_finite_is_named() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut tensors = stored();
            find(&mut tensors, "fc.weight").3[20..24].copy_from_slice(&bad.to_le_bytes());
            let error = parse(&tensors).unwrap_err().to_string();
            assert!(error.contains("'fc.weight'") && error.contains("index 5"), "{error}");
        }
    }

    #[test]
    fn files_are_named_in_errors() {
        let complaint =
            |path: &Path| Weights::read(path, &test_nets::tiny()).unwrap_err().to_string();
        let nowhere = complaint(Path::new("/nowhere/weights.safetensors"));
        assert!(nowhere.starts_with("/nowhere/weights.safetensors: "), "{nowhere}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("net.pth");
        std::fs::write(&path, b"PK\x03\x04 and so on").unwrap();
        let pickle = complaint(&path);
        assert!(pickle.starts_with(&format!("{}: is a zip", path.display())), "{pickle}");
        let large = directory.path().join("vgg.safetensors");
        File::create(&large).unwrap().set_len(1 << 40).unwrap();
        let large = complaint(&large);
        assert!(large.contains("has 1099511627776 bytes where"), "{large}");
        std::fs::write(&path, file(&stored())).unwrap();
        let read = Weights::read(&path, &test_nets::tiny()).unwrap();
        assert_eq!(read, parse(&stored()).unwrap());
    }

    #[test]
    fn random_weights_depend_on_the_seed_alone() {
        let graph = test_nets::everything();
        assert_eq!(Weights::random(&graph, 1), Weights::random(&graph, 1));
        assert_ne!(Weights::random(&graph, 1), Weights::random(&graph, 2));
    }
}
