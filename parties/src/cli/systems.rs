//! `tercet tables --system`.

use nets::{
    System,
    published::{Figures, Row},
};
use serde::Serialize;

use super::output::{Form, say};
use crate::{
    error::{Error, Result},
    report::{Table, quoted},
};

pub(super) fn run(system: System, form: Form) -> Result<()> {
    let rows = system.rows().map_err(|error| Error::Run(error.to_string()))?;
    say(&match form {
        Form::Table => table(system, &rows),
        Form::Json => json(system, &rows),
        Form::Csv => csv(&rows),
    })
}

fn table(system: System, rows: &[Row]) -> String {
    let mut table = Table::new(
        3,
        &[
            ["", "", "", "MB", "", "", "", "", "seconds", "", "", ""],
            [
                "table", "what", "by", "setup", "offline", "online", "total", "rounds", "offline",
                "online", "total", "%",
            ],
        ],
    );
    let mut last: Option<&Row> = None;
    for row in rows {
        let again = last.is_some_and(|last| (last.table, &last.what) == (row.table, &row.what));
        if last.is_some() && !again {
            table.rule();
        }
        last = Some(row);
        let name = |text: &str| if again { String::new() } else { text.to_owned() };
        let [table_number, what] = [row.table, &row.what].map(name);
        let mut cells = vec![table_number, what, row.by.to_owned()];
        cells.extend(figures(&row.figures).map(|figure| figure.unwrap_or("-".into())));
        table.row(cells);
    }
    let mut text = table.to_string();
    text.push('\n');
    for Row { what, by, note, .. } in rows.iter().filter(|row| !row.note.is_empty()) {
        text += &format!("{what}, {by}: {note}\n");
    }
    for note in system.notes() {
        text += &format!("{note}\n");
    }
    text
}

/// As they are shown: four significant digits, or none.
fn figures(figures: &Figures) -> [Option<String>; 9] {
    let Figures {
        setup_mb,
        offline_mb,
        online_mb,
        total_mb,
        rounds,
        offline_seconds,
        online_seconds,
        total_seconds,
        accuracy,
    } = *figures;
    let shown = |figure: Option<f64>| figure.map(significant);
    [
        shown(setup_mb),
        shown(offline_mb),
        shown(online_mb),
        shown(total_mb),
        rounds.map(|rounds| rounds.to_string()),
        shown(offline_seconds),
        shown(online_seconds),
        shown(total_seconds),
        shown(accuracy),
    ]
}

/// With four significant digits and without zeros at the end.
fn significant(figure: f64) -> String {
    let before = figure.abs().log10().floor();
    let decimals = if figure == 0.0 { 0 } else { (3.0 - before).clamp(0.0, 9.0) as usize };
    let text = format!("{figure:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn json(system: System, rows: &[Row]) -> String {
    #[derive(Serialize)]
    struct Tables<'r> {
        system: &'static str,
        rows: &'r [Row],
        notes: &'static [&'static str],
    }
    let tables = Tables { system: system.name(), rows, notes: system.notes() };
    serde_json::to_string_pretty(&tables).expect("rows have only plain values") + "\n"
}

fn csv(rows: &[Row]) -> String {
    let mut text = String::from(
        "table,what,by,published,setup_mb,offline_mb,online_mb,total_mb,rounds,offline_seconds,\
         online_seconds,total_seconds,accuracy,note\n",
    );
    for row in rows {
        let Row { table, what, by, published, .. } = row;
        let Figures { rounds, .. } = row.figures;
        let exact = |figure: Option<f64>| figure.map(|figure| figure.to_string());
        let Figures { setup_mb, offline_mb, online_mb, total_mb, .. } = row.figures;
        let Figures { offline_seconds, online_seconds, total_seconds, accuracy, .. } = row.figures;
        let cells = [
            exact(setup_mb),
            exact(offline_mb),
            exact(online_mb),
            exact(total_mb),
            rounds.map(|rounds| rounds.to_string()),
            exact(offline_seconds),
            exact(online_seconds),
            exact(total_seconds),
            exact(accuracy),
        ];
        let cells = cells.map(Option::unwrap_or_default).join(",");
        let (what, note) = (quoted(what), quoted(&row.note));
        text += &format!("{table},{what},{by},{published},{cells},{note}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        for (figure, expected) in [
            (0.0, "0"),
            (0.01741, "0.01741"),
            (55.375, "55.38"),
            (17_500.0, "17500"),
            (2.0, "2"),
            (236.78, "236.8"),
        ] {
            assert_eq!(significant(figure), expected);
        }
    }
}
