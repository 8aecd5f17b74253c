//! The trained nets of `tests/data` compute what PyTorch computed with them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nets::{Dims, Model, Weights, reference, zoo};

/// The number of images, which a debug build computes in seconds.
const IMAGES: usize = 24;

#[test]
fn squeezenet_as_published_is_the_one_that_was_trained() {
    check("squeezenet-digits", "squeezenet", Some("orig"));
}

#[test]
fn squeezenet_of_the_crypto_oriented_plan_is_the_one_that_was_trained() {
    check("squeezenet-digits", "squeezenet", Some("ours"));
}

#[test]
fn the_minionn_net_is_the_one_that_was_trained() {
    check("minionn-mnist-digits", "minionn-mnist", None);
}

#[test]
fn the_nets_of_squares_are_those_that_were_trained() {
    check("secureml-digits", "secureml", None);
    check("cryptonets-digits", "cryptonets", None);
}

#[test]
fn the_binary_nets_are_those_that_were_trained() {
    check("xonn-bm3-digits", "xonn-bm3", None);

    // CSV: a header, then 30 features and a label.
    let rows = fs::read_to_string(data("breast-cancer", "test.csv")).unwrap();
    let features = |row: &str| row.split(',').take(30).map(number).collect::<Vec<f64>>();
    let tumours: Vec<f64> = rows.lines().skip(1).flat_map(features).collect();
    let options = zoo::Options::new(Dims::flat(30), 2);
    check_logits("breast-cancer", "xonn-cancer", &options, "", &tumours);
}

/// Checks the logits of the first held-out digits.
fn check(folder: &str, net: &str, plan: Option<&str>) {
    let input = Dims::new(1, 28, 28);
    let mut options = zoo::Options::new(input, 10);
    options.ratios = plan
        .map(|plan| zoo::Ratios::published(zoo::with_ratios(net).unwrap(), plan, input).unwrap());
    let suffix = plan.map(|plan| format!("-{plan}")).unwrap_or_default();

    // IDX: 16 bytes of header, then a byte a pixel.
    let pixels = fs::read(data("squeezenet-digits", "test-images.idx3-ubyte")).unwrap();
    let pixels = &pixels[16..][..IMAGES * input.len()];
    let images: Vec<f64> = pixels.iter().map(|&pixel| f64::from(pixel) / 255.0).collect();
    check_logits(folder, net, &options, &suffix, &images);
}

/// Checks logits against PyTorch's, which were computed in double precision from the same weights
/// and are stored with nine digits.
fn check_logits(folder: &str, net: &str, options: &zoo::Options, suffix: &str, images: &[f64]) {
    let graph = zoo::build(net, options).unwrap();
    let weights = data(folder, &format!("{net}{suffix}.safetensors"));
    let weights = Weights::read(&weights, &graph).unwrap();
    let model = Model::fold(&graph, &weights).unwrap();
    let logits = reference::float(&graph, &model, images).unwrap().pop().unwrap();

    let expected = fs::read_to_string(data(folder, &format!("expected-logits{suffix}.csv")));
    let expected = expected.unwrap();
    for (line, got) in expected.lines().skip(1).zip(logits.chunks_exact(options.classes)) {
        let row: Vec<f64> = line.split(',').map(number).collect();
        for (expected, got) in row[1..].iter().zip(got) {
            assert!((expected - got).abs() < 1e-6, "{expected} {got}");
        }
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

fn data(folder: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(folder).join(file)
}
