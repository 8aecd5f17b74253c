//! Networks: what they compute, their weights, what they cost in private, and how three parties
//! evaluate them.
//!
//! Rooms, lowest first: each imports rooms above it in this table alone.
//!
//! | room | what it holds |
//! |---|---|
//! | [`dims`], [`range`](ranges::Range), `uniform`, [`error`], [`output`], `suite_name` | sizes, intervals, errors, names |
//! | [`functions`] | non-linear functions, one file each |
//! | [`graph`], `workload` | the public architecture, without weights; single operations |
//! | [`weights`], [`zoo`] | weights from a file to ring elements: the model owner's secret; architectures by name |
//! | [`reference`], [`plans`], [`onnx`] | the network in clear; plans that exchange activations; networks from ONNX files |
//! | [`ranges`] | how large values get, by intervals and by samples |
//! | [`cost`] | bytes and rounds of every layer |
//! | [`suites`] | a protocol suite each: cost, reference, fit, executor, benches |
//! | [`bench`], [`published`] | single operations, to be measured; published figures beside what the same takes here |
//!
//! To add a layer: a variant of [`graph::Op`], whose matches the compiler then lists. A function: a file
//! in [`functions`] and a line in its registry. A network: a file in [`zoo`]. Nothing here knows of sockets.

pub mod bench;
pub mod cost;
pub mod dims;
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
mod suite_name;
pub mod suites;
mod uniform;
pub mod weights;
mod workload;
pub mod zoo;

pub use bench::{Bench, Operation};
pub use cost::{LayerCost, NetworkCost};
pub use dims::Dims;
pub use error::{Error, Result, ShapeProblem};
pub use graph::{Graph, GraphBuilder, Node, NodeId, Op, Order};
pub use output::Output;
pub use plans::ActivationPlan;
pub use published::System;
pub use suites::{Suite, SuiteName, dealer::PublicBounds};
pub use weights::{EncodedModel, Model, Weights};

#[cfg(test)]
mod test_nets;
