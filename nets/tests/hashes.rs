//! The hashes of all architectures of this repository and of their public files. Parties of
//! different builds compare the hashes and read the files, so `tests/data/graphs/hashes.txt` keeps
//! those of the first build; a line changes only with a version of the format.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use nets::{
    ActivationPlan, Dims, Graph, onnx,
    zoo::{self, Options, Ratios},
};

#[test]
fn architectures_and_their_files_are_what_they_were() {
    let text = fs::read_to_string(root().join("tests/data/graphs/hashes.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut expected: BTreeMap<&str, &str> =
        lines.map(|line| line.split_once(' ').unwrap()).collect();
    for (name, graph) in configs().into_iter().chain(models()).chain(nets()) {
        let file = blake3::hash(serde_json::to_string(&graph).unwrap().as_bytes());
        let seen = format!("{} {file}", graph.hash());
        assert_eq!(expected.remove(name.as_str()), Some(seen.as_str()), "{name}");
    }
    assert!(expected.is_empty(), "no longer there: {expected:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_wanted = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    entries.filter(is_wanted).collect()
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

/// The networks of the configs that name one of the zoo.
fn configs() -> Vec<(String, Graph)> {
    let graph = |path: &PathBuf| {
        let config: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        let network = config["network"].as_table().unwrap();
        let net = network.get("net")?.as_str().unwrap();
        let sizes = network["input"].as_array().unwrap().iter();
        let sizes: Vec<usize> = sizes.map(|size| size.as_integer().unwrap() as usize).collect();
        let input = Dims::new(sizes[0], sizes[1], sizes[2]);
        let classes = network["classes"].as_integer().unwrap() as usize;
        let mut options = Options::new(input, classes);
        options.scale = network.get("scale").map_or(1.0, |scale| scale.as_float().unwrap());
        let mut plan = ActivationPlan::default();
        if let Some(named) = network.get("plan").map(|plan| plan.as_str().unwrap()) {
            if named.ends_with(".toml") {
                let file = root().join("configs").join(named);
                plan = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
            } else {
                let published = zoo::with_ratios(net).unwrap();
                options.ratios = Some(Ratios::published(published, named, input).unwrap());
            }
        }
        Some((name(path), plan.apply(&zoo::build(net, &options).unwrap()).unwrap()))
    };
    files("configs", "toml").iter().filter_map(graph).collect()
}

fn models() -> Vec<(String, Graph)> {
    let graph = |path: &PathBuf| (name(path), onnx::read(path).unwrap().graph);
    files("tests/onnx", "onnx").iter().map(graph).collect()
}

fn nets() -> Vec<(String, Graph)> {
    let sizes = [(Dims::new(3, 32, 32), 10), (Dims::new(1, 28, 28), 7)];
    let graph = |(net, (input, classes)): (&str, (Dims, usize))| {
        let graph = zoo::build(net, &Options::new(input, classes)).ok()?;
        Some((format!("zoo/{net}/{input}/{classes}"), graph))
    };
    zoo::names().flat_map(|net| sizes.map(|size| (net, size))).filter_map(graph).collect()
}
