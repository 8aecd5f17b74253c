//! How large values get: what `calibrate` says and writes, and what the model owner hears before a
//! run.

use std::process::Output;

use crate::support::{Hosts, complaint, digits, json, repository, run, stderr, stdout, tercet};
use nets::{Dims, PublicBounds, zoo};
use serde_json::Value;

const CONFIG: &str = "configs/digits.toml";

#[test]
fn the_digits_fit_whatever_the_image() {
    let calibration = calibrate(CONFIG, &["--images", "30"]);
    assert_eq!(
        (&calibration["samples"], &calibration["fractional_bits"]),
        (&30.into(), &13.into())
    );
    let layers = calibration["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 11);
    for layer in layers {
        let magnitude = |key: &str| layer[key].as_f64().unwrap();
        assert_eq!(layer["verdict"], "certain", "{layer}");
        assert!(magnitude("seen") <= magnitude("interval"), "{layer}");
        assert_eq!(magnitude("calibrated"), 4.0 * magnitude("seen"), "{layer}");
    }
    let bits = |key: &str| calibration[key].as_u64().unwrap();
    assert!(13 <= bits("certain_bits") && bits("certain_bits") <= bits("likely_bits"));
    assert!(calibration["failure"].as_f64().unwrap() < 1e-6);
}

#[test]
fn deep_networks_fit_by_their_samples() {
    let calibration = calibrate("configs/shufflenet-v2-digits-orig.toml", &["--images", "2"]);
    assert_eq!(calibration["random_inputs"], serde_json::json!(["weights", "images"]));
    assert_eq!(calibration["certain_bits"], Value::Null);
    assert!(calibration["likely_bits"].as_u64().unwrap() >= 13);
    let layers = calibration["layers"].as_array().unwrap();
    assert_eq!(layers.last().unwrap()["verdict"], "likely");
}

#[test]
fn bounds_print_for_people_and_as_csv() {
    let text = succeed(&command(CONFIG, &["--images", "3"]));
    assert!(text.starts_with("digits-cnn, securenn, 13 fractional bits, input from 0 to 15.94, "));
    assert!(text.contains("3 samples, margin 4\n") && text.contains("conv1    conv     certain"));
    assert!(text.contains("fractional bits up to "), "{text}");
    let csv = succeed(&command(CONFIG, &["--format", "csv"]));
    assert!(csv.starts_with("layer,op,verdict,interval,"), "{csv}");
    assert_eq!(csv.lines().count(), 1 + 11);
    assert!(complaint(&command(CONFIG, &["--margin", "3"]), 2).contains("a margin of 3"));
    let many = complaint(&command(CONFIG, &["--images", "361"]), 2);
    assert!(many.contains("holds 360 images"), "{many}");
}

#[test]
fn the_file_for_the_others_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let graph = zoo::build("digits-cnn", &zoo::Options::new(Dims::new(1, 8, 8), 10)).unwrap();
    let written = |options: &[&str]| {
        let file = directory.path().join("bounds.json");
        succeed(&command(CONFIG, &[&["--out", file.to_str().unwrap()], options].concat()));
        PublicBounds::parse(&std::fs::read_to_string(file).unwrap(), &graph).unwrap()
    };
    let bounds = written(&[]);
    assert_eq!((bounds.fractional_bits, bounds.margin), (13, 4.0));
    let magnitude = |bounds: &PublicBounds, layer| bounds.layer(layer).unwrap().magnitude;
    let (first, last) = (magnitude(&bounds, "conv1"), magnitude(&bounds, "fc2"));
    assert!(first < last, "{bounds:?}");
    let alike = written(&["--alike"]);
    assert_eq!((magnitude(&alike, "conv1"), magnitude(&alike, "fc2")), (last, last));
    let nowhere = complaint(&command(CONFIG, &["--out", "no/such/bounds.json"]), 2);
    assert!(nowhere.contains("its directory does not exist"), "{nowhere}");
}

#[test]
fn the_dealer_suite_has_a_ring_and_a_bound_for_every_layer() {
    let options = ["--suite", "dealer", "--images", "30"];
    let calibration = calibrate(CONFIG, &options);
    assert_eq!(calibration["suite"], "dealer");
    let layers = calibration["layers"].as_array().unwrap();
    for layer in layers {
        let bits = |key: &str| layer[key].as_u64();
        match (bits("k"), bits("l")) {
            (Some(k), Some(l)) => {
                assert!(
                    k < l && l <= 64 && layer["bytes_per_value"].as_f64() > Some(30.0),
                    "{layer}"
                );
                let shift = if layer["op"] == "relu" { 13 } else { 0 };
                assert_eq!(bits("shift"), Some(shift), "{layer}");
            }
            (k, l) => assert_eq!((k, l), (None, None), "{layer}"),
        }
        assert_ne!(layer["verdict"], "overflows", "{layer}");
    }
    let least = |key: &str| calibration[key].as_u64().unwrap();
    assert!(least("likely_magnitude_bits") <= least("certain_magnitude_bits"));
    let mb = |key: &str| calibration[key].as_f64().unwrap();
    assert!(mb("calibrated_mb_per_image") < mb("mb_per_image"), "{calibration}");
    let text = succeed(&command(CONFIG, &options));
    assert!(text.contains("magnitude_bits from ") && text.contains("B/value"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    let csv = succeed(&command(CONFIG, &[&options[..], &["--format", "csv"]].concat()));
    assert!(
        csv.starts_with("layer,op,verdict,interval,seen,calibrated,source,k,l,shift,"),
        "{csv}"
    );
}

#[test]
fn a_run_says_which_bound_each_layer_has() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (bounds, config, report) = (file("bounds.json"), file("config.toml"), file("report.json"));
    succeed(&command(CONFIG, &["--suite", "dealer", "--out", &bounds]));
    let text = std::fs::read_to_string(repository(CONFIG)).unwrap();
    let data = format!("{}/", repository("tests").to_str().unwrap());
    let text = text.replace("../tests/", &data);
    let own = text.replace("\"securenn\"", &format!("\"dealer\"\nbounds = {bounds:?}"));
    std::fs::write(&config, own).unwrap();
    let ran = run(["run", &config, "--images", "3", "--report", &report]);
    assert!(ran.status.success(), "{}", stderr(&ran));
    let report = json(report.as_ref());
    let layers = report["layers"].as_array().unwrap();
    let bound = |name: &str| &layers.iter().find(|layer| layer["name"] == name).unwrap()["bound"];
    assert!(bound("relu1")["bits"].as_u64() > Some(26), "{}", bound("relu1"));
    assert!(["interval", "calibration"].map(Value::from).contains(&bound("relu1")["source"]));
    assert_eq!(bound("conv1"), &Value::Null);
}

#[test]
fn the_model_owner_hears_of_a_layer_that_could_leave_its_bound() {
    let hosts = Hosts::new();
    // Without its key it stops before it looks for the others.
    std::fs::remove_file(hosts.path("keys/model-owner.key")).unwrap();
    let party = |own: &str, magnitude: u32| {
        let own = format!("weights = {:?}\n{own}", digits("digits-cnn.safetensors"));
        let suite = format!("suite = \"dealer\"\nmagnitude_bits = {magnitude}");
        let config = hosts
            .write("model-owner", &own, |config| config.replace("fractional_bits = 13", &suite));
        run(["party", "model-owner", "--config", config.to_str().unwrap()])
    };
    let samples = format!("scale = 0.0625\ncalibration = {:?}", digits("test-images.idx3-ubyte"));
    let fine = complaint(&party("", 20), 2);
    assert!(fine.contains("model-owner.key"), "{fine}");

    let warned = stderr(&party("", 4));
    let [warning, error] = warned.lines().collect::<Vec<_>>()[..] else { panic!("{warned}") };
    assert!(warning.contains("could leave its bound of 2^4 on some images: name"), "{warning}");
    assert!(warning.contains("`protocol.magnitude_bits` (4) to "), "{warning}");
    assert!(error.contains("model-owner.key"), "{error}");

    let leaves = complaint(&party(&samples, 1), 2);
    assert!(leaves.contains("leaves its bound of 2^1 on the samples: set `protocol"), "{leaves}");
    assert!(leaves.contains("`protocol.bounds` to a file of `tercet calibrate --out`"), "{leaves}");
}

#[test]
fn the_model_owner_hears_of_a_layer_that_could_overflow() {
    let hosts = Hosts::new();
    // Without its key it stops before it looks for the others.
    std::fs::remove_file(hosts.path("keys/model-owner.key")).unwrap();
    let party = |own: &str, bits: u32| {
        let own = format!("weights = {:?}\n{own}", digits("digits-cnn.safetensors"));
        let bits = format!("fractional_bits = {bits}");
        let config = hosts
            .write("model-owner", &own, |config| config.replace("fractional_bits = 13", &bits));
        run(["party", "model-owner", "--config", config.to_str().unwrap()])
    };
    let samples = format!("scale = 0.0625\ncalibration = {:?}", digits("test-images.idx3-ubyte"));
    let fine = complaint(&party("", 13), 2);
    assert!(fine.contains("model-owner.key"), "{fine}");

    let warned = stderr(&party("", 22));
    let [warning, error] = warned.lines().collect::<Vec<_>>()[..] else { panic!("{warned}") };
    assert!(warning.contains("could overflow on some images: name samples as"), "{warning}");
    assert!(warning.contains("`protocol.fractional_bits` (22) to "), "{warning}");
    assert!(error.contains("model-owner.key"), "{error}");

    // Doubtful by its weights, fine by its samples.
    let fine = complaint(&party(&samples, 20), 2);
    assert!(fine.contains("model-owner.key"), "{fine}");

    let bright = samples.replace("0.0625", "8");
    let overflows = complaint(&party(&bright, 24), 2);
    assert!(overflows.contains("layer 'conv1' overflows: lower `protocol"), "{overflows}");
}

fn command(config: &str, options: &[&str]) -> Output {
    let config = repository(config);
    let mut command = tercet();
    command.arg("calibrate").arg(config).args(options).output().expect("the command starts")
}

fn calibrate(config: &str, options: &[&str]) -> Value {
    let text = succeed(&command(config, &[options, &["--format", "json"]].concat()));
    serde_json::from_str(&text).expect("JSON")
}

fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}
