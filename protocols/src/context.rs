//! The context of a protocol: its step, its phase, its randomness and its peers.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use fixedpoint::{Side, odd_ring, packing};

use crate::{
    digits::PackedDigits,
    error::{Error, Result},
    ledger::{AHEAD, Meter, Stage},
    party::Role,
    prf::Prf,
    state::{AbortOnPanic, State},
    step::Step,
    transport::Message,
};

/// The role of P0 and P1, who hold shares.
#[derive(Clone, Copy, Debug)]
pub struct Evaluating(pub(crate) Side);

/// The role of P2, who holds none.
#[derive(Clone, Copy, Debug)]
pub struct Dealing;

/// The role of P0 where the parties are not alike: it knows the weights.
#[derive(Clone, Copy, Debug)]
pub struct Serving;

/// The role of P1 where the parties are not alike: it knows the masks.
#[derive(Clone, Copy, Debug)]
pub struct Querying;

/// The role of a P2 who only ever sends: its context cannot receive.
///
/// ```compile_fail
/// fn listen(ctx: &mut protocols::Producer<'_>) -> protocols::Result<Vec<u8>> {
///     ctx.recv(protocols::Role::DataOwner, 1, 8)
/// }
/// ```
///
/// Other roles can:
///
/// ```
/// fn listen(ctx: &mut protocols::Server<'_>) -> protocols::Result<Vec<u8>> {
///     ctx.recv(protocols::Role::DataOwner, 1, 8)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Producing;

/// Roles that receive messages.
pub trait Receives {}

impl Receives for Evaluating {}
impl Receives for Dealing {}
impl Receives for Serving {}
impl Receives for Querying {}

/// The context of P0 and P1.
pub type Evaluator<'s> = Context<'s, Evaluating>;

/// The context of P2.
pub type Dealer<'s> = Context<'s, Dealing>;

/// The context of P0 in [`crate::dealer`].
pub type Server<'s> = Context<'s, Serving>;

/// The context of P1 in [`crate::dealer`].
pub type Client<'s> = Context<'s, Querying>;

/// The context of P2 in [`crate::dealer`].
pub type Producer<'s> = Context<'s, Producing>;

/// One step of one party. Steps are claimed when they are narrowed to, so neither a message tag nor
/// a random stream exists twice.
pub struct Context<'s, R> {
    state: &'s State,
    meter: Arc<Meter>,
    depth: Arc<AtomicU32>,
    step: Step,
    stage: Stage,
    phase_base: u16,
    role: R,
    shared: [Option<Prf>; 2],
    private: Option<Prf>,
}

impl<'s, R: Copy + Send + Sync> Context<'s, R> {
    pub(crate) fn root(
        state: &'s State,
        meter: Arc<Meter>,
        depth: Arc<AtomicU32>,
        step: Step,
        stage: Stage,
        role: R,
    ) -> Self {
        state.claim(&step);
        let (shared, private) = ([None, None], None);
        Context { state, meter, depth, step, stage, phase_base: 0, role, shared, private }
    }

    /// A sub-protocol whose phase 1 is phase `offset + 1` of this one.
    pub fn narrow(&self, name: &str, offset: u16) -> Self {
        let step = self.step.narrow(name);
        let (meter, depth) = (self.meter.clone(), self.depth.clone());
        Context {
            phase_base: self.phase_base + offset,
            ..Context::root(self.state, meter, depth, step, self.stage, self.role)
        }
    }

    /// The step's path, for errors.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// The party that runs this.
    pub fn party(&self) -> Role {
        self.state.role
    }

    /// Cuts `0..len` into as few chunks as the session's size allows, of about the same size: lanes
    /// that run side by side should end together. Only the last is no multiple of 64.
    pub fn chunks(&self, len: usize) -> Vec<Range<usize>> {
        self.chunks_of(len, 64)
    }

    /// As [`Context::chunks`], in multiples of `unit`.
    pub(crate) fn chunks_of(&self, len: usize, unit: usize) -> Vec<Range<usize>> {
        let count = len.div_ceil(self.state.options.chunk).max(1);
        let chunk = len.div_ceil(count).next_multiple_of(unit).max(unit);
        (0..len).step_by(chunk).map(|start| start..len.min(start + chunk)).collect()
    }

    /// Values per chunk (a multiple of 64).
    pub fn chunk(&self) -> usize {
        self.state.options.chunk
    }

    /// Runs `work` for `0..count`, each in a lane of its own (a step below this one, a causal
    /// depth of its own), as many at once as the window allows; results come in order.
    ///
    /// # Errors
    /// The first error of any lane; the others are woken and end.
    pub fn lanes<T: Send>(
        &self,
        count: usize,
        work: impl Fn(&mut Self, usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let fork = self.depth.load(Ordering::Relaxed);
        let run = |index: usize| {
            let mut lane = self.narrow(&format!("#{index}"), 0);
            lane.depth = Arc::new(AtomicU32::new(fork));
            let result = work(&mut lane, index);
            self.depth.fetch_max(lane.depth.load(Ordering::Relaxed), Ordering::Relaxed);
            result
        };
        let threads = self.state.options.window.min(count);
        if threads <= 1 {
            return (0..count).map(run).collect();
        }
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let results: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
        let worker = || {
            let _guard = AbortOnPanic(self.state.transport.as_ref());
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count || failed.lock().expect("no panic while locked").is_some() {
                    return;
                }
                match run(index) {
                    Ok(value) => {
                        *results[index].lock().expect("no panic while locked") = Some(value);
                    }
                    Err(error) => {
                        failed.lock().expect("no panic while locked").get_or_insert(error.clone());
                        self.state.abort(error);
                        return;
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(worker);
            }
            worker();
        });
        if let Some(error) = failed.into_inner().expect("no panic while locked") {
            return Err(error);
        }
        let take = |slot: Mutex<Option<T>>| {
            slot.into_inner().expect("no panic while locked").expect("every lane ended")
        };
        Ok(results.into_iter().map(take).collect())
    }

    /// Checks the length of what a caller handed in.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn check_len(&self, got: usize, expected: usize) -> Result<()> {
        if got == expected {
            return Ok(());
        }
        Err(Error::Shape { step: self.step.to_string(), expected, got })
    }

    /// Sends elements of Z_2^64 or Z_{2^64-1} in a phase of this protocol.
    ///
    /// # Errors
    /// As [`crate::Transport::send`], like every `send_` below.
    pub(crate) fn send_words(&mut self, to: Role, phase: u16, words: &[u64]) -> Result<()> {
        self.send(to, phase, packing::words_to_bytes(words))
    }

    /// Sends digits of Z_67, 64 to a value, in 49 bytes a value.
    pub(crate) fn send_digits(&mut self, to: Role, phase: u16, digits: PackedDigits) -> Result<()> {
        self.send(to, phase, digits.into_payload())
    }

    /// The stream that this party shares with another, in this step.
    pub(crate) fn prf_with(&mut self, other: Role) -> &mut Prf {
        let me = self.state.role;
        let place = me.others().iter().position(|&role| role == other);
        let place = place.expect("a party shares no stream with itself");
        self.shared[place]
            .get_or_insert_with(|| self.state.seeds.with_others[place].stream(&self.step))
    }

    /// The stream that this party shares with another, in this step, to be kept beyond it.
    pub fn into_prf_with(mut self, other: Role) -> Prf {
        self.prf_with(other);
        let [first, second] = self.shared;
        first.or(second).expect("it was just made")
    }

    /// The stream that this party alone knows, in this step.
    pub(crate) fn prf_private(&mut self) -> &mut Prf {
        self.private.get_or_insert_with(|| self.state.seeds.private.stream(&self.step))
    }

    /// Sends bytes in a phase of this protocol.
    ///
    /// # Errors
    /// As [`crate::Transport::send`].
    pub fn send(&mut self, to: Role, phase: u16, payload: Vec<u8>) -> Result<()> {
        let phase = self.absolute(phase);
        self.meter.sent(self.state.role, to, phase, payload.len());
        let depth = match self.stage {
            Stage::Ahead => 0,
            Stage::Online => self.depth.load(Ordering::Relaxed),
        };
        let step = self.step.clone();
        self.state.transport.send(to, Message { step, phase, depth, payload })
    }

    /// The phase of the layer. What travels ahead of a query belongs to none of its phases.
    fn absolute(&self, phase: u16) -> u16 {
        match self.stage {
            Stage::Ahead => AHEAD,
            Stage::Online => self.phase_base + phase,
        }
    }

    pub(crate) fn malformed(&self, from: Role, phase: u16, what: impl ToString) -> Error {
        let phase = self.absolute(phase);
        Error::Malformed { from, step: self.step.to_string(), phase, what: what.to_string() }
    }
}

impl<R: Receives + Copy + Send + Sync> Context<'_, R> {
    /// Receives `count` elements of Z_2^64.
    ///
    /// # Errors
    /// As [`crate::Transport::recv`], [`Error::Phase`] and [`Error::Length`], like every `recv_`
    /// below.
    pub(crate) fn recv_words(&mut self, from: Role, phase: u16, count: usize) -> Result<Vec<u64>> {
        let bytes = self.recv(from, phase, 8 * count)?;
        packing::bytes_to_words(&bytes).map_err(|what| self.malformed(from, phase, what))
    }

    /// Receives `count` canonical elements of Z_{2^64-1}.
    ///
    /// # Errors
    /// Also [`Error::Malformed`] for an element that is not canonical.
    pub(crate) fn recv_odd_words(
        &mut self,
        from: Role,
        phase: u16,
        count: usize,
    ) -> Result<Vec<u64>> {
        let words = self.recv_words(from, phase, count)?;
        if words.contains(&odd_ring::MODULUS) {
            return Err(self.malformed(from, phase, "an element is 2^64 - 1, not canonical"));
        }
        Ok(words)
    }

    /// Receives the 64 digits of `values` values, still packed: [`Error::Malformed`] comes when
    /// they are unpacked.
    pub(crate) fn recv_digits(
        &mut self,
        from: Role,
        phase: u16,
        values: usize,
    ) -> Result<PackedDigits> {
        let bytes = self.recv(from, phase, packing::PACKED_VALUE_BYTES * values)?;
        Ok(PackedDigits::from_payload(bytes))
    }

    /// Receives `len` bytes.
    ///
    /// # Errors
    /// As [`crate::Transport::recv`], [`Error::Phase`] and [`Error::Length`].
    pub fn recv(&mut self, from: Role, phase: u16, len: usize) -> Result<Vec<u8>> {
        let expected = self.absolute(phase);
        let message = self.state.transport.recv(from, &self.step)?;
        let step = || self.step.to_string();
        if message.phase != expected {
            return Err(Error::Phase { from, step: step(), expected, got: message.phase });
        }
        let got = message.payload.len();
        if got != len {
            return Err(Error::Length { from, step: step(), phase: expected, expected: len, got });
        }
        self.meter.received(from, self.state.role, expected, got);
        if self.stage == Stage::Online {
            // A depth near u32::MAX can only come from a faulty peer; it must not wrap.
            self.depth.fetch_max(message.depth.saturating_add(1), Ordering::Relaxed);
        }
        Ok(message.payload)
    }
}

impl Context<'_, Evaluating> {
    /// Which half of every share this party holds.
    pub fn side(&self) -> Side {
        self.role.0
    }

    /// The other evaluator.
    pub fn peer(&self) -> Role {
        match self.role.0 {
            Side::Zero => Role::DataOwner,
            Side::One => Role::ModelOwner,
        }
    }

    /// Adds fresh shares of zero (PRF between P0 and P1), so that what leaves a protocol is a fresh
    /// sharing.
    pub(crate) fn rerandomise(&mut self, share: &mut [u64]) {
        let side = self.side();
        let zero = self.prf_with(self.peer());
        match side {
            Side::Zero => zero.add_to(share),
            Side::One => zero.subtract_from(share),
        }
    }
}
