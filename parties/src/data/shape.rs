//! The size of a network's input.

/// The input of a network: the size of an image, and the number of classes of its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InputShape {
    /// Channels, height, width of an image.
    pub image: [usize; 3],
    /// The number of classes.
    pub classes: usize,
}

impl InputShape {
    /// The values of an image.
    pub(crate) fn values(self) -> usize {
        self.image.iter().product()
    }

    /// Whether images of these dimensions, the outermost left out, are of the network's size: as
    /// they are, without a single channel, or all values in a row.
    pub(super) fn accepts(self, dimensions: &[usize]) -> bool {
        let image = self.image;
        dimensions == image
            || (image[0] == 1 && dimensions == &image[1..])
            || dimensions == [self.values()]
    }
}
