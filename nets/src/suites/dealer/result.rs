//! What follows a network's last layer: the data owner learns the logits, or the label alone.

use protocols::{
    Result, Session, Stage,
    dealer::{
        argmax::{self, Rows},
        gadget::Take,
        reveal,
    },
};

use super::{
    layout::rows,
    offline::{ClientLayer, ClientStep, ServerLayer, ServerStep},
    run::Run,
};
use crate::graph::OUTPUT;

impl Run<'_> {
    /// P2: from its half of the last layer's result.
    pub(super) fn produce_result(&self, session: &Session, v: &[u64]) -> Result<()> {
        let Some(gate) = self.layout.label() else { return Ok(()) };
        session.produce(OUTPUT, |ctx| argmax::produce(ctx, gate, &self.rows(), v))
    }

    /// P1, ahead: `mask` is its half of the last layer's result, where it is to know it.
    pub(super) fn prepare_result(
        &self,
        session: &Session,
        mask: Option<Vec<u64>>,
    ) -> Result<ClientLayer> {
        if self.layout.label().is_none() {
            let mask = mask.expect("the mask of the logits");
            return Ok(ClientLayer { before: None, step: ClientStep::Nothing, mask });
        }
        let (label, _) =
            session.query(Stage::Ahead, 0, OUTPUT, |ctx| argmax::prepare(ctx, &self.rows()))?;
        Ok(ClientLayer { before: None, step: ClientStep::Label(label), mask: Vec::new() })
    }

    /// P0, ahead.
    pub(super) fn collect_result<'s>(
        &self,
        session: &'s Session,
        take: Take,
    ) -> Result<ServerLayer<'s>> {
        let step = match self.layout.label() {
            None => ServerStep::Nothing,
            Some(gate) => {
                let (label, _) = session.serve(Stage::Ahead, 0, OUTPUT, |ctx| {
                    argmax::collect(ctx, gate, &self.rows(), take)
                })?;
                ServerStep::Label(label)
            }
        };
        Ok(ServerLayer { before: None, step })
    }

    /// P0, online: from its half of the last layer's result.
    pub(super) fn serve_result(
        &self,
        session: &Session,
        depth: u32,
        material: ServerLayer<'_>,
        u: &[u64],
    ) -> Result<()> {
        let width = self.layout.layer(self.graph.output()).width;
        session.serve(Stage::Online, depth, OUTPUT, |ctx| {
            match (self.layout.label(), material.step) {
                (Some(gate), ServerStep::Label(label)) => {
                    argmax::serve(ctx, gate, &self.rows(), label, u)
                }
                _ => reveal::send_output(ctx, width, u),
            }
        })?;
        Ok(())
    }

    /// P1, online: logits, or for each image its label.
    pub(super) fn answer_result(
        &self,
        session: &Session,
        depth: u32,
        material: ClientLayer,
    ) -> Result<Vec<i64>> {
        let width = self.layout.layer(self.graph.output()).width;
        let (result, _) = session.query(Stage::Online, depth, OUTPUT, |ctx| {
            match (self.layout.label(), material.step) {
                (Some(gate), ClientStep::Label(label)) => {
                    let labels = argmax::answer(ctx, gate, &self.rows(), label)?;
                    Ok(labels.into_iter().map(u64::cast_signed).collect())
                }
                _ => reveal::receive_output(ctx, width, &material.mask),
            }
        })?;
        Ok(result)
    }

    fn rows(&self) -> Rows {
        rows(self.graph, self.batch).expect("a layout for labels has rows")
    }
}
