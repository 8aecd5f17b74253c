//! An entry of the table of operators.

use super::{
    fold::Fold,
    node::{Node, Refusal},
    tensor::Tensor,
    translator::Translator,
    value::{Data, Value},
};
use crate::graph::ActivationKind;

/// An operator, as the importer knows it.
pub(super) struct Operator {
    /// Its name in the standard.
    pub(super) name: &'static str,
    /// The operator set that it belongs to.
    pub(super) domain: Domain,
    /// How a node on data is translated.
    pub(super) translation: Translation,
    /// How a node on constants is computed; `None` if it is not.
    pub(super) fold: Option<Fold>,
    /// When it is supported on data, for users; empty where it always is, or never.
    pub(super) condition: &'static str,
    /// Whether its result has its input's shape: after one that is not supported the walk can then
    /// go on, to find what else is not.
    pub(super) keeps_shape: bool,
    /// Whether it passes values on in their order, so that the nodes behind it show how the model's
    /// input lies.
    pub(super) keeps_order: bool,
    /// Whether it takes images with their channels first.
    pub(super) channels_first: bool,
    /// Whether it may follow the network's result, where the data owner computes it.
    pub(super) after_result: bool,
}

/// The sets of operators that are read. Nodes are looked up by name alone: no name is in both.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Domain {
    /// The default one.
    Onnx,
    /// `ai.onnx.ml`, of classical machine learning.
    Ml,
}

/// How a node on data is translated.
pub(super) enum Translation {
    /// It is a constant, whatever its inputs are.
    Constant(fn(&mut Translator<'_>, Node<'_>) -> Result<Tensor, Refusal>),
    /// It has several results, from data and constants alike.
    Parts(for<'f> fn(&mut Translator<'f>, Node<'f>) -> Result<Vec<Value<'f>>, Refusal>),
    /// It passes data on, or changes how data is read.
    View(for<'f> fn(&mut Translator<'f>, Node<'f>) -> Result<Value<'f>, Refusal>),
    /// It is an activation as it stands.
    Activation(ActivationKind),
    /// It becomes layers.
    Layers(LayersFn),
    /// It is left to the data owner at the end.
    End(End),
    /// It is not supported; the reason, and what to use instead, fits after the node's name.
    Refused(&'static str),
}

/// Adds a node's layers.
pub(super) type LayersFn = for<'f> fn(&mut Translator<'f>, Node<'f>) -> Result<Data, Refusal>;

/// An operator that the data owner computes on the network's result.
pub(super) struct End {
    /// The layers of the network up to it.
    pub(super) result: LayersFn,
    /// The note on that result, after "the result is".
    pub(super) note: &'static str,
    /// The activation that it becomes inside of the network; `None` if it is supported at the end
    /// only.
    pub(super) within: Option<ActivationKind>,
}

impl Operator {
    const fn new(name: &'static str, translation: Translation) -> Operator {
        Operator {
            name,
            domain: Domain::Onnx,
            translation,
            fold: None,
            condition: "",
            keeps_shape: false,
            keeps_order: false,
            channels_first: false,
            after_result: false,
        }
    }

    /// Whether some of its nodes can be translated.
    pub(super) fn is_supported(&self) -> bool {
        let refused = matches!(self.translation, Translation::Refused(_));
        !refused || self.fold.is_some() || self.after_result
    }

    pub(super) const fn when(mut self, condition: &'static str) -> Operator {
        self.condition = condition;
        self
    }

    pub(super) const fn folds(mut self, fold: Fold) -> Operator {
        self.fold = Some(fold);
        self
    }

    pub(super) const fn ml(mut self) -> Operator {
        self.domain = Domain::Ml;
        self
    }

    pub(super) const fn keeps_shape(mut self) -> Operator {
        self.keeps_shape = true;
        self
    }

    pub(super) const fn keeps_order(mut self) -> Operator {
        self.keeps_order = true;
        self
    }

    pub(super) const fn channels_first(mut self) -> Operator {
        self.channels_first = true;
        self
    }

    pub(super) const fn after_result(mut self) -> Operator {
        self.after_result = true;
        self
    }
}

/// An operator that becomes layers.
pub(super) const fn layers(name: &'static str, add: LayersFn) -> Operator {
    Operator::new(name, Translation::Layers(add))
}

/// An operator that is an activation as it stands.
pub(super) const fn activation(name: &'static str, kind: ActivationKind) -> Operator {
    Operator::new(name, Translation::Activation(kind))
}

/// An operator that passes data on, or changes how data is read.
pub(super) const fn view(
    name: &'static str,
    read: for<'f> fn(&mut Translator<'f>, Node<'f>) -> Result<Value<'f>, Refusal>,
) -> Operator {
    Operator::new(name, Translation::View(read))
}

/// An operator with several results.
pub(super) const fn parts(
    name: &'static str,
    cut: for<'f> fn(&mut Translator<'f>, Node<'f>) -> Result<Vec<Value<'f>>, Refusal>,
) -> Operator {
    Operator::new(name, Translation::Parts(cut))
}

/// An operator whose result is a constant, whatever its inputs are.
pub(super) const fn constant(
    name: &'static str,
    read: fn(&mut Translator<'_>, Node<'_>) -> Result<Tensor, Refusal>,
) -> Operator {
    Operator::new(name, Translation::Constant(read))
}

/// An operator that the data owner computes on the network's result.
pub(super) const fn at_end(name: &'static str, end: End) -> Operator {
    Operator::new(name, Translation::End(end))
}

/// An operator that is not supported on data, and why.
pub(super) const fn refused(name: &'static str, reason: &'static str) -> Operator {
    Operator::new(name, Translation::Refused(reason))
}
