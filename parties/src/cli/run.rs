//! `tercet run`.

use std::path::PathBuf;

use nets::{Output, SuiteName};

use super::{
    evaluate::{Evaluated, Judged, check_wrong, evaluate},
    output::say,
    predictions, summary,
};
use crate::{
    config::{Config, parse_suite},
    data::ImageRange,
    error::{Error, Result},
    party::Task,
    report::{Material, Report, ReportFormat},
};

/// Evaluate a network with three parties as processes of this machine.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config, with the inputs of all parties; addresses and certificates are not needed.
    config: PathBuf,
    /// Exchange activations and pools as this plan says: a TOML or JSON file.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Override the config's protocol suite.
    #[arg(long, value_parser = parse_suite)]
    suite: Option<SuiteName>,
    /// Override what the data owner learns: logits, or the label alone.
    #[arg(long, value_name = "WHAT")]
    output: Option<Output>,
    /// Override the data owner's count of images.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    images: Option<u32>,
    /// Run branches of the network side by side: fewer latencies, more memory.
    #[arg(long)]
    overlap: bool,
    /// With the dealer suite, deal everything before the query: a faster answer, more memory.
    #[arg(long)]
    dealt_first: bool,
    /// With the dealer suite, answer with the next query that `tercet deal` left in this directory.
    /// The crypto producer takes no part.
    #[arg(long, value_name = "DIR", conflicts_with = "dealt_first")]
    material: Option<PathBuf>,
    /// Write a report: .json, .csv or .html.
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
    config.protocol.overlap |= args.overlap;
    config.protocol.dealt_first |= args.dealt_first;
    let predictions = predictions::file(&config)?;
    let range = ImageRange::from_start(args.images.map(|images| images as usize));
    if args.dealt_first && args.suite.unwrap_or(config.protocol.suite) != SuiteName::Dealer {
        return Err(Error::Usage(
            "--dealt-first needs --suite dealer: nothing is dealt ahead in the other".into(),
        ));
    }
    let evaluated = evaluate(&config, args.suite, range, args.material.as_deref())?;
    let Evaluated { task, first, results, judged, report } = &evaluated;
    let text = [
        heading(report, task, judged),
        summary::layers(report),
        summary::totals(&report.totals),
        "predicted = measured on every link of every layer\n".into(),
    ];
    say(&text.join("\n"))?;
    if let Some(file) = &predictions {
        predictions::write(task, *first, results, file)?;
    }
    if let Some(file) = &args.report {
        report.write(file)?;
    }
    check_wrong(judged.wrong)
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
        task.graph().name(),
        report.suite,
        task.suite.fixed().fractional_bits()
    );
    if let Some(material) = &report.material {
        let Material { session, first, images: dealt, .. } = material;
        let session = &session[..16];
        text += &format!(
            "answered with query {first} of session {session}, made for {dealt} images: it is used \
             up\n"
        );
    }
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
    text += &format!("secure and plain float agree on {}/{images}; ", accuracy.agree);
    text += &match accuracy.max_abs_error {
        Some(error) => format!("logits differ by at most {error:.4}\n"),
        None => "the data owner learns labels only\n".to_owned(),
    };
    text
}
