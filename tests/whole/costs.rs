//! The costs of networks, without a run and beside one, and the published tables.

use std::process::Output;

use crate::support::{complaint, json, repository, run, stderr, stdout, tercet};
use serde_json::{Value, json};

#[test]
fn the_published_tables_come_out() {
    let all = tables("");
    assert_eq!(all.len(), 45);
    for (table, count) in [("1", 12), ("2", 18), ("4", 15)] {
        let rows = tables(table);
        assert_eq!(rows.len(), count, "table {table}");
        assert!(rows.iter().all(|row| row["table"] == table));
    }
    let orig = &all[0];
    assert_eq!((&orig["model"], &orig["dataset"]), (&json!("Squeeze-orig"), &json!("cifar")));
    assert_eq!(orig["published"], json!({ "rounds": 393, "mb": 327.2 }));
    assert_eq!(orig["ours"]["rounds"], 393);
    assert!((orig["ours"]["mb"].as_f64().unwrap() - 327.206).abs() < 1e-3);
    assert_eq!((&orig["agrees"], &orig["note"]), (&json!(true), &json!("")));
    // What is not at hand is computed and compared with nothing.
    let unpublished = all.iter().find(|row| row["published"].is_null()).unwrap();
    assert_eq!(unpublished["agrees"], Value::Null);
    let differing: Vec<_> = all.iter().filter(|row| row["agrees"] == false).collect();
    let [misprint] = differing[..] else { panic!("{differing:?}") };
    assert_eq!(misprint["model"], "Shuffle-none");
    assert!(misprint["note"].as_str().unwrap().starts_with("misprint: "), "{misprint}");
}

#[test]
fn tables_print_for_people_and_as_csv() {
    let text = succeed(&run(["tables", "2"]));
    assert!(text.contains("2      Squeeze-none"), "{text}");
    assert!(text.contains("table 2, Shuffle-none, cifar: misprint: "), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    let csv = succeed(&run(["tables", "--format", "csv"]));
    assert_eq!(csv.lines().count(), 1 + 45);
    assert!(csv.contains("\n1,Squeeze-orig,cifar,393,327.2,393,327.20"), "{csv}");
    assert!(complaint(&run(["tables", "3"]), 2).contains("'3'"));
}

#[test]
fn every_plan_has_a_cost_whose_layers_sum_up() {
    let plans =
        ["orig", "1", "2", "0.5-1", "0.5-2", "none", "ours", "0.5-1-double", "0.5-2-double"];
    for (net, input) in
        [("squeezenet", "1x28x28"), ("shufflenet-v2", "3x33x31"), ("mobilenet-v2", "2x45x19")]
    {
        for plan in plans {
            let report = cost(net, input, &["--plan", plan]);
            let layers = report["layers"].as_array().unwrap();
            let totals = &report["totals"];
            let sum = |field: &dyn Fn(&Value) -> u64| layers.iter().map(field).sum::<u64>();
            for field in ["critical_path", "nonlinear_values", "parameters", "macs"] {
                let sum = sum(&|layer| layer[field].as_u64().unwrap());
                assert_eq!(totals[field], sum, "{net} {plan} {field}");
            }
            for field in ["rounds", "bytes"] {
                let sum = sum(&|layer| layer["predicted"][field].as_u64().unwrap());
                assert_eq!(totals["predicted"][field], sum, "{net} {plan} {field}");
            }
            assert_eq!(totals["online_bytes"], totals["predicted"]["bytes"]);
            for object in layers.iter().chain([totals]) {
                assert_eq!((&object["measured"], &object["seconds"]), (&Value::Null, &Value::Null));
            }
        }
    }
}

#[test]
fn tables_fit_a_terminal() {
    for net in ["squeezenet", "shufflenet-v2", "mobilenet-v2"] {
        let network = ["cost", "--net", net, "--input", "3x32x32", "--classes", "10"];
        for images in ["1", "20"] {
            let text = succeed(&command(&[&network[..], &["--images", images]].concat()));
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(120), "{text}");
        }
    }
}

#[test]
fn options_change_a_plan() {
    let with = |args: &[&str]| cost("mobilenet-v2", "3x32x32", args)["totals"]["paper"].clone();
    let ours = with(&["--plan", "ours"]);
    assert_eq!(ours["rounds"], 296);
    assert_eq!(with(&["--activation", "relu", "--first", "0", "--second", "0.5"]), ours);
    assert_eq!(with(&["--plan", "2", "--activation", "relu", "--second", "0.5"]), ours);
    assert_eq!(
        with(&["--plan", "ours", "--activation", "relu6", "--first", "1", "--second", "1"]),
        with(&[])
    );
    let pooled = cost("squeezenet", "3x32x32", &["--pool", "avg"]);
    assert_eq!(pooled["totals"]["paper"]["rounds"], 393 - 3 * 27);
    // A config's plan is what the options start from.
    let config = repository("configs/mobilenet-v2-cifar10-ours.toml");
    let config = config.to_str().unwrap();
    let args = ["cost", config, "--activation", "relu6", "--first", "1", "--second", "1"];
    let text = succeed(&tercet().args(args).args(["--format", "json"]).output().unwrap());
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["totals"]["paper"], with(&[]));
}

#[test]
fn times_follow_latency_and_bandwidth() {
    let times = |args: &[&str]| cost("digits-cnn", "1x8x8", args)["estimates"].clone();
    let both = times(&[]);
    assert_eq!((&both[0]["link"], &both[1]["link"]), (&json!("lan"), &json!("wan")));
    assert_eq!((&both[1]["rtt_ms"], &both[1]["bandwidth_mbit"]), (&json!(40.0), &json!(100.0)));
    let report = cost("digits-cnn", "1x8x8", &["--rtt", "20", "--bandwidth", "8"]);
    let totals = &report["totals"];
    let links = totals["predicted"]["links"].as_object().unwrap();
    let busiest = links.values().map(|bytes| bytes.as_f64().unwrap()).fold(0.0, f64::max);
    let expected = totals["critical_path"].as_f64().unwrap() * 0.010 + busiest / 1e6;
    let [estimate] = &report["estimates"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!(estimate["link"], "custom");
    assert!((estimate["seconds"].as_f64().unwrap() - expected).abs() < 1e-9, "{estimate}");
    let slow = times(&["--link", "wan", "--rtt", "20"]);
    assert_eq!((&slow[0]["rtt_ms"], &slow[0]["bandwidth_mbit"]), (&json!(20.0), &json!(100.0)));
    assert!(slow[0]["seconds"].as_f64() < both[1]["seconds"].as_f64());
}

#[test]
fn a_cost_is_what_a_run_predicts_and_measures() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let config = path("net.toml");
    let text = "[network]\nnet = 'squeezenet'\ninput = [3, 17, 16]\nclasses = 5\n\
                [network.plan]\nfirst = 0\nsecond = 0.3\npool = 'avg'\nblocks.2.first = 0.5\n\
                [data-owner]\ncount = 2\n";
    std::fs::write(&config, text).unwrap();
    let output = run(["run", &config, "--report", &path("run.json")]);
    let text = succeed(&output);
    assert!(text.contains("weights and images are random, the same in every run: "), "{text}");
    let ran = json(path("run.json").as_ref());
    assert_eq!(ran["random_inputs"], json!(["weights", "images"]));
    assert_eq!(ran["wrong"], 0);
    assert_eq!(ran["accuracy"]["secure_correct"], Value::Null);
    assert!(ran["accuracy"]["max_abs_error"].as_f64().unwrap() < 0.05, "{}", ran["accuracy"]);
    assert!(ran["truncation_failure_bound"].as_f64().unwrap() < 1e-4);

    let cost = same_as_run(&["cost", &config, "--format", "json"], &ran);
    assert_eq!(cost["totals"]["online_bytes"], cost["totals"]["predicted"]["bytes"]);

    let csv = succeed(&run(["cost", &config, "--format", "csv"]));
    let heads = csv.lines().next().unwrap();
    assert!(heads.ends_with(",seconds,critical_path,nonlinear_values,parameters,macs"), "{heads}");
    assert!(csv.lines().all(|row| row.split(',').count() == heads.split(',').count()), "{csv}");
    let table = succeed(&run(["cost", &config]));
    assert!(table.starts_with("squeezenet, 2 images, securenn: predicted, not run\n"), "{table}");
}

#[test]
fn costs_of_the_dealer_suite_are_what_runs_measure() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (config, report) = (path("net.toml"), path("run.json"));
    for (net, input) in [
        ("squeezenet", "[1, 17, 16]"),
        ("shufflenet-v2", "[1, 16, 16]"),
        ("mobilenet-v2", "[1, 8, 8]"),
    ] {
        let text = format!(
            "[network]\nnet = '{net}'\ninput = {input}\nclasses = 3\nplan = 'ours'\n\
             [protocol]\nsuite = 'dealer'\n[model-owner]\n[data-owner]\n"
        );
        std::fs::write(&config, text).unwrap();
        succeed(&run(["run", &config, "--report", &report]));
        let ran = json(report.as_ref());
        assert_eq!((&ran["suite"], &ran["wrong"]), (&json!("dealer"), &json!(0)), "{net}");
        let cost = same_as_run(&["cost", &config, "--format", "json"], &ran);
        let totals = &cost["totals"];
        let stages = ["setup_bytes", "offline_bytes", "online_bytes"];
        let stages = stages.map(|stage| totals[stage].as_u64().unwrap());
        assert!(stages.iter().all(|&bytes| bytes > 0), "{net}: {stages:?}");
        assert_eq!(totals["predicted"]["bytes"], stages.iter().sum::<u64>(), "{net}");
    }
}

#[test]
fn wrong_networks_and_plans_are_refused() {
    let refused = |args: &[&str]| complaint(&command(args), 2);
    let net = |rest: &[&str]| {
        let base = ["cost", "--net", "squeezenet", "--input", "3x32x32", "--classes", "10"];
        refused(&[&base, rest].concat())
    };
    assert!(net(&["--plan", "best"]).contains("0.5-2-double"));
    assert!(net(&["--first", "1.5"]).contains("a ratio from 0 (removed) to 1 (kept)"));
    assert!(net(&["--activation", "gelu"]).contains("use one of relu, relu6, leaky-relu, none"));
    assert!(net(&["--rtt", "3"]).contains("--rtt and --bandwidth go together"));
    assert!(net(&["--bandwidth", "0", "--rtt", "1"]).contains("a number above 0"));
    assert!(net(&["--images", "0"]).contains("a number from 1 to 65536"));
    assert!(refused(&["cost"]).contains("give a CONFIG, or --net, --input and --classes"));
    assert!(refused(&["cost", "--net", "squeezenet"]).contains("--input <CxHxW>"));
    let cost = |net, input| ["cost", "--net", net, "--input", input, "--classes", "10"];
    assert!(refused(&cost("alexnet", "3x32x32")).contains("unknown network 'alexnet'"));
    assert!(refused(&cost("squeezenet", "3x32")).contains("write channels x height x width"));
    assert!(refused(&cost("squeezenet", "3x4x4")).contains("layer 'features."));
    let planned = [&cost("digits-cnn", "1x8x8")[..], &["--first", "0.5"]].concat();
    assert!(refused(&planned).contains("digits-cnn takes none"));
}

/// The names of the zoo's configs say what is in them.
#[test]
fn configs_of_the_zoo_are_what_they_are_called() {
    let datasets = [
        ("cifar10", "3, 32, 32", 10),
        ("cifar100", "3, 32, 32", 100),
        ("mnist", "1, 28, 28", 10),
        ("fashion-mnist", "1, 28, 28", 10),
        ("digits", "1, 28, 28", 10),
    ];
    for net in ["squeezenet", "shufflenet-v2", "mobilenet-v2"] {
        for (dataset, input, classes) in datasets {
            for plan in ["orig", "ours"] {
                let name = format!("configs/{net}-{dataset}-{plan}.toml");
                let file = repository(&name);
                let text = std::fs::read_to_string(&file).unwrap();
                let network = format!(
                    "[network]\nnet = \"{net}\"\ninput = [{input}]\nclasses = {classes}\n\
                     plan = \"{plan}\"\n"
                );
                assert!(text.contains(&network), "{name}: {text}");
                assert!(text.contains(&format!("-- run {name}\n")), "{name}: {text}");
                let output = run(["cost", file.to_str().unwrap(), "--format", "json"]);
                let report: Value = serde_json::from_str(&succeed(&output)).unwrap();
                let layers = report["layers"].as_array().unwrap();
                assert_eq!(layers.last().unwrap()["output_shape"], json!([classes]), "{name}");
                assert_eq!(report["images"], 1, "{name}");
            }
        }
    }
}

fn command(args: &[&str]) -> Output {
    tercet().args(args).output().expect("the command starts")
}

fn succeed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    stdout(output)
}

fn cost(net: &str, input: &str, options: &[&str]) -> Value {
    let network = ["cost", "--net", net, "--input", input, "--classes", "10", "--format", "json"];
    let text = succeed(&command(&[&network, options].concat()));
    serde_json::from_str(&text).expect("JSON")
}

/// The output of a cost command, after checking that it says what a run reported.
fn same_as_run(command: &[&str], ran: &Value) -> Value {
    let text = succeed(&self::command(command));
    let cost: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&cost["network"], &cost["images"]), (&ran["network"], &ran["images"]));
    let same = |cost: &Value, ran: &Value| {
        for (key, value) in cost.as_object().unwrap() {
            match key.as_str() {
                "measured" | "seconds" | "wire_bytes" => assert!(value.is_null(), "{key}"),
                _ => assert_eq!(value, &ran[key], "{key}"),
            }
        }
        assert_eq!(cost["predicted"], ran["measured"]);
    };
    same(&cost["totals"], &ran["totals"]);
    let layers = cost["layers"].as_array().unwrap().iter();
    let pairs = layers.zip(ran["layers"].as_array().unwrap());
    assert_eq!(pairs.len(), ran["layers"].as_array().unwrap().len());
    pairs.for_each(|(cost, ran)| same(cost, ran));
    cost
}

/// The rows of one table, or of all where it is empty.
fn tables(table: &str) -> Vec<Value> {
    let mut args = vec!["tables", "--format", "json"];
    args.extend(Some(table).filter(|table| !table.is_empty()));
    let tables: Value = serde_json::from_str(&succeed(&command(&args))).expect("JSON");
    tables["rows"].as_array().expect("rows").clone()
}
