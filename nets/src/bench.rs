//! Single operations, to be measured: inputs in clear, the protocol, its cost, and a count of what
//! came out wrong.

use std::{fmt, ops::Range, str::FromStr};

use fixedpoint::{
    Padding, conv::ConvShape, encoding::FixedPoint, pool::PoolShape, truncation::floor_shift,
};
use protocols::{
    Cost, Dealer, Evaluator, Paper, Role, Session, Share, exchange,
    securenn::{
        conv, drelu, input, leaky_relu,
        matmul::{self, MatMulShape},
        maxpool,
        polynomial::{self, PolynomialShape},
        power::{self, Power},
        relu, relu6, spline,
    },
    spline::Spline,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    graph::{ActivationKind, Dims},
    reference::s_curve,
    suites::dealer,
    suites::name::Suite,
    weights::Uniform,
};

/// The largest side of a kernel, and the most channels of a convolution of another size.
const MAX_KERNEL: usize = 31;
const MAX_CHANNELS: usize = 4096;

/// The largest count of one bench.
pub const MAX_COUNT: usize = 1 << 27;

/// The name of a bench that only transfers bytes.
pub const TRANSPORT: &str = "transport";

/// An operation. What its count counts:
///
/// | operation | count | size at 1,000,000 |
/// |---|---|---|
/// | drelu, relu, relu6, leaky-relu, truncation, square, cube, sign, polynomial-2, polynomial-3, sigmoid, tanh | values | |
/// | maxpool | results, each of a 2x2 window | |
/// | matmul | 10,000 for each column of the right matrix, rounded up; the left one is 1000x1000 | 1000x1000 by 1000x100 |
/// | conv | 1,000,000 for each image of 64x32x32, rounded up; 64 kernels 3x3, padding 1 | one image |
/// | conv of a [`ConvSize`] | images | |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// 1 for values of at least 0, else 0.
    Drelu,
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// x above 0, x / 10 below; truncated.
    LeakyRelu,
    /// The largest of each window and its place.
    MaxPool,
    /// A product of matrices over the ring, not truncated.
    MatMul,
    /// A convolution over the ring, not truncated.
    Conv,
    /// x / 2^f, rounded; of `dealer` alone, as it is local in `securenn`.
    Truncation,
    /// x^2, truncated: in `dealer` before, in `securenn` after.
    Square,
    /// x^3, truncated likewise.
    Cube,
    /// 1 or -1; of `dealer` alone.
    Sign,
    /// A polynomial of degree 2 with secret coefficients, truncated likewise.
    Polynomial2,
    /// One of degree 3.
    Polynomial3,
    /// The logistic function, straight between eight knots.
    Sigmoid,
    /// The hyperbolic tangent, straight between eight knots.
    Tanh,
}

/// The size of a convolution, other than the usual one. Zeros around an image keep its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvSize {
    /// The size of an image.
    pub image: Dims,
    /// How many kernels there are.
    pub kernels: usize,
    /// The side of a kernel, odd.
    pub side: usize,
}

/// An operation of a certain size: the same at all parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bench {
    pub(crate) operation: Operation,
    pub(crate) count: usize,
    suite: Suite,
    pub(crate) fixed: FixedPoint,
    conv: Option<ConvSize>,
    bare: bool,
}

/// What the evaluators hold in clear before a bench. Invented, so nothing about it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchInputs {
    /// P0's: the left matrix or the kernels; else nothing in `securenn` and the values in `dealer`.
    pub model_owner: Vec<u64>,
    /// P1's: the right matrix (row-major) or the images; else the values in `securenn`.
    pub data_owner: Vec<u64>,
}

impl Operation {
    /// All operations.
    pub const ALL: [Operation; 15] = [
        Operation::Drelu,
        Operation::Relu,
        Operation::Relu6,
        Operation::LeakyRelu,
        Operation::MaxPool,
        Operation::MatMul,
        Operation::Conv,
        Operation::Square,
        Operation::Cube,
        Operation::Polynomial2,
        Operation::Polynomial3,
        Operation::Sigmoid,
        Operation::Tanh,
        Operation::Truncation,
        Operation::Sign,
    ];

    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Operation::Drelu => "drelu",
            Operation::Relu => "relu",
            Operation::Relu6 => "relu6",
            Operation::LeakyRelu => "leaky-relu",
            Operation::MaxPool => "maxpool",
            Operation::MatMul => "matmul",
            Operation::Conv => "conv",
            Operation::Truncation => "truncation",
            Operation::Square => "square",
            Operation::Cube => "cube",
            Operation::Sign => "sign",
            Operation::Polynomial2 => "polynomial-2",
            Operation::Polynomial3 => "polynomial-3",
            Operation::Sigmoid => "sigmoid",
            Operation::Tanh => "tanh",
        }
    }

    /// The operations of a suite.
    pub fn of(suite: Suite) -> &'static [Operation] {
        match suite {
            Suite::SecureNn => &Operation::ALL[..13],
            Suite::Dealer => &Operation::ALL,
        }
    }

    /// The operation in a certain size, with the suite's own fractional bits.
    ///
    /// # Errors
    /// [`Error::Count`], [`Error::Unknown`] for an operation that the suite has not.
    pub fn with_count(self, count: usize, suite: Suite) -> Result<Bench> {
        if !Operation::of(suite).contains(&self) {
            let known = Operation::of(suite).iter().map(|operation| operation.name().to_owned());
            let what = match suite {
                Suite::SecureNn => "operation of securenn",
                Suite::Dealer => "operation of dealer",
            };
            let name = self.name().to_owned();
            return Err(Error::Unknown { what, name, known: known.collect() });
        }
        if !(1..=MAX_COUNT).contains(&count) {
            let max = MAX_COUNT;
            return Err(Error::Count { count, max });
        }
        let fixed = FixedPoint::new(suite.fractional_bits());
        Ok(Bench { operation: self, count, suite, fixed, conv: None, bare: false })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Operation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Operation::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
            .ok_or_else(|| Error::unknown("operation", name, Operation::ALL.map(Operation::name)))
    }
}

impl Bench {
    /// The operation.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// A convolution of this size instead; the count is then one of images.
    ///
    /// # Errors
    /// [`Error::BenchSize`] for another operation, or a size that is none or too large.
    pub fn with_conv(self, size: ConvSize) -> Result<Bench> {
        let ConvSize { image, kernels, side } = size;
        let wrong = |what: &str| Err(Error::BenchSize { what: what.to_owned() });
        if self.operation != Operation::Conv {
            return wrong("a shape is one of conv: leave it out");
        }
        if side % 2 == 0 || side > MAX_KERNEL || !(1..=MAX_CHANNELS).contains(&kernels) {
            return wrong("use up to 4096 kernels of an odd side up to 31");
        }
        if image.channels > MAX_CHANNELS {
            return wrong("use up to 4096 channels");
        }
        let largest = image.plane().checked_mul(image.channels.max(kernels) * self.count);
        match largest {
            Some(values) if values <= MAX_COUNT => Ok(Bench { conv: Some(size), ..self }),
            _ => wrong("it has too many values: use fewer images, channels or pixels"),
        }
    }

    /// The size of a convolution other than the usual one.
    pub fn conv(&self) -> Option<ConvSize> {
        self.conv
    }

    /// The same bytes over the same links without the protocol: what the transport alone takes. There
    /// are no inputs and no outputs.
    pub fn bare(self) -> Bench {
        Bench { bare: true, ..self }
    }

    /// The name in reports.
    pub fn name(&self) -> &'static str {
        if self.bare { TRANSPORT } else { self.operation.name() }
    }

    /// The count it was asked for.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Inputs over the whole domain of the operation, its edges first; the same for the same seed.
    pub fn inputs(&self, test_seed: u64) -> BenchInputs {
        let domain = self.domain();
        let draw = |role: Role| {
            let mut uniform = Uniform::new(role.name(), test_seed);
            let random = std::iter::repeat_with(|| match &domain {
                Some(domain) => uniform.within(domain),
                None => uniform.word(),
            });
            let values = self.edges().into_iter().chain(random);
            values.take(self.input_len(role)).collect()
        };
        BenchInputs { model_owner: draw(Role::ModelOwner), data_owner: draw(Role::DataOwner) }
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Any party: runs the operation on its `own` input. The results are the sums of what the parties give.
    /// `between` is called when all that is possible ahead is done.
    ///
    /// # Errors
    /// [`protocols::Error::Shape`] for inputs of another length, or a transport error.
    pub fn run(
        &self,
        session: &Session,
        own: &[u64],
        between: &dyn Fn() -> protocols::Result<()>,
    ) -> protocols::Result<Vec<u64>> {
        let name = self.name();
        if self.suite == Suite::Dealer && !self.bare {
            return dealer::bench::run(self, session, own, between);
        }
        match session.role() {
            Role::CryptoProducer => session.deal(name, |ctx| self.deal(ctx)).map(|()| Vec::new()),
            _ => session.evaluate(name, |ctx| self.evaluate(ctx, own)).map(Share::into_words),
        }
    }

    /// P0 and P1: shares `own` input without a message, and gives its half of the result (for max
    /// pools all maxima, then all places).
    ///
    /// # Errors
    /// [`protocols::Error::Shape`] for inputs of another length, or a transport error.
    fn evaluate(&self, ctx: &mut Evaluator<'_>, own: &[u64]) -> protocols::Result<Share> {
        ctx.check_len(own.len(), self.input_len(ctx.party()))?;
        if self.bare {
            exchange::run(ctx, &self.like())?;
            return Ok(Share::default());
        }
        let shared = |owner: Role| {
            let mut ctx = ctx.narrow(owner.name(), 0);
            match ctx.party() == owner {
                true => input::own(&mut ctx, own),
                false => input::others(&mut ctx, self.input_len(owner)),
            }
        };
        let (left, x) = (shared(Role::ModelOwner), shared(Role::DataOwner));
        match self.operation {
            Operation::Drelu => drelu::evaluate(ctx, &x),
            Operation::Relu => relu::evaluate(ctx, &x),
            Operation::Relu6 => relu6::evaluate(ctx, &x, &self.fixed),
            Operation::LeakyRelu => leaky_relu::evaluate(ctx, &x, leaky_relu::SLOPE, &self.fixed),
            Operation::MaxPool => {
                let pooled = maxpool::evaluate(ctx, &self.pool_shape(), &x)?;
                Ok(Share::concat(&[pooled.value, pooled.index]))
            }
            Operation::MatMul => matmul::evaluate(ctx, &self.matmul_shape(), &left, &x),
            Operation::Conv => conv::evaluate(ctx, &self.conv_shape(), &left, &x),
            Operation::Square => power::evaluate(ctx, Power::Square, &x, &self.fixed),
            Operation::Cube => power::evaluate(ctx, Power::Cube, &x, &self.fixed),
            Operation::Polynomial2 | Operation::Polynomial3 => {
                // P0's alone: P1's share of them is 0.
                let own = |words: Vec<u64>| match ctx.party() {
                    Role::ModelOwner => Share::new(words),
                    _ => Share::new(vec![0; words.len()]),
                };
                let (coefficients, constant) =
                    (own(self.coefficients()), own(vec![self.constant()]));
                let shape = self.polynomial_shape();
                polynomial::evaluate(ctx, &shape, &coefficients, &constant, &x, &self.fixed)
            }
            Operation::Sigmoid | Operation::Tanh => spline::evaluate(ctx, &self.spline(), &x),
            other => unreachable!("{other} is not of this suite"),
        }
    }

    /// P2.
    ///
    /// # Errors
    /// A transport error.
    fn deal(&self, ctx: &mut Dealer<'_>) -> protocols::Result<()> {
        if self.bare {
            return exchange::run(ctx, &self.like());
        }
        match self.operation {
            Operation::Drelu => drelu::deal(ctx, self.count),
            Operation::Relu => relu::deal(ctx, self.count),
            Operation::Relu6 => relu6::deal(ctx, self.count),
            Operation::LeakyRelu => leaky_relu::deal(ctx, self.count),
            Operation::MaxPool => maxpool::deal(ctx, &self.pool_shape()),
            Operation::MatMul => matmul::deal(ctx, &self.matmul_shape()),
            Operation::Conv => conv::deal(ctx, &self.conv_shape()),
            Operation::Square => power::deal(ctx, Power::Square, self.count),
            Operation::Cube => power::deal(ctx, Power::Cube, self.count),
            Operation::Polynomial2 | Operation::Polynomial3 => {
                polynomial::deal(ctx, &self.polynomial_shape(), self.count)
            }
            Operation::Sigmoid | Operation::Tanh => spline::deal(ctx, &self.spline(), self.count),
            other => unreachable!("{other} is not of this suite"),
        }
    }

    /// What it will send.
    pub fn cost(&self) -> Cost {
        if self.bare { exchange::cost(&self.like()) } else { self.like() }
    }

    /// The cost of the operation itself.
    fn like(&self) -> Cost {
        if self.suite == Suite::Dealer {
            return dealer::bench::cost(self);
        }
        match self.operation {
            Operation::Drelu => drelu::cost(self.count),
            Operation::Relu => relu::cost(self.count),
            Operation::Relu6 => relu6::cost(self.count),
            Operation::LeakyRelu => leaky_relu::cost(self.count),
            Operation::MaxPool => maxpool::cost(&self.pool_shape()),
            Operation::MatMul => matmul::cost(&self.matmul_shape()),
            Operation::Conv => conv::cost(&self.conv_shape()),
            Operation::Square => power::cost(Power::Square, self.count),
            Operation::Cube => power::cost(Power::Cube, self.count),
            Operation::Polynomial2 | Operation::Polynomial3 => {
                polynomial::cost(self.degree(), self.count)
            }
            Operation::Sigmoid | Operation::Tanh => spline::cost(&self.spline(), self.count),
            other => unreachable!("{other} is not of this suite"),
        }
    }

    /// The published formula; none for a bare transfer.
    pub fn paper(&self) -> Option<Paper> {
        let count = self.count as f64;
        if self.bare || self.suite == Suite::Dealer {
            return None;
        }
        Some(match self.operation {
            Operation::Drelu => drelu::paper(count),
            Operation::Relu => relu::paper(count),
            Operation::Relu6 => relu6::paper(count),
            Operation::LeakyRelu => leaky_relu::paper(count),
            Operation::MaxPool => maxpool::paper(&self.pool_shape()),
            Operation::MatMul => matmul::paper(&self.matmul_shape()),
            Operation::Conv => conv::paper(&self.conv_shape()),
            Operation::Square => power::paper(Power::Square, count),
            Operation::Cube => power::paper(Power::Cube, count),
            Operation::Polynomial2 | Operation::Polynomial3 => {
                polynomial::paper(self.degree(), count)
            }
            Operation::Sigmoid | Operation::Tanh => spline::paper(&self.spline(), count),
            other => unreachable!("{other} is not of this suite"),
        })
    }

    /// How many of the reconstructed outputs differ from the ideal by anything but the coin of a
    /// truncation; missing and surplus outputs are all wrong.
    pub fn wrong(&self, inputs: &BenchInputs, outputs: &[u64]) -> usize {
        if self.suite == Suite::Dealer && !self.bare {
            return dealer::bench::wrong(self, inputs, outputs);
        }
        let ideal = self.ideal(inputs);
        let differs =
            |(got, (lowest, more)): &(&u64, &(u64, u64))| got.wrapping_sub(*lowest) > *more;
        let differing = outputs.iter().zip(&ideal).filter(differs).count();
        differing + outputs.len().abs_diff(ideal.len())
    }

    /// Each output's lowest value, and what the coins of truncations may add.
    fn ideal(&self, inputs: &BenchInputs) -> Vec<(u64, u64)> {
        if self.bare {
            return Vec::new();
        }
        let (left, x) = (&inputs.model_owner, &inputs.data_owner);
        let exact = match self.operation {
            Operation::Drelu => drelu::ideal(x),
            Operation::Relu => relu::ideal(x),
            Operation::Relu6 => relu6::ideal(x, &self.fixed),
            Operation::LeakyRelu => leaky_relu::ideal(x, leaky_relu::SLOPE, &self.fixed),
            Operation::MaxPool => {
                let pooled = maxpool::ideal(&self.pool_shape(), x);
                [pooled.value, pooled.index].concat()
            }
            Operation::MatMul => matmul::ideal(&self.matmul_shape(), left, x),
            Operation::Conv => conv::ideal(&self.conv_shape(), left, x),
            Operation::Sigmoid | Operation::Tanh => spline::ideal(&self.spline(), x),
            Operation::Square => return x.iter().map(|&x| self.horner(x, x, &[0])).collect(),
            Operation::Cube => return x.iter().map(|&x| self.horner(x, x, &[0, 0])).collect(),
            Operation::Polynomial2 | Operation::Polynomial3 => {
                let mut lower = vec![self.constant()];
                lower.extend(self.coefficients());
                let first = lower.pop().expect("coefficients");
                lower.reverse();
                return x.iter().map(|&x| self.horner(first, x, &lower)).collect();
            }
            other => unreachable!("{other} is not of this suite"),
        };
        let coin = u64::from(self.has_coin());
        exact.into_iter().map(|ideal| (ideal, coin)).collect()
    }

    /// From y, for each term in turn y x + term: the lowest result, and what the coins of the products' truncations may
    /// add to it.
    fn horner(&self, first: u64, x: u64, terms: &[u64]) -> (u64, u64) {
        let product = |y: i64| {
            let product = y.cast_unsigned().wrapping_mul(x);
            floor_shift(product, self.fixed.fractional_bits()).cast_signed()
        };
        let step = |(low, high): (i64, i64), term: &u64| {
            let [a, b] = [low, high].map(product);
            (a.min(b) + term.cast_signed(), a.max(b) + 1 + term.cast_signed())
        };
        let first = first.cast_signed();
        let (low, high) = terms.iter().fold((first, first), step);
        (low.cast_unsigned(), high.abs_diff(low))
    }

    /// Whether a truncation's coin is in the results.
    fn has_coin(&self) -> bool {
        let truncates = !matches!(
            self.operation,
            Operation::Drelu
                | Operation::Relu
                | Operation::Relu6
                | Operation::MaxPool
                | Operation::MatMul
                | Operation::Conv
        );
        self.suite == Suite::Dealer || truncates
    }

    /// The values that the operation is defined for, signed; `None` for the whole ring.
    fn domain(&self) -> Option<Range<i64>> {
        let symmetric = |bits: u32| Some(-(1i64 << bits)..1 << bits);
        if self.suite == Suite::Dealer {
            return dealer::bench::domain(self);
        }
        match self.operation {
            Operation::Drelu | Operation::Relu => symmetric(62),
            Operation::Relu6 => Some(self.six() - (1 << 62)..1 << 62),
            // Products below 2^34: a million truncations fail with probability 2^-10 at most.
            Operation::LeakyRelu | Operation::Sigmoid | Operation::Tanh => {
                symmetric(34 - self.fixed.fractional_bits())
            }
            Operation::Square | Operation::Polynomial2 | Operation::Polynomial3 => symmetric(17),
            Operation::Cube => symmetric(15),
            // Differences of two values are within DReLU's domain.
            Operation::MaxPool => symmetric(61),
            Operation::MatMul | Operation::Conv => None,
            other => unreachable!("{other} is not of this suite"),
        }
    }

    fn edges(&self) -> Vec<u64> {
        let Some(Range { start, end }) = self.domain() else {
            return vec![0, 1, u64::MAX, 1 << 63];
        };
        // In `dealer` values have the scale of products.
        let six = match self.suite {
            Suite::SecureNn => self.six(),
            Suite::Dealer => self.six() << self.fixed.fractional_bits(),
        };
        [start, end - 1, -1, 0, 1, start + 1, end - 2, six - 1, six, six + 1]
            .into_iter()
            .filter(|edge| (start..end).contains(edge))
            .map(i64::cast_unsigned)
            .collect()
    }

    pub(crate) fn six(&self) -> i64 {
        6 * self.fixed.one().cast_signed()
    }

    pub(crate) fn input_len(&self, role: Role) -> usize {
        let (matmul, conv) = (self.matmul_shape(), self.conv_shape());
        match (self.operation, role) {
            (_, Role::CryptoProducer) => 0,
            _ if self.bare => 0,
            (Operation::MatMul, Role::ModelOwner) => matmul.m * matmul.k,
            (Operation::MatMul, Role::DataOwner) => matmul.k * matmul.n,
            (Operation::Conv, Role::ModelOwner) => conv.weight_len(),
            (Operation::Conv, Role::DataOwner) => conv.input_len(),
            // Of other operations one evaluator holds all values.
            (_, role) if (role == Role::ModelOwner) != (self.suite == Suite::Dealer) => 0,
            (Operation::MaxPool, _) => self.pool_shape().input_len(),
            _ => self.count,
        }
    }

    pub(crate) fn pool_shape(&self) -> PoolShape {
        PoolShape {
            batch: 1,
            channels: self.count,
            height: 2,
            width: 2,
            window: (2, 2),
            stride: (2, 2),
            padding: Padding::NONE,
        }
    }

    pub(crate) fn matmul_shape(&self) -> MatMulShape {
        MatMulShape { m: 1000, k: 1000, n: self.count.div_ceil(10_000) }
    }

    pub(crate) fn conv_shape(&self) -> ConvShape {
        let usual = ConvSize { image: Dims::new(64, 32, 32), kernels: 64, side: 3 };
        let (batch, size) = match self.conv {
            Some(size) => (self.count, size),
            None => (self.count.div_ceil(1_000_000), usual),
        };
        let ConvSize { image, kernels, side } = size;
        ConvShape {
            batch,
            in_channels: image.channels,
            out_channels: kernels,
            height: image.height,
            width: image.width,
            kernel: (side, side),
            stride: (1, 1),
            padding: Padding::same(side / 2),
            dilation: (1, 1),
            groups: 1,
        }
    }

    fn polynomial_shape(&self) -> PolynomialShape {
        PolynomialShape { degree: self.degree(), channels: 1, plane: self.count }
    }

    /// A polynomial's degree, of other operations 0.
    pub(crate) fn degree(&self) -> usize {
        match self.operation {
            Operation::Polynomial2 => 2,
            Operation::Polynomial3 => 3,
            _ => 0,
        }
    }

    /// Those of x, x^2 and x^3, halved from one to the next.
    pub(crate) fn coefficients(&self) -> Vec<u64> {
        (1..=self.degree()).map(|power| self.fixed.one() >> power).collect()
    }

    pub(crate) fn constant(&self) -> u64 {
        self.fixed.one() / 10
    }

    fn spline(&self) -> Spline {
        let kind = match self.operation {
            Operation::Sigmoid => ActivationKind::Sigmoid,
            _ => ActivationKind::Tanh,
        };
        s_curve(kind, &self.fixed)
    }
}

#[cfg(test)]
mod tests {
    use protocols::test_world::TestWorld;

    use super::*;

    #[test]
    fn every_operation_is_right_and_costs_what_it_says() {
        let all = Suite::ALL.map(|suite| Operation::of(suite).iter().map(move |op| (suite, *op)));
        for (suite, operation) in all.into_iter().flatten() {
            let bench = operation.with_count(3000, suite).unwrap();
            let inputs = bench.inputs(41);
            let outcome = TestWorld::new(42).run(|session| {
                let own = match session.role() {
                    Role::ModelOwner => &inputs.model_owner[..],
                    Role::DataOwner => &inputs.data_owner,
                    Role::CryptoProducer => &[],
                };
                bench.run(session, own, &|| Ok(()))
            });
            let (seen, cost) = (&outcome.measurements[0], bench.cost());
            assert_eq!((seen.sent, seen.received), (cost.links(), cost.links()), "{operation}");
            assert_eq!((seen.ahead, seen.rounds()), (cost.ahead_links(), cost.rounds()));
            assert_eq!(seen.depth, cost.critical_path(), "{operation}");
            let parts = outcome.results.map(|result| result.unwrap());
            let mut outputs = parts
                .into_iter()
                .filter(|part| !part.is_empty())
                .reduce(|a, b| a.iter().zip(&b).map(|(a, b)| a.wrapping_add(*b)).collect());
            let outputs = outputs.as_mut().unwrap();
            assert_eq!(bench.wrong(&inputs, outputs), 0, "{suite} {operation}");
            if let Some(paper) = bench.paper() {
                assert_eq!(paper.rounds, bench.cost().rounds(), "{operation}");
            }
            let bare = bench.bare();
            // Whole words: up to 7 bytes more on each of six links.
            let more = bare.cost().bytes() - bench.cost().bytes();
            assert!(more <= 6 * 7, "{operation}: {more}");
            assert_eq!(bare.wrong(&bare.inputs(1), &[]), 0);

            assert_eq!(bench.wrong(&inputs, &outputs[..900]), outputs.len() - 900);
            outputs[7] = outputs[7].wrapping_add(1 << 20);
            outputs[9] = outputs[9].wrapping_sub(1);
            let wrong = bench.wrong(&inputs, outputs);
            // A truncation's coin may hide the last one, and 2^20 be the other sign's ring.
            assert!(wrong == 2 || wrong == 1 && bench.has_coin(), "{suite} {operation}");
        }
    }

    #[test]
    fn a_million_is_the_size_the_table_gives() {
        let of = |operation: Operation| operation.with_count(1_000_000, Suite::SecureNn).unwrap();
        let matmul = of(Operation::MatMul).matmul_shape();
        assert_eq!((matmul.m, matmul.k, matmul.n), (1000, 1000, 100));
        let conv = of(Operation::Conv).conv_shape();
        assert_eq!((conv.batch, conv.in_channels, conv.out_channels), (1, 64, 64));
        assert_eq!(of(Operation::MaxPool).pool_shape().output_len(), 1_000_000);
        // 584 bytes a ReLU.
        assert_eq!(of(Operation::Relu).cost().bytes(), 584_000_000);
        let relu = Operation::Relu.with_count(1_000_000, Suite::Dealer).unwrap().cost();
        // 443 bits ahead, 70 online.
        assert_eq!(relu.ahead_links().total(), 55_375_000);
        assert_eq!(relu.bytes() - relu.ahead_links().total(), 8_750_000);
    }

    #[test]
    fn inputs_repeat_and_hold_the_edges() {
        let bench = Operation::Relu6.with_count(100, Suite::SecureNn).unwrap();
        let inputs = bench.inputs(1);
        assert_eq!(inputs, bench.inputs(1));
        assert_ne!(inputs, bench.inputs(2));
        assert!(inputs.model_owner.is_empty());
        let x = &inputs.data_owner;
        assert_eq!(x.len(), 100);
        for edge in [0, 6 << 13, (1 << 62) - 1, (6 << 13) - (1i64 << 62)] {
            assert!(x.contains(&edge.cast_unsigned()), "{edge}");
        }
        let bench = Operation::LeakyRelu.with_count(100, Suite::SecureNn).unwrap();
        let mut values = bench.inputs(1).data_owner.into_iter();
        assert!(values.all(|x| x.cast_signed().unsigned_abs() <= 1 << 21));
        // The largest of the domain, ReLU6's corner and six itself.
        let bench = Operation::Relu6.with_count(100, Suite::Dealer).unwrap();
        let BenchInputs { model_owner: x, data_owner } = bench.inputs(1);
        assert!(data_owner.is_empty());
        for edge in [(1i64 << 31) - (1 << 12), (6 << 24) - (1 << 31), 6 << 24, (6 << 24) - 1] {
            assert!(x.contains(&edge.cast_unsigned()), "{edge}");
        }
    }

    #[test]
    fn names_parse_and_counts_are_checked() {
        for operation in Operation::ALL {
            assert_eq!(operation.name().parse::<Operation>().unwrap(), operation);
        }
        let size = ConvSize { image: Dims::new(16, 32, 32), kernels: 8, side: 3 };
        let conv = Operation::Conv.with_count(2, Suite::Dealer).unwrap().with_conv(size).unwrap();
        assert_eq!(conv.conv_shape().output_len(), 2 * 8 * 32 * 32);
        for (operation, size) in [
            (Operation::Relu, size),
            (Operation::Conv, ConvSize { side: 4, ..size }),
            (Operation::Conv, ConvSize { kernels: 0, ..size }),
            (Operation::Conv, ConvSize { image: Dims::new(16, 1 << 20, 1 << 20), ..size }),
        ] {
            let bench = operation.with_count(2, Suite::Dealer).unwrap();
            assert!(bench.with_conv(size).is_err(), "{size:?}");
        }
        let error = "softmax".parse::<Operation>().unwrap_err().to_string();
        assert!(error.contains("leaky-relu"), "{error}");
        for count in [0, MAX_COUNT + 1] {
            assert!(Operation::Relu.with_count(count, Suite::Dealer).is_err());
        }
    }
}
