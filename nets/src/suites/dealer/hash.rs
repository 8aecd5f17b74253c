//! The hash of a layout over a canonical form, which is equal for equal layouts in every build.

use protocols::{
    average::Divisor,
    dealer::{Gate, Mask},
    spline::Spline,
};

use super::layout::{Apply, Computation, LayerLayout, Layout, Part};
use crate::{cost::BoundSource, functions::Gadget};

impl Layout {
    /// BLAKE3 of the canonical form.
    pub fn hash(&self) -> blake3::Hash {
        let mut out = Canonical(blake3::Hasher::new());
        out.text("tercet dealer layout 1");
        out.number(self.fixed.fractional_bits());
        out.list(&self.layers, Canonical::layer);
        out.option(self.label.as_ref(), Canonical::gate);
        out.0.finalize()
    }
}

/// The canonical form. A number has 8 bytes, a variant is a number, and lists and texts follow
/// their lengths, so no two layouts have the same bytes.
struct Canonical(blake3::Hasher);

impl Canonical {
    fn number(&mut self, number: impl Into<i64>) {
        self.0.update(&number.into().to_le_bytes());
    }

    fn size(&mut self, size: usize) {
        self.0.update(&(size as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.size(text.len());
        self.0.update(text.as_bytes());
    }

    fn list<T>(&mut self, values: &[T], each: impl Fn(&mut Canonical, &T)) {
        self.size(values.len());
        values.iter().for_each(|value| each(self, value));
    }

    fn option<T>(&mut self, value: Option<&T>, each: impl Fn(&mut Canonical, &T)) {
        self.number(u32::from(value.is_some()));
        value.into_iter().for_each(|value| each(self, value));
    }

    fn layer(&mut self, layer: &LayerLayout) {
        let LayerLayout { width, scale, magnitude_bits, source, mask, lift, before, computation } =
            layer;
        self.number(width.bits());
        self.number(*scale);
        self.number(*magnitude_bits);
        self.number(match source {
            BoundSource::MagnitudeBits => 0,
            BoundSource::Interval => 1,
            BoundSource::Calibration => 2,
            BoundSource::Structure => 3,
        });
        self.number(match mask {
            Mask::Hidden => 0,
            Mask::Known => 1,
        });
        self.list(lift, |out, bits| out.number(*bits));
        self.option(before.as_ref(), Canonical::gate);
        self.computation(computation);
    }

    fn computation(&mut self, computation: &Computation) {
        match computation {
            Computation::Input => self.number(0),
            Computation::Linear => self.number(1),
            Computation::Local => self.number(2),
            Computation::Average(divisor) => {
                self.number(3);
                self.divisor(divisor);
            }
            Computation::Activate(parts) => {
                self.number(4);
                self.list(parts, Canonical::part);
            }
            Computation::MaxPool(gate) => {
                self.number(5);
                self.gate(gate);
            }
            Computation::AnySign(gate) => {
                self.number(6);
                self.gate(gate);
            }
        }
    }

    /// An average's divisor; the factors of its windows follow from the architecture.
    fn divisor(&mut self, divisor: &Divisor) {
        self.number(divisor.bits());
        self.0.update(&divisor.weight().to_le_bytes());
    }

    fn gate(&mut self, gate: &Gate) {
        for bits in [gate.width().bits(), gate.bound(), gate.shift(), gate.out().bits()] {
            self.number(bits);
        }
    }

    /// A part of an activation; its functions are part of the architecture.
    fn part(&mut self, part: &Part) {
        let Part { portion, raise, apply, lift } = part;
        self.list(&portion.channels, |out, channels| {
            out.size(channels.start);
            out.size(channels.end);
        });
        self.number(*raise);
        self.number(*lift);
        match apply {
            Apply::Pass => self.number(0),
            Apply::Constants => self.number(1),
            Apply::Gadget(gadget, gate) => {
                self.number(2);
                self.gadget(gadget);
                self.gate(gate);
            }
        }
    }

    fn gadget(&mut self, gadget: &Gadget) {
        match gadget {
            Gadget::Truncation => self.number(0),
            Gadget::Relu => self.number(1),
            Gadget::Spline(spline) => {
                self.number(2);
                self.spline(spline);
            }
            Gadget::Square => self.number(3),
            Gadget::Cube => self.number(4),
            Gadget::Sign => self.number(5),
            Gadget::Polynomial(degree) => {
                self.number(6);
                self.number(*degree);
            }
        }
    }

    /// A piecewise-linear function, by its values at the knots and one step outside of the outer
    /// two.
    fn spline(&mut self, spline: &Spline) {
        self.number(spline.slope_bits());
        self.list(spline.knots(), |out, knot| out.number(*knot));
        let first = spline.knots().first().map_or(0, |knot| knot - 1);
        let last = spline.knots().last().map_or(1, |knot| knot + 1);
        for t in [first].iter().chain(spline.knots()).chain(&[last]) {
            self.number(spline.value(*t));
        }
    }
}

#[cfg(test)]
mod tests {
    use fixedpoint::{encoding::FixedPoint, width::Width};

    use super::*;
    use crate::{output::Output, suites::dealer::Bounds, test_nets};

    fn layout() -> Layout {
        let (graph, bounds) = (test_nets::everything(), Bounds::Alike(7));
        Layout::new(&graph, FixedPoint::new(12), &bounds, Output::Logits).unwrap()
    }

    #[test]
    fn the_hash_never_changes() {
        // A change here makes material and state of other builds useless: raise the version in the
        // canonical form, and those of the files, on purpose.
        let expected = "6bf2c9cf0a2d955049f3bd33f962c9c88da056ddbd5ff2ce593782ecb18536c5";
        assert_eq!(layout().hash().to_hex().as_str(), expected);
    }

    #[test]
    fn every_part_of_a_layout_is_in_the_hash() {
        let layout = layout();
        let mut changed = vec![layout.clone()];
        let mut change = |change: &dyn Fn(&mut Layout)| {
            let mut other = layout.clone();
            change(&mut other);
            changed.push(other);
        };
        change(&|other| other.fixed = FixedPoint::new(11));
        change(&|other| other.label = Some(Gate::new(Width::new(9), 8, 0, Width::new(9))));
        change(&|other| other.layers.truncate(3));
        change(&|other| other.layers[1].width = Width::new(60));
        change(&|other| other.layers[1].scale += 1);
        change(&|other| other.layers[1].magnitude_bits += 1);
        change(&|other| other.layers[1].source = BoundSource::Calibration);
        change(&|other| other.layers[1].lift.push(1));
        change(&|other| {
            other.layers[1].mask = match other.layers[1].mask {
                Mask::Hidden => Mask::Known,
                Mask::Known => Mask::Hidden,
            };
        });
        change(&|other| {
            other.layers[1].before = Some(Gate::new(Width::new(9), 8, 0, Width::new(9)));
        });
        let steps = layout.layers.len();
        for (a, b) in (0..steps).flat_map(|a| (0..a).map(move |b| (a, b))) {
            if layout.layers[a].computation != layout.layers[b].computation {
                change(&|other| other.layers[0].computation = layout.layers[a].computation.clone());
                break;
            }
        }
        let mut hashes: Vec<_> = changed.iter().map(|layout| *layout.hash().as_bytes()).collect();
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn splines_with_other_slopes_or_knots_differ() {
        let hash = |spline: Spline| {
            let mut out = Canonical(blake3::Hasher::new());
            out.spline(&spline);
            out.0.finalize()
        };
        let splines = [
            Spline::relu6(6),
            Spline::relu6(7),
            Spline::leaky_relu(0.1, 12),
            Spline::leaky_relu(0.2, 12),
            Spline::leaky_relu(0.1, 13),
            Spline::sigmoid(12, 12),
            Spline::tanh(12, 12),
            Spline::new("line", 0, vec![], &[1], 0),
            Spline::new("line", 0, vec![], &[2], 0),
        ];
        let mut hashes: Vec<_> =
            splines.into_iter().map(|spline| *hash(spline).as_bytes()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 9);
    }
}
