//! Non-linear functions, made of the few that have protocols and of scalings around them.

use super::{
    draft::{Kind, LinearTensors},
    node::{Node, Refusal},
    tensor::Tensor,
    translator::Translator,
    value::Data,
};
use crate::graph::{Activation, ActivationKind, Conv, Linear, Op};

impl<'f> Translator<'f> {
    /// An activation, value by value: their order does not matter.
    pub(super) fn activation(
        &mut self,
        name: &str,
        x: &Data,
        kind: ActivationKind,
    ) -> Result<Data, Refusal> {
        let layer = self.plain(name, Op::Activation(Activation::full(kind)), &[x.layer])?;
        if kind == ActivationKind::Relu {
            self.clipped.insert(layer, (x.layer, 0.0, f64::INFINITY));
        }
        Ok(Data { layer, view: x.view.clone() })
    }

    pub(super) fn leaky_relu(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let kind = match node.float("alpha")?.unwrap_or(0.01) {
            1.0 => return Ok(x),
            0.0 => ActivationKind::Relu,
            slope @ 0.0..1.0 => ActivationKind::LeakyRelu { slope },
            slope => return self.mix(node.name(), &x, &Tensor::scalar(slope)),
        };
        self.activation(node.name(), &x, kind)
    }

    /// Trained slopes are weights, so they stay private.
    pub(super) fn prelu(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let mut slopes = self.constant(node, 1)?;
        let (rank, channels) = (x.view.shape().len(), x.view.shape().get(1).copied());
        if slopes.shape.len() == 1 && rank > 2 && slopes.shape.first().copied() == channels {
            // Some exporters leave out the ones that make it broadcast.
            slopes.shape.extend(vec![1; rank - 2]);
        }
        self.mix(node.name(), &x, &slopes)
    }

    /// x above 0 and slope x below: a ReLU, and a convolution that mixes max(x, 0) and x of each
    /// channel.
    fn mix(&mut self, name: &str, x: &Data, slopes: &Tensor) -> Result<Data, Refusal> {
        let (x, [slopes]) = self.channelwise([slopes], x)?;
        let relu = self.activation(name, &x, ActivationKind::Relu)?;
        let channels = slopes.len();
        let pairs = self.plain(name, Op::Concat, &[relu.layer, x.layer])?;
        let pairs = self.plain(name, Op::Shuffle { groups: 2 }, &[pairs])?;
        let conv = Conv { groups: channels, bias: true, ..Conv::square(channels, 1) };
        let weight = slopes.into_iter().flat_map(|slope| [1.0 - slope, slope]).collect();
        let linear = LinearTensors { weight, bias: vec![0.0; channels] };
        let layer = self.layer(name, Kind::Linear(Linear::Conv(conv), linear), &[pairs])?;
        Ok(Data { layer, view: x.view })
    }

    pub(super) fn clip_node(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        let mut bound = |place, name| -> Result<Option<f64>, Refusal> {
            let input = self.optional(node, place)?;
            Ok(input.as_ref().and_then(Tensor::single).or(node.float(name)?))
        };
        let (low, high) = (bound(1, "min")?, bound(2, "max")?);
        self.clip(node.name(), &x, low, high)
    }

    /// min(max(alpha x + beta, 0), 1): the hard sigmoid, which has 1/6 and 1/2, of
    /// 6 (alpha x + beta) - 3.
    pub(super) fn hard_sigmoid(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let (name, x) = (node.name(), self.data(node, 0)?);
        let (alpha, beta) =
            (node.float("alpha")?.unwrap_or(0.2), node.float("beta")?.unwrap_or(0.5));
        if !(alpha.is_finite() && beta.is_finite()) {
            return Err("has an alpha or beta that is not finite".into());
        }
        if alpha == 0.0 {
            let [zero, constant] = [0.0, beta.clamp(0.0, 1.0)].map(Tensor::scalar);
            return self.scale(name, &x, &zero, &constant);
        }
        let [factor, shift] = [6.0 * alpha, 6.0 * beta - 3.0].map(Tensor::scalar);
        let x = self.scale(name, &x, &factor, &shift)?;
        self.activation(name, &x, ActivationKind::HardSigmoid)
    }

    /// Values below `low` or above `high` replaced by it: a ReLU or ReLU6 between scalings.
    fn clip(
        &mut self,
        name: &str,
        x: &Data,
        low: Option<f64>,
        high: Option<f64>,
    ) -> Result<Data, Refusal> {
        // A bound that no 32-bit float exceeds is none.
        let [low, high] = [(low, f64::NEG_INFINITY), (high, f64::INFINITY)].map(|(bound, none)| {
            bound.filter(|bound| bound.abs() < f64::from(f32::MAX)).unwrap_or(none)
        });
        if low >= high || low.is_nan() || high.is_nan() {
            return Err(format!("clips to {low}..{high}, which is empty"));
        }
        // A clip of clipped values, as of a ReLU6 written as a ReLU and a Min, replaces both.
        let unclipped = (x.layer, f64::NEG_INFINITY, f64::INFINITY);
        let (layer, from, to) = self.clipped.get(&x.layer).copied().unwrap_or(unclipped);
        let (low, high) = (from.clamp(low, high), to.clamp(low, high));
        if (low, high) == (from, to) {
            return Ok(x.clone());
        }
        if low == high {
            return Err(format!("leaves nothing but {low} of what is clipped before"));
        }
        let (kind, factor, from) = match (low.is_finite(), high.is_finite()) {
            (true, true) => (ActivationKind::Relu6, 6.0 / (high - low), low),
            (true, false) => (ActivationKind::Relu, 1.0, low),
            _ => (ActivationKind::Relu, -1.0, high),
        };
        let [scale, shift] = [factor, -from * factor].map(Tensor::scalar);
        let [back, from] = [1.0 / factor, from].map(Tensor::scalar);
        let whole = Data { layer, view: x.view.clone() };
        let y = self.scale(name, &whole, &scale, &shift)?;
        let y = self.activation(name, &y, kind)?;
        let y = self.scale(name, &y, &back, &from)?;
        self.clipped.insert(y.layer, (layer, low, high));
        Ok(y)
    }

    /// The largest of data and constants.
    pub(super) fn max(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        self.extreme(node, true)
    }

    /// The smallest of data and constants.
    pub(super) fn min(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        self.extreme(node, false)
    }

    fn extreme(&mut self, node: Node<'f>, largest: bool) -> Result<Data, Refusal> {
        let name = node.name();
        let mut found: Option<Data> = None;
        let mut bounds: Option<Tensor> = None;
        for place in 0..node.input_count() {
            if !self.is_data(node, place) {
                let constant = self.constant(node, place)?;
                bounds = Some(match bounds {
                    None => constant,
                    Some(bounds) => {
                        let f = if largest { f64::max } else { f64::min };
                        let joined = bounds.zip(&constant, f);
                        joined.ok_or("has constants of shapes that do not fit together")?
                    }
                });
                continue;
            }
            let x = self.data(node, place)?;
            found = Some(match found {
                None => x,
                Some(found) => self.extreme_of_two(name, &found, &x, largest)?,
            });
        }
        let x = found.ok_or("has nothing to compare")?;
        let Some(bounds) = bounds else {
            return Ok(x);
        };
        match bounds.single() {
            Some(bound) if largest => self.clip(name, &x, Some(bound), None),
            Some(bound) => self.clip(name, &x, None, Some(bound)),
            None => {
                // max(x, c) = max(x - c, 0) + c, and min(x, c) = c - max(c - x, 0).
                let sign = Tensor::scalar(if largest { 1.0 } else { -1.0 });
                let shift = bounds.map(|bound| if largest { -bound } else { bound });
                let x = self.scale(name, &x, &sign, &shift)?;
                let x = self.activation(name, &x, ActivationKind::Relu)?;
                self.scale(name, &x, &sign, &bounds)
            }
        }
    }

    /// The larger or smaller of two.
    ///
    /// max(a, b) = a + max(b - a, 0), and min(a, b) = a - max(a - b, 0).
    fn extreme_of_two(
        &mut self,
        name: &str,
        a: &Data,
        b: &Data,
        largest: bool,
    ) -> Result<Data, Refusal> {
        let (zero, minus) = (Tensor::scalar(0.0), Tensor::scalar(-1.0));
        let (high, low) = if largest { (b, a) } else { (a, b) };
        let low = self.scale(name, low, &minus, &zero)?;
        let excess = self.add(name, high, &low)?;
        let mut excess = self.activation(name, &excess, ActivationKind::Relu)?;
        if !largest {
            excess = self.scale(name, &excess, &minus, &zero)?;
        }
        self.add(name, a, &excess)
    }

    /// The sign of a private 0 is 1. Where zeros are to be expected, as after a ReLU, the sign is
    /// half the sum of one that takes 0 for positive and one that takes it for negative.
    pub(super) fn sign(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let (name, x) = (node.name(), self.data(node, 0)?);
        let [half, minus, zero] = [0.5, -1.0, 0.0].map(Tensor::scalar);
        let sign = self.activation(name, &x, ActivationKind::Sign)?;
        if !self.draft.is_nonnegative(x.layer) {
            return Ok(sign);
        }
        let other = self.scale(name, &x, &minus, &zero)?;
        let other = self.activation(name, &other, ActivationKind::Sign)?;
        let other = self.scale(name, &other, &half.map(|half| -half), &zero)?;
        let sign = self.scale(name, &sign, &half, &zero)?;
        self.add(name, &sign, &other)
    }

    /// |x| = 2 max(x, 0) - x.
    pub(super) fn abs(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        let x = self.data(node, 0)?;
        self.mix(node.name(), &x, &Tensor::scalar(-1.0))
    }

    pub(super) fn power(&mut self, node: Node<'f>) -> Result<Data, Refusal> {
        if self.is_data(node, 1) {
            return Err("has private exponents: use constants".into());
        }
        let x = self.data(node, 0)?;
        let exponent = self.constant(node, 1)?.single();
        self.raised(node.name(), &x, exponent.ok_or("has more than one exponent: use one")?)
    }

    /// Data to the power of a constant.
    pub(super) fn raised(&mut self, name: &str, x: &Data, exponent: f64) -> Result<Data, Refusal> {
        if exponent == 1.0 {
            return Ok(x.clone());
        }
        let power = POWERS.iter().find(|(power, _)| *power == exponent);
        let &(_, kind) = power
            .ok_or_else(|| format!("takes values to the power of {exponent}: use 2, 3 or ReLU"))?;
        self.activation(name, x, kind)
    }
}

/// The exponents that are activations.
const POWERS: [(f64, ActivationKind); 2] =
    [(2.0, ActivationKind::Square), (3.0, ActivationKind::Cube)];
