//! The front as a picture, in SVG.

use std::fmt::Write;

use super::results::Found;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 56.0;

/// All plans as light dots, those of the front as a line of numbered ones; accuracy over online bytes.
pub fn picture(title: &str, found: &[Found], front: &[usize]) -> String {
    let points: Vec<(f64, f64)> = found
        .iter()
        .filter_map(|found| Some((found.cost.online_bytes as f64 / 1e6, found.accuracy?)))
        .collect();
    let (across, up) = (points.iter().map(|point| point.0), points.iter().map(|point| point.1));
    let most = across.fold(f64::MIN_POSITIVE, f64::max) * 1.05;
    let least = (up.fold(1.0, f64::min) * 20.0 - 0.2).floor().max(0.0) / 20.0;
    let x = |megabytes: f64| LEFT + (WIDTH - LEFT - RIGHT) * megabytes / most;
    let y = |accuracy: f64| {
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (accuracy - least) / (1.0 - least).max(1e-9))
    };

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n",
        escaped(title)
    );
    let mut add = |line: String| {
        writeln!(svg, "{line}").expect("text takes any line");
    };
    for step in 0..=5 {
        let share = f64::from(step) / 5.0;
        let (megabytes, accuracy) = (most * share, least + (1.0 - least) * share);
        let (across, up) = (x(megabytes), y(accuracy));
        add(format!(
            "<line x1=\"{LEFT}\" y1=\"{up:.1}\" x2=\"{}\" y2=\"{up:.1}\" stroke=\"#ddd\"/>",
            WIDTH - RIGHT
        ));
        add(format!(
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{:.1}%</text>",
            LEFT - 8.0,
            up + 4.0,
            100.0 * accuracy
        ));
        add(format!(
            "<text x=\"{across:.1}\" y=\"{}\" text-anchor=\"middle\">{megabytes:.2}</text>",
            HEIGHT - BOTTOM + 18.0
        ));
    }
    add(format!(
        "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">MB online, one image</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 14.0
    ));
    for (megabytes, accuracy) in points {
        add(format!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"#bbb\"/>",
            x(megabytes),
            y(accuracy)
        ));
    }
    let place = |&at: &usize| {
        let found = &found[at];
        (x(found.cost.online_bytes as f64 / 1e6), y(found.accuracy.unwrap_or(0.0)))
    };
    let line: Vec<String> =
        front.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    add(format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f77b4\" stroke-width=\"2\"/>",
        line.join(" ")
    ));
    for (number, (across, up)) in (1..).zip(front.iter().map(place)) {
        add(format!("<circle cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"5\" fill=\"#1f77b4\"/>"));
        add(format!("<text x=\"{:.1}\" y=\"{:.1}\">{number}</text>", across + 7.0, up - 6.0));
    }
    svg += "</svg>\n";
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
