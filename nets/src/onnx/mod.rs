//! Networks from ONNX files, as PyTorch, Keras and scikit-learn export them.
//!
//! A file is read in four steps, each in a module of its own: `wire` checks the bytes, the parser of
//! `rten-onnx` reads them, `translate` and `layers` walk over the nodes (constants are computed at
//! once, reshapes and transpositions are kept as views of `view`, all else becomes layers), and
//! `draft` folds batch norms and other scalings into the linear layers around them.
//!
//! The network is that of one image: the batch has size 1 or a symbolic one. What the graph has no
//! layer for is refused before anything runs, all nodes in one error.

mod draft;
mod layers;
mod node;
mod tensor;
mod translate;
mod view;
mod wire;

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use rten_onnx::onnx::{GraphProto, ModelProto, ValueInfoProto};

use self::{
    draft::Draft,
    node::Node,
    tensor::Tensor,
    translate::{Data, Translator, Value, image_dims},
    view::View,
};
use crate::{
    error::{Error, Result},
    graph::{Dims, Graph},
    weights::Weights,
};

/// The most nodes of a file.
const MAX_NODES: usize = 10_000;

/// The largest file.
const MAX_BYTES: u64 = 2 << 30;

/// A network from an ONNX file.
#[derive(Debug)]
pub struct Import {
    /// The public architecture.
    pub graph: Graph,
    /// The model owner's secret.
    pub weights: Weights,
    /// What was left out or read in another way, for the user.
    pub notes: Vec<String>,
}

/// Reads an ONNX file; the network is called as the file is.
///
/// # Errors
/// [`Error::File`] around [`Error::Io`] or any error of [`parse`].
pub fn read(path: &Path) -> Result<Import> {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let bytes = || -> Result<Vec<u8>> {
        let file = File::open(path)?;
        if file.metadata()?.len() > MAX_BYTES {
            return Err(malformed("it has more than 2 GiB"));
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let parse = |bytes: Vec<u8>| parse(&name.unwrap_or_default(), &bytes);
    let result = bytes().and_then(parse);
    result.map_err(|error| Error::File { path: path.to_owned(), source: Box::new(error) })
}

/// As [`read`], from bytes.
///
/// # Errors
/// [`Error::Onnx`] for what is no model, [`Error::OnnxOperators`] for nodes that are not supported,
/// [`Error::NotFinite`], [`Error::Node`].
pub fn parse(name: &str, bytes: &[u8]) -> Result<Import> {
    if bytes.iter().take(64).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        return Err(malformed("it is a text, or empty"));
    }
    wire::check(bytes).map_err(malformed)?;
    let model = ModelProto::parse_buf(bytes).map_err(|error| malformed(&error.to_string()))?;
    let graph = model.graph.ok_or_else(|| malformed("it holds no graph"))?;
    if graph.node.is_empty() || graph.node.len() > MAX_NODES {
        let nodes = graph.node.len();
        return Err(malformed(&format!("it has {nodes} nodes: 1 to {MAX_NODES} can be read")));
    }
    let (values, constants) = initializers(&graph)?;
    let (input, data, dims) = input(&graph, &values)?;
    let draft = Draft::new(dims, constants).map_err(|problem| {
        malformed(&format!("its input '{}': {problem}", input.escape_default()))
    })?;
    let mut walk = Translator::new(draft, values);
    if data.view != View::straight(&data.view.shape()) {
        let shape = data.view.shape();
        walk.notes.push(format!("the input is given channels first, {dims}, not as {shape:?}"));
    }
    walk.begin(input, data);
    graph.node.iter().for_each(|node| walk.node(Node(node)));
    let Translator { refused, .. } = &mut walk;
    if !refused.is_empty() {
        return Err(Error::OnnxOperators { nodes: std::mem::take(refused) });
    }
    let result = result(&graph, &walk)?;
    let output =
        walk.settle(&result).map_err(|refusal| malformed(&format!("its result {refusal}")))?;
    let Translator { draft, notes, .. } = walk;
    let (graph, weights) = draft.finish(name, output)?;
    Ok(Import { graph, weights, notes })
}

/// The stored constants by name, and how many values they have.
fn initializers(graph: &GraphProto) -> Result<(HashMap<String, Value>, usize)> {
    let mut values = HashMap::new();
    let mut constants = 0;
    for proto in &graph.initializer {
        let name = proto.name.clone().unwrap_or_default();
        let tensor = Tensor::read(proto)
            .map_err(|what| malformed(&format!("tensor '{}' {what}", name.escape_default())))?;
        constants += tensor.values.len();
        values.insert(name, Value::Constant(tensor));
    }
    Ok((values, constants))
}

/// The model's only input: its name, how it lies in an image, and the image's size.
fn input<'f>(
    graph: &'f GraphProto,
    values: &HashMap<String, Value>,
) -> Result<(&'f str, Data, Dims)> {
    let name = |info: &'f ValueInfoProto| info.name.as_deref().unwrap_or_default();
    let inputs: Vec<_> =
        graph.input.iter().filter(|info| !values.contains_key(name(info))).collect();
    let &[info] = &inputs[..] else {
        let count = inputs.len();
        return Err(malformed(&format!("it has {count} inputs: a model with one can run")));
    };
    let quoted = name(info).escape_default().to_string();
    let refuse = |what: &str| malformed(&format!("its input '{quoted}' {what}"));
    let tensor = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
    let sizes = &shape.ok_or_else(|| refuse("has no shape: export with a fixed image size"))?.dim;
    let mut shape = Vec::with_capacity(sizes.len());
    for (axis, size) in sizes.iter().enumerate() {
        let size =
            size.dim_value.and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 0);
        shape.push(match (axis, size) {
            (0, None | Some(1)) => 1,
            (0, Some(_)) => return Err(refuse("has a fixed batch: export with a batch of 1")),
            (_, Some(size)) => size,
            (_, None) => return Err(refuse("has an open size: export with a fixed image size")),
        });
    }
    let dims = image_dims(&shape).map_err(|what| refuse(&what))?;
    tensor::count(&shape).ok_or_else(|| refuse("is too large"))?;
    let mut users =
        graph.node.iter().map(Node).filter(|node| node.0.input.iter().any(|x| x == name(info)));
    let turned =
        |node: Node<'_>| node.op() == "Transpose" && node.ints("perm") == Some(&[0, 3, 1, 2]);
    let (dims, view) = match shape[..] {
        // Keras keeps channels last; whoever gives images here has them first.
        [1, height, width, channels] if users.all(turned) => {
            let dims = Dims::new(channels, height, width);
            (dims, View::channels_last(dims))
        }
        _ => (dims, View::straight(&shape)),
    };
    Ok((name(info), Data { layer: Draft::INPUT, view }, dims))
}

/// What the model's outputs are computed from.
fn result(graph: &GraphProto, walk: &Translator) -> Result<Data> {
    let mut results: Vec<Data> = Vec::new();
    for info in &graph.output {
        let name = info.name.as_deref().unwrap_or_default();
        match walk.value(name) {
            Some(Value::Data(data) | Value::Tail(data)) if !results.contains(data) => {
                results.push(data.clone());
            }
            Some(Value::Padded(..)) => {
                return Err(malformed("its result is padded: end it before"));
            }
            Some(_) => {}
            None => {
                let name = name.escape_default();
                return Err(malformed(&format!("no node makes its output '{name}'")));
            }
        }
    }
    match <[Data; 1]>::try_from(results) {
        Ok([data]) => Ok(data),
        Err(results) => {
            let count = results.len();
            let what = format!("it has {count} different outputs of the input: keep one");
            Err(malformed(&what))
        }
    }
}

fn malformed(reason: &str) -> Error {
    Error::Onnx { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
