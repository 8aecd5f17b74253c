//! The terms that parties compare before anything else, and the name of the session that follows.

use std::fmt;

use nets::Output;
use protocols::{Role, SessionOptions};

use super::goodbye::printable;

/// The version of the messages and their order. Parties of different versions cannot run together.
pub const PROTOCOL_VERSION: u32 = 1;

/// The terms that must be the same at all three parties. Paths, addresses and all else of a single
/// party are not in it; nor is the number of images, which the data owner announces with each
/// batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The protocol suite's name.
    pub suite: String,
    /// Bits of the ring that shares live in.
    pub ring_bits: u32,
    /// Fraction bits of a fixed-point number.
    pub fractional_bits: u32,
    /// The hash of the public architecture, activation plan included.
    pub architecture: [u8; 32],
    /// How long batches are cut, which decides which messages exist.
    pub options: SessionOptions,
    /// Whether branches of the network run side by side.
    pub overlap: bool,
    /// The hash of the rings and bounds of all layers, in a suite that has such.
    pub layout: Option<[u8; 32]>,
    /// Whether everything is dealt before the query.
    pub dealt_first: bool,
    /// The data owner's output.
    pub output: Output,
    /// The purpose of the session.
    pub purpose: Purpose,
}

/// The purpose of a session, which decides who takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// One evaluation, by all three.
    #[default]
    Answer,
    /// Material for this many queries later on, made by all three.
    Deal(u64),
    /// One evaluation with material made before: the crypto producer takes no part.
    AnswerDealt,
}

impl Purpose {
    /// The parties that take part.
    pub fn parties(self) -> &'static [Role] {
        match self {
            Purpose::Answer | Purpose::Deal(_) => &Role::ALL,
            Purpose::AnswerDealt => &[Role::ModelOwner, Role::DataOwner],
        }
    }

    /// The parties that `me` connects with, in order: one or two.
    pub fn peers(self, me: Role) -> Vec<Role> {
        self.parties().iter().copied().filter(|&party| party != me).collect()
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Purpose::Answer => f.write_str("answer"),
            Purpose::Deal(queries) => write!(f, "deal {queries} queries"),
            Purpose::AnswerDealt => f.write_str("answer from material"),
        }
    }
}

impl Agreement {
    /// Names and values, as the parties exchange them.
    pub(crate) fn terms(&self) -> Vec<(String, String)> {
        let hex = |hash: &[u8; 32]| hash.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let architecture = hex(&self.architecture);
        let bounds = self.layout.as_ref().map_or("none".into(), hex);
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
            ("purpose", self.purpose.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// A term on which the parties disagree. It reads the same at all three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disagreement {
    term: String,
    /// `None` where a party does not know the term.
    values: Vec<(Role, Option<String>)>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let term = printable(self.term.as_bytes(), 40);
        write!(f, "the parties differ in {term}: ")?;
        let values = self.values.iter().map(|(role, value)| {
            let value = value.as_deref().unwrap_or("nothing");
            format!("{role} has {}", printable(value.as_bytes(), 24))
        });
        write!(f, "{}; ", values.collect::<Vec<_>>().join(", "))?;
        // A term that is not known here is one of another release.
        f.write_str(remedy(&self.term).unwrap_or(SAME_RELEASE))
    }
}

const SAME_RELEASE: &str = "install the same release everywhere";

/// The remedy for a term on which the parties disagree; `None` for an unknown term.
fn remedy(term: &str) -> Option<&'static str> {
    Some(match term {
        "protocol version" | "software version" => SAME_RELEASE,
        "architecture" | "output" => "give all three the same [network]",
        "purpose" => "start all of them with the same --deal and --material",
        "suite" | "ring_bits" | "fractional_bits" | "chunk" | "window" | "overlap" | "bounds"
        | "dealt_first" => "give all three the same in [protocol]",
        _ => return None,
    })
}

/// Finds the first term on which the parties disagree.
pub(crate) fn compare(parties: &[(Role, &[(String, String)])]) -> Result<(), Disagreement> {
    let longest = parties.iter().map(|(_, terms)| terms.len()).max().unwrap_or(0);
    for place in 0..longest {
        let at_place = || parties.iter().map(|(_, terms)| terms.get(place));
        if at_place().all(|entry| entry == at_place().next().flatten()) {
            continue;
        }
        let (term, _) = at_place().flatten().next().expect("somebody's list is so long");
        let value = |terms: &[(String, String)]| {
            let entry = terms.get(place).filter(|(name, _)| name == term);
            entry.map(|(_, value)| value.clone())
        };
        let values = parties.iter().map(|&(role, terms)| (role, value(terms))).collect();
        return Err(Disagreement { term: term.clone(), values });
    }
    Ok(())
}

/// The session's name: all parties' nonces hashed together, so that no party alone can make a
/// session, and with it the pairwise seeds, come again.
pub(crate) fn session_name(nonces: &[[u8; 32]]) -> [u8; 32] {
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
            layout: None,
            dealt_first: false,
            output: Output::Logits,
            purpose: Purpose::Answer,
        };
        let own = agreement.terms();
        for (term, _) in &own {
            assert!(remedy(term).is_some(), "{term}");
        }
        let compare = |terms: [&[(String, String)]; 3]| {
            compare(&Role::ALL.into_iter().zip(terms).collect::<Vec<_>>())
        };
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
            assert_ne!(session_name(&nonces), session_name(&other));
        }
    }
}
