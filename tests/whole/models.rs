//! Models from ONNX files: looked at, given to the others without weights, and run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{Hosts, ROLES, complaint, repository, run, stderr, stdout};
use serde_json::{Value, json};

/// A model of PyTorch's exporter.
fn model() -> PathBuf {
    repository("tests/onnx/pytorch.onnx")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes two images of 3x16x16 pixels.
fn images(path: &Path) {
    let mut bytes = vec![0, 0, 8, 4];
    [2u32, 3, 16, 16].iter().for_each(|dimension| bytes.extend(dimension.to_be_bytes()));
    bytes.extend((0..2 * 3 * 16 * 16u32).map(|pixel| (pixel * pixel % 251) as u8));
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_model_is_inspected_and_run() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(["inspect", text(&model())]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let seen = stdout(&output);
    assert!(seen.starts_with("pytorch: input 3x16x16, 10 outputs, architecture "), "{seen}");
    for part in ["conv1 ", "maxpool", "relu6", "1 594 parameters", "one image, securenn: "] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    let dealer = seen.lines().find(|line| line.starts_with("one image, dealer: ")).unwrap();
    assert!(dealer.contains(" MB online, ") && dealer.ends_with(" MB once for a model"), "{seen}");

    let [config, pixels] = ["run.toml", "images.idx"].map(|name| directory.path().join(name));
    images(&pixels);
    let network = format!("[network]\nonnx = {:?}\n[data-owner]\nimages = {pixels:?}\n", model());
    fs::write(&config, network).unwrap();
    let output = run(["run", text(&config)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let seen = stdout(&output);
    assert!(seen.starts_with("pytorch, 2 images, securenn"), "{seen}");
    assert!(seen.contains("plain float agree on 2/2"), "{seen}");
}

#[test]
fn models_of_other_exporters_run() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("run.toml");
    for name in ["dynamo", "keras_exported", "pipeline"] {
        let model = repository(&format!("tests/onnx/{name}.onnx"));
        fs::write(&config, format!("[network]\nonnx = {model:?}\n")).unwrap();
        let output = run(["run", text(&config), "--images", "3"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let seen = stdout(&output);
        assert!(seen.contains("plain float agree on 3/3"), "{seen}");
    }
}

#[test]
fn what_cannot_run_is_named_before_anything_does() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("net.onnx");
    let mut bytes = fs::read(model()).unwrap();
    // As many letters, so that lengths stay right.
    let relu = bytes.windows(6).position(|bytes| bytes == b"\x22\x04Relu").unwrap();
    bytes[relu + 2..relu + 6].copy_from_slice(b"Mish");
    fs::write(&file, bytes).unwrap();
    let config = directory.path().join("run.toml");
    fs::write(&config, "[network]\nonnx = 'net.onnx'\n").unwrap();
    for command in [["inspect", text(&file)], ["run", text(&config)]] {
        let line = complaint(&run(command), 2);
        assert!(line.contains("1 node is not supported: '"), "{line}");
        assert!(line.contains("(Mish) has no private protocol: use ReLU"), "{line}");
    }
}

#[test]
fn the_others_need_only_the_public_graph() {
    let hosts = Hosts::new();
    let [public, pixels] = ["public.json", "images.idx"].map(|name| hosts.path(name));
    images(&pixels);
    let output = run(["inspect", "--public-graph", text(&public), text(&model())]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let graph = fs::read_to_string(&public).unwrap();
    assert!(graph.contains("\"conv1\"") && graph.len() < 10_000, "{graph}");

    let shared = "net = \"digits-cnn\"\ninput = [1, 8, 8]\nclasses = 10\n";
    let network = |line: String| move |config: String| config.replace(shared, &line);
    hosts.write(ROLES[0], "", network(format!("onnx = {:?}\n", model())));
    let own = format!("images = {pixels:?}");
    hosts.write(ROLES[1], &own, network("graph = \"public.json\"\n".into()));
    hosts.write(ROLES[2], "", network("graph = \"public.json\"\n".into()));
    let parties = ROLES.map(|role| hosts.start(role));
    let [owner, data, producer] = parties.map(|party| party.wait_with_output().unwrap());
    for output in [&owner, &data, &producer] {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    }
    assert_eq!(stdout(&data).lines().count(), 3, "{}", stdout(&data));
}

#[test]
fn files_that_are_no_models_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("net.onnx");
    fs::write(&file, "not a model").unwrap();
    let line = complaint(&run(["inspect", text(&file)]), 2);
    assert!(line.contains("net.onnx: no usable ONNX model: it is a text"), "{line}");
    let config = directory.path().join("run.toml");
    fs::write(&config, "[network]\nonnx = 'net.onnx'\nclasses = 3\n").unwrap();
    assert!(complaint(&run(["run", text(&config)]), 2).contains("it is a text"));
    fs::write(&config, "[network]\ngraph = 'net.onnx'\n").unwrap();
    assert!(complaint(&run(["run", text(&config)]), 2).contains("--public-graph"));
    let network = format!("[network]\nonnx = {:?}\nclasses = 3\n", model());
    fs::write(&config, network).unwrap();
    assert!(complaint(&run(["run", text(&config)]), 2).contains("`network.classes`"));
    let network = format!("[network]\nonnx = {:?}\nplan = 'plan.json'\n", model());
    fs::write(&config, network).unwrap();
    let public = directory.path().join("public.json");
    run(["inspect", "--public-graph", text(&public), text(&model())]);
    let graph: Value = serde_json::from_slice(&fs::read(&public).unwrap()).unwrap();
    let is_activation = |node: &&Value| node["op"].get("activation").is_some();
    let layer = graph["nodes"].as_array().unwrap().iter().find(is_activation).unwrap();
    let plan = json!({"activations": {layer["name"].as_str().unwrap(): "polynomial-2"}});
    fs::write(directory.path().join("plan.json"), plan.to_string()).unwrap();
    let line = complaint(&run(["run", text(&config)]), 2);
    assert!(line.contains("pytorch.onnx: has no coefficients") && line.contains("graph"), "{line}");
}
