//! Tables for a terminal.

use std::fmt;

/// A table of text: the first columns are aligned left, the others, numbers, right.
#[derive(Clone, Debug)]
pub struct Table {
    left: usize,
    rows: Vec<Vec<String>>,
    rules: Vec<usize>,
}

impl Table {
    /// A table under these rows of column heads; the first `left` columns are aligned left.
    pub fn new<const N: usize>(left: usize, heads: &[[&str; N]]) -> Table {
        let rows = heads.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        Table { left, rows, rules: vec![heads.len()] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// Adds a rule below the last row.
    pub fn rule(&mut self) {
        self.rules.push(self.rows.len());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for (index, row) in self.rows.iter().enumerate() {
            if self.rules.contains(&index) {
                writeln!(f, "{}", "-".repeat(widths.iter().sum::<usize>() + 2 * (columns - 1)))?;
            }
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                if column < self.left {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A whole number with a space between thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let mut table = Table::new(1, &[["layer", "bytes"]]);
        table.row(["conv1".into(), thousands(1_234_567)]);
        table.rule();
        table.row(["total".into(), thousands(7)]);
        let expected = "\
layer      bytes
----------------
conv1  1 234 567
----------------
total          7
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn thousands_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1 000"), (12_345_678, "12 345 678")];
        cases.into_iter().for_each(|(number, text)| assert_eq!(thousands(number), text));
    }
}
