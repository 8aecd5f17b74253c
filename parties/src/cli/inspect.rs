//! `tercet inspect`.

use std::{fs, path::PathBuf};

use nets::{Graph, NetworkCost, Suite};

use super::{say, summary};
use crate::{
    architecture::{NetworkFile, import},
    error::{Error, Result},
    report::{Layer, Size, Totals, shape_text},
    table::{Table, thousands},
};

/// What an ONNX model is made of, and what it will cost in private.
///
/// The other two parties need the architecture: --public-graph writes it without the weights, and
/// their configs name it as `graph` in [network].
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model, or a public graph (.json).
    model: PathBuf,
    /// Write the architecture for the other parties.
    #[arg(long, value_name = "FILE")]
    public_graph: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let (graph, notes) = match args.model.extension().is_some_and(|ending| ending == "json") {
        true => (NetworkFile::public(&args.model)?.graph, Vec::new()),
        false => {
            let import = import(&args.model)?;
            (import.graph, import.notes)
        }
    };
    say(&text_of(&graph, &notes)?)?;
    let Some(file) = &args.public_graph else {
        return Ok(());
    };
    let mut text = serde_json::to_string_pretty(&graph).expect("a graph has no odd keys");
    text.push('\n');
    fs::write(file, text).map_err(|error| Error::file(file, format!("cannot be written: {error}")))
}

fn text_of(graph: &Graph, notes: &[String]) -> Result<String> {
    let cost = NetworkCost::securenn(graph, 1)?;
    let layers = Layer::predicted(&cost.layers, &cost.depths());
    let totals = Totals::of(&layers).in_order(&layers, &cost);
    let heads = ["layer", "op", "output", "parameters", "MACs", "rounds", "bytes"];
    let mut table = Table::new(3, &[heads]);
    for layer in &layers {
        let Size { parameters, macs, .. } = layer.size.unwrap_or_default();
        let predicted = layer.predicted.unwrap_or_default();
        table.row([
            layer.name.clone(),
            layer.op.clone(),
            shape_text(&layer.output_shape),
            thousands(parameters),
            thousands(macs),
            predicted.rounds.to_string(),
            thousands(predicted.bytes),
        ]);
    }
    let Size { parameters, macs, .. } = totals.size.unwrap_or_default();
    let predicted = totals.predicted.unwrap_or_default();
    let mut text = format!(
        "{}: input {}, {} outputs, architecture {}\n\n{table}\n",
        graph.name(),
        graph.input(),
        graph.dims(graph.output()).len(),
        graph.hash().to_hex()
    );
    text += &format!("{} parameters, {} MACs\n", thousands(parameters), thousands(macs));
    text += &format!(
        "one image, {}: {} rounds, {:.3} MB\n",
        Suite::default(),
        predicted.rounds,
        predicted.bytes as f64 / 1e6
    );
    text += &summary::critical_path(&totals);
    notes.iter().for_each(|note| text += &format!("note: {note}\n"));
    Ok(text)
}
