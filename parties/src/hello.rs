//! What the three parties compare before anything else, and the session that comes of it.

use std::fmt;

use nets::Output;
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
    /// Whether branches of the network run side by side.
    pub overlap: bool,
    /// A hash of the rings and bounds of all layers, where a suite has such.
    pub plan: Option<[u8; 32]>,
    /// Whether everything is dealt before the query.
    pub dealt_first: bool,
    /// What the data owner learns.
    pub output: Output,
}

impl Agreement {
    /// Names and values, as the parties exchange them.
    pub(crate) fn terms(&self) -> Vec<(String, String)> {
        let hex = |hash: &[u8; 32]| hash.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let architecture = hex(&self.architecture);
        let bounds = self.plan.as_ref().map_or("none".into(), hex);
        [
            ("protocol version", PROTOCOL_VERSION.to_string()),
            ("software version", env!("CARGO_PKG_VERSION").to_owned()),
            ("suite", self.suite.clone()),
            ("ring_bits", self.ring_bits.to_string()),
            ("fractional_bits", self.fractional_bits.to_string()),
            ("architecture", architecture),
            ("chunk", self.options.chunk.to_string()),
            ("window", self.options.window.to_string()),
            ("overlap", self.overlap.to_string()),
            ("bounds", bounds),
            ("dealt_first", self.dealt_first.to_string()),
            ("output", self.output.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// A term on which the parties disagree. It reads the same at all three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disagreement {
    term: String,
    /// By role; `None` where a party does not know the term.
    values: [Option<String>; 3],
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let term = printable(self.term.as_bytes(), 40);
        write!(f, "the parties differ in {term}: ")?;
        let values = Role::ALL.into_iter().zip(&self.values).map(|(role, value)| {
            let value = value.as_deref().unwrap_or("nothing");
            format!("{role} has {}", printable(value.as_bytes(), 24))
        });
        write!(f, "{}; ", values.collect::<Vec<_>>().join(", "))?;
        f.write_str(match self.term.as_str() {
            "protocol version" | "software version" => "install the same release everywhere",
            "architecture" | "output" => "give all three the same [network]",
            _ => "give all three the same in [protocol]",
        })
    }
}

/// Finds the first term on which the parties, by role, disagree.
pub(crate) fn compare(terms: [&[(String, String)]; 3]) -> Result<(), Disagreement> {
    let longest = terms.map(<[_]>::len).into_iter().max().expect("three parties");
    for place in 0..longest {
        let at_place = terms.map(|terms| terms.get(place));
        if at_place[0] == at_place[1] && at_place[0] == at_place[2] {
            continue;
        }
        let (term, _) = at_place.into_iter().flatten().next().expect("somebody's list is so long");
        let values = at_place
            .map(|entry| entry.filter(|(name, _)| name == term).map(|(_, value)| value.clone()));
        return Err(Disagreement { term: term.clone(), values });
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
    fn every_term_is_compared() {
        let agreement = Agreement {
            suite: "securenn".into(),
            ring_bits: 64,
            fractional_bits: 13,
            architecture: [7; 32],
            options: SessionOptions { chunk: 64, window: 6 },
            overlap: false,
            plan: None,
            dealt_first: false,
            output: Output::Logits,
        };
        let own = agreement.terms();
        assert_eq!(compare([&own; 3]), Ok(()));
        for place in 0..own.len() {
            for role in Role::ALL {
                let mut other = own.clone();
                other[place].1 = "other".into();
                let mut terms = [&own[..]; 3];
                terms[role.index()] = &other;
                let text = compare(terms).unwrap_err().to_string();
                let start = format!("the parties differ in {}: model-owner has ", own[place].0);
                assert!(text.starts_with(&start), "{text}");
                assert!(text.contains(&format!("{role} has other")), "{text}");
            }
        }
        let text = compare([&own, &own[..8], &own]).unwrap_err().to_string();
        let values = "model-owner has false, data-owner has nothing, crypto-producer has false; ";
        assert!(text.starts_with(&format!("the parties differ in overlap: {values}")), "{text}");
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
