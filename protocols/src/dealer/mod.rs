//! The `dealer` suite: P0 knows the weights, P1 the query and the masks, and P2 deals ahead of the
//! query. Semi-honest security against one corrupted party, as in [`crate::securenn`], for a tenth
//! of the bytes.
//!
//! The split into a preprocessing and an online phase is that of Mishra, Lehmkuhl, Srinivasan,
//! Zheng and Popa, "Delphi: A Cryptographic Inference Service for Neural Networks" (USENIX Security
//! 2020), section 4, with its homomorphic encryption and garbled circuits replaced by correlated
//! randomness from P2, **who receives nothing and takes no part in the online phase**. Everything
//! is exact but for the coin of a truncation.
//!
//! A wire x of Z_{2^l} is z = x - r at P0 and r at P1 and P2. Sums, concatenation, shuffles and
//! sums of windows are local. l is chosen layer by layer, and elements travel packed at l bits.
//!
//! | protocol | ahead | online messages |
//! |---|---|---|
//! | [`linear`]: convolutions, fully connected layers | D once; e, c | none |
//! | [`gadget`] with a [`Function`] | tables, shares; D of a polynomial, once | 2 |
//! | [`maxpool`] over n values | the same, for each level | 2 ceil(log2 n) |
//! | [`argmax`] of K values | the same, and one share | 2 ceil(log2 K) + 1 |
//! | [`reveal`]: input, output | | 1 |
//!
//! | message | masked by |
//! |---|---|
//! | D: P0 -> P1 | A, which P1 does not know |
//! | x - r of the input, P1's shares minus r: P1 -> P0 | r, fresh, which P0 does not know |
//! | e: P1 -> P0 | z', fresh for every layer and query |
//! | c: P2 -> P0 | v, known to P1 and P2 |
//! | tables and shares: P2 -> P0 | pads and shares known to P1 and P2 |
//! | T: P0 -> P1 | q, fresh for every value opened, known to P0 and P2 |
//! | the encodings: P0 -> P1 | bits of P2: uniform given the masked sign ([`chain`]) |
//! | masked signs: P1 -> P0 | bits of P2 |
//! | the last u, or of a label its own bits only: P0 -> P1 | nothing: it is the result |
//!
//! P1 never learns A, q, c or the masks of signs; P0 never learns r, z' or tau. P1 and P2 together
//! know the weights, P0 and P2 the query: that they do not collude is what the suite rests on.
//! Every mask is drawn once: its stream is named by the session and the step, and material is
//! consumed by move.

pub mod argmax;
pub mod chain;
pub mod gadget;
pub mod gate;
pub mod linear;
pub mod maxpool;
pub mod polynomial;
pub mod power;
pub mod relu;
pub mod reveal;
pub mod sign;
pub mod spline;
pub mod truncation;

pub use gadget::Function;
pub use gate::Gate;
pub use linear::{Mask, WeightKey};
pub use polynomial::Polynomial;
pub use power::{Cube, Square};
pub use relu::Relu;
pub use sign::{Drelu, Sign};
pub use truncation::Truncation;
