//! The step after a network's last layer, in which the data owner learns the logits or the label.

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
    offline::{ClientComputation, ClientLayer, ServerComputation, ServerLayer},
    run::Run,
};
use crate::graph::OUTPUT;

impl Run<'_> {
    /// P2: deals, for its half `v` of the last layer's result.
    pub(super) fn produce_result(&self, session: &Session, v: &[u64]) -> Result<()> {
        let Some(gate) = self.layout.label() else { return Ok(()) };
        session.produce(OUTPUT, |ctx| argmax::produce(ctx, gate, &self.rows(), v))
    }

    /// P1, ahead of the query: `mask` is its half of the last layer's result, which it must know
    /// for logits.
    pub(super) fn prepare_result(
        &self,
        session: &Session,
        mask: Option<Vec<u64>>,
    ) -> Result<ClientLayer> {
        if self.layout.label().is_none() {
            let mask = mask.expect("the mask of the logits");
            return Ok(ClientLayer { before: None, computation: ClientComputation::Nothing, mask });
        }
        let (label, _) =
            session.query(Stage::Ahead, 0, OUTPUT, |ctx| argmax::prepare(ctx, &self.rows()))?;
        Ok(ClientLayer {
            before: None,
            computation: ClientComputation::Label(label),
            mask: Vec::new(),
        })
    }

    /// P0, ahead of the query.
    pub(super) fn collect_result<'s>(
        &self,
        session: &'s Session,
        take: Take,
    ) -> Result<ServerLayer<'s>> {
        let computation = match self.layout.label() {
            None => ServerComputation::Nothing,
            Some(gate) => {
                let (label, _) = session.serve(Stage::Ahead, 0, OUTPUT, |ctx| {
                    argmax::collect(ctx, gate, &self.rows(), take)
                })?;
                ServerComputation::Label(label)
            }
        };
        Ok(ServerLayer { before: None, computation })
    }

    /// P0, from the query on: `u` is its half of the last layer's result.
    pub(super) fn serve_result(
        &self,
        session: &Session,
        depth: u32,
        material: ServerLayer<'_>,
        u: &[u64],
    ) -> Result<()> {
        let width = self.layout.layer(self.graph.output()).width;
        session.serve(Stage::Online, depth, OUTPUT, |ctx| match self.layout.label() {
            Some(gate) => argmax::serve(ctx, gate, &self.rows(), material.computation.label(), u),
            None => reveal::send_output(ctx, width, u),
        })?;
        Ok(())
    }

    /// P1, from the query on: the logits or the label of each image.
    pub(super) fn answer_result(
        &self,
        session: &Session,
        depth: u32,
        material: ClientLayer,
    ) -> Result<Vec<i64>> {
        let width = self.layout.layer(self.graph.output()).width;
        let (result, _) =
            session.query(Stage::Online, depth, OUTPUT, |ctx| match self.layout.label() {
                Some(gate) => {
                    let labels =
                        argmax::answer(ctx, gate, &self.rows(), material.computation.label())?;
                    Ok(labels.into_iter().map(u64::cast_signed).collect())
                }
                None => reveal::receive_output(ctx, width, &material.mask),
            })?;
        Ok(result)
    }

    fn rows(&self) -> Rows {
        rows(self.graph, self.batch).expect("a network with a label has several logits")
    }
}
