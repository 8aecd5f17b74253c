#!/usr/bin/env python3
"""Makes the ONNX files of this directory, with inputs and the outputs of onnxruntime beside them.

pip install onnx onnxruntime; python3 generate.py [CASE...]

Some cases need a framework's exporter as well, and are left out where it is missing: pytorch (torch
1.13), dynamo (torch 2.8 and onnxscript), keras_exported (tensorflow 2.15 and tf2onnx), sklearn and
pipeline (skl2onnx). Weights come from a seeded generator, so a second run gives the same files,
whitespace and the exporters' versions apart. The other files are written node by node, to hold what
exporters of several frameworks and opsets write.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
IMAGES = 2


class Net:
    """A graph under construction: every method adds a node and returns its output's name."""

    def __init__(self, seed, shape):
        self.rng = np.random.default_rng(seed)
        self.shape = shape
        self.nodes, self.constants = [], []

    def constant(self, name, values):
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, name, *shape):
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        bound = np.sqrt(3 / fan_in) if len(shape) > 1 else 0.5
        return self.constant(name, self.rng.uniform(-bound, bound, shape).astype(np.float32))

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        name = f"/{kind.lower()}{len(self.nodes)}/{kind}"
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def integers(self, *values):
        return self.constant(f"i{len(self.constants)}", np.array(values, np.int64))

    def number(self, value):
        return self.constant(f"c{len(self.constants)}", np.array(value, np.float32))

    def batch_norm(self, x, channels):
        place = len(self.constants)

        def uniform(low, high):
            return self.rng.uniform(low, high, channels).astype(np.float32)

        parts = [uniform(0.5, 1.5), uniform(-0.3, 0.3), uniform(-0.3, 0.3), uniform(0.5, 1.5)]
        names = [self.constant(f"bn{place}_{i}", part) for i, part in enumerate(parts)]
        return self.op("BatchNormalization", x, *names, epsilon=1e-3)

    def save(self, name, *outputs, opset=17):
        value = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *self.shape])
        results = [
            helper.make_tensor_value_info(o, TensorProto.FLOAT, [None, None]) for o in outputs
        ]
        graph = helper.make_graph(self.nodes, name, [value], results, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        record(name, model.SerializeToString(), self.shape)


def record(name, model, shape, before=None, channels_first=None):
    """Stores a model and, for seeded images, what onnxruntime makes of them: the model's first
    output, or what the operator `before` reads, which is left to the user of the result."""
    model = onnx.load_from_string(model)
    # Exporters write where they ran.
    for part in [
        model,
        model.graph,
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.value_info,
    ]:
        part.ClearField("doc_string")
        if "metadata_props" in part.DESCRIPTOR.fields_by_name:
            part.ClearField("metadata_props")
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())
    images = np.random.default_rng(7).uniform(-1, 1, [IMAGES, *shape]).astype(np.float32)
    if before:
        end = next(node for node in model.graph.node if node.op_type == before)
        shown = helper.make_tensor_value_info(end.input[0], TensorProto.FLOAT, None)
        del model.graph.output[:]
        model.graph.output.append(shown)
    # Its optimiser drops the padding before an average from the average.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = session.get_inputs()[0].name
    results = [session.run(None, {feed: image[None]})[0].ravel() for image in images]
    if channels_first:
        images = images.transpose(channels_first)

    def flat(values):
        return [round(float(value), 7) for value in np.ravel(values)]

    case = {"images": flat(images), "logits": flat(results)}
    (HERE / f"{name}.json").write_text(json.dumps(case) + "\n")


def pooling():
    """Groups, dilation, asymmetric pads, auto_pad, ceil_mode, count_include_pad, and a batch norm
    before and after its convolution."""
    net = Net(1, [3, 13, 11])
    x = net.op(
        "Sub", "input", net.constant("mean", np.array([[[0.1]], [[0.2]], [[0.3]]], np.float32))
    )
    x = net.op("Div", x, net.number(0.5))
    x = net.op(
        "Conv",
        x,
        net.weight("conv1.weight", 6, 1, 3, 3),
        net.weight("conv1.bias", 6),
        group=3,
        pads=[1, 0, 2, 1],
        kernel_shape=[3, 3],
    )
    x = net.batch_norm(x, 6)
    x = net.op("Relu", x)
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = net.batch_norm(x, 6)
    x = net.op("Conv", x, net.weight("conv2.weight", 8, 6, 3, 2), auto_pad="SAME_UPPER")
    x = net.op("Relu", x)
    x = net.op(
        "AveragePool",
        x,
        kernel_shape=[3, 3],
        strides=[2, 1],
        pads=[1, 1, 1, 1],
        count_include_pad=1,
    )
    x = net.op("Conv", x, net.weight("conv3.weight", 5, 8, 2, 2), dilations=[1, 2])
    x = net.batch_norm(net.op("LeakyRelu", x, alpha=0.1), 5)
    x = net.op("GlobalAveragePool", x)
    x = net.op("Flatten", x)
    x = net.op(
        "Gemm",
        x,
        net.weight("fc.weight", 4, 5),
        net.weight("fc.bias", 4),
        transB=1,
        alpha=0.5,
        beta=2.0,
    )
    net.save("pooling", x, opset=11)


def shuffle():
    """Split, shuffle by Reshape-Transpose-Reshape with computed shapes, a residual, Concat."""
    net = Net(2, [4, 6, 6])
    x = net.op("Conv", "input", net.weight("stem.weight", 8, 4, 1, 1))
    a, b = net.op("Split", x, net.integers(4, 4), outputs=2, axis=1)
    b = net.op(
        "Relu", net.op("Conv", b, net.weight("branch.weight", 4, 4, 3, 3), pads=[1, 1, 1, 1])
    )
    x = net.op("Concat", a, b, axis=1)
    sizes = net.op("Shape", x)
    batch = net.op(
        "Unsqueeze",
        net.op("Gather", sizes, net.constant("zero", np.array(0, np.int64)), axis=0),
        net.integers(0),
    )
    side = net.op("Slice", sizes, net.integers(2), net.integers(4), net.integers(0))
    half = net.op("Div", net.op("Slice", sizes, net.integers(1), net.integers(2)), net.integers(2))
    x = net.op("Reshape", x, net.op("Concat", batch, net.integers(2), half, side, axis=0))
    x = net.op("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = net.op("Reshape", x, net.integers(0, -1, 6, 6))
    y = net.op(
        "Slice", x, net.integers(4), net.integers(2**63 - 1), net.integers(1), net.integers(1)
    )
    z = net.op("Slice", x, net.integers(0), net.integers(4), net.integers(-3))
    x = net.op("Add", y, net.op("Clip", z, net.number(0), net.number(6)))
    x = net.op("Dropout", net.op("Identity", x))
    x = net.op("ReduceMean", x, axes=[-1, -2], keepdims=0)
    x = net.op("MatMul", x, net.weight("fc", 4, 3))
    x = net.op("Add", net.number(0.25), x)
    net.save("shuffle", net.op("Identity", x))


def keras():
    """Channels last around the convolutions, as tf2onnx writes it, and flattening in that order."""
    net = Net(3, [6, 5, 2])
    x = net.op("Transpose", "input", perm=[0, 3, 1, 2])
    x = net.op(
        "Conv",
        x,
        net.weight("conv", 4, 2, 3, 3),
        net.weight("bias", 4),
        auto_pad="SAME_LOWER",
        strides=[2, 2],
    )
    x = net.op(
        "Relu",
        net.op("Mul", x, net.constant("scale", np.float32([[[1.5]], [[-1]], [[0.5]], [[1]]]))),
    )
    x = net.op("Transpose", x, perm=[0, 2, 3, 1])
    x = net.op("Reshape", x, net.integers(-1, 36))
    x = net.op("Gemm", x, net.weight("kernel", 36, 5))
    shape = net.shape
    value = helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, *shape])
    result = helper.make_tensor_value_info(x, TensorProto.FLOAT, [None, None])
    graph = helper.make_graph(net.nodes, "keras", [value], [result], net.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    record("keras", model.SerializeToString(), shape, channels_first=(0, 3, 1, 2))


def clips():
    """Slopes and bounds that are made of ReLUs and scalings, and bounds by Max and Min."""
    net = Net(4, [4, 5, 5])
    x = net.op("Conv", "input", net.weight("a.weight", 6, 4, 3, 3))
    x = net.op("Clip", x, net.number(-1), net.number(1))
    x = net.op("Pad", x, net.integers(0, 0, 1, 0, 0, 0, 0, 1))
    x = net.op("AveragePool", x, kernel_shape=[2, 2])
    x = net.op("Pad", x, net.integers(0, 0, 0, 1, 0, 0, 1, 0), net.number(0))
    x = net.op("Conv", x, net.weight("b.weight", 6, 6, 2, 2))
    x = net.op(
        "PRelu",
        x,
        net.constant("slopes", np.float32([[[0.3]], [[0]], [[1]], [[-0.5]], [[0.1]], [[0.7]]])),
    )
    x = net.op("Sub", net.number(0.5), net.op("LeakyRelu", x, alpha=0.25))
    x = net.op("Min", net.op("Max", x, net.number(-0.75)), net.number(2))
    x = net.op("Neg", net.op("Sub", x, net.op("Relu", x)))
    x = net.op("GlobalMaxPool", x)
    x = net.op("Squeeze", x, net.integers(2, 3))
    x = net.op("Gemm", x, net.weight("fc.weight", 6, 3), net.weight("fc.bias", 1, 3))
    net.save("clips", x)


def pytorch():
    """A residual network through torch.onnx.export, with its batch norms kept."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(8)
            self.conv2 = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
            self.bn2 = nn.BatchNorm2d(8)
            self.pool = nn.MaxPool2d(2)
            self.fc = nn.Linear(8 * 4 * 4, 10)

        def forward(self, x):
            x = torch.relu(self.bn1(self.conv1(x)))
            x = x + nn.functional.relu6(self.bn2(self.conv2(x)))
            x = nn.functional.dropout(self.pool(x), training=self.training)
            return self.fc(x.view(x.size(0), -1))

    torch.manual_seed(5)
    model = Residual()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    path = HERE / "pytorch.onnx"
    torch.onnx.export(
        model.eval(),
        torch.zeros(1, 3, 16, 16),
        path,
        opset_version=13,
        input_names=["image"],
        output_names=["logits"],
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        dynamic_axes={"image": {0: "n"}},
    )
    record("pytorch", path.read_bytes(), [3, 16, 16])


def sklearn():
    """A classifier of scikit-learn behind its scaler, whose probabilities are left to the user."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.datasets import load_iris
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), MLPClassifier([10], random_state=0, max_iter=300)).fit(
        x, y
    )
    model = to_onnx(
        model, initial_types=[("features", FloatTensorType([None, 4]))], options={"zipmap": False}
    )
    record("sklearn", model.SerializeToString(), [4], before="Softmax")


def channels():
    """Joining, cutting, picking, repeating and turning along every axis."""
    net = Net(5, [3, 8, 8])
    x = net.op("Conv", "input", net.weight("a.weight", 8, 3, 3, 3), net.weight("a.bias", 8))
    picked = net.op("Gather", x, net.constant("reds", np.array([6, 1, 2], np.int64)), axis=1)
    one = net.op(
        "Unsqueeze",
        net.op("Gather", x, net.constant("red", np.array(-1, np.int64)), axis=1),
        net.integers(1),
    )
    turned = net.op("Transpose", x, perm=[1, 0, 2, 3])
    far = net.op("GatherND", turned, net.constant("far", np.array([[7], [0]], np.int64)))
    far = net.op("Transpose", far, perm=[1, 0, 2, 3])
    every = net.op(
        "Slice",
        x,
        net.integers(1, 0),
        net.integers(6, 2**63 - 1),
        net.integers(2, 3),
        net.integers(2, 2),
    )
    every = net.op("Pad", every, net.integers(1, 2, 2, 1), net.number(0.0), net.integers(3, 2))
    every = net.op("Pad", every, net.integers(0, -1, 0, 0, 0, 1, 0, 0), net.number(0.5))
    constant = net.constant("cat", net.rng.uniform(-1, 1, [1, 2, 6, 6]).astype(np.float32))
    x = net.op("Concat", picked, constant, one, far, every, axis=1)
    x = net.op(
        "Sum",
        x,
        x,
        net.constant("where", net.rng.uniform(-1, 1, [1, 16, 6, 6]).astype(np.float32)),
        net.number(0.5),
    )
    wide = net.op("ReduceMean", x, net.integers(2, 3), keepdims=1)
    x = net.op("Sub", x, wide)
    x = net.op("Transpose", x, perm=[0, 2, 3, 1])
    x = net.op("Add", net.op("MatMul", x, net.weight("b", 16, 8)), net.weight("b_bias", 8))
    x = net.op("Relu", x)
    x = net.op("DepthToSpace", net.op("Transpose", x, perm=[0, 3, 1, 2]), blocksize=2)
    x = net.op("SpaceToDepth", net.op("Concat", x, x, axis=3), blocksize=3)
    x = net.op("Expand", net.op("Unsqueeze", x, net.integers(2)), net.integers(1, 18, 2, 4, 8))
    x = net.op(
        "ReduceMax",
        net.op("ReduceSum", x, net.integers(4), keepdims=0),
        net.integers(2, 3),
        keepdims=0,
    )
    net.save("channels", net.op("MatMul", x, net.weight("fc", 18, 4)), opset=18)


def averages():
    """Averages that leave padding out or reach over the edge, Keras' padding before a maximum, and
    activations that are made of others."""
    net = Net(6, [3, 11, 10])
    x = net.op(
        "AveragePool", "input", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1
    )
    x = net.op("Conv", x, net.weight("a.weight", 6, 3, 3, 3), pads=[1, 1, 1, 1])
    x = net.op(
        "AveragePool",
        net.op("HardSigmoid", x, alpha=0.25),
        kernel_shape=[3, 2],
        auto_pad="SAME_UPPER",
    )
    x = net.op(
        "Mul", x, net.constant("scale", np.float32([[[2]], [[3]], [[1]], [[-1]], [[-2]], [[4]]]))
    )
    x = net.op("Pad", net.op("Relu", x), net.integers(0, 0, 1, 1, 0, 0, 1, 1))
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    a = net.op("LeakyRelu", net.op("Conv", x, net.weight("b.weight", 6, 6, 1, 1)), alpha=0.3)
    b = net.op("LeakyRelu", net.op("Conv", x, net.weight("c.weight", 6, 6, 1, 1)), alpha=-0.5)
    x = net.op(
        "Max",
        a,
        b,
        net.constant("low", np.float32([[[-1]], [[0]], [[-2]], [[0.1]], [[0]], [[-0.3]]])),
    )
    x = net.op("Min", x, net.op("Abs", a))
    x = net.op("Pad", x, net.integers(0, 0, 0, 1, 0, 0, 1, 0), net.number(0.25))
    x = net.op(
        "Mean",
        x,
        net.op("Identity", x),
        net.op("Max", net.op("Min", x, net.number(1)), net.number(-1)),
    )
    x = net.op(
        "AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, count_include_pad=1
    )
    x = net.op("Flatten", x)
    net.save("averages", net.op("Gemm", x, net.weight("fc.weight", 3, 24), transB=1), opset=18)


def powers():
    """Squares, cubes and signs, as operators and as products."""
    net = Net(7, [2, 6, 6])
    x = net.op("Conv", "input", net.weight("a.weight", 4, 2, 3, 3), net.weight("a.bias", 4))
    square = net.op("Pow", x, net.number(2))
    cube = net.op("Mul", net.op("Mul", x, x), x)
    sign = net.op(
        "Sign", net.op("Relu", net.op("Conv", "input", net.weight("b.weight", 4, 2, 3, 3)))
    )
    x = net.op(
        "Concat", square, cube, net.op("Pow", x, net.number(3)), sign, net.op("Sign", x), axis=1
    )
    x = net.op("Conv", x, net.weight("c.weight", 4, 20, 2, 2))
    net.save(
        "powers", net.op("Gemm", net.op("Flatten", x), net.weight("fc.weight", 3, 36), transB=1)
    )


def dynamo():
    """PyTorch's exporter of today: a residual network that halves by slicing and pads channels."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, channels, out, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(out)
            self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(out)
            self.more = out - channels

        def forward(self, x):
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            if self.more:
                x = nn.functional.pad(
                    x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2)
                )
            return torch.relu(x + y)

    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        Block(4, 4, 1),
        Block(4, 8, 2),
        nn.BatchNorm2d(8),
        nn.Hardtanh(-2, 2),
        nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
        nn.PReLU(8, 0.2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
        nn.LogSoftmax(dim=1),
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    path = HERE / "dynamo.onnx"
    torch.onnx.export(
        model.eval(), (torch.zeros(1, 3, 13, 13),), path, dynamo=True, external_data=False
    )
    record("dynamo", path.read_bytes(), [3, 13, 13], before="LogSoftmax")


def keras_exported():
    """A network through tf2onnx, with Keras' preprocessing, paddings and activations in it."""
    import tensorflow as tf
    import tf2onnx
    from tensorflow.keras import layers

    tf.keras.utils.set_random_seed(5)
    model = tf.keras.Sequential(
        [
            layers.Input((14, 12, 3)),
            layers.Rescaling(2.0, offset=-0.5),
            layers.ZeroPadding2D(1),
            layers.Conv2D(6, 3, strides=2),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.ZeroPadding2D(1),
            layers.MaxPooling2D(3, strides=2),
            layers.SeparableConv2D(6, 3, padding="same"),
            layers.LeakyReLU(0.3),
            layers.AveragePooling2D(3, strides=2, padding="same"),
            layers.Conv2D(8, 1),
            layers.PReLU(),
            layers.Flatten(),
            layers.Dense(6, activation="relu6"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    rng = np.random.default_rng(5)
    for weight in model.weights:
        low, high = (
            (0.5, 1.5) if "variance" in weight.name or "gamma" in weight.name else (-0.4, 0.4)
        )
        weight.assign(rng.uniform(low, high, weight.shape))
    model, _ = tf2onnx.convert.from_keras(model, opset=15)
    record(
        "keras_exported",
        model.SerializeToString(),
        [14, 12, 3],
        before="Softmax",
        channels_first=(0, 3, 1, 2),
    )


def pipeline():
    """A classifier of two classes behind choice and scaling of features, as skl2onnx writes it."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.feature_selection import SelectKBest
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    x, y = load_breast_cancer(return_X_y=True)
    x = (x[:, :12] / np.abs(x[:, :12]).max(axis=0)).astype(np.float32)
    model = make_pipeline(
        StandardScaler(),
        MinMaxScaler(clip=True),
        SelectKBest(k=6),
        MLPClassifier([8, 6], random_state=0, max_iter=300),
    ).fit(x, y)
    record("pipeline", to_onnx(model, x[:1]).SerializeToString(), [12], before="Sigmoid")


CASES = [
    pooling,
    shuffle,
    keras,
    clips,
    channels,
    averages,
    powers,
    pytorch,
    dynamo,
    keras_exported,
    sklearn,
    pipeline,
]

if __name__ == "__main__":
    for case in CASES:
        if not sys.argv[1:] or case.__name__ in sys.argv[1:]:
            try:
                case()
            except ImportError as missing:
                print(f"{case.__name__}: left out, {missing}")
