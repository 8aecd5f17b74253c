//! Nodes of which everything is known: exporters leave the arithmetic of shapes, of weights and of
//! batch norms to the runtime.

use super::{
    node::Node,
    tensor::{Tensor, sizes, slice_indices},
    walk::{Refusal, axis_of, is_real, new_shape, order_of, slices},
};

/// The most elements of a range, or of an axis made of repeats.
const MAX_MADE: f64 = (1 << 22) as f64;

/// Whether an operator can be computed on constants.
pub fn folds(op: &str) -> bool {
    OPERATORS.contains(&op)
}

const OPERATORS: [&str; 56] = [
    "Abs",
    "Add",
    "And",
    "Cast",
    "CastLike",
    "Ceil",
    "Clip",
    "Concat",
    "ConstantOfShape",
    "Div",
    "Dropout",
    "Equal",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Round",
    "Sign",
    "Size",
    "Slice",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tile",
    "Transpose",
    "Trunc",
    "Unsqueeze",
    "Where",
    "Xor",
];

/// Computes a node from its inputs, of which `None` are left out.
///
/// # Errors
/// What does not fit, in words that fit after the node's name.
pub fn fold(node: Node<'_>, inputs: &[Option<Tensor>]) -> Result<Tensor, Refusal> {
    let input = |place: usize| inputs.get(place).and_then(Option::as_ref);
    let x = match node.op() {
        // A tensor of no values would do, but none is needed.
        op if folds(op) => input(0).ok_or("lacks its input")?,
        _ => return Err("works on constants: simplify the model, for example with onnxsim".into()),
    };
    let folded = match node.op() {
        "Add" | "Sum" => all(inputs, |a, b| a + b),
        "Sub" => all(inputs, |a, b| a - b),
        "Mul" => all(inputs, |a, b| a * b),
        "Div" if x.integer => all(inputs, |a, b| if b == 0.0 { 0.0 } else { (a / b).trunc() }),
        "Div" => all(inputs, |a, b| a / b),
        "Mod" if node.int("fmod", 0) != 0 => all(inputs, |a, b| a % b),
        "Mod" => all(inputs, |a, b| a - b * (a / b).floor()),
        "Pow" => all(inputs, f64::powf),
        "Max" => all(inputs, f64::max),
        "Min" => all(inputs, f64::min),
        "Equal" => all(inputs, |a, b| truth(a == b)),
        "Greater" => all(inputs, |a, b| truth(a > b)),
        "GreaterOrEqual" => all(inputs, |a, b| truth(a >= b)),
        "Less" => all(inputs, |a, b| truth(a < b)),
        "LessOrEqual" => all(inputs, |a, b| truth(a <= b)),
        "And" => all(inputs, |a, b| truth(a != 0.0 && b != 0.0)),
        "Or" => all(inputs, |a, b| truth(a != 0.0 || b != 0.0)),
        "Xor" => all(inputs, |a, b| truth((a != 0.0) != (b != 0.0))),
        "Not" => Some(x.map(|x| truth(x == 0.0))),
        "Neg" => Some(x.map(|x| -x)),
        "Abs" => Some(x.map(f64::abs)),
        "Sqrt" => Some(x.map(f64::sqrt)),
        "Exp" => Some(x.map(f64::exp)),
        "Log" => Some(x.map(f64::ln)),
        "Floor" => Some(x.map(f64::floor)),
        "Ceil" => Some(x.map(f64::ceil)),
        "Trunc" => Some(x.map(f64::trunc)),
        "Round" => Some(x.map(f64::round_ties_even)),
        "Reciprocal" => Some(x.map(f64::recip)),
        "Relu" => Some(x.map(|x| x.max(0.0))),
        "Sign" => Some(x.map(|x| if x == 0.0 { 0.0 } else { x.signum() })),
        "Clip" => {
            let bound = |place, name| input(place).and_then(Tensor::single).or(node.float(name));
            let low = bound(1, "min").unwrap_or(f64::NEG_INFINITY);
            let high = bound(2, "max").unwrap_or(f64::INFINITY);
            Some(x.map(|x| x.max(low).min(high)))
        }
        "Identity" | "Dropout" => Some(x.clone()),
        "Cast" | "CastLike" => {
            let like = input(1).is_some_and(|like| like.integer);
            let integer = match node.op() {
                "Cast" => !is_real(node.int("to", 1)),
                _ => like,
            };
            let cast = x.map(|x| if integer { x.trunc() } else { x });
            Some(Tensor { integer, ..cast })
        }
        "Where" => {
            let (yes, no) = (input(1).ok_or("lacks input 1")?, input(2).ok_or("lacks input 2")?);
            let marked = x.zip(no, |x, no| if x != 0.0 { f64::NAN } else { no });
            let chosen = marked.and_then(|x| x.zip(yes, |x, yes| if x.is_nan() { yes } else { x }));
            chosen.map(|chosen| Tensor { integer: yes.integer && no.integer, ..chosen })
        }
        "Size" => Some(Tensor { integer: true, ..Tensor::scalar(x.values.len() as f64) }),
        "ConstantOfShape" => {
            let fill = node.tensor("value").transpose()?.unwrap_or(Tensor::scalar(0.0));
            let fill = fill.with_shape(&[]).ok_or("fills with more than one number")?;
            fill.expand(&sizes(&x.to_integers())?)
        }
        "Expand" => {
            let shape = input(1).ok_or("lacks its shape")?;
            x.expand(&sizes(&shape.to_integers())?)
        }
        "Tile" => tile(x, &input(1).ok_or("lacks its repeats")?.to_integers()),
        "Range" => range(x, input(1), input(2)),
        "Gather" => {
            let axis = axis_of(node.int("axis", 0), x.shape.len())?;
            let indices = input(1).ok_or("lacks its indices")?;
            places(&indices.to_integers(), x.shape[axis])
                .and_then(|places| x.take(axis, &places, Some(&indices.shape)))
        }
        "Concat" => {
            let parts: Option<Vec<&Tensor>> = inputs.iter().map(Option::as_ref).collect();
            let axis = axis_of(node.int("axis", 0), x.shape.len())?;
            parts.and_then(|parts| Tensor::concat(&parts, axis))
        }
        "Slice" => {
            let mut sliced = Some(x.clone());
            for (axis, start, end, step) in slices(node, inputs, x.shape.len())? {
                sliced = sliced.and_then(|x| {
                    let places = slice_indices(x.shape[axis], start, end, step)?;
                    x.take(axis, &places, Some(&[places.len()]))
                });
            }
            sliced
        }
        "Transpose" => Some(x.transpose(&order_of(node, x.shape.len())?)),
        "ReduceSum" => reduce(node, x, input(1), 0.0, |sum, x| sum + x)?,
        "ReduceMean" => {
            let sum = reduce(node, x, input(1), 0.0, |sum, x| sum + x)?;
            sum.map(|sum| {
                let count = (x.values.len() / sum.values.len().max(1)) as f64;
                sum.map(|sum| sum / count)
            })
        }
        "ReduceProd" => reduce(node, x, input(1), 1.0, |product, x| product * x)?,
        "ReduceMax" => reduce(node, x, input(1), f64::NEG_INFINITY, f64::max)?,
        "ReduceMin" => reduce(node, x, input(1), f64::INFINITY, f64::min)?,
        "ReduceSumSquare" => reduce(node, x, input(1), 0.0, |sum, x| sum + x * x)?,
        "ReduceL2" => {
            let squares = reduce(node, x, input(1), 0.0, |sum, x| sum + x * x)?;
            squares.map(|squares| squares.map(f64::sqrt))
        }
        _ => {
            let shape = new_shape(node, &x.shape, input(1))?;
            x.with_shape(&shape)
        }
    };
    folded.ok_or_else(|| "has constants that do not fit together, or make too much".into())
}

/// All inputs joined, from the first to the last.
fn all(inputs: &[Option<Tensor>], f: fn(f64, f64) -> f64) -> Option<Tensor> {
    let mut inputs = inputs.iter().flatten();
    let first = inputs.next()?.clone();
    inputs.try_fold(first, |joined, next| joined.zip(next, f))
}

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// The axes that a reduction joins: those given, or all. `None` if it is told to do nothing.
pub fn reduced_axes(
    node: Node<'_>,
    given: Option<&Tensor>,
    rank: usize,
) -> Result<Option<Vec<usize>>, Refusal> {
    let axes = given.map(Tensor::to_integers).or_else(|| node.ints("axes")).unwrap_or_default();
    if axes.is_empty() {
        let nothing = node.int("noop_with_empty_axes", 0) != 0;
        return Ok((!nothing).then(|| (0..rank).collect()));
    }
    let mut axes: Vec<usize> =
        axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(Some(axes))
}

fn reduce(
    node: Node<'_>,
    x: &Tensor,
    axes: Option<&Tensor>,
    start: f64,
    f: fn(f64, f64) -> f64,
) -> Result<Option<Tensor>, Refusal> {
    let rank = x.shape.len();
    let Some(axes) = reduced_axes(node, axes, rank)? else {
        return Ok(Some(x.clone()));
    };
    let kept: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
    let turned = x.transpose(&[&kept[..], &axes].concat());
    let outer: usize = kept.iter().map(|&axis| x.shape[axis]).product();
    let inner = x.values.len().checked_div(outer).unwrap_or(0);
    let values = match inner {
        0 => vec![start; outer.min(x.values.len())],
        _ => {
            let sum = |part: &[f64]| part.iter().fold(start, |sum, &x| f(sum, x));
            turned.values.chunks_exact(inner).map(sum).collect()
        }
    };
    let keep = node.int("keepdims", 1) != 0;
    let size = |axis: usize| if axes.contains(&axis) { 1 } else { x.shape[axis] };
    let left = (0..rank).filter(|axis| keep || kept.contains(axis));
    let shape: Vec<usize> = left.map(size).collect();
    let fits = super::tensor::count(&shape) == Some(values.len());
    Ok(fits.then_some(Tensor { shape, values, integer: x.integer }))
}

/// Indices that may be counted from the end.
pub fn places(indices: &[i64], size: usize) -> Option<Vec<usize>> {
    let place = |&index: &i64| {
        let index = if index < 0 { index.checked_add(size as i64)? } else { index };
        usize::try_from(index).ok().filter(|&index| index < size)
    };
    indices.iter().map(place).collect()
}

fn tile(x: &Tensor, repeats: &[i64]) -> Option<Tensor> {
    let mut tiled = x.clone();
    for (axis, &repeats) in repeats.iter().enumerate() {
        let size = *tiled.shape.get(axis)?;
        let repeats = usize::try_from(repeats).ok()?;
        let len = size.checked_mul(repeats).filter(|&len| len as f64 <= MAX_MADE)?;
        let places: Vec<usize> = (0..len).map(|place| place % size).collect();
        tiled = tiled.take(axis, &places, Some(&[places.len()]))?;
    }
    Some(tiled)
}

fn range(start: &Tensor, end: Option<&Tensor>, step: Option<&Tensor>) -> Option<Tensor> {
    let (first, end, step) = (start.single()?, end?.single()?, step?.single()?);
    let count = ((end - first) / step).ceil().max(0.0);
    let values: Vec<f64> = match count <= MAX_MADE {
        true => (0..count as usize).map(|place| first + place as f64 * step).collect(),
        false => return None,
    };
    Some(Tensor { shape: vec![values.len()], values, integer: start.integer })
}

#[cfg(test)]
mod tests {
    use super::{super::proto, *};

    fn tensor(shape: &[usize], values: &[f64]) -> Option<Tensor> {
        Some(Tensor { shape: shape.to_vec(), values: values.to_vec(), integer: true })
    }

    fn folded(op: &str, inputs: &[Option<Tensor>]) -> Option<(Vec<usize>, Vec<f64>)> {
        let node = proto::Node { op, ..Default::default() };
        fold(Node(&node), inputs).ok().map(|tensor| (tensor.shape, tensor.values))
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
}
