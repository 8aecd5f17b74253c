//! The pipe between the launcher and a party that it started: the party's standard input and
//! output. A frame is the length of its header and the number of its words (two little-endian
//! u64), the header as JSON, and the words (little-endian).
//!
//! No key and no seed passes here: a party makes its own identity and tells its certificate only.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    path::PathBuf,
};

use nets::{ActivationPlan, Output, SuiteName, bench::ConvSize};
use protocols::Role;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    data::ImageRange,
    party::{Record, Work},
};

/// A message from the launcher to a party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum ToParty {
    /// The first message: the job. The words are the party's own inputs of a bench.
    Job(Job),
    /// Where the three parties listen, and their certificates (DER), by role.
    Peers {
        /// UDP addresses.
        addresses: [SocketAddr; 3],
        /// Certificates.
        certificates: [Vec<u8>; 3],
    },
    /// All three are connected: start.
    Start,
}

/// The job of a launched party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Its part of evaluating a config's network.
    Network {
        /// The config file, of which it reads the shared tables and its own.
        config: PathBuf,
        /// The activations and pools that are exchanged, whatever the config says.
        activation_plan: Option<ActivationPlan>,
        /// Overrides the config's suite.
        suite: Option<SuiteName>,
        /// The data owner's output, whatever the config says.
        output: Output,
        /// Overrides the data owner's first image and count.
        range: ImageRange,
        /// Whether branches run side by side even if the config does not say so.
        overlap: bool,
        /// Whether everything is dealt before the query even if the config does not say so.
        dealt_first: bool,
        /// Answer, or deal.
        work: Work,
    },
    /// Its part of one operation, with the default protocol settings.
    Operation {
        /// The operation's name.
        name: String,
        /// How many values.
        count: usize,
        /// The protocol suite.
        suite: SuiteName,
        /// The size of a convolution, where it is not the usual one.
        conv: Option<ConvSize>,
        /// Only transfer its bytes.
        bare: bool,
    },
}

/// A message from a party to the launcher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum FromParty {
    /// It listens here, under this certificate (DER).
    Listening {
        /// A UDP address.
        address: SocketAddr,
        /// Its certificate.
        certificate: Vec<u8>,
    },
    /// It stands in authenticated connections with both others.
    Connected,
    /// It ended this many layers.
    Layers(usize),
    /// It came to the end of the protocol.
    Ended,
    /// The record of its run. The words are the results at the data owner, or its share of a bench's
    /// outputs.
    Done(Box<Record>),
    /// It failed and ends now.
    Failed {
        /// One line.
        message: String,
        /// Whether it noticed that another party went away, rather than failing itself.
        lost: Option<Role>,
        /// Its exit code.
        exit_code: u8,
    },
}

/// Writes a frame.
///
/// # Errors
/// If the other end is gone.
pub(super) fn write<M: Serialize>(
    out: &mut impl Write,
    message: &M,
    words: &[u64],
) -> io::Result<()> {
    let header = serde_json::to_vec(message)?;
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&(words.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for chunk in words.chunks(1 << 13) {
        let bytes: Vec<u8> = chunk.iter().flat_map(|word| word.to_le_bytes()).collect();
        out.write_all(&bytes)?;
    }
    out.flush()
}

/// Reads a frame; `None` where the other end closed the pipe between two frames.
///
/// # Errors
/// If the pipe breaks within a frame, or what comes is no frame.
pub(super) fn read<M: DeserializeOwned>(
    input: &mut impl Read,
) -> io::Result<Option<(M, Vec<u64>)>> {
    let mut first = [0];
    if input.read(&mut first)? == 0 {
        return Ok(None);
    }
    let mut lengths = [0; 16];
    lengths[0] = first[0];
    input.read_exact(&mut lengths[1..])?;
    let length = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| lengths[at + i]));
    let mut header = Vec::new();
    input.take(length(0)).read_to_end(&mut header)?;
    let message = serde_json::from_slice(&header)?;
    // Grown as the words come, not allocated from the header's claim.
    let mut bytes = Vec::new();
    let promised = length(8).saturating_mul(8);
    input.take(promised).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != promised {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let word = |bytes: &[u8]| u64::from_le_bytes(std::array::from_fn(|i| bytes[i]));
    Ok(Some((message, bytes.chunks_exact(8).map(word).collect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_pipe_in_order() {
        let mut pipe = Vec::new();
        let words: Vec<u64> = (0..10_000).map(|i| i << 50).collect();
        write(&mut pipe, &ToParty::Start, &[]).unwrap();
        let job = Job::Operation {
            name: "relu".into(),
            count: 3,
            suite: SuiteName::Dealer,
            conv: None,
            bare: false,
        };
        write(&mut pipe, &ToParty::Job(job.clone()), &words).unwrap();
        let mut pipe = &pipe[..];
        assert_eq!(read(&mut pipe).unwrap(), Some((ToParty::Start, vec![])));
        assert_eq!(read(&mut pipe).unwrap(), Some((ToParty::Job(job), words)));
        assert_eq!(read::<ToParty>(&mut pipe).unwrap(), None);
    }

    #[test]
    fn a_broken_frame_is_an_error() {
        let mut pipe = Vec::new();
        write(&mut pipe, &ToParty::Start, &[1, 2]).unwrap();
        for cut in 1..pipe.len() {
            assert!(read::<ToParty>(&mut &pipe[..cut]).is_err(), "cut at {cut}");
        }
        pipe[8..16].fill(0xff);
        assert!(read::<ToParty>(&mut &pipe[..]).is_err());
    }
}
