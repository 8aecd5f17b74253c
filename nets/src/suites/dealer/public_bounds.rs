//! The bounds of a network's values that the model owner reveals to the other parties: one
//! magnitude for each layer, in a JSON file.
//!
//! Magnitudes are rounded up to powers of two, so each reveals an integer, which is roughly the
//! logarithm of the norm of a layer's weights. [`PublicBounds::alike`] reveals only one integer in
//! all, at the price of larger bounds.

use std::collections::BTreeMap;

use fixedpoint::encoding::FixedPoint;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    graph::{Graph, NodeId},
    ranges::{Bound, Range, Source, check_margin, power_of_two},
};

/// The bounds of a network's layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicBounds {
    /// [`Graph::hash`] of the network, in hexadecimal.
    pub architecture: String,
    /// The fixed point that intervals were computed for.
    pub fractional_bits: u32,
    /// The ratio of calibrated magnitudes to those of the samples.
    pub margin: f64,
    layers: BTreeMap<String, PublicBound>,
}

/// The bound of a layer's values: of its results and of the values that it compares with zero
/// ([`crate::ranges::LayerRange::compared_by`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicBound {
    /// The bound in real units: a power of two that exceeds the values by at least one unit of the
    /// fixed point.
    pub magnitude: f64,
    /// The source of the bound.
    pub source: Source,
}

impl PublicBounds {
    /// The public form of the bounds of all layers. Bounds that follow from the architecture
    /// replace those computed from the weights.
    pub fn new(graph: &Graph, bounds: &[Bound], fixed: FixedPoint, margin: f64) -> PublicBounds {
        let unit = 1.0 / fixed.one() as f64;
        let structure = graph.structural_bits();
        let public = |(id, Bound { range, source }): (NodeId, &Bound)| {
            let node = graph.node(id);
            if let Some(bits) = structure[id.index()] {
                let (magnitude, source) = (f64::from(bits).exp2(), Source::Interval);
                return (node.name.clone(), PublicBound { magnitude, source });
            }
            let compared = range.compared_by(&node.op).map_or(0.0, Range::magnitude);
            let magnitude = range.result.magnitude().max(compared);
            let magnitude = f64::from(power_of_two(magnitude + unit)).exp2();
            (node.name.clone(), PublicBound { magnitude, source: *source })
        };
        PublicBounds {
            architecture: graph.hash().to_hex().to_string(),
            fractional_bits: fixed.fractional_bits(),
            margin,
            layers: graph.ids().zip(bounds).map(public).collect(),
        }
    }

    /// The largest of the bounds, as a common bound for all layers.
    pub fn alike(mut self) -> PublicBounds {
        let magnitudes = self.layers.values().map(|bound| bound.magnitude);
        let largest = magnitudes.fold(0.0, f64::max);
        self.layers.values_mut().for_each(|bound| bound.magnitude = largest);
        self
    }

    /// Reads the bounds of this graph from JSON.
    ///
    /// # Errors
    /// [`Error::PublicBounds`] for a file that is malformed or belongs to another network, lacks a
    /// layer, has an unknown layer, or has a magnitude that is not above 0; [`Error::Margin`].
    pub fn parse(json: &str, graph: &Graph) -> Result<PublicBounds> {
        let refuse = |what: String| Err(Error::PublicBounds { what });
        let bounds: PublicBounds = match serde_json::from_str(json) {
            Ok(bounds) => bounds,
            Err(error) => return refuse(format!("is none: {error}")),
        };
        let (due, got) = (graph.hash().to_hex(), &bounds.architecture);
        if got != due.as_str() {
            return refuse(format!("is of the architecture {got}, not of {due}"));
        }
        check_margin(bounds.margin)?;
        let missing = graph.nodes().iter().find(|node| !bounds.layers.contains_key(&node.name));
        if let Some(node) = missing {
            return refuse(format!("lacks the layer '{}'", node.name));
        }
        for (layer, PublicBound { magnitude, .. }) in &bounds.layers {
            if graph.find(layer).is_none() {
                return refuse(format!("has a layer '{layer}', which the network has not"));
            }
            if !(magnitude.is_finite() && *magnitude > 0.0) {
                let what = "its magnitude must be a finite number above 0";
                return refuse(format!("says {magnitude} of the layer '{layer}': {what}"));
            }
        }
        Ok(bounds)
    }

    /// The text of the file.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("names are its only keys");
        text.push('\n');
        text
    }

    /// A layer's bound.
    pub fn layer(&self, name: &str) -> Option<PublicBound> {
        self.layers.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ranges::{intervals, tighter},
        test_nets,
        weights::{Model, Weights},
    };

    const FIXED: FixedPoint = FixedPoint::new(12);

    fn bounds(graph: &Graph) -> (Vec<Bound>, PublicBounds) {
        let model = Model::fold(graph, &Weights::random(graph, 5)).unwrap();
        let input = [Range { low: 0.0, high: 0.75 }];
        let bounds = tighter(&intervals(graph, &model, &input, FIXED).unwrap(), None);
        let public = PublicBounds::new(graph, &bounds, FIXED, 4.0);
        (bounds, public)
    }

    #[test]
    fn magnitudes_are_powers_of_two_and_survive_the_file() {
        let graph = test_nets::everything();
        let (bounds, bounded) = bounds(&graph);
        assert_eq!(PublicBounds::parse(&bounded.json(), &graph).unwrap(), bounded);
        assert_eq!(bounded.layer("input").unwrap().magnitude, 1.0);
        for (node, bound) in graph.nodes().iter().zip(&bounds) {
            let (exact, public) = (bound.range.magnitude(), bounded.layer(&node.name).unwrap());
            let least = if node.name == "relu6" { exact + 6.0 } else { exact };
            let magnitude = public.magnitude;
            assert!(exact < magnitude && magnitude < 2.0 * least, "{}", node.name);
            assert_eq!(magnitude.log2().fract(), 0.0);
        }
        let largest = bounds.iter().map(|bound| bound.range.magnitude()).fold(0.0, f64::max);
        let alike = bounded.alike();
        let magnitudes =
            graph.nodes().iter().map(|node| alike.layer(&node.name).unwrap().magnitude);
        let magnitudes: Vec<f64> = magnitudes.collect();
        assert!(magnitudes.iter().all(|&common| common == magnitudes[0] && common >= largest));
        assert_eq!(alike.layer("nobody"), None);
    }

    #[test]
    fn thresholds_between_signs_are_not_revealed() {
        let graph = test_nets::binary();
        let bounds = |threshold: f64| {
            let mut weights = Weights::random(&graph, 5);
            for (bias, mean) in [("bn2.bias", "bn2.running_mean"), ("bn3.bias", "bn3.running_mean")]
            {
                weights.tensor_mut(bias).fill(threshold);
                weights.tensor_mut(mean).fill(0.0);
            }
            let model = Model::fold(&graph, &weights).unwrap();
            let input = [Range { low: 0.0, high: 0.75 }];
            let bounds = tighter(&intervals(&graph, &model, &input, FIXED).unwrap(), None);
            (bounds[4].range.magnitude(), PublicBounds::new(&graph, &bounds, FIXED, 4.0))
        };
        let ((small, public), (large, other)) = (bounds(0.0), bounds(1000.0));
        assert!(large > 1.5 * small, "{small} {large}");
        assert_eq!(public, other);
    }

    #[test]
    fn foreign_and_damaged_files_are_refused() {
        let graph = test_nets::tiny();
        let json = bounds(&graph).1.json();
        let refused = |json: &str| PublicBounds::parse(json, &graph).unwrap_err().to_string();
        let magnitude = "\"magnitude\": 1.0";
        assert!(json.contains(magnitude), "{json}");
        for (from, to, expected) in [
            ("\"fc\"", "\"fd\"", "lacks the layer 'fc'"),
            (
                "\"fc\"",
                "\"extra\": {\"magnitude\": 1, \"source\": \"interval\"}, \"fc\"",
                "'extra'",
            ),
            (magnitude, "\"magnitude\": 0.0", "must be a finite number above 0"),
            (magnitude, "\"magnitude\": -2", "must be a finite number above 0"),
            (magnitude, "\"magnitude\": 1e999", "out of range"),
            (magnitude, "\"magnitude\": null", "expected f64"),
            ("\"margin\": 4.0", "\"margin\": 1.0", "a margin of 1"),
            ("interval", "oracle", "unknown variant"),
            ("\"margin\"", "\"margins\"", "unknown field"),
            ("{", "", "is none"),
        ] {
            let error = refused(&json.replacen(from, to, 1));
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
        let other = bounds(&test_nets::everything()).1.json();
        assert!(refused(&other).contains("is of the architecture"));
    }
}
