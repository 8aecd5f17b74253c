//! `tercet plan`, with trainers of a few lines of shell: what it tells them, what it believes of
//! what they say, and what it writes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use crate::support::{complaint, json, repository, run, stderr, stdout, tercet, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A search in a directory of its own.
struct Search {
    directory: TempDir,
}

impl Search {
    fn new() -> Search {
        Search { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    /// Lets a shell script search for the digits' net. It has the start message in $start, and
    /// functions: `ask` plans what they cost, `give` a plan, an accuracy and weights, `weights`
    /// that suit the net as it is.
    fn run(&self, script: &str, args: &[&str]) -> Output {
        let file = self.directory.path().join("trainer.sh");
        fs::write(&file, format!("{HEAD}\n{script}\n")).expect("a script");
        let trainer = format!("sh {}", file.display());
        self.command(args).args(["--trainer", &trainer]).output().expect("the command starts")
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = tercet();
        let config = repository("configs/digits.toml");
        command.arg("plan").arg(config).arg("--out").arg(self.out()).args(args);
        command
    }

    fn front(&self) -> Value {
        json(&self.out().join("front.json"))
    }
}

const HEAD: &str = r#"
read -r start
own() { echo "$start" | sed 's/.*"weights":"\([^"]*\)".*/\1/'; }
n=0
weights() {
    n=$((n + 1)); given="$(dirname "$(own)")/given-$n"
    cp "$(own)" "$given"; echo "$given"
}
ask() { echo "{\"cost\": {\"id\": 7, \"plans\": [$1]}}"; read -r costs; echo "$costs" >&2; }
give() {
    echo "{\"result\": {\"plan\": $1, \"accuracy\": $2, \"held_out\": 0.5," \
        "\"weights\": \"$3\", \"epochs\": 1}}"
}
"#;

const OWN: &str = r#"{"activations": {}, "pools": {}}"#;
const HALF: &str = r#"{"activations": {"relu1": {"none": "0-7"}}}"#;
const NONE: &str = concat!(
    r#"{"activations": {"relu1": "none", "relu2": "none", "relu3": "none"}, "#,
    r#""pools": {"pool1": "avg", "pool2": "avg"}}"#
);

#[test]
fn what_is_found_is_written_and_runs() {
    let search = Search::new();
    let script = format!(
        "ask '{OWN}, {HALF}, {NONE}'\n\
         for plan in '{OWN} 0.99' '{HALF} 0.97' '{NONE} 0.5'; do\n\
         give \"${{plan% *}}\" \"${{plan##* }}\" \"$(weights)\"; done\n\
         give '{HALF}' 0.2 \"$(weights)\"\n\
         echo '{{\"progress\": {{\"run\": \"last\", \"seconds_left\": 61.5}}}}'\n\
         echo '{{\"done\": {{}}}}'"
    );
    let output = search.run(&script, &["--points", "3", "--seed", "5"]);
    let (text, told) = (stdout(&output), stderr(&output));
    assert!(output.status.success(), "{told}");
    assert!(text.contains("digits-cnn, securenn: 4 plans tried, 0 failures"), "{text}");
    assert!(told.contains("last: 1:01 left"), "{told}");
    let costs: Value = told.lines().find(|line| line.starts_with("{\"costs\"")).map(parse).unwrap();
    assert_eq!(costs["costs"]["id"], 7);

    let front = search.front();
    let points = front["points"].as_array().unwrap();
    let accuracies: Vec<_> = points.iter().map(|point| point["accuracy"].clone()).collect();
    assert_eq!(accuracies, [0.99, 0.97, 0.5].map(|accuracy| json!(accuracy)));
    assert_eq!(points[0]["online_share"], 1.0);
    let csv = fs::read_to_string(search.out().join("front.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 3);
    let picture = fs::read_to_string(search.out().join("front.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("<polyline"), "{picture}");
    // Files of weights are taken, and kept where they are wanted.
    let given = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("given");
    assert!(!fs::read_dir(search.out()).unwrap().flatten().any(|entry| given(&entry)));
    assert_eq!(fs::read_dir(search.out().join("weights")).unwrap().count(), 3);

    // What was predicted is what a run sends, and what `tercet cost` says.
    for (number, point) in points.iter().enumerate() {
        let folder = search.out().join(format!("{:02}", number + 1));
        let (config, report) = (folder.join("config.toml"), folder.join("report.json"));
        let ran = run(["run", text_of(&config), "--images", "1", "--report", text_of(&report)]);
        assert!(ran.status.success(), "{}", stderr(&ran));
        let sent = &json(&report)["totals"]["online_bytes"];
        assert_eq!(
            (sent, &costs["costs"]["costs"][number]["online_bytes"]),
            (&point["cost"]["online_bytes"], sent)
        );
        let cost = run(["cost", text_of(&config), "--images", "1", "--format", "json"]);
        assert_eq!(parse(&stdout(&cost))["totals"]["online_bytes"], *sent);
    }
}

#[test]
fn a_trainer_is_told_all_that_it_needs() {
    let search = Search::new();
    let args =
        ["--points", "5", "--seed", "9", "--time", "2", "--accuracy", "0.5", "--score", "delphi"];
    let args = [&args[..], &["--search", "tree", "--workers", "3", "--suite", "dealer"]].concat();
    let output = search.run("echo \"$start\" >&2; echo '{\"done\": {}}'", &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let start = &parse(stderr(&output).lines().next().unwrap())["start"];
    for (key, value) in [
        ("points", json!(5)),
        ("seed", json!(9)),
        ("seconds", json!(120.0)),
        ("floor", json!(0.5)),
        ("score", json!("delphi")),
        ("search", json!("tree")),
        ("workers", json!(3)),
        ("pools", json!(["pool1", "pool2"])),
        ("data", json!({ "name": "digits", "path": null })),
    ] {
        assert_eq!(start[key], value, "{key}");
    }
    let site = json!({
        "name": "relu1", "kind": "relu", "channels": 16, "active": 16, "values": 64,
        "before": "conv1",
    });
    assert_eq!(start["sites"][0], site);
    assert_eq!(start["sites"].as_array().unwrap().len(), 3);
    assert_eq!(start["graph"]["nodes"][1]["name"], "conv1");
    assert!(Path::new(start["weights"].as_str().unwrap()).is_file());
    let results = fs::read_to_string(search.out().join("results.jsonl")).unwrap();
    assert!(results.contains("dealer"), "{results}");
}

#[test]
fn nonsense_is_told_and_the_rest_goes_on() {
    let search = Search::new();
    let polynomial = r#"{"activations": {"relu1": "polynomial-2"}}"#;
    let script = format!(
        "echo 'Traceback (most recent call last)'\n\
         give '{OWN}' NaN \"$(weights)\"\n\
         give '{OWN}' 1.5 \"$(weights)\"\n\
         give '{{\"activations\": {{\"relu9\": \"none\"}}}}' 0.9 \"$(weights)\"\n\
         give '{{\"activations\": {{\"relu1\": \"gelu\"}}}}' 0.9 \"$(weights)\"\n\
         give '{HALF}' 0.9 /nowhere/weights\n\
         give '{polynomial}' 0.9 \"$(weights)\"\n\
         echo '{{\"failure\": {{\"plan\": {OWN}, \"reason\": \"the loss is nan\"}}}}'\n\
         ask '{{\"activations\": {{\"relu1\": {{\"none\": \"99\"}}}}}}'\n\
         give '{OWN}' 0.98 \"$(weights)\"\n\
         echo '{{\"done\": {{}}}}'"
    );
    let output = search.run(&script, &[]);
    let told = stderr(&output);
    assert!(output.status.success(), "{told}");
    let front = search.front();
    assert_eq!((front["points"].as_array().unwrap().len(), &front["plans_tried"]), (1, &json!(1)));
    let failures = front["failures"].as_array().unwrap();
    let reasons: Vec<&str> = failures.iter().map(|f| f["reason"].as_str().unwrap()).collect();
    let expected = [
        "`Traceback",
        "NaN",
        "an accuracy of 1.5",
        "there is no activation 'relu9'",
        "no plan: ",
        "/nowhere/weights",
        "relu1.weight",
        "the loss is nan",
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:#?}");
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.contains(expected), "{reason}");
        assert!(told.contains(expected), "{told}");
    }
    assert!(told.contains("\"error\":\"activation plan: channel 99"), "{told}");
}

#[test]
fn a_trainer_that_dies_leaves_what_it_found() {
    let search = Search::new();
    let output = search.run(&format!("give '{OWN}' 0.98 \"$(weights)\"; exit 3"), &[]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("error: the trainer is gone (exit status: 3): what it found by then is kept"),
        "{told}"
    );
    assert_eq!(search.front()["points"][0]["accuracy"], 0.98);

    let output = search.run("", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("error: the trainer is gone"), "{}", stderr(&output));
    // What an earlier one found is still there.
    assert_eq!(search.front()["points"][0]["accuracy"], 0.98);
}

#[test]
fn a_search_that_is_killed_goes_on() {
    let search = Search::new();
    let give = |plan: &str, accuracy| format!("give '{plan}' {accuracy} \"$(weights)\"\n");
    let file = search.directory.path().join("first.sh");
    let first = give(OWN, "0.99") + &give(HALF, "0.97") + "exec sleep 600";
    fs::write(&file, format!("{HEAD}\n{first}\n")).unwrap();
    let trainer = format!("exec sh {}", file.display());
    let mut command = search.command(&["--trainer", &trainer]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let results = search.out().join("results.jsonl");
    wait_until("three results are written", || {
        fs::read_to_string(&results).is_ok_and(|text| text.lines().count() >= 3)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    // As if it had been killed in the middle of a line.
    let text = fs::read_to_string(&results).unwrap();
    fs::write(&results, format!("{text}{{\"result\": {{\"pl")).unwrap();

    let output = search.run(&(give(NONE, "0.6") + "echo '{\"done\": {}}'"), &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let front = search.front();
    let points = front["points"].as_array().unwrap();
    let accuracies: Vec<_> = points.iter().map(|point| point["accuracy"].clone()).collect();
    assert_eq!(accuracies, [0.99, 0.97, 0.6].map(|accuracy| json!(accuracy)));
    assert!(points.iter().all(|point| point["weights"].is_string()), "{front}");

    // Points below the floor are no longer written, nor are their folders left.
    let output = search.run("echo '{\"done\": {}}'", &["--accuracy", "0.9"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(search.front()["points"].as_array().unwrap().len(), 2);
    assert!(search.out().join("02").is_dir() && !search.out().join("03").exists());

    let other = search.run("", &["--suite", "dealer"]);
    assert!(complaint(&other, 2).contains("give another --out"));
}

#[test]
fn without_a_trainer_plans_are_made_by_cost_and_weights() {
    let search = Search::new();
    let output =
        search.command(&["--trainer", "none", "--points", "4", "--link", "wan"]).output().unwrap();
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(text.contains("5 plans tried, 0 failures") && text.contains("unknown"), "{text}");
    let front = search.front();
    let points = front["points"].as_array().unwrap();
    assert_eq!(points.len(), 5);
    assert!(points.iter().all(|point| point["accuracy"].is_null()));
    let costs: Vec<f64> =
        points.iter().map(|point| point["cost"]["cost"].as_f64().unwrap()).collect();
    assert!(costs.is_sorted_by(|a, b| a > b), "{costs:?}");
    assert_eq!(points[4]["cost"]["cost"], points[4]["cost"]["online_seconds"]);

    // No Python at all comes to the same.
    let search = Search::new();
    let output = search.command(&["--python", "/nowhere/python"]).output().unwrap();
    let told = stderr(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("warning: ") && told.contains("/nowhere/python"), "{told}");
    assert_eq!(search.front()["points"].as_array().unwrap().len(), 9);
}

#[test]
fn what_cannot_be_planned_is_refused() {
    let plan = |config: &str, more: &[&str]| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        fs::write(&file, config).unwrap();
        let mut command = tercet();
        command.arg("plan").arg(&file).args(more).arg("--out").arg(directory.path().join("out"));
        complaint(&command.output().unwrap(), 2)
    };
    let net = "[network]\nnet = 'squeezenet'\ninput = [1, 28, 28]\nclasses = 10\n";
    let untrained = format!("{net}[model-owner]\n");
    assert!(plan(&untrained, &[]).contains("`model-owner.weights` is left out"));
    let planned = format!("{net}plan = 'ours'\n[model-owner]\nweights = 'w'\n");
    assert!(plan(&planned, &[]).contains("begins with the network's own activations"));
    assert!(plan(&untrained, &["--rtt", "3"]).contains("--rtt and --bandwidth go together"));
    assert!(plan(&untrained, &["--accuracy", "98"]).contains("a share from 0 to 1"));
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
