//! `tercet cost`.

use std::path::{Path, PathBuf};

use nets::{
    Dims, Output, SuiteName,
    graph::MAX_BATCH,
    zoo::{self, Kind, Pool, Ratios},
};
use protocols::Role;

use super::{
    links::{LinkArgs, number, positive},
    output::{Form, say},
    summary,
};
use crate::{
    config::{Config, Network, Protocol, is_plan_file, parse_suite},
    error::{Error, Result},
    party::Task,
    report::{
        Estimate, Layer, LinkModel, Report, Totals,
        columns::{COST_COLUMNS, LINKS, PAYLOAD_LAYER, PAYLOAD_TOTAL},
        text_table,
    },
};

/// What a network will cost, layer by layer, from its shapes alone: nothing is run.
///
/// The network is that of a config, or --net, --input and --classes; --plan and the options after
/// it change its activations. Shown are the published formula, the phases and payload that this
/// implementation will send, the critical path in one-way latencies, and how large the network is.
///
/// The predicted time is critical path * rtt / 2 + bytes of the busiest link / bandwidth; every
/// link has the whole bandwidth in each direction. Computing is not in it. Without --link, --rtt
/// and --bandwidth it is given for both presets. Where a suite sends something ahead of the query,
/// that is timed apart, by its own bytes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A config, as for `tercet run`; neither weights nor images are read.
    config: Option<PathBuf>,
    /// A network of the zoo: digits-cnn, squeezenet, shufflenet-v2, mobilenet-v2.
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "config",
        requires_all = ["input", "classes"]
    )]
    net: Option<String>,
    /// The size of an image: channels, height, width.
    #[arg(long, value_name = "CxHxW", conflicts_with = "config")]
    input: Option<Dims>,
    /// The number of classes.
    #[arg(long, value_name = "N", conflicts_with = "config", value_parser = classes)]
    classes: Option<usize>,
    /// A published plan of activations, or a TOML or JSON file that says which are exchanged; the
    /// net's own if not given.
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
    /// The factor of the widths of XONN's nets.
    #[arg(long, value_name = "S", conflicts_with = "config", value_parser = positive)]
    scale: Option<f64>,
    /// Ratio of the first activation of every block: 1 keeps it, 0 removes it, between is partial.
    #[arg(long, value_name = "Q", value_parser = ratio)]
    first: Option<f64>,
    /// Ratio of the second activation of every block.
    #[arg(long, value_name = "Q", value_parser = ratio)]
    second: Option<f64>,
    /// The kind of every activation: relu, relu6, leaky-relu or none.
    #[arg(long, value_name = "KIND")]
    activation: Option<Kind>,
    /// What pooling layers do: max or avg.
    #[arg(long, value_name = "KIND")]
    pool: Option<Pool>,
    /// The protocol suite.
    #[arg(long, value_parser = parse_suite)]
    suite: Option<SuiteName>,
    /// What the data owner learns: logits, or the label alone.
    #[arg(long, value_name = "WHAT")]
    output: Option<Output>,
    /// How many images, all in one batch; the config's count if not given, else 1.
    #[arg(long, value_name = "N", value_parser = images)]
    images: Option<usize>,
    /// Run branches of the network side by side: fewer latencies.
    #[arg(long)]
    overlap: bool,
    #[command(flatten)]
    links: LinkArgs,
    /// How to print it; JSON is the object of `tercet run --report`, without what only a run knows.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let links = match args.links.model()? {
        Some(link) => vec![link],
        None => vec![("lan", LinkModel::LAN), ("wan", LinkModel::WAN)],
    };
    let (network, protocol, images) = args.network()?;
    let wrong = |error: nets::Error| match &args.config {
        Some(file) => Error::file(file, format!("`network`: {error}")),
        None => Error::Usage(error.to_string()),
    };
    let mut network = args.with_plan(network).map_err(wrong)?;
    if let Some(file) = args.plan.as_deref().filter(|plan| is_plan_file(plan)) {
        network.set_plan_file(Some(Path::new(file)))?;
    }
    let task =
        Task::new(network.graph().map_err(wrong)?, network.output, &protocol, args.suite, wrong)?;
    let cost = task.cost(images).map_err(wrong)?;
    let layers = Layer::predicted(&cost.layers, &cost.depths());
    let totals = Totals::sum(&layers).in_order(&layers, &cost);
    let sums = cost.totals();
    let estimate = |(link, model): (_, LinkModel)| model.estimate(link, &sums);
    let report = Report {
        network: Some(network.net),
        images: Some(images),
        output: Some(task.suite.output()),
        estimates: links.into_iter().map(estimate).collect(),
        ..Report::new(task.suite.name(), layers, totals)
    };
    say(&match args.format {
        Form::Table => text_of(&report),
        Form::Json => report.json(),
        Form::Csv => report.csv(),
    })
}

impl Args {
    /// The network as it is before the options that change its activations.
    fn network(&self) -> Result<(Network, Protocol, usize)> {
        if let Some(file) = &self.config {
            let mut config = Config::load(file)?;
            config.protocol.overlap |= self.overlap;
            // A host other than the data owner's need not know how many.
            let count = config.data_owner().ok().and_then(|owner| owner.files.count);
            let images = self.images.or(count).unwrap_or(1);
            config.network.output = self.output.unwrap_or(config.network.output);
            return Ok((config.network, config.protocol, images));
        }
        let (Some(net), Some(input), Some(classes)) = (&self.net, self.input, self.classes) else {
            return Err(Error::Usage(
                "give a CONFIG, or --net, --input and --classes; see `tercet cost --help`".into(),
            ));
        };
        let input = [input.channels, input.height, input.width];
        let output = self.output.unwrap_or_default();
        let network = Network {
            net: net.clone(),
            input,
            classes,
            ratios: None,
            activation_plan: None,
            scale: self.scale.unwrap_or(1.0),
            file: None,
            output,
        };
        let protocol = Protocol { overlap: self.overlap, ..Protocol::default() };
        Ok((network, protocol, self.images.unwrap_or(1)))
    }

    fn with_plan(&self, network: Network) -> nets::Result<Network> {
        let Args { first, second, activation, pool, .. } = *self;
        let unchanged =
            first.is_none() && second.is_none() && activation.is_none() && pool.is_none();
        let named = self.plan.as_deref().filter(|plan| !is_plan_file(plan));
        if named.is_none() && unchanged {
            return Ok(network);
        }
        let net = zoo::with_ratios(&network.net)?;
        let mut plan = match (named, network.ratios.clone()) {
            (Some(name), _) => Ratios::published(net, name, network.dims())?,
            (None, Some(plan)) => plan,
            (None, None) => Ratios::original(net.kind()),
        };
        plan.first = first.unwrap_or(plan.first);
        plan.second = second.unwrap_or(plan.second);
        plan.activation = activation.unwrap_or(plan.activation);
        plan.pool = pool.unwrap_or(plan.pool);
        Ok(Network { ratios: Some(plan), ..network })
    }
}

fn text_of(report: &Report) -> String {
    let network = report.network.as_deref().unwrap_or_default();
    let images = report.images.unwrap_or(0);
    let heading = format!("{network}, {images} images, {}: predicted, not run\n", report.suite);
    let sizes = text_table(3, &COST_COLUMNS, &report.layers, &report.totals);
    let mut parts = vec![heading, sizes, payload(report)];
    let totals = &report.totals;
    let mut times = summary::critical_path(totals) + &summary::stages(totals);
    report.estimates.iter().for_each(|estimate| times += &time(estimate, totals.sent_ahead()));
    parts.push(times);
    parts.join("\n")
}

/// The line of an estimate.
fn time(estimate: &Estimate, ahead: bool) -> String {
    let Estimate { link, model, setup_seconds, offline_seconds, online_seconds, seconds } =
        estimate;
    let LinkModel { rtt_ms, bandwidth_mbit } = model;
    let time = if ahead {
        format!(
            "{online_seconds:.3} s online, {offline_seconds:.3} s offline, \
             {setup_seconds:.3} s setup"
        )
    } else {
        format!("{seconds:.3} s")
    };
    format!(
        "{link:<17}{time} at {rtt_ms} ms round trip and {bandwidth_mbit} Mbit/s, computing left \
         out\n"
    )
}

/// The payload of each link, by layers that send anything.
fn payload(report: &Report) -> String {
    let [a, b, c, d, e, f] = LINKS.each_ref();
    let columns = [&PAYLOAD_LAYER, a, b, c, d, e, f, &PAYLOAD_TOTAL];
    let sends = |layer: &&Layer| layer.predicted.unwrap_or_default().bytes > 0;
    let table = text_table(1, &columns, report.layers.iter().filter(sends), &report.totals);
    let parties = Role::ALL.map(|role| format!("P{} is the {role}", role.index()));
    format!("{table}{}\n", parties.join(", "))
}

fn classes(text: &str) -> std::result::Result<usize, String> {
    whole(text, 1_000_000)
        .filter(|&classes| classes >= 2)
        .ok_or("a number from 2 to 1000000".into())
}

fn images(text: &str) -> std::result::Result<usize, String> {
    whole(text, MAX_BATCH).ok_or(format!("a number from 1 to {MAX_BATCH}"))
}

fn whole(text: &str, most: usize) -> Option<usize> {
    text.parse().ok().filter(|number| (1..=most).contains(number))
}

fn ratio(text: &str) -> std::result::Result<f64, String> {
    number(text).filter(|ratio| *ratio <= 1.0).ok_or("a ratio from 0 (removed) to 1 (kept)".into())
}
