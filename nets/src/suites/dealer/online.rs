//! What P0 and P1 do when the query is there, layer by layer.

use std::sync::Mutex;

use protocols::{
    Client, Result, Server,
    dealer::{Sign, gadget, linear, maxpool, reveal, truncation::Truncation},
};

use super::{
    layout::{Apply, Step},
    local,
    offline::{CUT, CUT_PHASES, ClientLayer, ClientStep, Layer, STEP, ServerLayer, ServerStep},
};
use crate::weights::model::{EncodedModel, constants};

impl Layer<'_> {
    /// P0: from its halves z of the operands, its half of the result.
    pub(super) fn serve(
        &self,
        ctx: &mut Server<'_>,
        model: &EncodedModel,
        material: ServerLayer<'_>,
        operands: &[&[u64]],
    ) -> Result<Vec<u64>> {
        let &Layer { graph, plan, id, batch } = self;
        let layer = plan.layer(id);
        let cut = match (&layer.before, material.before) {
            (Some(gate), Some(material)) => {
                let ctx = ctx.narrow(CUT, 0);
                Some(gadget::serve(&ctx, &Truncation, gate, material, operands[0])?)
            }
            _ => None,
        };
        let input = || cut.as_deref().unwrap_or(operands[0]);
        let mut ctx = ctx.narrow(STEP, if cut.is_some() { CUT_PHASES } else { 0 });
        match (&layer.step, material.step) {
            (Step::Input, _) => reveal::receive_input(&mut ctx, layer.width, self.input_len()),
            (Step::Local, _) => Ok(local::local(graph, plan, id, batch, operands)),
            (Step::Average(_), _) => Ok(local::average(graph, plan, id, batch, input())),
            (Step::Linear, ServerStep::Linear(material)) => {
                let shape = graph.linear_shape(id, batch).expect("a linear layer");
                let linear = model.layer(id).expect("the model was checked");
                let (weight, bias) = (&linear.weight, &linear.bias);
                linear::serve(&ctx, &shape, layer.width, material, weight, bias, input())
            }
            (Step::Activate(parts), ServerStep::Activation(materials)) => {
                let materials: Vec<_> = materials.into_iter().map(Mutex::new).collect();
                let (weight, bias) = model
                    .layer(id)
                    .map_or((&[][..], &[][..]), |own| (own.weight.as_slice(), own.bias.as_slice()));
                let values = ctx.lanes(parts.len(), |lane, index| {
                    let part = &parts[index];
                    let u = local::part(graph, id, batch, part, input());
                    let material = materials[index].lock().expect("no panic while locked").take();
                    match (&part.apply, material) {
                        (Apply::Gadget(nonlinear, gate), Some(material)) => {
                            let function = self.function(nonlinear, weight, bias);
                            gadget::serve(lane, &*function, gate, material, &u)
                        }
                        (Apply::Constants, _) => Ok(self.constants(bias)),
                        _ => Ok(u),
                    }
                })?;
                Ok(local::join(graph, id, batch, parts, values))
            }
            (Step::AnySign(gate), ServerStep::Activation(materials)) => {
                let mut sums = local::windows(graph, id, batch, input());
                local::add_sizes(graph, id, &mut sums);
                let material = materials.into_iter().flatten().next().expect("one gadget's");
                gadget::serve(&ctx, &Sign, gate, material, &sums)
            }
            (Step::MaxPool(gate), ServerStep::MaxPool(tree)) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                maxpool::serve(&ctx, gate, &shape, tree, input())
            }
            _ => unreachable!("material of another layer"),
        }
    }

    /// The values of the channels that have constants in place of functions.
    pub(super) fn constants(&self, bias: &[u64]) -> Vec<u64> {
        let dims = self.graph.dims(self.id);
        let constants = constants(bias, &self.graph.node(self.id).op.degrees(dims.channels), 0);
        let image = constants.iter().flat_map(|&c| std::iter::repeat_n(c, dims.plane()));
        let image: Vec<u64> = image.collect();
        image.repeat(self.batch)
    }

    /// P1: `images` are the query, for the layer that takes it, `weights` its masked coefficients.
    pub(super) fn answer(
        &self,
        ctx: &mut Client<'_>,
        material: ClientLayer,
        weights: &[u64],
        images: &[u64],
    ) -> Result<()> {
        let layer = self.plan.layer(self.id);
        let mut phases = 0;
        if let (Some(gate), Some(material)) = (&layer.before, material.before) {
            gadget::answer(&ctx.narrow(CUT, 0), &Truncation, gate, material)?;
            phases = CUT_PHASES;
        }
        let mut ctx = ctx.narrow(STEP, phases);
        match (&layer.step, material.step) {
            (Step::Input, _) => reveal::send_input(&mut ctx, layer.width, images, &material.mask),
            (Step::Activate(parts), ClientStep::Activation(materials)) => {
                let materials: Vec<_> = materials.into_iter().map(Mutex::new).collect();
                ctx.lanes(parts.len(), |lane, index| {
                    let material = materials[index].lock().expect("no panic while locked").take();
                    match (&parts[index].apply, material) {
                        (Apply::Gadget(nonlinear, gate), Some(material)) => {
                            let function = self.function(nonlinear, weights, &[]);
                            gadget::answer(lane, &*function, gate, material)
                        }
                        _ => Ok(()),
                    }
                })?;
                Ok(())
            }
            (Step::AnySign(gate), ClientStep::Activation(materials)) => {
                let material = materials.into_iter().flatten().next().expect("one gadget's");
                gadget::answer(&ctx, &Sign, gate, material)
            }
            (Step::MaxPool(gate), ClientStep::MaxPool(tree)) => maxpool::answer(&ctx, gate, tree),
            _ => Ok(()),
        }
    }
}
