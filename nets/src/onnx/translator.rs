//! The state of an import: what each tensor is, the layers so far, what the user is told.

use std::collections::HashMap;

use super::{
    draft::{Draft, Kind, LayerId},
    node::{Node, Refusal},
    tensor::Tensor,
    value::{Data, Value},
};
use crate::graph::{Dims, Op};

/// The state of an import.
pub(super) struct Translator<'f> {
    /// The layers so far.
    pub(super) draft: Draft,
    /// Parts of the file that were left out or read in another way, for the user.
    pub(super) notes: Vec<String>,
    /// The nodes that are not supported.
    pub(super) refused: Vec<Refused>,
    /// Layers made for a view: its values in their order, as an image of this size.
    pub(super) settled: HashMap<(Data, Dims), LayerId>,
    /// For layers that cut values to a range: what they cut, and the range.
    pub(super) clipped: HashMap<LayerId, (LayerId, f64, f64)>,
    values: HashMap<&'f str, Value<'f>>,
}

/// A node that is not supported.
#[derive(PartialEq)]
pub(super) struct Refused {
    /// Its name, in quotes.
    pub(super) name: String,
    /// Its operator, what is wrong, and what to use instead.
    pub(super) reason: String,
}

impl<'f> Translator<'f> {
    /// An import of which the file's constants are known.
    pub(super) fn new(draft: Draft, values: HashMap<&'f str, Value<'f>>) -> Translator<'f> {
        Translator {
            draft,
            notes: Vec::new(),
            refused: Vec::new(),
            settled: HashMap::new(),
            clipped: HashMap::new(),
            values,
        }
    }

    /// A tensor by name.
    pub(super) fn value(&self, name: &str) -> Option<&Value<'f>> {
        self.values.get(name)
    }

    /// Sets what a tensor is.
    pub(super) fn set_value(&mut self, name: &'f str, value: Value<'f>) {
        self.values.insert(name, value);
    }

    /// A node's input.
    pub(super) fn input(&self, node: Node<'_>, place: usize) -> Result<&Value<'f>, Refusal> {
        let name = node.input(place).ok_or_else(|| format!("lacks input {place}"))?;
        self.value(name).ok_or_else(|| {
            let name = name.escape_default();
            format!(
                "uses '{name}', which no node before it makes: the nodes are out of order, or form \
                 a cycle"
            )
        })
    }

    /// Whether an input is computed from the model's input.
    pub(super) fn is_data(&self, node: Node<'_>, place: usize) -> bool {
        matches!(self.input(node, place), Ok(Value::Data(_) | Value::Padded(_)))
    }

    /// An input that is a constant, if it is given.
    pub(super) fn optional(
        &mut self,
        node: Node<'_>,
        place: usize,
    ) -> Result<Option<Tensor>, Refusal> {
        if node.input(place).is_none() {
            return Ok(None);
        }
        let constant = match self.input(node, place)? {
            Value::Constant(tensor) => tensor.clone(),
            Value::Stored(stored) => stored.read()?,
            Value::Data(_) | Value::Padded(_) | Value::Tail(_) | Value::Unknown => {
                return Err(format!("computes input {place} from the image: use a constant"));
            }
        };
        self.draft.pay(constant.values.len())?;
        Ok(Some(constant))
    }

    /// An input that is a constant.
    pub(super) fn constant(&mut self, node: Node<'_>, place: usize) -> Result<Tensor, Refusal> {
        self.optional(node, place)?.ok_or_else(|| format!("lacks input {place}"))
    }

    /// Adds a layer without weights.
    pub(super) fn plain(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[LayerId],
    ) -> Result<LayerId, Refusal> {
        self.layer(name, Kind::Plain(op), inputs)
    }

    /// Adds a layer.
    pub(super) fn layer(
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
    pub(super) fn refuse(&mut self, node: Node<'_>, refusal: &str) {
        let (name, op) = (node.name().escape_default(), node.op().escape_default());
        let refused = Refused { name: format!("'{name}'"), reason: format!("({op}) {refusal}") };
        if !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }
}
