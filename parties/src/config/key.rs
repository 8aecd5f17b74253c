//! A key of the config, and the complaint about a wrong value.

use nets::zoo::PUBLISHED_RATIOS;

/// A table of the config.
pub(super) struct TableSpec {
    /// Its name, with the tables that it is in; empty for the file itself.
    pub name: &'static str,
    /// The purpose.
    #[cfg_attr(not(test), expect(dead_code, reason = "docs/config.md is printed by a test"))]
    pub purpose: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// A key of a table.
pub(super) struct Key {
    /// Its name.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: Kind,
    /// The value where it is left out.
    #[cfg_attr(not(test), expect(dead_code, reason = "docs/config.md is printed by a test"))]
    pub default: fn() -> String,
    /// The meaning, and how to size it.
    #[cfg_attr(not(test), expect(dead_code, reason = "docs/config.md is printed by a test"))]
    pub meaning: &'static str,
}

/// The values that a key takes.
pub(super) enum Kind {
    /// Any text.
    Text,
    /// A file or folder that is read or kept, from the config's directory.
    Path,
    /// One or more files or folders that are read.
    Paths,
    /// A file that is written.
    Output,
    /// `true` or `false`.
    Flag,
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A finite number.
    Number,
    /// A finite number above 0.
    Positive,
    /// A number from 0 to 1.
    Ratio,
    /// A finite number for each channel, or one for all.
    PerChannel,
    /// One of these names.
    OneOf(fn() -> Vec<&'static str>),
    /// One of a few names, listed with `or`.
    Either(fn() -> Vec<&'static str>),
    /// The size of an image.
    Shape,
    /// Where a party is found.
    Address,
    /// Where a party listens.
    Bind,
    /// A column of a CSV file.
    Column,
    /// An activation plan: a name, a table or a file.
    Plan,
    /// A table of its own.
    Table,
}

impl TableSpec {
    /// The key of this name.
    ///
    /// # Panics
    /// If the table has no such key: the parser asks for those of the table only.
    pub(super) fn key(&self, name: &str) -> &'static Key {
        let key = self.keys.iter().find(|key| key.name == name);
        key.unwrap_or_else(|| panic!("[{}] has no key {name}", self.name))
    }

    /// The names of the keys.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

impl Kind {
    /// The expected value, as complaints say it.
    pub(super) fn expected(&self) -> String {
        match self {
            Kind::Text | Kind::Path | Kind::Output => "a string".into(),
            Kind::Paths => "a path, or an array of at least one".into(),
            Kind::Flag => "true or false".into(),
            Kind::Integer(from, to) => format!("a whole number from {from} to {to}"),
            Kind::Number => "a finite number".into(),
            Kind::Positive => "a number above 0".into(),
            Kind::Ratio => "a ratio from 0 (removed) to 1 (kept)".into(),
            Kind::PerChannel => "a finite number, or an array of them (one a channel)".into(),
            Kind::OneOf(names) => format!("one of {}", names().join(", ")),
            Kind::Either(names) => {
                let names: Vec<String> = names().iter().map(|name| format!("{name:?}")).collect();
                let (last, others) = names.split_last().expect("there are names");
                format!("{} or {last}", others.join(", "))
            }
            Kind::Shape => "[channels, height, width], each from 1 to 4096".into(),
            Kind::Address => "\"host:port\", with a port from 1 to 65535".into(),
            Kind::Bind => "an address of this host, like \"0.0.0.0:7000\"".into(),
            Kind::Column => "a column's name, or its place from 0".into(),
            Kind::Plan => format!("one of {}, a table or a file", PUBLISHED_RATIOS.join(", ")),
            Kind::Table => "a table".into(),
        }
    }
}
