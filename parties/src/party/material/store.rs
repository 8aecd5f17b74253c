//! A party's directory of material, and its list of what was used.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use protocols::Role;

use super::{
    file::{QueryFile, Writer},
    label::{Label, MadeFor, Name},
};
use crate::{
    durable,
    error::{Error, Result},
};

/// The list of used queries: a line for each.
const USED: &str = "used";

/// The crypto producer's log: a line for each session.
const LOG: &str = "dealt.log";

/// `DIR/<role>`.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    role: Role,
}

/// The queries of a store that a party can answer.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    store: Store,
    names: Vec<Name>,
}

impl Store {
    /// A party's part of a directory, made if it is not there.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(crate) fn make(directory: &Path, role: Role) -> Result<Store> {
        let store = Store::in_directory(directory, role);
        durable::make_directory(&store.directory)
            .map_err(|error| Error::file(&store.directory, format!("cannot be made: {error}")))?;
        Ok(store)
    }

    /// Begins a query's file.
    ///
    /// # Errors
    /// [`Error::Run`].
    pub(crate) fn begin(&self, label: Label) -> Result<Writer> {
        let path = self.directory.join(label.name.file_name());
        Writer::begin(&path, label).map_err(|error| Error::unwritable(&path, error))
    }

    /// Writes down what the crypto producer dealt. There is no secret in it.
    ///
    /// # Errors
    /// [`Error::Run`].
    pub(crate) fn log(&self, first: Name, queries: u64, images: usize) -> Result<()> {
        let path = self.directory.join(LOG);
        let session = first.session_hex();
        let write = || -> io::Result<()> {
            let mut log = OpenOptions::new().append(true).create(true).open(&path)?;
            writeln!(log, "session {session}: {queries} queries of {images} images")?;
            log.sync_all()
        };
        write().map_err(|error| Error::unwritable(&path, error))
    }

    /// Finds the queries that were made for this, for at least this many images. Files in the list
    /// of used queries are removed.
    ///
    /// # Errors
    /// [`Error::File`] that says what to do if there are none.
    pub(crate) fn open(
        directory: &Path,
        role: Role,
        made_for: &MadeFor,
        images: usize,
    ) -> Result<Held> {
        let store = Store::in_directory(directory, role);
        let directory = &store.directory;
        let unreadable = |error| Error::unreadable(directory, error);
        let mut list = UsedList::lock(directory).map_err(unreadable)?;
        let used = list.names().map_err(|error| Error::unreadable(&directory.join(USED), error))?;
        let (mut names, mut removed, mut other) = (Vec::new(), 0, None);
        for entry in directory.read_dir().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_none_or(|extension| extension != "query") {
                continue;
            }
            let label = Label::read(&path)?;
            if used.contains(&label.name) {
                std::fs::remove_file(&path).map_err(unreadable)?;
                removed += 1;
                continue;
            }
            match label.mismatch(role, made_for, images) {
                None => names.push(label.name),
                Some(why) => other = Some(format!("{}: {why}", label.name)),
            }
        }
        if names.is_empty() {
            let what = match (other, removed) {
                (Some(other), _) => format!("has nothing for this run: {other}"),
                (None, 0) => "has no query left: make more with `tercet deal`".into(),
                (None, removed) => format!(
                    "has no query left, but for {removed} that had been used before and were \
                     removed: make more with `tercet deal`"
                ),
            };
            return Err(Error::file(directory, what));
        }
        names.sort();
        Ok(Held { store, names })
    }

    fn in_directory(directory: &Path, role: Role) -> Store {
        Store { directory: directory.join(role.name()), role }
    }
}

impl Held {
    /// The queries.
    pub(crate) fn names(&self) -> &[Name] {
        &self.names
    }

    /// Opens a query's file and checks it, without using it up.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(crate) fn check(&self, name: Name) -> Result<QueryFile> {
        let opened = QueryFile::open(&self.store.directory.join(name.file_name()))?;
        if (opened.label.name, opened.label.role) != (name, self.store.role) {
            return Err(Error::file(
                &opened.path,
                "is another query than its name says: remove it",
            ));
        }
        Ok(opened)
    }

    /// Uses a query up: when it returns, no other run at this party can have the same, whatever
    /// happens.
    ///
    /// # Errors
    /// [`Error::Run`] if another run was faster, or the disk does not take it.
    pub(crate) fn consume(&self, opened: &QueryFile) -> Result<()> {
        let name = opened.label.name;
        let mark = || {
            let mut list = UsedList::lock(&self.store.directory)?;
            if list.names()?.contains(&name) {
                return Ok(false);
            }
            list.add(name)?;
            opened.wipe()?;
            std::fs::remove_file(&opened.path)?;
            durable::sync_directory(&opened.path)?;
            Ok(true)
        };
        match mark() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Run(format!("{name} was used by another run: start again"))),
            Err(error) => {
                let path = opened.path.display();
                let error: io::Error = error;
                Err(Error::Run(format!("{path}: cannot be marked as used: {error}")))
            }
        }
    }
}

/// The list of used queries, locked against other runs.
struct UsedList(File);

impl UsedList {
    fn lock(directory: &Path) -> io::Result<UsedList> {
        let path = directory.join(USED);
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(0o600).open(&path)?;
        file.lock()?;
        Ok(UsedList(file))
    }

    /// A line that a crash cut short marks nothing: the query's file was not opened yet.
    fn names(&mut self) -> io::Result<Vec<Name>> {
        let mut text = String::new();
        self.0.seek(SeekFrom::Start(0))?;
        self.0.read_to_string(&mut text)?;
        Ok(text.lines().filter_map(Name::parse).collect())
    }

    fn add(&mut self, name: Name) -> io::Result<()> {
        // It begins a line even after one that was cut short.
        write!(self.0, "\n{} {}\n", name.session_hex(), name.query)?;
        self.0.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use protocols::prf::Seed;
    use tempfile::TempDir;

    use super::{super::file::tests::label, *};

    const ROLE: Role = Role::ModelOwner;

    /// A directory with two queries.
    fn dealt() -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::make(directory.path(), ROLE).unwrap();
        for query in 0..2 {
            store.begin(label(query)).unwrap().finish(&Seed::from_bytes([1; 32])).unwrap();
        }
        directory
    }

    fn open(directory: &TempDir) -> Result<Held> {
        Store::open(directory.path(), ROLE, &label(0).made_for, 4)
    }

    fn file(directory: &TempDir, query: u64) -> PathBuf {
        directory.path().join(ROLE.name()).join(label(query).name.file_name())
    }

    fn refusal(directory: &TempDir) -> String {
        open(directory).unwrap_err().to_string()
    }

    #[test]
    fn a_query_is_used_once_and_its_copy_not_at_all() {
        let directory = dealt();
        let copy = std::fs::read(file(&directory, 0)).unwrap();
        for query in 0..2 {
            let held = open(&directory).unwrap();
            assert_eq!(held.names()[0], label(query).name);
            assert_eq!(held.names().len(), 2 - query as usize);
            let opened = held.check(label(query).name).unwrap();
            held.consume(&opened).unwrap();
            assert!(!file(&directory, query).exists());
            assert!(held.check(label(query).name).is_err());
        }
        let nothing = "has no query left: make more with `tercet deal`";
        assert!(refusal(&directory).ends_with(nothing), "{}", refusal(&directory));
        std::fs::write(file(&directory, 0), copy).unwrap();
        let again = refusal(&directory);
        assert!(again.contains("1 that had been used before and were removed"), "{again}");
        assert!(!file(&directory, 0).exists());
    }

    #[test]
    fn a_list_that_is_no_text_is_named() {
        let directory = dealt();
        std::fs::write(directory.path().join(ROLE.name()).join(USED), [0xFF]).unwrap();
        let text = refusal(&directory);
        assert!(text.contains("model-owner/used: cannot be read"), "{text}");
    }

    #[test]
    fn a_crash_after_the_mark_loses_the_query() {
        let directory = dealt();
        let mut list = UsedList::lock(&directory.path().join(ROLE.name())).unwrap();
        list.add(label(0).name).unwrap();
        // Cut short in the middle of the next mark.
        list.0.write_all(b"0707").unwrap();
        drop(list);
        let held = open(&directory).unwrap();
        assert_eq!(held.names(), [label(1).name]);
        assert!(!file(&directory, 0).exists());
        let opened = held.check(label(1).name).unwrap();
        held.consume(&opened).unwrap();
        assert!(open(&directory).is_err());
    }

    #[test]
    fn two_runs_at_once_cannot_have_the_same() {
        let directory = dealt();
        let (first, second) = (open(&directory).unwrap(), open(&directory).unwrap());
        let [one, other] = [&first, &second].map(|held| held.check(label(0).name).unwrap());
        first.consume(&one).unwrap();
        let error = second.consume(&other).unwrap_err().to_string();
        assert!(error.contains("was used by another run"), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let directory = dealt();
        let made_for = label(0).made_for;
        let complaint = |made_for: &MadeFor, images| {
            let error = Store::open(directory.path(), ROLE, made_for, images).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        for (other, what) in [
            (MadeFor { weights: [0; 32], ..made_for }, "made for other weights"),
            (
                MadeFor { layout: [0; 32], ..made_for },
                "made for other bounds, fractional bits or output",
            ),
            (MadeFor { architecture: [0; 32], ..made_for }, "made for another network"),
            (MadeFor { chunk: 128, ..made_for }, "made for another `protocol.chunk`"),
        ] {
            let error = complaint(&other, 1);
            assert!(error.ends_with(what), "{error}");
        }
        let error = complaint(&made_for, 5);
        assert!(error.ends_with("it was made for 4 images, and there are 5"), "{error}");
        assert_eq!(Store::open(directory.path(), ROLE, &made_for, 1).unwrap().names().len(), 2);
        let error = Store::open(Path::new("/nowhere"), ROLE, &made_for, 1).unwrap_err().to_string();
        assert!(error.contains("/nowhere/model-owner: cannot be read"), "{error}");
    }
}
