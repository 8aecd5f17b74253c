//! All that the model owner can know about its network's values before a run: with certainty from
//! its weights, and with a margin from samples of the images that will be classified.

use fixedpoint::encoding::FixedPoint;

use super::{
    interval::intervals,
    layer_range::{Bound, LayerRange, tighter},
    observed::{Observed, observed},
};
use crate::{error::Result, graph::Graph, range::Range, weights::Model};

/// The ranges of a network's values, from its weights and from samples.
pub struct Survey<'a> {
    graph: &'a Graph,
    model: &'a Model,
    /// The range of each channel of the input: that of its encoding, or that of the samples with
    /// the margin, if they are out of it.
    pub input: Vec<Range>,
    /// The values on samples, if there are any.
    pub observed: Option<Observed>,
    /// The factor by which values on other images may be larger than on the samples.
    pub margin: f64,
}

impl<'a> Survey<'a> {
    /// A survey of the weights alone, for these ranges of the input's channels.
    pub fn new(graph: &'a Graph, model: &'a Model, input: Vec<Range>, margin: f64) -> Survey<'a> {
        Survey { graph, model, input, observed: None, margin }
    }

    /// Adds samples: runs the network in clear on these images (NCHW).
    ///
    /// # Errors
    /// As [`observed`].
    pub fn observe(&mut self, images: &[f64]) -> Result<()> {
        let observed = observed(self.graph, self.model, images)?;
        let (whole, seen) = (self.whole_input(), observed.layers[0].result);
        if whole.union(seen) != whole {
            self.input = vec![seen.widened(self.margin)];
        }
        self.observed = Some(observed);
        Ok(())
    }

    /// The range of all channels of the input.
    pub fn whole_input(&self) -> Range {
        Range::hull(&self.input)
    }

    /// The ranges that hold for every input.
    ///
    /// # Errors
    /// As [`intervals`].
    pub fn intervals(&self, fixed: FixedPoint) -> Result<Vec<LayerRange>> {
        intervals(self.graph, self.model, &self.input, fixed)
    }

    /// The ranges of the samples, with the margin; `None` without samples.
    pub fn calibrated(&self) -> Option<Vec<LayerRange>> {
        self.observed.as_ref().map(|observed| observed.widened(self.margin))
    }

    /// The tighter of [`Survey::intervals`] and [`Survey::calibrated`], layer by layer.
    ///
    /// # Errors
    /// As [`intervals`].
    pub fn bounds(&self, fixed: FixedPoint) -> Result<Vec<Bound>> {
        Ok(tighter(&self.intervals(fixed)?, self.calibrated().as_deref()))
    }

    /// The ranges of [`Survey::bounds`].
    ///
    /// # Errors
    /// As [`intervals`].
    pub fn likely(&self, fixed: FixedPoint) -> Result<Vec<LayerRange>> {
        Ok(self.bounds(fixed)?.into_iter().map(|bound| bound.range).collect())
    }
}
