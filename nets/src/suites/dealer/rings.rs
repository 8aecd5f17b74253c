//! Rings, from the output back: a result is as wide as the widest of its users needs, and a narrower
//! user takes it modulo its own ring. A layer whose values are below 2^b in magnitude at a scale of S
//! bits has the bound k = b + S + 1; one bit more where differences of values are compared and b does
//! not cover them.

use fixedpoint::{Padding, encoding::FixedPoint, width::Width};
use protocols::dealer::{Gate, Mask};

use super::{
    layout::{Apply, Bounds, LayerLayout, Layout, Part, Step, rows},
    scales::{LayerScales, PartScales, divisor},
};
use crate::{
    cost::BoundSource,
    error::{Error, Result},
    graph::{Activation, Graph, NodeId, Op, Window},
    output::Output,
    range::Range,
    ranges::Source,
    weights::check_fractional_bits,
};

/// With bounds alike, a function with knots up to k takes values up to 2^b - k for the b of the bounds,
/// which is this at least.
const MIN_KNOT_BITS: i32 = 4;

impl Layout {
    /// The layout of a network whose values stay within bounds.
    ///
    /// # Errors
    /// [`crate::Error::FractionalBits`], [`crate::Error::RingWidth`] for a layer that needs more than 61
    /// bits, [`crate::Error::OneClass`].
    pub fn new(
        graph: &Graph,
        fixed: FixedPoint,
        bounds: &Bounds,
        output: Output,
    ) -> Result<Layout> {
        check_fractional_bits(fixed)?;
        let (layers, label) = Rings::new(graph, fixed, bounds, output)?.settle()?;
        Ok(Layout { fixed, layers, label })
    }
}

/// The rings of a network, as far as they are known on the way back.
pub(super) struct Rings<'a> {
    graph: &'a Graph,
    fixed: FixedPoint,
    bounds: &'a Bounds,
    scales: Vec<LayerScales>,
    /// Whether P1 must know the mask of each layer's result.
    known: Vec<bool>,
    signs: Vec<bool>,
    structural_bits: Vec<Option<i32>>,
    /// The bits that the users of each layer's result need.
    needs: Vec<u32>,
    label: Option<Gate>,
}

impl<'a> Rings<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        fixed: FixedPoint,
        bounds: &'a Bounds,
        output: Output,
    ) -> Result<Rings<'a>> {
        let scales = LayerScales::of_layers(graph, fixed);
        let mut rings = Rings {
            graph,
            fixed,
            bounds,
            known: known_masks(graph, &scales, output),
            signs: graph.signs(),
            structural_bits: graph.structural_bits(),
            needs: vec![0; scales.len()],
            label: None,
            scales,
        };
        let (last, scale) = (graph.output(), rings.scales[graph.output().index()].scale);
        rings.label = match (output, rows(graph, 1)) {
            (Output::Logits, _) => None,
            (Output::Label, None) => {
                return Err(Error::OneClass { graph: graph.name().to_owned() });
            }
            (Output::Label, Some(rows)) => {
                rings.bound(last, scale, rows.label().bits() + 1)?;
                Some(rows.gate(rings.bound(last, scale, 0)?))
            }
        };
        // Logits that are revealed must fit, or else their differences.
        let differences = u32::from(rings.label.is_some());
        rings.needs[last.index()] = rings.bound(last, scale, differences)? + 1;
        Ok(rings)
    }

    /// The layouts of all layers, and the gate of the label.
    pub(super) fn settle(mut self) -> Result<(Vec<LayerLayout>, Option<Gate>)> {
        let mut layers = Vec::with_capacity(self.scales.len());
        for id in self.graph.ids().rev() {
            layers.push(self.layer(id)?);
        }
        layers.reverse();
        Ok((layers, self.label))
    }

    /// A layer whose users are settled; its inputs then know what it needs.
    fn layer(&mut self, id: NodeId) -> Result<LayerLayout> {
        let out = self.needs[id.index()];
        let node = self.graph.node(id);
        let (step, mut need) = self.step(id, out)?;
        let LayerScales { scale, truncates_input, lift, .. } = self.scales[id.index()].clone();
        let before = if truncates_input {
            let (input, input_scale) = (node.inputs[0], self.input_scale(id));
            let bound = self.bound(input, input_scale, 0)?;
            need = bound + 1;
            Some(gate(bound, input_scale - self.fixed.fractional_bits(), out))
        } else {
            None
        };
        for input in &node.inputs {
            let known = &mut self.needs[input.index()];
            *known = need.max(*known);
        }
        let mask = if self.known[id.index()] { Mask::Known } else { Mask::Hidden };
        let (magnitude_bits, source) = self.magnitude(id);
        let width = Width::new(out);
        Ok(LayerLayout { width, scale, magnitude_bits, source, mask, lift, before, step })
    }

    /// What a layer does for a result of `out` bits, and the bits that its inputs must have.
    fn step(&self, id: NodeId, out: u32) -> Result<(Step, u32)> {
        let node = self.graph.node(id);
        match &node.op {
            Op::Input => Ok((Step::Input, out)),
            Op::Linear(_) => Ok((Step::Linear, out)),
            Op::AvgPool(_) => Ok((Step::Average(divisor(self.graph, self.fixed, id)), out)),
            Op::Activation(_) => self.activation(id, out),
            Op::MaxPool(_) if self.signs[node.inputs[0].index()] => {
                let size = self.graph.pool_shape(id, 1).expect("a pooling layer").window_len();
                // Sums of up to the size, and up to the size less 1 more.
                let bound = (2 * size).next_power_of_two().ilog2() + 1;
                Ok((Step::AnySign(gate(bound, 0, out)), bound + 1))
            }
            Op::MaxPool(window) => self.max_pool(id, window, out),
            Op::Add | Op::Concat | Op::Slice { .. } | Op::Shuffle { .. } | Op::Reshape(_) => {
                Ok((Step::Local, out))
            }
        }
    }

    fn activation(&self, id: NodeId, out: u32) -> Result<(Step, u32)> {
        let scales = &self.scales[id.index()].parts;
        // Values that pass as they are need the ring of the result.
        let mut need = if scales.iter().any(PartScales::passes) { out } else { 0 };
        let mut parts = Vec::with_capacity(scales.len());
        for PartScales { portion, form, lift } in scales.iter().cloned() {
            let raise = form.as_ref().map_or(0, |form| form.raise);
            let scale = self.input_scale(id) + raise;
            let bound = self.bound(id, scale, 0)?;
            need = need.max(bound + 1);
            let apply = match form.map(|form| (form.gadget, form.kept)) {
                None => Apply::Pass,
                Some((None, _)) => Apply::Constants,
                Some((Some(gadget), kept)) => Apply::Gadget(gadget, gate(bound, scale - kept, out)),
            };
            parts.push(Part { portion, raise, apply, lift });
        }
        Ok((Step::Activate(parts), need))
    }

    fn max_pool(&self, id: NodeId, window: &Window, out: u32) -> Result<(Step, u32)> {
        // Bounds of its own cover its differences, but for those with padding.
        let covered = matches!(self.bounds, Bounds::Layers(_))
            && window.padding == Padding::NONE
            && self.structural_bits[id.index()].is_none();
        let bound = self.bound(id, self.input_scale(id), u32::from(!covered))?;
        // The next level compares what this one gives.
        let ring = Width::new(out.max(bound + 1));
        Ok((Step::MaxPool(Gate::new(ring, bound, 0, ring)), ring.bits()))
    }

    fn input_scale(&self, id: NodeId) -> u32 {
        self.scales[self.graph.node(id).inputs[0].index()].scale
    }

    /// k of a layer's values at a scale, with some bits more.
    fn bound(&self, id: NodeId, scale: u32, more: u32) -> Result<u32> {
        let (magnitude_bits, _) = self.magnitude(id);
        let bits = magnitude_bits + (scale + more).cast_signed() + 1;
        // The smallest gate opens two bits more than it truncates.
        let bits = bits.max(scale.cast_signed() + 2).cast_unsigned();
        if bits < 62 {
            return Ok(bits);
        }
        let node = self.graph.node(id).name.clone();
        Err(Error::RingWidth { node, bits, fractional_bits: self.fixed.fractional_bits() })
    }

    /// The power of two that a layer's values, and what it compares, stay below, and where it is from.
    fn magnitude(&self, id: NodeId) -> (i32, BoundSource) {
        if let Some(bits) = self.structural_bits[id.index()] {
            return (bits, BoundSource::Structure);
        }
        let node = self.graph.node(id);
        match self.bounds {
            Bounds::Alike(bits) => {
                let activation = node.op.activation().into_iter();
                let mut kinds = activation.flat_map(Activation::kinds);
                let has_knots = kinds.any(|kind| kind.function().knots() != Range::ZERO);
                let least = if has_knots { MIN_KNOT_BITS } else { i32::MIN };
                (bits.cast_signed().max(least), BoundSource::MagnitudeBits)
            }
            Bounds::Layers(bounds) => {
                let bound = bounds.layer(&node.name).expect("bounds of this network");
                let source = match bound.source {
                    Source::Interval => BoundSource::Interval,
                    Source::Calibration => BoundSource::Calibration,
                };
                (bound.magnitude.log2().ceil() as i32, source)
            }
        }
    }
}

fn gate(bound: u32, shift: u32, out: u32) -> Gate {
    Gate::new(Width::new(bound + 1), bound, shift, Width::new(out))
}

/// For every layer, whether P1 must know the mask of its result: where a linear layer or the output
/// takes it, directly or by way of local layers. A label needs no mask of the logits.
fn known_masks(graph: &Graph, scales: &[LayerScales], output: Output) -> Vec<bool> {
    let mut known = vec![false; graph.nodes().len()];
    known[graph.output().index()] = output == Output::Logits;
    for id in graph.ids().rev() {
        let (node, own) = (graph.node(id), &scales[id.index()]);
        let needs = match &node.op {
            // What a gadget gives has a mask of its own, which P1 knows.
            Op::Linear(_) | Op::AvgPool(_) if own.truncates_input => false,
            Op::Linear(_) => true,
            Op::Activation(_) => known[id.index()] && own.parts.iter().any(PartScales::passes),
            Op::MaxPool(_)
            | Op::AvgPool(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => known[id.index()],
            Op::Input => false,
        };
        for input in &node.inputs {
            known[input.index()] |= needs;
        }
    }
    known
}
