//! Files of several exporters against onnxruntime, and files that are none.

use std::{fs, path::PathBuf};

use fixedpoint::encoding::FixedPoint;
use protocols::{Role, test_world::TestWorld};
use rten_onnx::onnx::{
    AttributeProto, DataLocation, DataType, Dimension, GraphProto, ModelProto, NodeProto,
    TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use serde_json::Value as Json;

use super::*;
use crate::{
    EvaluatorInputs, Model, Op, Order, reference, secure,
    weights::{Uniform, parameters},
};

const CASES: [&str; 6] = ["pooling", "shuffle", "keras", "clips", "pytorch", "sklearn"];

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
        let fixed = &reference::fixed(&graph, &encoded, &words).unwrap()[output];
        check(name, &encoded.fixed().decode_slice(fixed), &logits);
    }
}

#[test]
fn secure_results_are_those_of_onnxruntime() {
    for name in CASES {
        let Case { import: Import { graph, .. }, model, images, logits } = case(name);
        let fixed = FixedPoint::new(13);
        let model = model.encode(&graph, fixed).unwrap();
        let words = fixed.encode_slice(&images).unwrap();
        let batch = images.len() / graph.input().len();
        let quiet = &|_: usize, _: &str| {};
        let outcome = TestWorld::new(5).run(|session| {
            let order = Order::Sequential;
            let result = match session.role() {
                Role::CryptoProducer => {
                    secure::deal(session, &graph, order, batch, quiet).map(|()| None)
                }
                role => {
                    let inputs = match role {
                        Role::ModelOwner => EvaluatorInputs::ModelOwner(&model),
                        _ => EvaluatorInputs::DataOwner(&words),
                    };
                    secure::evaluate(session, &graph, order, batch, fixed, inputs, quiet)
                }
            };
            result.map_err(|error| match error {
                Error::Protocol(error) => error,
                other => panic!("{other}"),
            })
        });
        let [_, secure, _] = outcome.results;
        check(name, &fixed.decode_slice(&secure.unwrap().unwrap()), &logits);
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
        let linear = |node: &&crate::Node| matches!(node.op, Op::Conv(_) | Op::Dense(_));
        (graph.nodes().iter().filter(linear).count(), notes.len())
    };
    // Of the five batch norms and scalings only the one before a padded convolution is left, and
    // that on the input.
    assert_eq!(count("pooling"), (6, 0));
    assert_eq!(count("shuffle"), (3, 0));
    assert_eq!(count("keras"), (2, 1));
    assert_eq!(count("pytorch"), (3, 0));
    assert_eq!(count("sklearn"), (2, 1));
    let graph = case("pytorch").import.graph;
    let named = |kind: &str| graph.nodes().iter().filter(|node| node.op.name() == kind).count();
    assert_eq!((named("relu"), named("relu6")), (1, 1));
}

#[test]
fn every_unsupported_node_is_named() {
    let mut model = small();
    let graph = model.graph.as_mut().unwrap();
    graph.node[0].op_type = Some("Tanh".into());
    graph.node.push(node("LSTM", "cell", &["x"], "s"));
    graph.node.push(node("Frobnicate", "f", &["y", "s"], "z"));
    let error = refused(&model);
    for part in ["3 nodes", "'act' (Tanh)", "use ReLU", "'cell' (LSTM)", "'f' (Frobnicate)"] {
        assert!(error.contains(part), "{error}");
    }
    let mut model = small();
    let graph = model.graph.as_mut().unwrap();
    graph.node.insert(0, node("Softmax", "soft", &["x"], "s"));
    graph.node[1].input = vec!["s".into()];
    assert!(refused(&model).contains("'act' (Relu) goes on after a softmax"));
}

#[test]
fn texts_and_broken_files_are_refused() {
    let parse = |bytes: &[u8]| super::parse("net", bytes).unwrap_err().to_string();
    assert!(parse(b"").contains("a text, or empty"));
    assert!(parse(b"<html>not a model at all, but a page that says so</html>").contains("a text"));
    assert!(parse(&[0xFF; 100]).contains("protocol buffer"));
    let bytes = fs::read(path("pytorch.onnx")).unwrap();
    for cut in 1..100 {
        let len = bytes.len() * cut / 100;
        assert!(super::parse("net", &bytes[..len]).is_err(), "{len}");
    }
    let error = read(&path("none.onnx")).unwrap_err().to_string();
    assert!(error.contains("none.onnx"), "{error}");
}

#[test]
fn what_would_exhaust_memory_is_refused() {
    let with = |sizes: &[i64]| {
        let mut model = small();
        model.graph.as_mut().unwrap().input[0] = input("x", sizes);
        refused(&model)
    };
    assert!(with(&[1, i64::MAX, 4, 4]).contains("'x'"));
    assert!(with(&[1, 1 << 20, 1 << 20, 1 << 20]).contains("'x'"));
    assert!(with(&[1, 1 << 13, 1 << 13]).contains("'x'"));
    assert!(with(&[8, 3, 4, 4]).contains("batch of 1"));
    assert!(with(&[1, 3, 0, 4]).contains("fixed image size"));

    // A length of 2^60, and messages in messages.
    assert!(
        super::parse("net", &[0x3A, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]).is_err()
    );
    let mut nested = GraphProto::default();
    for _ in 0..100 {
        let attribute = AttributeProto { g: Some(nested), ..Default::default() };
        let inside = NodeProto { attribute: vec![attribute], ..Default::default() };
        nested = GraphProto { node: vec![inside], ..Default::default() };
    }
    let model = ModelProto { graph: Some(nested), ..Default::default() };
    assert!(refused(&model).contains("nested too deep"));

    let mut model = small();
    let tensor = TensorProto {
        name: Some("w".into()),
        dims: vec![1 << 40, 1 << 40],
        data_type: Some(DataType::FLOAT),
        ..Default::default()
    };
    model.graph.as_mut().unwrap().initializer.push(tensor.clone());
    assert!(refused(&model).contains("impossible shape"));
    let graph = model.graph.as_mut().unwrap();
    graph.initializer[0].dims = vec![1000, 1000];
    assert!(refused(&model).contains("0 elements where its shape"));

    // Doubles with every node.
    let mut model = small();
    let graph = model.graph.as_mut().unwrap();
    let mut last = "x".to_owned();
    for place in 0..40 {
        let name = format!("d{place}");
        let mut double = node("Concat", &name, &[&last, &last], &name);
        double.attribute.push(AttributeProto {
            name: Some("axis".into()),
            i: Some(1),
            ..Default::default()
        });
        graph.node.insert(place, double);
        last = name;
    }
    graph.node[40].input = vec![last];
    assert!(refused(&model).contains("values an image"));
}

#[test]
fn cycles_and_other_files_are_refused() {
    let mut model = small();
    let graph = model.graph.as_mut().unwrap();
    graph.node[0].input = vec!["z".into()];
    graph.node.push(node("Relu", "back", &["y"], "z"));
    assert!(refused(&model).contains("cycle"));

    let mut model = small();
    let tensor = TensorProto {
        name: Some("w".into()),
        dims: vec![3],
        data_type: Some(DataType::FLOAT),
        data_location: Some(DataLocation::EXTERNAL),
        ..Default::default()
    };
    model.graph.as_mut().unwrap().initializer.push(tensor);
    let error = refused(&model);
    assert!(error.contains("'w'") && error.contains("save_as_external_data=False"), "{error}");
}

#[test]
fn damaged_files_never_panic() {
    let mut uniform = Uniform::new("damage", 1);
    let mut accepted = 0;
    for name in CASES {
        let bytes = fs::read(path(&format!("{name}.onnx"))).unwrap();
        for _ in 0..300 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + uniform.word() % 4 {
                let place = uniform.word() as usize % damaged.len();
                damaged[place] = match uniform.word() % 3 {
                    0 => uniform.word() as u8,
                    1 => damaged[place] ^ (1 << (uniform.word() % 8)),
                    _ => 0xFF,
                };
            }
            accepted += usize::from(super::parse("net", &damaged).is_ok());
        }
    }
    // Most of a file are weights, in which anything finite is as good.
    assert!(accepted > 100, "{accepted}");
}

/// A ReLU of a 3x4x4 image.
fn small() -> ModelProto {
    let output = ValueInfoProto { name: Some("y".into()), r#type: None };
    let graph = GraphProto {
        node: vec![node("Relu", "act", &["x"], "y")],
        input: vec![input("x", &[1, 3, 4, 4])],
        output: vec![output],
        ..Default::default()
    };
    ModelProto { ir_version: Some(8), graph: Some(graph), ..Default::default() }
}

fn refused(model: &ModelProto) -> String {
    parse("net", &model.write_buf().unwrap()).unwrap_err().to_string()
}

fn node(op: &str, name: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        name: Some(name.into()),
        op_type: Some(op.into()),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

fn input(name: &str, sizes: &[i64]) -> ValueInfoProto {
    let dim = sizes.iter().map(|&size| Dimension { dim_value: Some(size), dim_param: None });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let tensor_type = Some(TypeProtoTensor { elem_type: Some(DataType::FLOAT), shape });
    let r#type = Some(TypeProto { tensor_type, sequence: None });
    ValueInfoProto { name: Some(name.into()), r#type }
}
