//! The columns of tables of layers: one list, which CSV, HTML and text tables render. The report's
//! JSON object has the same values.

use protocols::{Link, Role};

use super::{
    contents::{Layer, PaperCost, Report, Size, Totals, Traffic},
    table::{Table, thousands},
};

/// A column of a table of layers.
pub(crate) struct Column {
    /// Its name in CSV.
    pub key: &'static str,
    /// Its name on a page.
    pub title: &'static str,
    /// The heading of its group in a terminal; those of a group are side by side.
    pub group: &'static str,
    /// Its heading in a terminal, below that of the group.
    pub heading: &'static str,
    /// The value of a layer, or of the totals.
    value: fn(&Row) -> Option<Value>,
}

/// A row of such a table: a layer, or the totals.
pub(crate) struct Row {
    name: String,
    op: String,
    output_shape: String,
    paper: Option<PaperCost>,
    predicted: Option<Traffic>,
    measured: Option<Traffic>,
    seconds: Option<f64>,
    critical_path: u32,
    size: Option<Size>,
}

/// A value of a row.
enum Value {
    Text(String),
    /// A small number.
    Count(u64),
    /// A large one: bytes, parameters.
    Amount(u64),
    /// Megabytes, seconds.
    Decimal(f64),
}

impl Column {
    /// With all digits, for programs; empty where it is not known.
    pub(crate) fn exact(&self, row: &Row) -> String {
        match (self.value)(row) {
            None => String::new(),
            Some(Value::Text(text)) => text,
            Some(Value::Count(number) | Value::Amount(number)) => number.to_string(),
            Some(Value::Decimal(number)) => number.to_string(),
        }
    }

    /// For people; `-` where it is not known.
    pub(crate) fn shown(&self, row: &Row) -> String {
        match (self.value)(row) {
            None => "-".into(),
            Some(Value::Text(text)) => text,
            Some(Value::Count(number)) => number.to_string(),
            Some(Value::Amount(number)) => thousands(number),
            Some(Value::Decimal(number)) => format!("{number:.3}"),
        }
    }
}

impl Row {
    /// The rows of a report: its layers, then the totals.
    pub(crate) fn all(report: &Report) -> impl Iterator<Item = Row> {
        report.layers.iter().map(Row::from).chain([Row::from(&report.totals)])
    }
}

impl From<&Layer> for Row {
    fn from(layer: &Layer) -> Row {
        Row {
            name: layer.name.clone(),
            op: layer.op.clone(),
            output_shape: shape_text(&layer.output_shape),
            paper: layer.paper,
            predicted: layer.predicted,
            measured: layer.measured,
            seconds: layer.seconds,
            critical_path: layer.critical_path,
            size: layer.size,
        }
    }
}

impl From<&Totals> for Row {
    fn from(totals: &Totals) -> Row {
        Row {
            name: "total".into(),
            op: String::new(),
            output_shape: String::new(),
            paper: totals.paper,
            predicted: totals.predicted,
            measured: totals.measured,
            seconds: totals.seconds.map(|seconds| seconds.total),
            critical_path: totals.critical_path,
            size: totals.size,
        }
    }
}

/// A table for a terminal: these layers, and the totals below; the first `left` columns are aligned
/// left.
pub(crate) fn text_table<'l>(
    left: usize,
    columns: &[&Column],
    layers: impl IntoIterator<Item = &'l Layer>,
    totals: &Totals,
) -> String {
    let headings: Vec<&str> = columns.iter().map(|column| column.heading).collect();
    let groups = group_headings(columns);
    let mut table = if groups.iter().all(|group| group.is_empty()) {
        Table::new(left, &[headings])
    } else {
        Table::new(left, &[groups, headings])
    };
    let cells = |row: Row| columns.iter().map(|column| column.shown(&row)).collect::<Vec<_>>();
    layers.into_iter().for_each(|layer| table.row(cells(layer.into())));
    table.rule();
    table.row(cells(totals.into()));
    table.to_string()
}

/// A group's heading stands above the last column of it.
fn group_headings(columns: &[&Column]) -> Vec<&'static str> {
    let next = columns.iter().skip(1).map(|column| column.group).chain([""]);
    let heading = |(column, next): (&&Column, &'static str)| {
        if column.group == next { "" } else { column.group }
    };
    columns.iter().zip(next).map(heading).collect()
}

/// `16x8x8`.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// All columns, as CSV has them.
pub(crate) static ALL: [&Column; 20] = [
    &LAYER,
    &OP,
    &OUTPUT,
    &PAPER_ROUNDS,
    &PAPER_MB,
    &PREDICTED_ROUNDS,
    &PREDICTED_BYTES,
    &MEASURED_ROUNDS,
    &MEASURED_BYTES,
    &LINKS[0],
    &LINKS[1],
    &LINKS[2],
    &LINKS[3],
    &LINKS[4],
    &LINKS[5],
    &SECONDS,
    &CRITICAL_PATH,
    &NONLINEAR_VALUES,
    &PARAMETERS,
    &MACS,
];

/// The columns of a run, for people.
pub(crate) static RUN_COLUMNS: [&Column; 10] = [
    &LAYER,
    &OP,
    &OUTPUT,
    &PAPER_ROUNDS,
    &PAPER_MB,
    &PREDICTED_ROUNDS,
    &PREDICTED_BYTES,
    &MEASURED_ROUNDS,
    &MEASURED_BYTES,
    &SECONDS,
];

/// The columns of a prediction, for people.
pub(crate) static COST_COLUMNS: [&Column; 10] = [
    &LAYER,
    &OP,
    &OUTPUT,
    &PAPER_ROUNDS,
    &PAPER_MB,
    &PREDICTED_ROUNDS,
    &CRITICAL_PATH,
    &NONLINEAR_VALUES,
    &PARAMETERS,
    &MACS,
];

/// The layer's name.
pub(crate) static LAYER: Column = Column {
    key: "layer",
    title: "layer",
    group: "",
    heading: "layer",
    value: |row| Some(Value::Text(row.name.clone())),
};

/// The layer's operation.
pub(crate) static OP: Column = Column {
    key: "op",
    title: "op",
    group: "",
    heading: "op",
    value: |row| Some(Value::Text(row.op.clone())),
};

/// The shape of the layer's result.
pub(crate) static OUTPUT: Column = Column {
    key: "output_shape",
    title: "output",
    group: "",
    heading: "output",
    value: |row| Some(Value::Text(row.output_shape.clone())),
};

/// Rounds of the published closed form.
pub(crate) static PAPER_ROUNDS: Column = Column {
    key: "paper_rounds",
    title: "paper rounds",
    group: "paper",
    heading: "rounds",
    value: |row| row.paper.map(|paper| Value::Count(paper.rounds)),
};

/// Megabytes of the published closed form.
pub(crate) static PAPER_MB: Column = Column {
    key: "paper_mb",
    title: "paper MB",
    group: "paper",
    heading: "MB",
    value: |row| row.paper.map(|paper| Value::Decimal(paper.mb)),
};

/// Rounds as predicted.
pub(crate) static PREDICTED_ROUNDS: Column = Column {
    key: "predicted_rounds",
    title: "predicted rounds",
    group: "predicted",
    heading: "rounds",
    value: |row| row.predicted.map(|traffic| Value::Count(traffic.rounds)),
};

/// Bytes as predicted.
pub(crate) static PREDICTED_BYTES: Column = Column {
    key: "predicted_bytes",
    title: "predicted bytes",
    group: "predicted",
    heading: "bytes",
    value: |row| row.predicted.map(|traffic| Value::Amount(traffic.bytes)),
};

/// Rounds as measured.
pub(crate) static MEASURED_ROUNDS: Column = Column {
    key: "measured_rounds",
    title: "measured rounds",
    group: "measured",
    heading: "rounds",
    value: |row| row.measured.map(|traffic| Value::Count(traffic.rounds)),
};

/// Bytes as measured.
pub(crate) static MEASURED_BYTES: Column = Column {
    key: "measured_bytes",
    title: "measured bytes",
    group: "measured",
    heading: "bytes",
    value: |row| row.measured.map(|traffic| Value::Amount(traffic.bytes)),
};

/// Bytes over each link, as measured, or else as predicted; in the order of [`Link::ALL`].
pub(crate) static LINKS: [Column; 6] = [
    link("P0->P1", |row| over(row, Role::ModelOwner, Role::DataOwner)),
    link("P0->P2", |row| over(row, Role::ModelOwner, Role::CryptoProducer)),
    link("P1->P0", |row| over(row, Role::DataOwner, Role::ModelOwner)),
    link("P1->P2", |row| over(row, Role::DataOwner, Role::CryptoProducer)),
    link("P2->P0", |row| over(row, Role::CryptoProducer, Role::ModelOwner)),
    link("P2->P1", |row| over(row, Role::CryptoProducer, Role::DataOwner)),
];

/// The layer's name, in the table of payload.
pub(crate) static PAYLOAD_LAYER: Column = Column { heading: "payload bytes", ..LAYER };

/// Bytes over all links, in the table of payload.
pub(crate) static PAYLOAD_TOTAL: Column = Column { heading: "total", group: "", ..PREDICTED_BYTES };

/// Wall time.
pub(crate) static SECONDS: Column = Column {
    key: "seconds",
    title: "seconds",
    group: "",
    heading: "s",
    value: |row| row.seconds.map(Value::Decimal),
};

/// One-way latencies.
pub(crate) static CRITICAL_PATH: Column = Column {
    key: "critical_path",
    title: "critical path",
    group: "predicted",
    heading: "path",
    value: |row| Some(Value::Count(row.critical_path.into())),
};

/// Results of non-linear functions.
pub(crate) static NONLINEAR_VALUES: Column = Column {
    key: "nonlinear_values",
    title: "non-linear values",
    group: "non-linear",
    heading: "values",
    value: |row| row.size.map(|size| Value::Amount(size.nonlinear_values)),
};

/// Weights and biases.
pub(crate) static PARAMETERS: Column = Column {
    key: "parameters",
    title: "parameters",
    group: "",
    heading: "parameters",
    value: |row| row.size.map(|size| Value::Amount(size.parameters)),
};

/// Multiplications and additions.
pub(crate) static MACS: Column = Column {
    key: "macs",
    title: "MACs",
    group: "",
    heading: "MACs",
    value: |row| row.size.map(|size| Value::Amount(size.macs)),
};

const fn link(name: &'static str, value: fn(&Row) -> Option<Value>) -> Column {
    Column { key: name, title: name, group: "", heading: name, value }
}

fn over(row: &Row, from: Role, to: Role) -> Option<Value> {
    let traffic = row.measured.or(row.predicted)?;
    Some(Value::Amount(traffic.links[Link { from, to }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_in_order() {
        let names = LINKS.each_ref().map(|column| column.key.to_owned());
        assert_eq!(names, Link::ALL.map(|link| link.to_string()));
    }

    #[test]
    fn json_has_the_same_values() {
        let traffic = Traffic { rounds: 3, bytes: 5, ..Traffic::default() };
        let layer = Layer {
            name: "conv1".into(),
            op: "conv".into(),
            output_shape: vec![2, 3, 4],
            paper: Some(PaperCost { rounds: 1, mb: 2.5 }),
            predicted: Some(traffic),
            measured: Some(Traffic { bytes: 6, ..traffic }),
            seconds: Some(0.25),
            critical_path: 7,
            bound: None,
            size: Some(Size { nonlinear_values: 8, parameters: 9, macs: 10 }),
        };
        let json = serde_json::to_value(&layer).unwrap();
        let row = Row::from(&layer);
        for column in ALL {
            let place = match column.key {
                "layer" => "/name".into(),
                key if key.starts_with('P') => format!("/measured/links/{key}"),
                key if ["paper_", "predicted_", "measured_"].iter().any(|p| key.starts_with(p)) => {
                    format!("/{}", key.replacen('_', "/", 1))
                }
                key => format!("/{key}"),
            };
            let value = json.pointer(&place).unwrap_or_else(|| panic!("no {place} in {json}"));
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Array(_) => shape_text(&layer.output_shape),
                number => number.to_string(),
            };
            assert_eq!(column.exact(&row), text, "{place}");
        }
    }

    #[test]
    fn groups_are_named_above_their_last_column() {
        let groups = ["", "", "", "", "paper", "", "predicted", "non-linear", "", ""];
        assert_eq!(group_headings(&COST_COLUMNS), groups);
    }
}
