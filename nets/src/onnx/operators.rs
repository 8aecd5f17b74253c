//! The table of operators: all that depends on an operator's name is here. An operator that is not
//! gets the general refusal.
//!
//! To add an operator: an entry here, and the function that it names. `docs/onnx.md` is generated.

use super::{
    fold::{
        Fold::{Join, Map, Whole},
        truth,
    },
    operator::{End, Operator, activation, at_end, constant, layers, parts, refused, view},
    pooling::{Pool, Reduction},
    shape::{flattened, reshaped, squeezed, unsqueezed},
};
use crate::graph::ActivationKind;

/// An operator by its name.
pub(super) fn operator(name: &str) -> &'static Operator {
    OPERATORS.iter().find(|operator| operator.name == name).unwrap_or(&UNKNOWN)
}

/// Every operator that is known, by name.
pub(super) static OPERATORS: &[Operator] = &[
    layers("Abs", |walk, node| walk.abs(node)).folds(Map(f64::abs)),
    layers("Add", |walk, node| walk.add_node(node))
        .when("data and constants, with broadcasting")
        .folds(Join(|a, b| a + b))
        .keeps_order(),
    refused("And", DECIDES).folds(Join(|a, b| truth(a != 0.0 && b != 0.0))),
    at_end("ArgMax", ARGMAX).after_result(),
    layers("ArrayFeatureExtractor", |walk, node| walk.extract_features(node))
        .ml()
        .when("constant indices")
        .after_result(),
    layers("AveragePool", |walk, node| walk.pool(node, Pool::Mean))
        .when("one or two dimensions, no dilation")
        .channels_first(),
    layers("BatchNormalization", |walk, node| walk.batch_norm(node))
        .when("constant parameters, not in training mode")
        .channels_first(),
    refused("Binarizer", UNSUPPORTED).ml().after_result(),
    view("Cast", |walk, node| walk.cast(node))
        .when("to a type of real numbers")
        .folds(Whole(|x| x.cast()))
        .keeps_shape()
        .keeps_order()
        .after_result(),
    view("CastLike", |walk, node| walk.pass(node)).folds(Whole(|x| x.cast_like())).after_result(),
    refused("CategoryMapper", PREPROCESSING).ml(),
    refused("Ceil", UNSUPPORTED).folds(Map(f64::ceil)),
    refused("Celu", NO_PROTOCOL).keeps_shape(),
    layers("Clip", |walk, node| walk.clip_node(node))
        .when("constant bounds")
        .folds(Whole(|x| x.clip())),
    layers("Concat", |walk, node| walk.concat(node))
        .when("along any axis but the batch")
        .folds(Whole(|x| x.concat()))
        .after_result(),
    constant("Constant", |walk, node| walk.stored(node)).when("of numbers"),
    refused("ConstantOfShape", UNSUPPORTED).folds(Whole(|x| x.fill())),
    layers("Conv", |walk, node| walk.conv(node))
        .when("one or two dimensions, constant weights")
        .channels_first(),
    refused("ConvInteger", QUANTISED),
    refused("ConvTranspose", ENLARGES).channels_first(),
    refused("Cos", CONSTANTS_ONLY),
    layers("DepthToSpace", |walk, node| walk.depth_to_space(node)),
    refused("DequantizeLinear", QUANTISED),
    layers("Div", |walk, node| walk.div(node))
        .when("by constants without zeros")
        .folds(Whole(|x| x.divide()))
        .keeps_shape()
        .keeps_order(),
    view("Dropout", |walk, node| walk.pass(node))
        .when("does nothing after training")
        .folds(Map(|x| x))
        .keeps_order()
        .after_result(),
    refused("DynamicQuantizeLinear", QUANTISED),
    refused("Einsum", NO_EINSUM),
    refused("Elu", NO_PROTOCOL).keeps_shape(),
    refused("Equal", DECIDES).folds(Join(|a, b| truth(a == b))).after_result(),
    refused("Erf", NO_PROTOCOL).keeps_shape(),
    refused("Exp", CONSTANTS_ONLY).folds(Map(f64::exp)).keeps_shape(),
    layers("Expand", |walk, node| walk.expand_node(node))
        .when("to a constant shape")
        .folds(Whole(|x| x.expand())),
    refused("FastGelu", NO_PROTOCOL).keeps_shape(),
    view("Flatten", |walk, node| walk.reshape_node(node, flattened))
        .folds(Whole(|x| x.reshape(flattened)))
        .after_result(),
    refused("Floor", UNSUPPORTED).folds(Map(f64::floor)),
    refused("GRU", NOT_FEED_FORWARD),
    layers("Gather", |walk, node| walk.gather(node))
        .when("constant indices")
        .folds(Whole(|x| x.gather()))
        .after_result(),
    layers("GatherND", |walk, node| walk.gather_nd(node)).when("constant indices, no `batch_dims`"),
    refused("Gelu", NO_PROTOCOL).keeps_shape(),
    layers("Gemm", |walk, node| walk.gemm(node)).when("constant weights and bias, no `transA`"),
    layers("GlobalAveragePool", |walk, node| walk.reduce_image(node, Reduction::Mean))
        .channels_first(),
    refused("GlobalLpPool", ROOTS),
    layers("GlobalMaxPool", |walk, node| walk.reduce_image(node, Reduction::Max)).channels_first(),
    refused("Greater", DECIDES).folds(Join(|a, b| truth(a > b))).after_result(),
    refused("GreaterOrEqual", DECIDES).folds(Join(|a, b| truth(a >= b))).after_result(),
    refused("GridSample", ENLARGES),
    refused("GroupNormalization", PRIVATE_DIVISORS).keeps_shape(),
    layers("HardSigmoid", |walk, node| walk.hard_sigmoid(node))
        .when("any `alpha` and `beta`; with an `alpha` of 0 it is a constant"),
    refused("HardSwish", NO_HARD_SWISH).keeps_shape(),
    view("Identity", |walk, node| walk.pass(node)).folds(Map(|x| x)).keeps_order().after_result(),
    refused("If", NOT_FEED_FORWARD),
    refused("Imputer", PREPROCESSING).ml(),
    refused("InstanceNormalization", PRIVATE_DIVISORS).keeps_shape().channels_first(),
    refused("LRN", PRIVATE_DIVISORS).keeps_shape(),
    refused("LSTM", NOT_FEED_FORWARD),
    refused("LabelEncoder", PREPROCESSING).ml().after_result(),
    refused("LayerNormalization", PRIVATE_DIVISORS).keeps_shape(),
    layers("LeakyRelu", |walk, node| walk.leaky_relu(node)),
    refused("Less", DECIDES).folds(Join(|a, b| truth(a < b))).after_result(),
    refused("LessOrEqual", DECIDES).folds(Join(|a, b| truth(a <= b))),
    at_end("LinearClassifier", CLASSIFIER).ml(),
    layers("LinearRegressor", |walk, node| walk.linear_model(node)).ml(),
    refused("Log", CONSTANTS_ONLY).folds(Map(f64::ln)).keeps_shape().after_result(),
    at_end("LogSoftmax", LARGEST_KEPT).keeps_shape().after_result(),
    refused("Loop", NOT_FEED_FORWARD),
    refused("LpNormalization", PRIVATE_DIVISORS).keeps_shape(),
    refused("LpPool", ROOTS),
    layers("MatMul", |walk, node| walk.matmul(node)).when("with a constant matrix, on either side"),
    refused("MatMulInteger", QUANTISED),
    layers("Max", |walk, node| walk.max(node)).when("data and constants").folds(Join(f64::max)),
    layers("MaxPool", |walk, node| walk.pool(node, Pool::Max))
        .when("one or two dimensions, no dilation, no indices")
        .channels_first(),
    refused("MaxUnpool", ENLARGES),
    layers("Mean", |walk, node| walk.mean(node)).when("data and constants, with broadcasting"),
    refused("MeanVarianceNormalization", PRIVATE_DIVISORS).keeps_shape(),
    layers("Min", |walk, node| walk.min(node)).when("data and constants").folds(Join(f64::min)),
    refused("Mish", NO_PROTOCOL).keeps_shape(),
    refused("Mod", UNSUPPORTED).folds(Whole(|x| x.remainder())),
    layers("Mul", |walk, node| walk.mul(node))
        .when("with constants; `x * x` and `x * x * x` as powers")
        .folds(Join(|a, b| a * b))
        .keeps_shape()
        .keeps_order(),
    layers("Neg", |walk, node| walk.neg(node)).folds(Map(|x| -x)).keeps_order(),
    refused("NonZero", DECIDES),
    refused("Normalizer", PREPROCESSING).ml().after_result(),
    refused("Not", DECIDES).folds(Map(|x| truth(x == 0.0))),
    refused("OneHotEncoder", PREPROCESSING).ml(),
    refused("Or", DECIDES).folds(Join(|a, b| truth(a != 0.0 || b != 0.0))),
    layers("PRelu", |walk, node| walk.prelu(node)).when("constant slopes").channels_first(),
    view("Pad", |walk, node| walk.pad(node)).when("constant mode, along any axis but the batch"),
    layers("Pow", |walk, node| walk.power(node))
        .when("constant exponent 1, 2 or 3")
        .folds(Join(f64::powf))
        .keeps_shape(),
    refused("QLinearAdd", QUANTISED),
    refused("QLinearConv", QUANTISED),
    refused("QLinearMatMul", QUANTISED),
    refused("QuantizeLinear", QUANTISED),
    refused("RMSNormalization", PRIVATE_DIVISORS).keeps_shape(),
    refused("RNN", NOT_FEED_FORWARD),
    refused("Range", UNSUPPORTED).folds(Whole(|x| x.range())),
    refused("Reciprocal", CONSTANTS_ONLY).folds(Map(f64::recip)),
    refused("ReduceL2", UNSUPPORTED).folds(Whole(|x| x.norm())),
    layers("ReduceMax", |walk, node| walk.reduce(node, Reduction::Max))
        .when("along constant axes, the batch not among them")
        .folds(Whole(|x| x.reduce(f64::NEG_INFINITY, f64::max))),
    layers("ReduceMean", |walk, node| walk.reduce(node, Reduction::Mean))
        .when("along constant axes, the batch not among them")
        .folds(Whole(|x| x.mean())),
    refused("ReduceMin", UNSUPPORTED).folds(Whole(|x| x.reduce(f64::INFINITY, f64::min))),
    refused("ReduceProd", UNSUPPORTED).folds(Whole(|x| x.reduce(1.0, |product, x| product * x))),
    layers("ReduceSum", |walk, node| walk.reduce(node, Reduction::Sum))
        .when("along constant axes, the batch not among them")
        .folds(Whole(|x| x.reduce(0.0, |sum, x| sum + x))),
    refused("ReduceSumSquare", UNSUPPORTED).folds(Whole(|x| x.reduce(0.0, |sum, x| sum + x * x))),
    activation("Relu", ActivationKind::Relu).folds(Map(|x| x.max(0.0))),
    view("Reshape", |walk, node| walk.reshape_node(node, reshaped))
        .when("to a constant shape")
        .folds(Whole(|x| x.reshape(reshaped)))
        .after_result(),
    refused("Resize", ENLARGES),
    refused("Round", UNSUPPORTED).folds(Map(f64::round_ties_even)),
    refused("SVMClassifier", NO_NETWORK).ml(),
    refused("SVMRegressor", NO_NETWORK).ml(),
    layers("Scaler", |walk, node| walk.scaler(node)).ml().keeps_order(),
    refused("Scan", NOT_FEED_FORWARD),
    refused("Selu", NO_PROTOCOL).keeps_shape(),
    constant("Shape", |walk, node| walk.shape(node)),
    refused("Shrink", NO_PROTOCOL).keeps_shape(),
    at_end("Sigmoid", SIGMOID).after_result(),
    layers("Sign", |walk, node| walk.sign(node))
        .when("0 becomes 1 where values below 0 are possible")
        .folds(Map(|x| if x == 0.0 { 0.0 } else { x.signum() })),
    refused("Sin", CONSTANTS_ONLY),
    refused("Size", UNSUPPORTED).folds(Whole(|x| x.size())),
    layers("Slice", |walk, node| walk.slice(node))
        .when("constant starts, ends, axes and steps")
        .folds(Whole(|x| x.slice()))
        .after_result(),
    at_end("Softmax", LARGEST_KEPT).keeps_shape().after_result(),
    refused("Softplus", NO_PROTOCOL).keeps_shape(),
    refused("Softsign", NO_PROTOCOL).keeps_shape(),
    layers("SpaceToDepth", |walk, node| walk.space_to_depth(node)),
    parts("Split", |walk, node| walk.split(node)).when("constant sizes"),
    refused("Sqrt", CONSTANTS_ONLY).folds(Map(f64::sqrt)).keeps_shape(),
    view("Squeeze", |walk, node| walk.squeeze(node))
        .when("constant axes")
        .folds(Whole(|x| x.reshape(squeezed)))
        .after_result(),
    layers("Sub", |walk, node| walk.sub(node))
        .when("data and constants, with broadcasting")
        .folds(Join(|a, b| a - b))
        .keeps_order()
        .after_result(),
    layers("Sum", |walk, node| walk.sum(node))
        .when("data and constants, with broadcasting")
        .folds(Join(|a, b| a + b)),
    refused("Swish", NO_PROTOCOL).keeps_shape(),
    activation("Tanh", ActivationKind::Tanh),
    refused("ThresholdedRelu", NO_PROTOCOL).keeps_shape(),
    layers("Tile", |walk, node| walk.tile(node))
        .when("constant repeats")
        .folds(Whole(|x| x.tile())),
    refused("TopK", DECIDES).after_result(),
    view("Transpose", |walk, node| walk.transpose(node))
        .folds(Whole(|x| x.transpose()))
        .after_result(),
    refused("TreeEnsembleClassifier", NO_NETWORK).ml(),
    refused("TreeEnsembleRegressor", NO_NETWORK).ml(),
    refused("Trunc", UNSUPPORTED).folds(Map(f64::trunc)),
    view("Unsqueeze", |walk, node| walk.reshape_node(node, unsqueezed))
        .when("constant axes")
        .folds(Whole(|x| x.reshape(unsqueezed)))
        .after_result(),
    refused("Upsample", ENLARGES),
    refused("Where", DECIDES).folds(Whole(|x| x.choose())).keeps_shape().after_result(),
    refused("Xor", UNSUPPORTED).folds(Join(|a, b| truth((a != 0.0) != (b != 0.0)))),
    refused("ZipMap", UNSUPPORTED).ml().after_result(),
];

/// An operator that the table lacks.
static UNKNOWN: Operator = refused("", UNSUPPORTED);

const LARGEST_KEPT: End = End {
    result: |walk, node| walk.data(node, 0),
    note: "its input, whose largest is the same",
    within: None,
};

const ARGMAX: End = End {
    result: |walk, node| walk.data(node, 0),
    note: "its input, of which the data owner takes the largest",
    within: None,
};

const SIGMOID: End = End {
    result: |walk, node| walk.data(node, 0),
    note: "its input, which is positive where it is above one half",
    within: Some(ActivationKind::Sigmoid),
};

const CLASSIFIER: End = End {
    result: |walk, node| walk.linear_model(node),
    note: "the scores of its classes, without the labels",
    within: None,
};

const UNSUPPORTED: &str = "is not supported";
const NO_PROTOCOL: &str =
    "has no private protocol: use ReLU, ReLU6, LeakyReLU, HardSigmoid, Sigmoid or Tanh";
const NO_HARD_SWISH: &str = "has no private protocol: use ReLU6 or ReLU";
const PRIVATE_DIVISORS: &str =
    "divides by private values: use batch norm, whose divisors are constant after training";
const CONSTANTS_ONLY: &str = "has no private protocol: use it on constants only";
const ENLARGES: &str =
    "makes images larger: use convolutions and pooling, which keep or reduce their size";
const NOT_FEED_FORWARD: &str = "is control flow or recurrent: only feed-forward networks can run";
const QUANTISED: &str = "is of a quantised model: export the model in floating point";
const DECIDES: &str = "decides by private values: use ReLU, Max, Min or max pooling";
const NO_EINSUM: &str = "is not supported: use MatMul with constant weights";
const ROOTS: &str = "takes roots of private values: use average or max pooling";
const PREPROCESSING: &str =
    "is preprocessing, which the data owner does in clear: export the model without it";
const NO_NETWORK: &str = "is no neural network: use an MLP or a linear model";
