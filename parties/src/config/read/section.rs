//! A table of the file, and readers of its keys.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{
    super::{
        key::{Kind, TableSpec},
        keys::ROOT,
    },
    spelling::closest,
};
use crate::error::{Error, FileProblem, Result};

/// A table of the file with the keys that it may have. Its readers give `None` for a missing key
/// and an error for a wrong one.
pub(super) struct Section<'t> {
    file: &'t Path,
    name: String,
    spec: &'static TableSpec,
    table: &'t Table,
}

impl<'t> Section<'t> {
    /// The file itself.
    pub(super) fn root(file: &'t Path, table: &'t Table) -> Section<'t> {
        Section { file, name: String::new(), spec: &ROOT, table }
    }

    /// A table that the file does not have.
    pub(super) fn empty(
        root: &Section<'t>,
        spec: &'static TableSpec,
        table: &'t Table,
    ) -> Section<'t> {
        Section { file: root.file, name: spec.name.into(), spec, table }
    }

    /// A table in this one.
    pub(super) fn section(
        &self,
        key: &str,
        spec: &'static TableSpec,
    ) -> Result<Option<Section<'t>>> {
        let name = self.path_of(key);
        match self.table.get(key) {
            Some(Value::Table(table)) => Ok(Some(Section { file: self.file, name, spec, table })),
            Some(_) => Err(self.wrong(key, format!("a table: write [{name}] on a line"))),
            None => Ok(None),
        }
    }

    /// Refuses every key that the table does not have.
    pub(super) fn check_keys(&self) -> Result<()> {
        let known = self.spec.names();
        let Some(key) = self.table.keys().find(|key| !known.contains(&key.as_str())) else {
            return Ok(());
        };
        let kind = if self.name.is_empty() { "table or key" } else { "key" };
        let hint = match closest(key, &known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are {}", known.join(", ")),
        };
        let key = self.path_of(key);
        Err(FileProblem::UnknownKey { kind, key, hint }.with_file(self.file))
    }

    /// The file.
    pub(super) fn file(&self) -> &'t Path {
        self.file
    }

    /// The names of the keys that are there.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'t str> {
        self.table.keys().map(String::as_str)
    }

    /// The value of a key as it stands.
    pub(super) fn value(&self, key: &str) -> Option<&'t Value> {
        self.table.get(key)
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Refuses a key that is left out.
    pub(super) fn need<T>(&self, key: &str, value: Option<T>) -> Result<T> {
        let key = self.path_of(key);
        let missing = || FileProblem::MissingKey { key, hint: "" }.with_file(self.file);
        value.ok_or_else(missing)
    }

    /// A text.
    pub(super) fn string(&self, key: &str) -> Result<Option<&'t str>> {
        self.read_as(key, "a string", Value::as_str)
    }

    /// An array.
    pub(super) fn array(&self, key: &str) -> Result<Option<&'t Vec<Value>>> {
        self.read_as(key, "an array", Value::as_array)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.read(key, Value::as_bool)
    }

    /// A whole number within the key's bounds.
    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>> {
        let Kind::Integer(from, to) = self.spec.key(key).kind else {
            unreachable!("{key} is a whole number")
        };
        self.read(key, |value| value.as_integer().filter(|value| (from..=to).contains(value)))
    }

    /// A finite number, above 0 or up to 1 where the key has such bounds.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        let kind = &self.spec.key(key).kind;
        let in_range = |number: &f64| match kind {
            Kind::Positive => *number > 0.0,
            Kind::Ratio => (0.0..=1.0).contains(number),
            Kind::Number => true,
            _ => unreachable!("`{key}` is no number"),
        };
        self.read(key, |value| finite(value).filter(in_range))
    }

    /// One number for each channel, or one for all.
    pub(super) fn numbers(&self, key: &str, channels: usize) -> Result<Option<Vec<f64>>> {
        let expected = format!("a finite number, or an array of {channels} (one a channel)");
        self.read_as(key, &expected, |value| match value {
            Value::Array(values) if values.len() == channels => values.iter().map(finite).collect(),
            value => Some(vec![finite(value)?; channels]),
        })
    }

    /// A path.
    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>> {
        Ok(self.string(key)?.map(|path| self.directory().join(path)))
    }

    /// One path, or several.
    pub(super) fn paths(&self, key: &str) -> Result<Option<Vec<PathBuf>>> {
        let path = |value: &Value| value.as_str().map(|path| self.directory().join(path));
        self.read(key, |value| match value {
            Value::Array(values) if !values.is_empty() => values.iter().map(path).collect(),
            value => Some(vec![path(value)?]),
        })
    }

    /// One of a few names, which have to be texts.
    pub(super) fn name<T: Copy, const N: usize>(
        &self,
        key: &str,
        all: [T; N],
        name: fn(T) -> &'static str,
    ) -> Result<Option<T>> {
        let Some(text) = self.string(key)? else { return Ok(None) };
        let found = all.into_iter().find(|&choice| name(choice) == text);
        found.map(Some).ok_or_else(|| self.wrong(key, self.spec.key(key).kind.expected()))
    }

    /// One of a few names.
    pub(super) fn one_of<T: Copy, const N: usize>(
        &self,
        key: &str,
        all: [T; N],
        name: fn(T) -> &'static str,
    ) -> Result<Option<T>> {
        self.read(key, |value| {
            let text = value.as_str()?;
            all.into_iter().find(|&choice| name(choice) == text)
        })
    }

    /// Reads a value; the complaint is that of the key's kind.
    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&'t Value) -> Option<T>,
    ) -> Result<Option<T>> {
        self.read_as(key, &self.spec.key(key).kind.expected(), read)
    }

    fn read_as<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'t Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.table.get(key) {
            Some(value) => read(value).map(Some).ok_or_else(|| self.wrong(key, expected)),
            None => Ok(None),
        }
    }

    /// The complaint about a value that is not as the key's kind wants it.
    pub(super) fn wrong_kind(&self, key: &str) -> Error {
        self.wrong(key, self.spec.key(key).kind.expected())
    }

    /// The complaint about a value.
    pub(super) fn wrong(&self, key: &str, expected: impl Into<String>) -> Error {
        let value = self.table.get(key).map(Value::to_string).unwrap_or_default();
        let value = value.replace('\n', " ").chars().take(60).collect();
        let (key, expected) = (self.path_of(key), expected.into());
        FileProblem::WrongValue { key, value, expected }.with_file(self.file)
    }

    /// Where relative paths start from.
    fn directory(&self) -> &'t Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    fn path_of(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

fn finite(value: &Value) -> Option<f64> {
    let value = value.as_float().or_else(|| value.as_integer().map(|value| value as f64))?;
    value.is_finite().then_some(value)
}
