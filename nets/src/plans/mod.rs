//! Activation plans, which exchange a network's activations and pools for cheaper ones.
//!
//! | file | what it holds |
//! |---|---|
//! | `activation_plan` | a plan, layer by layer and channel by channel, and its file |
//! | `search` | the basis of a search for plans: sites, importance, the Pareto front |

#![warn(clippy::wildcard_enum_match_arm)]

mod activation_plan;
mod search;

pub use activation_plan::{ActivationPlan, Channels, FunctionName, Replacement};
pub use search::{Site, importance, pareto_front, pools, ranked, sites};
