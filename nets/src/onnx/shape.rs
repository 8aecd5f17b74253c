//! Axes, indices and shapes that nodes ask for, of constants and of data alike.

use super::{
    node::{Node, Refusal},
    tensor::{Tensor, count},
};

/// The most axes of a tensor.
const MAX_RANK: usize = 16;

/// The shape that a node gives to an input of this shape; the tensor is its second input.
pub(super) type NewShape = fn(Node<'_>, &[usize], Option<&Tensor>) -> Result<Vec<usize>, Refusal>;

/// The shape that a Reshape gives.
pub(super) fn reshaped(
    node: Node<'_>,
    old: &[usize],
    given: Option<&Tensor>,
) -> Result<Vec<usize>, Refusal> {
    let given = given.map(Tensor::to_integers);
    let wanted = given.or(node.ints("shape")?).ok_or("lacks its shape")?;
    if node.int("allowzero", 0)? != 0 && wanted.contains(&0) {
        return Err("makes an empty tensor".into());
    }
    let shape = resolve_shape(old, &wanted)
        .ok_or_else(|| format!("cannot reshape {old:?} (one image) to {wanted:?}"))?;
    check_rank(shape)
}

/// The shape that a Flatten gives.
pub(super) fn flattened(
    node: Node<'_>,
    old: &[usize],
    _: Option<&Tensor>,
) -> Result<Vec<usize>, Refusal> {
    let rank = old.len();
    let axis = match node.int("axis", 1)? {
        axis if axis == rank as i64 => rank,
        axis => resolve_axis(axis, rank)?,
    };
    Ok(vec![old[..axis].iter().product(), old[axis..].iter().product()])
}

/// The shape that a Squeeze gives.
pub(super) fn squeezed(
    node: Node<'_>,
    old: &[usize],
    given: Option<&Tensor>,
) -> Result<Vec<usize>, Refusal> {
    let axes = given_axes(node, given, old.len())?;
    let gone = |axis: usize| axes.as_ref().map_or(old[axis] == 1, |axes| axes.contains(&axis));
    check_rank((0..old.len()).filter(|&axis| !gone(axis)).map(|axis| old[axis]).collect())
}

/// The shape that an Unsqueeze gives.
pub(super) fn unsqueezed(
    node: Node<'_>,
    old: &[usize],
    given: Option<&Tensor>,
) -> Result<Vec<usize>, Refusal> {
    let stated = node.ints("axes")?.map(|axes| axes.len());
    let added = given.map(|given| given.values.len()).or(stated).ok_or("lacks its axes")?;
    let mut axes = given_axes(node, given, old.len() + added)?.unwrap_or_default();
    axes.sort_unstable();
    let mut shape = old.to_vec();
    axes.into_iter().for_each(|axis| shape.insert(axis.min(shape.len()), 1));
    check_rank(shape)
}

/// Axis, start, end and step of every slice that a Slice takes.
pub(super) fn slices(
    node: Node<'_>,
    inputs: &[Option<Tensor>],
    rank: usize,
) -> Result<Vec<(usize, i64, i64, i64)>, Refusal> {
    let list = |place: usize, name: &str| -> Result<Option<Vec<i64>>, Refusal> {
        let input = inputs.get(place).and_then(Option::as_ref);
        Ok(input.map(Tensor::to_integers).or(node.ints(name)?))
    };
    let starts = list(1, "starts")?.ok_or("lacks starts")?;
    let ends = list(2, "ends")?.ok_or("lacks ends")?;
    let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("has starts, ends, axes and steps of different lengths".into());
    }
    let slice = |place: usize| {
        Ok((resolve_axis(axes[place], rank)?, starts[place], ends[place], steps[place]))
    };
    (0..starts.len()).map(slice).collect()
}

/// The places of an axis that a slice takes.
pub(super) fn slice_indices(size: usize, start: i64, end: i64, step: i64) -> Option<Vec<usize>> {
    let size = i64::try_from(size).ok()?;
    let clamp = |place: i64, low: i64, high: i64| {
        let place = if place < 0 { place.saturating_add(size) } else { place };
        place.clamp(low, high)
    };
    let step_size = usize::try_from(step.unsigned_abs()).ok().filter(|&step| step > 0)?;
    let indices: Vec<i64> = if step > 0 {
        (clamp(start, 0, size)..clamp(end, 0, size)).step_by(step_size).collect()
    } else {
        let (first, last) = (clamp(start, -1, size - 1), clamp(end, -1, size - 1));
        (last + 1..=first).rev().step_by(step_size).collect()
    };
    Some(indices.into_iter().map(|index| index as usize).collect())
}

/// The axes that a reduction joins: those given, or all. `None` if it is told to do nothing.
pub(super) fn reduced_axes(
    node: Node<'_>,
    given: Option<&Tensor>,
    rank: usize,
) -> Result<Option<Vec<usize>>, Refusal> {
    let mut axes = given_axes(node, given, rank)?.unwrap_or_default();
    if axes.is_empty() {
        let idle = node.int("noop_with_empty_axes", 0)? != 0;
        return Ok((!idle).then(|| (0..rank).collect()));
    }
    axes.sort_unstable();
    axes.dedup();
    Ok(Some(axes))
}

/// The order of the axes that a Transpose asks for.
pub(super) fn permutation(node: Node<'_>, rank: usize) -> Result<Vec<usize>, Refusal> {
    let Some(order) = node.ints("perm")? else {
        return Ok((0..rank).rev().collect());
    };
    let order = resolve_axes(&order, rank)?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(format!("has the permutation {order:?} of {rank} axes"));
    }
    Ok(order)
}

/// An axis that may be counted from the end.
pub(super) fn resolve_axis(axis: i64, rank: usize) -> Result<usize, Refusal> {
    let place = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let place = usize::try_from(place).ok().filter(|&place| place < rank);
    place.ok_or_else(|| format!("has axis {axis} where there are {rank}"))
}

/// Indices that may be counted from the end.
pub(super) fn resolve_indices(indices: &[i64], size: usize) -> Option<Vec<usize>> {
    let place = |&index: &i64| {
        let index = if index < 0 { index.checked_add(size as i64)? } else { index };
        usize::try_from(index).ok().filter(|&index| index < size)
    };
    indices.iter().map(place).collect()
}

/// A shape in which -1 stands for what is left and 0 for the old size.
pub(super) fn resolve_shape(old: &[usize], wanted: &[i64]) -> Option<Vec<usize>> {
    let len = count(old)?;
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (place, &size) in wanted.iter().enumerate() {
        shape.push(match size {
            -1 if open.is_none() => {
                open = Some(place);
                1
            }
            0 => *old.get(place)?,
            size => usize::try_from(size).ok()?,
        });
    }
    let fixed = count(&shape)?;
    if let Some(place) = open {
        shape[place] = len.checked_div(fixed)?;
    }
    (count(&shape)? == len).then_some(shape)
}

/// The shape that two shapes broadcast to.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Refusal> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], place: usize| {
        (place + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis])
    };
    let joined = |place: usize| match (size(a, place), size(b, place)) {
        (1, size) | (size, 1) => Some(size),
        (a, b) => (a == b).then_some(a),
    };
    let shape: Option<Vec<usize>> = (0..rank).map(joined).collect();
    shape.ok_or_else(|| format!("joins shapes {a:?} and {b:?}, which do not fit together"))
}

/// A node's axes, from its second input or its attribute.
fn given_axes(
    node: Node<'_>,
    given: Option<&Tensor>,
    rank: usize,
) -> Result<Option<Vec<usize>>, Refusal> {
    let axes = given.map(Tensor::to_integers).or(node.ints("axes")?);
    axes.map(|axes| resolve_axes(&axes, rank)).transpose()
}

fn resolve_axes(axes: &[i64], rank: usize) -> Result<Vec<usize>, Refusal> {
    axes.iter().map(|&axis| resolve_axis(axis, rank)).collect()
}

fn check_rank(shape: Vec<usize>) -> Result<Vec<usize>, Refusal> {
    if shape.len() > MAX_RANK {
        return Err(format!("makes a tensor of {} axes: use at most {MAX_RANK}", shape.len()));
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_count_as_numpy_does() {
        let indices = |start, end, step| slice_indices(5, start, end, step).unwrap();
        assert_eq!(indices(1, 3, 1), [1, 2]);
        assert_eq!(indices(-2, i64::MAX, 1), [3, 4]);
        assert_eq!(indices(0, -1, 2), [0, 2]);
        assert_eq!(indices(-1, i64::MIN, -1), [4, 3, 2, 1, 0]);
        assert_eq!(indices(4, 1, -2), [4, 2]);
        assert!(slice_indices(5, 0, 5, 0).is_none());
    }
}
