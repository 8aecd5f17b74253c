//! `tercet calibrate`.

use std::{fs, path::PathBuf};

use fixedpoint::encoding::FixedPoint;
use nets::{
    NetworkCost, NodeId, PublicBounds, Suite, SuiteName,
    ranges::{LayerRange, MIN_MARGIN, Source, Survey, check_margin},
    suites::{
        Dealer, REFUSE_FAILURE, Remedy, WARN_FAILURE,
        dealer::Bounds,
        securenn::fit::{Demand, demands},
    },
};
use protocols::Role;
use serde::Serialize;

use super::{
    arguments::batch_size,
    output::{Form, say},
};
use crate::{
    config::{Config, parse_suite},
    data::{Batch, DataFiles, ImageRange},
    error::{Error, FileProblem, Result},
    party::{
        Task,
        survey::{sample, survey},
    },
    report::{Table, check_directory, quoted},
};

/// How large each layer's values get, and whether they fit the fixed point.
///
/// For the model owner: it reads the weights. An interval bound holds for every image, by the
/// weights and the range of the input: of a byte, or the samples' times the margin where they are
/// out of range. A calibrated one is the largest value of any sample, times the margin. Samples are
/// the images of `model-owner.calibration`, or the data owner's where the config names them. The
/// tighter bound of a layer counts; bits are what its values need then, sign included, before they
/// are truncated or compared.
///
/// Verdicts, of a layer with all before it: certain, they fit whatever the image; likely, they fit
/// by the tighter bounds; doubtful, they do not; overflows, they do not even on the samples. In the
/// suite securenn, what is truncated must be far smaller than the ring: layers fit if truncation
/// spoils an image with a probability of at most 1/1024 in sum. In the suite dealer, layers fit if
/// values are within the bounds that the config sets; k (the bits of a layer's values), l (of its
/// ring), the shift and the bytes for each value are those with the bounds printed here, as written
/// by --out.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config, with the model owner's part.
    config: PathBuf,
    /// Exchange activations and pools as this plan says: a TOML or JSON file.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Override the config's protocol suite.
    #[arg(long, value_parser = parse_suite)]
    suite: Option<SuiteName>,
    /// How many samples; all that there are, up to 100, if not given.
    #[arg(long, value_name = "N", value_parser = batch_size())]
    images: Option<u32>,
    /// How many times as large as on the samples values may be.
    #[arg(long, value_name = "M", default_value_t = MIN_MARGIN)]
    margin: f64,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// Write the bounds for the two others: one power of two for each layer. It tells them about
    /// the logarithm of the size of its weights.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the largest bound for every layer: it tells less, and costs more.
    #[arg(long, requires = "out")]
    alike: bool,
}

/// Samples where their number is not given: on more of them, values hardly grow.
const SAMPLES: usize = 100;

pub(super) fn run(args: &Args) -> Result<()> {
    check_margin(args.margin).map_err(|error| Error::Usage(error.to_string()))?;
    args.out.as_deref().map(check_directory).transpose()?;
    let mut config = Config::load(&args.config)?;
    config.network.set_plan_file(args.plan.as_deref())?;
    // Bounds that are to be written anew may be missing, or those of another network.
    let task = Task::from_config(&config, args.suite).or_else(|_| {
        config.protocol.bounds = None;
        Task::from_config(&config, args.suite)
    })?;
    let (model, _) = task.model(&config)?;
    let mut survey = survey(&task, &config, &model, args.margin);
    if let Some(samples) = config.samples() {
        survey.observe(&args.load(&samples, &config)?)?;
    }
    let public = args.public(&task, &survey)?;
    let calibration = Calibration::new(&task, &config, &survey, public)?;
    say(&match args.format {
        Form::Table => calibration.text(),
        Form::Json => calibration.json(),
        Form::Csv => calibration.csv(),
    })?;
    let Some(file) = &args.out else {
        return Ok(());
    };
    fs::write(file, args.public(&task, &survey)?.json())
        .map_err(|error| FileProblem::Unwritable(error).with_file(file))
}

impl Args {
    fn public(&self, task: &Task, survey: &Survey<'_>) -> nets::Result<PublicBounds> {
        let bounds = survey.bounds(task.suite.fixed())?;
        let public = PublicBounds::new(task.graph(), &bounds, task.suite.fixed(), survey.margin);
        Ok(if self.alike { public.alike() } else { public })
    }

    fn load(&self, samples: &DataFiles, config: &Config) -> Result<Vec<f64>> {
        match self.images {
            Some(images) => {
                let range = ImageRange::from_start(Some(images as usize));
                Ok(Batch::load(samples, config.network.input_shape(), range)?.inputs)
            }
            None => sample(samples, &config.network, SAMPLES),
        }
    }
}

/// The calibration of a network, as it is printed.
#[derive(Serialize)]
struct Calibration {
    network: String,
    architecture: String,
    suite: SuiteName,
    fractional_bits: u32,
    input: [f64; 2],
    samples: usize,
    random_inputs: Vec<&'static str>,
    margin: f64,
    layers: Vec<Layer>,
    #[serde(flatten)]
    fits: Fits,
}

/// The settings that would fit.
#[derive(Serialize)]
#[serde(untagged)]
enum Fits {
    /// In the one ring of `securenn`.
    Ring {
        /// At most the probability that truncation spoils an image, if the bounds hold.
        failure: f64,
        /// The most fractional bits that fit the bounds.
        likely_bits: Option<u32>,
        /// The most that fit whatever the image.
        certain_bits: Option<u32>,
    },
    /// In the rings of `dealer`.
    Bounds {
        /// The least magnitude for all layers that fits the bounds, as a power of two.
        likely_magnitude_bits: u32,
        /// The least that fits whatever the image.
        certain_magnitude_bits: u32,
        /// The megabytes of an image as configured.
        mb_per_image: f64,
        /// The megabytes with the bounds printed here; none where they fit no ring.
        calibrated_mb_per_image: Option<f64>,
    },
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
    verdict: Verdict,
    #[serde(flatten)]
    fit: LayerFit,
}

/// The bits that a layer's values take.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum LayerFit {
    /// In the one ring of `securenn`.
    Ring { bits: u32, limit: u32, failure: f64 },
    /// In a ring of `dealer`; nothing for what neither cuts nor compares.
    Gate { k: Option<u32>, l: Option<u32>, shift: Option<u32>, bytes_per_value: Option<f64> },
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
    fn new(
        task: &Task,
        config: &Config,
        survey: &Survey<'_>,
        public: PublicBounds,
    ) -> nets::Result<Calibration> {
        let (graph, fixed) = (task.graph(), task.suite.fixed());
        let intervals = survey.intervals(fixed)?;
        let calibrated = survey.calibrated();
        let bounds = survey.bounds(fixed)?;
        let ranges: Vec<LayerRange> = bounds.iter().map(|bound| bound.range).collect();
        let observed = survey.observed.as_ref();
        let fit = |ranges: &[LayerRange], failure| task.suite.fitting(ranges, failure);
        let (certain, likely) = (fit(&intervals, WARN_FAILURE), fit(&ranges, WARN_FAILURE));
        let seen = observed.map(|observed| fit(&observed.layers, REFUSE_FAILURE));
        let (layer_fits, fits) = match task.suite.name() {
            SuiteName::SecureNn => rings(task, survey, &ranges)?,
            SuiteName::Dealer => gates(task, config, public, [&intervals, &ranges])?,
        };
        let layers = graph.ids().map(|id| {
            let (node, at) = (graph.node(id), id.index());
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
                verdict,
                fit: layer_fits[at],
            }
        });
        let layers = layers.collect();
        let input = survey.whole_input();
        let outputs = graph.dims(graph.output()).len();
        let samples = observed.map_or(0, |observed| observed.outputs.len() / outputs);
        Ok(Calibration {
            network: graph.name().to_owned(),
            architecture: graph.hash().to_hex().to_string(),
            suite: task.suite.name(),
            fractional_bits: fixed.fractional_bits(),
            input: [input.low, input.high],
            samples,
            random_inputs: config.random_inputs(match samples {
                0 => &[Role::ModelOwner],
                _ => &[Role::ModelOwner, Role::DataOwner],
            }),
            margin: survey.margin,
            layers,
            fits,
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
        let mut heads = vec!["layer", "op", "verdict", "interval", "seen", "calibrated"];
        heads.extend(match self.fits {
            Fits::Ring { .. } => &["bits", "of", "failure"][..],
            Fits::Bounds { .. } => &["bound", "k", "l", "shift", "B/value"],
        });
        let mut table = Table::new(3, &[heads]);
        for layer in &self.layers {
            let or_none = |magnitude: Option<f64>| magnitude.map_or("-".into(), number);
            let Layer { name, op, interval, seen, calibrated, .. } = layer;
            let mut cells = vec![
                name.clone(),
                (*op).to_owned(),
                layer.verdict.name().to_owned(),
                number(*interval),
                or_none(*seen),
                or_none(*calibrated),
            ];
            let bits = |bits: Option<u32>| bits.map_or("-".into(), |bits| bits.to_string());
            cells.extend(match layer.fit {
                LayerFit::Ring { bits, limit, failure } => {
                    vec![bits.to_string(), limit.to_string(), chance(failure)]
                }
                LayerFit::Gate { k, l, shift, bytes_per_value } => {
                    let source = k.map_or("-", |_| source_name(layer.source)).to_owned();
                    vec![source, bits(k), bits(l), bits(shift), or_none(bytes_per_value)]
                }
            });
            table.row(cells);
        }
        text + &format!("\n{table}\n{}", self.fits.text(*fractional_bits))
    }

    fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("its keys are texts");
        text.push('\n');
        text
    }

    fn csv(&self) -> String {
        let own = match self.fits {
            Fits::Ring { .. } => "bits,limit,failure",
            Fits::Bounds { .. } => "k,l,shift,bytes_per_value",
        };
        let row = |layer: &Layer| {
            let or_empty = |magnitude: Option<f64>| magnitude.map_or_else(String::new, plain);
            let bits = |bits: Option<u32>| bits.map_or_else(String::new, |bits| bits.to_string());
            let (name, op, verdict) = (quoted(&layer.name), layer.op, layer.verdict.name());
            let (interval, source) = (plain(layer.interval), source_name(layer.source));
            let (seen, calibrated) = (or_empty(layer.seen), or_empty(layer.calibrated));
            let own = match layer.fit {
                LayerFit::Ring { bits, limit, failure } => {
                    format!("{bits},{limit},{}", plain(failure))
                }
                LayerFit::Gate { k, l, shift, bytes_per_value } => {
                    let bytes = or_empty(bytes_per_value);
                    format!("{},{},{},{bytes}", bits(k), bits(l), bits(shift))
                }
            };
            format!("{name},{op},{verdict},{interval},{seen},{calibrated},{source},{own}\n")
        };
        let heads = format!("layer,op,verdict,interval,seen,calibrated,source,{own}\n");
        heads + &self.layers.iter().map(row).collect::<String>()
    }
}

/// The bits of every layer in the ring of `securenn`.
fn rings(
    task: &Task,
    survey: &Survey<'_>,
    ranges: &[LayerRange],
) -> nets::Result<(Vec<LayerFit>, Fits)> {
    let asked = demands(task.graph(), ranges, task.suite.fixed());
    let fits = Fits::Ring {
        failure: asked.iter().map(|demand| demand.failure).sum::<f64>().min(1.0),
        likely_bits: fitting_bits(task, &|fixed| survey.likely(fixed))?,
        certain_bits: fitting_bits(task, &|fixed| survey.intervals(fixed))?,
    };
    let layer_fit = |Demand { bits, limit, failure }| LayerFit::Ring { bits, limit, failure };
    Ok((asked.into_iter().map(layer_fit).collect(), fits))
}

/// The most fractional bits with which values of these ranges fit the ring of `securenn`.
fn fitting_bits(
    task: &Task,
    ranges: &dyn Fn(FixedPoint) -> nets::Result<Vec<LayerRange>>,
) -> nets::Result<Option<u32>> {
    match task.suite.remedy(ranges)? {
        Remedy::FractionalBits(bits) => Ok(bits),
        Remedy::MagnitudeBits(_) => unreachable!("the ring has no bounds"),
    }
}

/// The rings of every layer in `dealer` with these bounds; `ranges` are certain and likely ones.
fn gates(
    task: &Task,
    config: &Config,
    public: PublicBounds,
    ranges: [&[LayerRange]; 2],
) -> nets::Result<(Vec<LayerFit>, Fits)> {
    let mb = |cost: &NetworkCost| {
        let totals = cost.totals();
        (totals.bytes - totals.setup_links.total()) as f64 / 1e6
    };
    let (graph, fixed, output) = (task.graph(), task.suite.fixed(), task.suite.output());
    let with_bounds = |bounds: &Bounds| Dealer::new(graph.clone(), fixed, bounds, output);
    let configured = with_bounds(&Bounds::Alike(config.protocol.magnitude_bits))?;
    // Bounds that fit no ring have no layout.
    let calibrated = with_bounds(&Bounds::Layers(public)).ok();
    let cost = calibrated.as_ref().map(|calibrated| calibrated.cost(1)).transpose()?;
    let layer_fit = |id: NodeId| {
        let layout = calibrated.as_ref().map(|calibrated| calibrated.layout());
        let gate = layout.and_then(|layout| layout.layer(id).gate());
        let layer = cost.as_ref().map(|cost| &cost.layers[id.index()]);
        let layer = layer.filter(|layer| layer.nonlinear_values > 0);
        LayerFit::Gate {
            k: gate.map(|gate| gate.bound()),
            l: gate.map(|gate| gate.width().bits()),
            shift: gate.map(|gate| gate.shift()),
            bytes_per_value: layer
                .map(|layer| layer.predicted.bytes() as f64 / layer.nonlinear_values as f64),
        }
    };
    let [certain, likely] = ranges.map(|ranges| configured.magnitude_bits(ranges));
    let fits = Fits::Bounds {
        likely_magnitude_bits: likely,
        certain_magnitude_bits: certain,
        mb_per_image: mb(&configured.cost(1)?),
        calibrated_mb_per_image: cost.as_ref().map(mb),
    };
    Ok((graph.ids().map(layer_fit).collect(), fits))
}

impl Fits {
    fn text(&self, fractional_bits: u32) -> String {
        match self {
            Fits::Ring { failure, likely_bits, certain_bits } => {
                let mut text = match likely_bits {
                    Some(likely) => format!("fractional bits up to {likely} fit"),
                    None => "no number of fractional bits fits; scale inputs and weights down"
                        .to_owned(),
                };
                text += &match certain_bits {
                    Some(certain) => format!(", up to {certain} whatever the image"),
                    None => ", none whatever the image".to_owned(),
                };
                let failure = chance(*failure);
                text += &format!(
                    "; {fractional_bits} are set\ntruncation spoils an image with probability \
                     {failure} at most\n"
                );
                text
            }
            Fits::Bounds {
                likely_magnitude_bits,
                certain_magnitude_bits,
                mb_per_image,
                calibrated_mb_per_image,
            } => {
                let calibrated = match calibrated_mb_per_image {
                    Some(mb) => format!("{mb:.3} MB with the bounds of --out"),
                    None => "the bounds of --out are too large to run with".to_owned(),
                };
                format!(
                    "magnitude_bits from {likely_magnitude_bits} on fit, from \
                     {certain_magnitude_bits} on whatever the image\nan image takes \
                     {mb_per_image:.3} MB as configured, {calibrated}\n"
                )
            }
        }
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

const fn source_name(source: Source) -> &'static str {
    match source {
        Source::Interval => "interval",
        Source::Calibration => "calibration",
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
