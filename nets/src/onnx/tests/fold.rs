//! Nodes computed on constants.

use crate::onnx::{node::Node, operators::operator, proto, tensor::Tensor};

fn tensor(shape: &[usize], values: &[f64]) -> Option<Tensor> {
    Some(Tensor { shape: shape.to_vec(), values: values.to_vec(), integer: true })
}

fn folded(op: &str, inputs: &[Option<Tensor>]) -> Option<(Vec<usize>, Vec<f64>)> {
    let node = proto::Node { op, ..Default::default() };
    operator(op)
        .fold
        .as_ref()?
        .compute(Node(&node), inputs)
        .ok()
        .map(|tensor| (tensor.shape, tensor.values))
}

#[test]
fn constants_are_computed() {
    let x = tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let two = tensor(&[], &[2.0]);
    assert_eq!(folded("Div", &[x.clone(), two.clone()]).unwrap().1, [0., 1., 1., 2., 2., 3.]);
    assert_eq!(
        folded("ReduceSum", &[x.clone(), tensor(&[1], &[-1.0])]),
        Some((vec![2, 1], vec![6.0, 15.0]))
    );
    assert_eq!(folded("ReduceMean", std::slice::from_ref(&x)).unwrap().1, [3.5]);
    let tiled = folded("Tile", &[x.clone(), tensor(&[2], &[1.0, 2.0])]).unwrap();
    assert_eq!((tiled.0, &tiled.1[..6]), (vec![2, 6], &[1., 2., 3., 1., 2., 3.][..]));
    let five = tensor(&[], &[5.0]);
    assert_eq!(
        folded("Range", &[tensor(&[], &[1.0]), five.clone(), two.clone()]),
        Some((vec![2], vec![1.0, 3.0]))
    );
    let ones = tensor(&[3], &[1.0, 0.0, 1.0]);
    assert_eq!(folded("Where", &[ones, x.clone(), five]).unwrap().1, [1., 5., 3., 4., 5., 6.]);
    assert_eq!(folded("Sum", &[x.clone(), two.clone(), two]).unwrap().1[0], 5.0);
    assert_eq!(folded("Add", &[x, tensor(&[2], &[1.0, 1.0])]), None);
}

#[test]
fn what_would_be_huge_is_not_made() {
    let huge = tensor(&[2], &[1e9, 1e9]);
    assert_eq!(folded("ConstantOfShape", std::slice::from_ref(&huge)), None);
    assert_eq!(folded("Expand", &[tensor(&[1, 1], &[1.0]), huge.clone()]), None);
    assert_eq!(folded("Tile", &[tensor(&[1, 1], &[1.0]), huge]), None);
    let [zero, one, far] = [0.0, 1.0, 1e12].map(|value| tensor(&[], &[value]));
    assert_eq!(folded("Range", &[zero.clone(), far.clone(), one]), None);
    assert_eq!(folded("Range", &[zero.clone(), far, zero]), None);
}
