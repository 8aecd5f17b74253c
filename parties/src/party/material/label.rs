//! Which query a file is of, and what it was made for.

use std::fmt;

use protocols::Role;

/// Which query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    /// The session that made it.
    pub session: [u8; 32],
    /// Its number in that session, from 0.
    pub query: u64,
}

/// The task that a query's material was made for: with any other it is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MadeFor {
    /// Values a chunk.
    pub chunk: u64,
    /// Hash of the architecture.
    pub architecture: [u8; 32],
    /// Hash of the layout: rings, scales and gates of the layers.
    pub layout: [u8; 32],
    /// Hash of the weights; zero but at P0.
    pub weights: [u8; 32],
}

/// The description of a file in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Whose it is.
    pub role: Role,
    /// Which query.
    pub name: Name,
    /// Images.
    pub batch: u64,
    /// The task that it was made for.
    pub made_for: MadeFor,
}

impl Name {
    /// Bytes of a name.
    pub(crate) const BYTES: usize = 40;

    /// The form that is sent.
    pub(crate) fn to_bytes(self) -> [u8; Name::BYTES] {
        let mut bytes = [0; Name::BYTES];
        bytes[..32].copy_from_slice(&self.session);
        bytes[32..].copy_from_slice(&self.query.to_le_bytes());
        bytes
    }

    /// The name in the form of [`Name::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8; Name::BYTES]) -> Name {
        let (session, query) = bytes.split_at(32);
        Name {
            session: session.try_into().expect("32 bytes"),
            query: u64::from_le_bytes(query.try_into().expect("8 bytes")),
        }
    }

    /// A line of the list of used queries.
    pub(crate) fn parse(line: &str) -> Option<Name> {
        let (session, query) = line.split_once(' ')?;
        let mut name = Name { session: [0; 32], query: query.parse().ok()? };
        if session.len() != 64 {
            return None;
        }
        for (place, byte) in name.session.iter_mut().enumerate() {
            *byte = u8::from_str_radix(session.get(2 * place..2 * place + 2)?, 16).ok()?;
        }
        Some(name)
    }

    /// The session in hexadecimal.
    pub(crate) fn session_hex(&self) -> String {
        self.session.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The name of its file.
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{:06}.query", &self.session_hex()[..16], self.query)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query {} of session {}", self.query, &self.session_hex()[..16])
    }
}

impl MadeFor {
    /// The first difference, in words.
    pub(crate) fn difference(&self, other: &MadeFor) -> Option<&'static str> {
        let differences = [
            (self.architecture != other.architecture, "another network"),
            (self.layout != other.layout, "other bounds, fractional bits or output"),
            (self.chunk != other.chunk, "another `protocol.chunk`"),
            (self.weights != other.weights, "other weights"),
        ];
        differences.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
    }
}

impl Label {
    /// Why a query is not for this run, if it is not.
    pub(crate) fn mismatch(&self, role: Role, made_for: &MadeFor, images: usize) -> Option<String> {
        let Label { batch, .. } = self;
        if self.role != role {
            return Some(format!("it is the {}'s", self.role));
        }
        if let Some(difference) = self.made_for.difference(made_for) {
            return Some(format!("it was made for {difference}"));
        }
        (*batch < images as u64)
            .then(|| format!("it was made for {batch} images, and there are {images}"))
    }
}
