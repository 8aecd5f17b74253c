//! The workloads of benches: single operations with a number of values or images.

#![warn(clippy::wildcard_enum_match_arm)]

use std::{fmt, str::FromStr};

use fixedpoint::{Padding, conv::ConvShape, encoding::FixedPoint, pool::PoolShape};
use protocols::{Role, securenn::matmul::MatMulShape};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    functions::ActivationKind,
    shapes::Dims,
    suite_name::SuiteName,
};

/// The largest side of a kernel of a [`ConvSize`].
const MAX_KERNEL: usize = 31;

/// The most channels and kernels of a [`ConvSize`].
const MAX_CHANNELS: usize = 4096;

/// The largest count of a bench.
pub const MAX_COUNT: usize = 1 << 27;

/// An operation. Its count means:
///
/// | operation | one unit of the count | size at 1,000,000 |
/// |---|---|---|
/// | drelu, truncation, functions | a value | |
/// | maxpool | a result, the maximum of a 2x2 window | |
/// | matmul | 1/10,000 of a column of the right matrix | 1000x1000 by 1000x100 |
/// | conv | 1/1,000,000 of an image of 64x32x32; 64 kernels 3x3, padding 1 | one image |
/// | conv with a [`ConvSize`] | an image | |
///
/// Columns and images are rounded up. The left matrix is always 1000x1000.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// 1 for values of at least 0, otherwise 0.
    Drelu,
    /// A non-linear function, including its truncation.
    Function(ActivationKind),
    /// The largest value of each window and its place.
    MaxPool,
    /// A product of matrices over the ring, without truncation.
    MatMul,
    /// A convolution over the ring, without truncation.
    Conv,
    /// x / 2^f, rounded up or down; only in `dealer`, as it is local in `securenn`.
    Truncation,
}

/// The size of a convolution that replaces the default one. Zero padding keeps the image's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvSize {
    /// The size of an image.
    pub image: Dims,
    /// The number of kernels.
    pub kernels: usize,
    /// The side of a kernel, odd.
    pub side: usize,
}

/// An operation with a count and a precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Workload {
    pub(crate) operation: Operation,
    pub(crate) count: usize,
    pub(crate) fixed: FixedPoint,
    pub(crate) conv: Option<ConvSize>,
}

impl Operation {
    /// All operations, with every function that sends messages.
    pub fn all() -> Vec<Operation> {
        use Operation::{Conv, Drelu, Function, MatMul, MaxPool, Truncation};
        let functions = ActivationKind::all().into_iter().filter(|kind| sends_messages(*kind));
        let functions = functions.map(Function);
        [Drelu].into_iter().chain(functions).chain([MaxPool, MatMul, Conv, Truncation]).collect()
    }

    /// The operations of a suite.
    pub fn of_suite(suite: SuiteName) -> Vec<Operation> {
        let mut operations = Operation::all();
        operations.retain(|operation| match suite {
            SuiteName::SecureNn => *operation != Operation::Truncation,
            SuiteName::Dealer => true,
        });
        operations
    }

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Drelu => "drelu",
            Operation::Function(kind) => kind.name(),
            Operation::MaxPool => "maxpool",
            Operation::MatMul => "matmul",
            Operation::Conv => "conv",
            Operation::Truncation => "truncation",
        }
    }
}

/// Whether the parties send messages to evaluate a function: all do but those that are a constant.
fn sends_messages(kind: ActivationKind) -> bool {
    kind.function().trained_degree() != Some(0)
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Operation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let all = Operation::all();
        let found = all.iter().copied().find(|operation| operation.name() == name);
        let known = || all.iter().map(|operation| operation.name());
        found.ok_or_else(|| Error::unknown("operation", name, known()))
    }
}

impl Workload {
    /// An operation of a suite, with the suite's default fractional bits.
    ///
    /// # Errors
    /// [`Error::Count`], [`Error::Unknown`] for an operation that the suite does not have.
    pub(crate) fn new(operation: Operation, count: usize, suite: SuiteName) -> Result<Workload> {
        let operations = Operation::of_suite(suite);
        if !operations.contains(&operation) {
            let known = operations.iter().map(|operation| operation.name());
            let what = match suite {
                SuiteName::SecureNn => "operation of securenn",
                SuiteName::Dealer => "operation of dealer",
            };
            return Err(Error::unknown(what, operation.name(), known));
        }
        if !(1..=MAX_COUNT).contains(&count) {
            let max = MAX_COUNT;
            return Err(Error::Count { count, max });
        }
        let fixed = FixedPoint::new(suite.fractional_bits());
        Ok(Workload { operation, count, fixed, conv: None })
    }

    /// The same workload with a convolution of this size; the count is then a number of images.
    ///
    /// # Errors
    /// [`Error::BenchSize`] for another operation, or a size that is 0 or too large.
    pub(crate) fn with_conv(self, size: ConvSize) -> Result<Workload> {
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
            Some(values) if values <= MAX_COUNT => Ok(Workload { conv: Some(size), ..self }),
            _ => wrong("it has too many values: use fewer images, channels or pixels"),
        }
    }

    /// The number of input values of a role; `holder` has those of non-linear operations.
    pub(crate) fn input_len(&self, role: Role, holder: Role) -> usize {
        if role == Role::CryptoProducer {
            return 0;
        }
        let (matmul, conv) = (self.matmul_shape(), self.conv_shape());
        let is_model_owner = role == Role::ModelOwner;
        let held = |values: usize| if role == holder { values } else { 0 };
        match self.operation {
            Operation::MatMul if is_model_owner => matmul.m * matmul.k,
            Operation::MatMul => matmul.k * matmul.n,
            Operation::Conv if is_model_owner => conv.weight_len(),
            Operation::Conv => conv.input_len(),
            Operation::MaxPool => held(self.pool_shape().input_len()),
            Operation::Drelu | Operation::Function(_) | Operation::Truncation => held(self.count),
        }
    }

    /// The windows of a max pool.
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

    /// The matrices of a product.
    pub(crate) fn matmul_shape(&self) -> MatMulShape {
        MatMulShape { m: 1000, k: 1000, n: self.count.div_ceil(10_000) }
    }

    /// The images and kernels of a convolution.
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

    /// The degree of a function with trained coefficients; 0 for other operations.
    pub(crate) fn degree(&self) -> usize {
        match self.operation {
            Operation::Function(kind) => kind.function().trained_degree().unwrap_or(0) as usize,
            Operation::Drelu
            | Operation::MaxPool
            | Operation::MatMul
            | Operation::Conv
            | Operation::Truncation => 0,
        }
    }

    /// The coefficients of x, x^2, ...: 1, 1/2, and so on.
    pub(crate) fn coefficients(&self) -> Vec<u64> {
        (1..=self.degree()).map(|power| self.fixed.one() >> power).collect()
    }

    /// The constant of a function with trained coefficients.
    pub(crate) fn constant(&self) -> u64 {
        self.fixed.one() / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_listed() {
        // A new variant does not compile here until it has the next place.
        let place = |operation: Operation| match operation {
            Operation::Drelu => 0,
            Operation::Function(_) => 1,
            Operation::MaxPool => 2,
            Operation::MatMul => 3,
            Operation::Conv => 4,
            Operation::Truncation => 5,
        };
        let mut places: Vec<usize> = Operation::all().into_iter().map(place).collect();
        places.dedup();
        assert_eq!(places, [0, 1, 2, 3, 4, 5]);
        let listed =
            Operation::all().into_iter().filter(|&operation| place(operation) == 1).count();
        let constants = |kind: &ActivationKind| kind.function().trained_degree() == Some(0);
        let all = ActivationKind::all();
        assert_eq!(listed, all.len() - all.iter().filter(|kind| constants(kind)).count());
    }
}
