//! Binary networks: which layers have signs as values, and the bounds that follow from that.

use super::{
    architecture::{Graph, NodeId},
    op::{Activation, Op},
};
use crate::functions::ActivationKind;

impl Graph {
    /// For every layer, whether all its values are 1 or -1: it takes signs, or it moves or
    /// max-pools the values of layers that do.
    pub fn signs(&self) -> Vec<bool> {
        let mut signs: Vec<bool> = Vec::with_capacity(self.nodes().len());
        for id in self.ids() {
            let node = self.node(id);
            signs.push(match &node.op {
                Op::Activation(activation) => {
                    let portions = activation.portions(self.dims(id).channels);
                    portions.iter().all(|portion| portion.kind == Some(ActivationKind::Sign))
                }
                Op::MaxPool(_)
                | Op::Concat
                | Op::Slice { .. }
                | Op::Shuffle { .. }
                | Op::Reshape(_) => node.inputs.iter().all(|input| signs[input.index()]),
                Op::Input | Op::Linear(_) | Op::AvgPool(_) | Op::Add => false,
            });
        }
        signs
    }

    /// For every layer, whether its values are only moved or compared before their signs are taken,
    /// so that nothing but their signs matters.
    pub fn signs_follow(&self) -> Vec<bool> {
        let mut follow = vec![true; self.nodes().len()];
        follow[self.output().index()] = false;
        for id in self.ids().rev() {
            let node = self.node(id);
            let signs = match &node.op {
                Op::Activation(activation) => *activation == Activation::full(ActivationKind::Sign),
                Op::MaxPool(_)
                | Op::Concat
                | Op::Slice { .. }
                | Op::Shuffle { .. }
                | Op::Reshape(_) => follow[id.index()],
                Op::Input | Op::Linear(_) | Op::AvgPool(_) | Op::Add => false,
            };
            node.inputs.iter().for_each(|input| follow[input.index()] &= signs);
        }
        follow
    }

    /// For every layer, the power of two that bounds its values and those that it compares, if the
    /// architecture alone bounds them: signs, and binary layers that take signs and whose results
    /// are used for their signs alone.
    pub fn structural_bits(&self) -> Vec<Option<i32>> {
        let (signs, follow) = (self.signs(), self.signs_follow());
        let mut bits: Vec<Option<i32>> = Vec::with_capacity(signs.len());
        for id in self.ids() {
            let node = self.node(id);
            let inputs = || node.inputs.iter().map(|input| bits[input.index()]);
            bits.push(match &node.op {
                Op::Linear(linear) => {
                    let takes_signs = signs[node.inputs[0].index()];
                    let sums = linear.is_binary() && takes_signs && follow[id.index()];
                    sums.then(|| self.bits_of_sums(id))
                }
                Op::Activation(_) if signs[id.index()] => inputs().next().flatten(),
                Op::MaxPool(_)
                | Op::Concat
                | Op::Slice { .. }
                | Op::Shuffle { .. }
                | Op::Reshape(_) => {
                    inputs().collect::<Option<Vec<i32>>>().and_then(|all| all.into_iter().max())
                }
                Op::Activation(_) | Op::Input | Op::AvgPool(_) | Op::Add => None,
            });
        }
        bits
    }

    /// The bound of sums of signs, up to the fan-in, plus a threshold that is at most one larger.
    fn bits_of_sums(&self, id: NodeId) -> i32 {
        let shape = self.linear_shape(id, 1).expect("a linear layer");
        (2 * shape.patch() + 2).next_power_of_two().ilog2().cast_signed()
    }
}
