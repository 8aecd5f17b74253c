//! The hash of an architecture, over a canonical form.

use fixedpoint::Padding;

use super::{
    architecture::Graph,
    op::{Activation, Average, Linear, Op, Reshape, Window},
};
use crate::{functions::ActivationKind, shapes::Dims};

impl Graph {
    /// BLAKE3 of everything that the parties must agree on: the input's size and every layer's name
    /// (it is the tag of its messages), operation and inputs. It covers neither the graph's own
    /// name nor what concerns only the weights file. It is equal on every machine and in every run.
    pub fn hash(&self) -> blake3::Hash {
        blake3::hash(&self.canonical())
    }

    /// The bytes to hash. Texts and lists follow their lengths and operations their names, so no
    /// two architectures have the same bytes.
    fn canonical(&self) -> Vec<u8> {
        let mut out = Canonical(Vec::new());
        out.text("tercet graph 2");
        out.dims(self.input());
        out.number(self.nodes().len());
        for node in self.nodes() {
            out.text(&node.name);
            out.op(&node.op);
            out.number(node.inputs.len());
            node.inputs.iter().for_each(|input| out.number(input.index()));
        }
        out.number(self.output().index());
        out.0
    }
}

struct Canonical(Vec<u8>);

impl Canonical {
    fn number(&mut self, number: usize) {
        self.0.extend((number as u64).to_le_bytes());
    }

    fn numbers<const N: usize>(&mut self, numbers: [usize; N]) {
        numbers.into_iter().for_each(|number| self.number(number));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend(text.as_bytes());
    }

    fn dims(&mut self, dims: Dims) {
        self.numbers([dims.channels, dims.height, dims.width]);
    }

    fn padding(&mut self, padding: Padding) {
        self.numbers([padding.top, padding.left, padding.bottom, padding.right]);
    }

    fn window(&mut self, window: &Window) {
        self.numbers([window.size.0, window.size.1]);
        self.numbers([window.stride.0, window.stride.1]);
        self.padding(window.padding);
    }

    /// A function's parameters; its name has been written before.
    fn parameters(&mut self, kind: ActivationKind) {
        for parameter in kind.function().parameters() {
            self.bits(parameter);
        }
    }

    fn bits(&mut self, real: f64) {
        self.0.extend(real.to_bits().to_le_bytes());
    }

    fn op(&mut self, op: &Op) {
        self.text(op.name());
        match op {
            Op::Linear(Linear::Conv(conv)) => {
                self.numbers([conv.out_channels, conv.groups]);
                for (rows, columns) in [conv.kernel, conv.stride, conv.dilation] {
                    self.numbers([rows, columns]);
                }
                self.padding(conv.padding);
            }
            Op::Linear(Linear::Dense(dense)) => self.number(dense.out),
            Op::Activation(Activation::Leading { kind, ratio }) => {
                self.bits(*ratio);
                self.parameters(*kind);
            }
            Op::Activation(Activation::Runs(runs)) => {
                self.number(runs.len());
                for run in runs {
                    self.text(run.kind.map_or("none", ActivationKind::name));
                    self.number(run.channels);
                    run.kind.into_iter().for_each(|kind| self.parameters(kind));
                }
            }
            Op::MaxPool(window) => self.window(window),
            Op::AvgPool(Average::Windows { window, counted }) => {
                self.window(window);
                self.padding(*counted);
            }
            &Op::Reshape(Reshape::Image(dims)) => self.dims(dims),
            &Op::Slice { start, end } => self.numbers([start, end]),
            &Op::Shuffle { groups } => self.number(groups),
            Op::AvgPool(Average::Channels)
            | Op::Reshape(Reshape::Flat)
            | Op::Input
            | Op::Add
            | Op::Concat => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        architecture::NodeId,
        op::{Conv, Dense},
    };
    use super::*;
    use crate::test_nets;

    #[test]
    fn the_hash_never_changes() {
        // A change here means that parties of different versions cannot talk: bump the version in
        // the canonical form on purpose, never by accident.
        for (graph, expected) in [
            (test_nets::tiny(), "3fcd1a7399c9855d385b6f67d5f06b141f60fd0f02c152db20d4cacdddf30067"),
            (
                test_nets::everything(),
                "105ca949c6b25b9fef7cd17df4738294a3e8876447634268fe3ec36876516152",
            ),
        ] {
            assert_eq!(graph.hash().to_hex().as_str(), expected);
        }
    }

    #[test]
    fn the_hash_covers_the_computation_and_nothing_else() {
        let graph = test_nets::everything();
        let hash = graph.hash();
        let mut renamed = graph.clone();
        renamed.name = "other".into();
        renamed.nodes[1].batch_norm = Some("bn".into());
        assert_eq!(renamed.hash(), hash);

        let mut changed: Vec<Graph> = Vec::new();
        for index in 0..graph.nodes.len() {
            let mut other = graph.clone();
            other.nodes[index].name.push('x');
            changed.push(other);
            let mut other = graph.clone();
            other.nodes[index].op = changed_op(&graph.nodes[index].op);
            changed.push(other);
        }
        let mut other = graph.clone();
        other.dims[0].height += 1;
        changed.push(other);
        let mut other = graph.clone();
        other.output = NodeId::new(1);
        changed.push(other);
        let mut hashes: Vec<_> = changed.iter().map(|graph| *graph.hash().as_bytes()).collect();
        hashes.push(*hash.as_bytes());
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    /// The operation with another parameter, or another operation where it has none.
    fn changed_op(op: &Op) -> Op {
        match op.clone() {
            Op::Input | Op::AvgPool(Average::Channels) => Op::Reshape(Reshape::Flat),
            Op::Linear(Linear::Conv(conv)) => {
                let stride = (conv.stride.0, conv.stride.1 + 1);
                Op::Linear(Linear::Conv(Conv { stride, ..conv }))
            }
            Op::Linear(Linear::Dense(dense)) => {
                Op::Linear(Linear::Dense(Dense { out: dense.out + 1, ..dense }))
            }
            Op::Activation(Activation::Leading { kind, ratio }) => {
                Op::Activation(Activation::Leading { kind, ratio: ratio.next_down() })
            }
            Op::Activation(Activation::Runs(mut runs)) => {
                runs[0].kind = Some(ActivationKind::Cube);
                Op::Activation(Activation::Runs(runs))
            }
            Op::MaxPool(window) => Op::AvgPool(window.into()),
            Op::AvgPool(Average::Windows { window, counted }) => {
                let counted = Padding { right: counted.right + 1, ..counted };
                Op::AvgPool(Average::Windows { window, counted })
            }
            Op::Add => Op::Concat,
            Op::Concat => Op::Add,
            Op::Slice { start, end } => Op::Slice { start, end: end + 1 },
            Op::Shuffle { groups } => Op::Shuffle { groups: groups + 1 },
            Op::Reshape(Reshape::Flat) => Op::AvgPool(Average::Channels),
            Op::Reshape(Reshape::Image(dims)) => {
                Op::Reshape(Reshape::Image(Dims::new(dims.height, dims.channels, dims.width)))
            }
        }
    }
}
