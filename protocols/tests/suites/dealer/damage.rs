//! A message that is lost or damaged ends everybody with an error, wherever the format can tell.

use std::time::Duration;

use protocols::{
    Error, Link, Role,
    test_world::{Fate, TestWorld},
    transport::Message,
};

use super::net;

type Damage = fn(&mut Message) -> Fate;

const DAMAGES: [(&str, Damage); 5] = [
    ("lost", |_| Fate::Drop),
    ("cut short", |message| {
        message.payload.pop();
        Fate::Deliver
    }),
    ("too long", |message| {
        message.payload.push(0);
        Fate::Deliver
    }),
    ("with bits after the last value", |message| {
        *message.payload.last_mut().unwrap() |= 0x80;
        Fate::Deliver
    }),
    ("of another phase", |message| {
        message.phase += 1;
        Fate::Deliver
    }),
];

#[test]
fn a_network_of_every_layer_is_right() {
    for seed in 0..20 {
        let x = [4096, 8191, 1000 * seed].map(|x: u64| x.wrapping_sub(5000));
        let [_, got, _] = net::run(&TestWorld::new(seed), &x).results.map(|got| got.unwrap());
        // Each hidden value is rounded down or up.
        let floor: Vec<i64> = net::hidden(&x).iter().map(|y| y >> net::gate().shift()).collect();
        let found = (0..1 << floor.len()).any(|coins: usize| {
            let coin = |place: usize| (coins >> place & 1) as i64;
            let hidden: Vec<i64> =
                floor.iter().enumerate().map(|(place, t)| t + coin(place)).collect();
            net::outputs(&hidden) == got
        });
        assert!(found, "test seed {seed}: {got:?}");
    }
}

#[test]
fn damaged_messages_end_in_an_error() {
    let [p0, p1, p2] = Role::ALL;
    let messages = [
        ("ahead/fc1 setup", p0, p1),
        ("ahead/fc2 setup", p0, p1),
        ("ahead/fc1/#0", p1, p0),
        ("ahead/relu/#0/dealt", p2, p0),
        ("ahead/fc2/#0", p1, p0),
        ("ahead/fc2/#0", p2, p0),
        ("input", p1, p0),
        ("relu/#0", p0, p1),
        ("relu/#0", p1, p0),
        ("output", p0, p1),
    ];
    for (path, from, to) in messages {
        for (name, damage) in DAMAGES {
            let world = TestWorld::new(1).patience(Duration::from_millis(500));
            let world = world.intercept(move |link, message| {
                if link == Link::new(from, to) && message.step.path() == path {
                    damage(message)
                } else {
                    Fate::Deliver
                }
            });
            let results = net::run(&world, &[1, 2, 3]).results;
            let error = results[to.index()].as_ref().unwrap_err();
            let expected = match name {
                // Whoever waits in vain first leaves, and the others find it gone.
                "lost" => matches!(error, Error::Timeout { .. } | Error::PeerLost { .. }),
                "cut short" | "too long" => matches!(error, Error::Length { .. }),
                "of another phase" => matches!(error, Error::Phase { .. }),
                _ => matches!(error, Error::Malformed { .. }),
            };
            assert!(expected, "{path}, {from} to {to}, {name}: {error}");
            if path != "output" {
                assert!(results[0].is_err() && results[1].is_err(), "{path} {name}");
            }
        }
    }
}

#[test]
fn a_flipped_bit_never_panics() {
    // Little in a message says whether it is right: a transport has to authenticate what it
    // carries.
    for seed in 0..40 {
        let world = TestWorld::new(seed).intercept(move |_, message| {
            let bit = (seed as usize).wrapping_mul(0x9e37_79b9) % (8 * message.payload.len());
            message.payload[bit / 8] ^= 1 << (bit % 8);
            Fate::Deliver
        });
        for result in net::run(&world, &[1, 2, 3]).results {
            let expected = matches!(
                result,
                Ok(_) | Err(Error::Malformed { .. }) | Err(Error::PeerLost { .. })
            );
            assert!(expected, "test seed {seed}: {result:?}");
        }
    }
}
