//! Material made ahead and used up, and masked weights that outlive a session.

use std::path::{Path, PathBuf};

use crate::support::{
    Hosts, ROLES, complaint, digits, json, repository, run, stderr, stdout, tercet,
};
use serde_json::Value;

#[test]
fn queries_are_answered_once_without_the_crypto_producer() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (out, report) = (place("material"), place("report.json"));
    let config = repository("configs/digits.toml");
    let config = config.to_str().unwrap();
    let deal =
        ["deal", config, "--queries", "2", "--images", "4", "--out", &out, "--report", &report];
    let output = run(deal);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("2 queries of 4 images, session "), "{text}");
    assert!(text.ends_with("predicted = measured on every link of every layer\n"), "{text}");
    let dealt = json(report.as_ref());
    let totals = &dealt["totals"];
    assert_eq!(totals["predicted"], totals["measured"]);
    assert_eq!(totals["online_bytes"], 0);
    assert!(totals["offline_bytes"].as_u64() > Some(0) && totals["setup_bytes"].as_u64() > Some(0));
    let payload = totals["offline_bytes"].as_u64().unwrap();
    let file = dealt["material"]["file_bytes"]["model-owner"].as_u64().unwrap();
    assert!(file > payload && file < payload + 20_000, "{file} bytes for {payload}");

    let copies: Vec<(PathBuf, Vec<u8>)> = ["model-owner", "data-owner"]
        .iter()
        .flat_map(|role| queries(&Path::new(&out).join(role)))
        .map(|file| (file.clone(), std::fs::read(file).unwrap()))
        .collect();
    assert_eq!(copies.len(), 4);
    let answer = |images: &str| {
        run(["run", config, "--images", images, "--material", &out, "--report", &report])
    };
    let error = complaint(&answer("5"), 2);
    assert!(error.contains("it was made for 4 images, and there are 5"), "{error}");
    for (query, images) in [(0, "4"), (1, "3")] {
        let output = answer(images);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let report = json(report.as_ref());
        let correct = images.parse::<u64>().unwrap();
        assert_eq!(report["accuracy"]["secure_correct"], correct);
        assert_eq!(report["material"]["first"], query);
        assert_eq!(report["material"]["session"], dealt["material"]["session"]);
        let totals = &report["totals"];
        assert_eq!(totals["predicted"], totals["measured"]);
        assert_eq!((&totals["setup_bytes"], &totals["offline_bytes"]), (&0.into(), &0.into()));
        assert!(totals["seconds"]["online"].as_f64() > Some(0.0));
        let links = &totals["measured"]["links"];
        assert!(["P0->P2", "P1->P2", "P2->P0", "P2->P1"].iter().all(|link| links[link] == 0));
        assert_eq!(totals["cpu_seconds"].get("crypto-producer"), None);
    }
    let error = complaint(&answer("4"), 2);
    assert!(error.contains("has no query left: make more with `tercet deal`"), "{error}");
    for (file, content) in &copies {
        std::fs::write(file, content).unwrap();
    }
    let error = complaint(&answer("4"), 2);
    assert!(error.contains("2 that had been used before and were removed"), "{error}");
    let error = complaint(&run(["run", config, "--suite", "securenn", "--material", &out]), 2);
    assert!(error.contains("only the dealer suite makes material ahead"), "{error}");
}

#[test]
fn a_query_that_only_one_holds_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("material");
    let out = out.to_str().unwrap();
    let config = repository("configs/digits.toml");
    let config = config.to_str().unwrap();
    let dealt = run(["deal", config, "--queries", "2", "--images", "1", "--out", out]);
    assert!(dealt.status.success(), "{}", stderr(&dealt));
    let [own, other] = ["model-owner", "data-owner"].map(|role| Path::new(out).join(role));
    std::fs::remove_file(&queries(&own)[1]).unwrap();
    std::fs::remove_file(&queries(&other)[0]).unwrap();
    let answer = || run(["run", config, "--images", "1", "--material", out]);
    let error = complaint(&answer(), 1);
    assert!(error.contains("no query is left that both hold"), "{error}");
    assert_eq!((queries(&own).len(), queries(&other).len()), (1, 1));
    // A damaged file at one party costs the other nothing.
    let copy = queries(&own)[0].file_name().unwrap().to_owned();
    std::fs::write(other.join(copy), std::fs::read(&queries(&other)[0]).unwrap()).unwrap();
    assert!(complaint(&answer(), 1).contains("no query is left that both hold"));
    assert_eq!(queries(&own).len(), 1);
}

#[test]
fn labels_alone_are_dealt_for_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("material");
    let out = out.to_str().unwrap();
    let config = repository("configs/digits.toml");
    let config = config.to_str().unwrap();
    let deal =
        ["deal", config, "--queries", "1", "--images", "3", "--output", "label", "--out", out];
    let dealt = run(deal);
    assert!(dealt.status.success(), "{}", stderr(&dealt));
    let error = complaint(&run(["run", config, "--images", "2", "--material", out]), 2);
    assert!(error.contains("it was made for other bounds, fractional bits or output"), "{error}");
    let labels = ["run", config, "--images", "2", "--output", "label", "--material", out];
    let answered = run(labels);
    assert!(answered.status.success(), "{}", stderr(&answered));
    assert!(stdout(&answered).contains("correct: 2/2 secure"), "{}", stdout(&answered));
}

#[test]
fn hosts_deal_together_and_answer_in_two() {
    let hosts = Hosts::new();
    hosts.write_digits(&digits("test-images.idx3-ubyte"), 3);
    for role in ROLES {
        let file = hosts.path(&format!("{role}.toml"));
        let config = std::fs::read_to_string(&file).unwrap();
        let config = config.replace("[protocol]\n", "[protocol]\nsuite = \"dealer\"\n");
        std::fs::write(&file, config).unwrap();
    }
    let out = hosts.path("material");
    let start = |role: &str, more: &[&str]| {
        let mut party = tercet();
        let config = hosts.path(&format!("{role}.toml"));
        party.args(["party", role, "--config"]).arg(config).arg("--material").arg(&out).args(more);
        party.spawn().unwrap()
    };
    let dealers = ROLES.map(|role| start(role, &["--deal", "1"]));
    for dealer in dealers {
        let output = dealer.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).contains("1 queries of 3 images"), "{}", stdout(&output));
    }
    let idle = start("crypto-producer", &[]).wait_with_output().unwrap();
    assert!(complaint(&idle, 2).contains("takes no part in answers from material"));
    let parties = ["model-owner", "data-owner"].map(|role| start(role, &[]));
    let [model_owner, data_owner] = parties.map(|party| party.wait_with_output().unwrap());
    assert_eq!(model_owner.status.code(), Some(0), "{}", stderr(&model_owner));
    assert_eq!(data_owner.status.code(), Some(0), "{}", stderr(&data_owner));
    assert_eq!(stdout(&data_owner), "image,class\n0,4\n1,2\n2,6\n");
    let again = start("data-owner", &[]).wait_with_output().unwrap();
    assert!(complaint(&again, 2).contains("has no query left"));
}

#[test]
fn polynomials_are_dealt_for_with_their_masked_coefficients() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (config, out, report) = (place("x.toml"), place("material"), place("report.json"));
    let text = "[network]\nnet = 'cnn-7'\ninput = [3, 32, 32]\nclasses = 10\nplan = 'plan.toml'\n\
                [protocol]\nsuite = 'dealer'\n[model-owner]\nstate = 'p0'\n\
                [data-owner]\nstate = 'p1'\n[crypto-producer]\nstate = 'p2'\n";
    std::fs::write(&config, text).unwrap();
    let plan = "[activations]\nrelu2 = 'polynomial-2'\n[activations.relu1]\npolynomial-2 = '0-3'\n\
                polynomial-3 = '4-7'\npolynomial-0 = '8'\nsign = '9'\nnone = '10'\ntanh = '11'\n";
    std::fs::write(place("plan.toml"), plan).unwrap();
    let check = |args: &[&str]| {
        let common = ["--images", "2", "--report", &report];
        let output =
            tercet().arg(args[0]).arg(&config).args(common).args(&args[1..]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let report = json(report.as_ref());
        assert_eq!(report["totals"]["predicted"], report["totals"]["measured"]);
        report
    };
    let dealt = check(&["deal", "--queries", "2", "--out", &out]);
    assert!(dealt["totals"]["setup_bytes"].as_u64() > Some(0));
    for args in
        [["run", "--material", &out], ["run", "--material", &out], ["run", "--output", "logits"]]
    {
        let report = check(&args);
        assert_eq!(
            (&report["accuracy"]["agree"], &report["totals"]["setup_bytes"]),
            (&2.into(), &0.into())
        );
    }
}

#[test]
fn masked_weights_are_sent_once_where_they_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (config, report) = (directory.path().join("x.toml"), directory.path().join("report.json"));
    let text = format!(
        "[network]\nnet = \"digits-cnn\"\ninput = [1, 8, 8]\nclasses = 10\n\
         [protocol]\nsuite = \"dealer\"\n\
         [model-owner]\nstate = \"p0\"\nweights = {:?}\n\
         [data-owner]\nstate = \"p1\"\nimages = {:?}\ncount = 2\nscale = 0.0625\n\
         [crypto-producer]\nstate = \"p2\"\n",
        digits("digits-cnn.safetensors"),
        digits("test-images.idx3-ubyte"),
    );
    std::fs::write(&config, text).unwrap();
    let setup_bytes = |expected_images: u64| {
        let output = run(["run", config.to_str().unwrap(), "--report", report.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let report: Value = json(&report);
        assert_eq!(report["totals"]["predicted"], report["totals"]["measured"]);
        assert_eq!(report["accuracy"]["agree"], expected_images);
        report["totals"]["setup_bytes"].as_u64().unwrap()
    };
    let whole = setup_bytes(2);
    assert!(whole > 0);
    assert_eq!(setup_bytes(2), 0);
    // Who lost its part gets another: the data owner the same weights, the crypto producer a new
    // key.
    for lost in ["p1", "p2", "p0"] {
        std::fs::remove_dir_all(directory.path().join(lost)).unwrap();
        assert_eq!(setup_bytes(2), whole, "without {lost}");
        assert_eq!(setup_bytes(2), 0, "after {lost}");
    }
    let key = std::fs::read_dir(directory.path().join("p0")).unwrap().next().unwrap().unwrap();
    std::fs::write(key.path(), "short").unwrap();
    let damaged = run(["run", config.to_str().unwrap()]);
    assert!(stderr(&damaged).contains("is damaged: remove it, and a new one is made"));
    // As version 1 had it: a key and its hash.
    let old = [&[7; 32][..], blake3::hash(&[7; 32]).as_bytes()].concat();
    std::fs::write(key.path(), old).unwrap();
    let refused = complaint(&run(["run", config.to_str().unwrap()]), 2);
    assert!(refused.contains("is a `state` file of version 1"), "{refused}");
}

/// The material files of a directory, in order.
fn queries(directory: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let is_query = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "query");
    let mut files: Vec<PathBuf> = files.filter(is_query).collect();
    files.sort();
    files
}
