//! Nodes that pass data on or change how it is read, and constants that a node states.

use super::{
    node::{Node, Refusal},
    shape::{NewShape, permutation, slice_indices, squeezed},
    tensor::{Tensor, is_real},
    translator::Translator,
    value::{Data, Padded, Value},
};

impl<'f> Translator<'f> {
    /// Data as it is.
    pub(super) fn pass(&mut self, node: Node<'f>) -> Result<Value<'f>, Refusal> {
        self.data(node, 0).map(Value::Data)
    }

    /// Data of another type of real numbers, which is the same to a fixed point.
    pub(super) fn cast(&mut self, node: Node<'f>) -> Result<Value<'f>, Refusal> {
        let x = self.data(node, 0)?;
        if !is_real(node.int("to", 1)?) {
            return Err("rounds private values: keep them in floating point".into());
        }
        Ok(Value::Data(x))
    }

    /// Data with its axes in another order.
    pub(super) fn transpose(&mut self, node: Node<'f>) -> Result<Value<'f>, Refusal> {
        if let Value::Padded(padded) = self.input(node, 0)? {
            let order = permutation(node, padded.order.len())?;
            let order = order.into_iter().map(|axis| padded.order[axis]).collect();
            return Ok(Value::Padded(Padded { order, ..padded.clone() }));
        }
        let x = self.data(node, 0)?;
        let order = permutation(node, x.view.shape().len())?;
        Ok(Value::Data(Data { layer: x.layer, view: x.view.transpose(&order) }))
    }

    /// Data in another shape.
    pub(super) fn reshape_node(
        &mut self,
        node: Node<'f>,
        new_shape: NewShape,
    ) -> Result<Value<'f>, Refusal> {
        let x = self.data(node, 0)?;
        let given = self.optional(node, 1)?;
        let shape = new_shape(node, &x.view.shape(), given.as_ref())?;
        self.reshape(&x, &shape).map(Value::Data)
    }

    /// Data without axes of size 1. The batch stays where no axes are given: its size is 1 in this
    /// image only.
    pub(super) fn squeeze(&mut self, node: Node<'f>) -> Result<Value<'f>, Refusal> {
        self.reshape_node(node, |node, old, given| {
            let mut shape = squeezed(node, old, given)?;
            if given.is_none() && !node.has("axes") {
                shape.insert(0, 1);
            }
            Ok(shape)
        })
    }

    /// The sizes of a tensor.
    pub(super) fn shape(&mut self, node: Node<'_>) -> Result<Tensor, Refusal> {
        let shape = self.input(node, 0)?.shape();
        let (start, end) = (node.int("start", 0)?, node.int("end", i64::MAX)?);
        let places = slice_indices(shape.len(), start, end, 1).unwrap_or_default();
        Ok(Tensor::integers(places.into_iter().map(|place| shape[place])))
    }

    /// A constant that is stored in its node.
    pub(super) fn stored(&mut self, node: Node<'_>) -> Result<Tensor, Refusal> {
        let constant = stored(node)?;
        self.draft.pay(constant.values.len())?;
        Ok(constant)
    }
}

fn stored(node: Node<'_>) -> Result<Tensor, Refusal> {
    if let Some(tensor) = node.tensor("value")? {
        return Ok(tensor);
    }
    let list = |values: Vec<f64>, integer| Tensor { shape: vec![values.len()], values, integer };
    if let Some(value) = node.float("value_float")? {
        return Ok(Tensor::scalar(value));
    }
    if node.has("value_int") {
        return Ok(Tensor { integer: true, ..Tensor::scalar(node.int("value_int", 0)? as f64) });
    }
    if node.has("value_floats") {
        return Ok(list(node.floats("value_floats")?.unwrap_or_default(), false));
    }
    if let Some(values) = node.ints("value_ints")? {
        return Ok(list(values.into_iter().map(|value| value as f64).collect(), true));
    }
    Err("is no constant of numbers".into())
}
