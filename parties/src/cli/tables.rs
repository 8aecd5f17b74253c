//! `tercet tables`.

use nets::{
    System,
    published::shafran::{Figures, Row, TABLES, rows},
};
use serde::Serialize;

use super::{
    output::{Form, say},
    systems,
};
use crate::{
    error::{Error, Result},
    report::{Table, quoted},
};

/// The published cost tables, computed anew from the published formulas.
///
/// The tables are those of "Crypto-Oriented Neural Architecture Design" (Shafran, Segev, Peleg and
/// Hoshen, 2021): rounds and megabytes (10^6 bytes) of one image under SecureNN. CIFAR is the mean
/// over 10 and 100 classes in tables 1 and 2, and CIFAR-10 in table 4. The table shows megabytes
/// cut to two decimals, as the publication does; JSON and CSV have all. Exits with 1 if a cell that
/// should agree does not: known misprints are marked, cells without a published figure only shown.
///
/// With --system, instead, what another system published about nets and operations that run here
/// too, and below it what they take in each suite, as `tercet cost` predicts it: setup is sent once
/// for a model, offline ahead of a query, online from it on. Seconds are published ones.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One table; all of them if not given.
    #[arg(value_name = "TABLE", value_parser = clap::builder::PossibleValuesParser::new(TABLES))]
    table: Option<String>,
    /// Another system: delphi, safenet, minionn or xonn.
    #[arg(long, value_name = "SYSTEM", conflicts_with = "table", value_parser = parse_system)]
    system: Option<System>,
    /// How to print them.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

pub(super) fn run(args: &Args) -> Result<()> {
    if let Some(system) = args.system {
        return systems::run(system, args.format);
    }
    let rows = rows(args.table.as_deref())?;
    let text = match args.format {
        Form::Table => table(&rows),
        Form::Json => json(&rows),
        Form::Csv => csv(&rows),
    };
    say(&text)?;
    match rows.iter().find(|row| row.agrees == Some(false) && !row.misprint) {
        None => Ok(()),
        Some(Row { table, model, dataset, .. }) => {
            let what =
                format!("table {table}, {model}, {dataset}: does not agree with the formulas");
            Err(Error::Run(what))
        }
    }
}

fn parse_system(name: &str) -> std::result::Result<System, String> {
    name.parse().map_err(|_| format!("one of {}", System::ALL.map(System::name).join(", ")))
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new(
        3,
        &[
            ["", "", "", "published", "", "ours", "", "difference", "", ""],
            ["table", "model", "dataset", "rounds", "MB", "rounds", "MB", "rounds", "MB", "agrees"],
        ],
    );
    let mut last = None;
    for row in rows {
        if last.is_some_and(|last| last != row.table) {
            table.rule();
        }
        last = Some(row.table);
        let Figures { rounds, mb } = row.ours;
        let mb = cut(mb);
        let published = row.published;
        let difference = |published: Figures| {
            let rounds = rounds.cast_signed() - published.rounds.cast_signed();
            // Both have two decimals, of which a difference of nothing must not become -0.00.
            [rounds.to_string(), format!("{:.2}", mb - published.mb + 0.0)]
        };
        let [published_rounds, published_mb] =
            shown(published.map(|figures| [figures.rounds.to_string(), decimals(figures.mb)]));
        let [rounds_off, mb_off] = shown(published.map(difference));
        table.row([
            row.table.into(),
            row.model.clone(),
            row.dataset.into(),
            published_rounds,
            published_mb,
            rounds.to_string(),
            decimals(mb),
            rounds_off,
            mb_off,
            agreement(row).into(),
        ]);
    }
    let mut text = table.to_string();
    text.push('\n');
    for row in rows.iter().filter(|row| !row.note.is_empty()) {
        let Row { table, model, dataset, note, .. } = row;
        text += &format!("table {table}, {model}, {dataset}: {note}\n");
    }
    let count = |agrees| rows.iter().filter(|row| row.agrees == agrees).count();
    let misprints = rows.iter().filter(|row| row.misprint).count();
    text += &format!(
        "{} rows: {} agree, {misprints} misprinted, {} differ, {} without a published figure\n",
        rows.len(),
        count(Some(true)),
        count(Some(false)) - misprints,
        count(None)
    );
    text
}

fn json(rows: &[Row]) -> String {
    #[derive(Serialize)]
    struct Tables<'r> {
        rows: &'r [Row],
    }
    let text = serde_json::to_string_pretty(&Tables { rows }).expect("rows have only plain values");
    text + "\n"
}

fn csv(rows: &[Row]) -> String {
    let mut text = String::from(
        "table,model,dataset,published_rounds,published_mb,ours_rounds,ours_mb,agrees,note\n",
    );
    for row in rows {
        let figures = |figures: Figures| format!("{},{}", figures.rounds, figures.mb);
        let published = row.published.map_or(",".into(), figures);
        let agrees = row.agrees.map(|agrees| agrees.to_string()).unwrap_or_default();
        let Row { table, model, dataset, .. } = row;
        let (ours, note) = (figures(row.ours), quoted(row.note));
        text += &format!("{table},{model},{dataset},{published},{ours},{agrees},{note}\n");
    }
    text
}

fn agreement(row: &Row) -> &'static str {
    match row.agrees {
        _ if row.misprint => "misprint",
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    }
}

/// Without the digits after the second decimal.
fn cut(mb: f64) -> f64 {
    // 149.59 times 100 is a little below 14959 in binary.
    (mb * 100.0 + 1e-6).floor() / 100.0
}

fn decimals(mb: f64) -> String {
    format!("{mb:.2}")
}

fn shown(cells: Option<[String; 2]>) -> [String; 2] {
    cells.unwrap_or(["-", "-"].map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megabytes_are_cut_not_rounded() {
        for (mb, expected) in [(149.59, "149.59"), (149.599, "149.59"), (327.2, "327.20")] {
            assert_eq!(decimals(cut(mb)), expected);
        }
    }
}
