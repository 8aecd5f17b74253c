//! `tercet inspect`.

use std::{fs, path::PathBuf};

use nets::{Graph, NetworkCost, Output, SuiteName, cost::Totals};
use protocols::Links;

use super::output::say;
use crate::{
    config::{NetworkFile, Protocol, import},
    error::{Error, FileProblem, Result},
    party::Task,
    report::{
        Layer, Table,
        columns::{
            Column, LAYER, MACS, OP, OUTPUT, PARAMETERS, PREDICTED_BYTES, PREDICTED_ROUNDS, Row,
        },
        thousands,
    },
};

/// What an ONNX model is made of, and what it will cost in private, in both suites.
///
/// The other two parties need the architecture: --public-graph writes it without the weights, and
/// their configs name it as `graph` in [network].
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model, or a public graph (.json).
    model: PathBuf,
    /// Write the architecture for the other parties.
    #[arg(long, value_name = "FILE")]
    public_graph: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let is_public = args.model.extension().is_some_and(|ending| ending == "json");
    let (graph, notes) = if is_public {
        (NetworkFile::public(&args.model)?.graph, Vec::new())
    } else {
        let import = import(&args.model)?;
        (import.graph, import.notes)
    };
    say(&text_of(&graph, &notes)?)?;
    let Some(file) = &args.public_graph else {
        return Ok(());
    };
    let mut text = serde_json::to_string_pretty(&graph).expect("a graph has no odd keys");
    text.push('\n');
    fs::write(file, text).map_err(|error| FileProblem::Unwritable(error).with_file(file))
}

fn text_of(graph: &Graph, notes: &[String]) -> Result<String> {
    let costs = SuiteName::ALL.map(|suite| cost_of(graph, suite));
    let [securenn, dealer] = &costs;
    let securenn = securenn.as_ref().map_err(|error| Error::Usage(error.to_string()))?;
    let table = layer_table(securenn, dealer.as_ref().ok());
    let mut text = format!(
        "{}: input {}, {} outputs, architecture {}\n\n{table}\n",
        graph.name(),
        graph.input(),
        graph.dims(graph.output()).len(),
        graph.hash().to_hex()
    );
    let Totals { parameters, macs, .. } = securenn.totals();
    text += &format!("{} parameters, {} MACs\n", thousands(parameters), thousands(macs));
    for (suite, cost) in SuiteName::ALL.into_iter().zip(&costs) {
        text += &match cost {
            Ok(cost) => one_image(suite, &cost.totals()),
            Err(error) => format!("one image, {suite}: {error}\n"),
        };
    }
    notes.iter().for_each(|note| text += &format!("note: {note}\n"));
    Ok(text)
}

/// The layers in both suites, as far as they run in `dealer`.
fn layer_table(securenn: &NetworkCost, dealer: Option<&NetworkCost>) -> Table {
    static HEAD: [&Column; 5] = [&LAYER, &OP, &OUTPUT, &PARAMETERS, &MACS];
    static TRAFFIC: [&Column; 2] = [&PREDICTED_ROUNDS, &PREDICTED_BYTES];
    let headings = |columns: &[&'static Column]| {
        columns.iter().map(|column| column.heading).collect::<Vec<_>>()
    };
    let heads = [
        vec!["", "", "", "", "", "securenn", "", "dealer", ""],
        [headings(&HEAD), headings(&TRAFFIC), headings(&TRAFFIC)].concat(),
    ];
    let mut table = Table::new(3, &heads);
    let rows = |cost: &NetworkCost| {
        let layers = Layer::predicted(&cost.layers, &cost.depths());
        layers.iter().map(Row::from).collect::<Vec<_>>()
    };
    let dealer = dealer.map(rows).unwrap_or_default();
    for (place, row) in rows(securenn).iter().enumerate() {
        let traffic = |row: Option<&Row>| {
            TRAFFIC.map(|column| row.map_or("-".into(), |row| column.shown(row)))
        };
        let head = HEAD.map(|column| column.shown(row));
        table.row([&head[..], &traffic(Some(row)), &traffic(dealer.get(place))].concat());
    }
    table
}

/// The cost of one image in a suite's own fixed point, and in `dealer` with the bounds of a config
/// that gives none.
fn cost_of(graph: &Graph, suite: SuiteName) -> Result<NetworkCost> {
    let wrong = |error: nets::Error| Error::Usage(error.to_string());
    let task = Task::new(graph.clone(), Output::Logits, &Protocol::default(), Some(suite), wrong)?;
    task.cost(1).map_err(wrong)
}

fn one_image(suite: SuiteName, totals: &Totals) -> String {
    let mb = |links: Links| links.total() as f64 / 1e6;
    let Totals { rounds, critical_path, links, setup_links, offline_links, .. } = *totals;
    let mut text =
        format!("one image, {suite}: {rounds} rounds, {critical_path} one-way latencies, ");
    text += &match suite {
        SuiteName::SecureNn => format!("{:.3} MB\n", mb(links)),
        SuiteName::Dealer => format!(
            "{:.3} MB online, {:.3} MB offline; {:.3} MB once for a model\n",
            mb(totals.online_links()),
            mb(offline_links),
            mb(setup_links)
        ),
    };
    text
}
