//! Networks: what they compute, their weights, what they cost in private, and how three parties
//! evaluate them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`graph`], [`builder`] | the public architecture, without weights |
//! | [`zoo`] | architectures by name |
//! | [`mod@exchange`] | plans that exchange a network's activations and pools for cheaper ones |
//! | [`planner`] | what a search for such plans needs to know |
//! | [`onnx`] | architecture and weights from an ONNX file |
//! | [`weights`], [`model`] | weights from a file; batch norm folded, then encoded: the model owner's secret |
//! | [`mod@reference`], [`bounds`] | the network in clear, and how far the secure result may be from it |
//! | [`ranges`], [`public_bounds`] | how large values get, by intervals and by samples, and what the others are told of it |
//! | [`headroom`] | whether they fit the ring, and with how many fractional bits |
//! | [`cost`] | bytes and rounds of every layer, from shapes alone |
//! | [`tables`] | the published cost tables, computed anew |
//! | [`systems`] | what other systems published, beside what the same takes here |
//! | [`output`] | whether the data owner learns logits or a label |
//! | [`order`] | whether layers run one after the other or side by side |
//! | [`secure`] | the executor, one function for the evaluators and one for the crypto producer |
//! | [`operation`] | single operations, to be measured |
//!
//! To add a layer: a variant of [`graph::Op`], whose matches the compiler then lists. To add a
//! network: a file in [`zoo`]. Nothing here knows of sockets.

pub mod bench;
pub mod cost;
pub mod error;
pub mod graph;
pub mod onnx;
pub mod output;
pub mod plans;
pub mod published;
pub mod ranges;
pub mod reference;
pub mod suites;
pub mod weights;
pub mod zoo;

pub use bench::{Bench, Operation};
pub use cost::{LayerCost, NetworkCost};
pub use error::{Error, Result, ShapeProblem};
pub use graph::builder::GraphBuilder;
pub use graph::walk::Order;
pub use graph::{Dims, Graph, Node, NodeId, Op};
pub use output::Output;
pub use plans::activation_plan::Exchange;
pub use published::systems::System;
pub use suites::dealer::public_bounds::PublicBounds;
pub use suites::name::Suite;
pub use suites::securenn::run::EvaluatorInputs;
pub use weights::Weights;
pub use weights::model::{EncodedModel, Model};

#[cfg(test)]
mod test_nets;
