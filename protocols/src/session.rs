//! The state of one party for a whole run: its role, seeds, transport and ledger.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use fixedpoint::Side;

pub use crate::state::SessionOptions;
use crate::{
    context::{Context, Dealing, Evaluating, Producing, Querying, Serving},
    error::{Error, Result},
    ledger::{LayerMeasurement, Meter, Stage},
    party::Role,
    prf::{Seed, Seeds},
    state::{AbortOnPanic, State},
    step::Step,
    transport::Transport,
};

/// One party's side of a run.
pub struct Session {
    state: State,
    /// The stages that ended, with their depths. What is taken later still counts.
    finished: Mutex<Vec<(Arc<Meter>, u32)>>,
    /// The largest depth that any layer ended at.
    depth: AtomicU32,
}

impl Session {
    /// A session over an open transport.
    ///
    /// # Panics
    /// If the chunk is no positive multiple of 64 or the window is 0.
    pub fn new(
        role: Role,
        transport: Arc<dyn Transport>,
        seeds: Seeds,
        options: SessionOptions,
    ) -> Session {
        assert!(options.chunk > 0 && options.chunk.is_multiple_of(64), "chunks of 64 values");
        assert!(options.window > 0, "a window of at least one chunk");
        let state = State::new(role, transport, seeds, options);
        Session { state, finished: Mutex::default(), depth: AtomicU32::default() }
    }

    /// The party whose session this is.
    pub fn role(&self) -> Role {
        self.state.role
    }

    /// Runs one layer as an evaluator, after all layers so far.
    ///
    /// # Errors
    /// Whatever the protocol meets; the transport is aborted, so no lane of this party hangs.
    ///
    /// # Panics
    /// If this party is the crypto producer, or the name was used before in this session.
    pub fn evaluate<T>(
        &self,
        layer: &str,
        run: impl FnOnce(&mut Context<'_, Evaluating>) -> Result<T>,
    ) -> Result<T> {
        Ok(self.evaluate_from(self.depth(), layer, run)?.0)
    }

    /// Runs one layer as an evaluator beside others, which other threads run: it starts at a causal
    /// depth of its own, the largest that a layer which it builds on ended at (0 if there is none).
    /// With the result comes the depth it ended at, at this party.
    ///
    /// # Errors
    /// As [`Session::evaluate`]; the other layers of this session end too.
    ///
    /// # Panics
    /// As [`Session::evaluate`].
    pub fn evaluate_from<T>(
        &self,
        depth: u32,
        layer: &str,
        run: impl FnOnce(&mut Context<'_, Evaluating>) -> Result<T>,
    ) -> Result<(T, u32)> {
        let side = match self.state.role {
            Role::ModelOwner => Side::Zero,
            Role::DataOwner => Side::One,
            Role::CryptoProducer => panic!("the crypto producer deals; it evaluates nothing"),
        };
        self.layer(Stage::Online, depth, layer, Evaluating(side), run)
    }

    /// Runs one layer as the crypto producer, after all layers so far.
    ///
    /// # Errors
    /// As [`Session::evaluate`].
    ///
    /// # Panics
    /// If this party is an evaluator, or the name was used before in this session.
    pub fn deal<T>(
        &self,
        layer: &str,
        run: impl FnOnce(&mut Context<'_, Dealing>) -> Result<T>,
    ) -> Result<T> {
        Ok(self.deal_from(self.depth(), layer, run)?.0)
    }

    /// Runs one layer as the crypto producer beside others, as [`Session::evaluate_from`] does.
    ///
    /// # Errors
    /// As [`Session::evaluate_from`].
    ///
    /// # Panics
    /// As [`Session::deal`].
    pub fn deal_from<T>(
        &self,
        depth: u32,
        layer: &str,
        run: impl FnOnce(&mut Context<'_, Dealing>) -> Result<T>,
    ) -> Result<(T, u32)> {
        assert_eq!(self.state.role, Role::CryptoProducer, "evaluators deal nothing");
        self.layer(Stage::Online, depth, layer, Dealing, run)
    }

    /// Runs one stage of a layer as P0 of [`crate::dealer`]. What travels ahead has no depth; an
    /// online stage starts at this one, and with its result comes the depth it ended at.
    ///
    /// # Errors
    /// As [`Session::evaluate`].
    ///
    /// # Panics
    /// If this is another party, or the layer had this stage before.
    pub fn serve<'s, T>(
        &'s self,
        stage: Stage,
        depth: u32,
        layer: &str,
        run: impl FnOnce(&mut Context<'s, Serving>) -> Result<T>,
    ) -> Result<(T, u32)> {
        assert_eq!(self.state.role, Role::ModelOwner, "only the model owner serves");
        self.layer(stage, depth, layer, Serving, run)
    }

    /// Runs one stage of a layer as P1 of [`crate::dealer`], as [`Session::serve`] does.
    ///
    /// # Errors
    /// As [`Session::evaluate`].
    ///
    /// # Panics
    /// As [`Session::serve`].
    pub fn query<T>(
        &self,
        stage: Stage,
        depth: u32,
        layer: &str,
        run: impl FnOnce(&mut Context<'_, Querying>) -> Result<T>,
    ) -> Result<(T, u32)> {
        assert_eq!(self.state.role, Role::DataOwner, "only the data owner queries");
        self.layer(stage, depth, layer, Querying, run)
    }

    /// Runs a layer as P2 of [`crate::dealer`], which takes part ahead of the query only.
    ///
    /// # Errors
    /// As [`Session::evaluate`].
    ///
    /// # Panics
    /// As [`Session::serve`].
    pub fn produce<T>(
        &self,
        layer: &str,
        run: impl FnOnce(&mut Context<'_, Producing>) -> Result<T>,
    ) -> Result<T> {
        assert_eq!(self.state.role, Role::CryptoProducer, "only the crypto producer produces");
        Ok(self.layer(Stage::Ahead, 0, layer, Producing, run)?.0)
    }

    /// A seed that this party shares with another, for a purpose that needs no step.
    pub fn seed_with(&self, other: Role, label: &str) -> Seed {
        let place = self.state.role.others().iter().position(|&role| role == other);
        let place = place.expect("a party shares no seed with itself");
        self.state.seeds.with_others[place].derive(label)
    }

    /// The messages of the layers so far, in the order in which their first stages ended.
    pub fn measurements(&self) -> Vec<LayerMeasurement> {
        let mut layers: Vec<LayerMeasurement> = Vec::new();
        for (meter, depth) in self.finished.lock().expect("no panic while locked").iter() {
            let seen = meter.measurement(*depth);
            match layers.iter_mut().find(|known| known.name == seen.name) {
                Some(known) => known.extend(&seen),
                None => layers.push(seen),
            }
        }
        layers
    }

    /// Ends everything that waits, with this error.
    pub fn abort(&self, error: Error) {
        self.state.abort(error);
    }

    fn layer<'s, R: Copy + Send + Sync, T>(
        &'s self,
        stage: Stage,
        depth: u32,
        layer: &str,
        role: R,
        run: impl FnOnce(&mut Context<'s, R>) -> Result<T>,
    ) -> Result<(T, u32)> {
        let meter = Meter::new(layer, stage);
        let depth = Arc::new(AtomicU32::new(depth));
        let step = match stage {
            Stage::Ahead => Step::root("ahead").narrow(layer),
            Stage::Online => Step::root(layer),
        };
        let mut context =
            Context::root(&self.state, meter.clone(), depth.clone(), step, stage, role);
        let guard = AbortOnPanic(self.state.transport.as_ref());
        let result = run(&mut context);
        drop(guard);
        if let Err(error) = &result {
            self.abort(error.clone());
        }
        let depth = depth.load(Ordering::Relaxed);
        self.depth.fetch_max(depth, Ordering::Relaxed);
        meter.stop();
        self.finished.lock().expect("no panic while locked").push((meter, depth));
        Ok((result?, depth))
    }

    fn depth(&self) -> u32 {
        self.depth.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Evaluator, Role, Session, test_world::TestWorld};

    /// A layer in which a number goes from one party to another.
    fn relay(session: &Session, depth: u32, layer: &str, [from, to]: [Role; 2]) -> u32 {
        let role = session.role();
        let run = |ctx: &mut Evaluator<'_>| {
            if role == from {
                ctx.send_words(to, 1, &[7])
            } else if role == to {
                ctx.recv_words(from, 1, 1).map(drop)
            } else {
                Ok(())
            }
        };
        session.evaluate_from(depth, layer, run).unwrap().1
    }

    /// A second use of a layer's name would use its masks twice.
    #[test]
    fn a_layer_is_evaluated_once() {
        let outcome = TestWorld::new(41).run(|session| {
            if session.role() == Role::CryptoProducer {
                return Ok(());
            }
            let there = [Role::ModelOwner, Role::DataOwner];
            relay(session, 0, "layer", there);
            let again = std::panic::AssertUnwindSafe(|| relay(session, 0, "layer", there));
            let text = std::panic::catch_unwind(again).unwrap_err();
            let text = text.downcast_ref::<String>().expect("a message").clone();
            assert!(text.contains("step layer is used twice"), "{text}");
            Ok(())
        });
        assert!(outcome.results.iter().all(Result::is_ok));
    }

    #[test]
    fn layers_side_by_side_have_depths_of_their_own() {
        let there = [Role::ModelOwner, Role::DataOwner];
        let back = [Role::DataOwner, Role::ModelOwner];
        let outcome = TestWorld::new(40).run(|session| {
            if session.role() == Role::CryptoProducer {
                return Ok(vec![]);
            }
            let first = relay(session, 0, "first", there);
            let (left, right) = std::thread::scope(|scope| {
                let left = scope.spawn(|| {
                    let left = relay(session, first, "left", back);
                    relay(session, left, "left again", there)
                });
                let right = relay(session, first, "right", there);
                (left.join().unwrap(), right)
            });
            session.evaluate("last", |_| Ok(()))?;
            let ends = session.measurements();
            let last = ends.iter().find(|layer| layer.name == "last").unwrap().depth;
            Ok(vec![first, left, right, last])
        });
        let [model_owner, data_owner, _] = outcome.results;
        assert_eq!(model_owner.unwrap(), [0, 2, 0, 2]);
        assert_eq!(data_owner.unwrap(), [1, 3, 1, 3]);
        let depth =
            |name| outcome.measurements.iter().find(|seen| seen.name == name).unwrap().depth;
        assert_eq!(["first", "right", "left", "left again", "last"].map(depth), [1, 1, 2, 3, 3]);
    }
}
