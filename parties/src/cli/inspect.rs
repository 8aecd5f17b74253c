//! `tercet inspect`.

use std::{fs, path::PathBuf};

use nets::{Graph, NetworkCost, Output, Suite, cost::Totals};
use protocols::Links;

use super::{say, summary};
use crate::{
    config::{
        Protocol,
        network_file::{NetworkFile, import},
    },
    error::{Error, Result},
    party::task::Task,
    report::{
        Layer, Size, shape_text,
        table::{Table, thousands},
    },
};

/// What an ONNX model is made of, and what it will cost in private, in both suites.
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
    let costs = Suite::ALL.map(|suite| cost_of(graph, suite));
    let layers_of = |cost: &NetworkCost| Layer::predicted(&cost.layers, &cost.depths());
    let [securenn, dealer] = &costs;
    let dealer: Vec<Layer> = dealer.as_ref().map(layers_of).unwrap_or_default();
    let securenn = securenn.as_ref().map_err(|error| Error::Usage(error.to_string()))?;
    let heads = [
        ["", "", "", "", "", "securenn", "", "dealer", ""],
        ["layer", "op", "output", "parameters", "MACs", "rounds", "bytes", "rounds", "bytes"],
    ];
    let mut table = Table::new(3, &heads);
    for (place, layer) in layers_of(securenn).into_iter().enumerate() {
        let Size { parameters, macs, .. } = layer.size.unwrap_or_default();
        let [rounds, bytes] = summary::traffic(layer.predicted);
        let [dealer_rounds, dealer_bytes] =
            summary::traffic(dealer.get(place).and_then(|layer| layer.predicted));
        table.row([
            layer.name,
            layer.op,
            shape_text(&layer.output_shape),
            thousands(parameters),
            thousands(macs),
            rounds,
            bytes,
            dealer_rounds,
            dealer_bytes,
        ]);
    }
    let mut text = format!(
        "{}: input {}, {} outputs, architecture {}\n\n{table}\n",
        graph.name(),
        graph.input(),
        graph.dims(graph.output()).len(),
        graph.hash().to_hex()
    );
    let Totals { parameters, macs, .. } = securenn.totals();
    text += &format!("{} parameters, {} MACs\n", thousands(parameters), thousands(macs));
    for (suite, cost) in Suite::ALL.into_iter().zip(&costs) {
        text += &match cost {
            Ok(cost) => one_image(suite, &cost.totals()),
            Err(error) => format!("one image, {suite}: {error}\n"),
        };
    }
    notes.iter().for_each(|note| text += &format!("note: {note}\n"));
    Ok(text)
}

/// One image in a suite's own fixed point, and in `dealer` with the bounds of a config that gives none.
fn cost_of(graph: &Graph, suite: Suite) -> Result<NetworkCost> {
    let wrong = |error: nets::Error| Error::Usage(error.to_string());
    let task = Task::new(graph.clone(), Output::Logits, &Protocol::default(), Some(suite), wrong)?;
    task.cost(1).map_err(wrong)
}

fn one_image(suite: Suite, totals: &Totals) -> String {
    let mb = |links: Links| links.total() as f64 / 1e6;
    let Totals { rounds, critical_path, links, setup_links, offline_links, .. } = *totals;
    let mut text =
        format!("one image, {suite}: {rounds} rounds, {critical_path} one-way latencies, ");
    text += &match suite {
        Suite::SecureNn => format!("{:.3} MB\n", mb(links)),
        Suite::Dealer => format!(
            "{:.3} MB online, {:.3} MB offline; {:.3} MB once for a model\n",
            mb(totals.online_links()),
            mb(offline_links),
            mb(setup_links)
        ),
    };
    text
}
