//! Networks: what they compute, their weights, what they cost in private, and how three parties
//! evaluate them.
//!
//! Rooms, lowest first: each imports rooms above it in this table alone.
//!
//! | room | what it holds |
//! |---|---|
//! | [`shapes`], [`ranges::Range`], `uniform` | sizes, intervals, numbers from a seed |
//! | [`error`], [`functions`] | errors; non-linear functions, one file each |
//! | [`graph`], [`output`], [`SuiteName`] | the public architecture, without weights; names |
//! | [`weights`], [`zoo`], [`cost`], `workload` | weights from a file to ring elements: the model owner's secret; architectures by name; bytes and rounds of every layer; single operations |
//! | [`reference`](mod@reference), [`plans`], [`onnx`] | the network in clear; plans that exchange activations; networks from ONNX files |
//! | [`ranges`] | how large values get, by intervals and by samples |
//! | [`suites`] | a protocol suite each: cost, reference, fit, executor, benches |
//! | [`bench`], [`published`] | single operations, to be measured; published figures beside what the same takes here |
//!
//! To add a layer: a variant of [`graph::Op`], whose matches the compiler then lists. A function: a
//! file in [`functions`] and a line in its registry. A network: a file in [`zoo`]. Nothing here
//! knows of sockets.

pub mod bench;
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

pub use bench::{Bench, Operation};
pub use cost::{LayerCost, NetworkCost};
pub use error::{Error, Result};
pub use graph::{Graph, GraphBuilder, Node, NodeId, Op, Order};
pub use output::Output;
pub use plans::ActivationPlan;
pub use published::System;
pub use shapes::{Dims, ShapeProblem};
pub use suites::{Suite, SuiteName, dealer::PublicBounds};
pub use weights::{EncodedModel, Model, Weights};

#[cfg(test)]
mod test_nets;
