//! A layer ahead of the query: P2 deals, P1 sends the messages that depend on its masks, and P0
//! collects both.

use protocols::{
    Client, Producer, Result, Server,
    dealer::{
        Function, Polynomial, Sign, argmax,
        gadget::{self, ClientMaterial, ServerMaterial, Take},
        linear::{self, LinearMaterial, WeightKey},
        maxpool::{self, ClientTree, ServerTree},
        reveal,
        truncation::Truncation,
    },
};

use super::{
    layout::{Apply, Computation, Layout, Part},
    local,
};
use crate::{
    functions::Gadget,
    graph::{Graph, NodeId},
    weights::{channel_coefficients, channel_constants, weight_shape},
};

/// A layer of a network on a batch.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) graph: &'a Graph,
    pub(super) layout: &'a Layout,
    pub(super) id: NodeId,
    pub(super) batch: usize,
}

/// P0's material of a layer before the query.
pub(super) struct ServerLayer<'s> {
    /// The material of the truncation of its input.
    pub(super) before: Option<ServerMaterial<'s>>,
    pub(super) computation: ServerComputation<'s>,
}

/// P0's material of a layer's own computation.
pub(super) enum ServerComputation<'s> {
    Nothing,
    Linear(LinearMaterial),
    Activation(Vec<Option<ServerMaterial<'s>>>),
    MaxPool(ServerTree<'s>),
    /// The label, after the last layer.
    Label(argmax::ServerMaterial<'s>),
}

/// P1's material of a layer before the query.
pub(super) struct ClientLayer {
    /// The material of the truncation of its input.
    pub(super) before: Option<ClientMaterial>,
    pub(super) computation: ClientComputation,
    /// P1's half of the query or of the logits; empty for other layers.
    pub(super) mask: Vec<u64>,
}

/// P1's material of a layer's own computation.
pub(super) enum ClientComputation {
    Nothing,
    Activation(Vec<Option<ClientMaterial>>),
    MaxPool(ClientTree),
    /// The label, after the last layer.
    Label(argmax::ClientMaterial),
}

/// The name of the step inside of a layer in which its input is truncated.
pub(super) const TRUNCATION_STEP: &str = "cut";

/// The number of online phases of the truncation.
pub(super) const TRUNCATION_PHASES: u16 = 2;

/// The name of the step inside of a layer in which the layer itself is computed.
pub(super) const LAYER_STEP: &str = "step";

impl<'s> ServerComputation<'s> {
    /// The material of a linear layer.
    pub(super) fn linear(self) -> LinearMaterial {
        let ServerComputation::Linear(material) = self else { unreachable!("a linear layer's") };
        material
    }

    /// The material of gadgets.
    pub(super) fn activation(self) -> Vec<Option<ServerMaterial<'s>>> {
        let ServerComputation::Activation(materials) = self else {
            unreachable!("an activation's")
        };
        materials
    }

    /// The material of a max pool.
    pub(super) fn max_pool(self) -> ServerTree<'s> {
        let ServerComputation::MaxPool(tree) = self else { unreachable!("a max pool's") };
        tree
    }

    /// The material of a label.
    pub(super) fn label(self) -> argmax::ServerMaterial<'s> {
        let ServerComputation::Label(label) = self else { unreachable!("a label's") };
        label
    }
}

impl ClientComputation {
    /// The material of gadgets.
    pub(super) fn activation(self) -> Vec<Option<ClientMaterial>> {
        let ClientComputation::Activation(materials) = self else {
            unreachable!("an activation's")
        };
        materials
    }

    /// The material of a max pool.
    pub(super) fn max_pool(self) -> ClientTree {
        let ClientComputation::MaxPool(tree) = self else { unreachable!("a max pool's") };
        tree
    }

    /// The material of a label.
    pub(super) fn label(self) -> argmax::ClientMaterial {
        let ClientComputation::Label(label) = self else { unreachable!("a label's") };
        label
    }
}

impl ServerLayer<'_> {
    /// The approximate size in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let computation = match &self.computation {
            ServerComputation::Nothing => 0,
            ServerComputation::Linear(material) => material.bytes(),
            ServerComputation::Activation(parts) => {
                parts.iter().flatten().map(ServerMaterial::bytes).sum()
            }
            ServerComputation::MaxPool(tree) => tree.bytes(),
            ServerComputation::Label(label) => label.bytes(),
        };
        computation + self.before.as_ref().map_or(0, ServerMaterial::bytes)
    }
}

impl ClientLayer {
    /// The approximate size in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let computation = match &self.computation {
            ClientComputation::Nothing => 0,
            ClientComputation::Activation(parts) => {
                parts.iter().flatten().map(ClientMaterial::bytes).sum()
            }
            ClientComputation::MaxPool(tree) => tree.bytes(),
            ClientComputation::Label(label) => label.bytes(),
        };
        computation + self.before.as_ref().map_or(0, ClientMaterial::bytes) + 8 * self.mask.len()
    }
}

impl Layer<'_> {
    /// The layer's name.
    pub(super) fn name(&self) -> &str {
        &self.graph.node(self.id).name
    }

    /// The number of values of the first input.
    pub(super) fn input_len(&self) -> usize {
        self.batch * self.graph.input_dims(self.id).len()
    }

    /// The number of weights.
    pub(super) fn weight_len(&self) -> usize {
        weight_shape(self.graph, self.id).map_or(0, |(shape, ..)| shape.iter().product())
    }

    /// The degree of each channel that has trained coefficients.
    pub(super) fn degrees(&self) -> Vec<u32> {
        let channels = self.graph.dims(self.id).channels;
        let activation = self.graph.node(self.id).op.activation();
        activation.map_or_else(Vec::new, |activation| activation.degrees(channels))
    }

    /// The protocol of a gadget of this layer. A polynomial takes one party's part of the
    /// coefficients from `weights` and, at P0, the constants from `bias`.
    pub(super) fn function(
        &self,
        gadget: &Gadget,
        weights: &[u64],
        bias: &[u64],
    ) -> Box<dyn Function> {
        match gadget {
            &Gadget::Polynomial(degree) => {
                let plane = self.graph.dims(self.id).plane();
                let degrees = self.degrees();
                let coefficients = channel_coefficients(weights, &degrees, degree);
                let constants = channel_constants(bias, &degrees, degree);
                Box::new(Polynomial::new(degree as usize, plane, coefficients, constants))
            }
            Gadget::Truncation
            | Gadget::Relu
            | Gadget::Spline(_)
            | Gadget::Square
            | Gadget::Cube
            | Gadget::Sign => gadget.function(),
        }
    }

    /// P2: deals, and computes its half of the result from its halves of the operands.
    pub(super) fn produce(
        &self,
        ctx: &mut Producer<'_>,
        key: &WeightKey,
        operands: &[&[u64]],
    ) -> Result<Vec<u64>> {
        let &Layer { graph, layout, id, batch } = self;
        let layer = layout.layer(id);
        let truncated = match &layer.before {
            Some(gate) => Some(gadget::produce(
                &ctx.narrow(TRUNCATION_STEP, 0),
                &Truncation,
                gate,
                operands[0],
            )?),
            None => None,
        };
        let input = || truncated.as_deref().unwrap_or(operands[0]);
        let mut ctx = ctx.narrow(LAYER_STEP, 0);
        match &layer.computation {
            Computation::Input => Ok(reveal::produce_input(&mut ctx, self.input_len())),
            Computation::Linear => {
                let shape = graph.linear_shape(id, batch).expect("a linear layer");
                let a = key.mask(self.name(), shape.weight_len());
                linear::produce(&ctx, &shape, layer.width, layer.mask, &a, input())
            }
            Computation::AnySign(gate) => {
                gadget::produce(&ctx, &Sign, gate, &local::windows(graph, id, batch, input()))
            }
            Computation::Local => Ok(local::local(graph, layout, id, batch, operands)),
            Computation::Average(_) => Ok(local::average(graph, layout, id, batch, input())),
            Computation::Activate(parts) => {
                let a = key.mask(self.name(), self.weight_len());
                let values = ctx.lanes(parts.len(), |lane, index| {
                    let part = &parts[index];
                    let v = local::part(graph, id, batch, part, input());
                    match &part.apply {
                        Apply::Gadget(gadget, gate) => {
                            let function = self.function(gadget, &a, &[]);
                            gadget::produce(lane, &*function, gate, &v)
                        }
                        Apply::Pass => Ok(v),
                        Apply::Constants => Ok(vec![0; v.len()]),
                    }
                })?;
                Ok(local::join(graph, id, batch, parts, values))
            }
            Computation::MaxPool(gate) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                maxpool::produce(&ctx, gate, &shape, input())
            }
        }
    }

    /// P1: sends its messages; returns its half of the result, if it must know it, and the
    /// material. It computes from its halves of the operands that it knows. Without `weights` a
    /// linear layer sends nothing, as it did in an earlier session.
    pub(super) fn prepare(
        &self,
        ctx: &mut Client<'_>,
        weights: Option<&[u64]>,
        operands: &[Option<&[u64]>],
    ) -> Result<(Option<Vec<u64>>, ClientLayer)> {
        let layer = self.layout.layer(self.id);
        let before = match &layer.before {
            Some(_) => Some(gadget::prepare(&ctx.narrow(TRUNCATION_STEP, 0), self.input_len())?),
            None => None,
        };
        let truncated = before.as_ref().map(|material| material.mask().to_vec());
        let input = truncated.as_deref().or(operands.first().copied().flatten());
        let mut ctx = ctx.narrow(LAYER_STEP, 0);
        let (mask, computation) = self.prepare_computation(&mut ctx, weights, operands, input)?;
        // The mask of the query is used again online.
        let query = mask
            .as_ref()
            .filter(|_| layer.computation == Computation::Input)
            .cloned()
            .unwrap_or_default();
        Ok((mask, ClientLayer { before, computation, mask: query }))
    }

    /// P1: the layer's own computation, for its half `input` of the first operand after the
    /// truncation.
    fn prepare_computation(
        &self,
        ctx: &mut Client<'_>,
        weights: Option<&[u64]>,
        operands: &[Option<&[u64]>],
        input: Option<&[u64]>,
    ) -> Result<(Option<Vec<u64>>, ClientComputation)> {
        let &Layer { graph, layout, id, batch } = self;
        let layer = layout.layer(id);
        match &layer.computation {
            Computation::Input => {
                Ok((Some(reveal::prepare_input(ctx, self.input_len())), ClientComputation::Nothing))
            }
            Computation::Linear => {
                let shape = graph.linear_shape(id, batch).expect("a linear layer");
                let mask = match weights {
                    Some(d) => {
                        let r = input.expect("the mask of a linear layer's input");
                        linear::prepare(ctx, &shape, layer.width, layer.mask, d, r)?
                    }
                    None => linear::recall(ctx, &shape, layer.mask)?,
                };
                Ok((
                    (layer.mask == linear::Mask::Known).then_some(mask),
                    ClientComputation::Nothing,
                ))
            }
            Computation::Local => {
                let operands: Option<Vec<&[u64]>> = operands.iter().copied().collect();
                let mask =
                    operands.map(|operands| local::local(graph, layout, id, batch, &operands));
                Ok((mask, ClientComputation::Nothing))
            }
            Computation::Average(_) => {
                let mask = input.map(|x| local::average(graph, layout, id, batch, x));
                Ok((mask, ClientComputation::Nothing))
            }
            Computation::Activate(parts) => self.prepare_parts(ctx, parts, input),
            Computation::AnySign(_) => {
                let material = gadget::prepare(ctx, batch * graph.dims(id).len())?;
                let mask = material.mask().to_vec();
                Ok((Some(mask), ClientComputation::Activation(vec![Some(material)])))
            }
            Computation::MaxPool(_) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                let (tree, mask) = maxpool::prepare(ctx, &shape, input)?;
                Ok((mask, ClientComputation::MaxPool(tree)))
            }
        }
    }

    /// P1: the parts of an activation, in parallel.
    fn prepare_parts(
        &self,
        ctx: &mut Client<'_>,
        parts: &[Part],
        input: Option<&[u64]>,
    ) -> Result<(Option<Vec<u64>>, ClientComputation)> {
        let &Layer { graph, id, batch, .. } = self;
        let prepared = ctx.lanes(parts.len(), |lane, index| {
            let part = &parts[index];
            let count = local::part_len(graph, id, batch, part);
            match &part.apply {
                Apply::Pass => {
                    let r = input.map(|r| local::part(graph, id, batch, part, r));
                    Ok((r, None))
                }
                Apply::Constants => Ok((Some(vec![0; count]), None)),
                Apply::Gadget(..) => {
                    let material = gadget::prepare(lane, count)?;
                    Ok((Some(material.mask().to_vec()), Some(material)))
                }
            }
        })?;
        let (masks, materials): (Vec<_>, Vec<_>) = prepared.into_iter().unzip();
        let masks: Option<Vec<Vec<u64>>> = masks.into_iter().collect();
        let mask = masks.map(|masks| local::join(graph, id, batch, parts, masks));
        Ok((mask, ClientComputation::Activation(materials)))
    }

    /// P0: receives the messages of the others; `take` says whether it reads those of gadgets now.
    pub(super) fn collect<'s>(&self, ctx: &mut Server<'s>, take: Take) -> Result<ServerLayer<'s>> {
        let &Layer { graph, layout, id, batch } = self;
        let layer = layout.layer(id);
        let before = match &layer.before {
            Some(gate) => {
                let count = self.input_len();
                Some(gadget::collect(
                    &ctx.narrow(TRUNCATION_STEP, 0),
                    &Truncation,
                    gate,
                    count,
                    take,
                )?)
            }
            None => None,
        };
        let ctx = ctx.narrow(LAYER_STEP, 0);
        let computation = match &layer.computation {
            Computation::Input | Computation::Local | Computation::Average(_) => {
                ServerComputation::Nothing
            }
            Computation::Linear => {
                let shape = graph.linear_shape(id, batch).expect("a linear layer");
                ServerComputation::Linear(linear::collect(&ctx, &shape, layer.width, layer.mask)?)
            }
            Computation::Activate(parts) => {
                ServerComputation::Activation(ctx.lanes(parts.len(), |lane, index| {
                    let part = &parts[index];
                    let count = local::part_len(graph, id, batch, part);
                    match &part.apply {
                        Apply::Gadget(gadget, gate) => {
                            gadget::collect(lane, &*gadget.function(), gate, count, take).map(Some)
                        }
                        Apply::Pass | Apply::Constants => Ok(None),
                    }
                })?)
            }
            Computation::AnySign(gate) => {
                let count = batch * graph.dims(id).len();
                let material = gadget::collect(&ctx, &Sign, gate, count, take)?;
                ServerComputation::Activation(vec![Some(material)])
            }
            Computation::MaxPool(gate) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                ServerComputation::MaxPool(maxpool::collect(&ctx, gate, &shape, take)?)
            }
        };
        Ok(ServerLayer { before, computation })
    }
}
