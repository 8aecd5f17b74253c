//! `tercet bench`.

use std::path::PathBuf;

use nets::{
    Bench, Dims, LayerCost, Operation, SuiteName,
    bench::{ConvSize, TRANSPORT},
};
use protocols::Role;

use super::{output::say, summary};
use crate::{
    config::parse_suite,
    error::{Error, Result},
    launch::{Job, Launched, launch},
    party,
    report::{self, Report, ReportFormat, Seconds, Totals, thousands},
};

/// Measure one operation over three processes of this machine.
///
/// Inputs are random over the operation's domain, its edges first, and shared by PRF; the results'
/// shares come back to the launcher, which counts those that are wrong. None of that is counted.
/// `transport` transfers the bytes of another operation between the same processes and computes
/// nothing: what the others can be measured against.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(value_name = "OP", help = operations())]
    operation: String,
    /// With transport: the operation whose bytes are transferred.
    #[arg(long, value_name = "OP", default_value = "relu")]
    like: String,
    /// How many values; for matmul and conv a size of about as much work, for conv with a shape
    /// images.
    #[arg(long, value_name = "N")]
    count: usize,
    /// The protocol suite.
    #[arg(long, value_parser = parse_suite, default_value = SuiteName::default().name())]
    suite: SuiteName,
    /// With conv: the size of an image.
    #[arg(long, value_name = "CxHxW", requires = "kernels")]
    shape: Option<Dims>,
    /// With a shape: how many kernels there are.
    #[arg(long, value_name = "N", requires = "shape")]
    kernels: Option<usize>,
    /// With a shape: the side of a kernel, odd.
    #[arg(long, value_name = "SIDE", requires = "shape", default_value_t = 3)]
    kernel: usize,
    /// What to draw the inputs from, to repeat a bench; random if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Write a report: .json, .csv or .html.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The operations by name.
fn operations() -> String {
    let names = |suite| Operation::of_suite(suite).into_iter().map(Operation::name);
    let common: Vec<&str> = names(SuiteName::SecureNn).collect();
    let more: Vec<&str> = names(SuiteName::Dealer).filter(|name| !common.contains(name)).collect();
    format!("{}, in dealer {} too, or {TRANSPORT}", common.join(", "), more.join(", "))
}

pub(super) fn run(args: &Args) -> Result<()> {
    if let Some(file) = &args.report {
        ReportFormat::from_path(file)?;
    }
    let bare = args.operation == TRANSPORT;
    let name = if bare { &args.like } else { &args.operation };
    let conv = args.shape.zip(args.kernels);
    let conv = conv.map(|(image, kernels)| ConvSize { image, kernels, side: args.kernel });
    let bench = party::bench(name, args.count, args.suite, conv, bare)?;
    let seed = args.seed.map_or_else(fresh_seed, Ok)?;
    let inputs = bench.inputs(seed);
    let name = bench.operation().name().to_owned();
    let job = Job::Operation { name, count: args.count, suite: args.suite, conv, bare };
    let launched = launch(
        vec![
            (Role::ModelOwner, job.clone(), inputs.model_owner.clone()),
            (Role::DataOwner, job.clone(), inputs.data_owner.clone()),
            (Role::CryptoProducer, job, Vec::new()),
        ],
        &[],
    )?;
    let wrong = bench.count_wrong(&inputs, &reconstruct(&launched));
    let report = report_of(&bench, &launched, wrong, seed)?;
    say(&text_of(&bench, &report, seed))?;
    if let Some(file) = &args.report {
        report.write(file)?;
    }
    if wrong > 0 {
        return Err(Error::Run(format!("{wrong} results are wrong; repeat with --seed {seed}")));
    }
    Ok(())
}

fn fresh_seed() -> Result<u64> {
    getrandom::u64().map_err(|error| Error::Run(format!("no randomness for the inputs: {error}")))
}

/// The outputs, of which two parties sent their shares.
fn reconstruct(launched: &Launched) -> Vec<u64> {
    let shares = launched.words.iter().filter(|words| !words.is_empty()).cloned();
    let sum =
        |a: Vec<u64>, b: Vec<u64>| a.iter().zip(&b).map(|(a, b)| a.wrapping_add(*b)).collect();
    shares.reduce(sum).unwrap_or_default()
}

fn report_of(bench: &Bench, launched: &Launched, wrong: usize, seed: u64) -> Result<Report> {
    let (op, suite) = (bench.name(), bench.suite());
    let cost = LayerCost {
        name: op.into(),
        op,
        output_shape: Dims::flat(launched.words[Role::ModelOwner.index()].len()),
        paper: bench.paper(),
        predicted: bench.cost(),
        nonlinear_values: 0,
        parameters: 0,
        macs: 0,
        bound: None,
    };
    let depths = [cost.predicted.critical_path()];
    let mut layers = report::merge(&[cost], &depths, &launched.records)?;
    // All three are connected when the clock starts, and all three have ended when it stops.
    layers[0].seconds = Some(launched.seconds);
    layers[0].size = None;
    let mut totals = Totals::sum(&layers);
    totals = totals.with_usage(&launched.records);
    let total = launched.seconds;
    let mut seconds = Seconds::from_records(&launched.records, total);
    // Where nothing is done ahead all of it is online.
    seconds.online.get_or_insert(total);
    totals.seconds = Some(seconds);
    let bench = report::Bench { op: op.into(), count: bench.count(), seed };
    Ok(Report { bench: Some(bench), wrong: Some(wrong), ..Report::new(suite, layers, totals) })
}

fn text_of(bench: &Bench, report: &Report, seed: u64) -> String {
    let totals = &report.totals;
    let count = bench.count();
    let measured = totals.measured.unwrap_or_default();
    let seconds = totals.seconds.map_or(0.0, |seconds| seconds.total);
    let cpu: f64 = totals.cpu_seconds.values().sum();
    [
        format!(
            "{} on {} values, {}, seed {seed}: {} wrong",
            describe(bench),
            thousands(count as u64),
            report.suite,
            report.wrong.unwrap_or(0)
        ),
        format!(
            "{seconds:.3} s, {} values a second; {cpu:.2} CPU s in all",
            thousands((count as f64 / seconds) as u64)
        ),
        format!(
            "{:.2} bytes a value, {} bytes in {} phases\n",
            measured.bytes as f64 / count as f64,
            thousands(measured.bytes),
            measured.rounds
        ),
        summary::layers(report),
        summary::totals(totals),
        "predicted = measured on every link\n".into(),
    ]
    .join("\n")
}

fn describe(bench: &Bench) -> String {
    match bench.name() {
        TRANSPORT => format!("{TRANSPORT} of the bytes of {}", bench.operation()),
        name => name.to_owned(),
    }
}
