//! What the three parties compare before anything else, and the session that comes of it.

use std::fmt;

use protocols::{Role, SessionOptions};

use crate::goodbye::printable;

/// The version of the messages and their order. Parties of different versions cannot run together.
pub const PROTOCOL_VERSION: u32 = 1;

/// What must be the same at all three parties. Paths, addresses and all that is a party's own are
/// not in it; nor is the number of images, which the data owner announces with each batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The protocol suite's name.
    pub suite: String,
    /// Bits of the ring that shares live in.
    pub ring_bits: u32,
    /// Fraction bits of a fixed-point number.
    pub fractional_bits: u32,
    /// A hash of the public architecture and its plan.
    pub architecture: [u8; 32],
    /// How long batches are cut, which decides which messages exist.
    pub options: SessionOptions,
}

impl Agreement {
    /// Names and values, as the parties exchange them.
    pub(crate) fn terms(&self) -> Vec<(String, String)> {
        let architecture: String = self.architecture.iter().map(|b| format!("{b:02x}")).collect();
        [
            ("protocol version", PROTOCOL_VERSION.to_string()),
            ("software version", env!("CARGO_PKG_VERSION").to_owned()),
            ("suite", self.suite.clone()),
            ("ring_bits", self.ring_bits.to_string()),
            ("fractional_bits", self.fractional_bits.to_string()),
            ("architecture", architecture),
            ("chunk", self.options.chunk.to_string()),
            ("window", self.options.window.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// A term on which two parties disagree. It reads the same at both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The term's name.
    pub term: String,
    /// Two parties with their values, in the order of their roles.
    pub values: [(Role, String); 2],
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Disagreement { term, values: [(first, one), (second, other)] } = self;
        let advice = match term.as_str() {
            "protocol version" | "software version" => "install the same release at all parties",
            "architecture" => "give all parties the same [network] and plan",
            _ => "use the same at all parties",
        };
        write!(f, "{first} has {term} = {one}, {second} has {other}: {advice}")
    }
}

/// The first term on which two parties disagree.
pub(crate) fn compare(
    (role, own): (Role, &[(String, String)]),
    (peer, theirs): (Role, &[(String, String)]),
) -> Result<(), Disagreement> {
    let value = |terms: &[(String, String)], place: usize, name: &str| {
        let found = terms.get(place).filter(|(other, _)| other == name);
        found.map_or("nothing".into(), |(_, value)| printable(value.as_bytes(), 80))
    };
    for place in 0..own.len().max(theirs.len()) {
        let (ours, its) = (own.get(place), theirs.get(place));
        if ours != its {
            let (name, _) = ours.or(its).expect("one of the lists is that long");
            let term = printable(name.as_bytes(), 40);
            let mut values = [(role, value(own, place, name)), (peer, value(theirs, place, name))];
            values.sort_by_key(|(role, _)| *role);
            return Err(Disagreement { term, values });
        }
    }
    Ok(())
}

/// The session's name: all three parties' nonces hashed together, so that no party alone can make a
/// session, and with it the pairwise seeds, come again.
pub(crate) fn session(nonces: &[[u8; 32]; 3]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("tercet session v1");
    nonces.iter().for_each(|nonce| {
        hasher.update(nonce);
    });
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_is_compared_and_reads_the_same_at_both_ends() {
        let agreement = Agreement {
            suite: "securenn".into(),
            ring_bits: 64,
            fractional_bits: 13,
            architecture: [7; 32],
            options: SessionOptions::default(),
        };
        let own = agreement.terms();
        let (me, peer) = (Role::CryptoProducer, Role::ModelOwner);
        assert_eq!(compare((me, &own), (peer, &own)), Ok(()));
        for place in 0..own.len() {
            let mut theirs = own.clone();
            theirs[place].1 = "other".into();
            let here = compare((me, &own), (peer, &theirs)).unwrap_err();
            assert_eq!(Err(here.clone()), compare((peer, &theirs), (me, &own)));
            let start = format!(
                "model-owner has {} = other, crypto-producer has {}: ",
                own[place].0, own[place].1
            );
            assert!(here.to_string().starts_with(&start), "{here}");
        }
        let short = compare((me, &own), (peer, &own[..7])).unwrap_err().to_string();
        assert!(short.contains("model-owner has window = nothing"), "{short}");
    }

    #[test]
    fn a_session_depends_on_every_nonce() {
        let nonces = [[1; 32], [2; 32], [3; 32]];
        for i in 0..3 {
            let mut other = nonces;
            other[i][31] ^= 1;
            assert_ne!(session(&nonces), session(&other));
        }
    }
}
