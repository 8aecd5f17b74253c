//! Published figures of a net or an operation, followed by the costs of the same in each suite.

use serde::Serialize;

use super::{figures::Figures, subject::Subject};
use crate::{error::Result, suite_name::SuiteName};

/// A row: published figures of a net or an operation, or the costs in one of our suites.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The number of the published table; empty if the publication only has charts.
    pub table: &'static str,
    /// The net or operation.
    pub what: String,
    /// The system of the figures: a published one or one of our suites.
    pub by: &'static str,
    /// Whether the figures are published.
    pub published: bool,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// The note that a reader needs to compare; empty except in the first row about a net or an
    /// operation.
    pub note: String,
}

/// The rows about one net or operation.
pub(super) struct Comparison {
    pub(super) table: &'static str,
    pub(super) what: String,
    pub(super) published: Vec<(&'static str, Figures)>,
    pub(super) subject: Subject,
    pub(super) note: String,
}

impl Comparison {
    pub(super) fn rows(&self) -> Result<Vec<Row>> {
        let row = |by, published, figures| Row {
            table: self.table,
            what: self.what.clone(),
            by,
            published,
            figures,
            note: String::new(),
        };
        let published = self.published.iter();
        let mut rows: Vec<Row> = published.map(|&(by, figures)| row(by, true, figures)).collect();
        for suite in [SuiteName::Dealer, SuiteName::SecureNn] {
            rows.push(row(suite.name(), false, self.subject.figures(suite)?));
        }
        rows[0].note.clone_from(&self.note);
        Ok(rows)
    }
}
