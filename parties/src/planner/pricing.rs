//! The cost of activation plans, for one image.

use nets::{ActivationPlan, Graph, Output, SuiteName};
use serde::{Deserialize, Serialize};

use crate::{
    config::Protocol,
    error::{Error, Result},
    party::Task,
    report::LinkModel,
};

/// How plans of one network are priced: by what the ledger will count.
#[derive(Clone, Debug)]
pub(crate) struct Pricing {
    /// The original network.
    pub graph: Graph,
    /// The suite, and how it runs.
    pub suite: SuiteName,
    /// The config's; bounds are those of another network as soon as activations change.
    pub protocol: Protocol,
    /// The data owner's output.
    pub output: Output,
    /// The links, if the search minimises time rather than bytes.
    pub link: Option<LinkModel>,
}

/// The cost of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanCost {
    /// The quantity that the search minimises: seconds from query to result over the links, or else
    /// bytes.
    pub cost: f64,
    /// Bytes from the query on.
    pub online_bytes: u64,
    /// Bytes ahead of the query.
    pub offline_bytes: u64,
    /// Bytes once for a model.
    pub setup_bytes: u64,
    /// Phases.
    pub rounds: u64,
    /// One-way latencies that a run waits for.
    pub critical_path: u32,
    /// From the query to the result over the links, computing left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online_seconds: Option<f64>,
}

impl Pricing {
    /// The network under a plan, as it runs.
    ///
    /// # Errors
    /// Any error of [`ActivationPlan::apply`], and bounds that do not fit.
    pub(crate) fn task(&self, plan: &ActivationPlan) -> Result<Task> {
        let wrong = |error: nets::Error| Error::Run(error.to_string());
        let graph = plan.apply(&self.graph).map_err(wrong)?;
        Task::new(graph, self.output, &self.protocol, Some(self.suite), wrong)
    }

    /// The cost of a plan.
    ///
    /// # Errors
    /// As [`Pricing::task`].
    pub(crate) fn cost(&self, plan: &ActivationPlan) -> Result<PlanCost> {
        let totals = self.task(plan)?.cost(1)?.totals();
        let online = totals.online_links();
        let bytes = |links: protocols::Links| links.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let online_bytes = bytes(online);
        let online_seconds = self.link.map(|link| link.estimate("custom", &totals).online_seconds);
        Ok(PlanCost {
            cost: online_seconds.unwrap_or(online_bytes as f64),
            online_bytes,
            offline_bytes: bytes(totals.offline_links),
            setup_bytes: bytes(totals.setup_links),
            rounds: totals.rounds,
            critical_path: totals.critical_path,
            online_seconds,
        })
    }
}
