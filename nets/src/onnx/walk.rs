//! The walk over a file's nodes, each of which the table of operators says how to translate.

use super::{
    node::{Node, Refusal},
    operator::{Operator, Translation},
    operators::operator,
    translator::Translator,
    value::Value,
};

/// The sets of operators that are read.
const DOMAINS: [&str; 3] = ["", "ai.onnx", "ai.onnx.ml"];

impl<'f> Translator<'f> {
    /// Translates the next node, or notes why it is not supported.
    pub(super) fn node(&mut self, node: Node<'f>) {
        let results = self.translate(node).unwrap_or_else(|refusal| {
            self.refuse(node, &refusal);
            self.stand_in(node).into_iter().collect()
        });
        let results = results.into_iter().chain(std::iter::repeat(Value::Unknown));
        for (&name, value) in node.0.outputs.iter().zip(results) {
            self.set_value(name, value);
        }
    }

    fn translate(&mut self, node: Node<'f>) -> Result<Vec<Value<'f>>, Refusal> {
        if !DOMAINS.contains(&node.0.domain) {
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
        let operator = operator(node.op());
        if inputs.iter().any(|value| matches!(value, Value::Unknown)) {
            if let Translation::Refused(reason) = operator.translation
                && !operator.is_supported()
            {
                return Err(reason.into());
            }
            return Ok(Vec::new());
        }
        let all_constant = inputs.iter().all(|value| value.is_constant());
        let stated = matches!(operator.translation, Translation::Constant(_));
        if !stated && inputs.iter().any(|value| matches!(value, Value::Tail(_))) {
            if operator.after_result
                && let Some(tail) = self.only_tail(node)
            {
                return Ok(vec![Value::Tail(tail); node.0.outputs.len()]);
            }
            self.undo_tails(node)?;
            return self.translate(node);
        }
        match &operator.translation {
            Translation::Constant(state) => Ok(vec![Value::Constant(state(self, node)?)]),
            Translation::Parts(cut) => cut(self, node),
            _ if all_constant => Ok(vec![self.fold(node, operator)?]),
            Translation::View(read) => Ok(vec![read(self, node)?]),
            Translation::Activation(kind) => {
                let x = self.data(node, 0)?;
                Ok(vec![Value::Data(self.activation(node.name(), &x, *kind)?)])
            }
            Translation::Layers(add) => Ok(vec![Value::Data(add(self, node)?)]),
            Translation::End(end) => self.end(node, end),
            Translation::Refused(reason) => Err((*reason).into()),
        }
    }

    /// Computes a node whose inputs are all constants.
    fn fold(&mut self, node: Node<'f>, operator: &Operator) -> Result<Value<'f>, Refusal> {
        let mut inputs = Vec::with_capacity(node.0.inputs.len());
        for place in 0..node.0.inputs.len() {
            inputs.push(self.optional(node, place)?);
        }
        let fold = operator
            .fold
            .as_ref()
            .ok_or("works on constants: simplify the model, for example with onnxsim")?;
        let folded = fold.compute(node, &inputs)?;
        self.draft.pay(folded.values.len())?;
        Ok(Value::Constant(folded))
    }

    /// A stand-in for the result of a node that is not supported, so that the nodes after it are
    /// checked as well.
    fn stand_in(&mut self, node: Node<'f>) -> Option<Value<'f>> {
        if !operator(node.op()).keeps_shape {
            return None;
        }
        let data = (0..node.0.inputs.len()).find_map(|place| match self.input(node, place) {
            Ok(Value::Data(data)) => Some(data.clone()),
            Ok(
                Value::Stored(_)
                | Value::Constant(_)
                | Value::Padded(_)
                | Value::Tail(_)
                | Value::Unknown,
            )
            | Err(_) => None,
        })?;
        Some(self.placeholder(&data))
    }
}
