//! The walk over a file's nodes: constants are computed, reshapes kept as views, everything else
//! becomes layers of the draft (see [`super::layers`]).

use std::collections::HashMap;

use fixedpoint::Padding;

use super::{
    draft::{Draft, Kind, LayerId},
    node::Node,
    tensor::{Tensor, resolve_shape, slice_indices},
    view::{Arrangement, View},
};
use crate::graph::{Dims, Op};

/// What a tensor of the file is.
#[derive(Clone, Debug)]
pub enum Value {
    /// Known without running the model.
    Constant(Tensor),
    /// Computed from the input.
    Data(Data),
    /// Data with zeros around it, which the layer after it has to add.
    Padded(Data, Padding),
    /// Computed from the model's result, by nodes that the data owner can do in clear.
    Tail(Data),
    /// The result of a node that is not supported.
    Unknown,
}

/// A view of a layer's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    pub layer: LayerId,
    pub view: View,
}

/// Why a node cannot be translated, and what to use instead; fits after its name.
pub type Refusal = String;

/// The state of the walk.
pub struct Translator {
    /// The layers so far.
    pub draft: Draft,
    /// What was left out, for the user.
    pub notes: Vec<String>,
    /// The nodes that are not supported.
    pub refused: Vec<String>,
    values: HashMap<String, Value>,
    settled: Vec<(Data, LayerId)>,
}

impl Translator {
    /// A walk that has not begun.
    pub fn new(draft: Draft, values: HashMap<String, Value>) -> Translator {
        let (notes, refused, settled) = Default::default();
        Translator { draft, notes, refused, values, settled }
    }

    /// Names the model's input.
    pub fn begin(&mut self, input: &str, data: Data) {
        self.values.insert(input.to_owned(), Value::Data(data));
    }

    /// Translates the next node; what is wrong with it is noted.
    pub fn node(&mut self, node: Node<'_>) {
        let outcome = match instead(node.op()) {
            _ if !node.0.domain.as_deref().is_none_or(known_domain) => {
                let domain = node.0.domain.as_deref().unwrap_or_default();
                Err(format!("is of the operator set '{domain}': export with standard operators"))
            }
            Some(instead) => Err(instead.to_owned()),
            None => self.translate(node),
        };
        let results = match outcome {
            Ok(results) => results,
            Err(refusal) => {
                let name = node.name().escape_default();
                self.refused.push(format!("'{name}' ({}) {refusal}", node.op().escape_default()));
                Vec::new()
            }
        };
        let results = results.into_iter().chain(std::iter::repeat(Value::Unknown));
        for (name, value) in node.0.output.iter().zip(results) {
            self.values.insert(name.clone(), value);
        }
    }

    /// A tensor by name.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// A node's input.
    pub fn input(&self, node: Node<'_>, place: usize) -> Result<&Value, Refusal> {
        let name = node.input(place).ok_or_else(|| format!("lacks input {place}"))?;
        self.values.get(name).ok_or_else(|| {
            let name = name.escape_default();
            format!("uses '{name}', which no node before it makes: the nodes are out of order, or form a cycle")
        })
    }

    /// An input that is computed from the model's input.
    pub fn data(&self, node: Node<'_>, place: usize) -> Result<Data, Refusal> {
        match self.input(node, place)? {
            Value::Data(data) => Ok(data.clone()),
            Value::Padded(..) => {
                Err("reads a padded image: only convolutions and average pooling \
                                      can; use their own padding"
                    .into())
            }
            _ => Err(format!("has a constant as input {place}: simplify the model, or remove it")),
        }
    }

    /// The first input, and the zeros around it.
    pub fn padded(&self, node: Node<'_>) -> Result<(Data, Padding), Refusal> {
        match self.input(node, 0)? {
            Value::Padded(data, padding) => Ok((data.clone(), *padding)),
            _ => Ok((self.data(node, 0)?, Padding::NONE)),
        }
    }

    /// An input that is a constant, if it is given.
    pub fn optional(&self, node: Node<'_>, place: usize) -> Result<Option<&Tensor>, Refusal> {
        if node.input(place).is_none() {
            return Ok(None);
        }
        match self.input(node, place)? {
            Value::Constant(tensor) => Ok(Some(tensor)),
            _ => Err(format!("computes input {place} from the image: it must be a constant")),
        }
    }

    /// An input that is a constant.
    pub fn constant(&self, node: Node<'_>, place: usize) -> Result<&Tensor, Refusal> {
        self.optional(node, place)?.ok_or_else(|| format!("lacks input {place}"))
    }

    /// A layer whose values lie in the view's order, of the view's size.
    pub fn settle(&mut self, data: &Data) -> Result<LayerId, Refusal> {
        let dims = image_dims(&data.view.shape())?;
        let known = self.settled.iter().find(|(known, _)| known == data);
        if let Some(&(_, layer)) = known {
            return Ok(layer);
        }
        let own = self.draft.dims(data.layer);
        let mut layer = data.layer;
        match data.view.arrangement(own) {
            Arrangement::Straight => {}
            Arrangement::Shuffled { groups } => {
                layer = self.plain("shuffle", Op::Shuffle { groups }, &[layer])?;
            }
            Arrangement::Other => return Err(TRANSPOSED.into()),
        }
        if own != dims && dims.plane() == 1 {
            layer = self.plain("flatten", Op::Flatten, &[layer])?;
        } else if own != dims {
            return Err(format!(
                "needs {own} values reshaped to {dims}, for which there is no \
                                layer: reshape to vectors only"
            ));
        }
        self.settled.push((data.clone(), layer));
        Ok(layer)
    }

    /// Adds a layer without weights.
    pub fn plain(&mut self, name: &str, op: Op, inputs: &[LayerId]) -> Result<LayerId, Refusal> {
        self.layer(name, Kind::Plain(op), inputs)
    }

    /// Adds a layer.
    pub fn layer(
        &mut self,
        name: &str,
        kind: Kind,
        inputs: &[LayerId],
    ) -> Result<LayerId, Refusal> {
        self.draft.pay(match &kind {
            Kind::Plain(_) => 0,
            Kind::Linear(_, linear) => linear.weight.len() + linear.bias.len(),
            Kind::Scale { scale, shift } => scale.len() + shift.len(),
        })?;
        self.draft.add(name, kind, inputs).map_err(|problem| format!("does not fit: {problem}"))
    }

    fn translate(&mut self, node: Node<'_>) -> Result<Vec<Value>, Refusal> {
        let mut inputs = Vec::new();
        for place in (0..node.0.input.len()).filter(|&place| node.input(place).is_some()) {
            inputs.push(self.input(node, place)?);
        }
        if inputs.iter().any(|value| matches!(value, Value::Unknown)) {
            return Ok(Vec::new());
        }
        let tail = inputs.iter().find_map(|value| match value {
            Value::Tail(data) => Some(data.clone()),
            _ => None,
        });
        if let Some(data) = tail {
            return match AFTER_RESULT.contains(&node.op()) || SHAPING.contains(&node.op()) {
                true => Ok(node.0.output.iter().map(|_| Value::Tail(data.clone())).collect()),
                false => Err("goes on after a softmax, sigmoid or argmax, which only the data \
                              owner can compute on the result: end the model there"
                    .into()),
            };
        }
        if AFTER_RESULT.contains(&node.op()) {
            let data = self.data(node, 0)?;
            let (op, name) = (node.op(), node.name().escape_default());
            self.notes.push(format!("{op} '{name}' is left out: the result is its input"));
            return Ok(node.0.output.iter().map(|_| Value::Tail(data.clone())).collect());
        }
        let constant = inputs.iter().all(|value| matches!(value, Value::Constant(_)));
        match node.op() {
            "Constant" => Ok(vec![Value::Constant(stored(node)?)]),
            "Shape" => Ok(vec![Value::Constant(self.shape(node)?)]),
            "Split" => self.split(node),
            "Pad" if !constant => Ok(vec![self.pad(node)?]),
            _ if constant => {
                let folded = self.fold(node)?.ok_or("has constants that do not fit together")?;
                self.draft.pay(folded.values.len())?;
                Ok(vec![Value::Constant(folded)])
            }
            _ if SHAPING.contains(&node.op()) => Ok(vec![Value::Data(self.reshape(node)?)]),
            _ => Ok(vec![Value::Data(self.compute(node)?)]),
        }
    }

    /// A node whose inputs are constants.
    fn fold(&self, node: Node<'_>) -> Result<Option<Tensor>, Refusal> {
        let x = self.constant(node, 0)?;
        let with = |f: fn(f64, f64) -> f64| Ok(x.zip(self.constant(node, 1)?, f));
        let each = |f: fn(f64) -> f64| {
            let values = x.values.iter().map(|&x| f(x)).collect();
            Ok(Some(Tensor { values, ..x.clone() }))
        };
        match node.op() {
            "Add" => with(|a, b| a + b),
            "Sub" => with(|a, b| a - b),
            "Mul" => with(|a, b| a * b),
            "Div" if x.integer => with(|a, b| if b == 0.0 { 0.0 } else { (a / b).trunc() }),
            "Div" => with(|a, b| a / b),
            "Pow" => with(f64::powf),
            "Max" => with(f64::max),
            "Min" => with(f64::min),
            "Neg" => each(|x| -x),
            "Abs" => each(f64::abs),
            "Sqrt" => each(f64::sqrt),
            "Exp" => each(f64::exp),
            "Floor" => each(f64::floor),
            "Ceil" => each(f64::ceil),
            "Identity" | "Dropout" => each(|x| x),
            "Cast" => {
                let integer = !matches!(node.int("to", 1), 1 | 10 | 11 | 16);
                let cast = |&x: &f64| if integer { x.trunc() } else { x };
                let values = x.values.iter().map(cast).collect();
                Ok(Some(Tensor { values, integer, ..x.clone() }))
            }
            "ConstantOfShape" => {
                let fill = node.tensor("value").transpose()?.unwrap_or(Tensor::scalar(0.0));
                Ok(fill.expand(&sizes_of(x)?))
            }
            "Expand" => Ok(x.expand(&sizes_of(self.constant(node, 1)?)?)),
            "Gather" => {
                let axis = axis_of(node.int("axis", 0), x.shape.len())?;
                let indices = self.constant(node, 1)?;
                let size = x.shape[axis] as i64;
                let place = |index: i64| if index < 0 { index + size } else { index };
                let places: Option<Vec<usize>> = indices
                    .to_integers()
                    .into_iter()
                    .map(|index| usize::try_from(place(index)).ok())
                    .collect();
                Ok(places.and_then(|places| x.take(axis, &places, Some(&indices.shape))))
            }
            "Concat" => {
                let parts: Vec<&Tensor> = (0..node.0.input.len())
                    .map(|place| self.constant(node, place))
                    .collect::<Result<_, _>>()?;
                Ok(Tensor::concat(&parts, axis_of(node.int("axis", 0), x.shape.len())?))
            }
            "Slice" => {
                let mut sliced = Some(x.clone());
                for (axis, start, end, step) in self.slices(node, x.shape.len())? {
                    sliced = sliced.and_then(|x| x.slice(axis, start, end, step));
                }
                Ok(sliced)
            }
            "Transpose" => {
                let order = order_of(node, x.shape.len())?;
                Ok(Some(x.transpose(&order)))
            }
            op if SHAPING.contains(&op) => {
                let shape = self.new_shape(node, &x.shape)?;
                let wanted: Vec<i64> = shape.into_iter().map(|size| size as i64).collect();
                Ok(x.reshape(&wanted))
            }
            _ => {
                Err("works on constants only: simplify the model, for example with onnxsim".into())
            }
        }
    }

    /// A node that only changes how data is read.
    fn reshape(&self, node: Node<'_>) -> Result<Data, Refusal> {
        let Data { layer, view } = self.data(node, 0)?;
        let shape = view.shape();
        let view = match node.op() {
            "Identity" | "Dropout" | "Cast" => view,
            "Transpose" => view.transpose(&order_of(node, shape.len())?),
            _ => {
                let wanted = self.new_shape(node, &shape)?;
                view.reshape(&wanted).ok_or(TRANSPOSED)?
            }
        };
        Ok(Data { layer, view })
    }

    /// The shape that a reshape, flatten, squeeze or unsqueeze gives.
    fn new_shape(&self, node: Node<'_>, old: &[usize]) -> Result<Vec<usize>, Refusal> {
        let given = || -> Result<Option<Vec<i64>>, Refusal> {
            let input = self.optional(node, 1)?.map(Tensor::to_integers);
            Ok(input.or_else(|| node.ints("axes").map(<[i64]>::to_vec)))
        };
        let axes = |rank: usize| -> Result<Option<Vec<usize>>, Refusal> {
            let axes = given()?;
            axes.map(|axes| axes.iter().map(|&axis| axis_of(axis, rank)).collect()).transpose()
        };
        match node.op() {
            "Reshape" => {
                let input = self.optional(node, 1)?.map(Tensor::to_integers);
                let wanted = input.or_else(|| node.ints("shape").map(<[i64]>::to_vec));
                let wanted = wanted.ok_or("lacks its shape")?;
                resolve_shape(old, &wanted)
                    .ok_or_else(|| format!("cannot reshape {old:?} (one image) to {wanted:?}"))
            }
            "Flatten" => {
                let axis = node.int("axis", 1);
                let axis =
                    if axis == old.len() as i64 { old.len() } else { axis_of(axis, old.len())? };
                Ok(vec![old[..axis].iter().product(), old[axis..].iter().product()])
            }
            "Squeeze" => {
                let axes = axes(old.len())?;
                let gone = |&(axis, &size): &(usize, &usize)| match &axes {
                    Some(axes) => axes.contains(&axis),
                    None => size == 1,
                };
                Ok(old
                    .iter()
                    .enumerate()
                    .filter(|size| !gone(size))
                    .map(|(_, &size)| size)
                    .collect())
            }
            "Unsqueeze" => {
                let count = given()?.map_or(0, |axes| axes.len());
                let mut axes = axes(old.len() + count)?.ok_or("lacks its axes")?;
                axes.sort_unstable();
                let mut shape = old.to_vec();
                axes.into_iter().for_each(|axis| shape.insert(axis.min(shape.len()), 1));
                Ok(shape)
            }
            _ => Ok(old.to_vec()),
        }
    }

    fn shape(&self, node: Node<'_>) -> Result<Tensor, Refusal> {
        let shape = match self.input(node, 0)? {
            Value::Constant(tensor) => tensor.shape.clone(),
            Value::Data(data) | Value::Tail(data) => data.view.shape(),
            Value::Padded(..) => return Err(PADDED_SHAPE.into()),
            Value::Unknown => Vec::new(),
        };
        let (start, end) = (node.int("start", 0), node.int("end", i64::MAX));
        let places = slice_indices(shape.len(), start, end, 1).unwrap_or_default();
        Ok(Tensor::integers(places.into_iter().map(|place| shape[place])))
    }

    /// Axis, start, end and step of every slice.
    pub fn slices(
        &self,
        node: Node<'_>,
        rank: usize,
    ) -> Result<Vec<(usize, i64, i64, i64)>, Refusal> {
        let list = |place: usize, name: &str| -> Result<Option<Vec<i64>>, Refusal> {
            let input = self.optional(node, place)?.map(Tensor::to_integers);
            Ok(input.or_else(|| node.ints(name).map(<[i64]>::to_vec)))
        };
        let (starts, ends) = (list(1, "starts")?, list(2, "ends")?);
        let (starts, ends) = (starts.ok_or("lacks starts")?, ends.ok_or("lacks ends")?);
        let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err("has starts, ends, axes and steps of different lengths".into());
        }
        let slice = |place: usize| {
            Ok((axis_of(axes[place], rank)?, starts[place], ends[place], steps[place]))
        };
        (0..starts.len()).map(slice).collect()
    }
}

/// An axis that may be counted from the end.
pub fn axis_of(axis: i64, rank: usize) -> Result<usize, Refusal> {
    let place = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let place = usize::try_from(place).ok().filter(|&place| place < rank);
    place.ok_or_else(|| format!("has axis {axis} where there are {rank}"))
}

/// The size of a layer that holds a tensor of this shape; the first axis is the batch.
pub fn image_dims(shape: &[usize]) -> Result<Dims, Refusal> {
    match *shape {
        [1, channels, height, width] => Ok(Dims::new(channels, height, width)),
        [1, channels, width] => Ok(Dims::new(channels, 1, width)),
        [1, len] => Ok(Dims::flat(len)),
        _ => Err(format!(
            "works on a tensor of shape {shape:?} (one image): use a batch of vectors or images"
        )),
    }
}

const PADDED_SHAPE: &str =
    "computes with the size of a padded image: give the padding to the layer after it";

const TRANSPOSED: &str = "needs values in an order that no layer makes: of transpositions only the \
                          channel shuffle and changes between channels first and last are known";

/// What reads its input in another shape, or passes it.
const SHAPING: [&str; 8] =
    ["Identity", "Dropout", "Cast", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"];

/// What the data owner can compute from the result.
const AFTER_RESULT: [&str; 6] =
    ["Softmax", "LogSoftmax", "Sigmoid", "ArgMax", "ZipMap", "ArrayFeatureExtractor"];

fn known_domain(domain: &str) -> bool {
    ["", "ai.onnx", "ai.onnx.ml"].contains(&domain)
}

fn sizes_of(tensor: &Tensor) -> Result<Vec<usize>, Refusal> {
    super::tensor::sizes(&tensor.to_integers())
}

fn order_of(node: Node<'_>, rank: usize) -> Result<Vec<usize>, Refusal> {
    let Some(order) = node.ints("perm") else {
        return Ok((0..rank).rev().collect());
    };
    let order: Vec<usize> =
        order.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<_, _>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    match sorted.into_iter().eq(0..rank) {
        true => Ok(order),
        false => Err(format!("has the permutation {order:?} of {rank} axes")),
    }
}

/// A Constant node's tensor.
fn stored(node: Node<'_>) -> Result<Tensor, Refusal> {
    if let Some(tensor) = node.tensor("value") {
        return tensor;
    }
    if let Some(value) = node.float("value_float") {
        return Ok(Tensor::scalar(value));
    }
    if let Some(values) = node.floats("value_floats") {
        let values: Vec<f64> = values.iter().map(|&value| value.into()).collect();
        return Ok(Tensor { shape: vec![values.len()], values, integer: false });
    }
    if let Some(values) = node.ints("value_ints").filter(|values| !values.is_empty()) {
        let values: Vec<f64> = values.iter().map(|&value| value as f64).collect();
        return Ok(Tensor { shape: vec![values.len()], values, integer: true });
    }
    match node.0.attribute.iter().find(|attribute| attribute.name.as_deref() == Some("value_int")) {
        Some(_) => Ok(Tensor { integer: true, ..Tensor::scalar(node.int("value_int", 0) as f64) }),
        None => Err("is no constant of numbers".into()),
    }
}

/// What to use instead of an operator that is not supported; `None` for those that are.
fn instead(op: &str) -> Option<&'static str> {
    match op {
        "Identity"
        | "Dropout"
        | "Cast"
        | "Transpose"
        | "Reshape"
        | "Flatten"
        | "Squeeze"
        | "Unsqueeze"
        | "Softmax"
        | "LogSoftmax"
        | "Sigmoid"
        | "ArgMax"
        | "ZipMap"
        | "ArrayFeatureExtractor"
        | "Constant"
        | "ConstantOfShape"
        | "Shape"
        | "Expand"
        | "Gather"
        | "Slice"
        | "Split"
        | "Concat"
        | "Add"
        | "Sub"
        | "Mul"
        | "Div"
        | "Pow"
        | "Max"
        | "Min"
        | "Neg"
        | "Abs"
        | "Sqrt"
        | "Exp"
        | "Floor"
        | "Ceil"
        | "Conv"
        | "Gemm"
        | "MatMul"
        | "BatchNormalization"
        | "Relu"
        | "LeakyRelu"
        | "PRelu"
        | "Pad"
        | "Scaler"
        | "Clip"
        | "MaxPool"
        | "AveragePool"
        | "GlobalAveragePool"
        | "GlobalMaxPool"
        | "ReduceMean" => None,
        "HardSwish" | "HardSigmoid" | "Tanh" | "Elu" | "Selu" | "Celu" | "Gelu" | "Softplus"
        | "Softsign" | "Mish" | "Erf" | "ThresholdedRelu" => {
            Some("has no private protocol: use ReLU, ReLU6 or LeakyReLU")
        }
        "LRN"
        | "InstanceNormalization"
        | "LayerNormalization"
        | "GroupNormalization"
        | "LpNormalization"
        | "MeanVarianceNormalization" => Some("divides by a private value: use batch norm"),
        "ConvTranspose" | "Resize" | "Upsample" | "DepthToSpace" | "SpaceToDepth" => {
            Some("changes the resolution: use convolutions with a stride, and pooling")
        }
        "LSTM" | "GRU" | "RNN" | "Loop" | "If" | "Scan" => {
            Some("is control flow or recurrent: only feed-forward networks can run")
        }
        "QuantizeLinear"
        | "DequantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeLinear" => {
            Some("is of a quantised model: export the model in floating point")
        }
        _ => Some("is not supported"),
    }
}
