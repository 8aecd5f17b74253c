//! The Pareto front as a picture, in SVG.

use std::fmt::Write;

use super::results::Found;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 56.0;

/// Accuracy over online bytes: the plans of the Pareto front as a line of numbered dots, others as
/// light ones. Plans far below the front are left out.
pub(super) fn picture(title: &str, found: &[Found], front: &[usize]) -> String {
    let scale = Scale::new(found, front);
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
    draw_axes(&scale, &mut add);
    for (megabytes, accuracy) in points(found).filter(|&(_, accuracy)| accuracy >= scale.least) {
        let (x, y) = (scale.x(megabytes), scale.y(accuracy));
        add(format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"#bbb\"/>"));
    }
    draw_front(&scale, found, front, &mut add);
    svg += "</svg>\n";
    svg
}

/// Where values are in the picture.
struct Scale {
    /// The most megabytes.
    most: f64,
    /// The least accuracy.
    least: f64,
}

impl Scale {
    fn new(found: &[Found], front: &[usize]) -> Scale {
        let most = points(found).fold(f64::MIN_POSITIVE, |most, point| most.max(point.0)) * 1.05;
        let lowest = front.iter().filter_map(|&place| found[place].accuracy).fold(0.99, f64::min);
        // A whole percent, and some space below.
        let least = ((lowest - (1.0 - lowest) / 4.0) * 100.0).floor().max(0.0) / 100.0;
        Scale { most, least }
    }

    fn x(&self, megabytes: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * megabytes / self.most
    }

    fn y(&self, accuracy: f64) -> f64 {
        let share = (accuracy - self.least) / (1.0 - self.least).max(1e-9);
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share)
    }
}

/// Megabytes and accuracy of the plans whose accuracy is known.
fn points(found: &[Found]) -> impl Iterator<Item = (f64, f64)> {
    found.iter().filter_map(|found| Some((megabytes(found), found.accuracy?)))
}

fn megabytes(found: &Found) -> f64 {
    found.cost.online_bytes as f64 / 1e6
}

fn draw_axes(scale: &Scale, add: &mut impl FnMut(String)) {
    let Scale { most, least } = *scale;
    for step in 0..=5 {
        let share = f64::from(step) / 5.0;
        let (megabytes, accuracy) = (most * share, least + (1.0 - least) * share);
        let (across, up) = (scale.x(megabytes), scale.y(accuracy));
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
}

fn draw_front(scale: &Scale, found: &[Found], front: &[usize], add: &mut impl FnMut(String)) {
    let place = |&at: &usize| {
        let found = &found[at];
        (scale.x(megabytes(found)), scale.y(found.accuracy.unwrap_or(0.0)))
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
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_far_below_the_front_are_left_out() {
        let found = |megabytes: u64, accuracy| {
            let cost = format!(
                r#"{{"cost": 1, "online_bytes": {megabytes}000000, "offline_bytes": 0,
                "setup_bytes": 0, "rounds": 1, "critical_path": 1}}"#
            );
            let cost = serde_json::from_str(&cost).unwrap();
            let (plan, none) = (nets::ActivationPlan::default(), None);
            let weights = None;
            Found { plan, cost, accuracy: Some(accuracy), held_out: none, epochs: none, weights }
        };
        let found = [found(10, 0.99), found(5, 0.95), found(7, 0.94), found(6, 0.1)];
        let svg = picture("a < b", &found, &[0, 1]);
        assert!(svg.contains("a &lt; b") && svg.contains(">100.0%<") && svg.contains(">10.50<"));
        // One for each plan that is near, and a larger one for each of the front.
        assert_eq!(svg.matches("<circle").count(), 3 + 2);
        assert!(picture("none", &[], &[]).ends_with("</svg>\n"));
    }
}
