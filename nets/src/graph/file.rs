//! The public file of a graph, version 1, in any format that serde supports.
//!
//! The operations of a file are those that graphs had when this version was made, so they are types
//! apart from [`Op`]. A graph that is read passes the builder's checks. A file that states no
//! version has version 1, the only one so far; other versions are refused by name.

use fixedpoint::Padding;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    architecture::{Graph, Node, NodeId},
    builder::GraphBuilder,
    op::{Activation, Average, Conv, Dense, Linear, Op, PaddingFields, Reshape, Run, Window},
};
use crate::{
    error::{Error, Result},
    functions::ActivationKind,
    shapes::Dims,
};

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphFile {
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    version: u32,
    name: String,
    input: Dims,
    nodes: Vec<NodeFile>,
    output: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    name: String,
    op: OpFile,
    inputs: Vec<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch_norm: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum OpFile {
    Input,
    Conv(Conv),
    Dense(Dense),
    Activation(LeadingFile),
    Mix(Vec<Run>),
    MaxPool(Window),
    AvgPool(WindowsFile),
    GlobalAvgPool,
    Add,
    Concat,
    Slice { start: usize, end: usize },
    Shuffle { groups: usize },
    Flatten,
    Reshape(Dims),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeadingFile {
    kind: ActivationKind,
    ratio: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowsFile {
    window: Window,
    #[serde(with = "PaddingFields")]
    counted: Padding,
}

fn first_version() -> u32 {
    VERSION
}

fn is_first_version(version: &u32) -> bool {
    *version == VERSION
}

impl Serialize for Graph {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let node = |node: &Node| NodeFile {
            name: node.name.clone(),
            op: OpFile::from(&node.op),
            inputs: node.inputs.iter().map(|input| input.index()).collect(),
            batch_norm: node.batch_norm.clone(),
        };
        let file = GraphFile {
            version: VERSION,
            name: self.name().to_owned(),
            input: self.input(),
            nodes: self.nodes().iter().map(node).collect(),
            output: self.output().index(),
        };
        file.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Graph {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Graph, D::Error> {
        GraphFile::deserialize(deserializer)?.build().map_err(de::Error::custom)
    }
}

impl GraphFile {
    fn build(self) -> Result<Graph> {
        let graph = || self.name.clone();
        if self.version != VERSION {
            let (graph, version) = (graph(), self.version);
            return Err(Error::GraphVersion { graph, version, known: VERSION });
        }
        let mut builder = GraphBuilder::new(&self.name, self.input)?;
        let mut nodes = self.nodes.into_iter().map(NodeFile::into_node);
        if nodes.next() != Some(Node::input()) {
            let what = "its first node is not the input";
            return Err(Error::Graph { graph: self.name, what });
        }
        for node in nodes {
            builder.push(node)?;
        }
        builder.finish(NodeId::new(self.output))
    }
}

impl NodeFile {
    fn into_node(self) -> Node {
        Node {
            name: self.name,
            op: self.op.into(),
            inputs: self.inputs.into_iter().map(NodeId::new).collect(),
            batch_norm: self.batch_norm,
        }
    }
}

impl From<&Op> for OpFile {
    fn from(op: &Op) -> OpFile {
        match op {
            Op::Input => OpFile::Input,
            Op::Linear(Linear::Conv(conv)) => OpFile::Conv(*conv),
            Op::Linear(Linear::Dense(dense)) => OpFile::Dense(*dense),
            &Op::Activation(Activation::Leading { kind, ratio }) => {
                OpFile::Activation(LeadingFile { kind, ratio })
            }
            Op::Activation(Activation::Runs(runs)) => OpFile::Mix(runs.clone()),
            Op::MaxPool(window) => OpFile::MaxPool(*window),
            &Op::AvgPool(Average::Windows { window, counted }) => {
                OpFile::AvgPool(WindowsFile { window, counted })
            }
            Op::AvgPool(Average::Channels) => OpFile::GlobalAvgPool,
            Op::Add => OpFile::Add,
            Op::Concat => OpFile::Concat,
            &Op::Slice { start, end } => OpFile::Slice { start, end },
            &Op::Shuffle { groups } => OpFile::Shuffle { groups },
            Op::Reshape(Reshape::Flat) => OpFile::Flatten,
            Op::Reshape(Reshape::Image(dims)) => OpFile::Reshape(*dims),
        }
    }
}

impl From<OpFile> for Op {
    fn from(file: OpFile) -> Op {
        match file {
            OpFile::Input => Op::Input,
            OpFile::Conv(conv) => Op::Linear(Linear::Conv(conv)),
            OpFile::Dense(dense) => Op::Linear(Linear::Dense(dense)),
            OpFile::Activation(LeadingFile { kind, ratio }) => {
                Op::Activation(Activation::Leading { kind, ratio })
            }
            OpFile::Mix(runs) => Op::Activation(Activation::Runs(runs)),
            OpFile::MaxPool(window) => Op::MaxPool(window),
            OpFile::AvgPool(WindowsFile { window, counted }) => {
                Op::AvgPool(Average::Windows { window, counted })
            }
            OpFile::GlobalAvgPool => Op::AvgPool(Average::Channels),
            OpFile::Add => Op::Add,
            OpFile::Concat => Op::Concat,
            OpFile::Slice { start, end } => Op::Slice { start, end },
            OpFile::Shuffle { groups } => Op::Shuffle { groups },
            OpFile::Flatten => Op::Reshape(Reshape::Flat),
            OpFile::Reshape(dims) => Op::Reshape(Reshape::Image(dims)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_nets;

    #[test]
    fn graphs_survive_json_and_bad_ones_do_not() {
        let graph = test_nets::everything();
        let text = serde_json::to_string(&graph).unwrap();
        let read: Graph = serde_json::from_str(&text).unwrap();
        assert_eq!(read, graph);
        assert_eq!(read.hash(), graph.hash());

        let mut value = serde_json::to_value(&graph).unwrap();
        value["nodes"][1]["inputs"][0] = 999.into();
        let error = serde_json::from_value::<Graph>(value).unwrap_err().to_string();
        assert!(error.contains("999"), "{error}");

        let mut value = serde_json::to_value(&graph).unwrap();
        value["nodes"][0]["op"] = "flatten".into();
        assert!(serde_json::from_value::<Graph>(value).is_err());

        let mut value = serde_json::to_value(&graph).unwrap();
        value["output"] = 999.into();
        assert!(serde_json::from_value::<Graph>(value).is_err());
    }

    #[test]
    fn a_file_of_another_version_is_refused_by_name() {
        let mut value = serde_json::to_value(test_nets::tiny()).unwrap();
        assert!(value.get("version").is_none(), "files of version 1 have none");
        value["version"] = 1.into();
        assert_eq!(serde_json::from_value::<Graph>(value.clone()).unwrap(), test_nets::tiny());
        value["version"] = 2.into();
        let error = serde_json::from_value::<Graph>(value).unwrap_err().to_string();
        assert!(error.contains("version 2") && error.contains("version 1"), "{error}");
    }
}
