//! `tercet calibrate`.

use std::{fs, path::PathBuf};

use nets::{
    PublicBounds, Suite,
    graph::MAX_BATCH,
    headroom::{Demand, REFUSE_FAILURE, WARN_FAILURE, demands, fitting},
    ranges::{LayerRange, MIN_MARGIN, Source, check_margin},
};
use protocols::Role;
use serde::Serialize;

use super::{Form, say};
use crate::{
    config::{Config, DataOwner},
    data::{Batch, Window},
    error::{Error, Result},
    report::{check_directory, quoted},
    survey::{Survey, sample},
    table::Table,
    task::Task,
};

/// How large each layer's values get, and whether they fit the fixed point.
///
/// For the model owner: it reads the weights. An interval bound holds for every image, by the weights and
/// the range of the input: of a byte, or the samples' times the margin where they go beyond it. A calibrated
/// one is the largest value of any sample, times the margin. Samples are
/// the images of `model-owner.calibration`, or the data owner's where the config names them. The
/// tighter bound of a layer counts; bits are what its values need then, sign included, before they are
/// truncated or compared.
///
/// Verdicts, of a layer with all before it: certain, they fit whatever the image; likely, they fit by
/// the tighter bounds; doubtful, they do not; overflows, they do not even on the samples. What is
/// truncated must be far smaller than the ring: layers fit if truncation spoils an image with a
/// probability of at most 1/1024 in sum.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The config, with the model owner's part.
    config: PathBuf,
    /// How many samples; all that there are, up to 100, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_BATCH as i64))]
    images: Option<u32>,
    /// How many times as large as on the samples values may be.
    #[arg(long, value_name = "M", default_value_t = MIN_MARGIN)]
    margin: f64,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// Write the bounds for the two others: one power of two for each layer. It tells them about the
    /// logarithm of the size of its weights.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the largest bound for every layer: it tells less, and costs more.
    #[arg(long, requires = "out")]
    alike: bool,
}

/// Samples where their number is not given: on more of them, values hardly grow.
const SAMPLES: usize = 100;

pub fn run(args: &Args) -> Result<()> {
    check_margin(args.margin).map_err(|error| Error::Usage(error.to_string()))?;
    args.out.as_deref().map(check_directory).transpose()?;
    let config = Config::load(&args.config)?;
    let task = Task::of(&config, None)?;
    let (model, _) = task.model(&config)?;
    let mut survey = Survey::new(&task, &config, &model, args.margin);
    if let Some(samples) = config.samples() {
        survey.observe(&args.load(&samples, &config)?)?;
    }
    let calibration = Calibration::of(&task, &config, &survey)?;
    say(&match args.format {
        Form::Table => calibration.text(),
        Form::Json => calibration.json(),
        Form::Csv => calibration.csv(),
    })?;
    let Some(file) = &args.out else {
        return Ok(());
    };
    let bounds = survey.bounds(task.fixed)?;
    let mut public = PublicBounds::new(&task.graph, &bounds, task.fixed, survey.margin);
    if args.alike {
        public = public.alike();
    }
    fs::write(file, public.json())
        .map_err(|error| Error::file(file, format!("cannot be written: {error}")))
}

impl Args {
    fn load(&self, samples: &DataOwner, config: &Config) -> Result<Vec<f64>> {
        match self.images {
            Some(images) => {
                let window = Window::of(Some(images as usize));
                Ok(Batch::load(samples, &config.network, window)?.inputs)
            }
            None => sample(samples, &config.network, SAMPLES),
        }
    }
}

/// What is printed.
#[derive(Serialize)]
struct Calibration {
    network: String,
    architecture: String,
    suite: Suite,
    fractional_bits: u32,
    input: [f64; 2],
    samples: usize,
    random_inputs: Vec<&'static str>,
    margin: f64,
    layers: Vec<Layer>,
    /// At most the probability that truncation spoils an image, if the bounds hold.
    failure: f64,
    /// The most fractional bits that fit the bounds.
    likely_bits: Option<u32>,
    /// The most that fit whatever the image.
    certain_bits: Option<u32>,
}

/// A row: magnitudes in real units.
#[derive(Serialize)]
struct Layer {
    name: String,
    op: &'static str,
    interval: f64,
    seen: Option<f64>,
    calibrated: Option<f64>,
    source: Source,
    bits: u32,
    limit: u32,
    failure: f64,
    verdict: Verdict,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Certain,
    Likely,
    Doubtful,
    Overflows,
}

impl Calibration {
    fn of(task: &Task, config: &Config, survey: &Survey<'_>) -> nets::Result<Calibration> {
        let (graph, fixed) = (&task.graph, task.fixed);
        let fit = |ranges: &[LayerRange], failure| fitting(&demands(graph, ranges, fixed), failure);
        let intervals = survey.intervals(fixed)?;
        let calibrated = survey.calibrated();
        let bounds = survey.bounds(fixed)?;
        let ranges: Vec<LayerRange> = bounds.iter().map(|bound| bound.range).collect();
        let asked = demands(graph, &ranges, fixed);
        let observed = survey.observed.as_ref();
        let (certain, likely) = (fit(&intervals, WARN_FAILURE), fitting(&asked, WARN_FAILURE));
        let seen = observed.map(|observed| fit(&observed.layers, REFUSE_FAILURE));
        let layers = graph.ids().map(|id| {
            let (node, at) = (graph.node(id), id.index());
            let Demand { bits, limit, failure } = asked[at];
            let verdict = match &seen {
                Some(seen) if !seen[at] => Verdict::Overflows,
                _ if certain[at] => Verdict::Certain,
                _ if likely[at] => Verdict::Likely,
                _ => Verdict::Doubtful,
            };
            Layer {
                name: node.name.clone(),
                op: node.op.name(),
                interval: intervals[at].magnitude(),
                seen: observed.map(|observed| observed.layers[at].magnitude()),
                calibrated: calibrated.as_ref().map(|calibrated| calibrated[at].magnitude()),
                source: bounds[at].source,
                bits,
                limit,
                failure,
                verdict,
            }
        });
        let layers = layers.collect();
        let input = survey.whole_input();
        let outputs = graph.dims(graph.output()).len();
        let samples = observed.map_or(0, |observed| observed.outputs.len() / outputs);
        Ok(Calibration {
            network: graph.name().to_owned(),
            architecture: graph.hash().to_hex().to_string(),
            suite: task.suite,
            fractional_bits: fixed.fractional_bits(),
            input: [input.low, input.high],
            samples,
            random_inputs: config.random_inputs(match samples {
                0 => &[Role::ModelOwner],
                _ => &[Role::ModelOwner, Role::DataOwner],
            }),
            margin: survey.margin,
            layers,
            failure: asked.iter().map(|demand| demand.failure).sum::<f64>().min(1.0),
            likely_bits: survey.likely_bits()?,
            certain_bits: survey.certain_bits()?,
        })
    }

    fn text(&self) -> String {
        let Calibration { network, suite, fractional_bits, samples, margin, .. } = self;
        let [low, high] = self.input.map(number);
        let mut text = format!(
            "{network}, {suite}, {fractional_bits} fractional bits, input from {low} to {high}, \
             {samples} samples, margin {margin}\n"
        );
        if !self.random_inputs.is_empty() {
            let what = self.random_inputs.join(" and ");
            text += &format!("{what} are random: trained weights have other bounds\n");
        }
        let heads =
            ["layer", "op", "verdict", "interval", "seen", "calibrated", "bits", "of", "failure"];
        let mut table = Table::new(3, &[heads]);
        for layer in &self.layers {
            let or_none = |magnitude: Option<f64>| magnitude.map_or("-".into(), number);
            let Layer { name, op, interval, seen, calibrated, bits, limit, .. } = layer;
            table.row([
                name.clone(),
                (*op).to_owned(),
                layer.verdict.name().to_owned(),
                number(*interval),
                or_none(*seen),
                or_none(*calibrated),
                bits.to_string(),
                limit.to_string(),
                chance(layer.failure),
            ]);
        }
        text += &format!("\n{table}\n");
        text += &match self.likely_bits {
            Some(likely) => format!("fractional bits up to {likely} fit"),
            None => "no number of fractional bits fits; scale inputs and weights down".to_owned(),
        };
        text += &match self.certain_bits {
            Some(certain) => format!(", up to {certain} whatever the image"),
            None => ", none whatever the image".to_owned(),
        };
        let failure = chance(self.failure);
        text += &format!(
            "; {fractional_bits} are set\ntruncation spoils an image with probability {failure} at most\n"
        );
        text
    }

    fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("its keys are texts");
        text.push('\n');
        text
    }

    fn csv(&self) -> String {
        let heads = "layer,op,verdict,interval,seen,calibrated,source,bits,limit,failure\n";
        let row = |layer: &Layer| {
            let or_empty = |magnitude: Option<f64>| magnitude.map_or_else(String::new, plain);
            let Layer { op, bits, limit, failure, .. } = layer;
            let source = match layer.source {
                Source::Interval => "interval",
                Source::Calibration => "calibration",
            };
            let (name, verdict) = (quoted(&layer.name), layer.verdict.name());
            let [interval, failure] = [layer.interval, *failure].map(plain);
            let (seen, calibrated) = (or_empty(layer.seen), or_empty(layer.calibrated));
            format!(
                "{name},{op},{verdict},{interval},{seen},{calibrated},{source},{bits},{limit},\
                 {failure}\n"
            )
        };
        heads.to_owned() + &self.layers.iter().map(row).collect::<String>()
    }
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Verdict::Certain => "certain",
            Verdict::Likely => "likely",
            Verdict::Doubtful => "doubtful",
            Verdict::Overflows => "overflows",
        }
    }
}

/// Four digits, or an exponent where a number is far from 1.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e5).contains(&size) => {
            let digits = 3 - size.log10().floor() as i32;
            format!("{value:.*}", usize::try_from(digits).unwrap_or(0))
        }
        _ => format!("{value:.1e}"),
    }
}

/// All digits.
fn plain(value: f64) -> String {
    format!("{value:e}")
}

fn chance(probability: f64) -> String {
    match probability {
        0.0 => "-".into(),
        _ => format!("{probability:.0e}"),
    }
}
