//! XONN: Tables 11 and 12, with a row for each factor s of the widths.

use super::{
    comparison::Comparison,
    figures::{Figures, NONE},
    subject::{Net, Subject},
};
use crate::graph::Dims;

pub(super) const NOTES: [&str; 6] = [
    "XONN has two parties; ours have a third that deals, and must not collude.",
    "XONN garbles the net anew for every query, so its bytes and seconds are totals.",
    "Table 12 heads bytes with MB but prints gigabytes, as Table 10 says (BC2 at s = 3: 3.38 GB).",
    "The latencies of BC5 from s = 1.5 on and of BC6 are not at hand, nor is Table 13: the nets \
     are as in zoo/xonn.rs.",
    "Our last layer has real weights; of XONN's no more is at hand than that its largest output \
     is the answer.",
    "MNIST and CIFAR-10 are not at hand, so no accuracy stands beside the published ones.",
];

/// The printed figures for one factor s.
#[derive(Clone, Copy)]
struct Scaled {
    s: f64,
    /// Per cent.
    accuracy: f64,
    mb: f64,
    seconds: Option<f64>,
}

const fn at(s: f64, accuracy: f64, mb: f64, seconds: f64) -> Scaled {
    Scaled { s, accuracy, mb, seconds: Some(seconds) }
}

/// A row of Table 12, which prints accuracy as a fraction and bytes in gigabytes.
const fn cifar(s: f64, accuracy: f64, gb: f64, seconds: Option<f64>) -> Scaled {
    Scaled { s, accuracy: 100.0 * accuracy, mb: 1000.0 * gb, seconds }
}

const MNIST: [(&str, [Scaled; 5]); 3] = [
    (
        "xonn-bm1",
        [
            at(1.0, 97.1, 2.57, 0.12),
            at(1.5, 97.56, 4.09, 0.13),
            at(2.0, 97.82, 5.87, 0.13),
            at(3.0, 98.1, 10.22, 0.14),
            at(4.0, 98.34, 15.62, 0.15),
        ],
    ),
    (
        "xonn-bm2",
        [
            at(1.0, 97.25, 2.9, 0.1),
            at(1.5, 97.93, 5.55, 0.12),
            at(2.0, 98.28, 10.09, 0.14),
            at(3.0, 98.56, 21.9, 0.18),
            at(4.0, 98.64, 38.3, 0.23),
        ],
    ),
    (
        "xonn-bm3",
        [
            at(1.0, 98.54, 17.59, 0.17),
            at(1.5, 98.93, 36.72, 0.22),
            at(2.0, 99.13, 62.77, 0.3),
            at(3.0, 99.26, 135.88, 0.52),
            at(4.0, 99.35, 236.78, 0.81),
        ],
    ),
];

const CIFAR: [(&str, [Scaled; 4]); 6] = [
    (
        "xonn-bc1",
        [
            cifar(1.0, 0.72, 1.26, Some(3.96)),
            cifar(1.5, 0.77, 2.82, Some(8.59)),
            cifar(2.0, 0.8, 4.98, Some(15.07)),
            cifar(3.0, 0.83, 11.15, Some(33.49)),
        ],
    ),
    (
        "xonn-bc2",
        [
            cifar(1.0, 0.67, 0.39, Some(1.37)),
            cifar(1.5, 0.73, 0.86, Some(2.78)),
            cifar(2.0, 0.78, 1.53, Some(4.75)),
            cifar(3.0, 0.82, 3.4, Some(10.35)),
        ],
    ),
    (
        "xonn-bc3",
        [
            cifar(1.0, 0.77, 1.35, Some(4.23)),
            cifar(1.5, 0.81, 3.0, Some(9.17)),
            cifar(2.0, 0.83, 5.32, Some(16.09)),
            cifar(3.0, 0.86, 11.89, Some(35.77)),
        ],
    ),
    (
        "xonn-bc4",
        [
            cifar(1.0, 0.82, 4.66, Some(14.12)),
            cifar(1.5, 0.85, 10.41, Some(31.33)),
            cifar(2.0, 0.87, 18.45, Some(55.38)),
            cifar(3.0, 0.88, 41.37, Some(123.94)),
        ],
    ),
    (
        "xonn-bc5",
        [
            cifar(1.0, 0.81, 5.54, Some(16.78)),
            cifar(1.5, 0.85, 12.4, None),
            cifar(2.0, 0.86, 21.98, None),
            cifar(3.0, 0.88, 49.3, None),
        ],
    ),
    (
        "xonn-bc6",
        [
            cifar(1.0, 0.67, 0.65, None),
            cifar(1.5, 0.74, 1.46, None),
            cifar(2.0, 0.78, 2.58, None),
            cifar(3.0, 0.8, 5.77, None),
        ],
    ),
];

pub(super) fn comparisons() -> Vec<Comparison> {
    let mnist = MNIST.iter().flat_map(|(net, rows)| group("11", net, Dims::new(1, 28, 28), rows));
    let cifar = CIFAR.iter().flat_map(|(net, rows)| group("12", net, Dims::new(3, 32, 32), rows));
    mnist.chain(cifar).collect()
}

fn group(table: &'static str, net: &'static str, input: Dims, rows: &[Scaled]) -> Vec<Comparison> {
    let comparison = |row: &Scaled| Comparison {
        table,
        what: format!("{}, s = {}", net.trim_start_matches("xonn-").to_uppercase(), row.s),
        published: vec![(
            "XONN",
            Figures {
                total_mb: Some(row.mb),
                total_seconds: row.seconds,
                accuracy: Some(row.accuracy),
                ..NONE
            },
        )],
        subject: Subject::Net(Net { scale: row.s, ..Net::new(net, input, 10) }),
        note: String::new(),
    };
    rows.iter().map(comparison).collect()
}
