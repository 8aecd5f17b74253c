//! Convolutions and fully connected layers.

use super::{
    draft::{Kind, LinearTensors},
    node::{Node, Refusal},
    padding::total_padding,
    tensor::Tensor,
    translator::Translator,
    value::Data,
    view::View,
};
use crate::graph::{Conv, Dense, Dims, Linear};

impl<'f> Translator<'f> {
    pub(super) fn conv(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let (x, around) = self.padded(node)?;
        let (x, dims) = self.image(&x)?;
        let weight = self.constant(node, 1)?;
        let rank = x.view.shape().len();
        let (outputs, inputs, kernel) = match weight.shape[..] {
            [outputs, inputs, columns] if rank == 3 => (outputs, inputs, (1, columns)),
            [outputs, inputs, rows, columns] if rank == 4 => (outputs, inputs, (rows, columns)),
            _ => {
                let shape = weight.shape;
                return Err(format!(
                    "has weights of shape {shape:?} for {rank} axes: only convolutions in one or \
                     two dimensions are supported"
                ));
            }
        };
        let groups = usize::try_from(node.int("group", 1)?).unwrap_or(0);
        if inputs.checked_mul(groups) != Some(dims.channels) || outputs == 0 {
            let (channels, shape) = (dims.channels, weight.shape);
            return Err(format!(
                "has weights of shape {shape:?} and {groups} groups for {channels} channels"
            ));
        }
        let stride = node.pair("strides")?.unwrap_or((1, 1));
        let dilation = node.pair("dilations")?.unwrap_or((1, 1));
        let span = (span(kernel.0, dilation.0)?, span(kernel.1, dilation.1)?);
        let padding = total_padding(node, dims, around, span, stride)?;
        let bias = self.bias(node, outputs)?;
        let conv = Conv {
            kernel,
            stride,
            padding,
            dilation,
            groups,
            bias: true,
            ..Conv::square(outputs, 1)
        };
        let linear = LinearTensors { weight: weight.values, bias };
        let name = layer_name(node);
        let layer = self.layer(name, Kind::Linear(Linear::Conv(conv), linear), &[x.layer])?;
        Ok(self.whole(layer, rank))
    }

    pub(super) fn gemm(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        if node.int("transA", 0)? != 0 {
            return Err("transposes its data (transA): transpose the weights instead".into());
        }
        let mut weight = self.matrix(node, 1)?;
        if node.int("transB", 0)? == 0 {
            weight = weight.transpose(&[1, 0]);
        }
        let alpha = node.float("alpha")?.unwrap_or(1.0);
        weight.values.iter_mut().for_each(|weight| *weight *= alpha);
        let mut bias = self.bias(node, weight.shape[0])?;
        let beta = node.float("beta")?.unwrap_or(1.0);
        bias.iter_mut().for_each(|bias| *bias *= beta);
        self.dense(layer_name(node), &x, &weight, bias)
    }

    pub(super) fn matmul(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        match (self.is_data(node, 0), self.is_data(node, 1)) {
            (true, true) => Err("multiplies two private tensors, as attention does: only layers \
                                 with constant weights are supported"
                .into()),
            (true, false) => {
                let x = self.data(node, 0)?;
                let weight = self.matrix(node, 1)?.transpose(&[1, 0]);
                let bias = vec![0.0; weight.shape[0]];
                self.dense(layer_name(node), &x, &weight, bias)
            }
            // w x is the transpose of x^T w^T.
            _ => {
                let x = self.data(node, 1)?;
                let weight = self.matrix(node, 0)?;
                let bias = vec![0.0; weight.shape[0]];
                let mut order: Vec<usize> = (0..x.view.shape().len()).collect();
                let [.., a, b] = &mut order[..] else {
                    return Err("multiplies a matrix with a vector: flatten it first".into());
                };
                std::mem::swap(a, b);
                let turned = Data { layer: x.layer, view: x.view.transpose(&order) };
                let y = self.dense(node.name(), &turned, &weight, bias)?;
                Ok(Data { layer: y.layer, view: y.view.transpose(&order) })
            }
        }
    }

    /// A linear classifier or regressor of skl2onnx.
    pub(super) fn linear_model(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let values = node.floats("coefficients")?.unwrap_or_default();
        let inputs = x.view.shape().last().copied().unwrap_or(0);
        let outputs = values.len().checked_div(inputs).unwrap_or(0);
        let mut bias = node.floats("intercepts")?.unwrap_or_default();
        bias.resize(bias.len().max(outputs), 0.0);
        if outputs == 0 || values.len() != outputs * inputs || bias.len() != outputs {
            let (weights, biases) = (values.len(), bias.len());
            return Err(format!("has {weights} coefficients and {biases} intercepts for {inputs}"));
        }
        let weight = Tensor { shape: vec![outputs, inputs], values, integer: false };
        self.dense(node.name(), &x, &weight, bias)
    }

    /// The last axis of data multiplied with weights [out, in], whatever the shape of the others.
    fn dense(
        &mut self,
        name: &str,
        x: &Data,
        weight: &Tensor,
        bias: Vec<f64>,
    ) -> Result<Data, Refusal> {
        let shape = x.view.shape();
        let (out, len) = (weight.shape[0], weight.shape[1]);
        if shape.last() != Some(&len) || out == 0 {
            return Err(format!(
                "multiplies data of shape {shape:?} (one image) with weights for {len} inputs: \
                 flatten the image first"
            ));
        }
        let whole = self.draft.dims(x.layer).len();
        if len == whole {
            // The order of the inputs goes into the weights.
            let input = self.sized(x.layer, Dims::flat(whole))?;
            let mut ordered = vec![0.0; weight.values.len()];
            let offsets = x.view.offsets();
            let rows = weight.values.chunks_exact(len).zip(ordered.chunks_exact_mut(len));
            for (row, ordered) in rows {
                row.iter().zip(&offsets).for_each(|(&value, &offset)| ordered[offset] = value);
            }
            let op = Linear::Dense(Dense { out, bias: true, binary: false });
            let linear = LinearTensors { weight: ordered, bias };
            let layer = self.layer(name, Kind::Linear(op, linear), &[input])?;
            let shape = [&shape[..shape.len() - 1], &[out]].concat();
            return Ok(Data { layer, view: View::straight(&shape) });
        }
        let front = self.front(x, shape.len() - 1)?;
        let conv = Conv { bias: true, ..Conv::square(out, 1) };
        let linear = LinearTensors { weight: weight.values.clone(), bias };
        let layer = self.layer(name, Kind::Linear(Linear::Conv(conv), linear), &[front.layer])?;
        Ok(front.back(layer, out))
    }

    /// A constant with two axes, or more of which the first have size 1.
    fn matrix(&mut self, node: Node<'f>, place: usize) -> Result<Tensor, Refusal> {
        let tensor = self.constant(node, place)?;
        let matrix = match tensor.shape[..] {
            [.., rows, columns] => tensor.with_shape(&[rows, columns]),
            _ => None,
        };
        matrix.ok_or_else(|| format!("has weights of shape {:?}: use a matrix", tensor.shape))
    }

    /// Input 2, as one number for each output.
    fn bias(&mut self, node: Node<'f>, outputs: usize) -> Result<Vec<f64>, Refusal> {
        let Some(bias) = self.optional(node, 2)? else {
            return Ok(vec![0.0; outputs]);
        };
        match bias.values.len() {
            1 => Ok(vec![bias.values[0]; outputs]),
            len if len == outputs && bias.shape.last() == Some(&len) => Ok(bias.values),
            _ => Err(format!("has a bias of shape {:?} for {outputs} outputs", bias.shape)),
        }
    }
}

/// A layer's name: that of its weights, where they are called `layer.weight`, or else the node's.
fn layer_name(node: Node<'_>) -> &str {
    let prefix = node.input(1).and_then(|name| name.strip_suffix(".weight"));
    prefix.filter(|name| !name.is_empty()).unwrap_or(node.name())
}

/// From the first to the last tap of a kernel.
fn span(kernel: usize, dilation: usize) -> Result<usize, Refusal> {
    let span = kernel.checked_sub(1).and_then(|gaps| gaps.checked_mul(dilation));
    let span = span.filter(|&span| span < 1 << 32).map(|span| span + 1);
    span.ok_or_else(|| format!("has a kernel of {kernel} with dilation {dilation}"))
}
