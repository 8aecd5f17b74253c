//! Runs of a network in any suite by three parties in memory, for tests.

use fixedpoint::encoding::FixedPoint;
use protocols::{
    LayerMeasurement, Role, Session,
    dealer::WeightKey,
    test_world::{Outcome, TestWorld},
};

use super::{
    dealer::{Bounds, DEFAULT_MAGNITUDE_BITS},
    execution::{DealMode, Execution, Inputs, Progress, Sessions},
    suite::Suite,
};
use crate::{
    error::{Error, Result},
    graph::{Graph, Order, SETUP},
    output::Output,
    suite_name::SuiteName,
    test_nets,
    weights::{EncodedModel, Model, Weights},
};

/// A network in a suite, with a model and a batch of images.
pub(super) struct TestRun {
    pub(super) suite: Box<dyn Suite>,
    pub(super) model: EncodedModel,
    pub(super) images: Vec<u64>,
    pub(super) batch: usize,
}

impl TestRun {
    /// A network with random weights and images that reveals logits, in a suite with its defaults.
    pub(super) fn new(suite: SuiteName, graph: Graph, batch: usize) -> TestRun {
        let model = Model::fold(&graph, &Weights::random(&graph, 11)).unwrap();
        let images = test_nets::images(&graph, batch, 12);
        TestRun::with_model(suite, graph, Output::Logits, &model, &images)
    }

    /// A network with this output, model and images, in a suite with its defaults.
    pub(super) fn with_model(
        suite: SuiteName,
        graph: Graph,
        output: Output,
        model: &Model,
        images: &[f64],
    ) -> TestRun {
        let batch = images.len() / graph.input().len();
        let fixed = FixedPoint::new(suite.fractional_bits());
        let bounds = Bounds::Alike(DEFAULT_MAGNITUDE_BITS);
        let suite = suite.with_network(graph, fixed, &bounds, output).unwrap();
        let model = suite.encode(model).unwrap();
        let images = fixed.encode_slice(images).unwrap();
        TestRun { suite, model, images, batch }
    }

    /// Evaluates the network with three parties, and checks the results and the cost of each layer.
    /// Returns the data owner's results.
    pub(super) fn check(&self, world: &TestWorld, order: Order, mode: DealMode) -> Vec<u64> {
        let (graph, output) = (self.suite.graph(), self.suite.output());
        let Outcome { results, measurements, .. } = self.evaluate(world, |_| order, mode);
        let [model_owner, results, producer] = results.map(|result| result.unwrap());
        assert!(model_owner.is_empty() && producer.is_empty());

        let name = graph.name();
        let classes = graph.dims(graph.output()).len();
        let reference = self.suite.reference(&self.model, &self.images).unwrap();
        assert_eq!(reference.out_of_range, None, "{name}");
        assert_eq!(reference.count_wrong(&results, output, classes), 0, "{name}");
        let expected = match output {
            Output::Logits => reference.outputs.len(),
            Output::Label => self.batch,
        };
        assert_eq!(results.len(), expected, "{name}");
        // A tolerance that any result is within would be worthless.
        let magnitudes = reference.outputs.iter().map(|y| y.cast_signed().unsigned_abs());
        let largest = magnitudes.max().unwrap() as f64;
        assert!(reference.tolerance < largest / 4.0, "{name}: {} {largest}", reference.tolerance);

        self.check_cost(&measurements, order);
        results
    }

    /// Evaluates the network with three parties, each with its own order.
    pub(super) fn evaluate(
        &self,
        world: &TestWorld,
        order: impl Fn(Role) -> Order + Sync,
        mode: DealMode,
    ) -> Outcome<Vec<u64>> {
        self.evaluate_with_progress(world, order, mode, |_, _, _| {})
    }

    /// Evaluates the network with three parties. `progress` also takes the role of the party.
    pub(super) fn evaluate_with_progress(
        &self,
        world: &TestWorld,
        order: impl Fn(Role) -> Order + Sync,
        mode: DealMode,
        progress: impl Fn(Role, usize, &str) + Sync,
    ) -> Outcome<Vec<u64>> {
        world.run(|session| {
            let role = session.role();
            let progress = |index: usize, name: &str| progress(role, index, name);
            let results = self.party(session, order(role), mode, &progress);
            results.map_err(|error| {
                let Error::Protocol(error) = error else { panic!("{error}") };
                error
            })
        })
    }

    /// One party's part, with the setup that the suite may have.
    fn party(
        &self,
        session: &Session,
        order: Order,
        mode: DealMode,
        progress: Progress<'_>,
    ) -> Result<Vec<u64>> {
        let suite = &self.suite;
        let preprocessing = suite.preprocessing();
        let execution = |inputs| self.execution(session, order, mode, inputs, progress);
        match session.role() {
            Role::ModelOwner => {
                if let Some(preprocessing) = preprocessing {
                    let key = key(session, Role::CryptoProducer);
                    preprocessing.send_setup(session, &self.model, &key)?;
                }
                suite.evaluate(&execution(Inputs::ModelOwner { model: &self.model }))
            }
            Role::DataOwner => {
                let weights = match preprocessing {
                    Some(preprocessing) => Some(preprocessing.receive_setup(session)?),
                    None => None,
                };
                let (images, weights) = (&self.images, weights.as_ref());
                suite.evaluate(&execution(Inputs::DataOwner { images, weights }))
            }
            Role::CryptoProducer => {
                let key = preprocessing.map(|_| key(session, Role::ModelOwner));
                suite.deal(&execution(Inputs::CryptoProducer { key: key.as_ref() }))?;
                Ok(Vec::new())
            }
        }
    }

    /// An execution in one session.
    pub(super) fn execution<'a>(
        &self,
        session: &'a Session,
        order: Order,
        mode: DealMode,
        inputs: Inputs<'a>,
        progress: Progress<'a>,
    ) -> Execution<'a> {
        let sessions = Sessions { ahead: session, online: session };
        Execution { sessions, order, batch: self.batch, mode, inputs, dealt: &|| Ok(()), progress }
    }

    /// Checks that each layer was measured with the predicted cost.
    fn check_cost(&self, measurements: &[LayerMeasurement], order: Order) {
        let cost = self.suite.cost(self.batch).unwrap().in_order(order);
        assert_eq!(measurements.len(), cost.layers.len());
        let graph = self.suite.graph().name();
        for (layer, depth) in cost.layers.iter().zip(cost.depths()) {
            let (name, predicted) = (&layer.name, &layer.predicted);
            let seen = measurements.iter().find(|seen| seen.name == *name).unwrap();
            assert_eq!(seen.sent, predicted.links(), "{graph} {name}");
            assert_eq!(seen.received, predicted.links(), "{graph} {name}");
            assert_eq!(seen.ahead, predicted.ahead_links(), "{graph} {name}");
            if name != SETUP {
                assert_eq!(seen.rounds(), predicted.rounds(), "{graph} {name}");
                assert_eq!(seen.depth, depth, "{graph} {name}");
            }
        }
    }
}

/// The key of the masks of weights, which P0 and P2 derive from their common seed.
pub(super) fn key(session: &Session, other: Role) -> WeightKey {
    WeightKey::new(session.seed_with(other, SETUP))
}
