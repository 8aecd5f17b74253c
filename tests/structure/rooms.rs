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
            &["channels", "digits", "limits", "party", "share", "spline", "step"],
            &["average", "error", "ledger", "prf"],
            &["cost", "transport"],
            &["state"],
            &["context"],
            &["dealer", "exchange", "securenn", "session"],
            &["test_world"],
            &["samples"],
        ],
        max_levels: 8,
        exceptions: &[],
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
            &["published"],
        ],
        max_levels: 8,
        exceptions: &[],
    },
    Crate {
        name: "parties",
        levels: &[
            &["durable", "link"],
            &["error"],
            &["data"],
            &["config"],
            &["party"],
            &["launch"],
            &["report"],
            &["planner"],
            &["cli"],
        ],
        max_levels: 9,
        exceptions: &[],
    },
];

const HEAD_CHOOSES_KERNELS: &str = "the head chooses a level's kernels, which share its types";

const fn except(from: &'static str, to: &'static str, because: &'static str) -> Exception {
    Exception { from, to, because }
}
