//! A report as one self-contained page.

use super::{
    columns::{Column, RUN_COLUMNS, Row},
    contents::{Report, Seconds, Totals},
    table::thousands,
};

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2em 0.8em; text-align: right; border-bottom: 1px solid #ddd; }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; }
tfoot { font-weight: bold; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } }
";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let what = match (&report.network, &report.bench) {
        (Some(network), _) => format!("{network}, {} images", report.images.unwrap_or(0)),
        (None, Some(bench)) => format!("{}, {} values", bench.op, bench.count),
        (None, None) => String::new(),
    };
    let title = escape(&format!("tercet: {what}, {}", report.suite));
    let heads: String =
        RUN_COLUMNS.iter().map(|column| format!("<th>{}</th>", column.title)).collect();
    let rows: String = report.layers.iter().map(|layer| row(&layer.into())).collect();
    let total = row(&Row::from(&report.totals));
    let facts: String =
        facts(report).iter().map(|fact| format!("<li>{}</li>\n", escape(fact))).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<ul>\n{facts}</ul>\n<table>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n\
         <tfoot>\n{total}</tfoot>\n</table>\n</body>\n</html>\n"
    )
}

fn row(row: &Row) -> String {
    let cell = |column: &&Column| format!("<td>{}</td>", escape(&column.shown(row)));
    let cells: String = RUN_COLUMNS.iter().map(cell).collect();
    format!("<tr>{cells}</tr>\n")
}

fn facts(report: &Report) -> Vec<String> {
    let totals = &report.totals;
    let mut facts = vec![format!("critical path: {} one-way latencies", totals.critical_path)];
    if totals.sent_ahead() {
        let Totals { setup_bytes, offline_bytes, online_bytes, .. } = *totals;
        let bytes = [setup_bytes, offline_bytes, online_bytes].map(thousands);
        facts.push(format!("setup {}, offline {}, online {} bytes", bytes[0], bytes[1], bytes[2]));
    }
    if let Some(Seconds { setup, offline, online: Some(online), .. }) = totals.seconds
        && totals.sent_ahead()
    {
        facts.push(format!("setup {setup:.3} s, offline {offline:.3} s, online {online:.3} s"));
    }
    if let Some(wire) = totals.wire_bytes {
        facts.push(format!("wire: {} UDP bytes", thousands(wire)));
    }
    for (role, cpu) in &totals.cpu_seconds {
        let peak = totals.peak_rss_mb.get(role).copied().unwrap_or_default();
        facts.push(format!("{role}: {cpu:.2} CPU seconds, {peak:.0} MB at most"));
    }
    if let Some(accuracy) = &report.accuracy {
        let (agree, images) = (accuracy.agree, accuracy.images);
        facts.push(format!("secure and plain agree on {agree} of {images} images"));
    }
    facts
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(super::escape("<a & b>"), "&lt;a &amp; b&gt;");
    }
}
