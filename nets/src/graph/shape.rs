//! The sizes of layers: checked sizes of their results, and the shapes that protocols take.

use fixedpoint::{Padding, ShapeError, conv::ConvShape, pool::PoolShape};
use protocols::limits::MAX_WINDOW;

use super::{
    architecture::{Graph, NodeId},
    op::{Activation, Average, Linear, MAX_FUNCTIONS, MAX_MIXED, Op, Reshape, Window},
};
use crate::{error::ShapeProblem, functions::ActivationKind, shapes::Dims};

/// The most values that one layer may have for one image.
pub const MAX_VALUES: usize = 1 << 32;

impl Graph {
    /// The shape of a linear layer over a batch; a fully connected one is the convolution of a 1x1
    /// image with a 1x1 kernel. `None` for other layers.
    pub fn linear_shape(&self, id: NodeId, batch: usize) -> Option<ConvShape> {
        let linear = self.node(id).op.linear()?;
        Some(linear.shape(batch, self.input_dims(id)))
    }

    /// The shape of a pooling layer over a batch; `None` for other layers.
    pub fn pool_shape(&self, id: NodeId, batch: usize) -> Option<PoolShape> {
        let input = self.input_dims(id);
        match &self.node(id).op {
            Op::MaxPool(window) | Op::AvgPool(Average::Windows { window, .. }) => {
                Some(window.shape(batch, input))
            }
            Op::AvgPool(Average::Channels) => Some(Window::whole(input).shape(batch, input)),
            Op::Input
            | Op::Linear(_)
            | Op::Activation(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => None,
        }
    }

    /// The padding that counts as zeros in an average; none for other layers.
    pub fn counted_padding(&self, id: NodeId) -> Padding {
        match self.node(id).op {
            Op::AvgPool(Average::Windows { counted, .. }) => counted,
            Op::AvgPool(Average::Channels)
            | Op::Input
            | Op::Linear(_)
            | Op::Activation(_)
            | Op::MaxPool(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => Padding::NONE,
        }
    }
}

/// The size of an operation's result for inputs of these sizes.
///
/// # Errors
/// The reason why the inputs do not fit.
pub(crate) fn output_dims(op: &Op, inputs: &[Dims]) -> Result<Dims, ShapeProblem> {
    match op {
        Op::Input => Err(ShapeProblem::NameTaken),
        Op::Linear(Linear::Conv(conv)) => {
            let shape = conv.shape(1, one(inputs)?);
            shape.validate()?;
            let (height, width) = (shape.out_height(), shape.out_width());
            Ok(Dims::new(conv.out_channels, height, width))
        }
        Op::Linear(Linear::Dense(dense)) => {
            let dims = one(inputs)?;
            if dims.plane() != 1 {
                return Err(ShapeProblem::NotFlat { dims });
            }
            let field = "weights";
            let weights = dims.channels.checked_mul(dense.out);
            weights.ok_or(ShapeError::Overflow { field })?;
            Ok(Dims::flat(dense.out))
        }
        Op::Activation(activation) => {
            check_activation(activation, one(inputs)?)?;
            one(inputs)
        }
        Op::MaxPool(window) => {
            let values = window.shape(1, one(inputs)?).window_len();
            let dims = pooled(window, one(inputs)?)?;
            if values > MAX_WINDOW {
                return Err(ShapeProblem::Window { values, max: MAX_WINDOW });
            }
            Ok(dims)
        }
        Op::AvgPool(Average::Windows { window, .. }) => pooled(window, one(inputs)?),
        Op::AvgPool(Average::Channels) => Ok(Dims::flat(one(inputs)?.channels)),
        Op::Add => match *inputs {
            [a, b] if a == b => Ok(a),
            [_, _] => Err(differ(inputs, "their sizes must be equal")),
            _ => Err(expected("2", inputs)),
        },
        Op::Concat => {
            let &[first, ..] = inputs else {
                return Err(expected("at least 1", inputs));
            };
            let plane = |dims: &Dims| (dims.height, dims.width);
            if inputs.iter().any(|dims| plane(dims) != plane(&first)) {
                return Err(differ(inputs, "rows and columns must be equal"));
            }
            // No overflow: every input has at most MAX_VALUES, and a graph as many inputs as fit.
            let channels = inputs.iter().map(|dims| dims.channels).sum();
            Ok(Dims { channels, ..first })
        }
        &Op::Slice { start, end } => {
            let input = one(inputs)?;
            let channels = input.channels;
            if start >= end || end > channels {
                return Err(ShapeProblem::Channels { start, end, channels });
            }
            let channels = end - start;
            Ok(Dims { channels, ..input })
        }
        &Op::Shuffle { groups } => {
            let input = one(inputs)?;
            let channels = input.channels;
            if groups == 0 || !channels.is_multiple_of(groups) {
                let field = "channels";
                return Err(ShapeError::Groups { groups, field, channels }.into());
            }
            Ok(input)
        }
        Op::Reshape(Reshape::Flat) => Ok(Dims::flat(one(inputs)?.len())),
        &Op::Reshape(Reshape::Image(dims)) => {
            check_dims(dims)?;
            if one(inputs)?.len() != dims.len() {
                return Err(differ(&[inputs[0], dims], "they must have as many values"));
            }
            Ok(dims)
        }
    }
}

/// The size of a pooling layer's result.
fn pooled(window: &Window, input: Dims) -> Result<Dims, ShapeProblem> {
    let shape = window.shape(1, input);
    shape.validate()?;
    let Padding { top, left, bottom, right } = window.padding;
    if top.max(bottom) >= window.size.0 || left.max(right) >= window.size.1 {
        return Err(ShapeProblem::Padding);
    }
    Ok(Dims::new(input.channels, shape.out_height(), shape.out_width()))
}

fn check_activation(activation: &Activation, input: Dims) -> Result<(), ShapeProblem> {
    match activation {
        Activation::Leading { ratio, .. } => {
            let ratio = *ratio;
            if !(ratio > 0.0 && ratio <= 1.0) {
                return Err(ShapeProblem::Ratio { ratio });
            }
            check_functions(activation, input)
        }
        Activation::Runs(runs) => {
            check_functions(activation, input)?;
            let empty = runs.iter().any(|run| run.channels == 0);
            let sum = runs.iter().try_fold(0, |sum: usize, run| sum.checked_add(run.channels));
            let any = activation.kinds().next().is_some();
            if sum != Some(input.channels) || empty || !any {
                return Err(ShapeProblem::Runs { channels: input.channels });
            }
            Ok(())
        }
    }
}

/// Checks the parameters of functions, and the limits on data kept for each channel and function.
fn check_functions(activation: &Activation, input: Dims) -> Result<(), ShapeProblem> {
    activation.kinds().try_for_each(|kind| kind.function().check())?;
    let is_trained = |kind: ActivationKind| kind.function().trained_degree().is_some();
    let channels_differ = match activation {
        Activation::Leading { kind, .. } => is_trained(*kind),
        Activation::Runs(_) => true,
    };
    if channels_differ && input.channels > MAX_MIXED {
        let (channels, max) = (input.channels, MAX_MIXED);
        return Err(ShapeProblem::Mixed { channels, max });
    }
    let mut functions: Vec<ActivationKind> = Vec::new();
    for kind in activation.kinds() {
        if !functions.contains(&kind) {
            functions.push(kind);
        }
        if functions.len() > MAX_FUNCTIONS {
            return Err(ShapeProblem::Functions { max: MAX_FUNCTIONS });
        }
    }
    Ok(())
}

/// The size of the only input.
fn one(inputs: &[Dims]) -> Result<Dims, ShapeProblem> {
    match *inputs {
        [input] => Ok(input),
        _ => Err(expected("1", inputs)),
    }
}

fn expected(expected: &'static str, inputs: &[Dims]) -> ShapeProblem {
    let got = inputs.len();
    ShapeProblem::Inputs { expected, got }
}

fn differ(inputs: &[Dims], needs: &'static str) -> ShapeProblem {
    let dims = inputs.to_vec();
    ShapeProblem::Differ { dims, needs }
}

/// Checks that a size is neither empty nor too large.
pub(crate) fn check_dims(dims: Dims) -> Result<(), ShapeProblem> {
    let sizes = [("channels", dims.channels), ("height", dims.height), ("width", dims.width)];
    if let Some((field, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
        return Err(ShapeError::Zero { field }.into());
    }
    let values = sizes.into_iter().try_fold(1usize, |product, (_, size)| product.checked_mul(size));
    match values {
        Some(values) if values <= MAX_VALUES => Ok(()),
        _ => Err(ShapeProblem::TooLarge { max: MAX_VALUES }),
    }
}
