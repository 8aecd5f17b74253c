//! The model owner's check, before a run, whether a network's values fit the rings of its suite.

use super::{
    remedy::{REFUSE_FAILURE, Remedy, WARN_FAILURE},
    suite::Suite,
};
use crate::{
    error::Result,
    graph::NodeId,
    ranges::{LayerRange, Survey},
};

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fit {
    /// Every layer fits, for every input or for inputs like the samples.
    Fits,
    /// A layer may not fit for some images, and there are no samples to check.
    Unsampled(Misfit),
    /// A layer may not fit for images whose values are larger than those of the samples.
    Unlikely {
        /// The layer.
        misfit: Misfit,
        /// The factor by which they are larger, [`Survey::margin`].
        margin: f64,
    },
    /// A layer does not fit for a sample.
    Sampled(Misfit),
}

/// A layer that does not fit, and a remedy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Misfit {
    /// The layer.
    pub layer: NodeId,
    /// The bound of its values, as a power of two; `None` if it is the ring.
    pub bound_bits: Option<i32>,
    /// The setting with which the network would fit.
    pub remedy: Remedy,
}

/// Checks the ranges that hold for every input and, if those do not fit, runs the network in clear
/// on samples, if `samples` returns any.
///
/// # Errors
/// Those of [`Survey::observe`] and of `samples`.
pub fn check<E: From<crate::Error>>(
    suite: &dyn Suite,
    survey: &mut Survey<'_>,
    samples: impl FnOnce() -> std::result::Result<Option<Vec<f64>>, E>,
) -> std::result::Result<Fit, E> {
    let fixed = suite.fixed();
    let Some(layer) = suite.first_misfit(&survey.intervals(fixed)?, WARN_FAILURE) else {
        return Ok(Fit::Fits);
    };
    let Some(images) = samples()? else {
        return Ok(Fit::Unsampled(misfit(suite, survey, layer)?));
    };
    survey.observe(&images)?;
    let seen: &[LayerRange] = survey.observed.as_ref().map_or(&[], |observed| &observed.layers);
    if let Some(layer) = suite.first_misfit(seen, REFUSE_FAILURE) {
        return Ok(Fit::Sampled(misfit(suite, survey, layer)?));
    }
    match suite.first_misfit(&survey.likely(fixed)?, WARN_FAILURE) {
        Some(layer) => {
            let misfit = misfit(suite, survey, layer)?;
            Ok(Fit::Unlikely { misfit, margin: survey.margin })
        }
        None => Ok(Fit::Fits),
    }
}

fn misfit(suite: &dyn Suite, survey: &Survey<'_>, layer: NodeId) -> Result<Misfit> {
    let remedy = suite.remedy(&|fixed| survey.likely(fixed))?;
    Ok(Misfit { layer, bound_bits: suite.bound_bits(layer), remedy })
}
