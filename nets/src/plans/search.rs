//! The basis of a search for activation plans: the activations that a plan may change, the
//! importance of their channels, the Pareto front of plans that were tried, and ranked plans, which
//! need no training.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    activation_plan::{ActivationPlan, Replacement},
    names::{Channels, FunctionName},
};
use crate::{
    graph::{Activation, Graph, NodeId, leading},
    weights::Weights,
    zoo::Pool,
};

/// An activation that a plan may change: a ReLU or a ReLU6.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Site {
    /// The layer.
    pub name: String,
    /// The name of its function.
    pub kind: &'static str,
    /// The number of channels.
    pub channels: usize,
    /// The number of leading channels that have the activation; the others pass unchanged.
    pub active: usize,
    /// The number of values of one channel in one image.
    pub values: usize,
    /// The linear layer before it, whose output channels are its channels.
    pub before: Option<String>,
}

/// The activations that a plan may change, in the order of the layers.
pub fn sites(graph: &Graph) -> Vec<Site> {
    let site = |id: NodeId| {
        let node = graph.node(id);
        let (kind, ratio) = match node.op.activation()? {
            Activation::Leading { kind, ratio } => (*kind, *ratio),
            // A plan has been applied to the layer already.
            Activation::Runs(_) => return None,
        };
        if !kind.function().is_rectifier() {
            return None;
        }
        let dims = graph.dims(id);
        let input = graph.node(node.inputs[0]);
        Some(Site {
            name: node.name.clone(),
            kind: kind.name(),
            channels: dims.channels,
            active: leading(ratio, dims.channels),
            values: dims.plane(),
            before: input.op.linear().map(|_| input.name.clone()),
        })
    };
    graph.ids().filter_map(site).collect()
}

/// The names of the max pools, which a plan may exchange for average pools.
pub fn pools(graph: &Graph) -> Vec<String> {
    let max_pools = graph.nodes().iter().filter(|node| node.op.max_pool().is_some());
    max_pools.map(|node| node.name.clone()).collect()
}

/// The importance of each channel of a site that has the activation: the L1 norm of its weights in
/// the linear layer before (Li et al., 2017), relative to the largest norm. Without such a layer,
/// all channels are equally important.
pub fn importance(weights: &Weights, site: &Site) -> Vec<f64> {
    let tensor = site.before.as_ref().and_then(|layer| weights.suffixed(layer, "weight"));
    let Some(tensor) = tensor.filter(|tensor| tensor.len() >= site.channels) else {
        return vec![1.0; site.active];
    };
    let rows = tensor.chunks(tensor.len() / site.channels).take(site.active);
    let norms: Vec<f64> = rows.map(|row| row.iter().map(|weight| weight.abs()).sum()).collect();
    let largest = norms.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    norms.into_iter().map(|norm| norm / largest).collect()
}

/// Plans from the unchanged network to one without activations, in `points` steps of equal cost.
/// Each step removes the channels, and averages the pools, whose importance is smallest relative to
/// what they save. `cost` returns the cost of a plan in any unit. The plans need no training, so
/// their accuracy is unknown.
///
/// # Errors
/// The errors of `cost`.
pub fn ranked<E>(
    graph: &Graph,
    weights: &Weights,
    points: usize,
    mut cost: impl FnMut(&ActivationPlan) -> Result<f64, E>,
) -> Result<Vec<ActivationPlan>, E> {
    let sites = sites(graph);
    let unchanged = cost(&ActivationPlan::default())?;
    let mut parts = Vec::new();
    for (place, site) in sites.iter().enumerate() {
        let whole = Parts {
            channels: BTreeMap::from([(place, (0..site.active).collect())]),
            ..Parts::default()
        };
        let saved = (unchanged - cost(&whole.plan(&sites))?) / site.active as f64;
        for (channel, importance) in importance(weights, site).into_iter().enumerate() {
            parts.push((Part::Channel(place, channel), saved, importance));
        }
    }
    for pool in pools(graph) {
        let whole = Parts { pools: vec![pool.clone()], ..Parts::default() };
        // Averaging changes all channels a little: a pool counts like the most important channel.
        parts.push((Part::Pool(pool), unchanged - cost(&whole.plan(&sites))?, 1.0));
    }
    parts.retain(|(_, saved, _)| *saved > 0.0);
    parts.sort_by(|(_, saved, importance), (_, other_saved, other_importance)| {
        (importance * other_saved).total_cmp(&(other_importance * saved))
    });
    let total: f64 = parts.iter().map(|(_, saved, _)| saved).sum();
    let mut plans = vec![ActivationPlan::default()];
    let (mut exchanged, mut saved_so_far) = (Parts::default(), 0.0);
    for (place, (part, saved, _)) in parts.iter().enumerate() {
        exchanged.push(part.clone());
        saved_so_far += saved;
        let step = total * plans.len() as f64 / points as f64;
        if saved_so_far >= step || place + 1 == parts.len() {
            plans.push(exchanged.plan(&sites));
        }
    }
    Ok(plans)
}

/// The Pareto front of points (cost, quality): the indices of those for which no other point is
/// both at most as costly and at least as good. They are ordered from the most to the least costly;
/// of equal points, only the first is on the front.
pub fn pareto_front(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| {
        let ((cost, good), (other_cost, other_good)) = (points[a], points[b]);
        cost.total_cmp(&other_cost).then(other_good.total_cmp(&good))
    });
    let mut best = f64::NEG_INFINITY;
    order.retain(|&place| {
        let better = points[place].1 > best;
        best = best.max(points[place].1);
        better
    });
    order.reverse();
    order
}

/// A part of a network that a plan exchanges.
#[derive(Clone, Debug)]
enum Part {
    /// The index of a site and one of its channels, whose activation is removed.
    Channel(usize, usize),
    /// A max pool, which becomes an average pool.
    Pool(String),
}

/// The parts that a plan exchanges.
#[derive(Clone, Debug, Default)]
struct Parts {
    /// The channels of each site, by its index.
    channels: BTreeMap<usize, Vec<usize>>,
    pools: Vec<String>,
}

impl Parts {
    fn push(&mut self, part: Part) {
        match part {
            Part::Channel(site, channel) => self.channels.entry(site).or_default().push(channel),
            Part::Pool(pool) => self.pools.push(pool),
        }
    }

    /// The plan that exchanges these parts.
    fn plan(&self, sites: &[Site]) -> ActivationPlan {
        let none = FunctionName::new(None);
        let activation = |(&place, channels): (&usize, &Vec<usize>)| {
            let mut channels = channels.clone();
            channels.sort_unstable();
            let replacement = if channels.len() == sites[place].channels {
                Replacement::Whole(none)
            } else {
                Replacement::Channels(BTreeMap::from([(none, Channels::new(channels))]))
            };
            (sites[place].name.clone(), replacement)
        };
        ActivationPlan {
            activations: self.channels.iter().map(activation).collect(),
            pools: self.pools.iter().map(|pool| (pool.clone(), Pool::Avg)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::{Error, Result},
        graph::Dims,
        test_nets,
        zoo::{self, Options, Published, Ratios},
    };

    fn squeezenet() -> Graph {
        zoo::build("squeezenet", &Options::new(Dims::new(1, 28, 28), 10)).unwrap()
    }

    fn bytes(graph: &Graph, plan: &ActivationPlan) -> Result<f64> {
        Ok(test_nets::securenn_cost(&plan.apply(graph)?).totals().bytes as f64)
    }

    #[test]
    fn every_relu_is_a_site() {
        let graph = squeezenet();
        let sites = sites(&graph);
        // Three in each of eight Fire modules, and two outside.
        assert_eq!(sites.len(), 3 * 8 + 2);
        assert_eq!(sites[0].before.as_deref(), Some("features.0"));
        assert_eq!((sites[0].channels, sites[0].active, sites[0].values), (96, 96, 28 * 28));
        assert_eq!(pools(&graph), ["features.2", "features.6", "features.11"]);

        let ratios = Ratios::published(Published::SqueezeNet, "0.5-1", graph.input()).unwrap();
        let options = Options { ratios: Some(ratios), ..Options::new(graph.input(), 10) };
        let partial = super::sites(&zoo::build("squeezenet", &options).unwrap());
        assert_eq!((partial[1].channels, partial[1].active), (16, 8));
    }

    #[test]
    fn channels_matter_by_the_norm_of_their_weights() {
        let graph = squeezenet();
        let weights = Weights::random(&graph, 1);
        let site = &sites(&graph)[1];
        let norms = importance(&weights, site);
        assert_eq!(norms.len(), site.active);
        assert_eq!(norms.iter().copied().fold(0.0, f64::max), 1.0);
        let first: f64 = weights.suffixed("features.3.squeeze", "weight").unwrap()[..96]
            .iter()
            .map(|w| w.abs())
            .sum();
        let second: f64 = weights.suffixed("features.3.squeeze", "weight").unwrap()[96..192]
            .iter()
            .map(|w| w.abs())
            .sum();
        assert!((norms[0] / norms[1] - first / second).abs() < 1e-12);
        let elsewhere = Site { before: None, ..site.clone() };
        assert_eq!(importance(&weights, &elsewhere), vec![1.0; site.active]);
    }

    #[test]
    fn ranked_plans_get_cheaper_in_even_steps() {
        let graph = squeezenet();
        let weights = Weights::random(&graph, 1);
        let plans = ranked(&graph, &weights, 8, |plan| bytes(&graph, plan)).unwrap();
        assert_eq!(plans.len(), 9);
        assert_eq!(plans[0], ActivationPlan::default());
        let costs: Vec<f64> = plans.iter().map(|plan| bytes(&graph, plan).unwrap()).collect();
        let step = (costs[0] - costs[8]) / 8.0;
        for (place, pair) in costs.windows(2).enumerate() {
            let off = (pair[0] - pair[1]) / step - 1.0;
            assert!(off.abs() < 0.5, "{place}: {off}");
        }
        let last = plans[8].apply(&graph).unwrap();
        assert!(sites(&last).is_empty() && pools(&last).is_empty());
        let failing = ranked(&graph, &weights, 8, |_| Err(Error::Plan { what: "no".into() }));
        assert!(failing.is_err());
    }

    #[test]
    fn the_pareto_front_has_what_nothing_dominates() {
        let points = [(10.0, 0.9), (5.0, 0.8), (5.0, 0.85), (7.0, 0.85), (3.0, 0.1), (12.0, 0.9)];
        assert_eq!(pareto_front(&points), [0, 2, 4]);
        assert_eq!(pareto_front(&[]), [] as [usize; 0]);
        assert_eq!(pareto_front(&[(1.0, 0.5), (1.0, 0.5)]), [0]);
    }

    /// Sections 4.6, A.2.1 and A.2.2 of Shafran et al.: each design step as a plan, and the
    /// percentages of bits and rounds that it saves.
    #[test]
    fn the_published_design_steps_are_plans_with_their_published_savings() {
        let graph = |net| zoo::build(net, &Options::new(Dims::new(3, 32, 32), 10)).unwrap();
        let paper = |graph: &Graph| test_nets::securenn_cost(graph).totals().paper;
        let check = |graph: &Graph, plan: &ActivationPlan, bits, rounds: Option<f64>| {
            let (before, after) = (paper(graph), paper(&plan.apply(graph).unwrap()));
            let close = |before: f64, after: f64, published: f64| {
                let got = 100.0 * (1.0 - after / before);
                assert!((got - published).abs() < 0.15, "{got} {published}");
            };
            close(before.bits, after.bits, bits);
            if let Some(rounds) = rounds {
                close(before.rounds as f64, after.rounds as f64, rounds);
            }
        };

        let squeezenet = graph("squeezenet");
        let first = |site: &Site| site.name.ends_with("squeeze_act");
        let second = |site: &Site| site.name.contains("expand");
        let mut plan = ActivationPlan::default();
        keep(&mut plan, &squeezenet, first, 0.0, None);
        check(&squeezenet, &plan, 5.26, Some(20.36));
        keep(&mut plan, &squeezenet, second, 0.5, None);
        check(&squeezenet, &plan, 26.39, Some(20.36));
        plan.pools = pools(&squeezenet).into_iter().map(|pool| (pool, Pool::Avg)).collect();
        check(&squeezenet, &plan, 54.41, Some(40.97));

        let shufflenet = graph("shufflenet-v2");
        let first = |site: &Site| site.name.ends_with("branch2.2");
        let second =
            |site: &Site| site.name.ends_with("branch1.4") || site.name.ends_with("branch2.7");
        let mut plan = ActivationPlan::default();
        keep(&mut plan, &shufflenet, second, 0.0, None);
        check(&shufflenet, &plan, 29.71, Some(39.26));
        keep(&mut plan, &shufflenet, first, 0.5, None);
        check(&shufflenet, &plan, 49.41, Some(39.26));

        let mobilenet = graph("mobilenet-v2");
        // The first block expands nothing and has a second activation alone.
        let first =
            |site: &Site| site.name.ends_with("conv.0.2") && !site.name.contains("features.1.");
        let second = |site: &Site| site.name.contains(".conv.") && !first(site);
        let mut halves = ActivationPlan::default();
        keep(&mut halves, &mobilenet, |site| first(site) || second(site), 0.5, None);
        check(&mobilenet, &halves, 43.6, None);
        let mut plan = ActivationPlan::default();
        keep(&mut plan, &mobilenet, first, 0.0, None);
        check(&mobilenet, &plan, 47.9, Some(39.8));
        keep(&mut plan, &mobilenet, second, 0.5, None);
        check(&mobilenet, &plan, 67.6, Some(39.8));
        keep(&mut plan, &mobilenet, second, 0.5, Some("relu"));
        keep(&mut plan, &mobilenet, |site| !site.name.contains(".conv."), 1.0, Some("relu"));
        check(&mobilenet, &plan, 79.0, Some(63.4));
    }

    /// Keeps the activation of the leading channels of some sites, unchanged or as another kind.
    fn keep(
        plan: &mut ActivationPlan,
        graph: &Graph,
        is_chosen: impl Fn(&Site) -> bool,
        ratio: f64,
        kind: Option<&str>,
    ) {
        for site in sites(graph).iter().filter(|site| is_chosen(site)) {
            let kept = (ratio * site.channels as f64).ceil() as usize;
            let mut functions = BTreeMap::new();
            if let Some(kind) = kind {
                functions.insert(kind.parse().unwrap(), Channels::new(0..kept));
            }
            if kept < site.channels {
                functions.insert(FunctionName::new(None), Channels::new(kept..site.channels));
            }
            plan.activations.insert(site.name.clone(), Replacement::Channels(functions));
        }
    }
}
