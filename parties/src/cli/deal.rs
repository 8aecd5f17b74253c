//! `tercet deal`.

use std::path::PathBuf;

use nets::{Output, SuiteName};

use super::{arguments::absolute, arguments::batch_size, output::say, summary};
use crate::{
    config::Config,
    data::ImageRange,
    error::{Error, Result},
    launch::{Job, launch},
    party::{Task, Work},
    report::{self, Material, Report, ReportFormat, Seconds, Totals},
};

/// Make material for queries ahead, with three parties as processes of this machine.
///
/// What the dealer suite does before a query is done now and kept in files, each for one query.
/// Then `tercet run --material DIR` answers without the crypto producer. DIR gets a directory for
/// each party; on real hosts `tercet party --deal` makes each party's own.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config, with the model owner's weights; images are not needed.
    config: PathBuf,
    /// Exchange activations and pools as this plan says: a TOML or JSON file.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// How many queries.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    queries: u64,
    /// Where to write the material. What is there already stays.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The most images that a query can have. Default: the data owner's count in the config.
    #[arg(long, value_name = "N", value_parser = batch_size())]
    images: Option<u32>,
    /// Override what the data owner will learn: logits, or the label alone.
    #[arg(long, value_name = "WHAT")]
    output: Option<Output>,
    /// Write a report of what one query took: .json, .csv or .html.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    if let Some(file) = &args.report {
        ReportFormat::from_path(file)?;
    }
    let mut config = Config::load(&args.config)?;
    config.network.set_plan_file(args.plan.as_deref())?;
    config.network.output = args.output.unwrap_or(config.network.output);
    let suite = SuiteName::Dealer;
    let task = Task::from_config(&config, Some(suite))?;
    let work = Work::Deal {
        queries: args.queries,
        images: args.images.map(|images| images as usize),
        directory: absolute(&args.out)?,
    };
    let job = Job::Network {
        config: absolute(&config.file)?,
        activation_plan: config.network.activation_plan.clone(),
        suite: Some(suite),
        output: task.suite.output(),
        range: ImageRange::default(),
        overlap: false,
        dealt_first: false,
        work: work.clone(),
    };
    let jobs = work.purpose().parties().iter().map(|&role| (role, job.clone(), Vec::new()));
    let names: Vec<String> = task.graph().nodes().iter().map(|node| node.name.clone()).collect();
    let launched = launch(jobs.collect(), &names)?;

    let setup_kept = launched.records.iter().any(|record| record.setup_kept);
    let images = launched.records[0].images;
    let cost = task.cost_for(work.purpose(), images, setup_kept)?;
    let layers = report::merge(&cost.layers, &cost.depths(), &launched.records)?;
    let mut totals = Totals::sum(&layers).with_usage(&launched.records);
    let total = layers.iter().filter_map(|layer| layer.seconds).sum();
    totals.seconds = Some(Seconds::from_records(&launched.records, total));
    let material = Material::from_records(&launched.records)
        .ok_or_else(|| Error::Run("the parties made no material".into()))?;
    let report = Report {
        network: Some(task.graph().name().to_owned()),
        images: Some(images),
        output: Some(task.suite.output()),
        random_inputs: config.random_inputs(&[protocols::Role::ModelOwner]),
        material: Some(material),
        ..Report::new(suite, layers, totals)
    };
    let material = report.material.as_ref().expect("it was just put there");
    let text = [
        format!("{}, what one query took ahead and the model once\n", task.graph().name()),
        summary::layers(&report),
        summary::dealt(&args.out, material),
        "predicted = measured on every link of every layer\n".into(),
    ];
    say(&text.join("\n"))?;
    args.report.as_deref().map_or(Ok(()), |file| report.write(file))
}
