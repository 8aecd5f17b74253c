//! SAFENet: Tables 2 to 4, with the figures of Gazelle and Delphi as measured by SAFENet's authors.

use super::{
    comparison::Comparison,
    figures::{Figures, NONE},
    subject::{Net, Subject},
};
use crate::graph::Dims;

pub(super) const NOTES: [&str; 4] = [
    "The publications have two parties; ours have a third that deals, and must not collude.",
    "SAFENet ran on two Xeon E7-4850 over a LAN with 4 threads each, and gives no bytes.",
    "Which channels and degrees its planner kept is not published; ours are the plans in \
     configs/plans.",
    "CIFAR-10 and CIFAR-100 are not at hand, so no accuracy stands beside the published ones.",
];

/// A row as printed.
struct Published {
    by: &'static str,
    /// Seconds of linear layers and of activations.
    offline: [f64; 2],
    /// Seconds of linear layers and of activations.
    online: [f64; 2],
    /// Seconds.
    total: f64,
    /// Per cent.
    accuracy: f64,
}

struct Table {
    table: &'static str,
    what: &'static str,
    net: &'static str,
    classes: usize,
    /// In the order of [`VARIANTS`].
    published: [Published; 3],
}

/// The variants of each net: their names, and the plan for each table.
const VARIANTS: [(&str, [Option<&str>; 3]); 3] = [
    ("ReLUs", [None, None, None]),
    ("last quadratic", [Some("cnn-7-delphi"), Some("vgg-16-delphi"), Some("resnet-32-delphi")]),
    ("mixed", [Some("cnn-7-safenet"), Some("vgg-16-safenet"), Some("resnet-32-safenet")]),
];

const fn published(
    by: &'static str,
    offline: [f64; 2],
    online: [f64; 2],
    total: f64,
    accuracy: f64,
) -> Published {
    Published { by, offline, online, total, accuracy }
}

const TABLES: [Table; 3] = [
    Table {
        table: "2",
        what: "CNN-7",
        net: "cnn-7",
        classes: 10,
        published: [
            published("Gazelle", [0.0, 91.0], [37.0, 9.0], 137.0, 85.1),
            published("Delphi", [37.0, 53.4], [0.0, 5.3], 95.4, 84.6),
            published("SAFENet", [37.0, 18.2], [0.0, 1.8], 53.4, 85.1),
        ],
    },
    Table {
        table: "3",
        what: "VGG-16",
        net: "vgg-16",
        classes: 10,
        published: [
            published("Gazelle", [0.0, 142.0], [45.0, 16.0], 203.0, 89.6),
            published("Delphi", [45.0, 114.0], [0.0, 13.0], 172.0, 88.1),
            published("SAFENet", [40.2, 56.8], [0.0, 6.5], 104.0, 88.9),
        ],
    },
    Table {
        table: "4",
        what: "ResNet-32",
        net: "resnet-32",
        classes: 100,
        published: [
            published("Gazelle", [0.0, 158.0], [64.0, 18.0], 240.0, 67.9),
            published("Delphi", [64.0, 126.4], [0.0, 14.4], 204.8, 67.3),
            published("SAFENet", [57.6, 63.2], [0.0, 7.2], 128.0, 67.5),
        ],
    },
];

pub(super) fn comparisons() -> Vec<Comparison> {
    let rows = |(place, table): (usize, &Table)| {
        let group = |(variant, published): (usize, &Published)| {
            let (name, plans) = VARIANTS[variant];
            let Published { by, offline, online, total, accuracy } = published;
            let sums = [offline, online].map(|seconds| seconds.iter().sum::<f64>());
            let figures = Figures {
                offline_seconds: Some(sums[0]),
                online_seconds: Some(sums[1]),
                total_seconds: Some(*total),
                accuracy: Some(*accuracy),
                ..NONE
            };
            let plan = plans[place];
            let net = Net { plan, ..Net::new(table.net, Dims::new(3, 32, 32), table.classes) };
            Comparison {
                table: table.table,
                what: format!("{}, {name}", table.what),
                published: vec![(*by, figures)],
                subject: Subject::Net(net),
                note: note(published),
            }
        };
        table.published.iter().enumerate().map(group).collect::<Vec<_>>()
    };
    TABLES.iter().enumerate().flat_map(rows).collect()
}

/// The seconds of linear layers and of activations, and their sum if the printed total is another.
fn note(Published { offline, online, total, .. }: &Published) -> String {
    let [[linear_ahead, act_ahead], [linear, act]] = [offline, online];
    let mut note = format!(
        "linear + activations: {linear_ahead} + {act_ahead} s offline, {linear} + {act} s online"
    );
    let sum = offline.iter().chain(online).sum::<f64>();
    if (sum - total).abs() > 0.05 {
        note += &format!("; they sum up to {sum:.1} s");
    }
    note
}
