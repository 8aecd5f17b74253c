//! Directions and circles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who depends on whom, each with one place that shows it.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: BTreeMap<String, BTreeMap<String, String>>,
}

impl Graph {
    /// Adds a dependency. Of several between the same two the first is shown.
    pub(crate) fn add(&mut self, from: &str, to: &str, place: String) {
        let edges = self.edges.entry(from.to_owned()).or_default();
        edges.entry(to.to_owned()).or_insert(place);
    }

    /// Removes a dependency, or with `from::*` those of all nodes below one; whether there was any.
    pub(crate) fn remove(&mut self, from: &str, to: &str) -> bool {
        let matches = |node: &str| match from.strip_suffix('*') {
            Some(prefix) => node.starts_with(prefix),
            None => node == from,
        };
        let edges = self.edges.iter_mut().filter(|(node, _)| matches(node));
        edges.filter_map(|(_, edges)| edges.remove(to)).count() > 0
    }

    /// All dependencies as (from, to, place).
    pub(crate) fn edges(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let all = self.edges.iter();
        all.flat_map(|(from, edges)| {
            edges.iter().map(move |(to, place)| (&**from, &**to, &**place))
        })
    }

    /// The lowest levels on which nodes can stand, each above all that it depends on; none if there
    /// are circles.
    pub(crate) fn levels<'a>(&self, nodes: &[&'a str]) -> Option<Vec<Vec<&'a str>>> {
        let mut levels: Vec<Vec<&str>> = Vec::new();
        let mut left: Vec<&str> = nodes.to_vec();
        while !left.is_empty() {
            let is_free = |node: &&str| {
                let edges = self.edges.get(*node);
                edges.is_none_or(|edges| !edges.keys().any(|to| left.contains(&to.as_str())))
            };
            let (free, others): (Vec<_>, Vec<_>) = left.iter().partition(|node| is_free(node));
            if free.is_empty() {
                return None;
            }
            levels.push(free);
            left = others;
        }
        Some(levels)
    }

    /// Every circle's nodes and places, a shortest one through each node that lies on any and on
    /// none before.
    pub(crate) fn circles(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for start in self.edges.keys() {
            if seen.contains(start) {
                continue;
            }
            let Some(nodes) = self.circle_through(start) else { continue };
            let steps = nodes.iter().zip(nodes.iter().cycle().skip(1));
            let places =
                steps.map(|(from, to)| format!("\n    {from} -> {to}: {}", self.edges[from][to]));
            let names: Vec<&str> = nodes.iter().chain(nodes.first()).map(|node| &**node).collect();
            circles.push(format!("circle {}{}", names.join(" -> "), places.collect::<String>()));
            seen.extend(nodes);
        }
        circles
    }

    /// The nodes of a shortest way from a node to itself.
    fn circle_through(&self, start: &String) -> Option<Vec<String>> {
        let mut before: BTreeMap<&String, &String> = BTreeMap::new();
        let mut left = VecDeque::from([start]);
        while let Some(node) = left.pop_front() {
            for next in self.edges.get(node).into_iter().flat_map(BTreeMap::keys) {
                if next == start {
                    let mut nodes = vec![node.clone()];
                    while let Some(&previous) = before.get(&nodes[nodes.len() - 1]) {
                        nodes.push(previous.clone());
                    }
                    nodes.reverse();
                    return Some(nodes);
                }
                if !before.contains_key(next) {
                    before.insert(next, node);
                    left.push_back(next);
                }
            }
        }
        None
    }
}

mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        edges.iter().for_each(|(from, to)| graph.add(from, to, format!("{from}.rs:1")));
        graph
    }

    #[test]
    fn circles_are_shown_with_their_places() {
        assert_eq!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]).circles(), [""; 0]);
        let circles = graph(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]).circles();
        let expected = "circle b -> c -> b\n    b -> c: b.rs:1\n    c -> b: c.rs:1".to_owned();
        assert_eq!(circles, [expected]);
        assert_eq!(graph(&[("a", "a")]).circles().len(), 1);
    }

    #[test]
    fn the_shortest_circle_is_shown() {
        let edges = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"), ("c", "a")];
        assert!(graph(&edges).circles()[0].starts_with("circle a -> b -> c -> a\n"));
    }

    #[test]
    fn a_dependency_can_be_taken_out() {
        let mut one = graph(&[("a", "b"), ("b", "a")]);
        assert!(one.remove("b", "a") && !one.remove("b", "a"));
        assert!(one.circles().is_empty());
        assert_eq!(one.edges().collect::<Vec<_>>(), [("a", "b", "a.rs:1")]);

        let mut heads = graph(&[("a::x", "a"), ("a::y", "a"), ("ab", "a"), ("a", "a::x")]);
        assert!(heads.remove("a::*", "a"));
        assert_eq!(heads.edges().map(|(from, _, _)| from).collect::<Vec<_>>(), ["a", "ab"]);
    }

    #[test]
    fn levels_are_as_low_as_can_be() {
        let tree = graph(&[("b", "a"), ("c", "b"), ("d", "a")]);
        let expected = vec![vec!["a", "e"], vec!["b", "d"], vec!["c"]];
        assert_eq!(tree.levels(&["a", "b", "c", "d", "e"]), Some(expected));
        assert_eq!(graph(&[("a", "b"), ("b", "a")]).levels(&["a", "b"]), None);
    }
}
