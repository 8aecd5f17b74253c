//! What P0 and P1 do when the query is there, layer by layer.

use std::sync::Mutex;

use protocols::{
    Client, Result, Server,
    dealer::{
        Sign,
        gadget::{self, ClientMaterial, ServerMaterial},
        linear, maxpool, reveal,
        truncation::Truncation,
    },
};

use super::{
    layout::{Apply, Part, Step},
    local,
    offline::{CUT, CUT_PHASES, ClientLayer, Layer, STEP, ServerLayer},
};
use crate::weights::{EncodedModel, channel_constants};

impl Layer<'_> {
    /// P0: from its halves z of the operands, its half of the result.
    pub(super) fn serve(
        &self,
        ctx: &mut Server<'_>,
        model: &EncodedModel,
        material: ServerLayer<'_>,
        operands: &[&[u64]],
    ) -> Result<Vec<u64>> {
        let &Layer { graph, layout, id, batch } = self;
        let layer = layout.layer(id);
        let cut = match (&layer.before, material.before) {
            (Some(gate), Some(material)) => {
                let ctx = ctx.narrow(CUT, 0);
                Some(gadget::serve(&ctx, &Truncation, gate, material, operands[0])?)
            }
            _ => None,
        };
        let input = || cut.as_deref().unwrap_or(operands[0]);
        let mut ctx = ctx.narrow(STEP, if cut.is_some() { CUT_PHASES } else { 0 });
        match &layer.step {
            Step::Input => reveal::receive_input(&mut ctx, layer.width, self.input_len()),
            Step::Local => Ok(local::local(graph, layout, id, batch, operands)),
            Step::Average(_) => Ok(local::average(graph, layout, id, batch, input())),
            Step::Linear => {
                let shape = graph.linear_shape(id, batch).expect("a linear layer");
                let linear = model.layer(id).expect("the model was checked");
                let (weight, bias) = (&linear.weight, &linear.bias);
                let material = material.step.linear();
                linear::serve(&ctx, &shape, layer.width, material, weight, bias, input())
            }
            Step::Activate(parts) => {
                let materials = material.step.activation();
                let values = self.serve_parts(&mut ctx, model, parts, materials, input())?;
                Ok(local::join(graph, id, batch, parts, values))
            }
            Step::AnySign(gate) => {
                let mut sums = local::windows(graph, id, batch, input());
                local::add_sizes(graph, id, &mut sums);
                let materials = material.step.activation();
                let material = materials.into_iter().flatten().next().expect("one gadget's");
                gadget::serve(&ctx, &Sign, gate, material, &sums)
            }
            Step::MaxPool(gate) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                maxpool::serve(&ctx, gate, &shape, material.step.max_pool(), input())
            }
        }
    }

    /// P0: each part of an activation, side by side.
    fn serve_parts(
        &self,
        ctx: &mut Server<'_>,
        model: &EncodedModel,
        parts: &[Part],
        materials: Vec<Option<ServerMaterial<'_>>>,
        input: &[u64],
    ) -> Result<Vec<Vec<u64>>> {
        let own = model.layer(self.id);
        let (weight, bias) = own.map_or((&[][..], &[][..]), |own| (&own.weight, &own.bias));
        let materials: Vec<_> = materials.into_iter().map(Mutex::new).collect();
        ctx.lanes(parts.len(), |lane, index| {
            let part = &parts[index];
            let u = local::part(self.graph, self.id, self.batch, part, input);
            match &part.apply {
                Apply::Gadget(gadget, gate) => {
                    let material = materials[index].lock().expect("no panic while locked").take();
                    let function = self.function(gadget, weight, bias);
                    let material = material.expect("the material of a gadget");
                    gadget::serve(lane, &*function, gate, material, &u)
                }
                Apply::Constants => Ok(self.constants(bias)),
                Apply::Pass => Ok(u),
            }
        })
    }

    /// The values of the channels that have constants in place of functions.
    pub(super) fn constants(&self, bias: &[u64]) -> Vec<u64> {
        let dims = self.graph.dims(self.id);
        let constants = channel_constants(bias, &self.degrees(), 0);
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
        let layer = self.layout.layer(self.id);
        let mut phases = 0;
        if let (Some(gate), Some(material)) = (&layer.before, material.before) {
            gadget::answer(&ctx.narrow(CUT, 0), &Truncation, gate, material)?;
            phases = CUT_PHASES;
        }
        let mut ctx = ctx.narrow(STEP, phases);
        // What neither truncates nor compares sends nothing.
        match &layer.step {
            Step::Input => reveal::send_input(&mut ctx, layer.width, images, &material.mask),
            Step::Linear | Step::Local | Step::Average(_) => Ok(()),
            Step::Activate(parts) => {
                self.answer_parts(&mut ctx, parts, material.step.activation(), weights)
            }
            Step::AnySign(gate) => {
                let materials = material.step.activation();
                let material = materials.into_iter().flatten().next().expect("one gadget's");
                gadget::answer(&ctx, &Sign, gate, material)
            }
            Step::MaxPool(gate) => maxpool::answer(&ctx, gate, material.step.max_pool()),
        }
    }

    /// P1: each part of an activation, side by side; `weights` are its masked coefficients.
    fn answer_parts(
        &self,
        ctx: &mut Client<'_>,
        parts: &[Part],
        materials: Vec<Option<ClientMaterial>>,
        weights: &[u64],
    ) -> Result<()> {
        let materials: Vec<_> = materials.into_iter().map(Mutex::new).collect();
        ctx.lanes(parts.len(), |lane, index| match &parts[index].apply {
            Apply::Gadget(gadget, gate) => {
                let material = materials[index].lock().expect("no panic while locked").take();
                let function = self.function(gadget, weights, &[]);
                let material = material.expect("the material of a gadget");
                gadget::answer(lane, &*function, gate, material)
            }
            Apply::Constants | Apply::Pass => Ok(()),
        })?;
        Ok(())
    }
}
