//! The rings of a layout, computed from the output backwards. The ring of a result is the widest
//! that any of its users needs; a user with a narrower ring reduces the result modulo that ring. A
//! layer whose values are below 2^b in magnitude has the bound k = b + S + 1 at a scale of S
//! fractional bits, and one bit more if it compares differences of values that b does not bound.

use fixedpoint::{Padding, encoding::FixedPoint, width::Width};
use protocols::dealer::{Gate, Mask};

use super::{
    layout::{Apply, Bounds, Computation, LayerLayout, Layout, Part, rows},
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

/// The smallest b of common bounds for a function with knots: with knots up to k, its values are
/// below 2^b - k.
const MIN_KNOT_BITS: i32 = 4;

impl Layout {
    /// The layout of a network whose values stay within bounds.
    ///
    /// # Errors
    /// [`Error::FractionalBits`], [`Error::RingWidth`] for a layer that needs more than 61 bits,
    /// [`Error::OneClass`].
    pub(super) fn new(
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

/// The rings of a network, as far as they are known on the way back from the output.
struct Rings<'a> {
    graph: &'a Graph,
    fixed: FixedPoint,
    bounds: &'a Bounds,
    scales: Vec<LayerScales>,
    /// Whether P1 must know the mask of each layer's result.
    known_masks: Vec<bool>,
    signs: Vec<bool>,
    structural_bits: Vec<Option<i32>>,
    /// The bits that the users of each layer's result need.
    needs: Vec<u32>,
    label: Option<Gate>,
}

impl<'a> Rings<'a> {
    fn new(
        graph: &'a Graph,
        fixed: FixedPoint,
        bounds: &'a Bounds,
        output: Output,
    ) -> Result<Rings<'a>> {
        let scales = LayerScales::for_graph(graph, fixed);
        let mut rings = Rings {
            graph,
            fixed,
            bounds,
            known_masks: known_masks(graph, &scales, output),
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
        // The ring must be wide enough for the logits or, for a label, for their differences.
        let differences = u32::from(rings.label.is_some());
        rings.needs[last.index()] = rings.bound(last, scale, differences)? + 1;
        Ok(rings)
    }

    /// The layouts of all layers, and the gate of the label.
    fn settle(mut self) -> Result<(Vec<LayerLayout>, Option<Gate>)> {
        let mut layers = Vec::with_capacity(self.scales.len());
        for id in self.graph.ids().rev() {
            layers.push(self.layer(id)?);
        }
        layers.reverse();
        Ok((layers, self.label))
    }

    /// The layout of a layer whose users have theirs. It updates the needs of the layer's inputs.
    fn layer(&mut self, id: NodeId) -> Result<LayerLayout> {
        let out = self.needs[id.index()];
        let node = self.graph.node(id);
        let (computation, mut need) = self.computation(id, out)?;
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
            let widest = &mut self.needs[input.index()];
            *widest = need.max(*widest);
        }
        let mask = if self.known_masks[id.index()] { Mask::Known } else { Mask::Hidden };
        let (magnitude_bits, source) = self.magnitude(id);
        let width = Width::new(out);
        Ok(LayerLayout { width, scale, magnitude_bits, source, mask, lift, before, computation })
    }

    /// The computation of a layer for a result of `out` bits, and the bits that its inputs must
    /// have.
    fn computation(&self, id: NodeId, out: u32) -> Result<(Computation, u32)> {
        let node = self.graph.node(id);
        match &node.op {
            Op::Input => Ok((Computation::Input, out)),
            Op::Linear(_) => Ok((Computation::Linear, out)),
            Op::AvgPool(_) => Ok((Computation::Average(divisor(self.graph, self.fixed, id)), out)),
            Op::Activation(_) => self.activation(id, out),
            Op::MaxPool(_) if self.signs[node.inputs[0].index()] => {
                let size = self.graph.pool_shape(id, 1).expect("a pooling layer").window_len();
                // A sum of up to the size, plus the size minus 1.
                let bound = (2 * size).next_power_of_two().ilog2() + 1;
                Ok((Computation::AnySign(gate(bound, 0, out)), bound + 1))
            }
            Op::MaxPool(window) => self.max_pool(id, window, out),
            Op::Add | Op::Concat | Op::Slice { .. } | Op::Shuffle { .. } | Op::Reshape(_) => {
                Ok((Computation::Local, out))
            }
        }
    }

    fn activation(&self, id: NodeId, out: u32) -> Result<(Computation, u32)> {
        let scales = &self.scales[id.index()].parts;
        // Values that pass unchanged need the ring of the result.
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
        Ok((Computation::Activate(parts), need))
    }

    fn max_pool(&self, id: NodeId, window: &Window, out: u32) -> Result<(Computation, u32)> {
        // A bound of the layer itself includes differences, except for those from padding.
        let are_differences_bounded = match self.bounds {
            Bounds::Alike(_) => false,
            Bounds::Layers(_) => {
                window.padding == Padding::NONE && self.structural_bits[id.index()].is_none()
            }
        };
        let bound = self.bound(id, self.input_scale(id), u32::from(!are_differences_bounded))?;
        // Each level of the tree compares the results of the one before.
        let ring = Width::new(out.max(bound + 1));
        Ok((Computation::MaxPool(Gate::new(ring, bound, 0, ring)), ring.bits()))
    }

    fn input_scale(&self, id: NodeId) -> u32 {
        self.scales[self.graph.node(id).inputs[0].index()].scale
    }

    /// The bound k of a layer's values at a scale, plus some extra bits.
    fn bound(&self, id: NodeId, scale: u32, extra: u32) -> Result<u32> {
        let (magnitude_bits, _) = self.magnitude(id);
        let bits = magnitude_bits + (scale + extra).cast_signed() + 1;
        // The smallest gate has two bits more than it truncates.
        let bits = bits.max(scale.cast_signed() + 2).cast_unsigned();
        if bits < 62 {
            return Ok(bits);
        }
        let node = self.graph.node(id).name.clone();
        Err(Error::RingWidth { node, bits, fractional_bits: self.fixed.fractional_bits() })
    }

    /// The bound of a layer's values and of those that it compares, as a power of two, and its
    /// source.
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

/// For every layer, whether P1 must know the mask of its result: if a linear layer or the output
/// uses the result, directly or through local layers. A label needs no mask of the logits.
fn known_masks(graph: &Graph, scales: &[LayerScales], output: Output) -> Vec<bool> {
    let mut known = vec![false; graph.nodes().len()];
    known[graph.output().index()] = output == Output::Logits;
    for id in graph.ids().rev() {
        let (node, layer) = (graph.node(id), &scales[id.index()]);
        let needs = match &node.op {
            // A gadget masks its results anew, and P1 knows these masks.
            Op::Linear(_) | Op::AvgPool(_) if layer.truncates_input => false,
            Op::Linear(_) => true,
            Op::Activation(_) => known[id.index()] && layer.parts.iter().any(PartScales::passes),
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
