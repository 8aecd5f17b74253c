//! Files of several exporters against onnxruntime, and files that are none.

mod file;
mod fold;
mod mutate;
mod table;

use std::{fs, path::PathBuf};

use fixedpoint::encoding::FixedPoint;
use protocols::{Role, test_world::TestWorld};
use serde_json::Value as Json;

use self::file::{Message, file, graph, input, integers, node, tensor};
use super::{Import, parse, read};
use crate::{
    Error, Model, Op, Order, Output, reference,
    suites::{DealMode, Execution, Inputs, SecureNn, Sessions, Suite, securenn},
    weights::parameters,
};

const CASES: [&str; 12] = [
    "pooling",
    "shuffle",
    "keras",
    "clips",
    "channels",
    "averages",
    "powers",
    "pytorch",
    "dynamo",
    "keras_exported",
    "sklearn",
    "pipeline",
];

/// An imported file, images, and what onnxruntime makes of them.
struct Case {
    import: Import,
    model: Model,
    images: Vec<f64>,
    logits: Vec<f64>,
}

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../tests/onnx", file].iter().collect()
}

fn case(name: &str) -> Case {
    let import = read(&path(&format!("{name}.onnx"))).unwrap();
    let model = Model::fold(&import.graph, &import.weights).unwrap();
    let text = fs::read_to_string(path(&format!("{name}.json"))).unwrap();
    let stored: Json = serde_json::from_str(&text).unwrap();
    let list = |key: &str| -> Vec<f64> {
        stored[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    Case { import, model, images: list("images"), logits: list("logits") }
}

#[test]
fn files_compute_what_onnxruntime_does() {
    for name in CASES {
        let Case { import: Import { graph, .. }, model, images, logits } = case(name);
        let output = graph.output().index();
        let float = &reference::float(&graph, &model, &images).unwrap()[output];
        assert_eq!(float.len(), logits.len(), "{name}");
        for (got, expected) in float.iter().zip(&logits) {
            let allowed = 1e-4 * expected.abs().max(1.0);
            assert!((got - expected).abs() < allowed, "{name}: {got} {expected}");
        }
        let encoded = model.encode(&graph, FixedPoint::new(13)).unwrap();
        let words = encoded.fixed().encode_slice(&images).unwrap();
        let fixed = &securenn::fixed(&graph, &encoded, &words).unwrap()[output];
        check(name, &encoded.fixed().decode_slice(fixed), &logits);
    }
}

#[test]
fn secure_results_are_those_of_onnxruntime() {
    for name in CASES {
        let Case { import: Import { graph, .. }, model, images, logits } = case(name);
        let fixed = FixedPoint::new(13);
        let suite = SecureNn::new(graph.clone(), fixed, Output::Logits).unwrap();
        let model = suite.encode(&model).unwrap();
        let words = fixed.encode_slice(&images).unwrap();
        let batch = images.len() / graph.input().len();
        let quiet = &|_: usize, _: &str| {};
        let outcome = TestWorld::new(5).run(|session| {
            let inputs = match session.role() {
                Role::ModelOwner => Inputs::ModelOwner { model: &model },
                Role::DataOwner => Inputs::DataOwner { images: &words, weights: None },
                Role::CryptoProducer => Inputs::CryptoProducer { key: None },
            };
            let execution = Execution {
                sessions: Sessions { ahead: session, online: session },
                order: Order::Sequential,
                batch,
                mode: DealMode::Streamed,
                inputs,
                dealt: &|| Ok(()),
                progress: quiet,
            };
            let result = match session.role() {
                Role::CryptoProducer => suite.deal(&execution).map(|()| Vec::new()),
                Role::ModelOwner | Role::DataOwner => suite.evaluate(&execution),
            };
            result.map_err(|error| match error {
                Error::Protocol(error) => error,
                other => panic!("{other}"),
            })
        });
        let [_, secure, _] = outcome.results;
        check(name, &fixed.decode_slice(&secure.unwrap()), &logits);
    }
}

/// Within what fixed point may cost; and the same class, unless two are nearly equal.
fn check(name: &str, got: &[f64], expected: &[f64]) {
    let largest = |logits: &[f64]| logits.iter().fold(1.0, |max: f64, x| max.max(x.abs()));
    let images = 2;
    assert_eq!(got.len(), expected.len());
    let classes = expected.len() / images;
    for (got, expected) in got.chunks(classes).zip(expected.chunks(classes)) {
        let allowed = 0.05 * largest(expected);
        let near = |(got, expected): (&f64, &f64)| (got - expected).abs() < allowed;
        assert!(got.iter().zip(expected).all(near), "{name}: {got:?} {expected:?}");
        let best = reference::classes(expected, classes)[0];
        let clear = |(class, &logit): (usize, &f64)| {
            class == best || expected[best] - logit > 2.0 * allowed
        };
        if expected.iter().enumerate().all(clear) {
            assert_eq!(reference::classes(got, classes)[0], best, "{name}");
        }
    }
}

#[test]
fn scalings_are_folded() {
    let count = |name: &str| {
        let Case { import: Import { graph, weights, notes }, .. } = case(name);
        for parameter in parameters(&graph) {
            let len = parameter.shape.iter().product::<usize>();
            assert_eq!(weights.tensor(&parameter.name).unwrap().len(), len, "{}", parameter.name);
        }
        let linear = |node: &&crate::Node| matches!(node.op, Op::Linear(_));
        (graph.nodes().iter().filter(linear).count(), notes.len())
    };
    // Of the five batch norms and scalings only the one before a padded convolution is left, and
    // that on the input.
    assert_eq!(count("pooling"), (6, 0));
    assert_eq!(count("shuffle"), (3, 0));
    assert_eq!(count("keras"), (2, 1));
    assert_eq!(count("pytorch"), (3, 0));
    assert_eq!(count("sklearn"), (2, 1));
    // Beside the six linear layers: the padding of channels, the batch norm that a clip is folded
    // into, what brings back the clip's range for two users, and a PReLU.
    assert_eq!(count("dynamo"), (10, 1));
    // Beside the six: the preprocessing, and Keras' PReLU, which is two negations.
    assert_eq!(count("keras_exported"), (9, 2));
    let graph = case("pytorch").import.graph;
    let named = |kind: &str| graph.nodes().iter().filter(|node| node.op.name() == kind).count();
    assert_eq!((named("relu"), named("relu6")), (1, 1));
}

#[test]
fn small_factors_do_not_cost_the_weights_their_digits() {
    let floats = |values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Message::default().bytes(9, &bytes)
    };
    let import = |factor: f32| {
        let nodes =
            [node("Mul", "scale", &["x", "factor"], "a"), node("Conv", "conv", &["a", "w"], "y")];
        let whole = graph(&nodes, &[input("x", &[1, 1, 2, 2])], &["y"])
            .message(5, tensor("factor", &[1]).then(floats(&[factor])))
            .message(5, tensor("w", &[1, 1, 2, 2]).then(floats(&[0.5, -0.25, 1.0, 0.125])));
        parse("net", &file(&whole)).unwrap().weights
    };
    assert_eq!(import(0.5).tensor("conv.weight").unwrap(), [0.25, -0.125, 0.5, 0.0625]);
    let weights = import(0.75 / 64.0);
    assert_eq!(weights.tensor("scale.weight").unwrap(), [1.0 / 128.0]);
    assert_eq!(weights.tensor("conv.weight").unwrap(), [0.75, -0.375, 1.5, 0.1875]);
}

#[test]
fn every_unsupported_node_is_named() {
    let nodes = [
        node("Elu", "act", &["x"], "a"),
        node("LSTM", "cell", &["a"], "b"),
        node("Frobnicate", "f", &["b"], "c"),
        node("Conv", "conv", &["c"], "d"),
        node("HardSwish", "swish", &["a"], "e"),
        node("Mul", "gate", &["a", "e"], "y"),
    ];
    let error = refused(&graph(&nodes, &[input("x", &[1, 3, 4, 4])], &["y"]));
    for part in [
        "5 nodes",
        "'act' (Elu) has no private protocol: use ReLU",
        "'cell' (LSTM)",
        "'f' (Frobnicate)",
        "'swish' (HardSwish) has no private protocol: use ReLU6",
        "'gate' (Mul)",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("'conv'"), "{error}");
}

#[test]
fn what_the_data_owner_computes_is_left_out_at_the_end_only() {
    let image = || input("x", &[1, 3, 4, 4]);
    let ending = [
        node("Relu", "act", &["x"], "a"),
        node("Softmax", "soft", &["a"], "b"),
        node("ArgMax", "label", &["b"], "y"),
    ];
    let import = parse("net", &file(&graph(&ending, &[image()], &["b", "y"]))).unwrap();
    assert_eq!(import.graph.nodes().len(), 2);
    assert!(import.notes[0].contains("ends before Softmax 'soft'"), "{:?}", import.notes);

    // x sigmoid(x), twice.
    let gates = [
        node("Sigmoid", "sigmoid1", &["x"], "a"),
        node("Mul", "gate1", &["x", "a"], "b"),
        node("Sigmoid", "sigmoid2", &["b"], "c"),
        node("Mul", "gate2", &["b", "c"], "y"),
    ];
    let error = refused(&graph(&gates, &[image()], &["y"]));
    for part in ["2 nodes", "'gate1', 'gate2' (Mul)"] {
        assert!(error.contains(part), "{part}: {error}");
    }

    // Only the last one is left to the data owner.
    let curves = [
        node("Sigmoid", "first", &["x"], "a"),
        node("Tanh", "second", &["a"], "b"),
        node("Sigmoid", "last", &["b"], "y"),
    ];
    let import = parse("net", &file(&graph(&curves, &[image()], &["y"]))).unwrap();
    let ops: Vec<&str> = import.graph.nodes().iter().map(|node| node.op.name()).collect();
    assert_eq!(ops, ["input", "sigmoid", "tanh"]);
    assert_eq!(import.notes.len(), 1, "{:?}", import.notes);
    assert!(import.notes[0].contains("ends before Sigmoid 'last'"), "{:?}", import.notes);
}

#[test]
fn packed_and_unpacked_numbers_are_the_same() {
    let padded = |pads: Message| {
        let attribute = Message::default().text(1, "pads").then(pads).number(20, 7);
        let pool = node("MaxPool", "pool", &["x"], "y");
        let size = Message::default().text(1, "kernel_shape").number(8, 3).number(8, 3);
        pool.message(5, attribute).message(5, size)
    };
    let import = |pads: Message| {
        let nodes = [padded(pads)];
        parse("net", &file(&graph(&nodes, &[input("x", &[1, 3, 6, 6])], &["y"]))).unwrap()
    };
    let one_by_one = [1, 0, 0, 1].iter().fold(Message::default(), |all, &pad| all.number(8, pad));
    let packed = Message::default().bytes(8, &[1, 0, 0, 1]);
    let graph = import(packed).graph;
    assert_eq!(graph, import(one_by_one).graph);
    assert_eq!(graph.dims(graph.output()), crate::Dims::new(3, 5, 5));
}

/// The default must not stand in for an attribute that is given, but not as a number.
#[test]
fn attributes_of_other_types_are_refused() {
    let named = |name| Message::default().text(1, name);
    let cases = [
        ("HardSigmoid", named("alpha").number(3, 1), "`alpha`", "a real number"),
        ("HardSigmoid", named("beta").float(7, 1.0), "`beta`", "a real number"),
        ("LeakyRelu", named("alpha").text(4, "3"), "`alpha`", "a real number"),
        ("LeakyRelu", named("alpha").number(20, 7), "`alpha`", "a real number"),
        ("Flatten", named("axis").float(2, 1.0), "`axis`", "a whole number"),
        ("DepthToSpace", named("blocksize").text(4, "2"), "`blocksize`", "a whole number"),
        ("MaxPool", named("kernel_shape").number(3, 2), "`kernel_shape`", "whole numbers"),
        ("MaxPool", named("kernel_shape").float(7, 2.0), "`kernel_shape`", "whole numbers"),
        ("Scaler", named("offset").number(8, 1), "`offset`", "real numbers"),
        ("ConstantOfShape", named("value").float(2, 1.0), "`value`", "a tensor"),
    ];
    for (op, attribute, name, expected) in cases {
        // Its own attribute comes before the axis that all nodes here have.
        let node = Message::default().message(5, attribute).then(node(op, "n", &["x"], "y"));
        let x = integers("x", &[1, 1]);
        let whole = if op == "ConstantOfShape" {
            let act = file::node("Add", "sum", &["z", "y"], "w");
            graph(&[node, act], &[input("z", &[1, 4, 4, 4])], &["w"]).message(5, x)
        } else {
            graph(&[node], &[input("x", &[1, 4, 4, 4])], &["y"])
        };
        let error = refused(&whole);
        assert!(error.contains(&format!("({op}) has {name} of another type")), "{error}");
        assert!(error.contains(&format!("use {expected}")), "{error}");
    }
}

#[test]
fn a_zero_may_be_left_out() {
    let slope = |slope: Message| {
        let alpha = Message::default().text(1, "alpha").then(slope).number(20, 1);
        let act = node("LeakyRelu", "act", &["x"], "y").message(5, alpha);
        parse("net", &file(&graph(&[act], &[input("x", &[1, 3, 4, 4])], &["y"]))).unwrap().graph
    };
    let zero = slope(Message::default());
    assert_eq!(zero, slope(Message::default().float(2, 0.0)));
    assert_ne!(zero, slope(Message::default().float(2, 0.5)));
}

#[test]
fn texts_and_broken_files_are_refused() {
    let complaint = |bytes: &[u8]| parse("net", bytes).unwrap_err().to_string();
    assert!(complaint(b"").contains("a text, or empty"));
    assert!(
        complaint(b"<html>not a model at all, but a page that says so</html>").contains("a text")
    );
    assert!(complaint(&[0xFF; 100]).contains("protocol buffer"));
    let bytes = fs::read(path("pytorch.onnx")).unwrap();
    for cut in 1..100 {
        let len = bytes.len() * cut / 100;
        assert!(parse("net", &bytes[..len]).is_err(), "{len}");
    }
    let error = read(&path("none.onnx")).unwrap_err().to_string();
    assert!(error.contains("none.onnx"), "{error}");
}

#[test]
fn what_would_exhaust_memory_is_refused() {
    let act = || [node("Relu", "act", &["x"], "y")];
    let with = |sizes: &[i64]| refused(&graph(&act(), &[input("x", sizes)], &["y"]));
    assert!(with(&[1, i64::MAX, 4, 4]).contains("'x'"));
    assert!(with(&[1, 1 << 20, 1 << 20, 1 << 20]).contains("'x'"));
    assert!(with(&[1, 1 << 13, 1 << 13]).contains("'x'"));
    assert!(with(&[8, 3, 4, 4]).contains("batch of 1"));
    assert!(with(&[1, 3, 0, 4]).contains("fixed image size"));

    let small = |constant: Message| {
        refused(&graph(&act(), &[input("x", &[1, 3, 4, 4])], &["y"]).message(5, constant))
    };
    assert!(small(tensor("w", &[1 << 40, 1 << 40])).contains("impossible shape"));
    assert!(small(tensor("w", &[1000, 1000])).contains("0 elements where its shape"));
    assert!(small(tensor("w", &[0, 1 << 40])).contains("impossible shape"));

    // Doubles with every node.
    let mut nodes = Vec::new();
    let mut last = "x".to_owned();
    for place in 0..40 {
        let name = format!("d{place}");
        nodes.push(node("Concat", &name, &[&last, &last], &name));
        last = name;
    }
    let error = refused(&graph(&nodes, &[input("x", &[1, 3, 4, 4])], &[&last]));
    assert!(error.contains("values an image"), "{error}");

    // A constant that is repeated to a large one, again and again.
    let huge =
        [node("Expand", "wide", &["one", "size"], "w"), node("Add", "sum", &["x", "w"], "y")];
    let whole = graph(&huge, &[input("x", &[1, 3, 4, 4])], &["y"]);
    let one = tensor("one", &[1, 1]).bytes(9, &[0; 4]);
    let error = refused(&whole.message(5, one).message(5, integers("size", &[1 << 20, 1 << 20])));
    assert!(error.contains("'wide' (Expand)"), "{error}");
}

#[test]
fn cycles_and_other_files_are_refused() {
    let nodes = [node("Relu", "act", &["z"], "y"), node("Relu", "back", &["y"], "z")];
    let image = || input("x", &[1, 3, 4, 4]);
    assert!(refused(&graph(&nodes, &[image()], &["y"])).contains("cycle"));

    let act = [node("Relu", "act", &["x"], "y")];
    let whole = || graph(&act, &[image()], &["y"]);
    let error = refused(&whole().message(5, tensor("w", &[3]).number(14, 1)));
    assert!(error.contains("'w'") && error.contains("external_data=False"), "{error}");
    let error = refused(&graph(&act, &[image(), input("z", &[1, 3])], &["y"]));
    assert!(error.contains("2 inputs"), "{error}");
    assert!(refused(&graph(&act, &[image()], &["z"])).contains("'z'"));
    let own = [node("Relu", "act", &["x"], "y").text(7, "my.functions")];
    assert!(refused(&graph(&own, &[image()], &["y"])).contains("inline_local_functions"));
    let old = Message::default().message(7, whole()).message(8, Message::default().number(2, 6));
    assert!(parse("net", &old.0).unwrap_err().to_string().contains("operator set 6"));
}

fn refused(graph: &Message) -> String {
    parse("net", &file(graph)).unwrap_err().to_string()
}
