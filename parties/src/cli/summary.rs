//! The lines that `run`, `deal`, `bench` and `cost` print on standard output.

use std::path::Path;

use protocols::Role;

use crate::report::{
    Material, Report, Seconds, Totals, columns::RUN_COLUMNS, text_table, thousands,
};

/// The table of layers, its totals below.
pub(super) fn layers(report: &Report) -> String {
    text_table(3, &RUN_COLUMNS, &report.layers, &report.totals)
}

/// Critical path, stages, wire bytes and what the parties' processes used.
pub(super) fn totals(totals: &Totals) -> String {
    let mut lines = critical_path(totals) + &stages(totals);
    if let (Some(wire), Some(measured)) = (totals.wire_bytes, totals.measured) {
        let payload = measured.bytes.max(1);
        let above = 100.0 * (wire as f64 / payload as f64 - 1.0);
        lines += &format!(
            "wire             {} UDP bytes, {above:+.1}% of the payload\n",
            thousands(wire)
        );
    }
    for role in Role::ALL.map(Role::name) {
        if let (Some(cpu), Some(peak)) =
            (totals.cpu_seconds.get(role), totals.peak_rss_mb.get(role))
        {
            lines += &format!("{role:<17}{cpu:.2} CPU s, {peak:.0} MB peak memory\n");
        }
    }
    lines
}

/// The places and sizes of material.
pub(super) fn dealt(directory: &Path, material: &Material) -> String {
    let Material { session, queries, images, file_bytes, .. } = material;
    let mut lines = format!("{queries} queries of {images} images, session {}\n", &session[..16]);
    for (role, bytes) in file_bytes {
        let place = directory.join(role);
        let bytes = thousands(*bytes);
        lines += &format!("{role:<17}{queries} files of {bytes} bytes in {}\n", place.display());
    }
    lines += "each answers one batch, once; they are as secret as keys\n";
    lines
}

/// The line of the critical path.
pub(super) fn critical_path(totals: &Totals) -> String {
    let how = if totals.overlap { ", branches side by side" } else { "" };
    format!("critical path    {} one-way latencies{how}\n", totals.critical_path)
}

/// Bytes of each stage, and its time where it has one; nothing where all is online.
pub(super) fn stages(totals: &Totals) -> String {
    if !totals.sent_ahead() {
        return String::new();
    }
    let time = |seconds: Option<f64>| seconds.map_or(String::new(), |s| format!(", {s:.3} s"));
    let seconds = totals.seconds;
    let setup = time(seconds.map(|seconds| seconds.setup));
    let online = time(seconds.and_then(|seconds| seconds.online));
    let offline = match seconds {
        Some(Seconds { online: None, .. }) => ", dealt just ahead of its use".into(),
        seconds => time(seconds.map(|seconds| seconds.offline)),
    };
    let line = |name, bytes, time: String| match bytes {
        0 => String::new(),
        bytes => format!("{name:<17}{} bytes{time}\n", thousands(bytes)),
    };
    line("setup", totals.setup_bytes, setup + ", once for a model and session")
        + &line("offline", totals.offline_bytes, offline)
        + &line("online", totals.online_bytes, online)
}
