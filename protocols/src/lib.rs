//! Three-party protocols on additive shares.
//!
//! P0, the model owner, and P1, the data owner, evaluate; P2, the crypto producer, supplies
//! correlated randomness and has no input. Two suites, both with semi-honest security against one
//! corrupted party: in [`securenn`] P0 and P1 hold shares of everything and P2 deals as they go; in
//! [`dealer`] P0 knows the weights and P2 deals ahead of the query, for a tenth of the bytes.
//!
//! A protocol is a function for each party over a [`Context`], which says who the party is: an
//! [`Evaluator`] holds shares, and there is no way to hand one to a [`Dealer`]. Beside them stand
//! the protocol's [`Cost`] (what it sends, to the byte and the phase), its ideal functionality and
//! the published closed form. Nothing here knows of sockets, files or clocks: messages leave
//! through a [`Transport`].
//!
//! ```
//! use protocols::{
//!     securenn::{Elementwise, Relu},
//!     test_world::{TestWorld, share_for_tests},
//! };
//!
//! // P0 and P1 hold shares of -3 and 5; P2 knows how many values there are.
//! let x = [3u64.wrapping_neg(), 5];
//! let shares = share_for_tests(1, &x);
//! let run = TestWorld::new(1).layer(
//!     |ctx| Relu.evaluate(ctx, &shares[ctx.party().index()]),
//!     |ctx| Relu.deal(ctx, x.len()),
//! );
//! assert_eq!(run.open(), [0, 5]);
//! run.assert_cost(&Relu.cost(x.len()));
//! ```
//!
//! `examples/relu.rs` does it in both suites, over sessions with seeds that nobody else knows.
//!
//! # Modules
//!
//! Each imports from rows above it only.
//!
//! | module | holds |
//! |---|---|
//! | [`party`], [`step`] | who takes part; the names of the places in a run |
//! | [`error`], [`ledger`], [`prf`] | errors; bytes and phases as counted; random streams |
//! | [`cost`] | what a protocol will send, and what the literature says |
//! | [`share`], [`spline`], [`channels`], [`digits`], [`limits`] | values, in both suites |
//! | [`average`] | average pooling, which is local |
//! | [`transport`] | how messages travel; in memory, with a recorder and delays for tests |
//! | `state` | one party's side of a run |
//! | [`context`] | one party's side of a step |
//! | [`session`] | runs a party's steps, layer by layer |
//! | [`exchange`] | the bytes of a protocol without the protocol |
//! | [`securenn`], [`dealer`] | the suites, a file a protocol; neither knows the other |
//! | `test_world`, `samples` | three parties in one process; a sample of every function |
//!
//! The last row and a transport's recorder and delays are behind the feature `test-world`: whoever
//! knows a test seed knows every mask.
//!
//! # A new function
//!
//! An element-wise function is a file in [`securenn`] that implements [`securenn::Elementwise`],
//! one in [`dealer`] that implements [`dealer::Function`], and a line for each in `samples`, which
//! gives it all laws of `tests/suites` and a bench. A [`spline::Spline`] implements both already.

pub mod average;
pub mod channels;
pub mod context;
pub mod cost;
pub mod dealer;
pub mod digits;
pub mod error;
pub mod exchange;
pub mod ledger;
pub mod limits;
pub mod party;
pub mod prf;
#[cfg(any(test, feature = "test-world"))]
pub mod samples;
pub mod securenn;
pub mod session;
pub mod share;
pub mod spline;
mod state;
pub mod step;
#[cfg(any(test, feature = "test-world"))]
pub mod test_world;
pub mod transport;

pub use context::{Client, Context, Dealer, Evaluator, Producer, Server};
pub use cost::{Cost, Paper};
pub use error::{Error, Result};
pub use ledger::{LayerMeasurement, Links, Stage};
pub use party::{Link, Role};
pub use session::{Session, SessionOptions};
pub use share::Share;
pub use transport::Transport;
