//! The hand-written pages of the documentation name everything in the registries.

use std::{fs, path::Path};

use nets::{SuiteName, functions::ActivationKind, zoo};

#[test]
fn every_function_stands_in_activations() {
    let functions = ActivationKind::all();
    assert_named("activations.md", functions.into_iter().map(ActivationKind::name));
}

#[test]
fn every_network_stands_in_models() {
    assert_named("models.md", zoo::names());
}

#[test]
fn every_suite_stands_in_suites() {
    assert_named("suites.md", SuiteName::ALL.into_iter().map(SuiteName::name));
}

/// Checks that a page has each name as code, so that one name within another does not count.
fn assert_named(page: &str, names: impl Iterator<Item = &'static str>) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let text = fs::read_to_string(docs.join(page)).unwrap();
    let missing: Vec<&str> = names.filter(|name| !text.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/{page} lacks {missing:?}");
}
