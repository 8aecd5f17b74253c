//! The table of operators, and the page of the documentation that is made of it.

use std::{collections::HashSet, fmt::Write, fs, path::PathBuf};

use super::file::{Message, file, graph, input, node};
use crate::onnx::{
    operator::{Domain, Operator, Translation},
    operators::OPERATORS,
    parse,
    tail::NO_END,
};

#[test]
fn names_are_sorted_and_occur_once() {
    let names: Vec<&str> = OPERATORS.iter().map(|operator| operator.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
}

#[test]
fn each_operator_is_accepted_or_refused_for_its_reason() {
    let reason = |operator: &Operator| match operator.translation {
        Translation::Refused(reason) => Some(reason),
        Translation::Constant(_)
        | Translation::Parts(_)
        | Translation::View(_)
        | Translation::Activation(_)
        | Translation::Layers(_)
        | Translation::End(_) => None,
    };
    for operator in OPERATORS {
        let error = refusal(operator.name);
        let says = |reason| error.contains(&format!("'n' ({}) {reason}", operator.name));
        match reason(operator) {
            Some(reason) => assert!(says(reason), "{error}"),
            // It may lack inputs here, but is not refused for being what it is.
            None => assert!(!OPERATORS.iter().filter_map(reason).any(says), "{error}"),
        }
    }
    assert!(refusal("Frobnicate").contains("'n' (Frobnicate) is not supported"));
}

#[test]
fn what_is_for_the_end_only_is_refused_elsewhere() {
    for operator in OPERATORS {
        let Translation::End(end) = &operator.translation else {
            continue;
        };
        let nodes = [one(operator.name), node("Relu", "act", &["y"], "z")];
        let result = parse("net", &file(&graph(&nodes, &[input("x", &[1, 3])], &["z"])));
        match (end.within, result) {
            (Some(_), Ok(import)) => assert_eq!(import.graph.nodes().len(), 3),
            (None, Err(error)) => {
                let error = error.to_string();
                assert!(error.contains(&format!("'n' ({}) {NO_END}", operator.name)), "{error}");
            }
            (_, result) => panic!("{}: {result:?}", operator.name),
        }
    }
}

#[test]
fn conditions_are_those_of_supported_operators() {
    for operator in OPERATORS {
        let supported = match operator.translation {
            Translation::Refused(_) | Translation::End(_) => false,
            Translation::Constant(_)
            | Translation::Parts(_)
            | Translation::View(_)
            | Translation::Activation(_)
            | Translation::Layers(_) => true,
        };
        assert!(supported || operator.condition.is_empty(), "{}", operator.name);
    }
}

#[test]
fn the_page_of_operators_is_up_to_date() {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../docs/onnx.md"].iter().collect();
    let page = page();
    let long = page.lines().find(|line| line.chars().count() > WIDTH);
    assert_eq!(long, None, "a line of more than {WIDTH} columns");
    if std::env::var_os("TERCET_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == page,
        "docs/onnx.md is stale: write it again with TERCET_BLESS=1 cargo test -p nets --lib onnx"
    );
}

/// A node on three numbers; the coefficients are for linear models.
fn one(op: &str) -> Message {
    let floats: Vec<u8> = [1f32; 3].into_iter().flat_map(f32::to_le_bytes).collect();
    let coefficients = Message::default().text(1, "coefficients").bytes(7, &floats);
    node(op, "n", &["x"], "y").message(5, coefficients)
}

/// The error of a network of one node, or nothing if it can be read.
fn refusal(op: &str) -> String {
    let graph = graph(&[one(op)], &[input("x", &[1, 3])], &["y"]);
    parse("net", &file(&graph)).map_or_else(|error| error.to_string(), |_| String::new())
}

const WIDTH: usize = 100;

const HEAD: &str = "\
# ONNX operators

<!-- Generated: TERCET_BLESS=1 cargo test -p nets --lib onnx -->

A model is read from one ONNX file of at most 2 GiB and 10,000 nodes, as PyTorch, Keras and
scikit-learn export it. `tercet inspect model.onnx` says whether it can be read; all nodes that are
not supported are named in one error, each with what to use instead.

- **Input**: one, with a fixed image size and a batch that is open or 1. It is a vector, or an image
  or sequence with its channels first or last; images are always given channels first.
- **Output**: one that depends on the input. Several outputs of the same result, such as labels and
  probabilities, count as one.
- **Operator sets**: 7 or newer of `ai.onnx`, and `ai.onnx.ml`, marked (ml) below. Functions of
  other sets must be inlined.
- **Constants**: real numbers of 16, 32 and 64 bits, integers and truth values, stored in the file
  itself and not sparsely.
- **Data** is computed in fixed point, whatever its type of real numbers in the file.
";

const SUPPORTED: &str = "
## Supported

Operators with \"yes\" for constants are also computed at import, where all inputs are constants.

| operator | constants | condition |
|---|---|---|
";

const ENDS: &str = "
## At the end of a model

The data owner computes these in clear on the network's result, and the import says so. A network
goes on after them only where they are a layer as well.

| operator | elsewhere | the network's result |
|---|---|---|
";

const REFUSED: &str = "
## Not supported

The import names each of these nodes and, in these words, what to use instead. Those that are listed
above may still follow the end of a model.

";

const FOLDED: &str = "
## On constants only

These are computed at import where all inputs are constants, and refused otherwise.

";

/// docs/onnx.md.
fn page() -> String {
    let mut page = format!("{HEAD}{SUPPORTED}");
    for operator in OPERATORS {
        let condition = match operator.translation {
            Translation::Constant(_)
            | Translation::Parts(_)
            | Translation::View(_)
            | Translation::Activation(_)
            | Translation::Layers(_) => operator.condition,
            Translation::End(_) | Translation::Refused(_) => continue,
        };
        let folds = if operator.fold.is_some() { "yes" } else { "" };
        writeln!(page, "| {} | {folds} | {condition} |", code(operator)).unwrap();
    }
    page += ENDS;
    for operator in OPERATORS {
        if let Translation::End(end) = &operator.translation {
            let elsewhere = if end.within.is_some() { "a layer" } else { "refused" };
            writeln!(page, "| {} | {elsewhere} | {} |", code(operator), end.note).unwrap();
        }
    }
    let after = codes(|operator| operator.after_result);
    page += &wrapped(&format!("\nLeft to the data owner too where they follow: {after}."), "");
    page += FOLDED;
    page += &reasons(|operator| operator.fold.is_some());
    page += REFUSED;
    page += &reasons(|operator| operator.fold.is_none());
    page + "- any other operator: is not supported\n"
}

/// Refused operators by reason, in the order of the table.
fn reasons(choose: fn(&Operator) -> bool) -> String {
    let mut text = String::new();
    let mut seen = HashSet::new();
    for operator in OPERATORS.iter().filter(|operator| choose(operator)) {
        let Translation::Refused(reason) = operator.translation else {
            continue;
        };
        if seen.insert(reason) {
            let names = codes(|other| {
                choose(other)
                    && matches!(other.translation, Translation::Refused(other) if other == reason)
            });
            text += &wrapped(&format!("- {names}: {reason}"), "  ");
        }
    }
    text
}

fn codes(choose: impl Fn(&Operator) -> bool) -> String {
    let chosen: Vec<String> = OPERATORS.iter().filter(|other| choose(other)).map(code).collect();
    chosen.join(", ")
}

fn code(operator: &Operator) -> String {
    match operator.domain {
        Domain::Onnx => format!("`{}`", operator.name),
        Domain::Ml => format!("`{}` (ml)", operator.name),
    }
}

/// Words in lines of at most [`WIDTH`] columns, all but the first behind an indent.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("it begins with one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("{indent}{word}"));
        }
    }
    lines.join("\n") + "\n"
}
