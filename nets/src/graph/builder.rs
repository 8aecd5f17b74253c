//! Building graphs layer by layer. Each layer is checked against the sizes of its inputs as it is
//! added.

use std::collections::HashSet;

use super::{
    architecture::{Graph, INPUT, Node, NodeId, OUTPUT, SETUP},
    op::{Activation, Average, Conv, Dense, Linear, Op, Reshape, Window},
    shape::{check_dims, output_dims},
};
use crate::{
    error::{Error, Result, ShapeProblem},
    functions::ActivationKind,
    shapes::Dims,
};

/// A graph under construction. Every method adds one layer and returns its index, or an error that
/// names the layer.
#[derive(Clone, Debug)]
pub struct GraphBuilder {
    name: String,
    nodes: Vec<Node>,
    dims: Vec<Dims>,
    taken: HashSet<String>,
}

impl GraphBuilder {
    /// A graph that has only its input so far.
    ///
    /// # Errors
    /// [`Error::Node`] if the image is empty or too large.
    pub fn new(name: &str, input: Dims) -> Result<GraphBuilder> {
        check_dims(input).map_err(|problem| at(INPUT, problem))?;
        Ok(GraphBuilder {
            name: name.to_owned(),
            nodes: vec![Node::input()],
            dims: vec![input],
            taken: [INPUT, OUTPUT, SETUP].map(str::to_owned).into(),
        })
    }

    /// The network's input.
    pub fn input(&self) -> NodeId {
        NodeId::new(0)
    }

    /// The size of a layer's result for one image.
    ///
    /// # Panics
    /// If the layer is not in this graph.
    pub fn dims(&self, id: NodeId) -> Dims {
        self.dims[id.index()]
    }

    /// Adds a layer of any kind.
    ///
    /// # Errors
    /// [`Error::Node`], like every method below.
    pub fn add_node(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        self.push(Node { name: name.to_owned(), op, inputs: inputs.to_vec(), batch_norm: None })
    }

    /// A convolution.
    pub fn conv(&mut self, name: &str, x: NodeId, conv: Conv) -> Result<NodeId> {
        self.add_node(name, Op::Linear(Linear::Conv(conv)), &[x])
    }

    /// A convolution and the batch norm after it; `bn` is the batch norm's prefix in the weights
    /// file.
    pub fn conv_bn(&mut self, name: &str, bn: &str, x: NodeId, conv: Conv) -> Result<NodeId> {
        self.linear_bn(name, bn, x, Linear::Conv(conv))
    }

    /// A linear layer of any kind and the batch norm after it; `bn` is the batch norm's prefix in
    /// the weights file.
    pub fn linear_bn(&mut self, name: &str, bn: &str, x: NodeId, linear: Linear) -> Result<NodeId> {
        self.push(Node {
            name: name.to_owned(),
            op: Op::Linear(linear),
            inputs: vec![x],
            batch_norm: Some(bn.to_owned()),
        })
    }

    /// A fully connected layer with a bias.
    pub fn dense(&mut self, name: &str, x: NodeId, out: usize) -> Result<NodeId> {
        let dense = Dense { out, bias: true, binary: false };
        self.add_node(name, Op::Linear(Linear::Dense(dense)), &[x])
    }

    /// ReLU on all channels.
    pub fn relu(&mut self, name: &str, x: NodeId) -> Result<NodeId> {
        self.function(name, x, ActivationKind::Relu)
    }

    /// A non-linear function on all channels.
    pub fn function(&mut self, name: &str, x: NodeId, kind: ActivationKind) -> Result<NodeId> {
        self.activation(name, x, Activation::full(kind))
    }

    /// An activation layer, on all channels or some.
    pub fn activation(&mut self, name: &str, x: NodeId, activation: Activation) -> Result<NodeId> {
        self.add_node(name, Op::Activation(activation), &[x])
    }

    /// The maximum of each window.
    pub fn max_pool(&mut self, name: &str, x: NodeId, window: Window) -> Result<NodeId> {
        self.add_node(name, Op::MaxPool(window), &[x])
    }

    /// The average of each window, in which padding counts as zeros.
    pub fn avg_pool(&mut self, name: &str, x: NodeId, window: Window) -> Result<NodeId> {
        self.add_node(name, Op::AvgPool(window.into()), &[x])
    }

    /// The average of each channel.
    pub fn global_avg_pool(&mut self, name: &str, x: NodeId) -> Result<NodeId> {
        self.add_node(name, Op::AvgPool(Average::Channels), &[x])
    }

    /// The sum of two inputs, as in a residual connection.
    pub fn add(&mut self, name: &str, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.add_node(name, Op::Add, &[a, b])
    }

    /// The channels of all parts, concatenated.
    pub fn concat(&mut self, name: &str, parts: &[NodeId]) -> Result<NodeId> {
        self.add_node(name, Op::Concat, parts)
    }

    /// The channels `start..end`.
    pub fn slice(&mut self, name: &str, x: NodeId, start: usize, end: usize) -> Result<NodeId> {
        self.add_node(name, Op::Slice { start, end }, &[x])
    }

    /// A channel shuffle.
    pub fn shuffle(&mut self, name: &str, x: NodeId, groups: usize) -> Result<NodeId> {
        self.add_node(name, Op::Shuffle { groups }, &[x])
    }

    /// A flat vector.
    pub fn flatten(&mut self, name: &str, x: NodeId) -> Result<NodeId> {
        self.add_node(name, Op::Reshape(Reshape::Flat), &[x])
    }

    /// The same values as an image of another size.
    pub fn reshape(&mut self, name: &str, x: NodeId, dims: Dims) -> Result<NodeId> {
        self.add_node(name, Op::Reshape(Reshape::Image(dims)), &[x])
    }

    /// The graph, with this layer's result as its output.
    ///
    /// # Errors
    /// [`Error::Graph`] for an output that does not exist, [`Error::Node`] for a layer whose result
    /// nothing uses: the parties would pay for computing it.
    pub fn finish(self, output: NodeId) -> Result<Graph> {
        if output.index() >= self.nodes.len() {
            let (graph, what) = (self.name, "its output does not exist");
            return Err(Error::Graph { graph, what });
        }
        let graph = Graph::from_parts(self.name, self.nodes, self.dims, output);
        let unused = graph.uses().into_iter().position(|uses| uses == 0);
        if let Some(index) = unused {
            return Err(at(&graph.nodes()[index].name, ShapeProblem::Unused));
        }
        Ok(graph)
    }

    pub(crate) fn push(&mut self, node: Node) -> Result<NodeId> {
        let dims = self.check(&node).map_err(|problem| at(&node.name, problem))?;
        self.taken.insert(node.name.clone());
        self.nodes.push(node);
        self.dims.push(dims);
        Ok(NodeId::new(self.nodes.len() - 1))
    }

    fn check(&self, node: &Node) -> std::result::Result<Dims, ShapeProblem> {
        check_name(&node.name)?;
        if self.taken.contains(&node.name) {
            return Err(ShapeProblem::NameTaken);
        }
        if let Some(batch_norm) = &node.batch_norm
            && node.op.linear().is_none()
        {
            let batch_norm = batch_norm.clone();
            return Err(ShapeProblem::BatchNorm { batch_norm });
        }
        let input_dims = |id: &NodeId| {
            let input = id.index();
            let dims = self.dims.get(input).copied();
            dims.ok_or(ShapeProblem::UnknownInput { input })
        };
        let inputs: Vec<Dims> =
            node.inputs.iter().map(input_dims).collect::<std::result::Result<_, _>>()?;
        let dims = output_dims(&node.op, &inputs)?;
        check_dims(dims)?;
        Ok(dims)
    }
}

/// Checks a layer's name, which is part of the path of its steps: '/' and '#' have a meaning there.
fn check_name(name: &str) -> std::result::Result<(), ShapeProblem> {
    let bad = |c: char| c == '/' || c == '#' || c.is_control();
    if name.is_empty() || name.chars().count() > 200 || name.contains(bad) {
        return Err(ShapeProblem::BadName);
    }
    Ok(())
}

fn at(node: &str, problem: ShapeProblem) -> Error {
    let node = node.escape_default().to_string();
    Error::Node { node, problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixedpoint::Padding;

    use super::super::{
        op::{MAX_MIXED, Run},
        shape::MAX_VALUES,
    };

    fn builder() -> GraphBuilder {
        GraphBuilder::new("test", Dims::new(4, 6, 6)).unwrap()
    }

    /// The error's text, which must name the layer.
    fn text<T: std::fmt::Debug>(result: Result<T>, layer: &str) -> String {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(&format!("'{layer}'")), "{text}");
        text
    }

    #[test]
    fn sizes_follow_from_the_input() {
        let mut net = builder();
        let x = net.input();
        let conv = Conv { stride: (2, 2), padding: Padding::same(1), ..Conv::square(8, 3) };
        let a = net.conv("a", x, conv).unwrap();
        assert_eq!(net.dims(a), Dims::new(8, 3, 3));
        let b = net.max_pool("b", a, Window::square(2)).unwrap();
        assert_eq!(net.dims(b), Dims::new(8, 1, 1));
        let c = net.global_avg_pool("c", a).unwrap();
        let d = net.concat("d", &[b, c]).unwrap();
        assert_eq!(net.dims(d), Dims::flat(16));
        let e = net.slice("e", d, 3, 7).unwrap();
        assert_eq!(net.dims(e), Dims::flat(4));
        let f = net.dense("f", e, 10).unwrap();
        let graph = net.finish(f).unwrap();
        assert_eq!(graph.dims(graph.output()), Dims::flat(10));
        assert_eq!(graph.uses(), [1, 2, 1, 1, 1, 1, 1]);
        assert_eq!(graph.find("e"), Some(e));
    }

    #[test]
    fn misfits_name_the_layer() {
        let mut net = builder();
        let x = net.input();
        let half = net.slice("half", x, 0, 2).unwrap();
        let small = net.max_pool("small", x, Window::square(2)).unwrap();
        assert!(text(net.add("sum", x, half), "sum").contains("4x6x6 and 2x6x6"));
        assert!(text(net.concat("cat", &[x, small]), "cat").contains("rows and columns"));
        assert!(text(net.concat("none", &[]), "none").contains("at least 1"));
        assert!(text(net.dense("fc", x, 3), "fc").contains("flatten"));
        assert!(text(net.slice("cut", x, 2, 5), "cut").contains("2..5 of 4"));
        assert!(text(net.slice("gone", x, 2, 2), "gone").contains("at least one"));
        assert!(text(net.shuffle("mix", x, 3), "mix").contains("3 groups"));
        assert!(text(net.conv("big", x, Conv::square(1, 7)), "big").contains("window 7"));
        let grouped = Conv { groups: 3, ..Conv::square(3, 1) };
        assert!(text(net.conv("g", x, grouped), "g").contains("3 groups"));
        assert!(text(net.max_pool("p", x, Window::square(0)), "p").contains('0'));
        let padded = Window { padding: Padding::same(2), ..Window::square(2) };
        assert!(text(net.max_pool("q", x, padded), "q").contains("padding"));
        assert!(text(net.relu("far", NodeId::new(99)), "far").contains("99"));
        for ratio in [0.0, -1.0, 1.1, f64::NAN] {
            let activation = Activation::Leading { kind: ActivationKind::Relu, ratio };
            assert!(text(net.activation("act", x, activation), "act").contains("ratio"));
        }
        for slope in [-0.1, 1.5, f64::NAN] {
            let activation = Activation::full(ActivationKind::LeakyRelu { slope });
            assert!(text(net.activation("act", x, activation), "act").contains("slope"));
        }
        let huge = Conv::square(usize::MAX, 1);
        text(net.conv("huge", x, huge), "huge");
        let wide = net.flatten("wide", x).unwrap();
        text(net.dense("many", wide, MAX_VALUES + 1), "many");
    }

    #[test]
    fn functions_of_channels_have_limits() {
        let mut net = GraphBuilder::new("wide", Dims::flat(MAX_MIXED + 1)).unwrap();
        let x = net.input();
        let mix = |runs: &[(Option<ActivationKind>, usize)]| {
            let runs = runs.iter().map(|&(kind, channels)| Run { kind, channels });
            Op::Activation(Activation::Runs(runs.collect()))
        };
        let (relu, square) = (Some(ActivationKind::Relu), Some(ActivationKind::Square));
        let halves = mix(&[(relu, MAX_MIXED), (square, 1)]);
        assert!(text(net.add_node("mix", halves, &[x]), "mix").contains("at most 1048576"));
        let polynomial = Activation::full(ActivationKind::Polynomial { degree: 2 });
        assert!(text(net.activation("p", x, polynomial), "p").contains("at most 1048576"));
        net.relu("relu", x).unwrap();
        let few = net.slice("few", x, 0, 99).unwrap();
        let slope = |place: usize| Some(ActivationKind::LeakyRelu { slope: place as f64 / 99.0 });
        let slopes: Vec<_> = (0..99).map(|place| (slope(place), 1)).collect();
        let problem = text(net.add_node("slopes", mix(&slopes), &[few]), "slopes");
        assert!(problem.contains("more than 64 different functions"), "{problem}");
        for runs in [
            mix(&[(relu, 98)]),
            mix(&[(relu, 99), (square, 0)]),
            mix(&[(None, 99)]),
            mix(&[(relu, usize::MAX), (square, 100)]),
            mix(&[]),
        ] {
            assert!(text(net.add_node("runs", runs, &[few]), "runs").contains("of 99 together"));
        }
        for degree in [1, 4, 9, u32::MAX] {
            let polynomial = Activation::full(ActivationKind::Polynomial { degree });
            assert!(text(net.activation("p", few, polynomial), "p").contains("degree 0, 2 or 3"));
        }
    }

    #[test]
    fn names_are_unique_and_fit_into_paths() {
        let mut net = builder();
        let x = net.input();
        net.relu("a", x).unwrap();
        for name in ["a", "input", "output"] {
            assert!(text(net.relu(name, x), name).contains("taken"));
        }
        for name in ["", "a/b", "a#1", "a\u{7}b"] {
            assert!(net.relu(name, x).unwrap_err().to_string().contains("a name"));
        }
    }

    #[test]
    fn unused_results_and_bad_outputs_are_refused() {
        let mut net = builder();
        let a = net.relu("a", net.input()).unwrap();
        let b = net.relu("b", net.input()).unwrap();
        assert!(text(net.clone().finish(b), "a").contains("nothing uses"));
        assert!(net.clone().finish(NodeId::new(99)).is_err());
        let sum = net.add("sum", a, b).unwrap();
        assert!(net.finish(sum).is_ok());
        assert!(GraphBuilder::new("empty", Dims::new(1, 0, 4)).is_err());
    }

    #[test]
    fn batch_norm_belongs_to_a_convolution() {
        let mut net = builder();
        let node = Node { batch_norm: Some("bn".into()), ..Node::input() };
        let node = Node {
            name: "r".into(),
            op: Op::Reshape(Reshape::Flat),
            inputs: vec![net.input()],
            ..node
        };
        assert!(text(net.push(node), "r").contains("'bn'"));
        let x = net.input();
        assert!(net.conv_bn("c", "bn", x, Conv::square(2, 1)).is_ok());
    }
}
