//! Three parties in one process, for tests.
//!
//! Seeds are derived from one fixed test seed, which every failure names. Never use this where
//! secrets are at stake: whoever knows the test seed knows every mask.

use std::{sync::Arc, time::Duration};

use fixedpoint::ring;

use crate::{
    context::{Dealer, Evaluator, Server},
    cost::Cost,
    dealer::{
        Function, Gate, Polynomial, WeightKey,
        gadget::{self, Take},
    },
    error::Result,
    ledger::{LayerMeasurement, Stage},
    party::{Link, Role},
    prf::{Prf, Seed, Seeds},
    session::{Session, SessionOptions},
    share::Share,
    step::Step,
    transport::{
        Message, Received, Transport,
        memory::MemoryTransport,
        recording::{Record, RecordingTransport, Records},
        shaped::{Shape, ShapedTransport},
    },
};

/// An interceptor's decision about a message (which it may also change).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Deliver,
    /// It is lost.
    Drop,
}

type Interceptor = Arc<dyn Fn(Link, &mut Message) -> Fate + Send + Sync>;

/// A world of three parties over memory, built step by step.
#[derive(Clone)]
pub struct TestWorld {
    test_seed: u64,
    options: SessionOptions,
    patience: Duration,
    shape: Option<Shape>,
    interceptor: Option<Interceptor>,
    recording: bool,
}

/// The outcome of a run.
pub struct Outcome<T> {
    /// Each party's result, P0's first.
    pub results: [Result<T>; 3],
    /// Each layer as all three saw it together.
    pub measurements: Vec<LayerMeasurement>,
    /// Everything that was received, if the world records.
    pub records: Vec<Record>,
}

/// The outcome of a single layer that did not fail.
pub struct LayerOutcome<T> {
    /// P0's and P1's results.
    pub shares: [T; 2],
    /// The layer as all three saw it together.
    pub measurement: LayerMeasurement,
    /// Everything that was received, if the world records.
    pub records: Vec<Record>,
}

/// The outcome of one layer of the dealer suite that did not fail.
pub struct GadgetOutcome {
    /// P0's halves of the results.
    pub z: Vec<u64>,
    /// P1's and P2's halves of the results.
    pub r: Vec<u64>,
    /// The layer as all three saw it together.
    pub measurement: LayerMeasurement,
    /// Everything that was received, if the world records.
    pub records: Vec<Record>,
}

impl TestWorld {
    /// A world without delays, with the default chunks and a patience of two minutes.
    pub fn new(test_seed: u64) -> TestWorld {
        TestWorld {
            test_seed,
            options: SessionOptions::default(),
            patience: Duration::from_secs(120),
            shape: None,
            interceptor: None,
            recording: false,
        }
    }

    /// Chunks and window.
    pub fn options(mut self, options: SessionOptions) -> Self {
        self.options = options;
        self
    }

    /// How long a party waits for a message.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Keeps a copy of everything that is received.
    pub fn record(mut self) -> Self {
        self.recording = true;
        self
    }

    /// Latency and bandwidth of every link.
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = Some(shape);
        self
    }

    /// Calls this for every message sent, which it may change or drop.
    pub fn intercept(
        mut self,
        interceptor: impl Fn(Link, &mut Message) -> Fate + Send + Sync + 'static,
    ) -> Self {
        self.interceptor = Some(Arc::new(interceptor));
        self
    }

    /// Runs the three parties, each on a thread of its own. A party that ends early is gone for the
    /// others.
    ///
    /// # Panics
    /// If a party panics.
    pub fn run<T: Send>(&self, party: impl Fn(&Session) -> Result<T> + Sync) -> Outcome<T> {
        let records = Records::default();
        let ends = MemoryTransport::world(self.patience);
        let run = |role, transport| {
            let transport: Arc<dyn Transport> = if self.recording {
                Arc::new(RecordingTransport::new(role, transport, records.clone()))
            } else {
                Arc::from(transport)
            };
            let session = Session::new(role, transport, self.seeds(role), self.options);
            (party(&session), session.measurements())
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = Role::ALL
                .into_iter()
                .zip(ends)
                .map(|(role, end)| scope.spawn(move || run(role, self.transport(role, end))))
                .collect();
            threads.into_iter().map(|thread| self.join(thread)).collect()
        });
        let mut results = Vec::new();
        let mut measurements: Vec<LayerMeasurement> = Vec::new();
        for (result, seen) in outcomes {
            results.push(result);
            for layer in seen {
                match measurements.iter_mut().find(|known| known.name == layer.name) {
                    Some(known) => known.merge(&layer),
                    None => measurements.push(layer),
                }
            }
        }
        let records = std::mem::take(&mut *records.lock().expect("no panic while locked"));
        let results = results.try_into().unwrap_or_else(|_| unreachable!("three parties"));
        Outcome { results, measurements, records }
    }

    /// Runs one layer.
    ///
    /// # Panics
    /// If a party fails, or a byte that was sent was not received.
    pub fn layer<T: Send>(
        &self,
        evaluate: impl Fn(&mut Evaluator<'_>) -> Result<T> + Sync,
        deal: impl Fn(&mut Dealer<'_>) -> Result<()> + Sync,
    ) -> LayerOutcome<T> {
        let outcome = self.run(|session| match session.role() {
            Role::CryptoProducer => session.deal("layer", &deal).map(|()| None),
            Role::ModelOwner | Role::DataOwner => session.evaluate("layer", &evaluate).map(Some),
        });
        let [zero, one, two] = outcome.results;
        let measurement = outcome.measurements.into_iter().next().expect("a layer ran");
        let fail = |error| panic!("test seed {}: {error}", self.test_seed);
        two.unwrap_or_else(fail);
        let share = |result: Result<Option<T>>| {
            let fail = |error| panic!("test seed {}: {error}", self.test_seed);
            result.unwrap_or_else(fail).expect("evaluators give a result")
        };
        assert_eq!(measurement.sent, measurement.received, "test seed {}", self.test_seed);
        LayerOutcome { shares: [share(zero), share(one)], measurement, records: outcome.records }
    }

    /// Runs one [`gadget`], as a layer named "layer", on values of which P0 holds `u` and P2 `v`.
    ///
    /// # Panics
    /// If a party fails, P1 and P2 get different masks, or a byte that was sent was not received.
    pub fn gadget(
        &self,
        function: &dyn Function,
        gate: &Gate,
        u: &[u64],
        v: &[u64],
    ) -> GadgetOutcome {
        self.gadget_of([function; 3], gate, u, v)
    }

    /// As [`TestWorld::gadget`], the function being what each party knows of it.
    ///
    /// # Panics
    /// As [`TestWorld::gadget`].
    pub fn gadget_of(
        &self,
        functions: [&dyn Function; 3],
        gate: &Gate,
        u: &[u64],
        v: &[u64],
    ) -> GadgetOutcome {
        let count = u.len();
        let run = |session: &Session, function| match session.role() {
            Role::CryptoProducer => {
                session.produce("layer", |ctx| gadget::produce(ctx, function, gate, v))
            }
            Role::ModelOwner => {
                let (material, _) = session.serve(Stage::Ahead, 0, "layer", |ctx| {
                    gadget::collect(ctx, function, gate, count, Take::Ahead)
                })?;
                let serve = |ctx: &mut Server<'_>| gadget::serve(ctx, function, gate, material, u);
                Ok(session.serve(Stage::Online, 0, "layer", serve)?.0)
            }
            Role::DataOwner => {
                let (material, _) =
                    session.query(Stage::Ahead, 0, "layer", |ctx| gadget::prepare(ctx, count))?;
                let mask = material.mask().to_vec();
                session.query(Stage::Online, 0, "layer", |ctx| {
                    gadget::answer(ctx, function, gate, material)
                })?;
                Ok(mask)
            }
        };
        let outcome = self.run(|session| run(session, functions[session.role().index()]));
        let fail = |error| panic!("test seed {}: {error}", self.test_seed);
        let [z, r, dealt] = outcome.results.map(|result| result.unwrap_or_else(fail));
        assert_eq!(r, dealt, "P1 and P2 hold the same masks, test seed {}", self.test_seed);
        let measurement = outcome.measurements.into_iter().next().expect("a layer ran");
        assert_eq!(measurement.sent, measurement.received, "test seed {}", self.test_seed);
        GadgetOutcome { z, r, measurement, records: outcome.records }
    }

    /// The stream that two parties of this world share at a step.
    ///
    /// # Panics
    /// If both are the same party.
    pub fn stream(&self, one: Role, other: Role, step: &str) -> Prf {
        let place = one.others().iter().position(|&role| role == other);
        let place = place.expect("a party shares no stream with itself");
        self.seeds(one).with_others[place].stream(&Step::root(step))
    }

    /// The fixed seeds of one party.
    fn seeds(&self, role: Role) -> Seeds {
        let root = seed_for_tests(self.test_seed).derive("test world");
        let pair = |other: Role| {
            let (low, high) = (role.min(other), role.max(other));
            root.derive(&format!("{low} {high}"))
        };
        Seeds { with_others: role.others().map(pair), private: root.derive(role.name()) }
    }

    fn transport(&self, role: Role, end: MemoryTransport) -> Box<dyn Transport> {
        let intercepted = InterceptedTransport { role, inner: end, world: self.clone() };
        match self.shape {
            Some(shape) => Box::new(ShapedTransport::new(role, intercepted, shape)),
            None => Box::new(intercepted),
        }
    }

    fn join<T>(&self, thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
        thread.join().unwrap_or_else(|cause| {
            eprintln!("a party panicked; test seed {}", self.test_seed);
            std::panic::resume_unwind(cause)
        })
    }
}

struct InterceptedTransport {
    role: Role,
    inner: MemoryTransport,
    world: TestWorld,
}

impl Transport for InterceptedTransport {
    fn send(&self, to: Role, mut message: Message) -> Result<()> {
        let fate = self.world.interceptor.as_ref().map_or(Fate::Deliver, |interceptor| {
            interceptor(Link::new(self.role, to), &mut message)
        });
        match fate {
            Fate::Deliver => self.inner.send(to, message),
            Fate::Drop => Ok(()),
        }
    }

    fn recv(&self, from: Role, step: &Step) -> Result<Received> {
        self.inner.recv(from, step)
    }

    fn abort(&self, error: crate::error::Error) {
        self.inner.abort(error);
    }
}

impl<T> LayerOutcome<T> {
    /// Asserts that what was measured is what was predicted: bytes on every link, phases, critical
    /// path.
    ///
    /// # Panics
    /// If it is not.
    pub fn assert_cost(&self, cost: &Cost) {
        assert_eq!(self.measurement.sent, cost.links(), "bytes");
        assert_eq!(self.measurement.rounds(), cost.rounds(), "rounds");
        assert_eq!(self.measurement.depth, cost.critical_path(), "critical path");
    }
}

impl GadgetOutcome {
    /// The results, signed, at the gate they came from.
    pub fn open(&self, gate: &Gate) -> Vec<i64> {
        let pairs = self.z.iter().zip(&self.r);
        pairs.map(|(z, r)| gate.out().signed(z.wrapping_add(*r))).collect()
    }

    /// Asserts that what was measured is what was predicted: bytes on every link, ahead and online,
    /// phases, critical path.
    ///
    /// # Panics
    /// If it is not.
    pub fn assert_cost(&self, cost: &Cost) {
        assert_eq!(self.measurement.sent, cost.links(), "bytes");
        assert_eq!(self.measurement.ahead, cost.ahead_links(), "bytes ahead");
        assert_eq!(self.measurement.rounds(), cost.rounds(), "rounds");
        assert_eq!(self.measurement.depth, cost.critical_path(), "critical path");
    }
}

impl LayerOutcome<Share> {
    /// The values.
    pub fn open(&self) -> Vec<u64> {
        self.shares[0].add(&self.shares[1]).into_words()
    }
}

/// Shares of `values` for P0 and P1, from a fixed test seed.
pub fn share_for_tests(test_seed: u64, values: &[u64]) -> [Share; 2] {
    let first = Share::new(words_for_tests(test_seed, values.len()));
    let second = Share::new(values.to_vec()).sub(&first);
    [first, second]
}

/// Polynomials as P0, P1 and P2 know them ([`Polynomial::new`]), from a fixed key.
pub fn polynomials_for_tests(
    degree: usize,
    plane: usize,
    coefficients: Vec<u64>,
    constants: Vec<u64>,
) -> [Polynomial; 3] {
    let masks = WeightKey::new(seed_for_tests(0)).mask("layer", coefficients.len());
    let masked = ring::sub(&coefficients, &masks);
    [(coefficients, constants), (masked, Vec::new()), (masks, Vec::new())]
        .map(|(coefficients, constants)| Polynomial::new(degree, plane, coefficients, constants))
}

/// Uniform words from a fixed test seed.
pub fn words_for_tests(test_seed: u64, count: usize) -> Vec<u64> {
    seed_for_tests(test_seed).stream(&Step::root("test words")).words(count)
}

/// Signed values below `bound` in magnitude, from a fixed test seed, the edges of DReLU's domain
/// among the first if `bound` is that of the domain, 2^62.
pub fn signed_for_tests(test_seed: u64, bound: u64, count: usize) -> Vec<u64> {
    let max = bound as i64 - 1;
    let edges = [0, 1, -1, max, -max, -max - 1, max - 1, 2, -2].map(|edge| edge as u64);
    let random = words_for_tests(test_seed, count).into_iter();
    let random = random.map(|word| (word % (2 * bound)).wrapping_sub(bound));
    edges.into_iter().chain(random).take(count).collect()
}

fn seed_for_tests(test_seed: u64) -> Seed {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&test_seed.to_le_bytes());
    Seed::from_bytes(bytes)
}
