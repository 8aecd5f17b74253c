//! The zoo's nets have the tensors of torchvision's: the same names, shapes and order as in a
//! `state_dict`, except for what depends on ImageNet's larger images.

use std::collections::BTreeMap;

use nets::{
    Dims, Error, Graph, Weights,
    weights::{Parameter, parameters},
    zoo::{self, Options},
};
use safetensors::{Dtype, serialize, tensor::TensorView};

/// The nets, and the lists of their tensors in torchvision.
const NETS: [(&str, &str); 3] = [
    ("squeezenet", include_str!("torchvision/squeezenet1_0.txt")),
    ("shufflenet-v2", include_str!("torchvision/shufflenet_v2_x1_0.txt")),
    ("mobilenet-v2", include_str!("torchvision/mobilenet_v2.txt")),
];

fn graph(net: &str, classes: usize) -> Graph {
    zoo::build(net, &Options::new(Dims::new(3, 32, 32), classes)).unwrap()
}

fn listed(list: &str) -> Vec<Parameter> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let parameter = |line: &str| {
        let (name, shape) = line.split_once(' ').unwrap();
        let shape = shape.split('x').map(|side| side.parse().unwrap()).collect();
        Parameter { name: name.to_owned(), shape }
    };
    lines.map(parameter).collect()
}

/// A tensor for small images: the first kernels of torchvision's SqueezeNet are 7x7, for larger
/// ones.
fn for_small_images(mut parameter: Parameter) -> Parameter {
    if parameter.shape[..] == [96, 3, 7, 7] {
        parameter.shape[2..].fill(3);
    }
    parameter
}

/// The bytes of a checkpoint of ones, with the prefix of a wrapper and counters of training steps.
fn checkpoint(parameters: &[Parameter], prefix: &str) -> Vec<u8> {
    let ones: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> = parameters
        .iter()
        .flat_map(|Parameter { name, shape }| {
            let len = shape.iter().product::<usize>();
            let data = 1f32.to_le_bytes().repeat(len);
            let tensor = (format!("{prefix}{name}"), (Dtype::F32, shape.clone(), data));
            let counter = name.strip_suffix("running_var").map(|norm| {
                let name = format!("{prefix}{norm}num_batches_tracked");
                (name, (Dtype::I64, Vec::new(), vec![0; 8]))
            });
            [Some(tensor), counter].into_iter().flatten()
        })
        .collect();
    let views = ones.iter().map(|(name, (dtype, shape, data))| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    serialize(views, None).unwrap()
}

#[test]
fn names_shapes_and_order_are_those_of_torchvision() {
    for (net, list) in NETS {
        let theirs: Vec<Parameter> = listed(list).into_iter().map(for_small_images).collect();
        assert_eq!(parameters(&graph(net, 1000)), theirs, "{net}");
    }
}

#[test]
fn a_checkpoint_of_this_size_loads() {
    for (net, list) in NETS {
        let graph = graph(net, 1000);
        let theirs: Vec<Parameter> = listed(list).into_iter().map(for_small_images).collect();
        for prefix in ["", "module."] {
            let weights = Weights::parse(&checkpoint(&theirs, prefix), &graph).unwrap();
            for Parameter { name, shape } in &theirs {
                let len: usize = shape.iter().product();
                assert_eq!(weights.tensor(name).unwrap().len(), len, "{name}");
            }
        }
    }
}

#[test]
fn a_checkpoint_of_imagenet_is_refused_with_what_to_do() {
    let complaint = |net, list, classes| {
        let error = Weights::parse(&checkpoint(&listed(list), ""), &graph(net, classes));
        let error = error.unwrap_err();
        assert!(matches!(error, Error::TensorShape { .. }), "{error}");
        error.to_string()
    };
    let [(squeezenet, list), ..] = NETS;
    let message = complaint(squeezenet, list, 1000);
    for part in
        ["'features.0.weight'", "[96, 3, 7, 7]", "[96, 3, 3, 3]", "export that model to ONNX"]
    {
        assert!(message.contains(part), "{message}");
    }
    for (net, list) in &NETS[1..] {
        let message = complaint(net, list, 10);
        let layer = if *net == "mobilenet-v2" { "classifier.1" } else { "fc" };
        let tensor = format!("tensor '{layer}.weight' has shape [1000, ");
        assert!(message.starts_with(&tensor), "{message}");
        assert!(message.contains("tells 1000 classes apart, not 10: set that number"), "{message}");
    }
}
