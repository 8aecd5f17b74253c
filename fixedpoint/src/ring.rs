//! Vectors over Z_{2^64}: machine words that wrap. Slices that meet must have equal lengths.

/// `a + b`, element by element.
#[must_use]
pub fn add(a: &[u64], b: &[u64]) -> Vec<u64> {
    zip(a, b, u64::wrapping_add)
}

/// `a - b`, element by element.
#[must_use]
pub fn sub(a: &[u64], b: &[u64]) -> Vec<u64> {
    zip(a, b, u64::wrapping_sub)
}

/// `a * b`, element by element.
#[must_use]
pub fn mul(a: &[u64], b: &[u64]) -> Vec<u64> {
    zip(a, b, u64::wrapping_mul)
}

/// `-a`, element by element.
#[must_use]
pub fn neg(a: &[u64]) -> Vec<u64> {
    a.iter().map(|x| x.wrapping_neg()).collect()
}

/// `a += b`, element by element.
pub fn add_assign(a: &mut [u64], b: &[u64]) {
    zip_assign(a, b, u64::wrapping_add);
}

/// `a -= b`, element by element.
pub fn sub_assign(a: &mut [u64], b: &[u64]) {
    zip_assign(a, b, u64::wrapping_sub);
}

/// `a = -a`, element by element.
pub fn neg_assign(a: &mut [u64]) {
    for x in a {
        *x = x.wrapping_neg();
    }
}

/// `acc += a * b`, element by element.
pub fn mul_add_assign(acc: &mut [u64], a: &[u64], b: &[u64]) {
    assert_eq!(acc.len(), a.len(), "lengths differ");
    assert_eq!(acc.len(), b.len(), "lengths differ");
    for ((acc, &x), &y) in acc.iter_mut().zip(a).zip(b) {
        *acc = acc.wrapping_add(x.wrapping_mul(y));
    }
}

/// `a *= k`, element by element.
pub fn scale(a: &mut [u64], k: u64) {
    for x in a {
        *x = x.wrapping_mul(k);
    }
}

#[inline]
fn zip(a: &[u64], b: &[u64], op: impl Fn(u64, u64) -> u64) -> Vec<u64> {
    assert_eq!(a.len(), b.len(), "lengths differ");
    a.iter().zip(b).map(|(&x, &y)| op(x, y)).collect()
}

#[inline]
fn zip_assign(a: &mut [u64], b: &[u64], op: impl Fn(u64, u64) -> u64) {
    assert_eq!(a.len(), b.len(), "lengths differ");
    for (x, &y) in a.iter_mut().zip(b) {
        *x = op(*x, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn operations_wrap() {
        let max = u64::MAX;
        assert_eq!(add(&[max, 1], &[1, 2]), [0, 3]);
        assert_eq!(sub(&[0, 5], &[1, 2]), [max, 3]);
        assert_eq!(mul(&[1 << 63, 3], &[2, 5]), [0, 15]);
        assert_eq!(neg(&[0, 1, 1 << 63]), [0, max, 1 << 63]);
        let mut scaled = [1 << 63, 7];
        scale(&mut scaled, 3);
        assert_eq!(scaled, [1 << 63, 21]);
    }

    #[test]
    #[should_panic(expected = "lengths differ")]
    fn unequal_lengths_are_a_bug() {
        let _ = add(&[1], &[1, 2]);
    }

    proptest! {
        #[test]
        fn assigning_forms_agree(
            pairs in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..70),
        ) {
            let a: Vec<u64> = pairs.iter().map(|p| p.0).collect();
            let b: Vec<u64> = pairs.iter().map(|p| p.1).collect();
            let c: Vec<u64> = pairs.iter().map(|p| p.2).collect();
            let mut sum = a.clone();
            add_assign(&mut sum, &b);
            prop_assert_eq!(&sum, &add(&a, &b));
            sub_assign(&mut sum, &b);
            prop_assert_eq!(&sum, &a);
            neg_assign(&mut sum);
            prop_assert_eq!(&sum, &neg(&a));
            prop_assert_eq!(add(&sum, &a), vec![0; a.len()]);
            let mut acc = c.clone();
            mul_add_assign(&mut acc, &a, &b);
            prop_assert_eq!(acc, add(&c, &mul(&a, &b)));
        }
    }
}
