//! What `run` and `bench` print on standard output.

use std::path::Path;

use protocols::Role;

use crate::report::{
    Material, Report, Seconds, Totals, Traffic, shape_text,
    table::{Table, thousands},
};

/// The table of layers, its totals below.
pub fn layers(report: &Report) -> String {
    let mut table = Table::new(
        3,
        &[
            ["", "", "", "", "paper", "", "predicted", "", "measured", ""],
            ["layer", "op", "output", "rounds", "MB", "rounds", "bytes", "rounds", "bytes", "s"],
        ],
    );
    for layer in &report.layers {
        let [predicted_rounds, predicted_bytes] = traffic(layer.predicted);
        let [measured_rounds, measured_bytes] = traffic(layer.measured);
        table.row([
            layer.name.clone(),
            layer.op.clone(),
            shape_text(&layer.output_shape),
            shown(layer.paper.map(|paper| paper.rounds.to_string())),
            shown(layer.paper.map(|paper| format!("{:.3}", paper.mb))),
            predicted_rounds,
            predicted_bytes,
            measured_rounds,
            measured_bytes,
            shown(layer.seconds.map(|seconds| format!("{seconds:.3}"))),
        ]);
    }
    table.rule();
    let totals = &report.totals;
    let [predicted_rounds, predicted_bytes] = traffic(totals.predicted);
    let [measured_rounds, measured_bytes] = traffic(totals.measured);
    table.row([
        "total".into(),
        String::new(),
        String::new(),
        shown(totals.paper.map(|paper| paper.rounds.to_string())),
        shown(totals.paper.map(|paper| format!("{:.3}", paper.mb))),
        predicted_rounds,
        predicted_bytes,
        measured_rounds,
        measured_bytes,
        shown(totals.seconds.map(|seconds| format!("{:.3}", seconds.total))),
    ]);
    table.to_string()
}

/// Critical path, stages, wire bytes and what the parties' processes used.
pub fn totals(totals: &Totals) -> String {
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

/// Where material lies and how large it is.
pub fn dealt(directory: &Path, material: &Material) -> String {
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
pub fn critical_path(totals: &Totals) -> String {
    let how = if totals.overlap { ", branches side by side" } else { "" };
    format!("critical path    {} one-way latencies{how}\n", totals.critical_path)
}

/// Bytes of each stage, and its time where it has one; nothing where all is online.
pub fn stages(totals: &Totals) -> String {
    if !totals.sent_ahead() {
        return String::new();
    }
    let of = |seconds: Option<f64>| seconds.map_or(String::new(), |s| format!(", {s:.3} s"));
    let seconds = totals.seconds;
    let setup = of(seconds.map(|seconds| seconds.setup));
    let online = of(seconds.and_then(|seconds| seconds.online));
    let offline = match seconds {
        Some(Seconds { online: None, .. }) => ", dealt just ahead of its use".into(),
        seconds => of(seconds.map(|seconds| seconds.offline)),
    };
    let line = |name, bytes, time: String| match bytes {
        0 => String::new(),
        bytes => format!("{name:<17}{} bytes{time}\n", thousands(bytes)),
    };
    line("setup", totals.setup_bytes, setup + ", once for a model and session")
        + &line("offline", totals.offline_bytes, offline)
        + &line("online", totals.online_bytes, online)
}

/// Rounds and bytes as cells.
pub fn traffic(traffic: Option<Traffic>) -> [String; 2] {
    let rounds = traffic.map(|traffic| traffic.rounds.to_string());
    [shown(rounds), shown(traffic.map(|traffic| thousands(traffic.bytes)))]
}

fn shown(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".into())
}
