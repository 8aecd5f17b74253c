//! The operators that become layers, and what to use instead of others.

use super::{
    node::Node,
    walk::{Data, Refusal, Translator},
};
use crate::graph::ActivationKind;

/// How a node on data is translated.
#[derive(Clone, Copy)]
pub enum Handler<'f> {
    /// It only changes how data is read, or passes it.
    Shaping,
    /// It has one result.
    One(fn(&mut Translator<'f>, Node<'f>) -> Result<Data, Refusal>),
    /// It is a case of its own for [`Translator::node`].
    Own,
}

/// How an operator on data is translated; `None` if it is not supported.
pub fn handler<'f>(op: &str) -> Option<Handler<'f>> {
    if activation(op).is_some() {
        return Some(Handler::One(|walk, node| {
            let kind = activation(node.op()).ok_or("is no activation")?;
            let x = walk.data(node, 0)?;
            walk.activation(node.name(), &x, kind)
        }));
    }
    Some(match op {
        "Identity" | "Dropout" | "Cast" | "CastLike" | "Transpose" | "Reshape" | "Flatten"
        | "Squeeze" | "Unsqueeze" => Handler::Shaping,
        "Constant" | "Shape" | "Split" | "Pad" => Handler::Own,
        "Abs" => Handler::One(Translator::abs),
        "Add" | "Sub" | "Mul" | "Div" => Handler::One(Translator::arithmetic),
        "AveragePool" | "MaxPool" => Handler::One(Translator::pool),
        "BatchNormalization" => Handler::One(Translator::batch_norm),
        "Clip" => Handler::One(Translator::clip_node),
        "Concat" => Handler::One(Translator::concat),
        "Conv" => Handler::One(Translator::conv),
        "DepthToSpace" | "SpaceToDepth" => Handler::One(Translator::space),
        "Expand" | "Tile" => Handler::One(Translator::repeat),
        "ArrayFeatureExtractor" | "Gather" | "GatherND" => Handler::One(Translator::gather),
        "Gemm" => Handler::One(Translator::gemm),
        "GlobalAveragePool" | "GlobalMaxPool" | "ReduceMax" | "ReduceMean" | "ReduceSum" => {
            Handler::One(Translator::reduce)
        }
        "HardSigmoid" => Handler::One(Translator::hard_sigmoid),
        "LeakyRelu" => Handler::One(Translator::leaky_relu),
        "LinearClassifier" | "LinearRegressor" => Handler::One(Translator::linear_model),
        "MatMul" => Handler::One(Translator::matmul),
        "Max" | "Min" => Handler::One(Translator::extreme),
        "Mean" | "Sum" => Handler::One(Translator::sum),
        "Neg" => Handler::One(Translator::neg),
        "PRelu" => Handler::One(Translator::prelu),
        "Pow" => Handler::One(Translator::power),
        "Scaler" => Handler::One(Translator::scaler),
        "Sign" => Handler::One(Translator::sign),
        "Slice" => Handler::One(Translator::slice),
        _ => return None,
    })
}

/// The operators that are activations as they stand.
fn activation(op: &str) -> Option<ActivationKind> {
    match op {
        "Relu" => Some(ActivationKind::Relu),
        "Tanh" => Some(ActivationKind::Tanh),
        _ => None,
    }
}

/// Whether an operator's result has its input's shape: after one that is not supported the walk
/// can then go on, to find what else is not.
pub fn keeps_shape(op: &str) -> bool {
    ELEMENTWISE.contains(&op)
        || NORMALISATIONS.contains(&op)
        || matches!(op, "Mul" | "Div" | "Pow" | "Sqrt" | "Exp" | "Log" | "Where" | "Cast")
}

/// What to use instead of an operator that is not supported.
pub fn instead(op: &str) -> &'static str {
    match op {
        "HardSwish" => "has no private protocol: use ReLU6 or ReLU",
        _ if ELEMENTWISE.contains(&op) => {
            "has no private protocol: use ReLU, ReLU6, LeakyReLU, HardSigmoid, Sigmoid or Tanh"
        }
        _ if NORMALISATIONS.contains(&op) => {
            "divides by private values: use batch norm, whose divisors are constant after training"
        }
        "Sqrt" | "Exp" | "Log" | "Reciprocal" | "Sin" | "Cos" => {
            "has no private protocol: use it on constants only"
        }
        "Softmax" | "LogSoftmax" | "ArgMax" => "is supported at the end only",
        "ConvTranspose" | "MaxUnpool" | "Resize" | "Upsample" | "GridSample" => {
            "makes images larger: use convolutions and pooling, which keep or reduce their size"
        }
        "LSTM" | "GRU" | "RNN" | "Loop" | "If" | "Scan" => {
            "is control flow or recurrent: only feed-forward networks can run"
        }
        "QuantizeLinear"
        | "DequantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "QLinearAdd"
        | "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeLinear" => "is of a quantised model: export the model in floating point",
        "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" | "Where" | "Not"
        | "And" | "Or" | "NonZero" | "TopK" => {
            "decides by private values: use ReLU, Max, Min or max pooling"
        }
        "Einsum" => "is not supported: use MatMul with constant weights",
        "LpPool" | "GlobalLpPool" => "takes roots of private values: use average or max pooling",
        "OneHotEncoder" | "Imputer" | "Normalizer" | "CategoryMapper" | "LabelEncoder" => {
            "is preprocessing, which the data owner does in clear: export the model without it"
        }
        "TreeEnsembleClassifier" | "TreeEnsembleRegressor" | "SVMClassifier" | "SVMRegressor" => {
            "is no neural network: use an MLP or a linear model"
        }
        _ => "is not supported",
    }
}

const ELEMENTWISE: [&str; 15] = [
    "Celu",
    "Elu",
    "Erf",
    "FastGelu",
    "Gelu",
    "HardSwish",
    "LogSoftmax",
    "Mish",
    "Selu",
    "Softmax",
    "Softplus",
    "Softsign",
    "Swish",
    "Shrink",
    "ThresholdedRelu",
];

const NORMALISATIONS: [&str; 7] = [
    "GroupNormalization",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "LpNormalization",
    "MeanVarianceNormalization",
    "RMSNormalization",
];
