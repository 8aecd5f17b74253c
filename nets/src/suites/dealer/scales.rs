//! The scales of a layout, computed from the input forwards. A linear layer adds f bits and an
//! average those of its divisor; an activation truncates to f bits again. Sums and concatenations
//! shift inputs of lower scales to the largest.

use fixedpoint::encoding::FixedPoint;
use protocols::average::Divisor;

use crate::{
    functions::{DealerForm, Gadget},
    graph::{Activation, Graph, NodeId, Op, Portion},
};

/// The largest scale of the result of a linear layer or an average. If it would be exceeded, the
/// input is truncated first.
const MAX_SCALE: u32 = 48;

/// The scales of a layer.
#[derive(Clone)]
pub(super) struct LayerScales {
    /// The fractional bits of the result.
    pub(super) scale: u32,
    /// Whether the input is truncated to f bits first.
    pub(super) truncates_input: bool,
    /// For each input, the number of bits by which it is shifted left.
    pub(super) lift: Vec<u32>,
    /// The parts of an activation; empty for other layers.
    pub(super) parts: Vec<PartScales>,
}

/// The scales of a part of an activation.
#[derive(Clone)]
pub(super) struct PartScales {
    /// The function and the channels.
    pub(super) portion: Portion,
    /// The form of the function; `None` if the values pass unchanged.
    pub(super) form: Option<DealerForm>,
    /// The number of bits by which the result is shifted left.
    pub(super) lift: u32,
}

impl LayerScales {
    /// The scales of all layers.
    pub(super) fn for_graph(graph: &Graph, fixed: FixedPoint) -> Vec<LayerScales> {
        let signs_follow = graph.signs_follow();
        let mut layers: Vec<LayerScales> = Vec::with_capacity(graph.nodes().len());
        for id in graph.ids() {
            layers.push(LayerScales::new(graph, fixed, id, signs_follow[id.index()], &layers));
        }
        layers
    }

    fn new(
        graph: &Graph,
        fixed: FixedPoint,
        id: NodeId,
        signs_follow: bool,
        before: &[LayerScales],
    ) -> LayerScales {
        let f = fixed.fractional_bits();
        let node = graph.node(id);
        let scales: Vec<u32> =
            node.inputs.iter().map(|input| before[input.index()].scale).collect();
        let scale = scales.iter().copied().max().unwrap_or(f);
        let lift = scales.iter().map(|input| scale - input).collect();
        let same = LayerScales { scale, truncates_input: false, lift, parts: Vec::new() };
        let grown = |bits: u32| {
            // Values with f bits cannot be truncated any more.
            let truncates_input = scale > f && scale + bits > MAX_SCALE;
            let scale = if truncates_input { f + bits } else { scale + bits };
            LayerScales { scale, truncates_input, ..same.clone() }
        };
        match &node.op {
            Op::Linear(linear) if !linear.is_binary() => grown(f),
            Op::Linear(_) if signs_follow => grown(0),
            // The bias has at least f bits.
            Op::Linear(_) => grown(f.saturating_sub(scale)),
            Op::AvgPool(_) => grown(divisor(graph, fixed, id).bits()),
            Op::Activation(activation) => {
                let (parts, scale) = parts(activation, graph.dims(id).channels, scale, f);
                LayerScales { scale, parts, ..same }
            }
            Op::Input
            | Op::MaxPool(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => same,
        }
    }
}

impl PartScales {
    /// Whether the values pass unchanged.
    pub(super) fn passes(&self) -> bool {
        self.form.is_none()
    }
}

/// The functions of an activation and the scale of its result.
fn parts(activation: &Activation, channels: usize, scale: u32, f: u32) -> (Vec<PartScales>, u32) {
    let form = |portion: &Portion| match portion.kind {
        Some(kind) => Some(kind.function().dealer(scale, f)),
        None if scale > f => {
            let gadget = Some(Gadget::Truncation);
            Some(DealerForm { raise: 0, gadget, kept: f, scale: f })
        }
        // With nothing to truncate, the values pass unchanged.
        None => None,
    };
    let portions = activation.portions(channels);
    let forms: Vec<Option<DealerForm>> = portions.iter().map(form).collect();
    let result = |form: &Option<DealerForm>| form.as_ref().map_or(scale, |form| form.scale);
    let common = forms.iter().map(result).max().unwrap_or(scale);
    let part = |(portion, form): (Portion, Option<DealerForm>)| {
        let lift = common - result(&form);
        PartScales { portion, form, lift }
    };
    (portions.into_iter().zip(forms).map(part).collect(), common)
}

/// The divisor of an average.
pub(super) fn divisor(graph: &Graph, fixed: FixedPoint, id: NodeId) -> Divisor {
    let shape = graph.pool_shape(id, 1).expect("a pooling layer");
    Divisor::new(&shape, graph.counted_padding(id), &fixed)
}
