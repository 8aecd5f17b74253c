//! The nodes that become layers.

use fixedpoint::Padding;

use super::{
    draft::{Kind, LayerId, Linear},
    node::Node,
    tensor::{Tensor, slice_indices},
    translate::{Data, Refusal, Translator, Value, axis_of},
    view::View,
};
use crate::graph::{Activation, ActivationKind, Conv, Dense, Dims, Op, Window};

impl Translator {
    /// A node that computes on data.
    pub fn compute(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        match node.op() {
            "Conv" => self.conv(node),
            "Gemm" => self.gemm(node),
            "MatMul" => self.matmul(node),
            "BatchNormalization" => self.batch_norm(node),
            "Scaler" => self.scaler(node),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(node),
            "Neg" => {
                let x = self.data(node, 0)?;
                self.scale(node.name(), &x, &Tensor::scalar(-1.0), &Tensor::scalar(0.0))
            }
            "Relu" => {
                let x = self.data(node, 0)?;
                self.activation(node.name(), &x, ActivationKind::Relu)
            }
            "LeakyRelu" => {
                let slope = node.float("alpha").unwrap_or(0.01);
                let x = self.data(node, 0)?;
                match slope {
                    0.0..=1.0 => {
                        self.activation(node.name(), &x, ActivationKind::LeakyRelu { slope })
                    }
                    _ => self.prelu(node.name(), &x, &Tensor::scalar(slope)),
                }
            }
            "PRelu" => {
                let x = self.data(node, 0)?;
                let slopes = self.constant(node, 1)?.clone();
                self.prelu(node.name(), &x, &slopes)
            }
            "Clip" => {
                let x = self.data(node, 0)?;
                let bound = |place, name| -> Result<Option<f64>, Refusal> {
                    let input = self.optional(node, place)?;
                    Ok(input.and_then(Tensor::single).or_else(|| node.float(name)))
                };
                let (low, high) = (bound(1, "min")?, bound(2, "max")?);
                self.clip(node.name(), &x, low, high)
            }
            "Max" | "Min" => self.bound(node),
            "MaxPool" | "AveragePool" => self.pool(node),
            "GlobalMaxPool" => {
                let x = self.data(node, 0)?;
                let (x, dims) = self.image(&x)?;
                let size = (dims.height, dims.width);
                let window = Window { size, stride: (1, 1), padding: Padding::NONE };
                let layer = self.plain(node.name(), Op::MaxPool(window), &[x.layer])?;
                Ok(self.whole(layer, x.view.shape().len()))
            }
            "GlobalAveragePool" => {
                let x = self.data(node, 0)?;
                let (x, _) = self.image(&x)?;
                let layer = self.plain(node.name(), Op::GlobalAvgPool, &[x.layer])?;
                Ok(self.whole(layer, x.view.shape().len()))
            }
            "ReduceMean" => self.reduce_mean(node),
            "Concat" => self.concat(node),
            "Slice" => self.slice(node),
            op => Err(format!("cannot work on data in private: {op} of constants only")),
        }
    }

    /// Channels cut in pieces.
    pub fn split(&mut self, node: Node<'_>) -> Result<Vec<Value>, Refusal> {
        let count = node.0.output.len().max(1);
        let given = self.optional(node, 1)?.map(Tensor::to_integers);
        let given = given.or_else(|| node.ints("split").map(<[i64]>::to_vec));
        let x = self.input(node, 0)?.clone();
        let shape = match &x {
            Value::Constant(tensor) => tensor.shape.clone(),
            Value::Data(data) => data.view.shape(),
            Value::Padded(..) => self.data(node, 0)?.view.shape(),
            Value::Tail(_) | Value::Unknown => return Ok(Vec::new()),
        };
        let axis = axis_of(node.int("axis", 0), shape.len())?;
        let size = shape[axis];
        let sizes = match given {
            Some(sizes) => super::tensor::sizes(&sizes)?,
            None => {
                let part = size.div_ceil(count);
                (0..count).map(|place| part.min(size.saturating_sub(place * part))).collect()
            }
        };
        let total = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        if sizes.len() != count || total != Some(size) {
            return Err(format!("cuts {size} into {sizes:?} for {count} results"));
        }
        let mut start = 0;
        let mut parts = Vec::with_capacity(count);
        for size in sizes {
            let range = start..start + size;
            start = range.end;
            parts.push(match &x {
                Value::Constant(tensor) => {
                    let places: Vec<usize> = range.collect();
                    let part = tensor.take(axis, &places, Some(&[size]));
                    Value::Constant(part.ok_or("has a constant that is too large")?)
                }
                Value::Data(data) => {
                    Value::Data(self.channels(node.name(), data, axis, range.start, range.end)?)
                }
                Value::Padded(..) | Value::Tail(_) | Value::Unknown => Value::Unknown,
            });
        }
        Ok(parts)
    }

    /// Zeros around rows and columns.
    pub fn pad(&mut self, node: Node<'_>) -> Result<Value, Refusal> {
        let (x, around) = self.padded(node)?;
        let rank = x.view.shape().len();
        let pads = self.optional(node, 1)?.map(Tensor::to_integers);
        let pads = pads.or_else(|| node.ints("pads").map(<[i64]>::to_vec)).ok_or("lacks `pads`")?;
        if pads.iter().all(|&pad| pad == 0) && around == Padding::NONE {
            return Ok(Value::Data(x));
        }
        let fill = self.optional(node, 2)?.and_then(Tensor::single).or(node.float("value"));
        let zeros =
            node.text("mode").unwrap_or("constant") == "constant" && fill.unwrap_or(0.0) == 0.0;
        if !zeros || node.input(3).is_some() || around != Padding::NONE {
            return Err("pads with other values than zeros, or along listed axes: pad all axes \
                        with zeros"
                .into());
        }
        let size = |pad: i64| usize::try_from(pad).ok().filter(|&pad| pad < 1 << 16);
        let sizes: Option<Vec<usize>> = pads.iter().map(|&pad| size(pad)).collect();
        let padding = match (sizes.as_deref(), rank) {
            (Some(&[0, 0, left, 0, 0, right]), 3) => Padding { top: 0, left, bottom: 0, right },
            (Some(&[0, 0, top, left, 0, 0, bottom, right]), 4) => {
                Padding { top, left, bottom, right }
            }
            _ => return Err(format!("pads {rank} axes by {pads:?}: pad rows and columns only")),
        };
        Ok(Value::Padded(x, padding))
    }

    fn conv(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        let (x, around) = self.padded(node)?;
        let (x, dims) = self.image(&x)?;
        let weight = self.constant(node, 1)?.clone();
        let rank = x.view.shape().len();
        let (outputs, inputs, kernel) = match weight.shape[..] {
            [outputs, inputs, columns] if rank == 3 => (outputs, inputs, (1, columns)),
            [outputs, inputs, rows, columns] if rank == 4 => (outputs, inputs, (rows, columns)),
            _ => {
                let shape = weight.shape;
                return Err(format!(
                    "has weights of shape {shape:?} for {rank} axes: only \
                                    convolutions in one or two dimensions are supported"
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
        let conv =
            Conv { out_channels: outputs, kernel, stride, padding, dilation, groups, bias: true };
        let linear = Linear { weight: weight.values, bias };
        let name = layer_name(node);
        let layer = self.layer(name, Kind::Linear(Op::Conv(conv), linear), &[x.layer])?;
        Ok(self.whole(layer, rank))
    }

    fn gemm(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        if node.int("transA", 0) != 0 {
            return Err("transposes its data (transA): transpose the weights instead".into());
        }
        let mut weight = self.constant(node, 1)?.clone();
        if weight.shape.len() != 2 {
            return Err(format!("has weights of shape {:?}: use a matrix", weight.shape));
        }
        if node.int("transB", 0) == 0 {
            weight = weight.transpose(&[1, 0]);
        }
        let alpha = node.float("alpha").unwrap_or(1.0);
        weight.values.iter_mut().for_each(|weight| *weight *= alpha);
        let mut bias = self.bias(node, weight.shape[0])?;
        let beta = node.float("beta").unwrap_or(1.0);
        bias.iter_mut().for_each(|bias| *bias *= beta);
        self.dense(node, &x, weight, bias)
    }

    fn matmul(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        let Value::Data(x) = self.input(node, 0)?.clone() else {
            return Err("multiplies a constant from the left: transpose both".into());
        };
        if let Value::Data(_) = self.input(node, 1)? {
            return Err("multiplies two private tensors (attention?): only layers with constant \
                        weights are supported"
                .into());
        }
        let weight = self.constant(node, 1)?;
        if weight.shape.len() != 2 {
            return Err(format!("has weights of shape {:?}: use a matrix", weight.shape));
        }
        let weight = weight.transpose(&[1, 0]);
        let bias = vec![0.0; weight.shape[0]];
        self.dense(node, &x, weight, bias)
    }

    /// A fully connected layer with weights [out, in]. The order of the inputs goes into the weights.
    fn dense(
        &mut self,
        node: Node<'_>,
        x: &Data,
        weight: Tensor,
        bias: Vec<f64>,
    ) -> Result<Data, Refusal> {
        let shape = x.view.shape();
        let (out, len) = (weight.shape[0], weight.shape[1]);
        let whole = self.draft.dims(x.layer).len();
        if shape.last() != Some(&len) || len != whole || out == 0 {
            return Err(format!(
                "multiplies data of shape {shape:?} (one image) with weights for {len} inputs: \
                 flatten the image first"
            ));
        }
        let flat = View::straight(&[1, whole]);
        let input = self.settle(&Data { layer: x.layer, view: flat })?;
        let mut ordered = vec![0.0; weight.values.len()];
        let offsets = x.view.offsets();
        for (row, ordered) in weight.values.chunks_exact(len).zip(ordered.chunks_exact_mut(len)) {
            row.iter().zip(&offsets).for_each(|(&value, &offset)| ordered[offset] = value);
        }
        let op = Op::Dense(Dense { out, bias: true });
        let linear = Linear { weight: ordered, bias };
        let layer = self.layer(layer_name(node), Kind::Linear(op, linear), &[input])?;
        let shape = [&shape[..shape.len() - 1], &[out]].concat();
        Ok(Data { layer, view: View::straight(&shape) })
    }

    fn batch_norm(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
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
        let scale = gamma.zip(var, |gamma, var| gamma / (var + eps).sqrt());
        let scale = scale.ok_or("has parameters of different lengths")?;
        let moved = mean.zip(&scale, |mean, scale| mean * scale);
        let shift = moved.and_then(|moved| beta.zip(&moved, |beta, moved| beta - moved));
        let shift = shift.ok_or("has parameters of different lengths")?;
        let rank = x.view.shape().len();
        self.scale(node.name(), &x, &along_channels(scale, rank), &along_channels(shift, rank))
    }

    /// The normalisation of skl2onnx: (x - offset) scale.
    fn scaler(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let list = |name: &str| {
            let values = node.floats(name).unwrap_or_default();
            let values: Vec<f64> = values.iter().map(|&value| value.into()).collect();
            Tensor { shape: vec![values.len()], values, integer: false }
        };
        let (scale, offset) = (list("scale"), list("offset"));
        let shift = scale.zip(&offset, |scale, offset| -scale * offset);
        let shift = shift.ok_or("has parameters of different lengths")?;
        self.scale(node.name(), &x, &scale, &shift)
    }

    /// A sum of two results, or an operation with a constant.
    fn arithmetic(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        let (one, zero) = (Tensor::scalar(1.0), Tensor::scalar(0.0));
        let name = node.name();
        let (a, b) = (self.input(node, 0)?.clone(), self.input(node, 1)?.clone());
        match (a, b, node.op()) {
            (Value::Data(a), Value::Data(b), op @ ("Add" | "Sub")) => {
                let shape = a.view.shape();
                if shape != b.view.shape() {
                    let other = b.view.shape();
                    return Err(format!(
                        "joins data of shapes {shape:?} and {other:?}: use equal ones"
                    ));
                }
                let b = match op {
                    "Sub" => self.scale(name, &b, &Tensor::scalar(-1.0), &zero)?,
                    _ => b,
                };
                let inputs = [self.settle(&a)?, self.settle(&b)?];
                let layer = self.plain(name, Op::Add, &inputs)?;
                Ok(Data { layer, view: View::straight(&shape) })
            }
            (Value::Data(_), Value::Data(_), _) => {
                Err("multiplies or divides private values with each other: only constants are \
                     supported"
                    .into())
            }
            (Value::Data(x), Value::Constant(c), "Add")
            | (Value::Constant(c), Value::Data(x), "Add") => self.scale(name, &x, &one, &c),
            (Value::Data(x), Value::Constant(c), "Sub") => {
                self.scale(name, &x, &one, &c.map(|c| -c))
            }
            (Value::Constant(c), Value::Data(x), "Sub") => {
                self.scale(name, &x, &Tensor::scalar(-1.0), &c)
            }
            (Value::Data(x), Value::Constant(c), "Mul")
            | (Value::Constant(c), Value::Data(x), "Mul") => self.scale(name, &x, &c, &zero),
            (Value::Data(x), Value::Constant(c), "Div") => {
                if c.values.contains(&0.0) {
                    return Err("divides by zero".into());
                }
                self.scale(name, &x, &c.map(f64::recip), &zero)
            }
            _ => Err("divides by a private value: only constants are supported".into()),
        }
    }

    /// x scale + shift, of which both are constant on each channel.
    fn scale(
        &mut self,
        name: &str,
        x: &Data,
        scale: &Tensor,
        shift: &Tensor,
    ) -> Result<Data, Refusal> {
        let (x, dims) = self.image(x)?;
        let shape = x.view.shape();
        let scale = per_channel(scale, &shape, dims.channels)?;
        let shift = per_channel(shift, &shape, dims.channels)?;
        let trivial = scale.iter().all(|&scale| scale == 1.0) && shift.iter().all(|&s| s == 0.0);
        if trivial {
            return Ok(x);
        }
        let layer = self.layer(name, Kind::Scale { scale, shift }, &[x.layer])?;
        Ok(Data { layer, view: x.view })
    }

    fn activation(&mut self, name: &str, x: &Data, kind: ActivationKind) -> Result<Data, Refusal> {
        let (x, _) = self.image(x)?;
        let layer = self.plain(name, Op::Activation(Activation::full(kind)), &[x.layer])?;
        Ok(Data { layer, view: x.view })
    }

    /// x above 0 and slope x below. Trained slopes are weights, so they stay private: a ReLU and a
    /// convolution that mixes max(x, 0) and x of each channel.
    fn prelu(&mut self, name: &str, x: &Data, slopes: &Tensor) -> Result<Data, Refusal> {
        let (x, dims) = self.image(x)?;
        let slopes = per_channel(slopes, &x.view.shape(), dims.channels)?;
        let relu = self.activation(name, &x, ActivationKind::Relu)?;
        let channels = dims.channels;
        let pairs = self.plain(name, Op::Concat, &[relu.layer, x.layer])?;
        let pairs = self.plain(name, Op::Shuffle { groups: 2 }, &[pairs])?;
        let conv = Conv { groups: channels, bias: true, ..Conv::square(channels, 1) };
        let weight = slopes.into_iter().flat_map(|slope| [1.0 - slope, slope]).collect();
        let linear = Linear { weight, bias: vec![0.0; channels] };
        let layer = self.layer(name, Kind::Linear(Op::Conv(conv), linear), &[pairs])?;
        Ok(Data { layer, view: x.view })
    }

    /// The larger or smaller of data and a constant.
    fn bound(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        let (x, bound) = match (self.input(node, 0)?.clone(), self.input(node, 1)?.clone()) {
            (Value::Data(x), Value::Constant(c)) | (Value::Constant(c), Value::Data(x)) => (x, c),
            _ => return Err("compares private values: use ReLU or max pooling".into()),
        };
        let bound = bound.single().filter(|_| node.0.input.len() == 2);
        let bound = bound.ok_or("compares with more than one number: use one for all values")?;
        match node.op() {
            "Max" => self.clip(node.name(), &x, Some(bound), None),
            _ => self.clip(node.name(), &x, None, Some(bound)),
        }
    }

    /// Values below `low` or above `high` replaced by it: a ReLU or ReLU6 between scalings.
    fn clip(
        &mut self,
        name: &str,
        x: &Data,
        low: Option<f64>,
        high: Option<f64>,
    ) -> Result<Data, Refusal> {
        // What a 32-bit float cannot exceed is no bound.
        let low = low.filter(|&low| low > -f64::from(f32::MAX));
        let high = high.filter(|&high| high < f64::from(f32::MAX));
        // PyTorch writes a ReLU6 as a ReLU and a clip: one ReLU6 does for both.
        let (x, low) = match self.draft.before_relu(x.layer) {
            Some(_) if high.is_none() && low.is_none_or(|low| low <= 0.0) => return Ok(x.clone()),
            Some(layer) if high.is_some_and(|high| high > 0.0) => {
                (&Data { layer, view: x.view.clone() }, Some(low.map_or(0.0, |low| low.max(0.0))))
            }
            _ => (x, low),
        };
        let (kind, factor, from) = match (low, high) {
            (None, None) => return Ok(x.clone()),
            (Some(low), Some(high)) if low < high => {
                (ActivationKind::Relu6, 6.0 / (high - low), low)
            }
            (Some(low), None) => (ActivationKind::Relu, 1.0, low),
            (None, Some(high)) => (ActivationKind::Relu, -1.0, high),
            _ => return Err(format!("clips to {low:?}..{high:?}, which is empty")),
        };
        let [scale, shift] = [factor, -from * factor].map(Tensor::scalar);
        let [back, from] = [1.0 / factor, from].map(Tensor::scalar);
        let x = self.scale(name, x, &scale, &shift)?;
        let x = self.activation(name, &x, kind)?;
        self.scale(name, &x, &back, &from)
    }

    fn pool(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        let (x, around) = match node.op() {
            // Zeros are no padding of maxima.
            "MaxPool" => (self.data(node, 0)?, Padding::NONE),
            _ => self.padded(node)?,
        };
        let (x, dims) = self.image(&x)?;
        let size = node.pair("kernel_shape")?.ok_or("lacks `kernel_shape`")?;
        let stride = node.pair("strides")?.unwrap_or((1, 1));
        if node.pair("dilations")?.unwrap_or((1, 1)) != (1, 1) {
            return Err("has dilated windows: use ordinary ones".into());
        }
        if node.0.output.len() > 1 {
            return Err("returns the places of the maxima, which stay private".into());
        }
        let own = padding(node, dims, around, size, stride)?;
        let mut padding = own;
        if node.int("ceil_mode", 0) != 0 {
            let Padding { top, left, bottom, right } = &mut padding;
            *bottom += overhang(dims.height, size.0, stride.0, *top, *bottom)?;
            *right += overhang(dims.width, size.1, stride.1, *left, *right)?;
        }
        let window = Window { size, stride, padding };
        let op = match node.op() {
            "MaxPool" => Op::MaxPool(window),
            _ if padding == Padding::NONE => Op::AvgPool(window.into()),
            _ if padding != own => {
                return Err("averages windows that reach beyond the image (ceil_mode): use \
                            ceil_mode=False"
                    .into());
            }
            _ if own != around && node.int("count_include_pad", 0) == 0 => {
                return Err("leaves padding out of its averages: use \
                            AvgPool2d(count_include_pad=True) or no padding"
                    .into());
            }
            _ => Op::AvgPool(window.into()),
        };
        let layer = self.plain(node.name(), op, &[x.layer])?;
        Ok(self.whole(layer, x.view.shape().len()))
    }

    fn reduce_mean(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let shape = x.view.shape();
        let axes = self.optional(node, 1)?.map(Tensor::to_integers);
        let axes = axes.or_else(|| node.ints("axes").map(<[i64]>::to_vec));
        let axes = axes.ok_or("averages everything: give it the axes of rows and columns")?;
        let mut axes: Vec<usize> =
            axes.iter().map(|&axis| axis_of(axis, shape.len())).collect::<Result<_, _>>()?;
        axes.sort_unstable();
        axes.dedup();
        let kept: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).collect();
        if kept.len() != 2 || kept[0] != 0 {
            return Err(format!(
                "averages axes {axes:?} of {shape:?}: only rows and columns can be"
            ));
        }
        let order = [&kept[..], &axes].concat();
        let (x, _) = self.image(&Data { view: x.view.transpose(&order), ..x })?;
        let layer = self.plain(node.name(), Op::GlobalAvgPool, &[x.layer])?;
        let keep = node.int("keepdims", 1) != 0;
        let size = |axis: usize| if kept.contains(&axis) { shape[axis] } else { 1 };
        let shape: Vec<usize> =
            (0..shape.len()).filter(|axis| keep || kept.contains(axis)).map(size).collect();
        Ok(Data { layer, view: View::straight(&shape) })
    }

    fn concat(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        let mut layers: Vec<LayerId> = Vec::new();
        let mut rank = 0;
        for place in 0..node.0.input.len() {
            let x = self.data(node, place)?;
            rank = x.view.shape().len();
            let axis = axis_of(node.int("axis", 1), rank)?;
            if axis != 1 {
                return Err(format!("joins along axis {axis}: only channels, axis 1, can be"));
            }
            layers.push(self.settle(&x)?);
        }
        let layer = self.plain(node.name(), Op::Concat, &layers)?;
        Ok(self.whole(layer, rank))
    }

    fn slice(&mut self, node: Node<'_>) -> Result<Data, Refusal> {
        let mut x = self.data(node, 0)?;
        for (axis, start, end, step) in self.slices(node, x.view.shape().len())? {
            let size = x.view.shape()[axis];
            let places = slice_indices(size, start, end, step).ok_or("has a step of 0")?;
            if places.len() == size && step == 1 {
                continue;
            }
            let (Some(&first), Some(&last), 1) = (places.first(), places.last(), step) else {
                return Err("takes no channels, or every other: take a range of them".into());
            };
            x = self.channels(node.name(), &x, axis, first, last + 1)?;
        }
        Ok(x)
    }

    /// Channels `start..end` of data.
    fn channels(
        &mut self,
        name: &str,
        x: &Data,
        axis: usize,
        start: usize,
        end: usize,
    ) -> Result<Data, Refusal> {
        if axis != 1 {
            return Err(format!("cuts along axis {axis}: only channels, axis 1, can be cut"));
        }
        let layer = self.settle(x)?;
        let rank = x.view.shape().len();
        let layer = self.plain(name, Op::Slice { start, end }, &[layer])?;
        Ok(self.whole(layer, rank))
    }

    /// Data in order, and its size.
    fn image(&mut self, x: &Data) -> Result<(Data, Dims), Refusal> {
        let layer = self.settle(x)?;
        let view = View::straight(&x.view.shape());
        Ok((Data { layer, view }, self.draft.dims(layer)))
    }

    /// A layer's result as a tensor with so many axes.
    fn whole(&self, layer: LayerId, rank: usize) -> Data {
        let Dims { channels, height, width } = self.draft.dims(layer);
        let shape = match rank {
            2 => vec![1, channels],
            3 => vec![1, channels, width],
            _ => vec![1, channels, height, width],
        };
        Data { layer, view: View::straight(&shape) }
    }

    /// Input 2, as one number for each output.
    fn bias(&self, node: Node<'_>, outputs: usize) -> Result<Vec<f64>, Refusal> {
        let Some(bias) = self.optional(node, 2)? else {
            return Ok(vec![0.0; outputs]);
        };
        match bias.values.len() {
            1 => Ok(vec![bias.values[0]; outputs]),
            len if len == outputs && bias.shape.last() == Some(&len) => Ok(bias.values.clone()),
            _ => Err(format!("has a bias of shape {:?} for {outputs} outputs", bias.shape)),
        }
    }
}

/// What a layer is called: as its weights, where they have a name of the form `layer.weight`.
fn layer_name(node: Node<'_>) -> &str {
    let prefix = node.input(1).and_then(|name| name.strip_suffix(".weight"));
    prefix.filter(|name| !name.is_empty()).unwrap_or(node.name())
}

/// One number for each channel of data of this shape.
fn per_channel(tensor: &Tensor, shape: &[usize], channels: usize) -> Result<Vec<f64>, Refusal> {
    if let Some(value) = tensor.single() {
        return Ok(vec![value; channels]);
    }
    let refuse = || {
        let own = &tensor.shape;
        format!(
            "combines data of shape {shape:?} with a constant of shape {own:?}: it may differ \
                 between channels only"
        )
    };
    let first = shape.len().checked_sub(tensor.shape.len()).ok_or_else(refuse)?;
    let fits = |(place, &size): (usize, &usize)| size == 1 || first + place == 1;
    match tensor.shape.iter().enumerate().all(fits) && tensor.values.len() == channels {
        true => Ok(tensor.values.clone()),
        false => Err(refuse()),
    }
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

/// A node's padding, and the zeros that are `around` the image before.
fn padding(
    node: Node<'_>,
    dims: Dims,
    around: Padding,
    span: (usize, usize),
    stride: (usize, usize),
) -> Result<Padding, Refusal> {
    let same = |size: usize, span: usize, stride: usize| {
        let places = size.div_ceil(stride.max(1));
        ((places - 1) * stride + span).saturating_sub(size)
    };
    let (height, width) =
        (dims.height + around.top + around.bottom, dims.width + around.left + around.right);
    let (rows, columns) = (same(height, span.0, stride.0), same(width, span.1, stride.1));
    let own = match node.text("auto_pad").unwrap_or("NOTSET") {
        "VALID" => Padding::NONE,
        "SAME_UPPER" => Padding {
            top: rows / 2,
            left: columns / 2,
            bottom: rows - rows / 2,
            right: columns - columns / 2,
        },
        "SAME_LOWER" => Padding {
            top: rows - rows / 2,
            left: columns - columns / 2,
            bottom: rows / 2,
            right: columns / 2,
        },
        _ => match node.window("pads")?.as_deref() {
            None => Padding::NONE,
            Some(&[left, right]) => Padding { top: 0, left, bottom: 0, right },
            Some(&[top, left, bottom, right]) => Padding { top, left, bottom, right },
            Some(pads) => return Err(format!("has {} sizes in `pads`: use 2 or 4", pads.len())),
        },
    };
    Ok(Padding {
        top: own.top + around.top,
        left: own.left + around.left,
        bottom: own.bottom + around.bottom,
        right: own.right + around.right,
    })
}

/// How far the last window reaches beyond the padded image when partial windows count. One that
/// would begin in the padding behind the image does not.
fn overhang(
    size: usize,
    window: usize,
    stride: usize,
    before: usize,
    behind: usize,
) -> Result<usize, Refusal> {
    let padded = size + before + behind;
    let room = padded.checked_sub(window).ok_or("has windows larger than the image")?;
    let stride = Some(stride).filter(|&stride| stride > 0).ok_or("has a stride of 0")?;
    let mut steps = room.div_ceil(stride);
    if steps * stride >= size + before {
        steps -= 1;
    }
    Ok((steps * stride + window).saturating_sub(padded))
}
