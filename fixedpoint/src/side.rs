//! Which half of a sharing a party holds.

/// Which of the two additive shares: a value is share `Zero` plus share `One`. Public constants
/// belong to `Zero`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first share.
    Zero,
    /// The second share.
    One,
}

impl Side {
    /// 0 or 1: the `j` of the protocols' formulas.
    #[must_use]
    pub const fn index(self) -> u64 {
        match self {
            Side::Zero => 0,
            Side::One => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Side;

    #[test]
    fn index_is_the_j_of_the_formulas() {
        assert_eq!([Side::Zero.index(), Side::One.index()], [0, 1]);
    }
}
