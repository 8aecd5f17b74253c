//! Whole runs in the `dealer` suite.

use std::path::PathBuf;

use crate::support::{Hosts, ROLES, digits, json, repository, stderr, stdout, tercet};
use serde_json::{Value, json};

#[test]
fn the_digits_are_classified_with_a_producer_that_receives_nothing() {
    let (text, report) = run_digits(&[]);
    assert!(text.starts_with("digits-cnn, 100 images, dealer, 13 fractional bits\n"), "{text}");
    let correct = "correct: 100/100 secure, 100/100 plain float, 100/100 plain fixed point\n";
    assert!(text.contains(correct), "{text}");
    assert!(text.ends_with("predicted = measured on every link of every layer\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");

    assert_eq!((&report["suite"], &report["wrong"]), (&json!("dealer"), &json!(0)));
    assert_eq!(report["accuracy"]["secure_correct"], 100);
    assert_eq!(report.get("truncation_failure_bound"), None);
    let layers = report["layers"].as_array().unwrap();
    let totals = &report["totals"];
    for layer in layers.iter().chain([totals]) {
        assert_eq!(layer["predicted"], layer["measured"], "{layer}");
        for link in ["P0->P2", "P1->P2", "P2->P1"] {
            assert_eq!(layer["measured"]["links"][link], 0, "{link}: {layer}");
        }
    }
    for field in ["rounds", "bytes", "ahead_bytes"] {
        let sum: u64 = layers.iter().map(|layer| number(&layer["measured"][field])).sum();
        assert_eq!(totals["measured"][field], sum, "{field}");
    }
    let relu = layers.iter().find(|layer| layer["name"] == "relu1").unwrap();
    assert_eq!((&relu["measured"]["rounds"], &relu["critical_path"]), (&json!(2), &json!(2)));
    let setup = layers.last().unwrap();
    assert_eq!(
        (&setup["name"], &totals["setup_bytes"]),
        (&json!("setup"), &setup["measured"]["bytes"])
    );
    let stages =
        ["setup_bytes", "offline_bytes", "online_bytes"].map(|stage| number(&totals[stage]));
    assert_eq!(totals["measured"]["bytes"], stages.iter().sum::<u64>());
    assert_eq!(totals["measured"]["ahead_bytes"], stages[0] + stages[1]);
    assert!(stages[2] < stages[1], "{stages:?}");
    assert_eq!(totals["critical_path"], 16);
    // What is dealt while it is used has no stage of its own.
    assert_eq!(totals["seconds"]["online"], Value::Null);
    assert!(totals["seconds"]["setup"].as_f64() > Some(0.0));
    for role in ROLES {
        assert!(totals["cpu_seconds"][role].as_f64() > Some(0.0));
    }
}

#[test]
fn a_query_on_what_is_dealt_first_is_timed_alone() {
    let (text, report) = run_digits(&["--dealt-first", "--images", "10"]);
    assert!(text.contains("correct: 10/10 secure"), "{text}");
    let totals = &report["totals"];
    assert_eq!(totals["predicted"], totals["measured"]);
    let [setup, offline, online, total] =
        ["setup", "offline", "online", "total"].map(|stage| totals["seconds"][stage].as_f64());
    assert!(setup > Some(0.0) && offline > Some(0.0) && online > Some(0.0), "{totals}");
    assert!(online < total, "{totals}");
}

#[test]
fn branches_side_by_side_wait_for_fewer_latencies() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    let config = directory.path().join("net.toml");
    let text = "[network]\nnet = 'squeezenet'\ninput = [1, 17, 16]\nclasses = 3\n\
                [model-owner]\n[data-owner]\n";
    std::fs::write(&config, text).unwrap();
    let totals = |options: &[&str]| {
        let [config, report] = [&config, &file].map(|path| path.to_str().unwrap());
        succeed(&[&["run", config, "--suite", "dealer", "--report", report], options].concat());
        json(&file)["totals"].clone()
    };
    let [sequential, overlapped] = [totals(&[]), totals(&["--overlap"])];
    assert_eq!(sequential["measured"]["links"], overlapped["measured"]["links"]);
    for totals in [&sequential, &overlapped] {
        assert_eq!(totals["predicted"], totals["measured"]);
    }
    // Eight Fire modules, each with two expands whose activations take two messages.
    for figure in [&["measured", "rounds"][..], &["critical_path"]] {
        let [all, fewer] = [&sequential, &overlapped]
            .map(|totals| number(figure.iter().fold(totals, |value, key| &value[key])));
        assert_eq!(all - fewer, 16, "{figure:?}");
    }
}

#[test]
fn three_parties_by_hand_come_to_the_labels() {
    let hosts = Hosts::new();
    hosts.write_digits(&digits("test-images.idx3-ubyte"), 5);
    let calibrated = repository("configs/digits.toml");
    let bounds = hosts.path("bounds.json");
    succeed(&["calibrate", calibrated.to_str().unwrap(), "--out", bounds.to_str().unwrap()]);
    let alike = "suite = \"dealer\"";
    let calibrated = format!("{alike}\nbounds = \"bounds.json\"\ndealt_first = true");
    let mut bytes = Vec::new();
    for protocol in [alike, &calibrated] {
        hosts.write_digits(&digits("test-images.idx3-ubyte"), 5);
        hosts.change(&ROLES, "[protocol]", &format!("[protocol]\n{protocol}"));
        // Each writes a report of what it alone saw.
        let [owner, data, producer] = hosts.run_with_reports();
        for output in [&owner, &data, &producer] {
            assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
        }
        assert_eq!(stdout(&data), "image,class\n0,4\n1,2\n2,6\n3,0\n4,5\n");
        let reports = ROLES.map(|role| json(&hosts.path(&format!("{role}.json"))));
        for (report, role) in reports.iter().zip(ROLES) {
            assert_eq!((&report["party"], &report["suite"]), (&json!(role), &json!("dealer")));
            let seconds = &report["totals"]["seconds"];
            let online = protocol != alike && role != "crypto-producer";
            assert_eq!(seconds["online"].as_f64() > Some(0.0), online, "{role}: {seconds}");
        }
        let sent =
            |role: usize, link: &str| number(&reports[role]["totals"]["measured"]["links"][link]);
        assert_eq!(sent(0, "P2->P0"), sent(2, "P2->P0"));
        assert_eq!(sent(0, "P0->P1"), sent(1, "P0->P1"));
        assert_eq!(sent(0, "P1->P0"), sent(1, "P1->P0"));
        assert!(sent(0, "P1->P0") > 0 && sent(2, "P2->P0") > 0);
        for link in ["P0->P1", "P1->P0", "P0->P2", "P1->P2", "P2->P1"] {
            assert_eq!(sent(2, link), 0, "{link}");
        }
        bytes.push(sent(2, "P2->P0"));
    }
    // Tighter bounds are cheaper.
    assert!(bytes[1] < bytes[0], "{bytes:?}");
}

/// The output and the report of a run on the digits.
fn run_digits(options: &[&str]) -> (String, Value) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    let config = repository("configs/digits.toml");
    let [config, report] = [&config, &file].map(|path: &PathBuf| path.to_str().unwrap());
    let command = ["run", config, "--suite", "dealer", "--report", report];
    (succeed(&[&command, options].concat()), json(&file))
}

fn succeed(args: &[&str]) -> String {
    let output = tercet().args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}
