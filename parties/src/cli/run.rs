//! `tercet run`.

use std::path::PathBuf;

use nets::{
    EncodedModel, Model, Suite, bounds,
    headroom::{REFUSE_FAILURE, WARN_FAILURE},
    reference,
};
use protocols::Role;

use super::{predictions, say, summary};
use crate::{
    config::{Config, parse_suite},
    control::Job,
    data::{Batch, Window},
    error::{Error, Result},
    launch::launch,
    report::{self, Accuracy, Format, Report, Seconds, Totals},
    survey,
    task::Task,
};

/// Evaluate a network with three parties as processes of this machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The config, with the inputs of all parties; addresses and certificates are not needed.
    config: PathBuf,
    /// Override the config's protocol suite.
    #[arg(long, value_parser = parse_suite)]
    suite: Option<Suite>,
    /// Override the data owner's count of images.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    images: Option<u32>,
    /// Run branches of the network side by side: fewer latencies, more memory.
    #[arg(long)]
    overlap: bool,
    /// Write a report: .json, .csv or .html.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    if let Some(file) = &args.report {
        Format::of(file)?;
    }
    let mut config = Config::load(&args.config)?;
    config.protocol.overlap |= args.overlap;
    let window = Window::of(args.images.map(|images| images as usize));
    let plain = Plain::prepare(&config, args.suite, window)?;
    let bound = plain.check_truncation(&config)?;
    let Plain { task, batch, .. } = &plain;
    let images = batch.images;
    let predictions = predictions::file(&config)?;
    let cost = task.cost(images).map_err(|error| Error::file(&config.file, error))?;

    let job = Job::Network {
        config: absolute(&config)?,
        suite: args.suite,
        window,
        overlap: args.overlap,
    };
    let jobs = Role::ALL.map(|_| (job.clone(), Vec::new()));
    let names: Vec<String> = cost.layers.iter().map(|layer| layer.name.clone()).collect();
    let launched = launch(jobs, &names)?;

    let layers = report::merge(&cost.layers, &cost.depths(), &launched.records)?;
    let mut totals = Totals::of(&layers).in_order(&layers, &cost);
    totals = totals.with_usage(&launched.records);
    let total = layers.iter().filter_map(|layer| layer.seconds).sum();
    totals.seconds = Some(Seconds { setup: 0.0, offline: 0.0, online: None, total });
    let logits = &launched.words[Role::DataOwner.index()];
    let judged = plain.judge(logits)?;
    let report = Report {
        suite: task.suite,
        network: Some(task.graph.name().to_owned()),
        images: Some(images),
        party: None,
        bench: None,
        random_inputs: config.random_inputs(&Role::ALL),
        estimates: Vec::new(),
        wrong: Some(judged.wrong),
        layers,
        totals,
        accuracy: Some(judged.accuracy),
        truncation_failure_bound: Some(bound),
    };
    let text = [
        heading(&report, task, &judged),
        summary::layers(&report),
        summary::totals(&report.totals),
        "predicted = measured on every link of every layer\n".into(),
    ];
    say(&text.join("\n"))?;
    if let Some(file) = &predictions {
        predictions::write(task, batch.first, logits, file)?;
    }
    if let Some(file) = &args.report {
        report.write(file)?;
    }
    match judged.wrong {
        0 => Ok(()),
        wrong => Err(Error::Run(format!(
            "{wrong} logits are further from plain fixed point than truncation explains: discard the \
             result and run again"
        ))),
    }
}

/// What only the launcher has: all inputs, and so the plain results.
struct Plain {
    task: Task,
    model: Model,
    encoded: EncodedModel,
    batch: Batch,
    /// The fixed-point reference, layer by layer.
    fixed: Vec<Vec<u64>>,
    /// How far from it the parties' results may be.
    errors: Vec<f64>,
}

struct Judged {
    accuracy: Accuracy,
    fixed_correct: Option<usize>,
    wrong: usize,
}

impl Plain {
    fn prepare(config: &Config, suite: Option<Suite>, window: Window) -> Result<Plain> {
        let task = Task::of(config, suite)?;
        let (model, encoded) = task.model(config)?;
        let (batch, words) = task.batch(config, window)?;
        let fixed = reference::fixed(&task.graph, &encoded, &words)?;
        let errors = bounds::expected_error(&task.graph, &encoded, &fixed)?;
        Ok(Plain { task, model, encoded, batch, fixed, errors })
    }

    /// The largest bound of any image on the probability that a truncation spoils its result.
    fn check_truncation(&self, config: &Config) -> Result<f64> {
        let Plain { task, model, encoded, batch, fixed, errors } = self;
        let bounds = bounds::truncation_failure(&task.graph, encoded, fixed, errors)?;
        let bound = bounds.into_iter().fold(0.0, f64::max);
        if bound <= WARN_FAILURE {
            return Ok(bound);
        }
        let advice = survey::advice(task, model, &batch.inputs)?;
        let what = format!("truncation may spoil an image with probability {bound:.1e}: {advice}");
        if bound > REFUSE_FAILURE {
            return Err(Error::file(&config.file, what));
        }
        eprintln!("warning: {what}");
        Ok(bound)
    }

    /// Compares the secure logits with both references.
    fn judge(&self, secure: &[u64]) -> Result<Judged> {
        let Plain { task, model, batch, fixed, errors, .. } = self;
        let graph = &task.graph;
        let output = graph.output().index();
        let classes = graph.dims(graph.output()).len();
        let reference = &fixed[output];
        if secure.len() != reference.len() {
            let (got, due) = (secure.len(), reference.len());
            return Err(Error::Run(format!("the data owner has {got} logits where {due} are due")));
        }
        let bound = errors[output];
        let off = |(secure, plain): (&u64, &u64)| {
            let error = secure.wrapping_sub(*plain).cast_signed().unsigned_abs();
            error as f64 > bound
        };
        let wrong = secure.iter().zip(reference).filter(|&pair| off(pair)).count();
        let secure = task.fixed.decode_slice(secure);
        let reference = task.fixed.decode_slice(reference);
        let mut float = reference::float(graph, model, &batch.inputs)?;
        let float = float.swap_remove(output);
        let [secure_classes, fixed_classes, float_classes] =
            [&secure, &reference, &float].map(|logits| reference::classes(logits, classes));
        let correct = |found: &[usize]| {
            let labels = batch.labels.as_ref()?;
            Some(found.iter().zip(labels).filter(|(class, label)| class == label).count())
        };
        let agree = secure_classes.iter().zip(&float_classes).filter(|(a, b)| a == b).count();
        let errors = secure.iter().zip(&float).map(|(secure, float)| (secure - float).abs());
        let accuracy = Accuracy {
            images: batch.images,
            plain_correct: correct(&float_classes),
            secure_correct: correct(&secure_classes),
            agree,
            max_abs_error: errors.fold(0.0, f64::max),
        };
        Ok(Judged { accuracy, fixed_correct: correct(&fixed_classes), wrong })
    }
}

/// The lines above the table.
fn heading(report: &Report, task: &Task, judged: &Judged) -> String {
    let Judged { accuracy, fixed_correct, .. } = judged;
    let images = accuracy.images;
    let correct = |count: Option<usize>| match count {
        Some(count) => format!("{count}/{images}"),
        None => "no labels".into(),
    };
    let mut text = format!(
        "{}, {images} images, {}, {} fractional bits\n",
        task.graph.name(),
        report.suite,
        task.fixed.fractional_bits()
    );
    if !report.random_inputs.is_empty() {
        let what = report.random_inputs.join(" and ");
        text += &format!("{what} are random, the same in every run: the classes mean nothing\n");
    }
    text += &format!(
        "correct: {} secure, {} plain float, {} plain fixed point\n",
        correct(accuracy.secure_correct),
        correct(accuracy.plain_correct),
        correct(*fixed_correct)
    );
    text += &format!(
        "secure and plain float agree on {}/{images}; logits differ by at most {:.4}\n",
        accuracy.agree, accuracy.max_abs_error
    );
    text
}

fn absolute(config: &Config) -> Result<PathBuf> {
    std::path::absolute(&config.file).map_err(|error| Error::file(&config.file, error))
}
