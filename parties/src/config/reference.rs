//! `docs/config.md`, printed from the table of keys.

use std::{fmt::Write, fs, path::Path};

use super::{
    key::{Kind, TableSpec},
    keys::TABLES,
};

const HEAD: &str = "\
# Configs

<!-- Printed from the table of keys in parties/src/config/keys.rs: change that, then run
     TERCET_BLESS=1 cargo test -p parties config_reference -->

A config is one TOML file for all parties. `tercet run` reads all of it. On real hosts the three
parties have the same `[network]`, `[protocol]`, `[addresses]` and `[certificates]`, and each its
own table alone. Relative paths start from the config's directory.
";

/// The columns that the document keeps to.
const WIDTH: usize = 100;

#[test]
fn config_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
    let due = document();
    if std::env::var_os("TERCET_BLESS").is_some() {
        fs::write(&path, &due).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == due,
        "docs/config.md is stale; to write it anew: \
         TERCET_BLESS=1 cargo test -p parties config_reference"
    );
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    TABLES.into_iter().for_each(|table| describe(table, &mut text));
    text
}

fn describe(table: &TableSpec, text: &mut String) {
    let TableSpec { name, purpose, keys } = table;
    writeln!(text, "\n## `[{name}]`\n\n{}", wrapped(purpose, "", "")).unwrap();
    text.push('\n');
    for key in *keys {
        let default = (key.default)();
        let kind = match &key.kind {
            Kind::Path => "a path".into(),
            Kind::Output => "a path to write to".into(),
            kind => kind.expected(),
        };
        let default = match default.strip_prefix("required") {
            Some(when) => format!("Required{when}."),
            None => format!("Default: {default}."),
        };
        let entry = format!("**`{}`** ({kind}). {} {default}", key.name, key.meaning);
        writeln!(text, "{}", wrapped(&entry, "- ", "  ")).unwrap();
    }
}

fn wrapped(text: &str, first: &str, others: &str) -> String {
    let mut lines = String::new();
    let mut line = first.to_owned();
    for word in text.split(' ') {
        if line.len() + word.len() + 1 > WIDTH {
            lines += line.trim_end();
            lines.push('\n');
            line = others.to_owned();
        }
        line += word;
        line.push(' ');
    }
    lines + line.trim_end()
}
