//! The making of material, and the agreement on which to use.

use std::sync::Arc;

use nets::suites::{Preprocessing, Progress};
use protocols::{LayerMeasurement, Role, Session, SessionOptions, Transport};

use super::{
    super::{
        connected::{Connected, malformed},
        inputs::Inputs,
        task::Task,
        weight_keys::ModelKeys,
    },
    file::QueryFile,
    label::{Label, MadeFor, Name},
    stock::Stock,
    store::{Held, Store},
    transport::{Recording, write_weights},
};
use crate::error::{Error, Result};

/// The place where P1 tells P0 which queries it holds, and P0 which of them is used.
const CHOICE: &str = "session/choice";

/// The place where P0 and P1 tell each other that their files are whole.
const CHECKED: &str = "session/checked";

/// The place where P0 and P1 tell each other that a query is on their disks.
const KEPT: &str = "session/kept";

impl MadeFor {
    /// The description of a task that its material has.
    ///
    /// # Errors
    /// [`Error::Usage`] for a suite that deals nothing ahead.
    pub(crate) fn new(task: &Task, inputs: &Inputs) -> Result<MadeFor> {
        let layout = task.suite.preprocessing().and(task.suite.layout_hash());
        let Some(layout) = layout else {
            let what =
                "only the dealer suite makes material ahead: set `protocol.suite` to \"dealer\"";
            return Err(Error::Usage(what.into()));
        };
        let weights = match inputs {
            Inputs::Model(model) => *model.hash().as_bytes(),
            Inputs::Images(_) | Inputs::Nothing => [0; 32],
        };
        Ok(MadeFor {
            chunk: task.options.chunk as u64,
            architecture: task.graph().hash().into(),
            layout: layout.into(),
            weights,
        })
    }
}

/// Material to make.
pub(crate) struct DealJob<'a> {
    /// Where it goes.
    pub store: &'a Store,
    /// The network's preprocessing.
    pub preprocessing: &'a dyn Preprocessing,
    /// Images of each query.
    pub batch: usize,
    /// Chunk and window of long batches.
    pub options: SessionOptions,
    /// The task that the material is made for.
    pub made_for: MadeFor,
    /// Told of each layer.
    pub progress: Progress<'a>,
}

impl Connected {
    /// Makes one query after the other; returns what was measured of one. All are alike, or it
    /// fails.
    pub(crate) fn make(
        &self,
        job: &DealJob<'_>,
        queries: u64,
        keys: &ModelKeys,
    ) -> Result<(Vec<LayerMeasurement>, Stock)> {
        let &DealJob { store, batch, made_for, .. } = job;
        let mut measured: Option<Vec<LayerMeasurement>> = None;
        let mut file_bytes = 0;
        for query in 0..queries {
            let name = Name { session: self.session, query };
            let label = Label { role: self.role, name, batch: batch as u64, made_for };
            let (layers, bytes) = self.make_one(job, label, keys)?;
            let alike = |a: &LayerMeasurement, b: &LayerMeasurement| {
                (&a.name, a.sent, a.received) == (&b.name, b.sent, b.received)
            };
            match &measured {
                Some(first) if !first.iter().zip(&layers).all(|(a, b)| alike(a, b)) => {
                    return Err(Error::Run(format!("{name} took other messages than the first")));
                }
                Some(_) => {}
                None => measured = Some(layers),
            }
            file_bytes = bytes;
        }
        let session = Name { session: self.session, query: 0 };
        if self.role == Role::CryptoProducer {
            store.log(session, queries, batch)?;
        }
        let session = session.session_hex();
        let stock = Stock { session, first: 0, queries, file_bytes };
        Ok((measured.unwrap_or_default(), stock))
    }

    fn make_one(
        &self,
        &DealJob { store, preprocessing, batch, options, progress, .. }: &DealJob<'_>,
        label: Label,
        keys: &ModelKeys,
    ) -> Result<(Vec<LayerMeasurement>, u64)> {
        let seeds = self.seeds.derive(&format!("query {}", label.name.query));
        let [_, with_producer] = seeds.with_others.clone();
        let new =
            |transport: Arc<dyn Transport>| Session::new(self.role, transport, seeds, options);
        let failed = |error| Error::Run(format!("{}: cannot be written: {error}", label.name));
        match keys {
            ModelKeys::ModelOwner => {
                let recording = Recording::new(self.transport.clone(), store.begin(label)?);
                let recording = Arc::new(recording);
                let session = new(recording.clone());
                preprocessing.collect(&session, batch, progress)?;
                let bytes = recording.take_writer().finish(&with_producer).map_err(failed)?;
                self.meet(KEPT)?;
                Ok((session.measurements(), bytes))
            }
            ModelKeys::DataOwner(weights) => {
                let session = new(self.transport.clone());
                preprocessing.prepare(&session, batch, weights, progress)?;
                let mut writer = store.begin(label)?;
                write_weights(&mut writer, &preprocessing.pack_for_query(weights))
                    .map_err(failed)?;
                let bytes = writer.finish(&with_producer).map_err(failed)?;
                self.meet(KEPT)?;
                Ok((session.measurements(), bytes))
            }
            ModelKeys::CryptoProducer(key) => {
                let session = new(self.transport.clone());
                preprocessing.produce(&session, batch, key, progress)?;
                Ok((session.measurements(), 0))
            }
        }
    }

    /// Agrees with the other evaluator on a query that both hold, and uses it up at both.
    pub(crate) fn take_query(&self, held: &Held) -> Result<QueryFile> {
        let name = match self.role {
            Role::ModelOwner => self.choose(held.names())?,
            Role::DataOwner => self.offer(held.names())?,
            Role::CryptoProducer => unreachable!("the crypto producer holds no queries"),
        };
        let opened = held.check(name)?;
        // Where the other's file is damaged, this one is not lost.
        self.meet(CHECKED)?;
        held.consume(&opened)?;
        Ok(opened)
    }

    /// P0: takes the first of its queries that P1 has, too.
    fn choose(&self, names: &[Name]) -> Result<Name> {
        let offered = self.hear(Role::DataOwner, CHOICE)?;
        let (offered, rest) = offered.as_chunks::<{ Name::BYTES }>();
        if !rest.is_empty() {
            return Err(malformed(Role::DataOwner, CHOICE, "its list of queries is cut short"));
        }
        let offered: Vec<Name> = offered.iter().map(Name::from_bytes).collect();
        match names.iter().find(|name| offered.contains(name)) {
            Some(name) => {
                self.tell(Role::DataOwner, CHOICE, name.to_bytes().to_vec())?;
                Ok(*name)
            }
            None => {
                self.tell(Role::DataOwner, CHOICE, (names.len() as u64).to_le_bytes().to_vec())?;
                Err(nothing_common(names.len() as u64, offered.len() as u64))
            }
        }
    }

    /// P1: offers its queries.
    fn offer(&self, names: &[Name]) -> Result<Name> {
        let list = names.iter().flat_map(|name| name.to_bytes()).collect();
        self.tell(Role::ModelOwner, CHOICE, list)?;
        let chosen = self.hear(Role::ModelOwner, CHOICE)?;
        if let Ok(held) = <[u8; 8]>::try_from(&chosen[..]) {
            return Err(nothing_common(u64::from_le_bytes(held), names.len() as u64));
        }
        let chosen = <&[u8; Name::BYTES]>::try_from(&chosen[..]).map(Name::from_bytes);
        chosen.ok().filter(|chosen| names.contains(chosen)).ok_or_else(|| {
            malformed(Role::ModelOwner, CHOICE, "it chose a query that was not offered")
        })
    }

    /// Returns when the other evaluator has come as far.
    fn meet(&self, place: &str) -> Result<()> {
        let [other, _] = self.role.others();
        self.tell(other, place, Vec::new())?;
        self.hear(other, place)?;
        Ok(())
    }
}

fn nothing_common(model_owner: u64, data_owner: u64) -> Error {
    Error::Run(format!(
        "no query is left that both hold: of those for this run the model-owner has {model_owner} \
         and the data-owner {data_owner}, of other sessions; make more with `tercet deal`"
    ))
}
