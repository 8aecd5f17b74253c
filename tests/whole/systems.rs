//! The nets of Delphi, SAFENet, MiniONN and XONN: whole runs of the small ones, what all cost, and
//! the published figures beside.

use crate::support::{complaint, json, repository, run, stderr, stdout, tercet};
use serde_json::{Value, json};

/// Nets that take less than a second, one of them with every kind of channel.
const SMALL: [&str; 5] = [
    "secureml-mnist",
    "cryptonets-mnist",
    "minionn-mnist-mixed",
    "xonn-bm1-mnist",
    "xonn-bm2-mnist",
];

const CIFAR: [&str; 15] = [
    "cnn-7-cifar10-relu",
    "cnn-7-cifar10-delphi",
    "cnn-7-cifar10-safenet",
    "vgg-16-cifar10-relu",
    "vgg-16-cifar10-delphi",
    "vgg-16-cifar10-safenet",
    "resnet-32-cifar100-relu",
    "resnet-32-cifar100-delphi",
    "resnet-32-cifar100-safenet",
    "xonn-bc1-cifar10",
    "xonn-bc2-cifar10",
    "xonn-bc3-cifar10",
    "xonn-bc4-cifar10",
    "xonn-bc5-cifar10",
    "xonn-bc6-cifar10",
];

#[test]
fn small_nets_are_right_in_both_suites_and_send_what_is_predicted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("run.json");
    for (name, suite) in SMALL.iter().flat_map(|name| ["dealer", "securenn"].map(|s| (name, s))) {
        let config = repository(&format!("configs/{name}.toml"));
        let (config, report) = (config.to_str().unwrap(), file.to_str().unwrap());
        let output = run(["run", config, "--suite", suite, "--report", report]);
        assert!(output.status.success(), "{name} {suite}: {}", stderr(&output));
        let ran = json(&file);
        assert_eq!((&ran["suite"], &ran["wrong"]), (&json!(suite), &json!(0)), "{name}");
        for layer in ran["layers"].as_array().unwrap().iter().chain([&ran["totals"]]) {
            assert_eq!(layer["predicted"], layer["measured"], "{name} {suite}: {}", layer["name"]);
        }
        let totals = &ran["totals"];
        let apart = ["setup_bytes", "offline_bytes"].map(|key| totals[key].as_u64().unwrap() > 0);
        assert_eq!(apart, [suite == "dealer"; 2], "{name} {suite}");
    }
}

#[test]
fn every_net_of_the_systems_has_a_config_and_a_cost() {
    for name in SMALL.iter().chain(&CIFAR).chain(&["minionn-mnist", "xonn-bm3-mnist"]) {
        let file = format!("configs/{name}.toml");
        let path = repository(&file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!("-- run {file}\n")), "{name}: {text}");
        for suite in ["dealer", "securenn"] {
            let path = path.to_str().unwrap();
            let output = run(["cost", path, "--suite", suite, "--format", "json"]);
            assert!(output.status.success(), "{name} {suite}: {}", stderr(&output));
            let cost: Value = serde_json::from_str(&stdout(&output)).unwrap();
            let classes = if name.contains("cifar100") { 100 } else { 10 };
            let layers = cost["layers"].as_array().unwrap();
            let last = layers.iter().find(|layer| layer["op"] == "output").unwrap();
            assert_eq!(last["output_shape"], json!([classes]), "{name}");
        }
    }
}

#[test]
fn published_figures_stand_beside_ours() {
    for (system, rows) in [("delphi", 28), ("safenet", 27), ("minionn", 15), ("xonn", 117)] {
        let tables = tables(system);
        assert_eq!(tables["system"], system);
        assert!(!tables["notes"].as_array().unwrap().is_empty());
        let all = tables["rows"].as_array().unwrap();
        assert_eq!(all.len(), rows, "{system}");
        // Of whatever somebody published, both suites have their own figures.
        for row in all {
            let ours = all.iter().filter(|other| {
                other["published"] == false
                    && (&other["table"], &other["what"]) == (&row["table"], &row["what"])
            });
            assert_eq!(ours.count(), 2, "{row}");
        }
        for row in all.iter().filter(|row| row["published"] == false) {
            assert!(row["online_mb"].as_f64() > Some(0.0), "{row}");
            assert!(row["online_seconds"].is_null() && row["accuracy"].is_null(), "{row}");
        }
        let csv = succeed(&["tables", "--system", system, "--format", "csv"]);
        assert_eq!(csv.lines().count(), 1 + rows);
        let text = succeed(&["tables", "--system", system]);
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
    let quadratic = &tables("delphi")["rows"][15];
    assert_eq!((&quadratic["by"], &quadratic["table"]), (&json!("Delphi"), &json!("3")));
    assert_eq!((&quadratic["offline_mb"], &quadratic["online_mb"]), (&json!(152.0), &json!(8.0)));
}

#[test]
fn wrong_systems_are_named() {
    let unknown = complaint(&run(["tables", "--system", "gazelle"]), 2);
    assert!(unknown.contains("one of delphi, safenet, minionn, xonn"), "{unknown}");
    let both = complaint(&run(["tables", "1", "--system", "xonn"]), 2);
    assert!(both.contains("cannot be used with"), "{both}");
}

fn tables(system: &str) -> Value {
    let text = succeed(&["tables", "--system", system, "--format", "json"]);
    serde_json::from_str(&text).expect("JSON")
}

fn succeed(args: &[&str]) -> String {
    let output = tercet().args(args).output().expect("the command starts");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}
