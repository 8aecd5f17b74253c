//! All that the model owner can know of its network's values before a run: for certain from its
//! weights, and by samples of the images that will be classified.

use fixedpoint::encoding::FixedPoint;

use super::{
    interval::intervals,
    layer_range::{Bound, LayerRange, tighter},
    observed::{Observed, observed},
};
use crate::{error::Result, graph::Graph, range::Range, weights::Model};

/// What is known about a network's values.
pub struct Survey<'a> {
    graph: &'a Graph,
    model: &'a Model,
    /// The range of each channel of the input: that of its encoding, or where samples go beyond it, what
    /// they make likely.
    pub input: Vec<Range>,
    /// What samples did, if there are any.
    pub observed: Option<Observed>,
    /// How many times as large other images may make every value.
    pub margin: f64,
}

impl<'a> Survey<'a> {
    /// What the weights alone say, for these ranges of the input's channels.
    pub fn new(graph: &'a Graph, model: &'a Model, input: Vec<Range>, margin: f64) -> Survey<'a> {
        Survey { graph, model, input, observed: None, margin }
    }

    /// Runs the network in clear on these images as well.
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

    /// What no input goes beyond.
    ///
    /// # Errors
    /// As [`intervals`].
    pub fn intervals(&self, fixed: FixedPoint) -> Result<Vec<LayerRange>> {
        intervals(self.graph, self.model, &self.input, fixed)
    }

    /// What samples make likely.
    pub fn calibrated(&self) -> Option<Vec<LayerRange>> {
        self.observed.as_ref().map(|observed| observed.widened(self.margin))
    }

    /// The tighter of both.
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
