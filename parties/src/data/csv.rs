//! Numbers as text: a row an image (channel by channel, row by row), a column a value, separated by
//! commas. A first row that has anything but numbers is a header. One column may be the label.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    files::Column,
    records::Opened,
    shape::InputShape,
    source::{Part, Samples, Source},
};
use crate::error::{Error, Result};

/// A file of images.
pub(super) fn images(
    path: &Path,
    label: Option<&Column>,
    shape: InputShape,
) -> Result<Box<dyn Source<Part>>> {
    let values = shape.values();
    let csv = Csv::open(path, label, |columns, label| {
        let found = columns - usize::from(label.is_some());
        let hint = match label {
            None if found == values + 1 => {
                "; say which one is the label with `data-owner.label_column`"
            }
            _ => "",
        };
        if found != values {
            return Err(format!(
                "its rows have {found} values where the network takes {values}{hint}"
            ));
        }
        Ok(())
    })?;
    Ok(Box::new(csv))
}

/// A file of labels: a single column, or the one that is named.
pub(super) fn labels(path: &Path, label: Option<&Column>) -> Result<Box<dyn Source<Vec<i64>>>> {
    let only = Column::Place(0);
    let csv = Csv::open(path, Some(label.unwrap_or(&only)), |columns, _| match (label, columns) {
        (None, 2..) => Err(format!(
            "has {columns} columns: say which one is the label with `data-owner.label_column`"
        )),
        _ => Ok(()),
    })?;
    Ok(Box::new(csv))
}

/// A file whose rows are counted.
struct Csv {
    path: PathBuf,
    columns: usize,
    label: Option<usize>,
    header: bool,
    rows: usize,
}

impl Csv {
    /// Opens a file and counts its rows. `check` says whether the number of columns, and the place
    /// of the label among them, are right.
    fn open(
        path: &Path,
        label: Option<&Column>,
        check: impl Fn(usize, Option<usize>) -> std::result::Result<(), String>,
    ) -> Result<Csv> {
        let wrong = |what: String| Error::file(path, what);
        let mut lines = Lines::open(path)?;
        let first = lines.next()?.ok_or_else(|| wrong("is empty".into()))?;
        let names: Vec<&str> = cells(first).collect();
        let header = names.iter().any(|cell| cell.parse::<f64>().is_err());
        let label = match label {
            None => None,
            Some(Column::Place(place)) if *place < names.len() => Some(*place),
            Some(Column::Name(name)) if header => {
                let place = names.iter().position(|cell| cell == name);
                let missing = || {
                    let shown: Vec<&str> = names.iter().copied().take(8).collect();
                    format!("has no column '{name}'; its header begins {}", shown.join(","))
                };
                Some(place.ok_or_else(|| wrong(missing()))?)
            }
            Some(Column::Name(name)) => {
                let what = format!(
                    "has no header with a column '{name}': give its place as \
                     `data-owner.label_column`"
                );
                return Err(wrong(what));
            }
            Some(Column::Place(place)) => {
                return Err(wrong(format!("has {} columns, none at place {place}", names.len())));
            }
        };
        let columns = names.len();
        check(columns, label).map_err(wrong)?;
        let mut rows = usize::from(!header);
        while lines.next()?.is_some() {
            rows += 1;
        }
        Ok(Csv { path: path.to_owned(), columns, label, header, rows })
    }

    /// Hands on the cells of some rows.
    fn each(
        &self,
        range: Range<usize>,
        mut row: impl FnMut(Cells) -> std::result::Result<(), String>,
    ) -> Result<()> {
        let mut lines = Lines::open(&self.path)?;
        let skipped = range.start + usize::from(self.header);
        for _ in 0..skipped {
            lines.next()?;
        }
        for _ in range {
            let text = lines.next()?.unwrap_or_default();
            let found = cells(text).count();
            let result = if found == self.columns {
                row(Cells { text, label: self.label })
            } else {
                Err(format!("has {found} columns, the first row {}", self.columns))
            };
            if let Err(what) = result {
                return Err(Error::file(&self.path, format!("line {} {what}", lines.number)));
            }
        }
        Ok(())
    }
}

impl Source<Part> for Csv {
    fn count(&self) -> usize {
        self.rows
    }

    fn read(&mut self, range: Range<usize>) -> Result<Part> {
        let values = self.columns - usize::from(self.label.is_some());
        let mut numbers = Vec::with_capacity(range.len() * values);
        let mut labels = Vec::new();
        self.each(range, |row| {
            labels.extend(row.label()?);
            row.values(&mut numbers)
        })?;
        Ok(Part { samples: Samples::Numbers(numbers), labels: self.label.map(|_| labels) })
    }
}

impl Source<Vec<i64>> for Csv {
    fn count(&self) -> usize {
        self.rows
    }

    fn read(&mut self, range: Range<usize>) -> Result<Vec<i64>> {
        let mut labels = Vec::with_capacity(range.len());
        self.each(range, |row| {
            labels.extend(row.label()?);
            Ok(())
        })?;
        Ok(labels)
    }
}

/// A row.
struct Cells<'l> {
    text: &'l str,
    label: Option<usize>,
}

impl Cells<'_> {
    fn label(&self) -> std::result::Result<Option<i64>, String> {
        let Some(place) = self.label else { return Ok(None) };
        let cell = cells(self.text).nth(place).unwrap_or_default();
        // Written by tools that have floating point only, a label may be 3.0.
        let whole = cell.strip_suffix(".0").unwrap_or(cell);
        let label =
            whole.parse().map_err(|_| format!("has label {cell:.20}, not a whole number"))?;
        Ok(Some(label))
    }

    fn values(&self, numbers: &mut Vec<f64>) -> std::result::Result<(), String> {
        for (place, cell) in cells(self.text).enumerate() {
            if Some(place) == self.label {
                continue;
            }
            let number = cell.parse().ok().filter(|number: &f64| number.is_finite());
            let wrong = || format!("has '{cell:.20}' at place {place}, no finite number");
            numbers.push(number.ok_or_else(wrong)?);
        }
        Ok(())
    }
}

/// The cells of a line, without spaces and quotes around them.
fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|cell| cell.trim().trim_matches('"'))
}

/// The lines of a file that are not blank.
struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    /// That of the last line, from 1.
    number: usize,
}

/// No row of a network's inputs is longer, in bytes.
const LONGEST_LINE: u64 = 1 << 24;

impl Lines {
    fn open(path: &Path) -> Result<Lines> {
        let reader = BufReader::new(Opened::new(path)?.file);
        Ok(Lines { path: path.to_owned(), reader, buffer: Vec::new(), number: 0 })
    }

    fn next(&mut self) -> Result<Option<&str>> {
        let wrong = |path: &Path, number, what| {
            Err(Error::file(path, format!("line {number} {what}: it must be a CSV file")))
        };
        loop {
            self.buffer.clear();
            self.number += 1;
            let read = (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut self.buffer);
            let read = read.map_err(|error| Error::unreadable(&self.path, error))?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == LONGEST_LINE {
                return wrong(&self.path, self.number, "is too long");
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let mut line = &self.buffer[..];
        if self.number == 1 {
            // The mark that some editors put before UTF-8.
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        match str::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(_) => wrong(&self.path, self.number, "is no text"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::test_files::*, *};

    fn read(text: &str, label: Option<Column>, range: Range<usize>) -> Result<Part> {
        let files = Files::new();
        let file = files.write("x.csv", text.as_bytes());
        images(&file, label.as_ref(), input_shape([2, 1, 1], 4))?.read(range)
    }

    #[test]
    fn rows_are_read_with_and_without_header_and_label() {
        let bare = read("1,2\n3, -4.5e0\n\n5,6", None, 1..3).unwrap();
        let samples = Samples::Numbers(vec![3.0, -4.5, 5.0, 6.0]);
        assert_eq!(bare, Part { samples, labels: None });
        let text = "\u{feff}a,\"class\",b\r\n1,3,2\r\n4,1.0,5\r\n";
        let samples = || Samples::Numbers(vec![1.0, 2.0, 4.0, 5.0]);
        for label in [Column::Name("class".into()), Column::Place(1)] {
            let part = read(text, Some(label), 0..2).unwrap();
            assert_eq!(part, Part { samples: samples(), labels: Some(vec![3, 1]) });
        }
    }

    #[test]
    fn labels_have_a_file_of_their_own() {
        let files = Files::new();
        let file = files.write("y.csv", b"class\n3\n-1\n");
        assert_eq!(labels(&file, None).unwrap().read(0..2).unwrap(), [3, -1]);
        let file = files.write("y.csv", b"image,class\n0,3\n1,2\n");
        let named = Column::Name("class".into());
        assert_eq!(labels(&file, Some(&named)).unwrap().read(1..2).unwrap(), [2]);
        refused(&file, labels(&file, None), "has 2 columns: say which one is the label");
    }

    #[test]
    fn what_is_no_such_table_is_refused() {
        let name = |name: &str| Some(Column::Name(name.into()));
        let cases = [
            ("", None, "is empty"),
            ("\n \n", None, "is empty"),
            ("1,2,3\n", None, "its rows have 3 values where the network takes 2; say which one is"),
            ("1,2,3,4\n", None, "its rows have 4 values where the network takes 2"),
            ("1,2\n", Some(Column::Place(1)), "its rows have 1 values where the network takes 2"),
            ("1,2\n", Some(Column::Place(2)), "has 2 columns, none at place 2"),
            ("a,b,c\n", name("d"), "has no column 'd'; its header begins a,b,c"),
            ("1,2,3\n", name("d"), "has no header with a column 'd': give its place"),
            ("1,2\n3\n", None, "line 2 has 1 columns, the first row 2"),
            ("1,2\n\n3,4,5\n", None, "line 3 has 3 columns, the first row 2"),
            ("1,2\n3,x\n", None, "line 2 has 'x' at place 1, no finite number"),
            ("a,b\n3,4\n3,nan\n", None, "line 3 has 'nan' at place 1, no finite number"),
            (
                "1,2,0\n1,2,0.5\n",
                Some(Column::Place(2)),
                "line 2 has label 0.5, not a whole number",
            ),
        ];
        for (text, label, expected) in cases {
            let message = read(text, label, 0..2).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("x.csv: "), "{message}");
        }
        let files = Files::new();
        let file = files.write("x.csv", &[b'1', b',', 0xff, 0xfe]);
        refused(&file, labels(&file, None), "line 1 is no text: it must be a CSV file");
        let long = files.path().join("long.csv");
        File::create(&long).unwrap().set_len(LONGEST_LINE + 1).unwrap();
        refused(&long, labels(&long, None), "line 1 is too long: it must be a CSV file");
    }
}
