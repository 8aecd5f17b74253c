//! Moving channels about, in NCHW order: concatenation, split, shuffle. Local on shares and the
//! same on plain values, so it is written once for both.

use std::ops::Range;

/// Concatenates along the channels: each part is (values, channels) of the same batch and plane
/// (height times width).
pub fn concat<T: Copy>(batch: usize, plane: usize, parts: &[(&[T], usize)]) -> Vec<T> {
    let mut out = Vec::with_capacity(parts.iter().map(|(values, _)| values.len()).sum());
    for image in 0..batch {
        for (values, channels) in parts {
            let len = channels * plane;
            out.extend_from_slice(&values[image * len..(image + 1) * len]);
        }
    }
    out
}

/// The channels of a range.
pub fn slice<T: Copy>(
    batch: usize,
    channels: usize,
    plane: usize,
    x: &[T],
    range: Range<usize>,
) -> Vec<T> {
    gather(batch, channels, plane, x, std::slice::from_ref(&range))
}

/// The channels of some ranges.
pub fn gather<T: Copy>(
    batch: usize,
    channels: usize,
    plane: usize,
    x: &[T],
    ranges: &[Range<usize>],
) -> Vec<T> {
    let taken: usize = ranges.iter().map(Range::len).sum();
    let mut out = Vec::with_capacity(batch * taken * plane);
    for image in 0..batch {
        let first = image * channels * plane;
        for range in ranges {
            out.extend_from_slice(&x[first + range.start * plane..first + range.end * plane]);
        }
    }
    out
}

/// Puts values back where [`gather`] took them from: `out` has all channels.
pub fn scatter<T: Copy>(
    batch: usize,
    channels: usize,
    plane: usize,
    values: &[T],
    ranges: &[Range<usize>],
    out: &mut [T],
) {
    let mut rest = values;
    for image in 0..batch {
        let first = image * channels * plane;
        for range in ranges {
            let (part, after) = rest.split_at(range.len() * plane);
            out[first + range.start * plane..first + range.end * plane].copy_from_slice(part);
            rest = after;
        }
    }
}

/// The channel shuffle of ShuffleNet: channels as a `groups` x `channels / groups` matrix,
/// transposed.
pub fn shuffle<T: Copy>(
    batch: usize,
    channels: usize,
    plane: usize,
    groups: usize,
    x: &[T],
) -> Vec<T> {
    let per_group = channels / groups;
    let mut out = Vec::with_capacity(x.len());
    for image in 0..batch {
        for place in 0..channels {
            let source = (place % groups) * per_group + place / groups;
            let first = (image * channels + source) * plane;
            out.extend_from_slice(&x[first..first + plane]);
        }
    }
    out
}

/// Cuts `count` values from a place of a batch on into those of one channel each: the channel, and
/// which of them.
pub fn runs(
    plane: usize,
    channels: usize,
    first: usize,
    count: usize,
) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let place = first + start;
        let range = start..count.min(start + plane - place % plane);
        start = range.end;
        (!range.is_empty()).then_some((place / plane % channels, range))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gather_scatter_concat_and_shuffle_on_two_images() {
        // 2 images of 4 channels and 2 positions: value = 100 image + 10 channel + position.
        let x: Vec<u32> = (0..2)
            .flat_map(|n| (0..4).flat_map(move |c| (0..2).map(move |p| 100 * n + 10 * c + p)))
            .collect();
        let (left, right) = (slice(2, 4, 2, &x, 0..1), slice(2, 4, 2, &x, 1..4));
        assert_eq!(left, [0, 1, 100, 101]);
        assert_eq!(concat(2, 2, &[(&left, 1), (&right, 3)]), x);
        let (outer, inner) = ([0..1, 3..4], std::slice::from_ref(&(1..3)));
        let mut joined = vec![0; x.len()];
        for ranges in [&outer[..], inner] {
            let values = gather(2, 4, 2, &x, ranges);
            scatter(2, 4, 2, &values, ranges, &mut joined);
        }
        assert_eq!(gather(2, 4, 2, &x, &outer), [0, 1, 30, 31, 100, 101, 130, 131]);
        assert_eq!(joined, x);
        assert_eq!(
            shuffle(2, 4, 2, 2, &x),
            [0, 1, 20, 21, 10, 11, 30, 31, 100, 101, 120, 121, 110, 111, 130, 131]
        );
    }

    #[test]
    fn runs_are_of_one_channel_each() {
        let parts: Vec<_> = runs(4, 3, 9, 12).collect();
        assert_eq!(parts, [(2, 0..3), (0, 3..7), (1, 7..11), (2, 11..12)]);
        assert_eq!(runs(4, 3, 9, 0).count(), 0);
    }
}
