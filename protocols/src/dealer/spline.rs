//! Continuous piecewise-linear functions fused with the truncation before them: sigmoids, and
//! whatever else a [`Spline`] is, in two messages for any number of knots.
//!
//! A chain for every knot p_j gives b_j = \[t >= p_j\] under a mask r_j. The XOR of b_j and b_{j+1}
//! (of the last, b_j itself) is 1 where t is on piece j, s_j t + o_j, and is public under the XOR
//! of their masks, rho_j. With piece 0 as the base, f(t) = s_0 t + o_0 + sum_j d_j ((s_j - s_0) t +
//! (o_j - o_0)) for those bits d_j. P2 shares tau once and, for each piece that is not parallel to
//! the base, what [`super::relu`] needs for d_j: rho_j and rho_j tau. A piece that is, as beyond
//! the last knot of a sigmoid, needs rho_j alone, modulo 2^(l_out - z), since it only appears times
//! o_j - o_0, which z zeros end. Knots of their own, b_j (t - p_j), would take one rho_j tau more.
//!
//! The result has the bits of the slopes more than t. Domain: t less any knot has a sign
//! ([`Function::domain`]). Messages and simulation are those of [`super::gadget`]: the masks of the
//! signs are independent, so all of them under their masks are uniform, and pieces are known to
//! nobody.

use fixedpoint::width::Width;

use super::{
    gadget::{Function, Public, Secret},
    gate::Gate,
    relu,
    truncation::Truncation,
};
use crate::spline::{Line, Spline};

impl Function for Spline {
    fn name(&self) -> &'static str {
        Spline::name(self)
    }

    fn points(&self) -> Vec<i64> {
        self.knots().to_vec()
    }

    fn shared(&self, gate: &Gate) -> Vec<Width> {
        let pieces = pieces(self).flat_map(|piece| shared(piece, gate));
        Truncation.shared(gate).into_iter().chain(pieces).collect()
    }

    fn share(&self, gate: &Gate, secret: &Secret<'_>) -> Vec<Vec<u64>> {
        let mut values = Truncation.share(gate, secret);
        for (place, piece) in pieces(self).enumerate() {
            let mask = on_piece(secret.masks, place);
            match piece.slope {
                0 => values.extend(shared(piece, gate).first().map(|_| mask)),
                _ => values.extend(relu::share(gate, secret.tau, &mask)),
            }
        }
        values
    }

    fn combine(&self, gate: &Gate, public: &Public<'_>, shares: &[Vec<u64>]) -> Vec<u64> {
        let (own, mut shares) = shares.split_at(Truncation.shared(gate).len());
        let t = Truncation.combine(gate, public, own);
        let [slope, offset] = words(self.lines()[0]);
        let offset = offset.wrapping_mul(public.one);
        let mut result: Vec<u64> =
            t.iter().map(|t| slope.wrapping_mul(*t).wrapping_add(offset)).collect();
        for (place, piece) in pieces(self).enumerate() {
            let (own, rest) = shares.split_at(shared(piece, gate).len());
            shares = rest;
            let bits = on_piece(public.signs, place);
            let [slope, offset] = words(piece);
            if slope != 0 {
                let gated = relu::gated(gate, public, &t, &bits, own);
                for (sum, gated) in result.iter_mut().zip(gated) {
                    *sum = sum.wrapping_add(slope.wrapping_mul(gated));
                }
            }
            // None is shared where the offset is 0 in the ring of the result, too.
            for mask in own.iter().take(usize::from(offset != 0)) {
                for ((sum, &bit), &mask) in result.iter_mut().zip(&bits).zip(mask) {
                    *sum = sum.wrapping_add(offset.wrapping_mul(public.unmasked(bit, mask)));
                }
            }
        }
        result
    }

    fn ideal(&self, _: usize, t: i64) -> i64 {
        self.value(t)
    }
}

/// The pieces beyond the first knot, less the base.
fn pieces(spline: &Spline) -> impl Iterator<Item = Line> {
    let base = spline.lines()[0];
    spline.lines()[1..].iter().map(move |line| Line {
        slope: line.slope.wrapping_sub(base.slope),
        offset: line.offset.wrapping_sub(base.offset),
    })
}

/// The rings of what a piece needs.
fn shared(piece: Line, gate: &Gate) -> Vec<Width> {
    if piece.slope != 0 {
        return relu::shared(gate);
    }
    let bits = gate.out().bits().saturating_sub(piece.offset.trailing_zeros());
    (bits > 0).then(|| Width::new(bits)).into_iter().collect()
}

/// From a bit for each knot, the bit that is 1 between two, or beyond the last.
fn on_piece(bits: &[Vec<u64>], place: usize) -> Vec<u64> {
    match bits.get(place + 1) {
        Some(beyond) => {
            bits[place].iter().zip(beyond).map(|(above, beyond)| above ^ beyond).collect()
        }
        None => bits[place].clone(),
    }
}

fn words(line: Line) -> [u64; 2] {
    [line.slope.cast_unsigned(), line.offset.cast_unsigned()]
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Relu, gadget::cost},
        *,
    };

    #[test]
    fn a_knot_takes_no_more_than_relu() {
        let gate = Gate::new(Width::new(33), 32, 12, Width::new(45));
        let cost = |function: &dyn Function| cost(function, &gate, 8000);
        let relu = Spline::new("relu", 0, vec![0], &[0, 1], 0);
        assert_eq!(cost(&relu), cost(&Relu));
        assert_eq!(cost(&Spline::leaky_relu(0.1, 12)), cost(&Relu));
        // The bits ahead of relu6: two chains, r and r tau, the mask of the cap.
        let bits = |function: &dyn Function| cost(function).ahead_links().total() / 1000;
        let [relu, truncation] = [bits(&Relu), bits(&Truncation)];
        assert_eq!(bits(&Spline::relu6(6 << 12)), relu + 320 + 45 - 13);
        assert!(bits(&Spline::sigmoid(12, 12)) <= truncation + 8 * (relu - truncation));
    }
}
