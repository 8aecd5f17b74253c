//! How many images networks get right, in private and in the clear.

use std::fs;

use crate::support::{complaint, digits, json, repository, run, stderr, stdout};
use serde_json::{Value, json};

#[test]
fn the_held_out_digits_are_as_right_in_private_as_in_the_clear() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rows.json");
    let config = repository("configs/digits.toml");
    let [config, path] = [&config, &file].map(|path| path.to_str().unwrap());
    let output = run(["accuracy", config, "--suite", "both", "--report", path]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    let rows = json(&file);
    let rows = rows["rows"].as_array().unwrap();
    for ((suite, row), line) in ["securenn", "dealer"].iter().zip(rows).zip(text.lines().skip(3)) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells[..7], ["digits", "digits-cnn", "-", suite, "360", "98.89%", "98.89%"]);
        assert_eq!((&row["network"], &row["suite"]), (&json!("digits-cnn"), &json!(suite)));
        assert_eq!((&row["plan"], row.get("random_inputs")), (&Value::Null, None));
        assert_eq!((&row["images"], &row["batch"]), (&json!(360), &json!(360)));
        assert_eq!((&row["plain_correct"], &row["secure_correct"]), (&json!(356), &json!(356)));
        assert_eq!((&row["agree"], &row["wrong"]), (&json!(360), &json!(0)));
        assert!(row["max_abs_error"].as_f64().unwrap() < 0.05, "{row}");
    }
    assert_eq!(rows.len(), 2);
    assert!(rows[1]["truncation_failure_bound"].is_null(), "{}", rows[1]);
}

#[test]
fn several_runs_and_configs_make_one_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    // Images from the 10th on, whatever the count; and random ones, which have no labels.
    let text = fs::read_to_string(repository("configs/digits.toml")).unwrap();
    let text = text.replace("first = 0", "first = 10").replace("count = 100", "count = 2");
    let text = text.replace("../tests/data/digits", digits("").to_str().unwrap());
    fs::write(path("some.toml"), text).unwrap();
    let random = "[network]\nnet = 'squeezenet'\ninput = [1, 8, 8]\nclasses = 4\nplan = 'ours'\n";
    fs::write(path("random.toml"), random).unwrap();
    let (some, random, report) = (path("some.toml"), path("random.toml"), path("rows.csv"));
    let output = run([
        "accuracy", &some, &random, "--images", "5", "--batch", "2", "--suite", "securenn",
        "--format", "json", "--report", &report,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let [some, random] = &rows["rows"].as_array().unwrap()[..] else { panic!("{rows}") };
    for row in [some, random] {
        assert_eq!(
            (&row["images"], &row["batch"], &row["agree"]),
            (&json!(5), &json!(2), &json!(5))
        );
    }
    assert_eq!((&some["plain_correct"], &some["secure_correct"]), (&json!(5), &json!(5)));
    assert_eq!((&random["plain_correct"], &random["plan"]), (&Value::Null, &json!("ours")));
    assert_eq!(random["random_inputs"], json!(["weights", "images"]));
    // Three runs cost an image as much as one: all but the weights' masks, which each run has anew.
    let one = run(["accuracy", &path("some.toml"), "--images", "5", "--format", "json"]);
    let one: Value = serde_json::from_str(&stdout(&one)).unwrap();
    let mb = |row: &Value| row["mb_per_image"].as_f64().unwrap();
    assert!(mb(some) > mb(&one["rows"][0]) && mb(some) < 1.1 * mb(&one["rows"][0]), "{one}");

    let csv = fs::read_to_string(report).unwrap();
    let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(columns, [14; 3], "{csv}");
    assert!(csv.lines().nth(2).unwrap().contains(",squeezenet,ours,securenn,5,2,,,5,"), "{csv}");
}

#[test]
fn what_cannot_be_compared_is_refused_before_any_run() {
    let config = repository("configs/digits.toml");
    let config = config.to_str().unwrap();
    assert!(complaint(&run(["accuracy"]), 2).contains("<CONFIG>"));
    let many = complaint(&run(["accuracy", config, "--images", "361"]), 2);
    assert!(
        many.contains("digits.toml: its files hold 360 images from 0 on, fewer than 361"),
        "{many}"
    );
    let none = complaint(&run(["accuracy", config, "no/such.toml"]), 2);
    assert!(none.contains("no/such.toml: cannot be read"), "{none}");
    let suite = complaint(&run(["accuracy", config, "--suite", "magic"]), 2);
    assert!(suite.contains("one of securenn"), "{suite}");
    let page = complaint(&run(["accuracy", config, "--report", "x.html"]), 2);
    assert!(page.contains("x.html: unknown kind of report; end it with .json or .csv"), "{page}");
}
