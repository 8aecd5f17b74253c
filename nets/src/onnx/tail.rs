//! The end of a model: nodes that the data owner computes in clear on the network's result.

use super::{
    node::{Node, Refusal},
    operator::End,
    translator::Translator,
    value::{Data, Tail, Value},
};
use crate::graph::ActivationKind;

/// The refusal of a node that is supported at the end only.
pub(super) const NO_END: &str = "is not at the end, where the data owner computes it on the \
                                 result: there is no private protocol for it, so use ReLU, ReLU6 \
                                 or LeakyReLU in its place";

impl<'f> Translator<'f> {
    /// Leaves a node, and those that may follow it, to the data owner.
    pub(super) fn end(&mut self, node: Node<'f>, end: &End) -> Result<Vec<Value<'f>>, Refusal> {
        let data = (end.result)(self, node)?;
        let (op, name) = (node.op().escape_default(), node.name().escape_default());
        let note = format!("the model ends before {op} '{name}': the result is {}", end.note);
        self.notes.push(note.clone());
        let tail = Tail { data, begin: node, note, within: end.within };
        Ok(vec![Value::Tail(tail); node.0.outputs.len()])
    }

    /// The tail that a node belongs to, if all its inputs but constants are of one.
    pub(super) fn only_tail(&self, node: Node<'f>) -> Option<Tail<'f>> {
        let names = (0..node.0.inputs.len()).filter_map(|place| node.input(place));
        let inputs = names.filter_map(|name| self.value(name));
        let mut only: Option<&Tail<'f>> = None;
        for input in inputs.filter(|input| !input.is_constant()) {
            let Value::Tail(tail) = input else {
                return None;
            };
            if only.is_some_and(|only| only.data != tail.data) {
                return None;
            }
            only = only.or(Some(tail));
        }
        only.cloned()
    }

    /// Makes a node's inputs private again that were thought to be at the end.
    pub(super) fn undo_tails(&mut self, node: Node<'f>) -> Result<(), Refusal> {
        for &name in &node.0.inputs {
            let Some(Value::Tail(tail)) = self.value(name).cloned() else {
                continue;
            };
            let value = if let Some(kind) = tail.within {
                self.notes.retain(|note| *note != tail.note);
                Value::Data(self.activation(tail.begin.name(), &tail.data, kind)?)
            } else {
                self.refuse(tail.begin, NO_END);
                self.placeholder(&tail.data)
            };
            self.set_value(name, value);
        }
        Ok(())
    }

    /// Data of the same shape, in place of a result that is not supported.
    pub(super) fn placeholder(&mut self, data: &Data) -> Value<'f> {
        let kind = ActivationKind::Relu;
        self.activation("unsupported", data, kind).map_or(Value::Unknown, Value::Data)
    }
}
