//! Three-party protocols on additive shares.
//!
//! A protocol is a pair of functions over a [`Context`]: one for the two evaluators
//! ([`Evaluator`], the model owner P0 and the data owner P1, who hold shares) and one for the
//! crypto producer P2 ([`Dealer`], who holds none: there is no way to hand it one). Beside them
//! stand the protocol's [`Cost`] (what it sends, to the byte and the phase), its ideal
//! functionality and the published closed form.
//!
//! Nothing here knows of sockets, files or clocks: messages leave through a [`Transport`].

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
