//! MiniONN: Tables 2 and 4, which are about the nets of Figures 10 and 11, and the net of Figure
//! 12, whose figures are not at hand.

use super::{
    comparison::Comparison,
    figures::{Figures, NONE, stages},
    subject::{Net, Subject},
};
use crate::graph::{ActivationKind, Dims};

pub(super) const NOTES: [&str; 3] = [
    "The publications have two parties; ours have a third that deals, and must not collude.",
    "MiniONN ran on two Core i5 in different places, with YASHE and ABY; ours over loopback.",
    "MNIST is not at hand, so no accuracy stands beside the published ones: see those on other \
     digits.",
];

const MINIONN: &str = "MiniONN";

/// Table 2.
const SECUREML: [(&str, Figures); 2] = [
    (
        "SecureML",
        Figures {
            offline_seconds: Some(4.7),
            online_seconds: Some(0.18),
            accuracy: Some(93.1),
            ..NONE
        },
    ),
    (MINIONN, Figures { accuracy: Some(97.6), ..stages(3.8, 12.0, 0.9, 0.14) }),
];

/// Table 4.
const CRYPTONETS: [(&str, Figures); 2] = [
    ("CryptoNets", Figures { accuracy: Some(98.95), ..stages(0.0, 372.2, 0.0, 297.5) }),
    (MINIONN, Figures { accuracy: Some(98.95), ..stages(3.6, 44.0, 0.88, 0.4) }),
];

const FIGURE_12: [(&str, Figures); 1] = [(MINIONN, Figures { accuracy: Some(99.31), ..NONE })];

pub(super) fn comparisons() -> Vec<Comparison> {
    let net = |table, what: &str, published: &[_], name, note: &str| Comparison {
        table,
        what: what.into(),
        published: published.to_vec(),
        subject: Subject::Net(Net::new(name, Dims::new(1, 28, 28), 10)),
        note: note.into(),
    };
    let curve = |what: &str, kind, note: &str| Comparison {
        table: "",
        what: format!("{what}, a million"),
        published: Vec::new(),
        subject: Subject::Activation(kind),
        note: note.into(),
    };
    vec![
        net("2", "Figure 10, squares", &SECUREML, "secureml", ""),
        net("4", "Figure 11, squares", &CRYPTONETS, "cryptonets", ""),
        net(
            "",
            "Figure 12, ReLUs",
            &FIGURE_12,
            "minionn-mnist",
            "its seconds and bytes stand in a table that is not at hand",
        ),
        curve(
            "sigmoid",
            ActivationKind::Sigmoid,
            "eight knots, off by 0.005 at most; MB of a million are bytes each",
        ),
        curve("tanh", ActivationKind::Tanh, "eight knots, off by 0.01 at most"),
    ]
}
