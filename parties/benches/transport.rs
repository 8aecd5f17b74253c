//! The QUIC transport between endpoints of one process, over loopback.
//!
//! `cargo bench -p parties`. `tercet bench transport` measures it between processes.

use std::thread;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parties::link::{
    Agreement, Bound, ConnectOptions, Established, Identity, ProcessTransport, Profile, Purpose,
    Trust,
};
use protocols::{Role, SessionOptions, Transport, step::Step, transport::Message};

/// A message of a chunk's digits.
const MESSAGE: usize = 100 << 10;

/// Messages of one exchange.
const MESSAGES: usize = 160;

/// An order to the data owner: the number of messages to receive, then the number to send.
#[derive(Clone, Copy)]
struct Order {
    receive: u8,
    send: u8,
}

const STOP: Order = Order { receive: 0, send: 0 };

fn transport(c: &mut Criterion) {
    let [model_owner, data_owner, crypto_producer] = establish();
    let finish = |party: &Established| party.transport.finish().expect("all three are there");
    thread::scope(|scope| {
        scope.spawn(|| {
            serve(data_owner.transport.as_ref());
            finish(&data_owner);
        });
        scope.spawn(|| finish(&crypto_producer));
        let transport = model_owner.transport.as_ref();
        let mut group = c.benchmark_group("loopback");
        group.bench_function("1 KiB there and back", |b| {
            b.iter(|| {
                order(transport, Order { receive: 1, send: 1 });
                send(transport, Role::DataOwner, 1024);
                receive(transport, Role::DataOwner);
            });
        });
        group.sample_size(10);
        group.throughput(Throughput::Bytes((MESSAGE * MESSAGES) as u64));
        group.bench_function("16 MiB one way", |b| {
            b.iter(|| {
                order(transport, Order { receive: MESSAGES as u8, send: 1 });
                for _ in 0..MESSAGES {
                    send(transport, Role::DataOwner, MESSAGE);
                }
                receive(transport, Role::DataOwner);
            });
        });
        group.finish();
        order(transport, STOP);
        finish(&model_owner);
    });
}

/// The data owner's side.
fn serve(transport: &dyn Transport) {
    loop {
        let order = receive(transport, Role::ModelOwner);
        let (received, sent) = (order[0], order[1]);
        if sent == STOP.send {
            return;
        }
        for _ in 0..received {
            receive(transport, Role::ModelOwner);
        }
        for _ in 0..sent {
            send(transport, Role::ModelOwner, 1024);
        }
    }
}

fn order(transport: &dyn Transport, order: Order) {
    put(transport, Role::DataOwner, vec![order.receive, order.send]);
}

fn send(transport: &dyn Transport, to: Role, bytes: usize) {
    put(transport, to, vec![1; bytes]);
}

fn put(transport: &dyn Transport, to: Role, payload: Vec<u8>) {
    let message = Message { step: Step::root("bench"), phase: 0, depth: 0, payload };
    transport.send(to, message).expect("the peer is there");
}

fn receive(transport: &dyn Transport, from: Role) -> Vec<u8> {
    transport.recv(from, &Step::root("bench")).expect("the peer is there").payload
}

fn establish() -> [Established; 3] {
    let identities = Role::ALL.map(Identity::generate);
    let certificates = identities.each_ref().map(|identity| identity.certificate().to_vec());
    let local = "127.0.0.1:0".parse().expect("an address");
    let bound = Role::ALL.map(|_| Bound::bind(local).expect("a free port"));
    let addresses = bound.each_ref().map(Bound::local_addr);
    let parties = bound.into_iter().zip(identities).map(|(bound, identity)| {
        let setup = ConnectOptions {
            identity,
            trust: Trust::from_der(certificates.clone()).expect("three certificates"),
            addresses,
            agreement: Agreement {
                suite: "securenn".into(),
                ring_bits: 64,
                fractional_bits: 13,
                architecture: [0; 32],
                options: SessionOptions::default(),
                overlap: false,
                layout: None,
                dealt_first: false,
                output: Default::default(),
                purpose: Purpose::Answer,
            },
            profile: Profile::LOOPBACK,
            connect_timeout: std::time::Duration::from_secs(10),
        };
        thread::spawn(move || bound.connect(&setup).expect("all three are there"))
    });
    let parties: Vec<_> = parties.collect();
    let established: Vec<_> =
        parties.into_iter().map(|party| party.join().expect("no panic")).collect();
    established.try_into().unwrap_or_else(|_| unreachable!("three parties"))
}

criterion_group!(benches, transport);
criterion_main!(benches);
