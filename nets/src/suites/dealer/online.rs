//! A layer from the query on: P0 serves, and P1 answers.

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
    layout::{Apply, Computation, Part},
    local,
    offline::{ClientLayer, LAYER_STEP, Layer, ServerLayer, TRUNCATION_PHASES, TRUNCATION_STEP},
};
use crate::weights::{EncodedModel, channel_constants};

impl Layer<'_> {
    /// P0: computes its half of the result from its halves z of the operands.
    pub(super) fn serve(
        &self,
        ctx: &mut Server<'_>,
        model: &EncodedModel,
        material: ServerLayer<'_>,
        operands: &[&[u64]],
    ) -> Result<Vec<u64>> {
        let &Layer { graph, layout, id, batch } = self;
        let layer = layout.layer(id);
        let (mut truncated, mut phases) = (None, 0);
        if let Some(gate) = &layer.before {
            let ctx = ctx.narrow(TRUNCATION_STEP, 0);
            let material = material.before.expect("the material of a truncation");
            truncated = Some(gadget::serve(&ctx, &Truncation, gate, material, operands[0])?);
            phases = TRUNCATION_PHASES;
        }
        let input = || truncated.as_deref().unwrap_or(operands[0]);
        let mut ctx = ctx.narrow(LAYER_STEP, phases);
        match &layer.computation {
            Computation::Input => reveal::receive_input(&mut ctx, layer.width, self.input_len()),
            Computation::Local => Ok(local::local(graph, layout, id, batch, operands)),
            Computation::Average(_) => Ok(local::average(graph, layout, id, batch, input())),
            Computation::Linear => {
                let shape = graph.linear_shape(id, batch).expect("a linear layer");
                let linear = model.layer(id).expect("the model was checked");
                let (weight, bias) = (&linear.weight, &linear.bias);
                let material = material.computation.linear();
                linear::serve(&ctx, &shape, layer.width, material, weight, bias, input())
            }
            Computation::Activate(parts) => {
                let materials = material.computation.activation();
                let values = self.serve_parts(&mut ctx, model, parts, materials, input())?;
                Ok(local::join(graph, id, batch, parts, values))
            }
            Computation::AnySign(gate) => {
                let mut sums = local::windows(graph, id, batch, input());
                local::add_sizes(graph, id, &mut sums);
                let materials = material.computation.activation();
                let material = materials.into_iter().flatten().next().expect("one gadget's");
                gadget::serve(&ctx, &Sign, gate, material, &sums)
            }
            Computation::MaxPool(gate) => {
                let shape = graph.pool_shape(id, batch).expect("a pooling layer");
                maxpool::serve(&ctx, gate, &shape, material.computation.max_pool(), input())
            }
        }
    }

    /// P0: the parts of an activation, in parallel.
    fn serve_parts(
        &self,
        ctx: &mut Server<'_>,
        model: &EncodedModel,
        parts: &[Part],
        materials: Vec<Option<ServerMaterial<'_>>>,
        input: &[u64],
    ) -> Result<Vec<Vec<u64>>> {
        let (weight, bias) = model.layer(self.id).map_or_else(Default::default, |layer| {
            (layer.weight.as_slice(), layer.bias.as_slice())
        });
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

    /// The results of the channels that are constant.
    pub(super) fn constants(&self, bias: &[u64]) -> Vec<u64> {
        let dims = self.graph.dims(self.id);
        let constants = channel_constants(bias, &self.degrees(), 0);
        let image = constants.iter().flat_map(|&c| std::iter::repeat_n(c, dims.plane()));
        let image: Vec<u64> = image.collect();
        image.repeat(self.batch)
    }

    /// P1: sends its messages. `images` are the query, and `weights` the layer's masked
    /// coefficients.
    pub(super) fn answer(
        &self,
        ctx: &mut Client<'_>,
        material: ClientLayer,
        weights: &[u64],
        images: &[u64],
    ) -> Result<()> {
        let layer = self.layout.layer(self.id);
        let mut phases = 0;
        if let Some(gate) = &layer.before {
            let material = material.before.expect("the material of a truncation");
            gadget::answer(&ctx.narrow(TRUNCATION_STEP, 0), &Truncation, gate, material)?;
            phases = TRUNCATION_PHASES;
        }
        let mut ctx = ctx.narrow(LAYER_STEP, phases);
        // Layers that neither truncate nor compare send nothing.
        match &layer.computation {
            Computation::Input => reveal::send_input(&mut ctx, layer.width, images, &material.mask),
            Computation::Linear | Computation::Local | Computation::Average(_) => Ok(()),
            Computation::Activate(parts) => {
                self.answer_parts(&mut ctx, parts, material.computation.activation(), weights)
            }
            Computation::AnySign(gate) => {
                let materials = material.computation.activation();
                let material = materials.into_iter().flatten().next().expect("one gadget's");
                gadget::answer(&ctx, &Sign, gate, material)
            }
            Computation::MaxPool(gate) => {
                maxpool::answer(&ctx, gate, material.computation.max_pool())
            }
        }
    }

    /// P1: the parts of an activation, in parallel; `weights` are the masked coefficients.
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
