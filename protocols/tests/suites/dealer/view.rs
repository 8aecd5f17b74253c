//! A party's view of many values that are all alike, and how far it is from uniform bits.

use fixedpoint::{
    planes::{BitPlanes, LANES},
    width::{self, Width},
};
use protocols::{
    Link, Role,
    dealer::{Function, Gate, chain, chain::Split},
    test_world::TestWorld,
    transport::recording::Record,
};

use crate::uniformity::deviation;

/// Up to so many bits, the XORs of three are looked at too.
const TRIPLES: usize = 72;

/// Bits of the numbers whose distribution is looked at.
const WINDOW: usize = 12;

/// A part of what is seen: a number below 2^`bits` for each value.
#[derive(Clone)]
pub(crate) struct Field {
    pub name: String,
    pub bits: u32,
    pub values: Vec<u64>,
}

impl Field {
    pub(crate) fn new(name: impl Into<String>, bits: u32, values: Vec<u64>) -> Field {
        Field { name: name.into(), bits, values }
    }
}

/// How far fields are from uniform and independent bits, at worst, and where: standard deviations
/// of the XOR of any two of their bits (any three, if there are few bits), and of chi-squared of
/// the numbers that any 12 neighbouring bits make, within a field and across.
pub(crate) fn worst(fields: &[Field]) -> (f64, String) {
    let samples = fields[0].values.len() / LANES * LANES;
    assert!(samples >= 8 << WINDOW, "{samples} samples are too few");
    let mut names = Vec::new();
    let mut bits: Vec<Vec<u64>> = Vec::new();
    for field in fields {
        let planes = BitPlanes::transpose(&field.values[..samples], 0, field.bits);
        for bit in 0..field.bits as usize {
            names.push(format!("{} bit {bit}", field.name));
            bits.push(planes.batches().flat_map(|batch| batch[bit].0).collect());
        }
    }
    let mut worst = (0.0, String::new());
    let mut note = |deviation: f64, places: &[usize]| {
        if deviation > worst.0 {
            let names: Vec<&str> = places.iter().map(|&place| names[place].as_str()).collect();
            worst = (deviation, names.join(", "));
        }
    };
    let skew = |ones: u32| (2.0 * f64::from(ones) - samples as f64).abs() / (samples as f64).sqrt();
    for first in 0..bits.len() {
        note(skew(bits[first].iter().map(|word| word.count_ones()).sum()), &[first]);
        for second in 0..first {
            let both: Vec<u64> =
                bits[first].iter().zip(&bits[second]).map(|(a, b)| a ^ b).collect();
            note(skew(both.iter().map(|word| word.count_ones()).sum()), &[first, second]);
            let thirds = if bits.len() > TRIPLES { 0 } else { second };
            for (third, plane) in bits[..thirds].iter().enumerate() {
                let ones = both.iter().zip(plane).map(|(a, b)| (a ^ b).count_ones());
                note(skew(ones.sum()), &[first, second, third]);
            }
        }
    }
    for start in (0..bits.len().saturating_sub(WINDOW - 1)).step_by(WINDOW / 2) {
        let mut counts = vec![0; 1 << WINDOW];
        for sample in 0..samples {
            let bit = |plane: &Vec<u64>| (plane[sample / 64] >> (sample % 64) & 1) as usize;
            let window = bits[start..start + WINDOW].iter();
            counts[window.fold(0, |number, plane| 2 * number + bit(plane))] += 1;
        }
        note(deviation(&counts), &[start, start + WINDOW - 1]);
    }
    worst
}

/// The lanes that a gadget cuts so many values into.
pub(crate) fn chunks(count: usize, chunk: usize) -> Vec<std::ops::Range<usize>> {
    let chunk = count.div_ceil(count.div_ceil(chunk)).next_multiple_of(LANES);
    (0..count).step_by(chunk).map(|start| start..count.min(start + chunk)).collect()
}

/// The recording of a gadget.
pub(crate) struct Gadget<'a> {
    pub world: &'a TestWorld,
    pub records: &'a [Record],
    /// The path of the layer, or of the level of one.
    pub layer: &'a str,
    pub function: &'a dyn Function,
    pub gate: Gate,
    pub count: usize,
    /// Values of a chunk of the session.
    pub chunk: usize,
}

impl Gadget<'_> {
    /// P1's view, without what it could draw itself: T, and the entries opened of each chain
    /// without their pads.
    pub(crate) fn seen_by_p1(&self) -> Vec<Field> {
        self.lanes(|lane, count| {
            let payload = self.received([Role::ModelOwner, Role::DataOwner], &self.online(lane));
            let (opened, mut entries) = payload.split_at(self.gate.opened().bytes(count));
            let opened = width::unpack(self.gate.opened(), opened, count).unwrap();
            let mut fields = vec![Field::new("T", self.gate.opened().bits(), opened.clone())];
            let mut pads = self.pads(lane);
            for point in self.function.points() {
                let split = Split::cheapest(self.gate.low_bits());
                let planes = split.opened_planes();
                let own = entries.split_off(..planes * count.div_ceil(8)).unwrap();
                let mut own = BitPlanes::unpack(planes, count, own).unwrap();
                let at: Vec<u64> =
                    opened.iter().map(|t| t.wrapping_sub(point.cast_unsigned())).collect();
                let at = BitPlanes::transpose(&at, 0, self.gate.low_bits());
                let pads = pads.bit_planes(split.table_planes(), count);
                let mut padding = BitPlanes::zeros(planes, count);
                for (batch, padding) in padding.batches_mut().enumerate() {
                    chain::look_up(split, at.batch(batch), pads.batch(batch), padding);
                }
                for (own, padding) in own.as_mut_slice().iter_mut().zip(padding.as_slice()) {
                    *own ^= *padding;
                }
                fields.push(Field::new(
                    format!("entries at {point}"),
                    planes as u32,
                    own.to_values(),
                ));
            }
            fields
        })
    }

    /// The part of P1's view that it can draw itself: its shares and the masks of the results.
    pub(crate) fn drawn_by_p1(&self) -> Vec<Field> {
        self.lanes(|lane, count| {
            let mut pads = self.pads(lane);
            for _ in self.function.points() {
                pads.bit_planes(Split::cheapest(self.gate.low_bits()).table_planes(), count);
            }
            let shared = self.function.shared(&self.gate);
            let shares = shared.iter().enumerate().map(|(place, width)| {
                Field::new(format!("own share {place}"), width.bits(), pads.words(count))
            });
            let mut fields: Vec<Field> = shares.collect();
            let r = format!("ahead/{}/#{lane}/result", self.layer);
            let r = self.world.stream(Role::DataOwner, Role::CryptoProducer, &r).words(count);
            fields.push(Field::new("r", self.gate.out().bits(), r));
            fields
        })
    }

    /// P0's view, with its own mask of what it opens: tables and shares, the masked signs, P1's
    /// shares of the results.
    pub(crate) fn seen_by_p0(&self) -> Vec<Field> {
        self.lanes(|lane, count| {
            let remask = format!("ahead/{}/#{lane}/open", self.layer);
            let remask =
                self.world.stream(Role::ModelOwner, Role::CryptoProducer, &remask).words(count);
            let mut fields = vec![Field::new("q", self.gate.width().bits(), remask)];
            let ahead = format!("ahead/{}/#{lane}/dealt", self.layer);
            let mut dealt = self.received([Role::CryptoProducer, Role::ModelOwner], &ahead);
            for point in self.function.points() {
                let planes = Split::cheapest(self.gate.low_bits()).table_planes();
                for plane in 0..planes {
                    let bits = dealt.split_off(..count.div_ceil(8)).unwrap();
                    let bits = width::unpack(Width::new(1), bits, count).unwrap();
                    fields.push(Field::new(format!("table at {point}, plane {plane}"), 1, bits));
                }
            }
            for (place, width) in self.function.shared(&self.gate).into_iter().enumerate() {
                let share = dealt.split_off(..width.bytes(count)).unwrap();
                let share = width::unpack(width, share, count).unwrap();
                fields.push(Field::new(format!("share {place}"), width.bits(), share));
            }
            assert!(dealt.is_empty());
            let mut answer = self.received([Role::DataOwner, Role::ModelOwner], &self.online(lane));
            for point in self.function.points() {
                let bits = answer.split_off(..count.div_ceil(8)).unwrap();
                let bits = width::unpack(Width::new(1), bits, count).unwrap();
                fields.push(Field::new(format!("sign at {point}"), 1, bits));
            }
            let result = width::unpack(self.gate.out(), answer, count).unwrap();
            fields.push(Field::new("result", self.gate.out().bits(), result));
            fields
        })
    }

    /// The fields of all lanes, end to end.
    fn lanes(&self, lane: impl Fn(usize, usize) -> Vec<Field>) -> Vec<Field> {
        let lanes = chunks(self.count, self.chunk).into_iter().enumerate();
        let lanes = lanes.map(|(index, range)| lane(index, range.len()));
        let join = |mut fields: Vec<Field>, more: Vec<Field>| {
            for (field, more) in fields.iter_mut().zip(more) {
                field.values.extend(more.values);
            }
            fields
        };
        lanes.reduce(join).expect("at least one lane")
    }

    fn online(&self, lane: usize) -> String {
        format!("{}/#{lane}", self.layer)
    }

    fn pads(&self, lane: usize) -> protocols::prf::Prf {
        let step = format!("ahead/{}/#{lane}/dealt", self.layer);
        self.world.stream(Role::DataOwner, Role::CryptoProducer, &step)
    }

    fn received(&self, [from, to]: [Role; 2], path: &str) -> &[u8] {
        payload(self.records, Link::new(from, to), path)
    }
}

/// The only message of a step over a link.
pub(crate) fn payload<'r>(records: &'r [Record], link: Link, path: &str) -> &'r [u8] {
    let mut found = records.iter().filter(|record| record.link == link && record.path == path);
    let record = found.next().unwrap_or_else(|| panic!("nothing came over {link} in {path}"));
    assert!(found.next().is_none(), "one message a step");
    &record.message.payload
}
