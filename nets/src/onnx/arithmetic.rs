//! Arithmetic value by value, and normalisations with constant parameters.

use super::{
    node::{Node, Refusal},
    tensor::Tensor,
    translator::Translator,
    value::Data,
};

/// The operands of a node that joins two tensors, in their order.
enum Operands {
    Both(Data, Data),
    First(Data, Tensor),
    Second(Tensor, Data),
}

impl<'f> Translator<'f> {
    pub(super) fn batch_norm(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        if node.int("training_mode", 0)? != 0 {
            return Err("is in training mode: export the model after model.eval()".into());
        }
        let [gamma, beta, mean, var] = [1, 2, 3, 4].map(|place| self.constant(node, place));
        let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
        if var.values.iter().any(|&var| var < 0.0) {
            return Err("has a negative variance: was the training stable?".into());
        }
        let eps = node.float("epsilon")?.unwrap_or(1e-5);
        let scale = gamma.zip(&var, |gamma, var| gamma / (var + eps).sqrt());
        let scale = scale.ok_or("has parameters of different lengths")?;
        let moved = mean.zip(&scale, |mean, scale| mean * scale);
        let shift = moved.and_then(|moved| beta.zip(&moved, |beta, moved| beta - moved));
        let shift = shift.ok_or("has parameters of different lengths")?;
        let rank = x.view.shape().len();
        self.scale(node.name(), &x, &along_channels(scale, rank), &along_channels(shift, rank))
    }

    /// The normalisation of skl2onnx: (x - offset) scale.
    pub(super) fn scaler(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let list = |name: &str| -> Result<Tensor, Refusal> {
            let values = node.floats(name)?.unwrap_or_default();
            Ok(Tensor { shape: vec![values.len()], values, integer: false })
        };
        let (scale, offset) = (list("scale")?, list("offset")?);
        let shift = scale.zip(&offset, |scale, offset| -scale * offset);
        let shift = shift.ok_or("has parameters of different lengths")?;
        self.scale(node.name(), &x, &scale, &shift)
    }

    pub(super) fn add_node(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        match self.operands(node)? {
            Operands::Both(a, b) => self.add(node.name(), &a, &b),
            Operands::First(x, c) | Operands::Second(c, x) => self.shifted(node, &x, &c),
        }
    }

    pub(super) fn sub(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let minus = Tensor::scalar(-1.0);
        match self.operands(node)? {
            Operands::Both(a, b) => {
                let b = self.scale(node.name(), &b, &minus, &Tensor::scalar(0.0))?;
                self.add(node.name(), &a, &b)
            }
            Operands::First(x, c) => self.shifted(node, &x, &c.map(|c| -c)),
            Operands::Second(c, x) => self.scale(node.name(), &x, &minus, &c),
        }
    }

    /// A product with a constant, or a power written as a product.
    pub(super) fn mul(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        match self.operands(node)? {
            Operands::Both(a, b) if a == b => self.raised(node.name(), &a, 2.0),
            Operands::Both(a, b) if self.is_square(&a, &b) => self.raised(node.name(), &b, 3.0),
            Operands::Both(a, b) if self.is_square(&b, &a) => self.raised(node.name(), &a, 3.0),
            Operands::Both(..) => Err("multiplies private values with each other, as gates and \
                                       attention do: only constants and powers are supported"
                .into()),
            Operands::First(x, c) | Operands::Second(c, x) => self.scaled(node, &x, &c),
        }
    }

    pub(super) fn div(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        match self.operands(node)? {
            Operands::First(_, c) if c.values.contains(&0.0) => Err("divides by zero".into()),
            Operands::First(x, c) => self.scaled(node, &x, &c.map(f64::recip)),
            Operands::Both(..) | Operands::Second(..) => {
                Err("divides by private values: divide by constants".into())
            }
        }
    }

    fn operands(&mut self, node: Node<'f>) -> Result<Operands, Refusal> {
        Ok(match (self.is_data(node, 0), self.is_data(node, 1)) {
            (true, true) => Operands::Both(self.data(node, 0)?, self.data(node, 1)?),
            (true, false) => Operands::First(self.data(node, 0)?, self.constant(node, 1)?),
            (false, _) => Operands::Second(self.constant(node, 0)?, self.data(node, 1)?),
        })
    }

    /// x + c.
    fn shifted(&mut self, node: Node<'f>, x: &Data, c: &Tensor) -> Result<Data, Refusal> {
        self.scale(node.name(), x, &Tensor::scalar(1.0), c)
    }

    /// c x.
    fn scaled(&mut self, node: Node<'f>, x: &Data, c: &Tensor) -> Result<Data, Refusal> {
        self.scale(node.name(), x, c, &Tensor::scalar(0.0))
    }

    /// Whether a is b squared.
    fn is_square(&self, a: &Data, b: &Data) -> bool {
        self.draft.squared(a.layer) == Some(b.layer) && a.view == b.view
    }

    pub(super) fn neg(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        self.scale(node.name(), &x, &Tensor::scalar(-1.0), &Tensor::scalar(0.0))
    }

    /// The mean of any number of results and constants.
    pub(super) fn mean(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        self.weighted_sum(node, 1.0 / node.input_count() as f64)
    }

    /// The sum of any number of results and constants.
    pub(super) fn sum(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        self.weighted_sum(node, 1.0)
    }

    fn weighted_sum(&mut self, node: Node<'f>, factor: f64) -> Result<Data, Refusal> {
        let mut sum: Option<Data> = None;
        let mut shift = Tensor::scalar(0.0);
        for place in 0..node.input_count() {
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
}

/// A list of one number for each channel, shaped to broadcast along axis 1.
fn along_channels(tensor: Tensor, rank: usize) -> Tensor {
    let mut shape = tensor.shape.clone();
    shape.extend(vec![1; rank.saturating_sub(2)]);
    Tensor { shape, ..tensor }
}
