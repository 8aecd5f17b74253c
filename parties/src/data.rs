//! Images and labels in IDX files, the format of MNIST: two zero bytes, a type byte (8: unsigned
//! bytes), the number of dimensions, each dimension as a big-endian u32, then the bytes.
//!
//! A header is checked against the file's size before anything is allocated, so a file that lies
//! about itself is refused before any share of it is sent.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use nets::graph::MAX_BATCH;

use crate::{
    config::{DataOwner, Network, Normalisation},
    error::{Error, Result},
};

/// The data owner's batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The number of images.
    pub images: usize,
    /// The place of the first image in its file.
    pub first: usize,
    /// The network's inputs, image by image, channel by channel, row by row.
    pub inputs: Vec<f64>,
    /// The class of each image, if there is a file of labels.
    pub labels: Option<Vec<u8>>,
}

impl Batch {
    /// Loads what a config names, or draws random pixels where it names no images; `images`
    /// overrides its `count`.
    ///
    /// # Errors
    /// [`Error::File`] if a file is missing, malformed, of another shape than the network's input,
    /// or has fewer images than are asked for; [`Error::Usage`] for more random images than a batch
    /// may have.
    pub fn load(owner: &DataOwner, network: &Network, images: Option<usize>) -> Result<Batch> {
        let Some(path) = &owner.images else {
            return Batch::random(owner, network, images);
        };
        let mut file = Idx::open(path)?;
        let shape = network.input;
        let found = &file.dimensions[1..];
        if found != &shape[..] && !(shape[0] == 1 && found == &shape[1..]) {
            let what = format!("its images are {found:?}; the network's input is {shape:?}");
            return Err(Error::file(path, what));
        }
        let held = file.dimensions[0];
        let left = held.saturating_sub(owner.first);
        let images = images.or(owner.count).unwrap_or(left);
        if images == 0 || images > left.min(MAX_BATCH) {
            let what = format!(
                "holds {held} images; from {} on it cannot give {images} (at most {MAX_BATCH} at once)",
                owner.first
            );
            return Err(Error::file(path, what));
        }
        let pixels = file.read(owner.first, images)?;
        let labels = owner.labels.as_deref();
        let labels = labels.map(|path| {
            let mut file = Idx::open(path)?;
            if file.dimensions != [held] {
                let what = format!(
                    "its dimensions are {:?}; {held} images need [{held}]",
                    file.dimensions
                );
                return Err(Error::file(path, what));
            }
            let labels = file.read(owner.first, images)?;
            match labels.iter().find(|&&label| usize::from(label) >= network.classes) {
                Some(label) => {
                    let what = format!("has label {label}; there are {} classes", network.classes);
                    Err(Error::file(path, what))
                }
                None => Ok(labels),
            }
        });
        let plane = shape[1] * shape[2];
        let inputs = owner.normalisation.apply(&pixels, plane);
        Ok(Batch { images, first: owner.first, inputs, labels: labels.transpose()? })
    }

    /// Random pixels without labels: an image depends on its place and size alone.
    fn random(owner: &DataOwner, network: &Network, images: Option<usize>) -> Result<Batch> {
        let images = images.or(owner.count).unwrap_or(1);
        if images == 0 || images > MAX_BATCH {
            let what = format!("{images} images: a run takes 1 to {MAX_BATCH} at once");
            return Err(Error::Usage(what));
        }
        let [channels, height, width] = network.input;
        let (plane, image) = (height * width, channels * height * width);
        let hasher = blake3::Hasher::new_derive_key("tercet random images");
        let mut stream = hasher.finalize_xof();
        stream.set_position(owner.first as u64 * image as u64);
        let mut pixels = vec![0; images * image];
        stream.fill(&mut pixels);
        let inputs = owner.normalisation.apply(&pixels, plane);
        Ok(Batch { images, first: owner.first, inputs, labels: None })
    }
}

impl Normalisation {
    /// `(pixel * scale - mean) / std`, channel by channel of `plane` pixels.
    fn apply(&self, pixels: &[u8], plane: usize) -> Vec<f64> {
        let channels = self.mean.len();
        let normalise = |(index, &pixel): (usize, &u8)| {
            let channel = index / plane % channels;
            (f64::from(pixel) * self.scale - self.mean[channel]) / self.std[channel]
        };
        pixels.iter().enumerate().map(normalise).collect()
    }
}

/// An open IDX file whose header agrees with its size.
struct Idx<'p> {
    path: &'p Path,
    file: File,
    dimensions: Vec<usize>,
}

impl<'p> Idx<'p> {
    fn open(path: &'p Path) -> Result<Idx<'p>> {
        let unreadable = |error| Error::file(path, format!("cannot be read: {error}"));
        let mut file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let short = |_| Error::file(path, "ends within its header; it must be an IDX file");
        let mut magic = [0; 4];
        file.read_exact(&mut magic).map_err(short)?;
        let count = match magic {
            [0, 0, 8, count @ 1..=4] => usize::from(count),
            [0x1f, 0x8b, ..] => {
                return Err(Error::file(path, "is compressed; unpack it with gunzip"));
            }
            _ => {
                let what = format!(
                    "has magic {magic:02x?}; an IDX file of bytes has [00, 00, 08, dimensions]"
                );
                return Err(Error::file(path, what));
            }
        };
        let mut dimensions = Vec::with_capacity(count);
        for _ in 0..count {
            let mut dimension = [0; 4];
            file.read_exact(&mut dimension).map_err(short)?;
            dimensions.push(u32::from_be_bytes(dimension) as usize);
        }
        let header = 4 + 4 * count as u64;
        let promised = dimensions
            .iter()
            .try_fold(1u64, |product, &dimension| product.checked_mul(dimension as u64))
            .and_then(|bytes| bytes.checked_add(header));
        if promised != Some(size) {
            let promised = promised.map_or("more".into(), |bytes| bytes.to_string());
            let what = format!("has {size} bytes; its header {dimensions:?} promises {promised}");
            return Err(Error::file(path, what));
        }
        Ok(Idx { path, file, dimensions })
    }

    /// The bytes of items `first..first + count`, which the header must hold.
    fn read(&mut self, first: usize, count: usize) -> Result<Vec<u8>> {
        let item: usize = self.dimensions[1..].iter().product();
        let start = 4 + 4 * self.dimensions.len() + first * item;
        let mut bytes = vec![0; count * item];
        self.file
            .seek(SeekFrom::Start(start as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| Error::file(self.path, format!("cannot be read: {error}")))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn idx(dimensions: &[u32], bytes: usize) -> Vec<u8> {
        let mut file = vec![0, 0, 8, dimensions.len() as u8];
        dimensions.iter().for_each(|dimension| file.extend(dimension.to_be_bytes()));
        file.extend((0..bytes).map(|byte| byte as u8));
        file
    }

    fn load(
        images: &[u8],
        labels: Option<&[u8]>,
        first: usize,
        count: Option<usize>,
    ) -> Result<Batch> {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| -> PathBuf {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let owner = DataOwner {
            images: Some(write("images", images)),
            labels: labels.map(|labels| write("labels", labels)),
            first,
            count,
            normalisation: Normalisation { scale: 0.5, mean: vec![1.0], std: vec![2.0] },
            predictions: None,
        };
        Batch::load(&owner, &network(), None)
    }

    fn network() -> Network {
        Network { net: "x".into(), input: [1, 2, 3], classes: 4, plan: None, file: None }
    }

    fn complaint(
        images: &[u8],
        labels: Option<&[u8]>,
        first: usize,
        count: Option<usize>,
    ) -> String {
        load(images, labels, first, count).unwrap_err().to_string()
    }

    #[test]
    fn a_range_of_images_is_read_and_normalised() {
        let batch = load(&idx(&[4, 2, 3], 24), Some(&idx(&[4], 4)), 1, Some(2)).unwrap();
        assert_eq!((batch.images, batch.first), (2, 1));
        assert_eq!(batch.labels.as_deref(), Some(&[1, 2][..]));
        assert_eq!(batch.inputs.len(), 12);
        assert_eq!(batch.inputs[0], (6.0 * 0.5 - 1.0) / 2.0);
        assert_eq!(load(&idx(&[4, 1, 2, 3], 24), None, 0, None).unwrap().images, 4);
    }

    #[test]
    fn random_images_depend_on_their_place_alone() {
        let normalisation = Normalisation { scale: 1.0, mean: vec![0.0], std: vec![1.0] };
        let owner = |first| DataOwner {
            images: None,
            labels: None,
            first,
            count: None,
            normalisation: normalisation.clone(),
            predictions: None,
        };
        let batch = |first, images| Batch::load(&owner(first), &network(), images).unwrap();
        let three = batch(0, Some(3));
        assert_eq!((three.images, &three.labels, three.inputs.len()), (3, &None, 18));
        let one = batch(2, None);
        assert_eq!((one.images, one.first), (1, 2));
        assert_eq!(one.inputs, three.inputs[12..]);
        assert_ne!(one.inputs, three.inputs[..6]);
        for images in [0, MAX_BATCH + 1, usize::MAX] {
            let error = Batch::load(&owner(0), &network(), Some(images)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("1 to 65536 at once"), "{error}");
        }
    }

    #[test]
    fn each_channel_has_its_mean_and_std() {
        let normalisation =
            Normalisation { scale: 1.0, mean: vec![0.0, 10.0], std: vec![1.0, 2.0] };
        assert_eq!(
            normalisation.apply(&[1, 2, 12, 14, 3, 4, 16, 18], 2),
            [1., 2., 1., 2., 3., 4., 3., 4.]
        );
    }

    #[test]
    fn a_lying_or_foreign_file_is_refused() {
        let good = idx(&[4, 2, 3], 24);
        let cases = [
            (idx(&[4, 2, 3], 23), "has 39 bytes; its header [4, 2, 3] promises 40"),
            (idx(&[4, 2, 3], 25), "has 41 bytes; its header [4, 2, 3] promises 40"),
            (idx(&[u32::MAX; 4], 3), "promises more"),
            (idx(&[u32::MAX, 2, 3], 3), "promises 25769803786"),
            (idx(&[4, 3, 2], 24), "its images are [3, 2]; the network's input is [1, 2, 3]"),
            (good[..9].to_vec(), "ends within its header"),
            (vec![], "ends within its header"),
            (vec![0x1f, 0x8b, 8, 0], "is compressed"),
            (vec![0, 0, 13, 3, 0], "has magic [00, 00, 0d, 03]"),
        ];
        for (file, expected) in cases {
            let message = complaint(&file, None, 0, None);
            assert!(message.contains(expected), "{message}");
        }
        assert!(
            complaint(&good, None, 4, None).contains("holds 4 images; from 4 on it cannot give 0")
        );
        assert!(complaint(&good, None, 1, Some(4)).contains("from 1 on it cannot give 4"));
        let labels = complaint(&good, Some(&idx(&[5], 5)), 0, None);
        assert!(labels.contains("its dimensions are [5]; 4 images need [4]"), "{labels}");
        let mut wrong = idx(&[4], 4);
        wrong[8] = 4;
        assert!(
            complaint(&good, Some(&wrong), 0, None).contains("has label 4; there are 4 classes")
        );
    }
}
