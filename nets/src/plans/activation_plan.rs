//! Activation plans, which exchange the activations and pools of any network for cheaper ones,
//! layer by layer and channel by channel.
//!
//! A plan is a file that names layers of a graph, in TOML or JSON:
//!
//! ```toml
//! [activations]
//! relu1 = "square"                                     # the whole layer
//! relu2 = { polynomial-2 = "0-15,20", none = "21" }    # these channels; the rest is unchanged
//!
//! [pools]
//! pool1 = "avg"
//! ```
//!
//! Layers that it does not name are unchanged. An activation that is removed on all channels is no
//! longer a layer. Plans are part of the architecture, so they are public; the coefficients of
//! polynomials are weights.

use std::{collections::BTreeMap, fmt, marker::PhantomData, ops::RangeInclusive, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};

use crate::{
    error::{Error, Result},
    graph::{Activation, ActivationKind, Graph, GraphBuilder, MAX_MIXED, Node, NodeId, Op, Run},
    zoo::Pool,
};

/// The layers to exchange, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationPlan {
    /// Activations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "once")]
    pub activations: BTreeMap<String, Replacement>,
    /// Max pools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "once")]
    pub pools: BTreeMap<String, Pool>,
}

/// The replacement of an activation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Replacement {
    /// One function on all channels.
    Whole(FunctionName),
    /// Functions on some of the channels; the other channels keep theirs.
    Channels(BTreeMap<FunctionName, Channels>),
}

/// The name of a function of [`ActivationKind::all`] (`leaky-relu` has a slope of 0.1), or `none`
/// for values that pass unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName(usize);

/// A list of channels, counted from 0, such as `0-15,20`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channels(Vec<RangeInclusive<usize>>);

impl ActivationPlan {
    /// The network with the layers of this plan exchanged.
    ///
    /// # Errors
    /// [`Error::Plan`] for a layer or a channel that does not exist, or a channel that is named
    /// twice; [`Error::Node`] for a window that cannot be averaged.
    pub fn apply(&self, graph: &Graph) -> Result<Graph> {
        self.check(graph)?;
        let mut net = GraphBuilder::new(graph.name(), graph.input())?;
        let mut places = vec![net.input()];
        for id in graph.ids().skip(1) {
            let node = graph.node(id);
            let inputs: Vec<NodeId> =
                node.inputs.iter().map(|input| places[input.index()]).collect();
            let first = inputs.first().copied();
            let place = match self.exchange(graph, id)? {
                Some(op) => net.push(Node { op, inputs, ..node.clone() })?,
                None => first.expect("an activation has an input"),
            };
            places.push(place);
        }
        net.finish(places[graph.output().index()])
    }

    /// The operation that a layer has by this plan; `None` for an activation that is removed.
    fn exchange(&self, graph: &Graph, id: NodeId) -> Result<Option<Op>> {
        let node = graph.node(id);
        let unchanged = || Ok(Some(node.op.clone()));
        match &node.op {
            Op::Activation(activation) => match self.activations.get(&node.name) {
                Some(replacement) => {
                    let channels = graph.dims(id).channels;
                    Ok(replacement.apply(node, activation, channels)?.map(Op::Activation))
                }
                None => unchanged(),
            },
            Op::MaxPool(window) => match self.pools.get(&node.name) {
                Some(Pool::Avg) => Ok(Some(Op::AvgPool((*window).into()))),
                Some(Pool::Max) | None => unchanged(),
            },
            Op::Input
            | Op::Linear(_)
            | Op::AvgPool(_)
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Shuffle { .. }
            | Op::Reshape(_) => unchanged(),
        }
    }

    fn check(&self, graph: &Graph) -> Result<()> {
        let is_activation = |op: &Op| op.activation().is_some();
        check_names(graph, self.activations.keys(), "activation", is_activation)?;
        check_names(graph, self.pools.keys(), "max pool", |op| op.max_pool().is_some())
    }
}

impl Replacement {
    /// The activation that replaces one on this number of channels; `None` if all values pass
    /// unchanged.
    fn apply(
        &self,
        node: &Node,
        activation: &Activation,
        channels: usize,
    ) -> Result<Option<Activation>> {
        let functions = match self {
            Replacement::Whole(function) => {
                return Ok(function.kind().map(Activation::full));
            }
            Replacement::Channels(functions) => functions,
        };
        let layer = &node.name;
        if channels > MAX_MIXED {
            let what = format!(
                "the layer '{layer}' has more than {MAX_MIXED} channels: name it as a whole"
            );
            return Err(Error::Plan { what });
        }
        let mut kinds = vec![None; channels];
        for portion in activation.portions(channels) {
            portion.channels.into_iter().flatten().for_each(|place| kinds[place] = portion.kind);
        }
        let mut named = vec![false; channels];
        for (function, list) in functions {
            for channel in list.iter() {
                let wrong = |what| {
                    let what = format!("channel {channel} of the layer '{layer}' {what}");
                    Error::Plan { what }
                };
                match named.get_mut(channel) {
                    None => {
                        let last = channels - 1;
                        return Err(wrong(format!("does not exist: they are 0-{last}")));
                    }
                    Some(true) => return Err(wrong("is named twice".into())),
                    Some(first) => *first = true,
                }
                kinds[channel] = function.kind();
            }
        }
        Ok(simplest(&kinds))
    }
}

/// The simplest activation with these functions, channel by channel; `None` if all values pass
/// unchanged.
fn simplest(kinds: &[Option<ActivationKind>]) -> Option<Activation> {
    let mut runs: Vec<Run> = Vec::new();
    for &kind in kinds {
        match runs.last_mut() {
            Some(run) if run.kind == kind => run.channels += 1,
            _ => runs.push(Run { kind, channels: 1 }),
        }
    }
    match runs[..] {
        [Run { kind: None, .. }] => None,
        [Run { kind: Some(kind), .. }] => Some(Activation::full(kind)),
        [Run { kind: Some(kind), channels }, Run { kind: None, .. }] => {
            let ratio = channels as f64 / kinds.len() as f64;
            Some(Activation::Leading { kind, ratio })
        }
        _ => Some(Activation::Runs(runs)),
    }
}

/// Checks that each of these names is that of a layer whose operation fits.
fn check_names<'a>(
    graph: &Graph,
    names: impl Iterator<Item = &'a String>,
    what: &str,
    fits: impl Fn(&Op) -> bool,
) -> Result<()> {
    for name in names {
        let mut layers = graph.nodes().iter().filter(|node| fits(&node.op));
        if !layers.clone().any(|node| node.name == *name) {
            let some: Vec<&str> = layers.by_ref().take(8).map(|node| node.name.as_str()).collect();
            let rest = if layers.next().is_some() { " and so on" } else { "" };
            let what = if some.is_empty() {
                format!("there is no {what} '{name}': the net has none")
            } else {
                format!("there is no {what} '{name}': there are {}{rest}", some.join(", "))
            };
            return Err(Error::Plan { what });
        }
    }
    Ok(())
}

impl FunctionName {
    /// The function; `None` if values pass unchanged.
    pub fn kind(self) -> Option<ActivationKind> {
        ActivationKind::all().get(self.0).copied()
    }

    /// The text of the name.
    pub fn name(self) -> &'static str {
        self.kind().map_or(NONE, ActivationKind::name)
    }

    /// The name of a function with any parameters, or `none`.
    pub fn new(kind: Option<ActivationKind>) -> FunctionName {
        let kinds = ActivationKind::all();
        let has_name =
            |named: &ActivationKind| kind.is_some_and(|kind| kind.name() == named.name());
        FunctionName(kinds.iter().position(has_name).unwrap_or(kinds.len()))
    }

    /// All names of functions, and `none`.
    pub fn all() -> impl Iterator<Item = FunctionName> {
        (0..=ActivationKind::all().len()).map(FunctionName)
    }
}

/// The name for values that pass unchanged.
const NONE: &str = "none";

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FunctionName {
    type Err = Error;

    fn from_str(name: &str) -> Result<FunctionName> {
        let found = FunctionName::all().find(|function| function.name() == name);
        found.ok_or_else(|| Error::Unknown {
            what: "activation",
            name: name.to_owned(),
            known: FunctionName::all().map(|function| function.to_string()).collect(),
        })
    }
}

impl TryFrom<String> for FunctionName {
    type Error = Error;

    fn try_from(name: String) -> Result<FunctionName> {
        name.parse()
    }
}

impl From<FunctionName> for String {
    fn from(function: FunctionName) -> String {
        function.to_string()
    }
}

impl TryFrom<String> for Channels {
    type Error = Error;

    fn try_from(text: String) -> Result<Channels> {
        text.parse()
    }
}

impl From<Channels> for String {
    fn from(channels: Channels) -> String {
        channels.to_string()
    }
}

impl Channels {
    /// A list of these channels, which must ascend.
    pub fn new(channels: impl IntoIterator<Item = usize>) -> Channels {
        let mut ranges: Vec<RangeInclusive<usize>> = Vec::new();
        for channel in channels {
            match ranges.last_mut() {
                Some(last) if *last.end() + 1 == channel => *last = *last.start()..=channel,
                _ => ranges.push(channel..=channel),
            }
        }
        Channels(ranges)
    }

    /// The channels one by one.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().cloned().flatten()
    }
}

impl FromStr for Channels {
    type Err = Error;

    fn from_str(text: &str) -> Result<Channels> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last && last < MAX_MIXED).then_some(first..=last)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Channels).ok_or_else(|| Error::Plan {
            what: format!("'{text}' is no list of channels: write, for example, 0-15,20"),
        })
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// Not derived, as the errors of an untagged enum do not say what is wrong.
impl<'de> Deserialize<'de> for Replacement {
    fn deserialize<D: Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Replacement, D::Error> {
        struct OneOrSome;

        impl<'de> Visitor<'de> for OneOrSome {
            type Value = Replacement;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a function's name, or a table of functions and their channels")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<Replacement, E> {
                name.parse().map(Replacement::Whole).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                map: A,
            ) -> std::result::Result<Replacement, A::Error> {
                Once(PhantomData).visit_map(map).map(Replacement::Channels)
            }
        }

        deserializer.deserialize_any(OneOrSome)
    }
}

/// A table whose keys are unique: in JSON, a second value would silently replace the first.
fn once<'de, D, K, V>(deserializer: D) -> std::result::Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    deserializer.deserialize_map(Once(PhantomData))
}

struct Once<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Once<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<BTreeMap<K, V>, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<K, V>()? {
            let name = key.to_string();
            if entries.insert(key, value).is_some() {
                return Err(de::Error::custom(format_args!("'{name}' is there twice")));
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::leading;
    use crate::{graph::Dims, test_nets, zoo};

    fn plan(json: &str) -> ActivationPlan {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn published_plans_are_exchanges() {
        let input = Dims::new(1, 28, 28);
        for net in [zoo::Published::SqueezeNet, zoo::Published::MobileNetV2] {
            let build = |ratios| {
                let options = zoo::Options { ratios: Some(ratios), ..zoo::Options::new(input, 10) };
                zoo::build(net.name(), &options).unwrap()
            };
            let original = build(zoo::Ratios::original(net.kind()));
            let ours = build(zoo::Ratios::published(net, "ours", input).unwrap());
            let mut exchange = ActivationPlan::default();
            for id in original.ids() {
                let node = original.node(id);
                let channels = original.dims(id).channels;
                let kept = ours.find(&node.name).map(|id| ours.node(id).op.clone());
                match (&node.op, kept) {
                    (Op::Activation(_), None) => {
                        let none = Replacement::Whole("none".parse().unwrap());
                        exchange.activations.insert(node.name.clone(), none);
                    }
                    (
                        Op::Activation(_),
                        Some(Op::Activation(Activation::Leading { kind, ratio })),
                    ) => {
                        let active = leading(ratio, channels);
                        let mut functions = BTreeMap::new();
                        let all = FunctionName::new(Some(kind));
                        functions.insert(all, Channels::new(0..active));
                        if active < channels {
                            let none = FunctionName::new(None);
                            functions.insert(none, Channels::new(active..channels));
                        }
                        let functions = Replacement::Channels(functions);
                        exchange.activations.insert(node.name.clone(), functions);
                    }
                    (Op::MaxPool(_), Some(Op::AvgPool(_))) => {
                        exchange.pools.insert(node.name.clone(), Pool::Avg);
                    }
                    (op, kept) => assert!(kept.is_none_or(|kept| kept == *op), "{}", node.name),
                }
            }
            assert_eq!(exchange.apply(&original).unwrap().hash(), ours.hash(), "{}", net.name());
            let text = serde_json::to_string(&exchange).unwrap();
            assert_eq!(plan(&text), exchange);
        }
    }

    #[test]
    fn channels_are_mixed_and_the_rest_stays() {
        let graph = test_nets::digits_graph();
        let layer = graph.ids().find(|&id| graph.node(id).op.activation().is_some()).unwrap();
        let (name, channels) = (&graph.node(layer).name, graph.dims(layer).channels);
        let text =
            format!(r#"{{"activations": {{"{name}": {{"polynomial-2": "0,2", "none": "1"}}}}}}"#);
        let mixed = plan(&text).apply(&graph).unwrap();
        let Some(Activation::Runs(runs)) = mixed.node(layer).op.activation() else {
            panic!("a mix")
        };
        let kinds: Vec<_> = runs.iter().map(|run| FunctionName::new(run.kind).name()).collect();
        assert_eq!(kinds, ["polynomial-2", "none", "polynomial-2", "relu"]);
        assert_eq!(runs.iter().map(|run| run.channels).sum::<usize>(), channels);
        assert_eq!(ActivationPlan::default().apply(&graph).unwrap(), graph);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let graph = test_nets::tiny();
        for (text, expected) in [
            (r#"{"activations": {"relu9": "none"}}"#, "there is no activation 'relu9'"),
            (r#"{"pools": {"relu": "avg"}}"#, "there is no max pool 'relu'"),
            (r#"{"activations": {"relu": {"none": "0-900"}}}"#, "does not exist: they are 0-"),
            (
                r#"{"activations": {"relu": {"none": "0-1", "square": "1"}}}"#,
                "channel 1 of the layer 'relu' is named twice",
            ),
        ] {
            let error = plan(text).apply(&graph).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        for text in ["", "3-1", "a", "0-99999999999", "0-16000000", "1,,2"] {
            assert!(text.parse::<Channels>().is_err(), "{text}");
        }
        for (text, expected) in [
            (r#"{"activations": {"relu": "gelu"}}"#, "unknown activation 'gelu': use one of relu,"),
            (
                r#"{"activations": {"relu": {"gelu": "1"}}}"#,
                "unknown activation 'gelu': use one of",
            ),
            (r#"{"activations": {"relu": {"none": "x"}}}"#, "'x' is no list of channels"),
            (r#"{"activations": {"relu": 3}}"#, "expected a function's name, or a table"),
            (r#"{"activations": {"relu": "none", "relu": "cube"}}"#, "'relu' is there twice"),
            (r#"{"activations": {"relu": {"cube": "1", "cube": "2"}}}"#, "'cube' is there twice"),
            (r#"{"pools": {"pool": "min"}}"#, "unknown variant `min`"),
            (r#"{"pools": {"pool": "max", "pool": "avg"}}"#, "'pool' is there twice"),
        ] {
            let error = serde_json::from_str::<ActivationPlan>(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!("gelu".parse::<FunctionName>().unwrap_err().to_string().contains("polynomial-3"));
        assert_eq!(Channels::new([0, 1, 2, 5]).to_string(), "0-2,5");
    }
}
