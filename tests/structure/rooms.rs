//! The rooms of every crate, and the directions in which they import.

/// A crate's rooms.
pub(crate) struct Crate {
    pub(crate) name: &'static str,
    /// From the bottom up. A room imports from the levels below its own.
    pub(crate) levels: &'static [&'static [&'static str]],
    /// With more of them nobody sees what is above what.
    pub(crate) max_levels: usize,
    /// Imports that go another way.
    pub(crate) exceptions: &'static [Exception],
}

/// An import that goes against the direction, or closes a circle.
pub(crate) struct Exception {
    /// A room, a file in it (`room::file`) or all of its files (`room::*`).
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) because: &'static str,
}

/// The crates, each of which depends on those before it only.
pub(crate) const CRATES: &[Crate] = &[
    Crate {
        name: "fixedpoint",
        levels: &[
            &["avx2", "avx512", "dispatch", "encoding", "odd_ring", "ring", "shape", "side"],
            &["pool", "prime", "tensor", "truncation"],
            &["packing"],
            &["width"],
            &["gemm", "planes"],
            &["conv"],
        ],
        max_levels: 8,
        exceptions: &[
            except("gemm::*", "gemm", HEAD_CHOOSES_KERNELS),
            except("packing::*", "packing", HEAD_CHOOSES_KERNELS),
            except("width::*", "width", HEAD_CHOOSES_KERNELS),
        ],
    },
    Crate {
        name: "protocols",
        levels: &[
            &["channels", "digits", "party", "share", "spline", "step"],
            &["error", "ledger", "prf"],
            &["cost", "transport"],
            &["session"],
            &["context"],
            &["dealer", "exchange", "securenn"],
            &["test_world"],
        ],
        max_levels: 8,
        exceptions: &[except("session", "context", "a session makes the contexts that hold it")],
    },
    Crate {
        name: "nets",
        levels: &[
            &["range", "shapes", "uniform"],
            &["error", "functions"],
            &["graph", "output", "suite_name"],
            &["cost", "weights", "workload", "zoo"],
            &["onnx", "plans", "reference"],
            &["ranges"],
            &["suites"],
            &["bench", "published"],
        ],
        max_levels: 8,
        exceptions: &[],
    },
    Crate {
        name: "parties",
        levels: &[
            &["durable", "estimate", "frame", "profile", "table", "tls"],
            &["goodbye", "outbox"],
            &["hello", "network", "signal"],
            &["quic"],
            &["connect"],
            &["error"],
            &["architecture", "plan_file", "process", "setup"],
            &["config"],
            &["data"],
            &["task"],
            &["material", "planner", "survey"],
            &["party"],
            &["control", "report"],
            &["launch", "launched"],
            &["cli"],
        ],
        max_levels: 15,
        exceptions: &[
            except("config", "data", TO_BE_PARTED),
            except("material", "party", TO_BE_PARTED),
            except("setup", "party", TO_BE_PARTED),
            except("data::format", "data::cifar", TO_BE_PARTED),
            except("report::html", "report", TO_BE_PARTED),
            except("cli::*", "cli", "the head lists the commands, which share how they print"),
            except("data::*", "data", "the head chooses a format, and all share its types"),
        ],
    },
];

const HEAD_CHOOSES_KERNELS: &str = "the head chooses a level's kernels, which share its types";
const TO_BE_PARTED: &str = "stands as it grew and is to be parted";

const fn except(from: &'static str, to: &'static str, because: &'static str) -> Exception {
    Exception { from, to, because }
}
