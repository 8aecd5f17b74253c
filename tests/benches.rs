//! One operation over three processes.

mod support;

use support::{complaint, json, run, stdout};

#[test]
fn every_operation_is_right_and_reports_its_cost() {
    let directory = tempfile::tempdir().unwrap();
    for op in ["drelu", "relu", "relu6", "leaky-relu", "maxpool", "matmul", "conv"] {
        let file = directory.path().join(format!("{op}.json"));
        let output = run(["bench", op, "--count", "300", "--report", file.to_str().unwrap()]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{op}: {}", support::stderr(&output));
        assert!(text.starts_with(&format!("{op} on 300 values, securenn, seed ")), "{text}");
        assert!(text.contains(": 0 wrong\n"), "{text}");
        assert!(text.ends_with("predicted = measured on every link\n"), "{text}");
        let report = json(&file);
        assert_eq!(report["op"], op);
        assert_eq!(report["suite"], "securenn");
        assert_eq!((&report["count"], &report["wrong"]), (&300.into(), &0.into()));
        let totals = &report["totals"];
        assert_eq!(totals["predicted"], totals["measured"]);
        assert_eq!(totals["online_bytes"], totals["measured"]["bytes"]);
        assert!(totals["wire_bytes"].as_u64() > totals["measured"]["bytes"].as_u64());
        assert!(totals["seconds"]["online"].as_f64() > Some(0.0));
        assert!(totals["cpu_seconds"]["crypto-producer"].as_f64() > Some(0.0));
        assert!(totals["peak_rss_mb"]["model-owner"].as_f64() > Some(1.0));
    }
}

#[test]
fn a_relu_costs_what_is_published() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("relu.json");
    let output = run(["bench", "relu", "--count", "640", "--report", file.to_str().unwrap()]);
    assert!(output.status.success());
    let totals = &json(&file)["totals"];
    assert_eq!(totals["measured"]["bytes"], 584 * 640);
    assert_eq!((&totals["measured"]["rounds"], &totals["critical_path"]), (&10.into(), &9.into()));
}

#[test]
fn a_seed_repeats_the_inputs() {
    let output = run(["bench", "drelu", "--count", "100", "--seed", "42"]);
    assert!(stdout(&output).starts_with("drelu on 100 values, securenn, seed 42: 0 wrong\n"));
}

#[test]
fn wrong_arguments_are_named() {
    let unknown = complaint(&run(["bench", "tanh", "--count", "3"]), 2);
    assert!(unknown.contains("'tanh'") && unknown.contains("leaky-relu"), "{unknown}");
    let none = complaint(&run(["bench", "relu", "--count", "0"]), 2);
    assert!(none.contains("a count of 0"), "{none}");
    let missing = complaint(&run(["bench", "relu"]), 2);
    assert!(missing.contains("--count <N>"), "{missing}");
    let suite = complaint(&run(["bench", "relu", "--count", "3", "--suite", "magic"]), 2);
    assert!(suite.contains("one of securenn, dealer"), "{suite}");
    let report = complaint(&run(["bench", "relu", "--count", "3", "--report", "x.pdf"]), 2);
    assert!(report.contains("end it with .json, .csv or .html"), "{report}");
    let place = complaint(&run(["bench", "relu", "--count", "3", "--report", "/no/x.json"]), 2);
    assert!(place.contains("/no/x.json: its directory does not exist"), "{place}");
}
