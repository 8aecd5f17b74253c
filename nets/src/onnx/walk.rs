//! The walk over a file's nodes: constants are computed, reshapes kept as views, everything else
//! becomes layers of the draft.

use std::collections::HashMap;

use super::{
    draft::{Draft, Kind, LayerId},
    fold::{fold, folds},
    node::Node,
    operators::{Handler, handler, instead, keeps_shape},
    tensor::{Stored, Tensor, resolve_shape, slice_indices},
    view::View,
};
use crate::graph::{ActivationKind, Dims, Op};

/// What a tensor of the file is.
#[derive(Clone)]
pub enum Value<'f> {
    /// Stored in the file.
    Stored(Stored<'f>),
    /// Known without running the model.
    Constant(Tensor),
    /// Computed from the input.
    Data(Data),
    /// Data with zeros around it, which the layer after it may add.
    Padded(Padded),
    /// Computed from the model's result, by nodes that the data owner can do in clear.
    Tail(Tail<'f>),
    /// The result of a node that is not supported.
    Unknown,
}

/// A view of a layer's result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Data {
    pub layer: LayerId,
    pub view: View,
}

/// An image and the zeros around it.
#[derive(Clone)]
pub struct Padded {
    /// The image, its channels first.
    pub image: Data,
    /// The zeros.
    pub padding: fixedpoint::Padding,
    /// Axis `i` of the tensor is axis `order[i]` of the padded image.
    pub order: Vec<usize>,
}

/// What is left to the data owner.
#[derive(Clone)]
pub struct Tail<'f> {
    /// What it is computed from.
    pub data: Data,
    /// The node that begins it.
    pub begin: Node<'f>,
}

/// Why a node cannot be translated, and what to use instead; fits after its name.
pub type Refusal = String;

/// A node that is not supported.
#[derive(PartialEq)]
pub struct Refused {
    /// Its name, in quotes.
    pub name: String,
    /// Its operator, what is wrong, and what to use instead.
    pub reason: String,
}

/// The state of the walk.
pub struct Translator<'f> {
    /// The layers so far.
    pub draft: Draft,
    /// What was left out, for the user.
    pub notes: Vec<String>,
    /// The nodes that are not supported.
    pub refused: Vec<Refused>,
    /// The layers that views were made real by.
    pub settled: HashMap<(Data, Dims), LayerId>,
    /// For layers that cut values to a range, what they cut and the range.
    pub clipped: HashMap<LayerId, (LayerId, f64, f64)>,
    values: HashMap<&'f str, Value<'f>>,
}

impl<'f> Translator<'f> {
    /// A walk that has not begun.
    pub fn new(draft: Draft, values: HashMap<&'f str, Value<'f>>) -> Translator<'f> {
        let (notes, refused) = Default::default();
        let (settled, clipped) = Default::default();
        Translator { draft, notes, refused, settled, clipped, values }
    }

    /// Names the model's input.
    pub fn begin(&mut self, input: &'f str, data: Data) {
        self.values.insert(input, Value::Data(data));
    }

    /// Translates the next node; what is wrong with it is noted.
    pub fn node(&mut self, node: Node<'f>) {
        let results = match self.translate(node) {
            Ok(results) => results,
            Err(refusal) => {
                self.refuse(node, &refusal);
                self.despite(node)
            }
        };
        let results = results.into_iter().chain(std::iter::repeat(Value::Unknown));
        for (&name, value) in node.0.outputs.iter().zip(results) {
            self.values.insert(name, value);
        }
    }

    /// A tensor by name.
    pub fn value(&self, name: &str) -> Option<&Value<'f>> {
        self.values.get(name)
    }

    /// A node's input.
    pub fn input(&self, node: Node<'_>, place: usize) -> Result<&Value<'f>, Refusal> {
        let name = node.input(place).ok_or_else(|| format!("lacks input {place}"))?;
        self.values.get(name).ok_or_else(|| {
            let name = name.escape_default();
            format!(
                "uses '{name}', which no node before it makes: the nodes are out of order, or form \
                 a cycle"
            )
        })
    }

    /// An input that is computed from the model's input.
    pub fn data(&mut self, node: Node<'_>, place: usize) -> Result<Data, Refusal> {
        match self.input(node, place)? {
            Value::Data(data) => Ok(data.clone()),
            Value::Padded(padded) => {
                let padded = padded.clone();
                self.materialise(node.name(), &padded)
            }
            _ => Err(format!("has a constant as input {place}: simplify the model, or remove it")),
        }
    }

    /// Whether an input is computed from the model's input.
    pub fn is_data(&self, node: Node<'_>, place: usize) -> bool {
        matches!(self.input(node, place), Ok(Value::Data(_) | Value::Padded(_)))
    }

    /// An input that is a constant, if it is given.
    pub fn optional(&mut self, node: Node<'_>, place: usize) -> Result<Option<Tensor>, Refusal> {
        if node.input(place).is_none() {
            return Ok(None);
        }
        let constant = match self.input(node, place)? {
            Value::Constant(tensor) => tensor.clone(),
            Value::Stored(stored) => stored.read()?,
            _ => return Err(format!("computes input {place} from the image: use a constant")),
        };
        self.draft.pay(constant.values.len())?;
        Ok(Some(constant))
    }

    /// An input that is a constant.
    pub fn constant(&mut self, node: Node<'_>, place: usize) -> Result<Tensor, Refusal> {
        self.optional(node, place)?.ok_or_else(|| format!("lacks input {place}"))
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
            Kind::Plain(_) => inputs.len(),
            Kind::Linear(_, linear) => linear.weight.len() + linear.bias.len(),
            Kind::Scale { scale, shift } => scale.len() + shift.len(),
        })?;
        self.draft.add(name, kind, inputs).map_err(|problem| format!("does not fit: {problem}"))
    }

    /// Notes that a node is not supported.
    fn refuse(&mut self, node: Node<'_>, refusal: &str) {
        let (name, op) = (node.name().escape_default(), node.op().escape_default());
        let name = format!("'{name}'");
        let reason = format!("({op}) {refusal}");
        let refused = Refused { name, reason };
        if !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }

    /// What the nodes after one that is not supported get, so that they are checked as well.
    fn despite(&mut self, node: Node<'_>) -> Vec<Value<'f>> {
        let data = (0..node.0.inputs.len()).find_map(|place| match self.input(node, place) {
            Ok(Value::Data(data)) => Some(data.clone()),
            _ => None,
        });
        let data = data.filter(|_| keeps_shape(node.op()));
        data.map(|data| self.placeholder(&data)).into_iter().collect()
    }

    /// Something of the shape of `data` that stands for what cannot be computed of it.
    fn placeholder(&mut self, data: &Data) -> Value<'f> {
        let kind = ActivationKind::Relu;
        self.activation("unsupported", data, kind).map_or(Value::Unknown, Value::Data)
    }

    fn translate(&mut self, node: Node<'f>) -> Result<Vec<Value<'f>>, Refusal> {
        if !["", "ai.onnx", "ai.onnx.ml"].contains(&node.0.domain) {
            let domain = node.0.domain.escape_default();
            return Err(format!(
                "is of the operator set '{domain}': export with standard operators, or inline the \
                 model's own with onnx.inliner.inline_local_functions(model)"
            ));
        }
        let mut inputs = Vec::new();
        for place in (0..node.0.inputs.len()).filter(|&place| node.input(place).is_some()) {
            inputs.push(self.input(node, place)?);
        }
        if inputs.iter().any(|value| matches!(value, Value::Unknown)) {
            let op = node.op();
            let known = handler(op).is_some()
                || folds(op)
                || ENDS.contains(&op)
                || AFTER_RESULT.contains(&op);
            return if known { Ok(Vec::new()) } else { Err(instead(op).into()) };
        }
        if node.op() == "Shape" {
            return Ok(vec![Value::Constant(self.shape(node)?)]);
        }
        let tails: Vec<Tail<'f>> = inputs
            .iter()
            .filter_map(|value| match value {
                Value::Tail(tail) => Some(tail.clone()),
                _ => None,
            })
            .collect();
        let constant = |value: &&Value<'f>| matches!(value, Value::Constant(_) | Value::Stored(_));
        let all_constant = inputs.iter().all(constant);
        let alone = inputs.iter().filter(|value| !constant(value)).count() == tails.len();
        if let Some(tail) = tails.first() {
            let same = tails.iter().all(|other| other.data == tail.data);
            if alone && same && (AFTER_RESULT.contains(&node.op()) || is_shaping(node.op())) {
                return Ok(vec![Value::Tail(tail.clone()); node.0.outputs.len()]);
            }
            // It is no end, so what begins it should have been private.
            for &name in &node.0.inputs {
                if let Some(Value::Tail(Tail { data, begin })) = self.values.get(name).cloned() {
                    let data = match begin.op() {
                        "Sigmoid" => {
                            let note = end_note(begin);
                            self.notes.retain(|other| *other != note);
                            let kind = ActivationKind::Sigmoid;
                            Value::Data(self.activation(begin.name(), &data, kind)?)
                        }
                        _ => {
                            self.refuse(begin, NO_END);
                            self.placeholder(&data)
                        }
                    };
                    self.values.insert(name, data);
                }
            }
            return self.translate(node);
        }
        match (node.op(), handler(node.op())) {
            ("Constant", _) => {
                let constant = stored(node)?;
                self.draft.pay(constant.values.len())?;
                Ok(vec![Value::Constant(constant)])
            }
            ("Split", _) => self.split(node),
            _ if all_constant => {
                let mut inputs = Vec::with_capacity(node.0.inputs.len());
                for place in 0..node.0.inputs.len() {
                    inputs.push(self.optional(node, place)?);
                }
                let folded = fold(node, &inputs)?;
                self.draft.pay(folded.values.len())?;
                Ok(vec![Value::Constant(folded)])
            }
            (op, _) if ENDS.contains(&op) => {
                let data = self.data(node, 0)?;
                Ok(self.end(node, data))
            }
            ("LinearClassifier", _) => {
                let data = self.linear_model(node)?;
                Ok(self.end(node, data))
            }
            ("Pad", _) => Ok(vec![self.pad(node)?]),
            ("Transpose", _) if matches!(self.input(node, 0)?, Value::Padded(_)) => {
                Ok(vec![self.turn(node)?])
            }
            (_, Some(Handler::One(compute))) => Ok(vec![Value::Data(compute(self, node)?)]),
            (_, Some(Handler::Shaping)) => Ok(vec![Value::Data(self.shaped(node)?)]),
            (op, _) => Err(instead(op).into()),
        }
    }

    /// Leaves this node, and those that may follow it, to the data owner.
    fn end(&mut self, node: Node<'f>, data: Data) -> Vec<Value<'f>> {
        self.notes.push(end_note(node));
        vec![Value::Tail(Tail { data, begin: node }); node.0.outputs.len()]
    }

    /// A node that only changes how data is read.
    fn shaped(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let shape = x.view.shape();
        match node.op() {
            "Identity" | "Dropout" => Ok(x),
            "Cast" | "CastLike" => match node.op() == "Cast" && !is_real(node.int("to", 1)) {
                true => Err("rounds private values: keep them in floating point".into()),
                false => Ok(x),
            },
            "Transpose" => Ok(Data { view: x.view.transpose(&order_of(node, shape.len())?), ..x }),
            _ => {
                let given = self.optional(node, 1)?;
                let mut wanted = new_shape(node, &shape, given.as_ref())?;
                if node.op() == "Squeeze" && given.is_none() && !node.has("axes") {
                    // Of any size but in this image, the batch stays.
                    wanted.insert(0, 1);
                }
                self.reshape(&x, &wanted)
            }
        }
    }

    /// A padded image with its axes in another order.
    fn turn(&mut self, node: Node<'f>) -> Result<Value<'f>, Refusal> {
        let Value::Padded(padded) = self.input(node, 0)?.clone() else {
            return self.shaped(node).map(Value::Data);
        };
        let order = order_of(node, padded.order.len())?;
        let order = order.into_iter().map(|axis| padded.order[axis]).collect();
        Ok(Value::Padded(Padded { order, ..padded }))
    }

    fn shape(&self, node: Node<'f>) -> Result<Tensor, Refusal> {
        let shape = match self.input(node, 0)? {
            Value::Constant(tensor) => tensor.shape.clone(),
            Value::Stored(stored) => stored.shape().to_vec(),
            Value::Data(data) => data.view.shape(),
            Value::Tail(tail) => tail.data.view.shape(),
            Value::Padded(padded) => padded.shape(),
            Value::Unknown => Vec::new(),
        };
        let (start, end) = (node.int("start", 0), node.int("end", i64::MAX));
        let places = slice_indices(shape.len(), start, end, 1).unwrap_or_default();
        Ok(Tensor::integers(places.into_iter().map(|place| shape[place])))
    }
}

impl Padded {
    /// The tensor's shape.
    pub fn shape(&self) -> Vec<usize> {
        let mut sizes = self.image.view.shape();
        if let [.., height, width] = &mut sizes[..] {
            *height += self.padding.top + self.padding.bottom;
            *width += self.padding.left + self.padding.right;
        }
        self.order.iter().map(|&axis| sizes[axis]).collect()
    }
}

/// The shape that a reshape, flatten, squeeze or unsqueeze gives; `given` is its second input.
pub fn new_shape(
    node: Node<'_>,
    old: &[usize],
    given: Option<&Tensor>,
) -> Result<Vec<usize>, Refusal> {
    let given = given.map(Tensor::to_integers);
    let axes = |rank: usize| -> Result<Option<Vec<usize>>, Refusal> {
        let axes = given.clone().or_else(|| node.ints("axes"));
        axes.map(|axes| axes.iter().map(|&axis| axis_of(axis, rank)).collect()).transpose()
    };
    let shape = match node.op() {
        "Reshape" => {
            let wanted = given.or_else(|| node.ints("shape")).ok_or("lacks its shape")?;
            if node.int("allowzero", 0) != 0 && wanted.contains(&0) {
                return Err("makes an empty tensor".into());
            }
            resolve_shape(old, &wanted)
                .ok_or_else(|| format!("cannot reshape {old:?} (one image) to {wanted:?}"))?
        }
        "Flatten" => {
            let rank = old.len();
            let axis = match node.int("axis", 1) {
                axis if axis == rank as i64 => rank,
                axis => axis_of(axis, rank)?,
            };
            vec![old[..axis].iter().product(), old[axis..].iter().product()]
        }
        "Squeeze" => {
            let axes = axes(old.len())?;
            let gone = |axis: usize| match &axes {
                Some(axes) => axes.contains(&axis),
                None => old[axis] == 1,
            };
            (0..old.len()).filter(|&axis| !gone(axis)).map(|axis| old[axis]).collect()
        }
        "Unsqueeze" => {
            let count = given.as_ref().map(Vec::len).or_else(|| Some(node.ints("axes")?.len()));
            let rank = old.len() + count.ok_or("lacks its axes")?;
            let mut axes = axes(rank)?.unwrap_or_default();
            axes.sort_unstable();
            let mut shape = old.to_vec();
            axes.into_iter().for_each(|axis| shape.insert(axis.min(shape.len()), 1));
            shape
        }
        _ => old.to_vec(),
    };
    match shape.len() <= MAX_RANK {
        true => Ok(shape),
        false => Err(format!("makes a tensor of {} axes: use at most {MAX_RANK}", shape.len())),
    }
}

/// Axis, start, end and step of every slice.
pub fn slices(
    node: Node<'_>,
    inputs: &[Option<Tensor>],
    rank: usize,
) -> Result<Vec<(usize, i64, i64, i64)>, Refusal> {
    let list = |place: usize, name: &str| {
        let input = inputs.get(place).and_then(Option::as_ref);
        input.map(Tensor::to_integers).or_else(|| node.ints(name))
    };
    let starts = list(1, "starts").ok_or("lacks starts")?;
    let ends = list(2, "ends").ok_or("lacks ends")?;
    let axes = list(3, "axes").unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4, "steps").unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("has starts, ends, axes and steps of different lengths".into());
    }
    let slice =
        |place: usize| Ok((axis_of(axes[place], rank)?, starts[place], ends[place], steps[place]));
    (0..starts.len()).map(slice).collect()
}

/// An axis that may be counted from the end.
pub fn axis_of(axis: i64, rank: usize) -> Result<usize, Refusal> {
    let place = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let place = usize::try_from(place).ok().filter(|&place| place < rank);
    place.ok_or_else(|| format!("has axis {axis} where there are {rank}"))
}

/// The order of the axes that a Transpose asks for.
pub fn order_of(node: Node<'_>, rank: usize) -> Result<Vec<usize>, Refusal> {
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

/// The most axes of a tensor.
const MAX_RANK: usize = 16;

const NO_END: &str = "is not at the end, where the data owner computes it on the result: there is \
                      no private protocol for it, so use ReLU, ReLU6 or LeakyReLU in its place";

/// What the data owner can compute from the model's result.
const ENDS: [&str; 4] = ["Softmax", "LogSoftmax", "Sigmoid", "ArgMax"];

/// What may follow one of them: labels and tables of probabilities.
const AFTER_RESULT: [&str; 20] = [
    "Softmax",
    "LogSoftmax",
    "Sigmoid",
    "ArgMax",
    "ArrayFeatureExtractor",
    "Binarizer",
    "Concat",
    "Equal",
    "Gather",
    "Greater",
    "GreaterOrEqual",
    "LabelEncoder",
    "Less",
    "Log",
    "Normalizer",
    "Slice",
    "Sub",
    "TopK",
    "Where",
    "ZipMap",
];

fn is_shaping(op: &str) -> bool {
    matches!(handler(op), Some(Handler::Shaping))
}

/// Whether a type of `TensorProto.DataType` is one of real numbers.
pub fn is_real(kind: i64) -> bool {
    matches!(kind, 1 | 10 | 11 | 16)
}

/// A Constant node's tensor.
fn stored(node: Node<'_>) -> Result<Tensor, Refusal> {
    if let Some(tensor) = node.tensor("value") {
        return tensor;
    }
    let list = |values: Vec<f64>, integer| Tensor { shape: vec![values.len()], values, integer };
    if let Some(value) = node.float("value_float") {
        return Ok(Tensor::scalar(value));
    }
    if node.has("value_int") {
        return Ok(Tensor { integer: true, ..Tensor::scalar(node.int("value_int", 0) as f64) });
    }
    if node.has("value_floats") {
        return Ok(list(node.floats("value_floats").unwrap_or_default(), false));
    }
    if let Some(values) = node.ints("value_ints") {
        return Ok(list(values.into_iter().map(|value| value as f64).collect(), true));
    }
    Err("is no constant of numbers".into())
}

/// What is said of a node that is left to the data owner.
fn end_note(node: Node<'_>) -> String {
    let (op, name) = (node.op().escape_default(), node.name().escape_default());
    let result = match node.op() {
        "ArgMax" => "its input, of which the data owner takes the largest",
        "LinearClassifier" => "the scores of its classes, without the labels",
        "Sigmoid" => "its input, which is positive where it is above one half",
        _ => "its input, whose largest is the same",
    };
    format!("the model ends before {op} '{name}': the result is {result}")
}
