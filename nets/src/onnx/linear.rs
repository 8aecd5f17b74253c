//! Convolutions, fully connected layers, and scalings by constants.

use fixedpoint::Padding;

use super::{
    draft::{Kind, LinearTensors},
    layout::image_dims,
    node::Node,
    pooling::padding,
    tensor::Tensor,
    walk::{Data, Refusal, Translator, Value},
    view::View,
};
use crate::graph::{Conv, Dense, Dims, Linear, Op};

/// A constant, spread over a layer.
enum Spread {
    /// The same for all values of a channel.
    Channels(Vec<f64>),
    /// One for each value.
    Values(Vec<f64>),
}

impl<'f> Translator<'f> {
    pub fn conv(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
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
        let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
        if inputs.checked_mul(groups) != Some(dims.channels) || outputs == 0 {
            let (channels, shape) = (dims.channels, weight.shape);
            return Err(format!(
                "has weights of shape {shape:?} and {groups} groups for {channels} channels"
            ));
        }
        let stride = node.pair("strides")?.unwrap_or((1, 1));
        let dilation = node.pair("dilations")?.unwrap_or((1, 1));
        let span = (span(kernel.0, dilation.0)?, span(kernel.1, dilation.1)?);
        let padding = padding(node, dims, around, span, stride)?;
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

    pub fn gemm(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        if node.int("transA", 0) != 0 {
            return Err("transposes its data (transA): transpose the weights instead".into());
        }
        let mut weight = self.matrix(node, 1)?;
        if node.int("transB", 0) == 0 {
            weight = weight.transpose(&[1, 0]);
        }
        let alpha = node.float("alpha").unwrap_or(1.0);
        weight.values.iter_mut().for_each(|weight| *weight *= alpha);
        let mut bias = self.bias(node, weight.shape[0])?;
        let beta = node.float("beta").unwrap_or(1.0);
        bias.iter_mut().for_each(|bias| *bias *= beta);
        self.dense(layer_name(node), &x, &weight, bias)
    }

    pub fn matmul(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
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
    pub fn linear_model(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let values = node.floats("coefficients").unwrap_or_default();
        let inputs = x.view.shape().last().copied().unwrap_or(0);
        let outputs = values.len().checked_div(inputs).unwrap_or(0);
        let mut bias = node.floats("intercepts").unwrap_or_default();
        bias.resize(bias.len().max(outputs), 0.0);
        if outputs == 0 || values.len() != outputs * inputs || bias.len() != outputs {
            let (weights, biases) = (values.len(), bias.len());
            return Err(format!("has {weights} coefficients and {biases} intercepts for {inputs}"));
        }
        let weight = Tensor { shape: vec![outputs, inputs], values, integer: false };
        self.dense(node.name(), &x, &weight, bias)
    }

    pub fn batch_norm(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        if node.int("training_mode", 0) != 0 {
            return Err("is in training mode: export the model after model.eval()".into());
        }
        let [gamma, beta, mean, var] = [1, 2, 3, 4].map(|place| self.constant(node, place));
        let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
        if var.values.iter().any(|&var| var < 0.0) {
            return Err("has a negative variance: was the training stable?".into());
        }
        let eps = node.float("epsilon").unwrap_or(1e-5);
        let scale = gamma.zip(&var, |gamma, var| gamma / (var + eps).sqrt());
        let scale = scale.ok_or("has parameters of different lengths")?;
        let moved = mean.zip(&scale, |mean, scale| mean * scale);
        let shift = moved.and_then(|moved| beta.zip(&moved, |beta, moved| beta - moved));
        let shift = shift.ok_or("has parameters of different lengths")?;
        let rank = x.view.shape().len();
        self.scale(node.name(), &x, &along_channels(scale, rank), &along_channels(shift, rank))
    }

    /// The normalisation of skl2onnx: (x - offset) scale.
    pub fn scaler(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let list = |name: &str| {
            let values = node.floats(name).unwrap_or_default();
            Tensor { shape: vec![values.len()], values, integer: false }
        };
        let (scale, offset) = (list("scale"), list("offset"));
        let shift = scale.zip(&offset, |scale, offset| -scale * offset);
        let shift = shift.ok_or("has parameters of different lengths")?;
        self.scale(node.name(), &x, &scale, &shift)
    }

    /// A sum of two results, or an operation with a constant.
    pub fn arithmetic(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let (one, zero) = (Tensor::scalar(1.0), Tensor::scalar(0.0));
        let minus = Tensor::scalar(-1.0);
        let name = node.name();
        let op = node.op();
        match (self.is_data(node, 0), self.is_data(node, 1)) {
            (true, true) => {
                let (a, b) = (self.data(node, 0)?, self.data(node, 1)?);
                match op {
                    "Add" => self.add(name, &a, &b),
                    "Sub" => {
                        let b = self.scale(name, &b, &minus, &zero)?;
                        self.add(name, &a, &b)
                    }
                    "Mul" if a == b => self.raised(name, &a, 2.0),
                    "Mul" if self.is_square(&a, &b) => self.raised(name, &b, 3.0),
                    "Mul" if self.is_square(&b, &a) => self.raised(name, &a, 3.0),
                    "Mul" => Err("multiplies private values with each other, as gates and \
                                  attention do: only constants and powers are supported"
                        .into()),
                    _ => Err("divides by private values: divide by constants".into()),
                }
            }
            (true, false) => {
                let (x, c) = (self.data(node, 0)?, self.constant(node, 1)?);
                match op {
                    "Add" => self.scale(name, &x, &one, &c),
                    "Sub" => self.scale(name, &x, &one, &c.map(|c| -c)),
                    "Mul" => self.scale(name, &x, &c, &zero),
                    _ if c.values.contains(&0.0) => Err("divides by zero".into()),
                    _ => self.scale(name, &x, &c.map(f64::recip), &zero),
                }
            }
            _ => {
                let (c, x) = (self.constant(node, 0)?, self.data(node, 1)?);
                match op {
                    "Add" => self.scale(name, &x, &one, &c),
                    "Sub" => self.scale(name, &x, &minus, &c),
                    "Mul" => self.scale(name, &x, &c, &zero),
                    _ => Err("divides by private values: divide by constants".into()),
                }
            }
        }
    }

    /// Whether a is b squared.
    fn is_square(&self, a: &Data, b: &Data) -> bool {
        self.draft.squared(a.layer) == Some(b.layer) && a.view == b.view
    }

    pub fn neg(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        self.scale(node.name(), &x, &Tensor::scalar(-1.0), &Tensor::scalar(0.0))
    }

    /// The sum or mean of any number of results and constants.
    pub fn sum(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let count = node.input_count();
        let factor = if node.op() == "Mean" { 1.0 / count as f64 } else { 1.0 };
        let mut sum: Option<Data> = None;
        let mut shift = Tensor::scalar(0.0);
        for place in 0..count {
            if !self.is_data(node, place) {
                let constant = self.constant(node, place)?;
                let joined = shift.zip(&constant, |sum, constant| sum + constant);
                shift = joined.ok_or("has constants of shapes that do not fit together")?;
                continue;
            }
            let x = self.data(node, place)?;
            sum = Some(match sum {
                Some(sum) => self.add(node.name(), &sum, &x)?,
                None => x,
            });
        }
        let sum = sum.ok_or("has nothing to sum")?;
        let shift = shift.map(|shift| shift * factor);
        self.scale(node.name(), &sum, &Tensor::scalar(factor), &shift)
    }

    /// a + b.
    pub fn add(&mut self, name: &str, a: &Data, b: &Data) -> Result<Data, Refusal> {
        let shape = broadcast(&a.view.shape(), &b.view.shape())?;
        let (a, b) = (self.expand(name, a, &shape)?, self.expand(name, b, &shape)?);
        let (dims, other) = (self.draft.dims(a.layer), self.draft.dims(b.layer));
        if dims == other && a.view == b.view {
            let layer = self.plain(name, Op::Add, &[a.layer, b.layer])?;
            return Ok(Data { layer, view: a.view });
        }
        let dims = image_dims(&shape).unwrap_or(Dims::flat(dims.len()));
        let inputs = [self.settle_as(&a, dims)?, self.settle_as(&b, dims)?];
        let layer = self.plain(name, Op::Add, &inputs)?;
        Ok(Data { layer, view: View::straight(&shape) })
    }

    /// x scale + shift, both of them constant.
    pub fn scale(
        &mut self,
        name: &str,
        x: &Data,
        scale: &Tensor,
        shift: &Tensor,
    ) -> Result<Data, Refusal> {
        let shape = broadcast(&x.view.shape(), &scale.shape)?;
        let shape = broadcast(&shape, &shift.shape)?;
        let x = self.expand(name, x, &shape)?;
        let all = |tensor: &Tensor, value: f64| tensor.values.iter().all(|&x| x == value);
        if all(scale, 1.0) && all(shift, 0.0) {
            return Ok(x);
        }
        let (x, [scale, shift]) = self.channelwise([scale, shift], &x)?;
        let layer = self.layer(name, Kind::Scale { scale, shift }, &[x.layer])?;
        Ok(Data { layer, view: x.view })
    }

    /// Constants as one number for each channel: where they differ within channels, the data becomes
    /// a vector, which has a channel for each value.
    pub fn channelwise<const N: usize>(
        &mut self,
        tensors: [&Tensor; N],
        x: &Data,
    ) -> Result<(Data, [Vec<f64>; N]), Refusal> {
        let mut spread = Vec::with_capacity(N);
        for tensor in tensors {
            spread.push(self.spread(tensor, x)?);
        }
        let dims = self.draft.dims(x.layer);
        let flat = spread.iter().any(|spread| matches!(spread, Spread::Values(_)));
        let layer = match flat {
            true => self.sized(x.layer, Dims::flat(dims.len()))?,
            false => x.layer,
        };
        let mut spread = spread.into_iter();
        let lists = std::array::from_fn(|_| match spread.next() {
            Some(Spread::Values(values)) => values,
            Some(Spread::Channels(values)) if !flat => values,
            Some(Spread::Channels(values)) => {
                let repeat = |value| std::iter::repeat_n(value, dims.plane());
                values.into_iter().flat_map(repeat).collect()
            }
            None => Vec::new(),
        });
        Ok((Data { layer, view: x.view.clone() }, lists))
    }

    /// A constant that broadcasts to a view, in the order of the layer behind it.
    fn spread(&mut self, tensor: &Tensor, x: &Data) -> Result<Spread, Refusal> {
        let dims = self.draft.dims(x.layer);
        if let Some(value) = tensor.single() {
            return Ok(Spread::Channels(vec![value; dims.channels]));
        }
        let shape = x.view.shape();
        let refuse = || {
            let own = &tensor.shape;
            format!("combines data of shape {shape:?} with a constant of shape {own:?}")
        };
        let first = shape.len().checked_sub(tensor.shape.len()).ok_or_else(refuse)?;
        let pairs = tensor.shape.iter().zip(&shape[first..]);
        if pairs.clone().any(|(&own, &size)| own != 1 && own != size) {
            return Err(refuse());
        }
        let varying: Vec<usize> =
            (first..shape.len()).filter(|&axis| tensor.shape[axis - first] != 1).collect();
        let plane = dims.plane();
        if let [axis] = varying[..] {
            let mut channels = vec![0];
            for (size, stride) in x.view.axis(axis) {
                let inside = |offset: usize| (0..size).map(move |index| offset + index * stride);
                channels = channels.into_iter().flat_map(inside).collect();
            }
            let whole = channels.iter().all(|offset| offset % plane == 0);
            if whole && channels.len() == dims.channels {
                let mut values = vec![0.0; dims.channels];
                let pairs = channels.iter().zip(&tensor.values);
                pairs.for_each(|(offset, &value)| values[offset / plane] = value);
                return Ok(Spread::Channels(values));
            }
        }
        self.draft.pay(dims.len())?;
        let full = tensor.expand(&shape).ok_or_else(refuse)?;
        let mut values = vec![0.0; dims.len()];
        let pairs = x.view.offsets().into_iter().zip(full.values);
        pairs.for_each(|(offset, value)| values[offset] = value);
        let channels = values.chunks_exact(plane);
        if channels.clone().all(|channel| channel.iter().all(|value| *value == channel[0])) {
            return Ok(Spread::Channels(channels.map(|channel| channel[0]).collect()));
        }
        Ok(Spread::Values(values))
    }

    /// The last axis of data multiplied with weights [out, in], of whatever shape the others are.
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

    /// The first input, and the zeros around it.
    pub fn padded(&mut self, node: Node<'f>) -> Result<(Data, Padding), Refusal> {
        if let Value::Padded(padded) = self.input(node, 0)?
            && padded.order.iter().copied().eq(0..padded.order.len())
        {
            return Ok((padded.image.clone(), padded.padding));
        }
        Ok((self.data(node, 0)?, Padding::NONE))
    }
}

/// The shape that two shapes broadcast to.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Refusal> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], place: usize| {
        (place + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis])
    };
    let joined = |place: usize| match (size(a, place), size(b, place)) {
        (1, size) | (size, 1) => Some(size),
        (a, b) => (a == b).then_some(a),
    };
    let shape: Option<Vec<usize>> = (0..rank).map(joined).collect();
    shape.ok_or_else(|| format!("joins shapes {a:?} and {b:?}, which do not fit together"))
}

/// What a layer is called: as its weights, where they have a name of the form `layer.weight`.
fn layer_name(node: Node<'_>) -> &str {
    let prefix = node.input(1).and_then(|name| name.strip_suffix(".weight"));
    prefix.filter(|name| !name.is_empty()).unwrap_or(node.name())
}

/// A list of one number for each channel, shaped to broadcast along axis 1.
fn along_channels(tensor: Tensor, rank: usize) -> Tensor {
    let mut shape = tensor.shape.clone();
    shape.extend(vec![1; rank.saturating_sub(2)]);
    Tensor { shape, ..tensor }
}

/// From the first to the last tap of a kernel.
fn span(kernel: usize, dilation: usize) -> Result<usize, Refusal> {
    let span = kernel.checked_sub(1).and_then(|gaps| gaps.checked_mul(dilation));
    let span = span.filter(|&span| span < 1 << 32).map(|span| span + 1);
    span.ok_or_else(|| format!("has a kernel of {kernel} with dilation {dilation}"))
}
