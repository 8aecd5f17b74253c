//! `[network]`: the public architecture, either of the zoo or from a file.

use std::path::Path;

use nets::{
    ActivationPlan, Dims, Graph, Output,
    zoo::{self, Ratios},
};

use super::{network_file::NetworkFile, plan_file::read_plan_file};
use crate::{data::InputShape, error::Result};

/// The public architecture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Network {
    /// A name of the zoo, or that of the file's network.
    pub net: String,
    /// Channels, height, width of one image.
    pub input: [usize; 3],
    /// The number of classes.
    pub classes: usize,
    /// The activation plan: a published one, or what the config's table says; the net's own if not
    /// given.
    pub ratios: Option<Ratios>,
    /// The activations and pools that are exchanged then, from a plan file.
    pub activation_plan: Option<ActivationPlan>,
    /// The factor of the widths of XONN's nets.
    pub scale: f64,
    /// The file: `onnx`, which the model owner has, or `graph`, which it gave the others.
    pub file: Option<NetworkFile>,
    /// The data owner's output.
    pub output: Output,
}

impl Network {
    /// The architecture.
    ///
    /// # Errors
    /// Any error of [`zoo::build`] and [`ActivationPlan::apply`].
    pub(crate) fn graph(&self) -> nets::Result<Graph> {
        let graph = match &self.file {
            Some(file) => file.graph.clone(),
            None => zoo::build(&self.net, &self.options())?,
        };
        match &self.activation_plan {
            Some(plan) => plan.apply(&graph),
            None => Ok(graph),
        }
    }

    /// Takes another activation plan, from a file, if one is given.
    ///
    /// # Errors
    /// As [`read_plan_file`].
    pub(crate) fn set_plan_file(&mut self, plan: Option<&Path>) -> Result<()> {
        if let Some(path) = plan {
            self.activation_plan = Some(read_plan_file(path)?);
        }
        Ok(())
    }

    /// Whether the network's file has its weights.
    pub(crate) fn has_weights(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.onnx)
    }

    /// The network's file, or else the config.
    pub(crate) fn path<'p>(&'p self, config: &'p Path) -> &'p Path {
        self.file.as_ref().map_or(config, |file| &file.path)
    }

    /// The size of an image.
    pub(crate) fn dims(&self) -> Dims {
        let [channels, height, width] = self.input;
        Dims { channels, height, width }
    }

    /// The shape of images, and the number of classes.
    pub(crate) fn input_shape(&self) -> InputShape {
        InputShape { image: self.input, classes: self.classes }
    }

    /// The options with which the zoo builds the network.
    pub(crate) fn options(&self) -> zoo::Options {
        let ratios = self.ratios.clone();
        zoo::Options { ratios, scale: self.scale, ..zoo::Options::new(self.dims(), self.classes) }
    }

    /// Whether there are no trained weights for this net, which then runs on random ones as well.
    pub(crate) fn is_untrained(&self) -> bool {
        !zoo::is_trained(&self.net)
    }
}
