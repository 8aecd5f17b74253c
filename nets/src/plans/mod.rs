//! Plans that exchange a network's activations and pools for cheaper ones.
//!
//! | file | what it holds |
//! |---|---|
//! | `activation_plan` | a plan, layer by layer and channel by channel |
//! | `search` | what a search for plans needs to know of a network, and plans without training |

mod activation_plan;
mod search;

pub use activation_plan::{ActivationPlan, Channels, FunctionName, Replacement};
pub use search::{Site, importance, pareto_front, pools, ranked, sites};
