//! Three endpoints in one process, over real sockets.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use parties::link::{
    Agreement, Bound, ConnectError, ConnectOptions, Established, Identity, ProcessTransport,
    Profile, Purpose, QuicTransport, Trust,
};
use protocols::{Error, Link, Role, SessionOptions, Transport, step::Step, transport::Message};

#[test]
fn messages_of_all_sizes_come_from_many_threads() {
    const LANES: usize = 6;
    const SIZES: [usize; 8] = [0, 1, 49, 1 << 20, 0, 4096, 49, 65_537];
    let established = World::new().establish();
    let payload = |from: Role, lane: usize, round: usize| -> Vec<u8> {
        let start = from.index() * 31 + lane * 7 + round;
        (0..SIZES[round]).map(|i| (start + i) as u8).collect()
    };
    in_parallel(established, |role, established| {
        let transport = &established.transport;
        thread::scope(|scope| {
            for lane in 0..LANES {
                scope.spawn(move || {
                    let step = Step::root("lane").narrow(&lane.to_string());
                    for (round, to) in
                        (0..SIZES.len()).flat_map(|r| role.others().map(|to| (r, to)))
                    {
                        let payload = payload(role, lane, round);
                        let (phase, depth) = (round as u16, lane as u32);
                        let message = Message { step: step.clone(), phase, depth, payload };
                        transport.send(to, message).unwrap();
                    }
                    for (round, from) in
                        (0..SIZES.len()).flat_map(|r| role.others().map(|from| (r, from)))
                    {
                        let received = transport.recv(from, &step).unwrap();
                        assert_eq!((received.phase, received.depth), (round as u16, lane as u32));
                        assert!(received.payload == payload(from, lane, round));
                    }
                });
            }
            // One that exceeds every window, both ways at once.
            let step = Step::root("large");
            for to in role.others() {
                transport.send(to, message(&step, vec![to.index() as u8; 40 << 20])).unwrap();
            }
            for from in role.others() {
                let received = transport.recv(from, &step).unwrap();
                assert!(received.payload == vec![role.index() as u8; 40 << 20]);
            }
        });
        transport.finish().unwrap();
        let wire = transport.wire_bytes();
        for (link, bytes) in wire.iter() {
            assert_eq!(bytes > 40 << 20, link.from == role, "{link}: {bytes}");
        }
        let late = transport.send(role.others()[0], message(&Step::root("late"), vec![]));
        assert!(matches!(late, Err(Error::Stopped { .. })), "{late:?}");
    });
}

#[test]
fn a_run_without_messages_ends() {
    in_parallel(World::new().establish(), |_, established| established.transport.finish().unwrap());
}

#[test]
fn parties_that_finish_at_different_times_wait_for_each_other() {
    in_parallel(World::new().establish(), |role, established| {
        let (transport, step) = (&established.transport, Step::root("late"));
        match role {
            Role::ModelOwner => {
                thread::sleep(Duration::from_secs(3));
                transport.send(Role::DataOwner, message(&step, vec![7])).unwrap();
            }
            Role::DataOwner => {
                assert_eq!(transport.recv(Role::ModelOwner, &step).unwrap().payload, [7]);
            }
            Role::CryptoProducer => {}
        }
        transport.finish().unwrap();
    });
}

#[test]
fn messages_that_nobody_takes_fail_the_run_of_all_three() {
    let errors = in_parallel(World::new().establish(), |role, established| {
        let (transport, step) = (&established.transport, Step::root("untaken"));
        if role == Role::ModelOwner {
            transport.send(Role::DataOwner, message(&step, vec![1])).unwrap();
        }
        transport.finish().unwrap_err().to_string()
    });
    assert_eq!(errors[1], "stopped: 1 messages came that no protocol took");
    let told = "data-owner went away: it stopped: 1 messages came that no protocol took";
    for error in [&errors[0], &errors[2]] {
        assert!(error.starts_with(told), "{error}");
    }
}

#[test]
fn seeds_are_equal_in_pairs_and_fresh_in_every_session() {
    let draw = |seed: &protocols::prf::Seed| seed.stream(&Step::root("seed")).words(2);
    let world = World::new();
    let mut all = Vec::new();
    for _ in 0..2 {
        let established = world.establish();
        let seed = |own: Role, with: Role| {
            let place = own.others().iter().position(|&other| other == with).unwrap();
            draw(&established[own.index()].seeds.with_others[place])
        };
        for link in Link::ALL {
            assert_eq!(seed(link.from, link.to), seed(link.to, link.from));
            if link.from < link.to {
                all.push(seed(link.from, link.to));
            }
        }
        all.extend(established.iter().map(|party| draw(&party.seeds.private)));
        in_parallel(established, |_, party| party.transport.finish().unwrap());
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!((count, all.len()), (12, 12));
}

#[test]
fn parties_find_each_other_in_any_order_and_through_garbage() {
    for order in [[2, 1, 0], [1, 2, 0]] {
        let world = World::new();
        let bound = world.bind();
        let address = bound[0].local_addr();
        let noise = UdpSocket::bind(local()).unwrap();
        let setups = world.setups(&bound);
        thread::scope(|scope| {
            let handles: Vec<_> = Role::ALL
                .into_iter()
                .zip(bound.into_iter().zip(setups))
                .map(|(role, (bound, setup))| {
                    let wait = order.iter().position(|&place| place == role.index()).unwrap();
                    scope.spawn(move || {
                        thread::sleep(Duration::from_millis(700 * wait as u64));
                        let established = bound.connect(&setup).unwrap();
                        established.transport.finish().unwrap();
                    })
                })
                .collect();
            let mut junk = [0xc3u8; 1200];
            while !handles.iter().all(thread::ScopedJoinHandle::is_finished) {
                junk[1] = junk[1].wrapping_add(1);
                noise.send_to(&junk, address).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        });
    }
}

#[test]
fn a_certificate_that_is_pinned_to_nobody_is_refused_on_both_sides() {
    // The data owner believes in a certificate of its own that the others do not know.
    let world = World::new();
    let fresh = Identity::generate(Role::DataOwner);
    let errors = fail(&world, |setups| {
        setups[1].trust = world.trust_with(Role::DataOwner, fresh.certificate());
        setups[1].identity = fresh.clone();
    });
    let expected = "was shown a certificate that is pinned to no party: check there the \
                    certificate of data-owner";
    assert!(errors[1].contains(expected), "{}", errors[1]);
    // The others hear it from the data owner or, if it did not get so far, see it themselves.
    for error in [&errors[0], &errors[2]] {
        assert!(error.contains("data-owner"), "{error}");
    }
    assert!(errors[0].contains("a certificate that is pinned to no party"), "{}", errors[0]);

    // The crypto producer has an old certificate of the model owner.
    let errors = fail(&world, |setups| {
        let old = Identity::generate(Role::ModelOwner);
        setups[2].trust = world.trust_with(Role::ModelOwner, old.certificate());
    });
    let expected =
        "presents a certificate that is pinned to no party, where model-owner is expected";
    assert!(errors[2].contains(expected), "{}", errors[2]);
    assert!(errors[2].contains("check the address"), "{}", errors[2]);
    for error in &errors[..2] {
        assert!(
            error.contains("crypto-producer did not connect") || error.contains(expected),
            "{error}"
        );
    }
}

#[test]
fn the_certificate_of_another_role_is_refused_on_both_sides() {
    let world = World::new();
    // The crypto producer has the addresses of the two others swapped.
    let errors = fail(&world, |setups| setups[2].addresses.swap(0, 1));
    let expected = "the certificate of a party that does not belong at this connection";
    assert!(errors[2].contains(expected), "{}", errors[2]);
    assert!(errors[2].contains("-owner is expected: check the address"), "{}", errors[2]);

    // The model owner takes the data owner's certificate for its own role's.
    let errors = fail(&world, |setups| {
        let own = world.identities[0].certificate().to_vec();
        let [_, one, other] = world.certificates();
        setups[0].trust = Trust::from_der([one, own, other]).unwrap();
    });
    assert!(errors[0].contains("not the one pinned to model-owner"), "{}", errors[0]);

    // The model owner has the certificates of the two others swapped.
    let errors = fail(&world, |setups| {
        let [own, one, other] = world.certificates();
        setups[0].trust = Trust::from_der([own, other, one]).unwrap();
    });
    for error in &errors {
        assert!(error.starts_with("model-owner has the certificate of "), "{error}");
        assert!(error.ends_with("swap the two there"), "{error}");
    }
}

#[test]
fn a_disagreement_ends_all_three_with_the_same_words() {
    type Change = fn(&mut Agreement);
    let changes: [(&str, Change); 6] = [
        ("suite: model-owner has securenn, data-owner has dealer", |own| {
            own.suite = "dealer".into()
        }),
        ("ring_bits: model-owner has 64, data-owner has 32", |own| own.ring_bits = 32),
        ("fractional_bits: model-owner has 13, data-owner has 12", |own| own.fractional_bits = 12),
        ("architecture: model-owner has 0707", |own| own.architecture[0] = 8),
        ("chunk: model-owner has 8192, data-owner has 64", |own| own.options.chunk = 64),
        ("window: model-owner has 6, data-owner has 7", |own| own.options.window = 7),
    ];
    let world = World::new();
    for (text, change) in changes {
        let errors = fail(&world, |setups| change(&mut setups[1].agreement));
        assert!(errors[0].starts_with(&format!("the parties differ in {text}")), "{}", errors[0]);
        assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    }
}

#[test]
fn a_party_that_leaves_is_named_by_both_others() {
    let started = Barrier::new(3);
    let errors = in_parallel(World::new().establish(), |role, established| {
        started.wait();
        if role == Role::DataOwner {
            return None;
        }
        Some(wait_for_failure(&established.transport, role))
    });
    let text = "data-owner went away: it stopped: it left before the end of the run";
    for error in [&errors[0], &errors[2]] {
        assert!(error.as_ref().unwrap().starts_with(text), "{error:?}");
    }
}

#[test]
fn a_party_that_falls_silent_is_named_by_both_others() {
    let world = World::new();
    let bound = world.bind();
    let mut setups = world.setups(&bound);
    let [to_model_owner, to_data_owner] = [0, 1].map(|place| Cable::to(bound[place].local_addr()));
    setups[1].addresses[0] = to_model_owner.address;
    setups[2].addresses[1] = to_data_owner.address;
    let established = connect(bound, &setups).map(Result::unwrap);
    let started = Barrier::new(3);
    let errors = in_parallel(established, |role, established| {
        started.wait();
        to_model_owner.cut();
        to_data_owner.cut();
        wait_for_failure(&established.transport, role)
    });
    for error in [&errors[0], &errors[2]] {
        assert!(error.starts_with("data-owner went away: no sign of life for 1.3 s"), "{error}");
    }
}

#[test]
fn an_error_of_one_party_reaches_the_others() {
    let malformed = || Error::Malformed {
        from: Role::ModelOwner,
        step: "conv1".into(),
        phase: 2,
        what: "not canonical".into(),
    };
    let errors = in_parallel(World::new().establish(), |role, established| {
        if role == Role::CryptoProducer {
            established.transport.abort(malformed());
            established.transport.abort(Error::Stopped { reason: "later".into() });
        }
        wait_for_failure(&established.transport, role)
    });
    assert_eq!(errors[2], malformed().to_string());
    let told = format!("crypto-producer went away: it stopped: {}", malformed());
    for error in &errors[..2] {
        assert!(error.starts_with(&told), "{error}");
    }
}

#[test]
fn a_sender_that_waits_for_room_is_woken() {
    in_parallel(World::new().establish(), |role, established| {
        let transport = &established.transport;
        match role {
            Role::ModelOwner => {
                let step = Step::root("flood");
                let error = loop {
                    if let Err(error) =
                        transport.send(Role::DataOwner, message(&step, vec![0; 32 << 20]))
                    {
                        break error;
                    }
                };
                assert!(matches!(error, Error::PeerLost { party: Role::DataOwner, .. }), "{error}");
            }
            Role::DataOwner => thread::sleep(Duration::from_millis(300)),
            Role::CryptoProducer => {
                wait_for_failure(transport, role);
            }
        }
    });
}

/// Three identities that trust each other.
struct World {
    identities: [Identity; 3],
}

impl World {
    fn new() -> World {
        World { identities: Role::ALL.map(Identity::generate) }
    }

    fn certificates(&self) -> [Vec<u8>; 3] {
        self.identities.each_ref().map(|identity| identity.certificate().to_vec())
    }

    fn trust_with(&self, role: Role, certificate: &[u8]) -> Trust {
        let mut certificates = self.certificates();
        certificates[role.index()] = certificate.to_vec();
        Trust::from_der(certificates).unwrap()
    }

    fn bind(&self) -> [Bound; 3] {
        Role::ALL.map(|_| Bound::bind(local()).unwrap())
    }

    fn setups(&self, bound: &[Bound; 3]) -> [ConnectOptions; 3] {
        self.identities.each_ref().map(|identity| ConnectOptions {
            identity: identity.clone(),
            trust: Trust::from_der(self.certificates()).unwrap(),
            addresses: bound.each_ref().map(Bound::local_addr),
            agreement: Agreement {
                suite: "securenn".into(),
                ring_bits: 64,
                fractional_bits: 13,
                architecture: [7; 32],
                options: SessionOptions { chunk: 8192, window: 6 },
                overlap: false,
                layout: None,
                dealt_first: false,
                output: Default::default(),
                purpose: Purpose::Answer,
            },
            profile: Profile { patience: Duration::from_secs(20), ..Profile::LOOPBACK },
            connect_timeout: Duration::from_secs(10),
        })
    }

    fn connect(
        &self,
        change: impl FnOnce(&mut [ConnectOptions; 3]),
    ) -> [Result<Established, ConnectError>; 3] {
        let bound = self.bind();
        let mut setups = self.setups(&bound);
        change(&mut setups);
        connect(bound, &setups)
    }

    fn establish(&self) -> [Established; 3] {
        self.connect(|_| ()).map(Result::unwrap)
    }
}

/// A relay in front of an address, whose two ends can be cut apart.
struct Cable {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
}

impl Cable {
    fn to(far: SocketAddr) -> Cable {
        let socket = UdpSocket::bind(local()).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let cable = Cable { address: socket.local_addr().unwrap(), is_cut: Arc::default() };
        let is_cut = cable.is_cut.clone();
        thread::spawn(move || {
            let (mut near, mut packet) = (None, vec![0; 1 << 16]);
            while !is_cut.load(Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
                if from != far {
                    near = Some(from);
                }
                let to = if from == far { near } else { Some(far) };
                if let Some(to) = to {
                    socket.send_to(&packet[..length], to).unwrap();
                }
            }
        });
        cable
    }

    fn cut(&self) {
        self.is_cut.store(true, Relaxed);
    }
}

fn connect(
    bound: [Bound; 3],
    setups: &[ConnectOptions; 3],
) -> [Result<Established, ConnectError>; 3] {
    thread::scope(|scope| {
        let parties: Vec<_> = bound
            .into_iter()
            .zip(setups)
            .map(|(bound, setup)| scope.spawn(move || bound.connect(setup)))
            .collect();
        let results: Vec<_> = parties.into_iter().map(|party| party.join().unwrap()).collect();
        results.try_into().expect("three parties")
    })
}

/// The errors with which the three parties fail to connect. They wait long enough for handshakes on
/// a loaded machine, and no longer, since some errors come only when the time is up.
fn fail(world: &World, change: impl FnOnce(&mut [ConnectOptions; 3])) -> [String; 3] {
    let results = world.connect(|setups| {
        setups.iter_mut().for_each(|setup| setup.connect_timeout = Duration::from_secs(5));
        change(setups);
    });
    results.map(|result| result.unwrap_err().to_string())
}

fn in_parallel<T: Send>(
    established: [Established; 3],
    run: impl Fn(Role, Established) -> T + Sync,
) -> [T; 3] {
    thread::scope(|scope| {
        let run = &run;
        let parties: Vec<_> = Role::ALL
            .into_iter()
            .zip(established)
            .map(|(role, party)| scope.spawn(move || run(role, party)))
            .collect();
        let results: Vec<_> = parties.into_iter().map(|party| party.join().unwrap()).collect();
        results.try_into().unwrap_or_else(|_| unreachable!("three parties"))
    })
}

/// The error of a receive; then sends and later receives must fail with the same. The error says
/// how the loss was noticed: patience that ran out would be another one.
fn wait_for_failure(transport: &Arc<QuicTransport>, role: Role) -> String {
    let [one, other] = role.others();
    let step = Step::root("never");
    let error = transport.recv(one, &step).unwrap_err();
    assert_eq!(transport.recv(other, &step).unwrap_err(), error);
    assert_eq!(transport.send(other, message(&step, vec![1])).unwrap_err(), error);
    assert_eq!(transport.finish().unwrap_err(), error);
    error.to_string()
}

fn message(step: &Step, payload: Vec<u8>) -> Message {
    Message { step: step.clone(), phase: 1, depth: 1, payload }
}

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}
