//! The size of a network's values, as far as the model owner knows before a run: certain bounds
//! from the weights, likely ones from samples of the images that will be classified.

use fixedpoint::encoding::FixedPoint;
use nets::{
    Graph, Model,
    dealer::{
        plan::{Bounds, Plan},
        reference::Clear,
        room,
    },
    headroom::{REFUSE_FAILURE, WARN_FAILURE, demands, exceeding, fitting_bits},
    ranges::{self, Bound, LayerRange, MIN_MARGIN, Observed, Range},
};

use super::task::Task;
use crate::{
    config::{Config, MAX_FRACTIONAL_BITS, MAX_MAGNITUDE_BITS, Network},
    data::{Batch, DataFiles, ImageRange, count_images},
    error::{Error, Result},
};

/// The bounds on a network's values.
pub(crate) struct Survey<'a> {
    graph: &'a Graph,
    model: &'a Model,
    /// The range of each channel of the input: that of a byte's pixel, or, where samples are out of
    /// that range, the one that they make likely.
    pub input: Vec<Range>,
    /// The ranges of samples, if there are any.
    pub observed: Option<Observed>,
    /// How many times as large other images may make every value.
    pub margin: f64,
}

impl<'a> Survey<'a> {
    /// The bounds by the weights alone, for images with the config's normalisation.
    pub(crate) fn new(
        task: &'a Task,
        config: &Config,
        model: &'a Model,
        margin: f64,
    ) -> Survey<'a> {
        let input = config.normalisation().byte_ranges();
        Survey { graph: &task.graph, model, input, observed: None, margin }
    }

    /// Runs the network in clear on these images as well.
    ///
    /// # Errors
    /// As [`ranges::observed`].
    pub(crate) fn observe(&mut self, images: &[f64]) -> nets::Result<()> {
        let observed = ranges::observed(self.graph, self.model, images)?;
        let (bytes, seen) = (self.whole_input(), observed.layers[0].result);
        if bytes.or(seen) != bytes {
            self.input = vec![seen.widened(self.margin)];
        }
        self.observed = Some(observed);
        Ok(())
    }

    /// The range of all channels of the input.
    pub(crate) fn whole_input(&self) -> Range {
        self.input.iter().copied().reduce(Range::or).expect("an input has channels")
    }

    /// The ranges that no input leaves.
    ///
    /// # Errors
    /// As [`ranges::intervals`].
    pub(crate) fn intervals(&self, fixed: FixedPoint) -> nets::Result<Vec<LayerRange>> {
        ranges::intervals(self.graph, self.model, &self.input, fixed)
    }

    /// The ranges that samples make likely.
    pub(crate) fn calibrated(&self) -> Option<Vec<LayerRange>> {
        self.observed.as_ref().map(|observed| observed.widened(self.margin))
    }

    /// The tighter of both, layer by layer.
    ///
    /// # Errors
    /// As [`ranges::intervals`].
    pub(crate) fn bounds(&self, fixed: FixedPoint) -> nets::Result<Vec<Bound>> {
        Ok(ranges::tighter(&self.intervals(fixed)?, self.calibrated().as_deref()))
    }

    /// The most fractional bits with which no input makes a layer overflow.
    ///
    /// # Errors
    /// As [`ranges::intervals`].
    pub(crate) fn certain_bits(&self) -> nets::Result<Option<u32>> {
        self.fitting(|fixed| self.intervals(fixed))
    }

    /// The most fractional bits with which the tighter bounds fit.
    ///
    /// # Errors
    /// As [`ranges::intervals`].
    pub(crate) fn likely_bits(&self) -> nets::Result<Option<u32>> {
        self.fitting(|fixed| Ok(ranges_of(&self.bounds(fixed)?)))
    }

    fn fitting(
        &self,
        ranges: impl Fn(FixedPoint) -> nets::Result<Vec<LayerRange>>,
    ) -> nets::Result<Option<u32>> {
        fitting_bits(self.graph, MAX_FRACTIONAL_BITS, WARN_FAILURE, ranges)
    }
}

/// Checks, as the model owner, that no layer can overflow, or leave the bound that `dealer`
/// computes with. The result is one line about a layer that could.
///
/// # Errors
/// [`Error::File`] if a layer does so on a sample, or the samples cannot be read.
pub(crate) fn check(task: &Task, config: &Config, model: &Model) -> Result<Option<String>> {
    match &task.plan {
        None => check_ring(task, config, model),
        Some(plan) => check_bounds(task, plan, config, model),
    }
}

fn check_ring(task: &Task, config: &Config, model: &Model) -> Result<Option<String>> {
    let fixed = task.fixed;
    let mut survey = Survey::new(task, config, model, MIN_MARGIN);
    let Some(layer) = overflowing(task, &survey.intervals(fixed)?, WARN_FAILURE) else {
        return Ok(None);
    };
    let Some(samples) = config.samples() else {
        let remedy = remedy(fixed, survey.certain_bits()?);
        return Ok(Some(format!(
            "layer '{layer}' could overflow on some images: name samples as \
             `model-owner.calibration` to see whether any do, or {remedy}"
        )));
    };
    survey.observe(&sample(&samples, &config.network, CHECKED)?)?;
    let observed = survey.observed.as_ref().expect("just observed");
    if let Some(layer) = overflowing(task, &observed.layers, REFUSE_FAILURE) {
        let remedy = remedy(fixed, survey.fitting(|_| Ok(observed.layers.clone()))?);
        return Err(Error::file(&config.file, format!("layer '{layer}' overflows: {remedy}")));
    }
    let Some(layer) = overflowing(task, &ranges_of(&survey.bounds(fixed)?), WARN_FAILURE) else {
        return Ok(None);
    };
    let (margin, remedy) = (survey.margin, remedy(fixed, survey.likely_bits()?));
    Ok(Some(format!(
        "layer '{layer}' could overflow on images with values {margin} times as large as those of \
         the samples: {remedy}"
    )))
}

fn check_bounds(
    task: &Task,
    plan: &Plan,
    config: &Config,
    model: &Model,
) -> Result<Option<String>> {
    let graph = &task.graph;
    let mut survey = Survey::new(task, config, model, MIN_MARGIN);
    let exceeding = |ranges: &[LayerRange], leaves: &str| {
        let layer = room::exceeding(graph, plan, ranges)?;
        let (name, bound) = (&graph.node(layer).name, plan.layer(layer).magnitude_bits);
        Some(format!("layer '{name}' {leaves} its bound of 2^{bound}"))
    };
    let intervals = survey.intervals(task.fixed)?;
    let Some(layer) = exceeding(&intervals, "could leave") else {
        return Ok(None);
    };
    let Some(samples) = config.samples() else {
        return Ok(Some(format!(
            "{layer} on some images: name samples as `model-owner.calibration` to see whether any \
             do, or {}",
            wider_bounds(task, plan, config, &intervals)
        )));
    };
    survey.observe(&sample(&samples, &config.network, CHECKED)?)?;
    let observed = &survey.observed.as_ref().expect("just observed").layers;
    if let Some(layer) = exceeding(observed, "leaves") {
        let bounds = ranges_of(&survey.bounds(task.fixed)?);
        let what = format!("{layer} on the samples: {}", wider_bounds(task, plan, config, &bounds));
        return Err(Error::file(&config.file, what));
    }
    let bounds = ranges_of(&survey.bounds(task.fixed)?);
    let Some(layer) = exceeding(&bounds, "could leave") else {
        return Ok(None);
    };
    let margin = survey.margin;
    Ok(Some(format!(
        "{layer} on images with values {margin} times as large as those of the samples: {}",
        wider_bounds(task, plan, config, &bounds)
    )))
}

/// The setting that fits these ranges.
fn wider_bounds(task: &Task, plan: &Plan, config: &Config, ranges: &[LayerRange]) -> String {
    const CALIBRATED: &str = "`protocol.bounds` to a file of `tercet calibrate --out`";
    if config.protocol.bounds.is_some() {
        return format!("set {CALIBRATED} with these samples, or a larger margin");
    }
    let bits = room::magnitude_bits(&task.graph, plan, ranges);
    let runs = Plan::new(&task.graph, task.fixed, &Bounds::Alike(bits), task.output).is_ok();
    if runs && bits <= MAX_MAGNITUDE_BITS {
        let set = config.protocol.magnitude_bits;
        format!("set `protocol.magnitude_bits` ({set}) to {bits} at all three, or {CALIBRATED}")
    } else {
        format!("set {CALIBRATED}")
    }
}

/// The first layer of a run in clear whose values are out of range, and what would help.
pub(crate) fn out_of_range(task: &Task, clear: &Clear) -> Option<String> {
    let (place, count) = clear.first_outside()?;
    let layer = &task.graph.nodes()[place].name;
    Some(format!(
        "{count} values that layer '{layer}' works on are beyond its bound, and the result would \
         be wrong; set `protocol.bounds` to a file of `tercet calibrate`, or \
         `protocol.magnitude_bits` higher"
    ))
}

/// Where truncation is likely to spoil these images, and what would help.
///
/// # Errors
/// As [`ranges::observed`].
pub(crate) fn advice(task: &Task, model: &Model, images: &[f64]) -> nets::Result<String> {
    let seen = ranges::observed(&task.graph, model, images)?.layers;
    let fewer = task.fixed.fractional_bits() - 1;
    let fitting = fitting_bits(&task.graph, fewer, WARN_FAILURE, |_| Ok(seen.clone()))?;
    let remedy = remedy(task.fixed, fitting);
    Ok(match overflowing(task, &seen, WARN_FAILURE) {
        Some(layer) => format!("from layer '{layer}' on; {remedy}"),
        None => remedy,
    })
}

/// The first images of these files, or as many random ones: `most`, or all if there are fewer.
///
/// # Errors
/// As [`Batch::load`].
pub(crate) fn sample(files: &DataFiles, network: &Network, most: usize) -> Result<Vec<f64>> {
    let shape = network.input_shape();
    let random = files.images.is_empty();
    let held = if random { most } else { count_images(files, shape)? };
    Ok(Batch::load(files, shape, ImageRange::from_start(Some(most.min(held))))?.inputs)
}

/// Samples that are looked at before a run: few, because the others are waiting.
const CHECKED: usize = 8;

fn overflowing<'a>(task: &'a Task, ranges: &[LayerRange], failure: f64) -> Option<&'a str> {
    let layer = exceeding(&demands(&task.graph, ranges, task.fixed), failure)?;
    Some(&task.graph.node(layer).name)
}

fn remedy(fixed: FixedPoint, fitting: Option<u32>) -> String {
    let set = fixed.fractional_bits();
    match fitting {
        Some(fitting) => format!(
            "lower `protocol.fractional_bits` ({set}) to {fitting}, or scale inputs and weights \
             down"
        ),
        None => format!(
            "scale inputs and weights down, as no `protocol.fractional_bits` ({set}) would do"
        ),
    }
}

fn ranges_of(bounds: &[Bound]) -> Vec<LayerRange> {
    bounds.iter().map(|bound| bound.range).collect()
}
