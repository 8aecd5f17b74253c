//! The costs of a run, for scripts and for people: the stable object of `--report` as JSON, CSV or
//! HTML, and tables for a terminal.
//!
//! Three views of every layer stand side by side and are never mixed: the published closed form,
//! what this implementation predicts from shapes alone, and what was measured where messages are
//! handed to the transport. The last two are equal on every link, or the run has failed.

pub(crate) mod columns;
mod contents;
mod csv;
mod estimate;
mod html;
mod merge;
mod output;
mod table;

pub(crate) use columns::text_table;
pub(crate) use contents::{Accuracy, Bench, Layer, Material, Report, Seconds, Totals};
pub(crate) use csv::{cell, quoted};
pub(crate) use estimate::{Estimate, LinkModel};
pub(crate) use merge::{merge, own_view};
pub(crate) use output::{ReportFormat, check_directory};
pub(crate) use table::{Table, thousands};
