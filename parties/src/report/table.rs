//! Tables for a terminal.

use std::fmt;

/// A table of text: the first columns are aligned left, the others, numbers, right. It is at most
/// 120 characters wide as far as its first column can help it: a text that is too long there has a
/// line of its own.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    left: usize,
    heads: usize,
    rows: Vec<Vec<String>>,
    rules: Vec<usize>,
}

/// The columns of a terminal that a table keeps to.
const WIDTH: usize = 120;

/// Spaces between two columns.
const GAP: usize = 2;

impl Table {
    /// A table under these rows of column heads; the first `left` columns are aligned left. A head
    /// above the last row of them reaches over the empty ones to its left.
    pub(crate) fn new<'h>(left: usize, heads: &[impl AsRef<[&'h str]>]) -> Table {
        let texts = |row: &[&str]| row.iter().map(|&head| head.to_owned()).collect();
        let rows = heads.iter().map(|row| texts(row.as_ref())).collect();
        Table { left, heads: heads.len(), rows, rules: vec![heads.len()] }
    }

    /// Adds a row, as long as the heads.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    /// Adds a rule below the last row.
    pub(crate) fn rule(&mut self) {
        self.rules.push(self.rows.len());
    }

    fn widths(&self) -> Vec<usize> {
        let below = &self.rows[self.heads - 1..];
        let width = |column: usize| below.iter().map(|row| width_of(&row[column])).max();
        let mut widths: Vec<usize> =
            (0..below[0].len()).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.rows[..self.heads - 1] {
            let mut start = 0;
            for (column, head) in row.iter().enumerate().filter(|(_, head)| !head.is_empty()) {
                let room = total(&widths[start..=column]);
                widths[column] += width_of(head).saturating_sub(room);
                start = column + 1;
            }
        }
        let others = total(&widths) - widths[0];
        widths[0] = widths[0].min(WIDTH.saturating_sub(others)).max(width_of(&below[0][0]));
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for (index, row) in self.rows.iter().enumerate() {
            if self.rules.contains(&index) {
                writeln!(f, "{}", "-".repeat(total(&widths)))?;
            }
            let mut line = String::new();
            let mut written = 0;
            for (column, cell) in row.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
                let start = total(&widths[..column]) + if column > 0 { GAP } else { 0 };
                let start = if column < self.left {
                    start
                } else {
                    total(&widths[..=column]) - width_of(cell)
                };
                if written > 0 && start < written + GAP {
                    writeln!(f, "{line}")?;
                    line.clear();
                    written = 0;
                }
                line += &" ".repeat(start - written);
                line += cell;
                written = start + width_of(cell);
            }
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// How wide columns of these widths are together.
fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

fn width_of(text: &str) -> usize {
    text.chars().count()
}

/// A whole number with a space between thousands.
pub(crate) fn thousands(number: u64) -> String {
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
    fn heads_reach_over_the_columns_of_their_group() {
        let text = |head: &str| {
            let mut table = Table::new(1, &[["", "", head], ["layer", "rounds", "s"]]);
            table.row(["conv1".into(), "2".into(), "1".into()]);
            table.to_string()
        };
        let rest = "layer  rounds  s\n----------------\nconv1       2  1\n";
        assert_eq!(text("measured"), format!("{:>16}\n{rest}", "measured"));
        let wide = text("measured in all here");
        let widths: Vec<usize> = wide.lines().map(str::len).collect();
        assert_eq!(widths, [20; 4], "{wide}");
    }

    #[test]
    fn a_long_name_has_a_line_of_its_own() {
        let mut table = Table::new(1, &[["layer", "bytes"]]);
        let [short, long] = ["a".repeat(113), "b".repeat(118)];
        for name in [&short, &long] {
            table.row([name.clone(), thousands(1)]);
        }
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines, [&format!("{short}{:>7}", 1), &long, &format!("{:>120}", 1)]);
    }

    #[test]
    fn thousands_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1 000"), (12_345_678, "12 345 678")];
        cases.into_iter().for_each(|(number, text)| assert_eq!(thousands(number), text));
    }
}
