//! `tercet accuracy`.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use nets::{
    Graph, SuiteName,
    graph::MAX_BATCH,
    zoo::{PUBLISHED_RATIOS, Published, Ratios},
};
use serde::Serialize;

use super::{
    arguments::batch_size,
    evaluate,
    output::{Form, say},
};
use crate::{
    config::{Config, Network, parse_suite},
    data::{ImageRange, count_images},
    error::{Error, Result},
    party::Task,
    report::{Accuracy, Report, Table, cell, check_directory, quoted},
};

/// How many images networks get right, evaluated by three parties and in the clear.
///
/// For each config all images of its files from `first` on are classified (or --images of them; its
/// `count` is not looked at), in several runs one after the other where they are too many for one.
/// Plain is the network in floating point, as it was trained. Seconds and MB are those of the
/// evaluation, connecting left out.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configs, as for `tercet run`.
    #[arg(required = true, value_name = "CONFIG")]
    configs: Vec<PathBuf>,
    /// Override the configs' protocol suite; several times or `both`: one after the other.
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<Suites>,
    /// The number of images of each config, instead of all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    images: Option<u32>,
    /// The number of images in one run. Default: as many as take less than 512 MiB in any process.
    #[arg(long, value_name = "N", value_parser = batch_size())]
    batch: Option<u32>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// Write it to a file as well: .json or .csv.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// One or all.
#[derive(Clone, Debug)]
struct Suites(Vec<SuiteName>);

impl FromStr for Suites {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Suites, String> {
        match name {
            "both" => Ok(Suites(SuiteName::ALL.to_vec())),
            name => Ok(Suites(vec![parse_suite(name)?])),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<()> {
    let form = args.report.as_deref().map(form_of).transpose()?;
    let mut plans = Vec::new();
    for file in &args.configs {
        let config = Config::load(file)?;
        if args.suites.is_empty() {
            plans.push(Planned::new(&config, config.protocol.suite, args)?);
        }
        for &suite in args.suites.iter().flat_map(|suites| &suites.0) {
            plans.push(Planned::new(&config, suite, args)?);
        }
    }
    let rows = plans.iter().map(Planned::run).collect::<Result<Vec<Row>>>()?;
    say(&text_of(&rows, args.format))?;
    if let (Some(file), Some(form)) = (&args.report, form) {
        fs::write(file, text_of(&rows, form)).map_err(|error| Error::unwritable(file, error))?;
    }
    evaluate::check_wrong(rows.iter().map(|row| row.wrong).sum())
}

fn form_of(file: &Path) -> Result<Form> {
    check_directory(file)?;
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("json") => Ok(Form::Json),
        Some("csv") => Ok(Form::Csv),
        _ => Err(Error::file(file, "unknown kind of report; end it with .json or .csv")),
    }
}

/// The runs of one config in one suite, its files checked.
struct Planned {
    config: Config,
    suite: SuiteName,
    first: usize,
    images: usize,
    batch: usize,
}

impl Planned {
    fn new(config: &Config, suite: SuiteName, args: &Args) -> Result<Planned> {
        let task = Task::from_config(config, Some(suite))?;
        task.model(config)?;
        let files = &config.data_owner()?.files;
        let held = count_images(files, config.network.input_shape())?;
        let images = args.images.map_or(held, |images| images as usize);
        if images > held && !files.images.is_empty() || images == 0 {
            let (asked, first) = (images.max(1), files.first);
            let what = format!("its files hold {held} images from {first} on, fewer than {asked}");
            return Err(Error::file(&config.file, what));
        }
        let batch =
            args.batch.map_or_else(|| comfortable_batch(task.graph()), |batch| batch as usize);
        let (first, batch) = (files.first, batch.min(images));
        Ok(Planned { config: config.clone(), suite, first, images, batch })
    }

    fn run(&self) -> Result<Row> {
        let Planned { config, suite, batch, .. } = self;
        let mut row: Option<Row> = None;
        for done in (0..self.images).step_by(*batch) {
            let images = (*batch).min(self.images - done);
            tracing::info!("{}: images {done} to {}", config.file.display(), done + images - 1);
            let range = ImageRange { first: Some(self.first + done), images: Some(images) };
            let report = evaluate::evaluate(config, Some(*suite), range, None)?.report;
            match &mut row {
                Some(row) => row.add(&report),
                None => row = Some(Row::new(self, &report)),
            }
        }
        let mut row = row.expect("there is an image");
        row.mb_per_image /= row.accuracy.images as f64;
        Ok(row)
    }
}

/// The memory that the images of a batch may take in any of the processes, besides what one takes
/// for one image.
const BATCH_BYTES: usize = 384 << 20;

/// As many images as take less memory than [`BATCH_BYTES`]. The launcher takes most: it holds every
/// layer's result twice, the reference's and that of the plain network. The parties hold several
/// times the largest one.
fn comfortable_batch(graph: &Graph) -> usize {
    let values = || graph.ids().map(|id| graph.dims(id).len());
    let words = (2 * values().sum::<usize>()).max(8 * values().max().unwrap_or(1));
    (BATCH_BYTES / (8 * words)).clamp(1, MAX_BATCH)
}

/// A config's result, or the sum of its runs so far.
#[derive(Debug, Serialize)]
struct Row {
    config: PathBuf,
    network: String,
    /// The name of its activation plan, if it has one.
    plan: Option<&'static str>,
    suite: SuiteName,
    /// Images in one run.
    batch: usize,
    #[serde(flatten)]
    accuracy: Accuracy,
    /// Logits or labels that are further from plain fixed point than truncation explains.
    wrong: usize,
    seconds: f64,
    /// Payload over all links.
    mb_per_image: f64,
    /// The largest of any image, in `securenn`.
    truncation_failure_bound: Option<f64>,
    /// `weights` and `images`, if they were random for want of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    random_inputs: Vec<&'static str>,
}

impl Row {
    fn new(planned: &Planned, report: &Report) -> Row {
        let Planned { config, suite, batch, .. } = planned;
        let nothing = Accuracy {
            images: 0,
            plain_correct: Some(0),
            secure_correct: Some(0),
            agree: 0,
            max_abs_error: Some(0.0),
        };
        let mut row = Row {
            config: config.file.clone(),
            network: config.network.net.clone(),
            plan: plan_name(&config.network),
            suite: *suite,
            batch: *batch,
            accuracy: nothing,
            wrong: 0,
            seconds: 0.0,
            mb_per_image: 0.0,
            truncation_failure_bound: None,
            random_inputs: report.random_inputs.clone(),
        };
        row.add(report);
        row
    }

    fn add(&mut self, report: &Report) {
        let sum = |a: Option<usize>, b: Option<usize>| Some(a? + b?);
        let larger = |a: Option<f64>, b: Option<f64>| Some(a?.max(b?));
        let Some(Accuracy { images, plain_correct, secure_correct, agree, max_abs_error }) =
            report.accuracy
        else {
            unreachable!("the launcher knows all inputs");
        };
        let accuracy = &mut self.accuracy;
        accuracy.images += images;
        accuracy.plain_correct = sum(accuracy.plain_correct, plain_correct);
        accuracy.secure_correct = sum(accuracy.secure_correct, secure_correct);
        accuracy.agree += agree;
        accuracy.max_abs_error = larger(accuracy.max_abs_error, max_abs_error);
        self.wrong += report.wrong.unwrap_or(0);
        self.seconds += report.totals.seconds.map_or(0.0, |seconds| seconds.total);
        self.mb_per_image += report.totals.measured.map_or(0.0, |sent| sent.bytes as f64 / 1e6);
        let bounds = [self.truncation_failure_bound, report.truncation_failure_bound];
        self.truncation_failure_bound = bounds.into_iter().flatten().reduce(f64::max);
    }
}

/// The name of a plan that is not published.
const OWN: &str = "own";

/// The name of a network's plan, that of the publication if it is published.
fn plan_name(network: &Network) -> Option<&'static str> {
    if network.activation_plan.is_some() {
        return Some(OWN);
    }
    let net = Published::named(&network.net)?;
    let Some(plan) = &network.ratios else { return Some("orig") };
    // Of two names for the same plan, that of the final architecture.
    let names = ["orig", "ours"].into_iter().chain(PUBLISHED_RATIOS);
    let published = |name: &&str| {
        Ratios::published(net, name, network.dims()).is_ok_and(|published| published == *plan)
    };
    Some(names.into_iter().find(published).unwrap_or(OWN))
}

fn text_of(rows: &[Row], form: Form) -> String {
    match form {
        Form::Table => table(rows),
        Form::Json => json(rows),
        Form::Csv => csv(rows),
    }
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new(
        4,
        &[
            ["", "", "", "", "", "plain", "secure", "", "largest", "", ""],
            [
                "config", "network", "plan", "suite", "images", "correct", "correct", "agree",
                "error", "s", "MB/image",
            ],
        ],
    );
    for row in rows {
        let Accuracy { images, plain_correct, secure_correct, agree, max_abs_error } = row.accuracy;
        let percent = |correct: Option<usize>| match correct {
            Some(correct) => format!("{:.2}%", 100.0 * correct as f64 / images as f64),
            None => "-".into(),
        };
        table.row([
            row.config.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            row.network.clone(),
            row.plan.unwrap_or("-").into(),
            row.suite.to_string(),
            images.to_string(),
            percent(plain_correct),
            percent(secure_correct),
            agree.to_string(),
            max_abs_error.map_or("-".into(), |error| format!("{error:.4}")),
            format!("{:.2}", row.seconds),
            format!("{:.3}", row.mb_per_image),
        ]);
    }
    let mut text = table.to_string();
    for row in rows.iter().filter(|row| !row.random_inputs.is_empty()) {
        let (config, what) = (row.config.display(), row.random_inputs.join(" and "));
        text += &format!("{config}: {what} are random: the classes mean nothing\n");
    }
    text
}

fn json(rows: &[Row]) -> String {
    #[derive(Serialize)]
    struct Rows<'r> {
        rows: &'r [Row],
    }
    let text = serde_json::to_string_pretty(&Rows { rows }).expect("rows have only plain values");
    text + "\n"
}

fn csv(rows: &[Row]) -> String {
    let mut text = String::from(
        "config,network,plan,suite,images,batch,plain_correct,secure_correct,agree,max_abs_error,\
         wrong,seconds,mb_per_image,truncation_failure_bound\n",
    );
    for row in rows {
        let Accuracy { images, plain_correct, secure_correct, agree, max_abs_error } = row.accuracy;
        let cells = [
            quoted(&row.config.to_string_lossy()),
            quoted(&row.network),
            row.plan.unwrap_or_default().into(),
            row.suite.to_string(),
            images.to_string(),
            row.batch.to_string(),
            cell(plain_correct),
            cell(secure_correct),
            agree.to_string(),
            cell(max_abs_error),
            row.wrong.to_string(),
            row.seconds.to_string(),
            row.mb_per_image.to_string(),
            cell(row.truncation_failure_bound),
        ];
        text += &(cells.join(",") + "\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use nets::zoo::{self, Options};

    use super::*;

    #[test]
    fn batches_are_as_large_as_memory_allows() {
        let batch = |net, input: &str| {
            let options = Options::new(input.parse().unwrap(), 10);
            comfortable_batch(&zoo::build(net, &options).unwrap())
        };
        assert_eq!(batch("mobilenet-v2", "3x32x32"), 7);
        assert_eq!(batch("squeezenet", "3x32x32"), 24);
        assert!((1000..=10_000).contains(&batch("digits-cnn", "1x8x8")));
        assert_eq!(batch("mobilenet-v2", "3x224x224"), 1);
    }

    #[test]
    fn plans_go_by_their_published_names() {
        let name = |rest: &str| {
            let text = format!("[network]\ninput = [3, 32, 32]\nclasses = 10\n{rest}");
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("x.toml");
            fs::write(&file, text).unwrap();
            plan_name(&Config::load(&file).unwrap().network)
        };
        assert_eq!(name("net = 'squeezenet'"), Some("orig"));
        for plan in ["orig", "ours", "1", "none"] {
            assert_eq!(name(&format!("net = 'mobilenet-v2'\nplan = '{plan}'")), Some(plan));
        }
        assert_eq!(name("net = 'squeezenet'\nplan = { first = 0.3 }"), Some("own"));
        assert_eq!(name("net = 'digits-cnn'"), None);
    }
}
