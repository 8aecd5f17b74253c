//! The masked weights of the `dealer` suite, which outlive a session where a party has a place for
//! them.
//!
//! A, which masks the weights, is drawn from a key of P0 and P2; D = W - A is at P1. P0 keeps a key
//! for each hash of weights and layout and never uses it for others; P2 keeps the keys, P1 the
//! masked weights, by the key's name, which tells nothing about it. P0 offers what it has; where P2
//! lacks the key, all start anew with one of this session; where P1 lacks the weights, they are
//! sent again.
//!
//! | from -> to | what |
//! |---|---|
//! | P0 -> P1, P2 | whether its key is kept, and known, and the key's name |
//! | P1 -> P0, P2 -> P0 | if it is known: whether they have what belongs to it |
//! | P0 -> P1 | the key's name, and whether weights follow |
//!
//! None of it is payload. It tells P1 and P2 that weights are the same as in an earlier session.
//! Whoever reads P0's or P2's part and P1's has the weights.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use nets::{
    EncodedModel,
    graph::SETUP,
    suites::{MaskedWeights, Preprocessing},
};
use protocols::{Role, Session, dealer::WeightKey, prf::Seed};
use zeroize::Zeroizing;

use super::{
    connected::{Connected, malformed},
    inputs::Inputs,
    task::Task,
};
use crate::{
    durable,
    error::{Error, Result},
};

/// The place where the parties find out who has what.
const KNOWN: &str = "session/weights";

/// A party's keys for the linear layers of a model.
pub(crate) enum ModelKeys {
    /// P0: nothing more; the key of A is of use only for D.
    ModelOwner,
    /// P1: D.
    DataOwner(MaskedWeights),
    /// P2: the key of A.
    CryptoProducer(WeightKey),
}

impl ModelKeys {
    /// P1's masked weights.
    pub(super) fn masked_weights(&self) -> Option<&MaskedWeights> {
        match self {
            ModelKeys::DataOwner(weights) => Some(weights),
            ModelKeys::ModelOwner | ModelKeys::CryptoProducer(_) => None,
        }
    }

    /// P2's key.
    pub(super) fn weight_key(&self) -> Option<&WeightKey> {
        match self {
            ModelKeys::CryptoProducer(key) => Some(key),
            ModelKeys::ModelOwner | ModelKeys::DataOwner(_) => None,
        }
    }
}

/// The setup of a model's linear layers.
pub(crate) struct Setup {
    /// This party's keys for them.
    pub keys: ModelKeys,
    /// Whether P1 had the masked weights from an earlier session.
    pub kept: bool,
}

/// The name of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeyName([u8; 16]);

/// The state of P0's key: the first byte of its message.
const UNKEPT: u8 = 0;
const FRESH: u8 = 1;
const KEPT: u8 = 2;

impl Connected {
    /// Gets what this party needs for a model, from its `state` or in this session.
    pub(crate) fn set_up(
        &self,
        session: &Session,
        task: &Task,
        preprocessing: &dyn Preprocessing,
        inputs: &Inputs,
        state: Option<&Path>,
    ) -> Result<Setup> {
        match inputs {
            Inputs::Model(model) => {
                let file = state.map(|directory| key_file(directory, task, model));
                self.model_owner_setup(session, preprocessing, model, file.as_deref())
            }
            Inputs::Images(_) => self.data_owner_setup(session, preprocessing, state),
            Inputs::Nothing => {
                let key = self.crypto_producer_key(session, state)?;
                Ok(Setup { keys: ModelKeys::CryptoProducer(WeightKey::new(key)), kept: false })
            }
        }
    }

    /// P0's part: its key, and masked weights for P1 unless they are kept.
    fn model_owner_setup(
        &self,
        session: &Session,
        preprocessing: &dyn Preprocessing,
        model: &EncodedModel,
        file: Option<&Path>,
    ) -> Result<Setup> {
        let kept = file.map(read_key).transpose()?.flatten();
        let fresh = session.seed_with(Role::CryptoProducer, SETUP);
        let kind = match (file, &kept) {
            (None, _) => UNKEPT,
            (Some(_), None) => FRESH,
            (Some(_), Some(_)) => KEPT,
        };
        let name = KeyName::from_key(kept.as_ref().unwrap_or(&fresh));
        for other in [Role::DataOwner, Role::CryptoProducer] {
            self.tell(other, KNOWN, name.message(kind))?;
        }
        let (mut key, mut known) = (kept.unwrap_or_else(|| fresh.clone()), false);
        if kind == KEPT {
            let has = |other| Ok::<_, Error>(self.hear(other, KNOWN)? == [1]);
            let (weights, producer) = (has(Role::DataOwner)?, has(Role::CryptoProducer)?);
            if !producer {
                key = fresh;
            }
            known = weights && producer;
        }
        self.tell(Role::DataOwner, KNOWN, KeyName::from_key(&key).message(u8::from(known)))?;
        if let Some(file) = file {
            write_key(file, &key)?;
        }
        if !known {
            preprocessing.send_setup(session, model, &WeightKey::new(key))?;
        }
        Ok(Setup { keys: ModelKeys::ModelOwner, kept: known })
    }

    /// P1's part: masked weights, kept or received.
    fn data_owner_setup(
        &self,
        session: &Session,
        preprocessing: &dyn Preprocessing,
        state: Option<&Path>,
    ) -> Result<Setup> {
        let (kind, name) = self.hear_name()?;
        let file = |name: KeyName| state.map(|state| state.join(format!("{name}.weights")));
        let mut kept = None;
        if kind == KEPT {
            let content = file(name).as_deref().map(read).transpose()?.flatten();
            kept = content.and_then(|content| preprocessing.unpack(&content));
            self.tell(Role::ModelOwner, KNOWN, vec![u8::from(kept.is_some())])?;
        }
        let (known, name) = self.hear_name()?;
        if let (1, Some(weights)) = (known, kept) {
            return Ok(Setup { keys: ModelKeys::DataOwner(weights), kept: true });
        }
        let weights = preprocessing.receive_setup(session)?;
        if let Some(file) = file(name).filter(|_| kind != UNKEPT) {
            write(&file, &preprocessing.pack(&weights))?;
        }
        Ok(Setup { keys: ModelKeys::DataOwner(weights), kept: false })
    }

    /// P2's part: the key, kept or of this session.
    fn crypto_producer_key(&self, session: &Session, state: Option<&Path>) -> Result<Seed> {
        let (kind, name) = self.hear_name()?;
        let file = |name: KeyName| state.map(|state| state.join(format!("{name}.key")));
        if kind == KEPT {
            let key = file(name).as_deref().map(read_key).transpose()?.flatten();
            let key = key.filter(|key| KeyName::from_key(key) == name);
            self.tell(Role::ModelOwner, KNOWN, vec![u8::from(key.is_some())])?;
            if let Some(key) = key {
                return Ok(key);
            }
        }
        let key = session.seed_with(Role::ModelOwner, SETUP);
        if let Some(file) = file(KeyName::from_key(&key)).filter(|_| kind != UNKEPT) {
            write_key(&file, &key)?;
        }
        Ok(key)
    }

    fn hear_name(&self) -> Result<(u8, KeyName)> {
        let message = self.hear(Role::ModelOwner, KNOWN)?;
        match <[u8; 17]>::try_from(message) {
            Ok([kind, name @ ..]) => Ok((kind, KeyName(name))),
            Err(_) => Err(malformed(Role::ModelOwner, KNOWN, "it names no key")),
        }
    }
}

impl KeyName {
    fn from_key(key: &Seed) -> KeyName {
        let bytes = key.derive("name");
        KeyName(bytes.expose()[..16].try_into().expect("16 bytes"))
    }

    fn message(self, kind: u8) -> Vec<u8> {
        [&[kind], &self.0[..]].concat()
    }
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// P0's file for weights in a layout.
fn key_file(directory: &Path, task: &Task, model: &EncodedModel) -> PathBuf {
    let mut hasher = blake3::Hasher::new_derive_key("tercet weights v2");
    let layout = task.suite.layout_hash();
    for hash in [Some(model.hash()), layout, Some(task.graph().hash())].into_iter().flatten() {
        hasher.update(hash.as_bytes());
    }
    directory.join(format!("{}.key", hasher.finalize()))
}

fn read_key(file: &Path) -> Result<Option<Seed>> {
    let Some(content) = read(file)? else { return Ok(None) };
    match <[u8; 32]>::try_from(&content[..]) {
        Ok(bytes) => Ok(Some(Seed::from_bytes(bytes))),
        Err(_) => Err(damaged(file)),
    }
}

fn write_key(file: &Path, key: &Seed) -> Result<()> {
    write(file, key.expose())
}

/// The beginning of every file, with the version of the format. Files of version 1 had none.
const HEAD: &[u8] = b"tercet state 2\n";

/// The part of [`HEAD`] that later versions will have, too.
const ANY_VERSION: &[u8] = b"tercet state ";

/// Refuses a directory with files of another version: their names are those of another layout, so
/// no run would ever find them.
///
/// # Errors
/// [`Error::File`] naming the first such file.
pub(super) fn check_state(directory: &Path) -> Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::unreadable(directory, error)),
    };
    for entry in entries {
        let file = entry.map_err(|error| Error::unreadable(directory, error))?.path();
        if !is_state_file(&file) {
            continue;
        }
        if !has_head(&file).map_err(|error| Error::unreadable(&file, error))? {
            return Err(headless(&file));
        }
    }
    Ok(())
}

/// Whether a file has the name of one of ours: a hash, or a key's name, and an ending. A directory
/// may hold other files.
fn is_state_file(file: &Path) -> bool {
    let part = |part: Option<&OsStr>| part.and_then(OsStr::to_str).unwrap_or_default().to_owned();
    let (name, ending) = (part(file.file_stem()), part(file.extension()));
    let is_hex = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex && [32, 64].contains(&name.len()) && ["key", "weights"].contains(&ending.as_str())
}

fn has_head(file: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(file)?.take(HEAD.len() as u64).read_to_end(&mut head)?;
    Ok(head == HEAD)
}

/// The complaint about a file with another head or none: of another version, if it ends with the
/// hash of the rest.
fn headless(file: &Path) -> Error {
    let content = match std::fs::read(file) {
        Ok(content) => Zeroizing::new(content),
        Err(error) => return Error::unreadable(file, error),
    };
    let Some(content) = hashed(&content) else { return damaged(file) };
    let version = match content.strip_prefix(ANY_VERSION) {
        Some(rest) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).take(9);
            digits.map(|&byte| char::from(byte)).collect()
        }
        None => "1".to_owned(),
    };
    let what = format!(
        "is a `state` file of version {version}, and this build reads 2: remove it, and a new one \
         is made"
    );
    Error::file(file, what)
}

/// The content of a file, if there is one: all between its head and the hash at its end.
fn read(file: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let content = match std::fs::read(file) {
        Ok(content) => Zeroizing::new(content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::unreadable(file, error)),
    };
    match hashed(&content).and_then(|content| content.strip_prefix(HEAD)) {
        Some(content) => Ok(Some(Zeroizing::new(content.to_vec()))),
        None => Err(damaged(file)),
    }
}

/// All of a file but its last 32 bytes, if they are the hash of the rest.
fn hashed(content: &[u8]) -> Option<&[u8]> {
    let (content, hash) = content.split_last_chunk::<32>()?;
    (blake3::hash(content).as_bytes() == hash).then_some(content)
}

fn write(file: &Path, content: &[u8]) -> Result<()> {
    let mut whole = Zeroizing::new([HEAD, content].concat());
    let hash = blake3::hash(&whole);
    whole = Zeroizing::new([&whole[..], hash.as_bytes()].concat());
    let directory = file.parent().expect("a file is in a directory");
    durable::make_directory(directory)
        .and_then(|()| durable::write(file, &whole))
        .map_err(|error| Error::unwritable(file, error))
}

fn damaged(file: &Path) -> Error {
    Error::file(file, "is damaged: remove it, and a new one is made")
}
