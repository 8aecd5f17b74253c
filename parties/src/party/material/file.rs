//! A query's material as a file: a header, then the messages that its party received, in the order in which
//! it took them.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | what kind of file, and its version |
//! | 1 | the party |
//! | 32, 8 | the session that made it, the query's number in it |
//! | 8, 8 | images, values a chunk |
//! | 32, 32, 32 | hashes: architecture, plan, weights (zero but at P0) |
//! | 32 | the seed of the query that the party shares with P2 |
//! | 8, 32 | length and hash of the messages |
//! | 32 | hash of all before it |
//!
//! A message is its sender (1 byte), step (16), length (4) and payload. Numbers are little-endian.

use std::{
    collections::HashMap,
    fmt,
    fs::{File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Take, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use protocols::{
    Error as ProtocolError, Role,
    ledger::AHEAD,
    prf::{Seed, Seeds},
    step::{Step, StepId},
    transport::{Message, Received, Transport},
};
use zeroize::Zeroizing;

use crate::{
    durable,
    error::{Error, Result},
    link::frame::MAX_PAYLOAD,
};

const KIND: &[u8; 16] = b"tercet query v2\n";

/// Where P1's masked weights are. A name that no layer can have.
const WEIGHTS: &str = "session/weights";

const HEADER: usize = 16 + 1 + 32 + 8 + 8 + 8 + 3 * 32 + 32 + 8 + 32 + 32;

/// Where the seed is in the header.
const SEED: usize = 16 + 1 + 32 + 8 + 8 + 8 + 3 * 32;

/// Bytes of a message before its payload.
const PREFIX: usize = 1 + 16 + 4;

/// Which query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The session that made it.
    pub session: [u8; 32],
    /// Its number in that session, from 0.
    pub query: u64,
}

/// What a query's material is for: with anything else it is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Values a chunk.
    pub chunk: u64,
    /// Hash of the architecture.
    pub architecture: [u8; 32],
    /// Hash of the plan.
    pub plan: [u8; 32],
    /// Hash of the weights; zero but at P0.
    pub weights: [u8; 32],
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Whose it is.
    pub role: Role,
    /// Which query.
    pub name: Name,
    /// Images.
    pub batch: u64,
    /// What it is for.
    pub fit: Fit,
}

impl Name {
    /// Bytes of a name.
    pub const BYTES: usize = 40;

    /// As it travels.
    pub fn to_bytes(self) -> [u8; Name::BYTES] {
        let mut bytes = [0; Name::BYTES];
        bytes[..32].copy_from_slice(&self.session);
        bytes[32..].copy_from_slice(&self.query.to_le_bytes());
        bytes
    }

    /// From [`Name::to_bytes`].
    pub fn from_bytes(bytes: &[u8; Name::BYTES]) -> Name {
        let (session, query) = bytes.split_at(32);
        Name {
            session: session.try_into().expect("32 bytes"),
            query: u64::from_le_bytes(query.try_into().expect("8 bytes")),
        }
    }

    /// The session in hexadecimal.
    pub fn session_hex(&self) -> String {
        self.session.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What its file is called.
    pub fn file_name(&self) -> String {
        format!("{}-{:06}.query", &self.session_hex()[..16], self.query)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query {} of session {}", self.query, &self.session_hex()[..16])
    }
}

impl Fit {
    /// What of it is another, in words.
    pub fn difference(&self, other: &Fit) -> Option<&'static str> {
        let differences = [
            (self.architecture != other.architecture, "another network"),
            (self.plan != other.plan, "other bounds, fractional bits or output"),
            (self.chunk != other.chunk, "another `protocol.chunk`"),
            (self.weights != other.weights, "other weights"),
        ];
        differences.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what)
    }
}

impl Label {
    /// Reads it without the messages.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn read(path: &Path) -> Result<Label> {
        let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
        Ok(Header::read(path, &mut file)?.label)
    }
}

/// A file that is being written. It has its name only when it is finished.
pub struct Writer {
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
    /// What the operating system says.
    pub fn begin(path: &Path, label: Label) -> io::Result<Writer> {
        let mut out = BufWriter::with_capacity(1 << 20, durable::begin(path)?);
        out.write_all(&[0; HEADER])?;
        let hasher = blake3::Hasher::new();
        Ok(Writer { path: path.to_owned(), out, hasher, length: 0, label })
    }

    /// P1: keeps the masked weights that it needs when the query comes.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn keep_weights(&mut self, packed: &[u8]) -> io::Result<()> {
        self.append(Role::ModelOwner, Step::root(WEIGHTS).id(), packed)
    }

    fn append(&mut self, from: Role, step: StepId, payload: &[u8]) -> io::Result<()> {
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

    /// Ends it, with the seed that its party shares with P2; returns its size.
    ///
    /// # Errors
    /// What the operating system says; the file then has no name.
    pub fn finish(mut self, seed: &Seed) -> io::Result<u64> {
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

/// A transport that keeps in a file what its party receives.
pub struct Keeping {
    inner: Arc<dyn Transport>,
    writer: Mutex<Option<Writer>>,
}

impl Keeping {
    /// Keeps what comes through another transport.
    pub fn new(inner: Arc<dyn Transport>, writer: Writer) -> Keeping {
        Keeping { inner, writer: Mutex::new(Some(writer)) }
    }

    /// The file, after the last message.
    ///
    /// # Panics
    /// If it was taken before.
    pub fn take_writer(&self) -> Writer {
        self.writer.lock().expect("no panic while locked").take().expect("it is taken once")
    }
}

impl Transport for Keeping {
    fn send(&self, to: Role, message: Message) -> protocols::Result<()> {
        self.inner.send(to, message)
    }

    fn recv(&self, from: Role, step: &Step) -> protocols::Result<Received> {
        let message = self.inner.recv(from, step)?;
        let mut writer = self.writer.lock().expect("no panic while locked");
        let writer = writer.as_mut().expect("messages come before the end");
        writer.append(from, step.id(), &message.payload).map_err(|error| {
            let reason = format!("{}: cannot be written: {error}", writer.path.display());
            ProtocolError::Stopped { reason }
        })?;
        Ok(message)
    }

    fn abort(&self, error: ProtocolError) {
        self.inner.abort(error);
    }
}

/// A whole file, checked from beginning to end.
pub struct Opened {
    /// What it says of itself.
    pub label: Label,
    /// Where it is.
    pub path: PathBuf,
    file: File,
    seed: Seed,
    length: u64,
}

impl Opened {
    /// Opens and checks a file.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, or is not as it was written.
    pub fn open(path: &Path) -> Result<Opened> {
        let failed = |error| unreadable(path, error);
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
        Ok(Opened { label, path: path.to_owned(), file, seed, length })
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        HEADER as u64 + self.length
    }

    /// Overwrites the seed on the disk. Not every disk and file system writes to the same place.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn wipe(&self) -> io::Result<()> {
        self.file.write_all_at(&[0; 32], SEED as u64)?;
        self.file.sync_data()
    }

    /// The seeds and the messages. Only the seed that the party shares with P2 is of the session that made
    /// it: nothing else is drawn from any other.
    pub fn into_parts(self) -> (Seeds, Stored) {
        let seeds = Seeds { with_others: [Seed::from_os(), self.seed], private: Seed::from_os() };
        let input = BufReader::with_capacity(1 << 20, self.file).take(self.length);
        let reading = Reading { input, waiting: HashMap::new(), failed: None };
        (seeds, Stored(Mutex::new(reading)))
    }
}

/// A transport whose messages all came long ago. It reads on in its file as they are asked for, and holds in
/// memory only those that it meets before their turn: as many as lanes are under way.
pub struct Stored(Mutex<Reading>);

struct Reading {
    input: Take<BufReader<File>>,
    waiting: HashMap<(Role, StepId), Vec<u8>>,
    failed: Option<ProtocolError>,
}

impl Stored {
    /// What [`Writer::keep_weights`] kept.
    ///
    /// # Errors
    /// If it is not there.
    pub fn weights(&self) -> protocols::Result<Vec<u8>> {
        Ok(self.recv(Role::ModelOwner, &Step::root(WEIGHTS))?.payload)
    }
}

impl Transport for Stored {
    fn send(&self, to: Role, message: Message) -> protocols::Result<()> {
        let reason = format!("{} was sent to {to} when the material was made", message.step);
        Err(ProtocolError::Stopped { reason })
    }

    fn recv(&self, from: Role, step: &Step) -> protocols::Result<Received> {
        let mut reading = self.0.lock().expect("no panic while locked");
        if let Some(error) = &reading.failed {
            return Err(error.clone());
        }
        let payload = reading.find((from, step.id())).map_err(|error| ProtocolError::Stopped {
            reason: format!("the material has no message of {from} for {step}: {error}"),
        })?;
        Ok(Received { phase: AHEAD, depth: 0, payload })
    }

    fn abort(&self, error: ProtocolError) {
        self.0.lock().expect("no panic while locked").failed.get_or_insert(error);
    }
}

impl Reading {
    fn find(&mut self, due: (Role, StepId)) -> io::Result<Vec<u8>> {
        if let Some(payload) = self.waiting.remove(&due) {
            return Ok(payload);
        }
        loop {
            let mut prefix = [0; PREFIX];
            self.input.read_exact(&mut prefix)?;
            let from = Role::ALL.get(usize::from(prefix[0])).ok_or(io::ErrorKind::InvalidData)?;
            let step = StepId(prefix[1..17].try_into().expect("16 bytes"));
            let length = u32::from_le_bytes(prefix[17..].try_into().expect("4 bytes")) as usize;
            if length > MAX_PAYLOAD || length as u64 > self.input.limit() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut payload = vec![0; length];
            self.input.read_exact(&mut payload)?;
            if (*from, step) == due {
                return Ok(payload);
            }
            self.waiting.insert((*from, step), payload);
        }
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
        let Label { role, name, batch, fit } = &self.label;
        let mut bytes = Zeroizing::new([0; HEADER]);
        let mut rest = &mut bytes[..];
        let parts: [&[u8]; 11] = [
            KIND,
            &[role.index() as u8],
            &name.to_bytes(),
            &batch.to_le_bytes(),
            &fit.chunk.to_le_bytes(),
            &fit.architecture,
            &fit.plan,
            &fit.weights,
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
            _ => unreadable(path, error),
        })?;
        if bytes[..16] != *KIND {
            return Err(Error::file(path, "is no material of this release of `tercet deal`"));
        }
        if bytes[HEADER - 32..] != *blake3::hash(&bytes[..HEADER - 32]).as_bytes() {
            return Err(damaged(path));
        }
        let mut rest = &bytes[16..];
        let role = Role::ALL.get(usize::from(take::<1>(&mut rest)[0]));
        let name = Name::from_bytes(&take(&mut rest));
        let batch = u64::from_le_bytes(take(&mut rest));
        let fit = Fit {
            chunk: u64::from_le_bytes(take(&mut rest)),
            architecture: take(&mut rest),
            plan: take(&mut rest),
            weights: take(&mut rest),
        };
        let role = *role.ok_or_else(|| damaged(path))?;
        let seed = Seed::from_bytes(take(&mut rest));
        let length = u64::from_le_bytes(take(&mut rest));
        let label = Label { role, name, batch, fit };
        Ok(Header { label, seed, length, hash: take(&mut rest) })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (part, after) = rest.split_first_chunk().expect("the header is long enough");
    *rest = after;
    *part
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::file(path, format!("cannot be read: {error}"))
}

fn damaged(path: &Path) -> Error {
    Error::file(path, "is damaged: remove it, its query is lost")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn label(query: u64) -> Label {
        let name = Name { session: [7; 32], query };
        let fit = Fit { chunk: 64, architecture: [1; 32], plan: [2; 32], weights: [3; 32] };
        Label { role: Role::ModelOwner, name, batch: 4, fit }
    }

    fn messages() -> Vec<(Role, Step, Vec<u8>)> {
        let payload = |i: u8| vec![i; usize::from(i) * 1000];
        let one = |i| (Role::DataOwner, Step::root(&format!("ahead/{i}")), payload(i));
        let other = |i| (Role::CryptoProducer, Step::root(&format!("ahead/{i}")), payload(i));
        [(0..4).map(one).collect::<Vec<_>>(), (2..6).map(other).collect()].concat()
    }

    fn written(directory: &Path) -> PathBuf {
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
    fn messages_come_back_in_any_order_and_once() {
        let directory = tempfile::tempdir().unwrap();
        let opened = Opened::open(&written(directory.path())).unwrap();
        assert_eq!(opened.label, label(0));
        let (seeds, stored) = opened.into_parts();
        assert_eq!(seeds.with_others[1].expose(), &[9; 32]);
        let mut all = messages();
        all.rotate_left(3);
        for (from, step, payload) in &all {
            let message = stored.recv(*from, step).unwrap();
            assert!(message.payload == *payload && (message.phase, message.depth) == (AHEAD, 0));
        }
        let (from, step, _) = &all[0];
        let error = stored.recv(*from, step).unwrap_err().to_string();
        assert!(error.contains("the material has no message of data-owner"), "{error}");
        let message = Message { step: step.clone(), phase: 0, depth: 0, payload: vec![] };
        assert!(stored.send(*from, message).is_err());
    }

    #[test]
    fn what_is_not_as_it_was_written_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let whole = std::fs::read(&path).unwrap();
        let refused = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            Opened::open(&path).map(|_| ()).unwrap_err().to_string()
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
        assert!(error.ends_with("is no material of this release of `tercet deal`"), "{error}");
        std::fs::write(&path, &whole).unwrap();
        Opened::open(&path).unwrap();
    }

    #[test]
    fn a_wiped_file_has_no_seed() {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        Opened::open(&path).unwrap().wipe().unwrap();
        let content = std::fs::read(&path).unwrap();
        assert!(!content.windows(32).any(|window| window == [9; 32]));
        assert!(Opened::open(&path).is_err());
    }
}
