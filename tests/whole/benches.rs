//! One operation over three processes.

use nets::{Operation, SuiteName};

use crate::support::{complaint, json, run, stderr, stdout, tercet};

#[test]
fn every_operation_is_right_and_reports_its_cost() {
    check(SuiteName::SecureNn);
}

#[test]
fn every_operation_of_the_dealer_suite_is_right_and_reports_its_cost() {
    check(SuiteName::Dealer);
}

/// Benches all operations of a suite.
fn check(suite: SuiteName) {
    let directory = tempfile::tempdir().unwrap();
    for operation in Operation::of_suite(suite) {
        let (op, suite) = (operation.name(), suite.name());
        let file = directory.path().join(format!("{op}.json"));
        let report = file.to_str().unwrap();
        let output = run(["bench", op, "--count", "300", "--suite", suite, "--report", report]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{op}: {}", stderr(&output));
        assert!(text.starts_with(&format!("{op} on 300 values, {suite}, seed ")), "{text}");
        assert!(text.contains(": 0 wrong\n"), "{text}");
        assert!(text.ends_with("predicted = measured on every link\n"), "{text}");
        let report = json(&file);
        assert_eq!(report["op"], op);
        assert_eq!(report["suite"], suite);
        assert_eq!((&report["count"], &report["wrong"]), (&300.into(), &0.into()));
        let totals = &report["totals"];
        assert_eq!(totals["predicted"], totals["measured"]);
        let [offline, online, all] =
            [&totals["offline_bytes"], &totals["online_bytes"], &totals["measured"]["bytes"]]
                .map(|bytes| bytes.as_u64().unwrap());
        assert_eq!((offline + online, offline > 0), (all, suite == "dealer"), "{op}");
        assert!(totals["wire_bytes"].as_u64() > Some(all));
        // All is dealt before the values come in.
        let [dealing, answering] =
            ["offline", "online"].map(|stage| totals["seconds"][stage].as_f64());
        assert!(answering > Some(0.0) && (dealing > Some(0.0)) == (suite == "dealer"), "{op}");
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
fn a_relu_of_the_dealer_suite_takes_two_messages() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("relu.json");
    let report = file.to_str().unwrap();
    let output = run(["bench", "relu", "--count", "640", "--suite", "dealer", "--report", report]);
    assert!(output.status.success());
    let totals = &json(&file)["totals"];
    let links = &totals["measured"]["links"];
    let bits = |link: &str| 8 * links[link].as_u64().unwrap() / 640;
    // Rows of the table in the documents, one value after the other without a gap.
    assert_eq!([bits("P2->P0"), bits("P0->P1"), bits("P1->P0")], [443, 36, 34]);
    assert_eq!(["P0->P2", "P1->P2", "P2->P1"].map(bits), [0; 3]);
    assert_eq!((&totals["measured"]["rounds"], &totals["critical_path"]), (&2.into(), &2.into()));
}

#[test]
fn a_convolution_may_have_another_shape() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("conv.json");
    let report = file.to_str().unwrap();
    let conv = ["conv", "--shape", "3x8x4", "--kernels", "2", "--kernel", "5", "--count", "3"];
    let args = [&["bench"][..], &conv, &["--suite", "dealer", "--report", report]].concat();
    let output = tercet().args(args).output().expect("the command starts");
    assert!(output.status.success(), "{}", stderr(&output));
    let links = &json(&file)["totals"]["measured"]["links"];
    // 33 bits: the weights and the masked query, and one value of each result.
    let bytes = |values: u64| (33 * values).div_ceil(8);
    assert_eq!(links["P0->P1"], bytes(2 * 3 * 25));
    assert_eq!(links["P1->P0"], bytes(3 * 3 * 32) + bytes(3 * 2 * 32));
}

#[test]
fn a_seed_repeats_the_inputs() {
    let output = run(["bench", "drelu", "--count", "100", "--seed", "42"]);
    assert!(stdout(&output).starts_with("drelu on 100 values, securenn, seed 42: 0 wrong\n"));
}

#[test]
fn wrong_arguments_are_named() {
    let unknown = complaint(&run(["bench", "softmax", "--count", "3"]), 2);
    assert!(unknown.contains("'softmax'") && unknown.contains("leaky-relu"), "{unknown}");
    let none = complaint(&run(["bench", "relu", "--count", "0"]), 2);
    assert!(none.contains("a count of 0"), "{none}");
    let missing = complaint(&run(["bench", "relu"]), 2);
    assert!(missing.contains("--count <N>"), "{missing}");
    let suite = complaint(&run(["bench", "relu", "--count", "3", "--suite", "magic"]), 2);
    assert!(suite.contains("one of securenn, dealer"), "{suite}");
    let other = complaint(&run(["bench", "truncation", "--count", "3"]), 2);
    assert!(other.contains("unknown operation of securenn 'truncation': use one of "), "{other}");
    let shaped = ["bench", "relu", "--shape", "1x2x2", "--kernels", "2", "--count", "3"];
    let shaped = complaint(&run(shaped), 2);
    assert!(shaped.contains("a shape is one of conv"), "{shaped}");
    let report = complaint(&run(["bench", "relu", "--count", "3", "--report", "x.pdf"]), 2);
    assert!(report.contains("end it with .json, .csv or .html"), "{report}");
    let place = complaint(&run(["bench", "relu", "--count", "3", "--report", "/no/x.json"]), 2);
    assert!(place.contains("/no/x.json: its directory does not exist"), "{place}");
}
