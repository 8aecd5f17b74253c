//! Published figures about a net or an operation, beside what the suites take for the same.

use serde::Serialize;

use super::{figures::Figures, subject::Subject};
use crate::{error::Result, suite_name::SuiteName};

/// A line: what somebody published, or what ours takes for the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The number of the table that has the published figure; empty where the publication has charts alone.
    pub table: &'static str,
    /// The net or operation.
    pub what: String,
    /// Whose figures these are: a publication's system, or a suite of ours.
    pub by: &'static str,
    /// Whether they are published ones.
    pub published: bool,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// What to know before comparing, or nothing: it stands in the first row about a net or operation.
    pub note: String,
}

/// Lines about one net or operation.
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
