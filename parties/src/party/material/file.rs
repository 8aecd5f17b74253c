//! A query's material as a file: a header, then the messages that its party received, in the order
//! in which it took them.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | what kind of file, and its version |
//! | 1 | the party |
//! | 32, 8 | the session that made it, the query's number in it |
//! | 8, 8 | images, values a chunk |
//! | 32, 32, 32 | hashes: architecture, layout, weights (zero except at P0) |
//! | 32 | the seed of the query that the party shares with P2 |
//! | 8, 32 | length and hash of the messages |
//! | 32 | hash of all before it |
//!
//! A message is its sender (1 byte), step (16), length (4) and payload. Numbers are little-endian.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Take, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use protocols::{
    Role,
    prf::{Seed, Seeds},
    step::StepId,
};
use zeroize::Zeroizing;

use super::label::{Label, MadeFor, Name};
use crate::{
    durable,
    error::{Error, Result},
    link::frame::MAX_PAYLOAD,
};

const KIND: &[u8; 16] = b"tercet query v3\n";

/// The part of [`KIND`] that all versions have.
const ANY_VERSION: &[u8] = b"tercet query v";

const HEADER: usize = 16 + 1 + 32 + 8 + 8 + 8 + 3 * 32 + 32 + 8 + 32 + 32;

/// Where the seed is in the header.
const SEED: usize = 16 + 1 + 32 + 8 + 8 + 8 + 3 * 32;

/// Bytes of a message before its payload.
const PREFIX: usize = 1 + 16 + 4;

impl Label {
    /// Reads it without the messages.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(crate) fn read(path: &Path) -> Result<Label> {
        let mut file = File::open(path).map_err(|error| Error::unreadable(path, error))?;
        Ok(Header::read(path, &mut file)?.label)
    }
}

/// A file that is being written. It has its name only when it is finished.
pub(crate) struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
    hasher: blake3::Hasher,
    length: u64,
    label: Label,
}

impl Writer {
    /// Begins a file.
    ///
    /// # Errors
    /// The operating system's error.
    pub(crate) fn begin(path: &Path, label: Label) -> io::Result<Writer> {
        let mut out = BufWriter::with_capacity(1 << 20, durable::begin(path)?);
        out.write_all(&[0; HEADER])?;
        let hasher = blake3::Hasher::new();
        Ok(Writer { path: path.to_owned(), out, hasher, length: 0, label })
    }

    /// Appends a message.
    ///
    /// # Errors
    /// The operating system's error.
    pub(crate) fn append(&mut self, from: Role, step: StepId, payload: &[u8]) -> io::Result<()> {
        let mut prefix = [0; PREFIX];
        prefix[0] = from.index() as u8;
        prefix[1..17].copy_from_slice(&step.0);
        prefix[17..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        for part in [&prefix, payload] {
            self.out.write_all(part)?;
            self.hasher.update(part);
            self.length += part.len() as u64;
        }
        Ok(())
    }

    /// Where it will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Ends it, with the seed that its party shares with P2; returns its size.
    ///
    /// # Errors
    /// The operating system's error; the file then has no name.
    pub(crate) fn finish(mut self, seed: &Seed) -> io::Result<u64> {
        let header = Header {
            label: self.label,
            seed: seed.clone(),
            length: self.length,
            hash: self.hasher.finalize().into(),
        };
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header.to_bytes()[..])?;
        let file = self.out.into_inner()?;
        durable::commit(&file, &self.path)?;
        Ok(HEADER as u64 + self.length)
    }
}

/// A whole file, checked from beginning to end.
pub(crate) struct QueryFile {
    /// Its label.
    pub label: Label,
    /// Where it is.
    pub path: PathBuf,
    file: File,
    seed: Seed,
    length: u64,
}

impl QueryFile {
    /// Opens and checks a file.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, or is not as it was written.
    pub(crate) fn open(path: &Path) -> Result<QueryFile> {
        let failed = |error| Error::unreadable(path, error);
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let mut file = opened.map_err(failed)?;
        let Header { label, seed, length, hash } = Header::read(path, &mut file)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&mut file).map_err(failed)?;
        if size != HEADER as u64 + length || hasher.finalize() != hash {
            return Err(damaged(path));
        }
        file.seek(SeekFrom::Start(HEADER as u64)).map_err(failed)?;
        Ok(QueryFile { label, path: path.to_owned(), file, seed, length })
    }

    /// Bytes of the file.
    pub(crate) fn size(&self) -> u64 {
        HEADER as u64 + self.length
    }

    /// Overwrites the seed on the disk. Not every disk and file system writes to the same place.
    ///
    /// # Errors
    /// The operating system's error.
    pub(crate) fn wipe(&self) -> io::Result<()> {
        self.file.write_all_at(&[0; 32], SEED as u64)?;
        self.file.sync_data()
    }

    /// The seeds and the messages. Only the seed that the party shares with P2 is of the session
    /// that made it: nothing else is drawn from any other.
    pub(crate) fn into_parts(self) -> (Seeds, Messages) {
        let seeds = Seeds { with_others: [Seed::from_os(), self.seed], private: Seed::from_os() };
        (seeds, Messages(BufReader::with_capacity(1 << 20, self.file).take(self.length)))
    }
}

/// The messages of a file, one after the other.
pub(crate) struct Messages(Take<BufReader<File>>);

impl Messages {
    /// The next message: its sender, step and payload.
    ///
    /// # Errors
    /// The operating system's error, also at the end of the file.
    pub(crate) fn next(&mut self) -> io::Result<(Role, StepId, Vec<u8>)> {
        let mut prefix = [0; PREFIX];
        self.0.read_exact(&mut prefix)?;
        let from = Role::ALL.get(usize::from(prefix[0])).ok_or(io::ErrorKind::InvalidData)?;
        let step = StepId(prefix[1..17].try_into().expect("16 bytes"));
        let length = u32::from_le_bytes(prefix[17..].try_into().expect("4 bytes")) as usize;
        if length > MAX_PAYLOAD || length as u64 > self.0.limit() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload)?;
        Ok((*from, step, payload))
    }
}

struct Header {
    label: Label,
    seed: Seed,
    length: u64,
    hash: [u8; 32],
}

impl Header {
    fn to_bytes(&self) -> Zeroizing<[u8; HEADER]> {
        let Label { role, name, batch, made_for } = &self.label;
        let mut bytes = Zeroizing::new([0; HEADER]);
        let mut rest = &mut bytes[..];
        let parts: [&[u8]; 11] = [
            KIND,
            &[role.index() as u8],
            &name.to_bytes(),
            &batch.to_le_bytes(),
            &made_for.chunk.to_le_bytes(),
            &made_for.architecture,
            &made_for.layout,
            &made_for.weights,
            self.seed.expose(),
            &self.length.to_le_bytes(),
            &self.hash,
        ];
        for part in parts {
            rest.write_all(part).expect("the header has room");
        }
        let hash = blake3::hash(&bytes[..HEADER - 32]);
        bytes[HEADER - 32..].copy_from_slice(hash.as_bytes());
        bytes
    }

    fn read(path: &Path, file: &mut File) -> Result<Header> {
        let mut bytes = Zeroizing::new([0; HEADER]);
        file.read_exact(&mut bytes[..]).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged(path),
            _ => Error::unreadable(path, error),
        })?;
        if bytes[..16] != *KIND {
            return Err(Error::file(path, other_kind(&bytes[..16])));
        }
        if bytes[HEADER - 32..] != *blake3::hash(&bytes[..HEADER - 32]).as_bytes() {
            return Err(damaged(path));
        }
        let mut rest = &bytes[16..];
        let role = Role::ALL.get(usize::from(take::<1>(&mut rest)[0]));
        let name = Name::from_bytes(&take(&mut rest));
        let batch = u64::from_le_bytes(take(&mut rest));
        let made_for = MadeFor {
            chunk: u64::from_le_bytes(take(&mut rest)),
            architecture: take(&mut rest),
            layout: take(&mut rest),
            weights: take(&mut rest),
        };
        let role = *role.ok_or_else(|| damaged(path))?;
        let seed = Seed::from_bytes(take(&mut rest));
        let length = u64::from_le_bytes(take(&mut rest));
        let label = Label { role, name, batch, made_for };
        Ok(Header { label, seed, length, hash: take(&mut rest) })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (part, after) = rest.split_first_chunk().expect("the header is long enough");
    *rest = after;
    *part
}

/// The complaint about a file of another kind or version.
fn other_kind(kind: &[u8]) -> String {
    match kind.strip_prefix(ANY_VERSION) {
        Some(version) => format!(
            "is material of version {}, and this build reads 3: remove it, and make more \
             with `tercet deal`",
            version.escape_ascii().to_string().trim_end_matches("\\n")
        ),
        None => "is no material of `tercet deal`".to_owned(),
    }
}

fn damaged(path: &Path) -> Error {
    Error::file(path, "is damaged: remove it, its query is lost")
}

#[cfg(test)]
pub(super) mod tests {
    use protocols::step::Step;

    use super::*;

    pub(crate) fn label(query: u64) -> Label {
        let name = Name { session: [7; 32], query };
        let made_for =
            MadeFor { chunk: 64, architecture: [1; 32], layout: [2; 32], weights: [3; 32] };
        Label { role: Role::ModelOwner, name, batch: 4, made_for }
    }

    pub(crate) fn messages() -> Vec<(Role, Step, Vec<u8>)> {
        let payload = |i: u8| vec![i; usize::from(i) * 1000];
        let one = |i| (Role::DataOwner, Step::root(&format!("ahead/{i}")), payload(i));
        let other = |i| (Role::CryptoProducer, Step::root(&format!("ahead/{i}")), payload(i));
        [(0..4).map(one).collect::<Vec<_>>(), (2..6).map(other).collect()].concat()
    }

    pub(crate) fn written(directory: &Path) -> PathBuf {
        let path = directory.join(label(0).name.file_name());
        let mut writer = Writer::begin(&path, label(0)).unwrap();
        for (from, step, payload) in messages() {
            writer.append(from, step.id(), &payload).unwrap();
        }
        assert!(!path.exists());
        let size = writer.finish(&Seed::from_bytes([9; 32])).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
        path
    }

    #[test]
    fn what_is_not_as_it_was_written_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let whole = std::fs::read(&path).unwrap();
        let refused = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            QueryFile::open(&path).map(|_| ()).unwrap_err().to_string()
        };
        for cut in [0, 1, 16, SEED, HEADER - 1, HEADER, HEADER + 5, whole.len() - 1] {
            let error = refused(&whole[..cut]);
            assert!(error.ends_with("is damaged: remove it, its query is lost"), "{error}");
        }
        for place in [17, 60, SEED, HEADER - 40, HEADER - 1, HEADER, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            let error = refused(&changed);
            assert!(error.ends_with("is damaged: remove it, its query is lost"), "{error}");
        }
        assert!(refused(&[&whole[..], &[0]].concat()).contains("is damaged"));
        let error = refused(&vec![b'x'; 1000]);
        assert!(error.ends_with("is no material of `tercet deal`"), "{error}");
        let error = refused(&[b"tercet query v2\n", &whole[16..]].concat());
        assert!(error.contains("is material of version 2, and this build reads 3"), "{error}");
        std::fs::write(&path, &whole).unwrap();
        QueryFile::open(&path).unwrap();
    }

    #[test]
    fn a_wiped_file_has_no_seed() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        QueryFile::open(&path).unwrap().wipe().unwrap();
        let content = std::fs::read(&path).unwrap();
        assert!(!content.windows(32).any(|window| window == [9; 32]));
        assert!(QueryFile::open(&path).is_err());
    }
}
