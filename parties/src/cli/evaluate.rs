//! A config's network, evaluated by three parties of this machine and judged by the plain results.

use std::path::Path;

use nets::{
    Model, Output, SuiteName, reference,
    suites::{REFUSE_FAILURE, Reference, WARN_FAILURE},
};
use protocols::Role;

use super::arguments::absolute;
use crate::{
    config::{Config, Protocol},
    data::{Batch, ImageRange},
    error::{Error, Result},
    launch::{Job, launch},
    party::{Task, Work, survey},
    report::{self, Accuracy, Material, Report, Seconds, Totals},
};

/// A config's network on a batch, evaluated by three parties and compared with the plain results.
pub(super) struct Evaluated {
    /// The network, and how it ran.
    pub task: Task,
    /// The place of the first image in the data set.
    pub first: usize,
    /// The data owner's results.
    pub results: Vec<u64>,
    /// How they compare with the plain ones.
    pub judged: Judged,
    /// The report of it.
    pub report: Report,
}

/// Runs the parties on a config's network and judges the result; `suite` and `range` override the
/// config, and where there is a directory of `material`, they answer from that.
///
/// # Errors
/// The problem of the files before any connection, or that of the run.
pub(super) fn evaluate(
    config: &Config,
    suite: Option<SuiteName>,
    range: ImageRange,
    material: Option<&Path>,
) -> Result<Evaluated> {
    let suite = suite.or(material.map(|_| SuiteName::Dealer));
    let plain = Plain::prepare(config, suite, range)?;
    plain.check_truncation(config)?;
    let Plain { task, batch, .. } = &plain;
    let images = batch.images;
    let cost = task.cost(images).map_err(|error| Error::file(&config.file, error))?;

    let work = match material {
        None => Work::Answer,
        Some(directory) => Work::AnswerDealt { directory: absolute(directory)? },
    };
    let job = job(config, suite, task, range, &work)?;
    let jobs = work.purpose().parties().iter().map(|&role| (role, job.clone(), Vec::new()));
    let names: Vec<String> = cost.layers.iter().map(|layer| layer.name.clone()).collect();
    let mut launched = launch(jobs.collect(), &names)?;

    let setup_kept = launched.records.iter().any(|record| record.setup_kept);
    let dealt = launched.records[0].images;
    let cost = task.cost_for(work.purpose(), dealt, setup_kept)?;
    let layers = report::merge(&cost.layers, &cost.depths(), &launched.records)?;
    let mut totals = Totals::sum(&layers).in_order(&layers, &cost);
    totals = totals.with_usage(&launched.records);
    let total = layers.iter().filter_map(|layer| layer.seconds).sum();
    totals.seconds = Some(Seconds::from_records(&launched.records, total));
    let results = std::mem::take(&mut launched.words[Role::DataOwner.index()]);
    let judged = plain.judge(&results)?;
    let report = Report {
        network: Some(task.graph().name().to_owned()),
        images: Some(dealt),
        output: Some(task.suite.output()),
        random_inputs: config.random_inputs(&Role::ALL),
        wrong: Some(judged.wrong),
        accuracy: Some(judged.accuracy),
        truncation_failure_bound: plain.reference.truncation_failure,
        material: Material::from_records(&launched.records),
        ..Report::new(task.suite.name(), layers, totals)
    };
    let (task, first) = (plain.task, plain.batch.first);
    Ok(Evaluated { task, first, results, judged, report })
}

/// The job of each party.
fn job(
    config: &Config,
    suite: Option<SuiteName>,
    task: &Task,
    range: ImageRange,
    work: &Work,
) -> Result<Job> {
    let Protocol { overlap, dealt_first, .. } = config.protocol;
    Ok(Job::Network {
        config: absolute(&config.file)?,
        activation_plan: config.network.activation_plan.clone(),
        suite,
        output: task.suite.output(),
        range,
        overlap,
        dealt_first,
        work: work.clone(),
    })
}

/// Refuses logits or labels that are wrong.
///
/// # Errors
/// [`Error::Run`].
pub(super) fn check_wrong(wrong: usize) -> Result<()> {
    if wrong == 0 {
        return Ok(());
    }
    Err(Error::Run(format!(
        "{wrong} results are further from plain fixed point than truncation explains: discard the \
         result and run again"
    )))
}

/// All inputs, which only the launcher has, and the plain results.
struct Plain {
    task: Task,
    model: Model,
    batch: Batch,
    /// The network in clear in the suite's fixed point.
    reference: Reference,
}

/// How the results compare with the plain ones.
pub(super) struct Judged {
    /// With those in floating point.
    pub accuracy: Accuracy,
    /// How many the plain fixed-point network gets right; none without labels.
    pub fixed_correct: Option<usize>,
    /// How many differ from those in fixed point by more than random rounding explains.
    pub wrong: usize,
}

impl Plain {
    fn prepare(config: &Config, suite: Option<SuiteName>, range: ImageRange) -> Result<Plain> {
        let task = Task::from_config(config, suite)?;
        let (model, encoded) = task.model(config)?;
        let (batch, words) = task.batch(config, range)?;
        let reference = task.suite.reference(&encoded, &words)?;
        if let Some(found) = reference.out_of_range {
            return Err(Error::file(&config.file, survey::out_of_range(&task, found)));
        }
        Ok(Plain { task, model, batch, reference })
    }

    /// Refuses a run that truncation is likely to spoil.
    fn check_truncation(&self, config: &Config) -> Result<()> {
        let Plain { task, model, batch, reference } = self;
        let bound = reference.truncation_failure.unwrap_or(0.0);
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

    /// Compares the data owner's results with both references.
    fn judge(&self, secure: &[u64]) -> Result<Judged> {
        let Plain { task, model, batch, reference: fixed } = self;
        let graph = task.graph();
        let classes = task.classes_count();
        let due = match task.suite.output() {
            Output::Logits => fixed.outputs.len(),
            Output::Label => batch.images,
        };
        if secure.len() != due {
            let got = secure.len();
            return Err(Error::Run(format!(
                "the data owner has {got} results where {due} are due"
            )));
        }
        let mut float = reference::float(graph, model, &batch.inputs)?;
        let float = float.swap_remove(graph.output().index());
        let float_classes = reference::classes(&float, classes);
        let fixed_classes =
            reference::classes(&task.suite.result_fixed().decode_slice(&fixed.outputs), classes);
        let secure_classes = task.classes(secure);
        let correct = |found: &[usize]| {
            let labels = batch.labels.as_ref()?;
            Some(found.iter().zip(labels).filter(|(class, label)| class == label).count())
        };
        let agree = secure_classes.iter().zip(&float_classes).filter(|(a, b)| a == b).count();
        let largest_error = || {
            let logits = task.suite.result_fixed().decode_slice(secure);
            let errors = logits.iter().zip(&float).map(|(secure, float)| (secure - float).abs());
            errors.fold(0.0, f64::max)
        };
        let accuracy = Accuracy {
            images: batch.images,
            plain_correct: correct(&float_classes),
            secure_correct: correct(&secure_classes),
            agree,
            max_abs_error: (task.suite.output() == Output::Logits).then(largest_error),
        };
        let fixed_correct = correct(&fixed_classes);
        Ok(Judged {
            accuracy,
            fixed_correct,
            wrong: fixed.count_wrong(secure, task.suite.output(), classes),
        })
    }
}
