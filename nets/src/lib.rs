//! Neural networks for private inference: their architectures and weights, the cost of evaluating
//! them among three parties, and the evaluation.
//!
//! The cost of a network follows from its shapes alone. A network of the [`zoo`] in both protocol
//! suites, with the bytes of one image:
//!
//! ```
//! use nets::{Dims, Output, SuiteName, zoo};
//!
//! let graph = zoo::build("minionn-mnist", &zoo::Options::new(Dims::new(1, 28, 28), 10))?;
//! for suite in SuiteName::ALL {
//!     let cost = suite.with_defaults(graph.clone(), Output::Label)?.cost(1)?;
//!     let totals = cost.totals();
//!     let (offline, online) = (totals.offline_links.total(), totals.online_links().total());
//!     println!("{suite}: {offline} bytes ahead of the query, {online} from the query on");
//!     for layer in &cost.layers {
//!         println!("{:8} {:8} {:>8} bytes", layer.name, layer.op, layer.predicted.bytes());
//!     }
//! }
//! # let bytes = |suite: SuiteName| -> nets::Result<u64> {
//! #     Ok(suite.with_defaults(graph.clone(), Output::Label)?.cost(1)?.totals().bytes)
//! # };
//! # assert!(bytes(SuiteName::Dealer)? < bytes(SuiteName::SecureNn)?);
//! # Ok::<(), nets::Error>(())
//! ```
//!
//! A network of one's own is built with a [`GraphBuilder`] or read from an ONNX file by [`onnx`].
//!
//! Modules import only modules above them in this table:
//!
//! | module | what it holds |
//! |---|---|
//! | [`shapes`], [`ranges::Range`], `uniform` | sizes, intervals, reproducible numbers |
//! | [`error`], [`functions`] | errors; non-linear functions, one file each |
//! | [`graph`], [`output`], [`SuiteName`] | architectures without weights, and names |
//! | [`weights`] | weights, the model owner's secret: from files to ring elements |
//! | [`zoo`] | published architectures by name |
//! | [`cost`], `workload` | bytes and rounds of every layer; the operations of benches |
//! | [`reference`](mod@reference) | networks in clear |
//! | [`plans`] | activation plans, which exchange activations for cheaper ones |
//! | [`onnx`] | networks from ONNX files |
//! | [`ranges`] | ranges of a network's values, by intervals and by samples |
//! | [`suites`] | each protocol suite: cost, reference, fit, executor, [benches](mod@bench) |
//! | [`published`] | published figures, and the costs of the same nets and operations here |
//!
//! A new operation is a variant of [`graph::Op`]; the compiler lists the matches that need it. A
//! new function is a file in [`functions`] and a line of its registry, and a new network a file in
//! [`zoo`] and a line of its registry. Nothing in this crate knows about sockets.

pub mod cost;
pub mod error;
pub mod functions;
pub mod graph;
pub mod onnx;
pub mod output;
pub mod plans;
pub mod published;
mod range;
pub mod ranges;
pub mod reference;
pub mod shapes;
mod suite_name;
pub mod suites;
mod uniform;
pub mod weights;
mod workload;
pub mod zoo;

pub use cost::{LayerCost, NetworkCost};
pub use error::{Error, Result};
pub use graph::{Graph, GraphBuilder, Node, NodeId, Op, Order};
pub use output::Output;
pub use plans::ActivationPlan;
pub use published::System;
pub use shapes::{Dims, ShapeProblem};
pub use suites::bench::{self, Bench, Operation};
pub use suites::{Suite, SuiteName, dealer::PublicBounds};
pub use weights::{EncodedModel, Model, Weights};

#[cfg(test)]
mod test_nets;
