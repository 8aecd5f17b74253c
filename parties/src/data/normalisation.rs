//! From samples to a network's inputs.

use nets::ranges::Range;

use super::{shape::InputShape, source::Samples};

/// The factor of bytes where none is given: they become 0 to 1.
const BYTE_SCALE: f64 = 1.0 / 255.0;

/// The network's input is `(sample * scale - mean) / std`, with a mean and a std for each channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Normalisation {
    /// The factor of every sample; 1/255 for bytes and 1 for floating point if not given.
    pub scale: Option<f64>,
    /// One for each channel.
    pub mean: Vec<f64>,
    /// One for each channel.
    pub std: Vec<f64>,
}

impl Normalisation {
    /// Inputs that are scaled samples: mean 0, std 1.
    pub(crate) fn scaling_only(channels: usize) -> Normalisation {
        Normalisation { scale: None, mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// The range of inputs made of bytes, channel by channel.
    pub(crate) fn byte_ranges(&self) -> Vec<Range> {
        let scale = self.scale.unwrap_or(BYTE_SCALE);
        let end = |pixel: u8, mean, std| (f64::from(pixel) * scale - mean) / std;
        let range = |(&mean, &std)| Range::between(end(0, mean, std), end(u8::MAX, mean, std));
        self.mean.iter().zip(&self.std).map(range).collect()
    }

    /// Appends samples as inputs.
    pub(super) fn append(&self, samples: &Samples, shape: InputShape, inputs: &mut Vec<f64>) {
        let [channels, height, width] = shape.image;
        let plane = height * width;
        let normalise = |scale: f64, index: usize, sample: f64| {
            let channel = index / plane % channels;
            (sample * scale - self.mean[channel]) / self.std[channel]
        };
        match samples {
            Samples::Bytes(bytes) => {
                let scale = self.scale.unwrap_or(BYTE_SCALE);
                let each = |(index, &byte)| normalise(scale, index, f64::from(byte));
                inputs.extend(bytes.iter().enumerate().map(each));
            }
            Samples::Numbers(numbers) => {
                let scale = self.scale.unwrap_or(1.0);
                let each = |(index, &number)| normalise(scale, index, number);
                inputs.extend(numbers.iter().enumerate().map(each));
            }
        }
    }
}
