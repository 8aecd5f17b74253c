//! What the parties do before the query, layer by layer: P2 deals, P1 sends what masks its own part, P0 collects.

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
    layout::{Apply, Layout, Step},
    local,
};
use crate::{
    functions::Gadget,
    graph::{Graph, NodeId},
    weights::weight_shape,
    weights::{channel_coefficients, channel_constants},
};

/// A layer of a network that runs on a batch.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) graph: &'a Graph,
    pub(super) layout: &'a Layout,
    pub(super) id: NodeId,
    pub(super) batch: usize,
}

/// What P0 holds of a layer before the query.
pub(super) struct ServerLayer<'s> {
    pub(super) before: Option<ServerMaterial<'s>>,
    pub(super) step: ServerStep<'s>,
}

pub(super) enum ServerStep<'s> {
    Nothing,
    Linear(LinearMaterial),
    Activation(Vec<Option<ServerMaterial<'s>>>),
    MaxPool(ServerTree<'s>),
    /// What follows the last layer.
    Label(argmax::ServerMaterial<'s>),
}

/// What P1 holds of a layer before the query.
pub(super) struct ClientLayer {
    pub(super) before: Option<ClientMaterial>,
    pub(super) step: ClientStep,
    /// Its half of the query, and of the logits.
    pub(super) mask: Vec<u64>,
}

pub(super) enum ClientStep {
    Nothing,
    Activation(Vec<Option<ClientMaterial>>),
    MaxPool(ClientTree),
    /// What follows the last layer.
    Label(argmax::ClientMaterial),
}

/// The step below a layer's own in which its input is cut.
pub(super) const CUT: &str = "cut";

/// Phases of a cut.
pub(super) const CUT_PHASES: u16 = 2;

/// The step below a layer's own in which the layer itself runs.
pub(super) const STEP: &str = "step";

impl<'s> ServerStep<'s> {
    /// The material of a linear layer.
    pub(super) fn linear(self) -> LinearMaterial {
        let ServerStep::Linear(material) = self else { unreachable!("a linear layer's") };
        material
    }

    /// The material of gadgets.
    pub(super) fn activation(self) -> Vec<Option<ServerMaterial<'s>>> {
        let ServerStep::Activation(materials) = self else { unreachable!("an activation's") };
        materials
    }

    /// The material of a max pool.
    pub(super) fn max_pool(self) -> ServerTree<'s> {
        let ServerStep::MaxPool(tree) = self else { unreachable!("a max pool's") };
        tree
    }
}

impl ClientStep {
    /// The material of gadgets.
    pub(super) fn activation(self) -> Vec<Option<ClientMaterial>> {
        let ClientStep::Activation(materials) = self else { unreachable!("an activation's") };
        materials
    }

    /// The material of a max pool.
    pub(super) fn max_pool(self) -> ClientTree {
        let ClientStep::MaxPool(tree) = self else { unreachable!("a max pool's") };
        tree
    }
}

impl ServerLayer<'_> {
    /// Bytes of memory, about.
    pub(super) fn bytes(&self) -> usize {
        let step = match &self.step {
            ServerStep::Nothing => 0,
            ServerStep::Linear(material) => material.bytes(),
            ServerStep::Activation(parts) => {
                parts.iter().flatten().map(ServerMaterial::bytes).sum()
            }
            ServerStep::MaxPool(tree) => tree.bytes(),
            ServerStep::Label(label) => label.bytes(),
        };
        step + self.before.as_ref().map_or(0, ServerMaterial::bytes)
    }
}

impl ClientLayer {
    /// Bytes of memory, about.
    pub(super) fn bytes(&self) -> usize {
        let step = match &self.step {
            ClientStep::Nothing => 0,
            ClientStep::Activation(parts) => {
                parts.iter().flatten().map(ClientMaterial::bytes).sum()
            }
            ClientStep::MaxPool(tree) => tree.bytes(),
            ClientStep::Label(label) => label.bytes(),
        };
        step + self.before.as_ref().map_or(0, ClientMaterial::bytes) + 8 * self.mask.len()
    }
}

impl Layer<'_> {
    pub(super) fn name(&self) -> &str {
        &self.graph.node(self.id).name
    }

    /// Values of the first input.
    pub(super) fn input_len(&self) -> usize {
        self.batch * self.graph.input_dims(self.id).len()
    }

    /// How many weights it has.
    pub(super) fn weight_len(&self) -> usize {
        weight_shape(self.graph, self.id).map_or(0, |(shape, ..)| shape.iter().product())
    }

    /// The degrees of its channels' trained coefficients.
    pub(super) fn degrees(&self) -> Vec<u32> {
        let channels = self.graph.dims(self.id).channels;
        let activation = self.graph.node(self.id).op.activation();
        activation.map_or_else(Vec::new, |activation| activation.degrees(channels))
    }

    /// A function of this layer, for its polynomials with what a party holds of their coefficients; `bias` has
    /// their constants, at P0.
    pub(super) fn function(
        &self,
        gadget: &Gadget,
        weights: &[u64],
        bias: &[u64],
    ) -> Box<dyn Function> {
        let &Gadget::Polynomial(degree) = gadget else {
            return gadget.function();
        };
        let dims = self.graph.dims(self.id);
        let degrees = self.degrees();
        let own = channel_coefficients(weights, &degrees, degree);
        let constants = channel_constants(bias, &degrees, degree);
        Box::new(Polynomial::new(degree as usize, dims.plane(), own, constants))
    }

    /// P2: from its halves of the operands, its half of the result.
    pub(super) fn produce(
        &self,
        ctx: &mut Producer<'_>,
        key: &WeightKey,
        operands: &[&[u64]],
    ) -> Result<Vec<u64>> {
        let &Layer { graph, layout, id, batch } = self;
        let layer = layout.layer(id);
        let cut = match &layer.before {
            Some(gate) => {
                Some(gadget::produce(&ctx.narrow(CUT, 0), &Truncation, gate, operands[0])?)
            }
            None => None,
        };
        let input = || cut.as_deref().unwrap_or(operands[0]);
        let mut ctx = ctx.narrow(STEP, 0);
        match &layer.step {
            Step::Input => Ok(reveal::produce_input(&mut ctx, self.input_len())),
            Step::Linear => {
                let shape = graph.linear_shape(id, batch).expect("a linear layer");
                let a = key.mask(self.name(), shape.weight_len());
                linear::produce(&ctx, &shape, layer.width, layer.mask, &a, input())
            }
            Step::AnySign(gate) => {
                gadget::produce(&ctx, &Sign, gate, &local::windows(graph, id, batch, input()))
            }
            Step::Local => Ok(local::local(graph, layout, id, batch, operands)),
            Step::Average(_) => Ok(local::average(graph, layout, id, batch, input())),
            Step::Activate(parts) => {
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
            Step::MaxPool(gate) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                maxpool::produce(&ctx, gate, &shape, input())
            }
        }
    }

    /// P1: from its halves of the operands, where it is to know them, its half of the result and what
    /// it keeps. A linear layer without `weights` sent its part long ago.
    pub(super) fn prepare(
        &self,
        ctx: &mut Client<'_>,
        weights: Option<&[u64]>,
        operands: &[Option<&[u64]>],
    ) -> Result<(Option<Vec<u64>>, ClientLayer)> {
        let &Layer { graph, layout, id, batch } = self;
        let layer = layout.layer(id);
        let before = match &layer.before {
            Some(_) => Some(gadget::prepare(&ctx.narrow(CUT, 0), self.input_len())?),
            None => None,
        };
        let cut = before.as_ref().map(|material| material.mask().to_vec());
        let input = || cut.as_deref().or(operands.first().copied().flatten());
        let mut ctx = ctx.narrow(STEP, 0);
        let mut kept = ClientStep::Nothing;
        let mask = match &layer.step {
            Step::Input => Some(reveal::prepare_input(&mut ctx, self.input_len())),
            Step::Linear => {
                let shape = graph.linear_shape(id, batch).expect("a linear layer");
                let mask = match weights {
                    Some(d) => {
                        let r = input().expect("the mask of what a linear layer takes");
                        linear::prepare(&ctx, &shape, layer.width, layer.mask, d, r)?
                    }
                    None => linear::recall(&ctx, &shape, layer.mask)?,
                };
                (layer.mask == linear::Mask::Known).then_some(mask)
            }
            Step::Local => {
                let known: Option<Vec<&[u64]>> = operands.iter().copied().collect();
                known.map(|operands| local::local(graph, layout, id, batch, &operands))
            }
            Step::Average(_) => input().map(|x| local::average(graph, layout, id, batch, x)),
            Step::Activate(parts) => {
                let done = ctx.lanes(parts.len(), |lane, index| {
                    let part = &parts[index];
                    let count = local::part_len(graph, id, batch, part);
                    match &part.apply {
                        Apply::Pass => {
                            let r = input().map(|r| local::part(graph, id, batch, part, r));
                            Ok((r, None))
                        }
                        Apply::Constants => Ok((Some(vec![0; count]), None)),
                        Apply::Gadget(..) => {
                            let material = gadget::prepare(lane, count)?;
                            Ok((Some(material.mask().to_vec()), Some(material)))
                        }
                    }
                })?;
                let (masks, materials): (Vec<_>, Vec<_>) = done.into_iter().unzip();
                kept = ClientStep::Activation(materials);
                let masks: Option<Vec<Vec<u64>>> = masks.into_iter().collect();
                masks.map(|masks| local::join(graph, id, batch, parts, masks))
            }
            Step::AnySign(_) => {
                let material = gadget::prepare(&ctx, batch * graph.dims(id).len())?;
                let mask = material.mask().to_vec();
                kept = ClientStep::Activation(vec![Some(material)]);
                Some(mask)
            }
            Step::MaxPool(_) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                let (tree, mask) = maxpool::prepare(&ctx, &shape, input())?;
                kept = ClientStep::MaxPool(tree);
                mask
            }
        };
        // The query's is used again online.
        let query =
            mask.as_ref().filter(|_| layer.step == Step::Input).cloned().unwrap_or_default();
        Ok((mask, ClientLayer { before, step: kept, mask: query }))
    }

    /// P0: takes what the others sent.
    pub(super) fn collect<'s>(&self, ctx: &mut Server<'s>, take: Take) -> Result<ServerLayer<'s>> {
        let &Layer { graph, layout, id, batch } = self;
        let layer = layout.layer(id);
        let before = match &layer.before {
            Some(gate) => {
                let count = self.input_len();
                Some(gadget::collect(&ctx.narrow(CUT, 0), &Truncation, gate, count, take)?)
            }
            None => None,
        };
        let ctx = ctx.narrow(STEP, 0);
        let step = match &layer.step {
            Step::Input | Step::Local | Step::Average(_) => ServerStep::Nothing,
            Step::Linear => {
                let shape = graph.linear_shape(id, batch).expect("a linear layer");
                ServerStep::Linear(linear::collect(&ctx, &shape, layer.width, layer.mask)?)
            }
            Step::Activate(parts) => {
                ServerStep::Activation(ctx.lanes(parts.len(), |lane, index| {
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
            Step::AnySign(gate) => {
                let count = batch * graph.dims(id).len();
                let material = gadget::collect(&ctx, &Sign, gate, count, take)?;
                ServerStep::Activation(vec![Some(material)])
            }
            Step::MaxPool(gate) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                ServerStep::MaxPool(maxpool::collect(&ctx, gate, &shape, take)?)
            }
        };
        Ok(ServerLayer { before, step })
    }
}
