//! The check of a network's values before a run, as the model owner can do it: certain ranges from
//! the weights, likely ones from samples of the images that will be classified, and advice in
//! words.

use nets::{
    Model,
    ranges::{self, MIN_MARGIN, Survey},
    suites::{self, Fit, Misfit, OutOfRange, Remedy, WARN_FAILURE, securenn},
};

use super::task::Task;
use crate::{
    config::{Config, MAX_MAGNITUDE_BITS, Network},
    data::{Batch, DataFiles, ImageRange, count_images},
    error::{Error, Result},
};

/// The ranges that the weights imply for a task's values, for images with the config's
/// normalisation.
pub(crate) fn survey<'a>(
    task: &'a Task,
    config: &Config,
    model: &'a Model,
    margin: f64,
) -> Survey<'a> {
    Survey::new(task.graph(), model, config.normalisation().byte_ranges(), margin)
}

/// Checks, as the model owner, that no layer's values can be out of range. The result is one line
/// about a layer whose values could.
///
/// # Errors
/// [`Error::File`] if a layer's values are so on a sample, or the samples cannot be read.
pub(crate) fn check(task: &Task, config: &Config, model: &Model) -> Result<Option<String>> {
    let mut survey = survey(task, config, model, MIN_MARGIN);
    let samples = || match config.samples() {
        Some(samples) => sample(&samples, &config.network, CHECKED).map(Some),
        None => Ok(None),
    };
    let words = |misfit: &Misfit| (layer_name(task, misfit), remedy(task, config, misfit.remedy));
    Ok(match suites::check(&*task.suite, &mut survey, samples)? {
        Fit::Fits => None,
        Fit::Unsampled(misfit) => {
            let (layer, remedy) = words(&misfit);
            let could = could(&misfit);
            Some(format!(
                "layer '{layer}' {could} on some images: name samples as `model-owner.calibration` \
                 to see whether any do, or {remedy}"
            ))
        }
        Fit::Unlikely { misfit, margin } => {
            let (layer, remedy) = words(&misfit);
            let could = could(&misfit);
            Some(format!(
                "layer '{layer}' {could} on images with values {margin} times as large as those of \
                 the samples: {remedy}"
            ))
        }
        Fit::Sampled(misfit) => {
            let (layer, remedy) = words(&misfit);
            let does = match misfit.bound_bits {
                None => "overflows".to_owned(),
                Some(bits) => format!("leaves its bound of 2^{bits} on the samples"),
            };
            return Err(Error::file(&config.file, format!("layer '{layer}' {does}: {remedy}")));
        }
    })
}

fn layer_name<'a>(task: &'a Task, misfit: &Misfit) -> &'a str {
    &task.graph().node(misfit.layer).name
}

fn could(misfit: &Misfit) -> String {
    match misfit.bound_bits {
        None => "could overflow".to_owned(),
        Some(bits) => format!("could leave its bound of 2^{bits}"),
    }
}

/// The config's key that would help, and its value.
fn remedy(task: &Task, config: &Config, remedy: Remedy) -> String {
    const CALIBRATED: &str = "`protocol.bounds` to a file of `tercet calibrate --out`";
    match remedy {
        Remedy::FractionalBits(fitting) => fewer_bits(task, fitting),
        Remedy::MagnitudeBits(_) if config.protocol.bounds.is_some() => {
            format!("set {CALIBRATED} from more samples, or with a larger margin")
        }
        Remedy::MagnitudeBits(Some(bits)) if bits <= MAX_MAGNITUDE_BITS => {
            let set = config.protocol.magnitude_bits;
            format!("set `protocol.magnitude_bits` ({set}) to {bits} at all three, or {CALIBRATED}")
        }
        Remedy::MagnitudeBits(_) => format!("set {CALIBRATED}"),
    }
}

fn fewer_bits(task: &Task, fitting: Option<u32>) -> String {
    let set = task.suite.fixed().fractional_bits();
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

/// The complaint about a layer of a run in clear whose values are out of range, and what would
/// help.
pub(crate) fn out_of_range(task: &Task, found: OutOfRange) -> String {
    let layer = &task.graph().node(found.layer).name;
    let count = found.values;
    format!(
        "{count} values that layer '{layer}' works on are beyond its bound, and the result would \
         be wrong; set `protocol.bounds` to a file of `tercet calibrate`, or \
         `protocol.magnitude_bits` higher"
    )
}

/// Where truncation is likely to spoil these images, and what would help.
///
/// # Errors
/// As [`ranges::observed`].
pub(crate) fn advice(task: &Task, model: &Model, images: &[f64]) -> nets::Result<String> {
    let seen = ranges::observed(task.graph(), model, images)?.layers;
    let fewer = task.suite.fixed().fractional_bits() - 1;
    let fitting =
        securenn::fit::fitting_bits(task.graph(), fewer, WARN_FAILURE, |_| Ok(seen.clone()))?;
    let remedy = fewer_bits(task, fitting);
    Ok(match task.suite.first_misfit(&seen, WARN_FAILURE) {
        Some(layer) => {
            let name = &task.graph().node(layer).name;
            format!("from layer '{name}' on; {remedy}")
        }
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
