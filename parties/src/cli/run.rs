//! `tercet run`.

use std::path::PathBuf;

use nets::{
    Model, Suite, bounds, dealer,
    headroom::{REFUSE_FAILURE, WARN_FAILURE},
    reference,
};
use protocols::Role;

use super::{predictions, say, summary};
use crate::{
    config::{Config, Protocol, parse_suite},
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
    /// With the dealer suite, deal everything before the query: a faster answer, more memory.
    #[arg(long)]
    dealt_first: bool,
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
    config.protocol.dealt_first |= args.dealt_first;
    let predictions = predictions::file(&config)?;
    let window = Window::of(args.images.map(|images| images as usize));
    if args.dealt_first && args.suite.unwrap_or(config.protocol.suite) != Suite::Dealer {
        return Err(Error::Usage(
            "--dealt-first needs --suite dealer: nothing is dealt ahead in the other".into(),
        ));
    }
    let evaluated = evaluate(&config, args.suite, window)?;
    let Evaluated { plain, logits, judged, report } = &evaluated;
    let text = [
        heading(report, &plain.task, judged),
        summary::layers(report),
        summary::totals(&report.totals),
        "predicted = measured on every link of every layer\n".into(),
    ];
    say(&text.join("\n"))?;
    if let Some(file) = &predictions {
        predictions::write(&plain.task, plain.batch.first, logits, file)?;
    }
    if let Some(file) = &args.report {
        report.write(file)?;
    }
    check_wrong(judged.wrong)
}

/// A config's network on a batch, evaluated by three parties and compared with the plain results.
pub struct Evaluated {
    plain: Plain,
    /// What the data owner got.
    logits: Vec<u64>,
    judged: Judged,
    /// All of it that a report has.
    pub report: Report,
}

/// Runs three parties on a config's network and judges the result; `suite` and `window` override the
/// config.
///
/// # Errors
/// What is wrong with the files before any connection, or what went wrong after.
pub fn evaluate(config: &Config, suite: Option<Suite>, window: Window) -> Result<Evaluated> {
    let plain = Plain::prepare(config, suite, window)?;
    plain.check_truncation(config)?;
    let Plain { task, batch, .. } = &plain;
    let images = batch.images;
    let cost = task.cost(images).map_err(|error| Error::file(&config.file, error))?;

    let Protocol { overlap, dealt_first, .. } = config.protocol;
    let job = Job::Network { config: absolute(config)?, suite, window, overlap, dealt_first };
    let jobs = Role::ALL.map(|_| (job.clone(), Vec::new()));
    let names: Vec<String> = cost.layers.iter().map(|layer| layer.name.clone()).collect();
    let mut launched = launch(jobs, &names)?;

    let layers = report::merge(&cost.layers, &cost.depths(), &launched.records)?;
    let mut totals = Totals::of(&layers).in_order(&layers, &cost);
    totals = totals.with_usage(&launched.records);
    let total = layers.iter().filter_map(|layer| layer.seconds).sum();
    totals.seconds = Some(Seconds::of(&launched.records, total));
    let logits = std::mem::take(&mut launched.words[Role::DataOwner.index()]);
    let judged = plain.judge(&logits)?;
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
        truncation_failure_bound: plain.truncation_failure,
    };
    Ok(Evaluated { plain, logits, judged, report })
}

/// Refuses logits that are wrong.
///
/// # Errors
/// [`Error::Run`].
pub fn check_wrong(wrong: usize) -> Result<()> {
    match wrong {
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
    batch: Batch,
    /// The results of the fixed-point reference, at the scale of [`Task::result`].
    fixed: Vec<u64>,
    /// How far from it the parties' may be.
    error: f64,
    /// The largest bound of any image on the probability that a truncation spoils its result, in `securenn`.
    truncation_failure: Option<f64>,
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
        let graph = &task.graph;
        let output = graph.output().index();
        let (fixed, error, truncation_failure) = match &task.plan {
            None => {
                let mut fixed = reference::fixed(graph, &encoded, &words)?;
                let errors = bounds::expected_error(graph, &encoded, &fixed)?;
                let failures = bounds::truncation_failure(graph, &encoded, &fixed, &errors)?;
                let failure = failures.into_iter().fold(0.0, f64::max);
                (fixed.swap_remove(output), errors[output], Some(failure))
            }
            Some(plan) => {
                let clear = dealer::reference::evaluate(graph, plan, &encoded, &words)?;
                if let Some(what) = survey::beyond(&task, &clear) {
                    return Err(Error::file(&config.file, what));
                }
                let error =
                    dealer::reference::expected_error(graph, plan, &encoded, &words, &clear)?;
                let fixed = clear.output(graph).iter().map(|x| x.cast_unsigned()).collect();
                (fixed, error, None)
            }
        };
        Ok(Plain { task, model, batch, fixed, error, truncation_failure })
    }

    /// Refuses a run that truncation is likely to spoil.
    fn check_truncation(&self, config: &Config) -> Result<()> {
        let Plain { task, model, batch, truncation_failure, .. } = self;
        let bound = truncation_failure.unwrap_or(0.0);
        if bound <= WARN_FAILURE {
            return Ok(());
        }
        let advice = survey::advice(task, model, &batch.inputs)?;
        let what = format!("truncation may spoil an image with probability {bound:.1e}: {advice}");
        if bound > REFUSE_FAILURE {
            return Err(Error::file(&config.file, what));
        }
        eprintln!("warning: {what}");
        Ok(())
    }

    /// Compares the secure logits with both references.
    fn judge(&self, secure: &[u64]) -> Result<Judged> {
        let Plain { task, model, batch, fixed, error, .. } = self;
        let graph = &task.graph;
        let output = graph.output().index();
        let classes = graph.dims(graph.output()).len();
        if secure.len() != fixed.len() {
            let (got, due) = (secure.len(), fixed.len());
            return Err(Error::Run(format!("the data owner has {got} logits where {due} are due")));
        }
        let off = |(secure, plain): (&u64, &u64)| {
            let off = secure.wrapping_sub(*plain).cast_signed().unsigned_abs();
            off as f64 > *error
        };
        let wrong = secure.iter().zip(fixed).filter(|&pair| off(pair)).count();
        let [secure, fixed] = [secure, fixed].map(|logits| task.result().decode_slice(logits));
        let mut float = reference::float(graph, model, &batch.inputs)?;
        let float = float.swap_remove(output);
        let [secure_classes, fixed_classes, float_classes] =
            [&secure, &fixed, &float].map(|logits| reference::classes(logits, classes));
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
