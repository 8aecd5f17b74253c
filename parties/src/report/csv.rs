//! A report as CSV: a row a layer, and a row of totals.

use super::{
    columns::{ALL, Row},
    contents::Report,
};

impl Report {
    /// The report as CSV; what is not known is empty.
    pub(crate) fn csv(&self) -> String {
        let mut text = ALL.map(|column| column.key).join(",") + "\n";
        for row in Row::all(self) {
            let cells = ALL.map(|column| quoted(&column.exact(&row)));
            text += &(cells.join(",") + "\n");
        }
        text
    }
}

/// A cell of a CSV file.
pub(crate) fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A number as a cell of a CSV file; an empty one where it is not known.
pub(crate) fn cell(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_a_row() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("conv1"), "conv1");
    }
}
