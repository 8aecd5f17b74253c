//! A report as one self-contained page.

use super::{Layer, Report, Seconds, Totals, shape_text};
use crate::report::table::thousands;

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
    let rows: String = report.layers.iter().map(row).collect();
    let total = total_row(&report.totals);
    let facts: String =
        facts(report).iter().map(|fact| format!("<li>{}</li>\n", escape(fact))).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<ul>\n{facts}</ul>\n<table>\n\
         <thead><tr><th>layer</th><th>op</th><th>output</th><th>paper rounds</th><th>paper MB</th>\
         <th>predicted rounds</th><th>predicted bytes</th><th>measured rounds</th>\
         <th>measured bytes</th><th>seconds</th></tr></thead>\n<tbody>\n{rows}</tbody>\n\
         <tfoot>\n{total}</tfoot>\n</table>\n</body>\n</html>\n"
    )
}

fn row(layer: &Layer) -> String {
    let cells = [
        escape(&layer.name),
        escape(&layer.op),
        shape_text(&layer.output_shape),
        shown(layer.paper.map(|paper| paper.rounds.to_string())),
        shown(layer.paper.map(|paper| format!("{:.3}", paper.mb))),
        shown(layer.predicted.map(|traffic| traffic.rounds.to_string())),
        shown(layer.predicted.map(|traffic| thousands(traffic.bytes))),
        shown(layer.measured.map(|traffic| traffic.rounds.to_string())),
        shown(layer.measured.map(|traffic| thousands(traffic.bytes))),
        shown(layer.seconds.map(|seconds| format!("{seconds:.3}"))),
    ];
    cells_row(&cells)
}

fn total_row(totals: &Totals) -> String {
    let cells = [
        "total".into(),
        String::new(),
        String::new(),
        shown(totals.paper.map(|paper| paper.rounds.to_string())),
        shown(totals.paper.map(|paper| format!("{:.3}", paper.mb))),
        shown(totals.predicted.map(|traffic| traffic.rounds.to_string())),
        shown(totals.predicted.map(|traffic| thousands(traffic.bytes))),
        shown(totals.measured.map(|traffic| traffic.rounds.to_string())),
        shown(totals.measured.map(|traffic| thousands(traffic.bytes))),
        shown(totals.seconds.map(|seconds| format!("{:.3}", seconds.total))),
    ];
    cells_row(&cells)
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

fn cells_row(cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr>{cells}</tr>\n")
}

fn shown(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".into())
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
