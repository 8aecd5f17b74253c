//! Delphi: Tables 1 and 3, and the nets of Figures 10 to 13, which are charts without numbers.

use super::{
    comparison::Comparison,
    figures::{Figures, NONE, stages},
    subject::{Net, Subject},
};
use crate::graph::{ActivationKind, Dims};

pub(super) const NOTES: [&str; 4] = [
    "Delphi has two parties and needs nobody else; ours have a third that deals, and must not \
     collude.",
    "Delphi ran between us-west-1 and us-west-2 on c5.2xlarge with 4 threads each; ours over \
     loopback.",
    "Delphi works modulo a prime of 32 bits; dealer sends what values below 128 at 12 fractional \
     bits need.",
    "setup MB are masked weights, sent once for a model; all that Delphi does ahead it does for \
     every query.",
];

/// Table 1: the side of the image, its channels, which are also those of the result, and the
/// published figures.
const CONVOLUTIONS: [(usize, usize, [Figures; 2]); 3] = [
    (32, 16, [stages(10.48, 0.065, 1.255, 0.01741), gazelle(1.255, 10.48)]),
    (16, 32, [stages(5.24, 0.020, 1.285, 0.01717), gazelle(1.285, 5.24)]),
    (8, 64, [stages(5.24, 0.036, 2.775, 0.01705), gazelle(2.775, 5.24)]),
];

/// Figures of Gazelle, which does all its encryption online.
const fn gazelle(seconds: f64, mb: f64) -> Figures {
    Figures { online_mb: Some(mb), online_seconds: Some(seconds), ..NONE }
}

const MISPRINT: &str = "0.020 MB online is as printed; 8192 elements of 32 bits are 0.033";

const QUADRATIC: Figures = stages(152.0, 8.0, 9.6, 0.04);
const RELU: Figures = stages(17_500.0, 2048.0, 111.9, 65.0);

pub(super) fn comparisons() -> Vec<Comparison> {
    let convolutions = CONVOLUTIONS.map(|(side, channels, [delphi, gazelle])| Comparison {
        table: "1",
        what: format!("{channels}x{side}x{side}, {channels} 3x3"),
        published: vec![("Delphi", delphi), ("Gazelle", gazelle)],
        subject: Subject::Convolution {
            input: Dims::new(channels, side, side),
            kernels: channels,
            side: 3,
        },
        note: if channels == 32 { MISPRINT.into() } else { String::new() },
    });
    let activation = |what: &str, published: Vec<_>, kind, note: &str| Comparison {
        table: "3",
        what: format!("{what}, a million"),
        published,
        subject: Subject::Activation(kind),
        note: note.into(),
    };
    let million = "of a million, so MB are bytes each and seconds are microseconds each";
    let activations = [
        activation("ReLU", vec![("Delphi", RELU)], ActivationKind::Relu, million),
        activation(
            "quadratic",
            vec![("Delphi", QUADRATIC)],
            ActivationKind::Polynomial { degree: 2 },
            "ours has secret coefficients and a truncation; Delphi's is a Beaver product",
        ),
        activation(
            "square",
            Vec::new(),
            ActivationKind::Square,
            "the quadratic without coefficients; ours alone",
        ),
    ];
    let cifar = |name, classes| Net::new(name, Dims::new(3, 32, 32), classes);
    let net = |what: &str, net: Net, note: &str| Comparison {
        table: "",
        what: what.into(),
        published: Vec::new(),
        subject: Subject::Net(net),
        note: note.into(),
    };
    let charts = "Figures 10 to 13 are charts: no published figure to put beside it";
    let nets = [
        net("CNN-7, ReLUs", cifar("cnn-7", 10), charts),
        net(
            "CNN-7, last 6 quadratic",
            Net { plan: Some("cnn-7-delphi"), ..cifar("cnn-7", 10) },
            "the plan is ours: configs/plans/cnn-7-delphi.toml",
        ),
        net("ResNet-32, ReLUs", cifar("resnet-32", 100), charts),
        net(
            "ResNet-32, last 12 quadratic",
            Net { plan: Some("resnet-32-delphi"), ..cifar("resnet-32", 100) },
            "the plan is ours: configs/plans/resnet-32-delphi.toml",
        ),
    ];
    convolutions.into_iter().chain(activations).chain(nets).collect()
}
