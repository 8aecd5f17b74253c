//! Three parties in one process evaluate max(x, 0) in both suites:
//! `cargo run -p protocols --example relu`.
//!
//! P1 has the values and learns the results; P0 and P2 help and learn nothing. Between processes
//! another [`Transport`] takes the place of the one in memory, and seeds are agreed on as each pair
//! of parties connects.

use std::{sync::Arc, time::Duration};

use fixedpoint::width::Width;
use protocols::{
    LayerMeasurement, Result, Role, Session, SessionOptions, Stage, Transport, dealer,
    dealer::{
        Gate,
        gadget::{self, Take},
        reveal,
    },
    prf::{Seed, Seeds},
    securenn::{Elementwise, Relu, input, output},
    transport::memory::MemoryTransport,
};

const X: [i64; 5] = [-70_000, -1, 0, 1, 70_000];

/// Prints the results and what was sent.
pub(crate) fn main() {
    for (suite, party) in [("securenn", securenn_party as Party), ("dealer", dealer_party)] {
        let (results, layers) = three_parties(party);
        println!("{suite}: the ReLU of {X:?} is {results:?}");
        for layer in layers {
            let (sent, ahead) = (layer.sent.total(), layer.ahead.total());
            println!("  {:7} {ahead:4} bytes ahead, {:4} online", layer.name, sent - ahead);
        }
        assert_eq!(results, X.map(|x| x.max(0)));
    }
}

/// The part of a party; P1 gives the results.
type Party = fn(&Session) -> Result<Vec<i64>>;

/// P0 and P1 hold shares of every value; P2 deals triples to both as they go.
fn securenn_party(session: &Session) -> Result<Vec<i64>> {
    if session.role() == Role::CryptoProducer {
        session.deal("relu", |ctx| Relu.deal(ctx, X.len()))?;
        return Ok(Vec::new());
    }
    // Sharing takes no message: P0's share is a stream that P1 knows too.
    let x = session.evaluate("input", |ctx| match ctx.party() {
        Role::DataOwner => Ok(input::owner_share(ctx, &X.map(i64::cast_unsigned))),
        Role::ModelOwner | Role::CryptoProducer => Ok(input::peer_share(ctx, X.len())),
    })?;
    let y = session.evaluate("relu", |ctx| Relu.evaluate(ctx, &x))?;
    let y = session.evaluate("output", |ctx| output::evaluate(ctx, &y))?;
    Ok(y.unwrap_or_default().into_iter().map(u64::cast_signed).collect())
}

/// P2 deals ahead of the query, then leaves; P0 and P1 answer it in a message each.
fn dealer_party(session: &Session) -> Result<Vec<i64>> {
    let (relu, count, width) = (dealer::Relu, X.len(), Width::new(33));
    // Values of 32 bits with their sign, of which none are cut off.
    let gate = Gate::new(width, 32, 0, width);
    match session.role() {
        Role::CryptoProducer => {
            let r = session.produce("input", |ctx| Ok(reveal::produce_input(ctx, count)))?;
            session.produce("relu", |ctx| gadget::produce(ctx, &relu, &gate, &r))?;
            Ok(Vec::new())
        }
        Role::ModelOwner => {
            let (material, _) = session.serve(Stage::Ahead, 0, "relu", |ctx| {
                gadget::collect(ctx, &relu, &gate, count, Take::Ahead)
            })?;
            let (u, depth) = session
                .serve(Stage::Online, 0, "input", |ctx| reveal::receive_input(ctx, width, count))?;
            let (z, depth) = session.serve(Stage::Online, depth, "relu", |ctx| {
                gadget::serve(ctx, &relu, &gate, material, &u)
            })?;
            session
                .serve(Stage::Online, depth, "output", |ctx| reveal::send_output(ctx, width, &z))?;
            Ok(Vec::new())
        }
        Role::DataOwner => {
            let (r, _) = session
                .query(Stage::Ahead, 0, "input", |ctx| Ok(reveal::prepare_input(ctx, count)))?;
            let (material, _) =
                session.query(Stage::Ahead, 0, "relu", |ctx| gadget::prepare(ctx, count))?;
            let mask = material.mask().to_vec();
            let (_, depth) = session.query(Stage::Online, 0, "input", |ctx| {
                reveal::send_input(ctx, width, &X.map(i64::cast_unsigned), &r)
            })?;
            let (_, depth) = session.query(Stage::Online, depth, "relu", |ctx| {
                gadget::answer(ctx, &relu, &gate, material)
            })?;
            let (y, _) = session.query(Stage::Online, depth, "output", |ctx| {
                reveal::receive_output(ctx, width, &mask)
            })?;
            Ok(y)
        }
    }
}

/// Runs each party on a thread of its own. Gives P1's results and what the three sent together.
fn three_parties(party: Party) -> (Vec<i64>, Vec<LayerMeasurement>) {
    // One seed for each pair of parties, and one that each party alone knows.
    let [p0_p1, p0_p2, p1_p2] = [(); 3].map(|()| Seed::from_os());
    let pairs = [[&p0_p1, &p0_p2], [&p0_p1, &p1_p2], [&p0_p2, &p1_p2]];
    let ends = MemoryTransport::world(Duration::from_secs(10));
    let sessions = Role::ALL.into_iter().zip(ends).zip(pairs).map(|((role, end), pairs)| {
        let seeds = Seeds { with_others: pairs.map(Seed::clone), private: Seed::from_os() };
        let end: Arc<dyn Transport> = Arc::new(end);
        Session::new(role, end, seeds, SessionOptions::default())
    });
    std::thread::scope(|scope| {
        let run = |session: Session| (party(&session), session.measurements());
        let threads: Vec<_> = sessions.map(|session| scope.spawn(move || run(session))).collect();
        let (mut results, mut layers) = (Vec::new(), Vec::<LayerMeasurement>::new());
        for thread in threads {
            let (result, measured) = thread.join().expect("no party panics");
            results.extend(result.expect("no party fails"));
            for layer in measured {
                match layers.iter_mut().find(|seen| seen.name == layer.name) {
                    Some(seen) => seen.merge(&layer),
                    None => layers.push(layer),
                }
            }
        }
        (results, layers)
    })
}
