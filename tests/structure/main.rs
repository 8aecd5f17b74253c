//! Imports go one way: between the crates, between the rooms of a crate and between the files of a
//! room.
//!
//! A room is a module at the top of a crate. [`CRATES`] draws the directions; whoever adds a room
//! puts it there, on the lowest level that is above all that it imports.

mod graph;
mod rooms;
mod source;
mod tokens;

use std::path::Path;

use graph::Graph;
use rooms::{CRATES, Crate};
use source::{CratePath, Source};

#[test]
fn rooms_import_in_the_drawn_direction() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let mut violations = Vec::new();
    for rules in CRATES {
        let source = Source::read(workspace, rules.name);
        let found = check(rules, &source);
        violations
            .extend(found.into_iter().map(|violation| format!("{}: {violation}", rules.name)));
    }
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn crates_depend_on_those_before_them() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    for (place, rules) in CRATES.iter().enumerate() {
        let file = workspace.join(rules.name).join("Cargo.toml");
        let manifest = std::fs::read_to_string(file).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for later in CRATES[place..].iter().filter(|later| later.name != rules.name) {
                let depends = manifest.get(kind).is_some_and(|kind| kind.get(later.name).is_some());
                assert!(!depends, "{} has {} among its {kind}", rules.name, later.name);
            }
        }
    }
}

/// The imports of a crate that go against what is drawn.
fn check(rules: &Crate, source: &Source) -> Vec<String> {
    let mut violations = Vec::new();
    if rules.levels.len() > rules.max_levels {
        let (levels, most) = (rules.levels.len(), rules.max_levels);
        violations.push(format!("there are {levels} levels, of at most {most}"));
    }
    let rooms: Vec<&str> =
        source.modules.keys().filter(|path| path.len() == 1).map(|path| &*path[0]).collect();
    let drawn: Vec<&str> = rules.levels.concat();
    for room in rooms.iter().filter(|room| !drawn.contains(room)) {
        violations.push(format!("room {room} is on no level: add it to tests/structure/rooms.rs"));
    }
    for room in drawn.iter().filter(|room| !rooms.contains(room)) {
        violations
            .push(format!("there is no room {room}: remove it from tests/structure/rooms.rs"));
    }

    let (mut between_rooms, mut between_files) = graphs(source, &mut violations);
    for exception in rules.exceptions {
        let (from, to) = (exception.from, exception.to);
        assert!(!exception.because.is_empty(), "{from} -> {to} needs a reason");
        if !between_rooms.remove(from, to) && !between_files.remove(from, to) {
            violations.push(format!("the exception {from} -> {to} is no longer needed: remove it"));
        }
    }
    let level = |room: &str| rules.levels.iter().position(|level| level.contains(&room));
    for (from, to, place) in between_rooms.edges() {
        if let (Some(own), Some(other)) = (level(from), level(to))
            && own <= other
        {
            violations.push(format!("{from} (level {own}) imports {to} (level {other}): {place}"));
        }
    }
    if !violations.is_empty()
        && let Some(levels) = between_rooms.levels(&rooms)
    {
        let levels: Vec<String> = levels.iter().map(|level| format!("\n    &{level:?},")).collect();
        violations.push(format!("the lowest levels of its rooms are{}", levels.concat()));
    }
    violations.extend(between_rooms.circles());
    violations.extend(between_files.circles());
    violations
}

/// Who imports whom among rooms, and among the files of the same room.
fn graphs(source: &Source, violations: &mut Vec<String>) -> (Graph, Graph) {
    let (mut between_rooms, mut between_files) = (Graph::default(), Graph::default());
    for (from, module) in source.modules.iter().filter(|(path, _)| !path.is_empty()) {
        for reference in &module.references {
            let place = format!("{}:{} {}", module.file, reference.line, reference.path.join("::"));
            let definition = source.definition(&reference.path);
            // What the crate's root re-exports belongs to a room all the same.
            let named = source.module_of(&reference.path);
            let Some(room) = named.first().or(definition.first()) else {
                violations
                    .push(format!("{} imports from the crate's root: {place}", from.join("::")));
                continue;
            };
            if *room != from[0] {
                between_rooms.add(&from[0], room, place);
            } else if !reference.is_re_export
                && definition.first() == Some(room)
                && module.file != source.modules[&definition].file
            {
                between_files.add(&file(source, from), &file(source, &definition), place);
            }
        }
    }
    (between_rooms, between_files)
}

/// The module that a module's file is, as text.
fn file(source: &Source, path: &CratePath) -> String {
    let whole = (1..=path.len()).map(|length| path[..length].to_vec());
    let mut whole = whole.filter(|part| source.modules[part].file == source.modules[path].file);
    whole.next().unwrap_or_else(|| path.clone()).join("::")
}

mod tests {
    use super::*;
    use rooms::Exception;

    const EXCEPTION: Exception = Exception { from: "a", to: "c", because: "of a test" };

    /// The violations of a crate of rooms a, b and c, where b has files of its own.
    fn violations(rules: &Crate, a: &str, b: &str, c: &str) -> Vec<String> {
        let files = [
            ("x/src/lib.rs", "mod a; mod b; mod c; pub use c::Item; pub const ROOT: u8 = 1;"),
            ("x/src/a.rs", a),
            ("x/src/b/mod.rs", b),
            ("x/src/b/one.rs", "use super::two::Two; pub struct One;"),
            ("x/src/b/two.rs", "use super::One; pub struct Two;"),
            ("x/src/c.rs", c),
        ];
        let source = Source::from_files("x/src", |name| {
            let found = files.iter().find(|(file, _)| *file == name);
            found.map(|(_, text)| (*text).to_owned())
        });
        check(rules, &source)
    }

    const RULES: Crate =
        Crate { name: "x", levels: &[&["a"], &["b"], &["c"]], max_levels: 3, exceptions: &[] };

    #[test]
    fn imports_of_lower_levels_are_in_order() {
        let c = "use crate::a::X; fn f() { crate::b::g() } pub struct Item;";
        assert_eq!(violations(&RULES, "", "use super::a;", c), [""; 0]);
    }

    #[test]
    fn an_import_from_above_is_shown_with_its_place() {
        let item = "pub struct Item;";
        let expected = "a (level 0) imports c (level 2): x/src/a.rs:2 c::Item";
        assert_eq!(violations(&RULES, "\nuse crate::c::Item;", "", item)[0], expected);
        // Also by way of the crate's root.
        let expected = "a (level 0) imports c (level 2): x/src/a.rs:1 Item";
        assert_eq!(violations(&RULES, "use crate::Item;", "", item)[0], expected);
        let root = violations(&RULES, "use crate::ROOT;", "", item);
        assert_eq!(root[0], "a imports from the crate's root: x/src/a.rs:1 ROOT");
    }

    #[test]
    fn an_exception_must_be_needed() {
        let rules = Crate { exceptions: &[EXCEPTION], ..RULES };
        assert_eq!(violations(&rules, "use crate::c::X;", "", ""), [""; 0]);
        let unneeded = &violations(&rules, "", "", "")[0];
        assert_eq!(unneeded, "the exception a -> c is no longer needed: remove it");
    }

    #[test]
    fn circles_of_rooms_and_of_files_are_shown() {
        let rooms = violations(&RULES, "use crate::b::X;", "use crate::a::X;", "");
        assert!(rooms.iter().any(|line| line.starts_with("circle a -> b -> a\n")), "{rooms:?}");
        let files = violations(&RULES, "", "mod one; mod two; pub use one::One;", "");
        let expected = "circle b::one -> b::two -> b::one\n    \
                        b::one -> b::two: x/src/b/one.rs:1 b::two::Two\n    \
                        b::two -> b::one: x/src/b/two.rs:1 b::One";
        assert_eq!(files, [expected]);
    }

    #[test]
    fn every_room_stands_on_a_level() {
        let rules = Crate { levels: &[&["a", "d"], &["b"]], max_levels: 1, ..RULES };
        let found = violations(&rules, "", "", "use crate::b::X;");
        let expected = [
            "there are 2 levels, of at most 1",
            "room c is on no level: add it to tests/structure/rooms.rs",
            "there is no room d: remove it from tests/structure/rooms.rs",
            "the lowest levels of its rooms are\n    &[\"a\", \"b\"],\n    &[\"c\"],",
        ];
        assert_eq!(found, expected);
    }
}
