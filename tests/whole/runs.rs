//! Whole runs that come to their end.

use crate::support::{Hosts, ROLES, digits, json, repository, run, same, stderr, stdout, tercet};
use serde_json::Value;

const LINKS: [&str; 6] = ["P0->P1", "P0->P2", "P1->P0", "P1->P2", "P2->P0", "P2->P1"];

#[test]
fn the_digits_are_classified_and_everything_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    let config = repository("configs/digits.toml");
    let (config, report) = (config.to_str().unwrap(), file.to_str().unwrap());
    let output = run(["run", config, "--images", "4", "--report", report]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("digits-cnn, 4 images, securenn, 13 fractional bits\n"), "{text}");
    assert!(
        text.contains("correct: 4/4 secure, 4/4 plain float, 4/4 plain fixed point\n"),
        "{text}"
    );
    assert!(text.ends_with("predicted = measured on every link of every layer\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    assert!(!text.contains('\x1b'), "{text}");

    let report = json(&file);
    assert_eq!(report["suite"], "securenn");
    assert_eq!(report["network"], "digits-cnn");
    assert_eq!(report["images"], 4);
    assert_eq!(report["wrong"], 0);
    let accuracy = &report["accuracy"];
    for count in ["images", "plain_correct", "secure_correct", "agree"] {
        assert_eq!(accuracy[count], 4, "{count}");
    }
    assert!(accuracy["max_abs_error"].as_f64().unwrap() < 0.05);
    let bound = report["truncation_failure_bound"].as_f64().unwrap();
    assert!(bound > 0.0 && bound < 1.0 / 1024.0, "{bound}");

    let layers = report["layers"].as_array().unwrap();
    let names: Vec<_> = layers.iter().map(|layer| layer["name"].as_str().unwrap()).collect();
    assert_eq!(names.first(), Some(&"input"));
    assert_eq!(names.last(), Some(&"output"));
    let relu = &layers[names.iter().position(|name| *name == "relu1").unwrap()];
    assert_eq!(relu["op"], "relu");
    assert_eq!(relu["output_shape"], serde_json::json!([16, 8, 8]));
    assert_eq!(relu["paper"]["rounds"], 10);
    assert_eq!(relu["measured"]["bytes"], 584 * 16 * 64 * 4);
    let output = layers.last().unwrap();
    assert_eq!(output["paper"], Value::Null);
    assert_eq!(output["measured"]["links"]["P0->P1"], 8 * 10 * 4);

    let totals = &report["totals"];
    for layer in layers.iter().chain([totals]) {
        assert_eq!(layer["predicted"], layer["measured"], "{layer}");
        let links = LINKS.iter().map(|link| layer["measured"]["links"][link].as_u64().unwrap());
        assert_eq!(Some(links.sum()), layer["measured"]["bytes"].as_u64());
    }
    for field in ["rounds", "bytes"] {
        let sum: u64 = layers.iter().map(|layer| layer["measured"][field].as_u64().unwrap()).sum();
        assert_eq!(totals["measured"][field], sum);
    }
    let close = |sum: f64, total: &Value| (sum - total.as_f64().unwrap()).abs() < 1e-9;
    let sum = |of: fn(&Value) -> Option<f64>| layers.iter().filter_map(of).sum::<f64>();
    assert!(close(sum(|layer| layer["paper"]["mb"].as_f64()), &totals["paper"]["mb"]));
    assert!(close(sum(|layer| layer["seconds"].as_f64()), &totals["seconds"]["total"]));
    assert_eq!((&totals["setup_bytes"], &totals["offline_bytes"]), (&0.into(), &0.into()));
    assert_eq!(totals["online_bytes"], totals["measured"]["bytes"]);
    assert_eq!(totals["seconds"]["online"], Value::Null);
    assert!(totals["critical_path"].as_u64() < totals["measured"]["rounds"].as_u64());
    assert!(totals["wire_bytes"].as_u64() > totals["measured"]["bytes"].as_u64());
    for role in ROLES {
        assert!(totals["cpu_seconds"][role].as_f64().unwrap() > 0.0);
        assert!(totals["peak_rss_mb"][role].as_f64().unwrap() > 1.0);
    }
}

#[test]
fn a_report_is_also_a_table_and_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let config = repository("configs/digits.toml");
    let report = |name: &str| {
        let file = directory.path().join(name);
        let (config, path) = (config.to_str().unwrap(), file.to_str().unwrap());
        let output = run(["run", config, "--images", "1", "--report", path]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        std::fs::read_to_string(file).unwrap()
    };
    let csv = report("report.csv");
    let mut lines = csv.lines();
    let columns = lines.next().unwrap().split(',').count();
    assert_eq!(columns, 20);
    assert!(lines.clone().all(|line| line.split(',').count() == columns), "{csv}");
    assert!(lines.next_back().unwrap().starts_with("total,,,"), "{csv}");
    let html = report("report.html");
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    assert!(html.contains("<td>conv2</td>") && !html.contains("src="), "{html}");
}

#[test]
fn only_labels_are_revealed_where_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    let config = repository("configs/digits.toml");
    let (config, report) = (config.to_str().unwrap(), file.to_str().unwrap());
    // Four levels of two messages, and the label; a max of ten values, and its place.
    for (suite, rounds) in [("dealer", 9), ("securenn", 82)] {
        let label = ["run", config, "--output", "label", "--suite", suite, "--images", "4"];
        let output = tercet().args(label).args(["--report", report]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let text = stdout(&output);
        assert!(text.contains("correct: 4/4 secure, 4/4 plain float"), "{text}");
        assert!(text.contains("agree on 4/4; the data owner learns labels only\n"), "{text}");
        let report = json(&file);
        assert_eq!((&report["output"], &report["wrong"]), (&"label".into(), &0.into()));
        assert_eq!(report["accuracy"].get("max_abs_error"), None);
        let layers = report["layers"].as_array().unwrap();
        let output = layers.iter().find(|layer| layer["name"] == "output").unwrap();
        assert_eq!(output["measured"]["rounds"], rounds, "{suite}");
        assert_eq!(output["predicted"]["bytes"], output["measured"]["bytes"], "{suite}");
    }
}

#[test]
fn branches_side_by_side_wait_for_fewer_latencies() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    let config = repository("configs/squeezenet-digits-ours.toml");
    let [config, path] = [&config, &file].map(|path| path.to_str().unwrap());
    let totals = |overlap: &[&str]| {
        let mut command = tercet();
        command.args(["run", config, "--images", "1", "--report", path]);
        let output = command.args(overlap).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        json(&file)["totals"].clone()
    };
    let [sequential, overlapped] = [totals(&[]), totals(&["--overlap"])];
    assert_eq!((&sequential["overlap"], &overlapped["overlap"]), (&false.into(), &true.into()));
    assert_eq!(sequential["measured"]["links"], overlapped["measured"]["links"]);
    assert_eq!(sequential["paper"], overlapped["paper"]);
    // Eight Fire modules whose expands have no activations: a convolution each, 2 phases, 1
    // latency.
    let figures = |totals: &Value| {
        let rounds = &totals["measured"]["rounds"];
        assert_eq!(totals["predicted"]["rounds"], *rounds);
        [rounds, &totals["critical_path"]].map(|figure| figure.as_u64().unwrap())
    };
    let ([rounds, path], [fewer_rounds, shorter_path]) =
        (figures(&sequential), figures(&overlapped));
    assert_eq!([rounds - fewer_rounds, path - shorter_path], [16, 8]);
}

#[test]
fn three_parties_by_hand_come_to_the_labels() {
    let hosts = Hosts::new();
    hosts.write_digits(&digits("test-images.idx3-ubyte"), 5);
    // One writes a report of what it alone saw.
    let own = hosts.path("own.json");
    let config = hosts.path("model-owner.toml");
    let mut owner = tercet();
    owner.args(["party", "model-owner", "--config"]).arg(config).arg("--report").arg(&own);
    let owner = owner.spawn().unwrap();
    let others = ["crypto-producer", "data-owner"].map(|role| hosts.start(role));
    let owner = owner.wait_with_output().unwrap();
    assert_eq!(owner.status.code(), Some(0), "{}", stderr(&owner));
    assert_eq!((stdout(&owner), stderr(&owner)), (String::new(), String::new()));
    let [producer, data] = others.map(|other| other.wait_with_output().unwrap());
    assert_eq!(producer.status.code(), Some(0), "{}", stderr(&producer));
    assert_eq!(data.status.code(), Some(0), "{}", stderr(&data));
    assert_eq!(stdout(&data), "image,class\n0,4\n1,2\n2,6\n3,0\n4,5\n");

    let report = json(&own);
    assert_eq!(report["party"], "model-owner");
    assert_eq!(report["images"], 5);
    let links = &report["totals"]["measured"]["links"];
    assert!(links["P0->P1"].as_u64() > Some(0) && links["P2->P0"].as_u64() > Some(0));
    assert_eq!(links["P1->P2"], 0);
    assert_eq!(report.get("accuracy"), None);
}

#[test]
fn predictions_go_where_the_config_says() {
    let hosts = Hosts::new();
    hosts.write_digits(&digits("test-images.idx3-ubyte"), 2);
    let own = format!(
        "images = {:?}\nfirst = 3\ncount = 2\nscale = 0.0625\npredictions = \"out.csv\"",
        digits("test-images.idx3-ubyte")
    );
    hosts.write("data-owner", &own, same);
    let parties = ROLES.map(|role| hosts.start(role));
    for party in parties {
        let output = party.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    assert_eq!(std::fs::read_to_string(hosts.path("out.csv")).unwrap(), "image,class\n3,0\n4,5\n");
}

#[test]
fn help_says_what_each_command_is_for() {
    let help = stdout(&run(["--help"]));
    for command in ["run", "party", "bench", "keygen"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
    assert!(!stdout(&run(["party", "--help"])).contains("launched"));
}
