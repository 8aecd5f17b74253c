//! The layers of an ONNX file, and what one image costs in private, layer by layer in each suite.
//!
//! ```console
//! $ cargo run -p nets --example onnx -- model.onnx
//! ```

use std::{env, fmt::Write, path::Path};

use nets::{Error, Output, SuiteName, onnx};

/// The file that is read where none is named.
pub(crate) const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/onnx/pytorch.onnx");

fn main() -> Result<(), Error> {
    let file = env::args().nth(1).unwrap_or_else(|| DEFAULT.to_owned());
    print!("{}", table(Path::new(&file))?);
    Ok(())
}

/// Rounds and bytes of each layer, and of the whole run, in each suite.
pub(crate) fn table(file: &Path) -> Result<String, Error> {
    let onnx::Import { graph, notes, .. } = onnx::read(file)?;
    let mut costs = Vec::new();
    for suite in SuiteName::ALL {
        let suite = suite.with_defaults(graph.clone(), Output::Logits)?;
        costs.push(suite.cost(1)?);
    }

    let mut text = format!("{:16} {:10} {:>10}", "layer", "op", "output");
    for cost in &costs {
        write!(text, " {:>22}", format!("{}: rounds, bytes", cost.suite)).expect("to a string");
    }
    for id in graph.ids() {
        let node = graph.node(id);
        let dims = graph.dims(id).to_string();
        write!(text, "\n{:16} {:10} {dims:>10}", node.name, node.op.name()).expect("to a string");
        for cost in &costs {
            let predicted = &cost.layers[id.index()].predicted;
            let (rounds, bytes) = (predicted.rounds(), predicted.links().total());
            write!(text, " {rounds:>11} {bytes:>10}").expect("to a string");
        }
    }
    write!(text, "\n{:38}", "total").expect("to a string");
    for cost in &costs {
        let totals = cost.totals();
        write!(text, " {:>11} {:>10}", totals.rounds, totals.bytes).expect("to a string");
    }
    for note in notes {
        write!(text, "\nnote: {note}").expect("to a string");
    }
    Ok(text + "\n")
}
