//! Networks, models and images for tests of several modules.

use std::{fs, path::Path};

use fixedpoint::Padding;

use crate::{
    cost::NetworkCost,
    graph::{
        Activation, ActivationKind, Average, Conv, Dense, Dims, Graph, GraphBuilder, Linear, Op,
        Run, Window,
    },
    output::Output,
    suites::SuiteName,
    uniform::Uniform,
    weights::{Model, Weights},
    zoo,
};

/// The cost of one image in `securenn`.
pub(crate) fn securenn_cost(graph: &Graph) -> NetworkCost {
    let suite = SuiteName::SecureNn.with_defaults(graph.clone(), Output::Logits).unwrap();
    suite.cost(1).unwrap()
}

/// The trained digits net with held-out images.
pub(crate) struct Digits {
    pub(crate) graph: Graph,
    pub(crate) model: Model,
    /// One image for each row of `expected`.
    pub(crate) images: Vec<f64>,
    /// For each image, the label and PyTorch's logits.
    pub(crate) expected: Vec<Vec<f64>>,
}

/// [`Digits`] from the repository's test data.
pub(crate) fn digits() -> Digits {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/digits");
    let graph = digits_graph();
    let weights = Weights::read(&data.join("digits-cnn.safetensors"), &graph).unwrap();
    let model = Model::fold(&graph, &weights).unwrap();
    let row = |line: &str| line.split(',').map(|x| x.parse().unwrap()).collect();
    let expected = fs::read_to_string(data.join("expected-logits.csv")).unwrap();
    let expected: Vec<Vec<f64>> = expected.lines().skip(1).map(row).collect();
    // IDX: 16 bytes of header, then a byte a pixel.
    let pixels = fs::read(data.join("test-images.idx3-ubyte")).unwrap();
    let pixels = &pixels[16..][..expected.len() * graph.input().len()];
    let images = pixels.iter().map(|&pixel| f64::from(pixel) / 16.0).collect();
    Digits { graph, model, images, expected }
}

/// The digits net without weights.
pub(crate) fn digits_graph() -> Graph {
    let options = zoo::Options::new(Dims::new(1, 8, 8), 10);
    zoo::build("digits-cnn", &options).unwrap()
}

/// A convolution with batch norm, a ReLU and a fully connected layer.
pub(crate) fn tiny() -> Graph {
    tiny_with(Some("bn1"))
}

/// [`tiny`] without the batch norm.
pub(crate) fn tiny_without_batch_norm() -> Graph {
    tiny_with(None)
}

/// A network with every operation: a residual sum, a split and a concatenation, a shuffle,
/// depthwise, grouped, dilated and strided convolutions, all pools, and partial activations.
pub(crate) fn everything() -> Graph {
    let mut net = GraphBuilder::new("everything", Dims::new(2, 9, 8)).unwrap();
    let same =
        |out, kernel| Conv { padding: Padding::same(kernel / 2), ..Conv::square(out, kernel) };
    let partial = |kind, ratio| Activation::Leading { kind, ratio };
    let x = net.input();
    let stem = net.conv_bn("stem", "stem_bn", x, same(6, 3)).unwrap();
    let relu6 = partial(ActivationKind::Relu6, 0.5);
    let stem = net.activation("relu6", stem, relu6).unwrap();

    let left = net.slice("left", stem, 0, 3).unwrap();
    let right = net.slice("right", stem, 3, 6).unwrap();
    let depthwise = Conv { groups: 3, ..same(3, 3) };
    let right = net.conv_bn("depthwise", "dw_bn", right, depthwise).unwrap();
    let pointwise = Conv { bias: true, ..same(3, 1) };
    let right = net.conv("pointwise", right, pointwise).unwrap();
    let leaky = partial(ActivationKind::LeakyRelu { slope: 0.2 }, 0.4);
    let right = net.activation("leaky", right, leaky).unwrap();
    let joined = net.concat("joined", &[left, right]).unwrap();
    let mixed = net.shuffle("mixed", joined, 2).unwrap();
    let sum = net.add("sum", mixed, stem).unwrap();

    let overlapping = Window { size: (3, 3), stride: (2, 2), padding: Padding::same(1) };
    let high = net.max_pool("high", sum, overlapping).unwrap();
    let inside = Op::AvgPool(Average::Windows { window: overlapping, counted: Padding::NONE });
    let mean = net.add_node("mean", inside, &[sum]).unwrap();
    let both = net.concat("both", &[high, mean]).unwrap();
    let grouped = Conv {
        groups: 2,
        stride: (2, 1),
        dilation: (1, 2),
        padding: Padding { top: 1, left: 2, bottom: 0, right: 2 },
        bias: true,
        ..Conv::square(8, 3)
    };
    let down = net.conv("down", both, grouped).unwrap();
    let down = net.relu("relu", down).unwrap();
    let halves = net.avg_pool("halves", down, Window::square(2)).unwrap();
    let Dims { channels, height, width } = net.dims(halves);
    let columns = net.reshape("columns", halves, Dims::new(1, channels * height, width)).unwrap();
    let flat = net.flatten("flat", columns).unwrap();
    let average = net.global_avg_pool("average", down).unwrap();
    let features = net.concat("features", &[flat, average]).unwrap();
    let hidden = net.dense("hidden", features, 7).unwrap();
    let hidden = net.relu("hidden_relu", hidden).unwrap();
    let logits = net.dense("logits", hidden, 5).unwrap();
    net.finish(logits).unwrap()
}

/// Squares, cubes and signs in parallel branches.
pub(crate) fn powers() -> Graph {
    let mut net = GraphBuilder::new("powers", Dims::new(2, 6, 6)).unwrap();
    let conv = Conv { bias: true, ..Conv::square(4, 3) };
    let mut branches = Vec::new();
    for (kind, ratio) in [
        (ActivationKind::Square, 1.0),
        (ActivationKind::Cube, 0.5),
        (ActivationKind::Sign, 1.0),
        (ActivationKind::Sign, 0.5),
    ] {
        let name = format!("{}_{ratio}", kind.name());
        let x = net.conv(&format!("{name}_conv"), net.input(), conv).unwrap();
        branches.push(net.activation(&name, x, Activation::Leading { kind, ratio }).unwrap());
    }
    let all = net.concat("all", &branches).unwrap();
    let next = net.conv("next", all, Conv::square(5, 2)).unwrap();
    let next = net.function("square", next, ActivationKind::Square).unwrap();
    let flat = net.flatten("flat", next).unwrap();
    let logits = net.dense("logits", flat, 3).unwrap();
    net.finish(logits).unwrap()
}

/// Activations whose channels have different functions, including polynomials of every degree.
pub(crate) fn mixed() -> Graph {
    let mut net = GraphBuilder::new("mixed", Dims::new(2, 6, 6)).unwrap();
    let polynomial = |degree| Some(ActivationKind::Polynomial { degree });
    let runs = |kinds: &[(Option<ActivationKind>, usize)]| {
        let runs = kinds.iter().map(|&(kind, channels)| Run { kind, channels });
        Op::Activation(Activation::Runs(runs.collect()))
    };
    let conv = |out, kernel| Conv { bias: true, ..Conv::square(out, kernel) };
    let relu = Some(ActivationKind::Relu);
    let x = net.conv("conv1", net.input(), conv(12, 3)).unwrap();
    let first = [
        (polynomial(2), 2),
        (relu, 2),
        (None, 1),
        (polynomial(3), 1),
        (Some(ActivationKind::Sign), 1),
        (polynomial(0), 1),
        (polynomial(2), 1),
        (Some(ActivationKind::Square), 1),
        (Some(ActivationKind::Tanh), 1),
        (relu, 1),
    ];
    let x = net.add_node("first", runs(&first), &[x]).unwrap();
    let x = net.conv("conv2", x, conv(6, 2)).unwrap();
    let second = [(polynomial(3), 3), (Some(ActivationKind::Sigmoid), 2), (polynomial(2), 1)];
    let x = net.add_node("second", runs(&second), &[x]).unwrap();
    let x = net.flatten("flat", x).unwrap();
    let x = net.dense("hidden", x, 5).unwrap();
    let all = ActivationKind::Polynomial { degree: 2 };
    let x = net.function("third", x, all).unwrap();
    let x = net.dense("logits", x, 3).unwrap();
    net.finish(x).unwrap()
}

/// Binary layers, batch norms and signs, with max pools before and after the signs.
pub(crate) fn binary() -> Graph {
    let mut net = GraphBuilder::new("binary", Dims::new(2, 8, 8)).unwrap();
    let conv = |out| {
        Linear::Conv(Conv { binary: true, padding: Padding::same(1), ..Conv::square(out, 3) })
    };
    let sign = ActivationKind::Sign;
    let x = net.linear_bn("conv1", "bn1", net.input(), conv(5)).unwrap();
    let x = net.function("sign1", x, sign).unwrap();
    let padded = Window { padding: Padding::same(1), ..Window::square(3) };
    let x = net.max_pool("pool1", x, padded).unwrap();
    let x = net.linear_bn("conv2", "bn2", x, conv(6)).unwrap();
    let x = net.max_pool("pool2", x, Window::square(2)).unwrap();
    let x = net.function("sign2", x, sign).unwrap();
    let x = net.flatten("flat", x).unwrap();
    let dense = Linear::Dense(Dense { out: 7, bias: false, binary: true });
    let x = net.linear_bn("fc1", "bn3", x, dense).unwrap();
    let x = net.function("sign3", x, sign).unwrap();
    let x = net.dense("fc2", x, 3).unwrap();
    net.finish(x).unwrap()
}

/// Signs whose sums and averages are arguments of functions and binary layers.
pub(crate) fn counted_signs() -> Graph {
    let mut net = GraphBuilder::new("counted", Dims::new(2, 6, 6)).unwrap();
    let sign = ActivationKind::Sign;
    let binary = |out| Conv { binary: true, bias: true, ..Conv::square(out, 1) };
    let x = net.conv("conv1", net.input(), Conv { bias: true, ..Conv::square(4, 3) }).unwrap();
    let x = net.function("sign1", x, sign).unwrap();
    // A bias matters if no sign follows.
    let sums = net.conv("conv2", x, binary(5)).unwrap();
    let kinds = [
        Some(ActivationKind::Tanh),
        Some(ActivationKind::Relu6),
        Some(ActivationKind::Polynomial { degree: 0 }),
        Some(ActivationKind::Polynomial { degree: 2 }),
        None,
    ];
    let runs = kinds.map(|kind| Run { kind, channels: 1 }).to_vec();
    let sums = net.add_node("functions", Op::Activation(Activation::Runs(runs)), &[sums]).unwrap();
    let constants = ActivationKind::Polynomial { degree: 0 };
    let constants = net.function("constants", x, constants).unwrap();
    // Windows over several channels.
    let turned = net.conv("conv3", x, binary(4)).unwrap();
    let turned = net.reshape("turned", turned, Dims::new(4, 2, 8)).unwrap();
    let turned = net.max_pool("pool", turned, Window::square(2)).unwrap();
    let turned = net.function("sign2", turned, sign).unwrap();
    let turned = net.flatten("turned_flat", turned).unwrap();
    let twice = net.add("twice", x, x).unwrap();
    let averages = net.avg_pool("averages", twice, Window::square(2)).unwrap();
    let sigmoid = ActivationKind::Sigmoid;
    let averages = net.function("sigmoid", averages, sigmoid).unwrap();
    let averages = net.flatten("averages_flat", averages).unwrap();
    let all = net.concat("all", &[sums, constants]).unwrap();
    let all = net.flatten("flat", all).unwrap();
    let all = net.concat("features", &[all, turned, averages]).unwrap();
    let logits = net.dense("logits", all, 3).unwrap();
    net.finish(logits).unwrap()
}

/// A small Fire module of SqueezeNet, with a convolution after it.
pub(crate) fn fire() -> Graph {
    let mut net = GraphBuilder::new("fire", Dims::new(2, 5, 5)).unwrap();
    let same = |out, kernel| Conv {
        padding: Padding::same(kernel / 2),
        bias: true,
        ..Conv::square(out, kernel)
    };
    let x = net.conv("squeeze", net.input(), same(3, 1)).unwrap();
    let x = net.relu("squeeze_relu", x).unwrap();
    let [one, three] = [1, 3].map(|kernel| {
        let x = net.conv(&format!("expand{kernel}"), x, same(4, kernel)).unwrap();
        net.relu(&format!("expand{kernel}_relu"), x).unwrap()
    });
    let x = net.concat("concat", &[one, three]).unwrap();
    let x = net.conv("classifier", x, same(3, 1)).unwrap();
    let x = net.global_avg_pool("mean", x).unwrap();
    net.finish(x).unwrap()
}

/// A small unit of each kind of ShuffleNetV2.
pub(crate) fn shuffle_units() -> Graph {
    let mut net = GraphBuilder::new("units", Dims::new(4, 6, 6)).unwrap();
    let conv = |net: &mut GraphBuilder, name: &str, x, conv| {
        net.conv_bn(name, &format!("{name}_bn"), x, conv).unwrap()
    };
    let depthwise = |channels, stride| Conv {
        groups: channels,
        stride: (stride, stride),
        padding: Padding::same(1),
        ..Conv::square(channels, 3)
    };
    let pointwise = Conv::square(4, 1);
    let branch = |net: &mut GraphBuilder, unit: &str, x, stride| {
        let x = conv(net, &format!("{unit}.first"), x, pointwise);
        let x = net.relu(&format!("{unit}.first_relu"), x).unwrap();
        let x = conv(net, &format!("{unit}.depthwise"), x, depthwise(4, stride));
        let x = conv(net, &format!("{unit}.last"), x, pointwise);
        net.relu(&format!("{unit}.last_relu"), x).unwrap()
    };
    let x = net.input();
    let left = conv(&mut net, "reduce.left_depthwise", x, depthwise(4, 2));
    let left = conv(&mut net, "reduce.left", left, pointwise);
    let left = net.relu("reduce.left_relu", left).unwrap();
    let right = branch(&mut net, "reduce", x, 2);
    let x = net.concat("reduce.concat", &[left, right]).unwrap();
    let x = net.shuffle("reduce.shuffle", x, 2).unwrap();
    let left = net.slice("keep.pass", x, 0, 4).unwrap();
    let right = net.slice("keep.split", x, 4, 8).unwrap();
    let right = branch(&mut net, "keep", right, 1);
    let x = net.concat("keep.concat", &[left, right]).unwrap();
    let x = net.shuffle("keep.shuffle", x, 2).unwrap();
    let x = net.flatten("flat", x).unwrap();
    let x = net.dense("fc", x, 3).unwrap();
    net.finish(x).unwrap()
}

/// A batch of images with values in [-1, 1).
pub(crate) fn images(graph: &Graph, batch: usize, test_seed: u64) -> Vec<f64> {
    let mut uniform = Uniform::new("images", test_seed);
    let count = batch * graph.input().len();
    (0..count).map(|_| uniform.between(-1.0, 1.0)).collect()
}

fn tiny_with(batch_norm: Option<&str>) -> Graph {
    let mut net = GraphBuilder::new("tiny", Dims::new(1, 4, 4)).unwrap();
    let (x, conv) = (net.input(), Conv::square(2, 3));
    let x = match batch_norm {
        Some(bn) => net.conv_bn("conv1", bn, x, conv),
        None => net.conv("conv1", x, conv),
    };
    let x = net.relu("relu", x.unwrap()).unwrap();
    let x = net.flatten("flatten", x).unwrap();
    let x = net.dense("fc", x, 3).unwrap();
    net.finish(x).unwrap()
}
