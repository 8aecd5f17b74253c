//! A network from a file: its constants, its input, the walk over its nodes, its result.

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use super::{
    draft::Draft,
    input::model_input,
    node::Node,
    proto::{self, Model},
    tensor::Stored,
    translator::{Refused, Translator},
    value::{Data, Value},
};
use crate::{
    error::{Error, Result},
    graph::Graph,
    weights::Weights,
};

/// The most nodes of a file.
const MAX_NODES: usize = 10_000;

/// The oldest operator set whose operators broadcast as today's do.
const OLDEST_OPSET: i64 = 7;

/// The largest file.
const MAX_BYTES: u64 = 2 << 30;

/// A network from an ONNX file.
#[derive(Debug)]
pub struct Import {
    /// The public architecture.
    pub graph: Graph,
    /// The model owner's secret.
    pub weights: Weights,
    /// Parts of the file that were left out or read in another way, for the user.
    pub notes: Vec<String>,
}

/// Reads an ONNX file; the network has the file's name.
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

/// Reads a network from the bytes of an ONNX file.
///
/// # Errors
/// [`Error::Onnx`] for bytes that are no model, [`Error::OnnxOperators`] for nodes that are not
/// supported, [`Error::NotFinite`], [`Error::Node`].
pub fn parse(name: &str, bytes: &[u8]) -> Result<Import> {
    if bytes.iter().take(64).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        return Err(malformed("it is a text, or empty"));
    }
    let model = Model::read(bytes).map_err(malformed)?;
    let graph = model.graph.ok_or_else(|| malformed("it holds no graph"))?;
    if graph.nodes.is_empty() || graph.nodes.len() > MAX_NODES {
        let nodes = graph.nodes.len();
        return Err(malformed(&format!("it has {nodes} nodes: 1 to {MAX_NODES} can be read")));
    }
    if let Some(opset) = model.opset.filter(|&opset| opset < OLDEST_OPSET) {
        let what = format!("it is of operator set {opset}: export it with 9 or a newer one");
        return Err(malformed(&what));
    }
    let (values, constants) = initializers(&graph)?;
    let (input, data, dims, note) =
        model_input(&graph, &values).map_err(|what| malformed(&what))?;
    let draft = Draft::new(dims, constants).map_err(|problem| {
        malformed(&format!("its input '{}': {problem}", input.escape_default()))
    })?;
    let mut walk = Translator::new(draft, values);
    walk.notes.extend(note);
    walk.set_value(input, Value::Data(data));
    graph.nodes.iter().for_each(|node| walk.node(Node(node)));
    if !walk.refused.is_empty() {
        return Err(unsupported(&walk.refused));
    }
    let result = result(&graph, &mut walk)?;
    let refuse = |refusal: String| malformed(&format!("its result {refusal}"));
    let output = walk.output(&result).map_err(refuse)?;
    let Translator { draft, notes, .. } = walk;
    let (graph, weights) = draft.finish(name, output)?;
    Ok(Import { graph, weights, notes })
}

/// The stored constants by name, and how many values they have.
fn initializers<'f>(graph: &'f proto::Graph<'f>) -> Result<(HashMap<&'f str, Value<'f>>, usize)> {
    if graph.sparse {
        return Err(malformed("it stores constants sparsely: store them in full"));
    }
    let mut values = HashMap::new();
    let mut constants = 0usize;
    for proto in &graph.initializers {
        let stored = Stored::new(proto).map_err(|what| {
            malformed(&format!("tensor '{}' {what}", proto.name.escape_default()))
        })?;
        constants = constants.saturating_add(stored.len());
        values.insert(proto.name, Value::Stored(stored));
    }
    Ok((values, constants))
}

/// The data that all of the model's outputs are computed from.
fn result<'f>(graph: &'f proto::Graph<'f>, walk: &mut Translator<'f>) -> Result<Data> {
    let mut results: Vec<Data> = Vec::new();
    for output in &graph.outputs {
        let data = match walk.value(output.name).cloned() {
            Some(Value::Data(data)) => data,
            Some(Value::Tail(tail)) => tail.data,
            Some(Value::Padded(padded)) => {
                let data = walk.materialise(output.name, &padded);
                data.map_err(|refusal| malformed(&format!("its result {refusal}")))?
            }
            Some(Value::Stored(_) | Value::Constant(_) | Value::Unknown) => continue,
            None => {
                let name = output.name.escape_default();
                return Err(malformed(&format!("no node makes its output '{name}'")));
            }
        };
        if !results.contains(&data) {
            results.push(data);
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

/// The error of all nodes that are not supported, those with the same reason together.
fn unsupported(refused: &[Refused]) -> Error {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for Refused { name, reason } in refused {
        match reasons.iter_mut().find(|(other, _)| other == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    let reasons =
        reasons.into_iter().map(|(reason, names)| format!("{} {reason}", names.join(", ")));
    Error::OnnxOperators { nodes: refused.len(), reasons: reasons.collect() }
}

fn malformed(reason: &str) -> Error {
    Error::Onnx { reason: reason.to_owned() }
}
