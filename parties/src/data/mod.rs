//! The data owner's images and labels: from files, or random pixels where there are none.
//!
//! | format | what it is | labels |
//! |---|---|---|
//! | `idx` | MNIST's: bytes, one or more dimensions | a file of their own |
//! | `cifar10`, `cifar100` | the binary version's batches | of each image |
//! | `npy` | NumPy's: bytes or floating point | a file of their own |
//! | `images` | PNG and JPEG files, or folders of them | a folder a class, or a file of their own |
//! | `csv` | a row an image, a column a value | a column, or a file of their own |
//!
//! Whatever the format, a file's size, shape and types are checked when it is opened, before anything
//! of its size is allocated and before any share of it is sent. Only the images asked for are read.

mod cifar;
mod csv;
mod format;
mod idx;
mod images;
mod npy;
mod records;

use std::{ops::Range, path::PathBuf};

use nets::graph::MAX_BATCH;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Column, DataOwner, Network, Normalisation},
    error::{Error, Result},
};

pub use format::Format;

/// The data owner's batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The number of images.
    pub images: usize,
    /// The place of the first image in the data set.
    pub first: usize,
    /// The network's inputs, image by image, channel by channel, row by row.
    pub inputs: Vec<f64>,
    /// The class of each image, if there are labels.
    pub labels: Option<Vec<usize>>,
}

/// Which images of a data set to take; what is left out is as the config has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The place of the first one.
    pub first: Option<usize>,
    /// How many.
    pub images: Option<usize>,
}

impl Window {
    /// So many from where the config starts.
    pub fn of(images: Option<usize>) -> Window {
        Window { first: None, images }
    }
}

impl Batch {
    /// Loads what a config names, or draws random pixels where it names no images.
    ///
    /// # Errors
    /// [`Error::File`] if a file is missing, malformed, of another shape than the network's input,
    /// or has fewer images than are asked for; [`Error::Usage`] for more random images than a batch
    /// may have.
    pub fn load(owner: &DataOwner, network: &Network, window: Window) -> Result<Batch> {
        let first = window.first.unwrap_or(owner.first);
        let images = window.images.or(owner.count);
        match owner.images.is_empty() {
            true => random(owner, network, first, images.unwrap_or(1)),
            false => DataSet::open(owner, network)?.read(first, images),
        }
    }
}

/// How many images a config has from the first one on, whatever its `count`; as many as that where
/// they are random.
///
/// # Errors
/// As [`Batch::load`].
pub fn held(owner: &DataOwner, network: &Network) -> Result<usize> {
    match owner.images.is_empty() {
        true => Ok(owner.count.unwrap_or(1)),
        false => Ok(DataSet::open(owner, network)?.images.count().saturating_sub(owner.first)),
    }
}

/// The files of a data set, open and checked.
struct DataSet<'c> {
    network: &'c Network,
    normalisation: &'c Normalisation,
    images: Chain<Part>,
    labels: Option<Chain<Vec<i64>>>,
}

impl<'c> DataSet<'c> {
    fn open(owner: &'c DataOwner, network: &'c Network) -> Result<DataSet<'c>> {
        let DataOwner { labels, label_column, normalisation, .. } = owner;
        // A file of labels has the column, if there is one.
        let column = label_column.as_ref();
        let own_column = if labels.is_empty() { column } else { None };
        let no_column = |path: &PathBuf, format, column: Option<&Column>| match (format, column) {
            (Format::Csv, _) | (_, None) => Ok(()),
            _ => {
                let what = format!("is {format}, not CSV: leave `data-owner.label_column` out");
                Err(Error::file(path, what))
            }
        };
        let images = Chain::of(&owner.images, |path| {
            let format = owner.format.map_or_else(|| Format::of(path), Ok)?;
            no_column(path, format, own_column)?;
            Ok(match format {
                Format::Idx => idx::images(path, network)?,
                Format::Cifar10 | Format::Cifar100 => cifar::images(path, format, network)?,
                Format::Npy => npy::images(path, network)?,
                Format::Images => images::images(path, network)?,
                Format::Csv => csv::images(path, own_column, network)?,
            })
        })?;
        let labels = match labels.is_empty() {
            true => None,
            false => Some(Chain::of(labels, |path| {
                let format = Format::of(path)?;
                no_column(path, format, column)?;
                Ok(match format {
                    Format::Idx => idx::labels(path)?,
                    Format::Npy => npy::labels(path)?,
                    Format::Csv => csv::labels(path, column)?,
                    _ => {
                        let what =
                            format!("is no file of labels ({format}): give IDX, .npy or CSV");
                        return Err(Error::file(path, what));
                    }
                })
            })?),
        };
        if let Some(labels) = &labels
            && labels.count() != images.count()
        {
            let what = format!("{} labels for {} images", labels.count(), images.count());
            return Err(Error::file(labels.path(), what));
        }
        Ok(DataSet { network, normalisation, images, labels })
    }

    /// Reads so many images, or all that are left.
    fn read(&mut self, first: usize, images: Option<usize>) -> Result<Batch> {
        let held = self.images.count();
        let left = held.saturating_sub(first);
        let images = images.unwrap_or(left);
        if images == 0 || images > left.min(MAX_BATCH) {
            let what = format!(
                "holds {held} images; from {first} on it cannot give {images} (at most {MAX_BATCH} at once)"
            );
            return Err(Error::file(self.images.path(), what));
        }
        let window = first..first + images;
        let classes = self.network.classes;
        let mut labels: Option<Vec<usize>> = None;
        if let Some(file) = &mut self.labels {
            file.read(window.clone(), |path, found| add(&mut labels, path, found, classes))?;
        }
        let separate = labels.is_some();
        let mut inputs = Vec::with_capacity(images * self.network.dims().len());
        self.images.read(window, |path, part: Part| {
            self.normalisation.append(&part.samples, self.network, &mut inputs);
            match part.labels {
                Some(_) if separate => {
                    Err(Error::file(path, "has labels of its own: leave `data-owner.labels` out"))
                }
                Some(found) => add(&mut labels, path, found, classes),
                None => Ok(()),
            }
        })?;
        // A data set of which some files have labels has none.
        let labels = labels.filter(|labels| labels.len() == images);
        Ok(Batch { images, first, inputs, labels })
    }
}

/// Adds labels of a file, if they are classes of the network.
fn add(
    labels: &mut Option<Vec<usize>>,
    path: &std::path::Path,
    found: Vec<i64>,
    classes: usize,
) -> Result<()> {
    let labels = labels.get_or_insert_default();
    for label in found {
        match usize::try_from(label) {
            Ok(class) if class < classes => labels.push(class),
            _ => {
                let what = format!("has label {label}; there are {classes} classes, from 0 on");
                return Err(Error::file(path, what));
            }
        }
    }
    Ok(())
}

/// Random pixels without labels: an image depends on its place and size alone.
fn random(owner: &DataOwner, network: &Network, first: usize, images: usize) -> Result<Batch> {
    if images == 0 || images > MAX_BATCH {
        let what = format!("{images} images: a run takes 1 to {MAX_BATCH} at once");
        return Err(Error::Usage(what));
    }
    let image = network.dims().len();
    let hasher = blake3::Hasher::new_derive_key("tercet random images");
    let mut stream = hasher.finalize_xof();
    stream.set_position(first as u64 * image as u64);
    let mut pixels = vec![0; images * image];
    stream.fill(&mut pixels);
    let mut inputs = Vec::with_capacity(pixels.len());
    owner.normalisation.append(&Samples::Bytes(pixels), network, &mut inputs);
    Ok(Batch { images, first, inputs, labels: None })
}

impl Normalisation {
    /// Appends `(sample * scale - mean) / std`, channel by channel.
    fn append(&self, samples: &Samples, network: &Network, inputs: &mut Vec<f64>) {
        let [channels, height, width] = network.input;
        let plane = height * width;
        let normalise = |scale: f64, index: usize, sample: f64| {
            let channel = index / plane % channels;
            (sample * scale - self.mean[channel]) / self.std[channel]
        };
        match samples {
            Samples::Bytes(bytes) => {
                let scale = self.scale.unwrap_or(1.0 / 255.0);
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

/// A file or folder of images, or a file of labels, whose form is checked.
trait Source<T> {
    /// How many images or labels it has.
    fn count(&self) -> usize;

    /// Some of them, which it must have.
    fn read(&mut self, range: Range<usize>) -> Result<T>;
}

/// What a source of images gives.
#[derive(Debug, PartialEq)]
struct Part {
    samples: Samples,
    /// The class of each image, where the source says.
    labels: Option<Vec<i64>>,
}

/// Images of the network's size, channel by channel, row by row.
#[derive(Debug, PartialEq)]
enum Samples {
    Bytes(Vec<u8>),
    Numbers(Vec<f64>),
}

/// Sources one after the other: at least one.
struct Chain<T> {
    sources: Vec<(PathBuf, Box<dyn Source<T>>)>,
}

impl<T> Chain<T> {
    fn of(
        paths: &[PathBuf],
        open: impl Fn(&PathBuf) -> Result<Box<dyn Source<T>>>,
    ) -> Result<Chain<T>> {
        let source = |path: &PathBuf| Ok((path.clone(), open(path)?));
        Ok(Chain { sources: paths.iter().map(source).collect::<Result<_>>()? })
    }

    /// The first source, which errors on all of them name.
    fn path(&self) -> &PathBuf {
        &self.sources[0].0
    }

    fn count(&self) -> usize {
        self.sources.iter().map(|(_, source)| source.count()).sum()
    }

    /// Hands on what each source has of a range.
    fn read(
        &mut self,
        range: Range<usize>,
        mut each: impl FnMut(&PathBuf, T) -> Result<()>,
    ) -> Result<()> {
        let mut before = 0;
        for (path, source) in &mut self.sources {
            let count = source.count();
            let own = |place: usize| place.saturating_sub(before).min(count);
            let own = own(range.start)..own(range.end);
            if !own.is_empty() {
                each(path, source.read(own)?)?;
            }
            before += count;
        }
        Ok(())
    }
}

/// Whether images of these dimensions, the outermost left out, are of the network's size: as they are,
/// without a single channel, or all values in a row.
fn fits(dimensions: &[usize], network: &Network) -> bool {
    let shape = network.input;
    let values = network.dims().len();
    dimensions == shape || (shape[0] == 1 && dimensions == &shape[1..]) || dimensions == [values]
}

#[cfg(test)]
mod test_files {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use tempfile::TempDir;

    use crate::{config::Network, error::Result};

    /// A folder for the files of a test.
    pub struct Files(TempDir);

    impl Files {
        pub fn new() -> Files {
            Files(tempfile::tempdir().unwrap())
        }

        pub fn path(&self) -> &Path {
            self.0.path()
        }

        pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            path
        }
    }

    /// An IDX file whose bytes count up.
    pub fn idx(dimensions: &[u32], bytes: usize) -> Vec<u8> {
        let mut file = vec![0, 0, 8, dimensions.len() as u8];
        dimensions.iter().for_each(|dimension| file.extend(dimension.to_be_bytes()));
        file.extend((0..bytes).map(|byte| byte as u8));
        file
    }

    pub fn network(input: [usize; 3], classes: usize) -> Network {
        let output = Default::default();
        Network {
            net: "x".into(),
            input,
            classes,
            plan: None,
            exchange: None,
            scale: 1.0,
            file: None,
            output,
        }
    }

    /// Checks that a file was refused in one line that names it.
    #[track_caller]
    pub fn refused<T>(file: &Path, result: Result<T>, expected: &str) {
        let Err(error) = result else { panic!("{} was not refused", file.display()) };
        let (exit_code, message) = (error.exit_code(), error.to_string());
        assert!(message.starts_with(&format!("{}: ", file.display())), "{message}");
        assert!(message.contains(expected) && !message.contains('\n'), "{message}");
        assert_eq!(exit_code, 2);
    }
}

#[cfg(test)]
mod tests {
    use super::{test_files::*, *};

    fn owner(images: &[&PathBuf], labels: &[&PathBuf]) -> DataOwner {
        let owned = |paths: &[&PathBuf]| paths.iter().copied().cloned().collect();
        DataOwner {
            images: owned(images),
            labels: owned(labels),
            format: None,
            label_column: None,
            first: 0,
            count: None,
            normalisation: Normalisation { scale: Some(0.5), mean: vec![1.0], std: vec![2.0] },
            predictions: None,
        }
    }

    fn small() -> Network {
        network([1, 2, 3], 4)
    }

    #[test]
    fn several_files_are_one_data_set() {
        let files = Files::new();
        let images = [("a.idx", 2), ("b.idx", 3)]
            .map(|(name, count)| files.write(name, &idx(&[count, 2, 3], 6 * count as usize)));
        let labels = [("c.idx", 4), ("d.idx", 1)]
            .map(|(name, count)| files.write(name, &idx(&[count], count as usize)));
        let mut owner = owner(&images.each_ref(), &labels.each_ref());
        (owner.first, owner.count) = (1, Some(3));
        let batch = |window| Batch::load(&owner, &small(), window).unwrap();
        let three = batch(Window::default());
        assert_eq!((three.images, three.first, three.inputs.len()), (3, 1, 18));
        assert_eq!(three.labels, Some(vec![1, 2, 3]));
        assert_eq!(three.inputs[0], (6.0 * 0.5 - 1.0) / 2.0);
        assert_eq!(three.inputs[6], -0.5);
        let last = batch(Window { first: Some(4), images: Some(1) });
        assert_eq!((last.labels, last.inputs[0]), (Some(vec![0]), (12.0 * 0.5 - 1.0) / 2.0));
        assert_eq!(held(&owner, &small()).unwrap(), 4);
    }

    #[test]
    fn windows_and_labels_that_do_not_fit_are_refused() {
        let files = Files::new();
        let images = files.write("images", &idx(&[4, 2, 3], 24));
        let load = |labels: &[&PathBuf], first, images_asked| {
            let owner = owner(&[&images], labels);
            Batch::load(&owner, &small(), Window { first: Some(first), images: images_asked })
        };
        refused(&images, load(&[], 4, None), "holds 4 images; from 4 on it cannot give 0");
        refused(&images, load(&[], 1, Some(4)), "from 1 on it cannot give 4");
        refused(&images, load(&[], usize::MAX, Some(4)), "it cannot give 4");
        let five = files.write("five", &idx(&[5], 5));
        refused(&five, load(&[&five], 0, None), "5 labels for 4 images");
        let high = files.write("high", &{
            let mut labels = idx(&[4], 4);
            labels[10] = 4;
            labels
        });
        refused(&high, load(&[&high], 0, None), "has label 4; there are 4 classes, from 0 on");
        assert_eq!(load(&[&high], 3, None).unwrap().labels, Some(vec![3]));
        let text = files.write("labels.csv", b"0\n1\n-1\n3\n");
        refused(&text, load(&[&text], 0, None), "has label -1");
        let folder = files.path().to_owned();
        refused(&folder, load(&[&folder], 0, None), "is no file of labels (images)");

        let table = files.write("table.csv", b"1,2,3,4,5,6,0\n");
        let label = files.write("label.csv", b"3\n");
        let mut both = owner(&[&table], &[]);
        both.label_column = Some(Column::Place(6));
        let batch = Batch::load(&both, &small(), Window::default()).unwrap();
        assert_eq!(batch.labels, Some(vec![0]));
        both.labels = vec![label.clone()];
        refused(&table, Batch::load(&both, &small(), Window::default()), "its rows have 7 values");
        let mut both = owner(&[&images], &[&high]);
        both.label_column = Some(Column::Place(0));
        let complaint = Batch::load(&both, &small(), Window::default());
        refused(&high, complaint, "is idx, not CSV: leave `data-owner.label_column` out");

        let batch = files.write("batch.bin", &[0; 3073]);
        let label = files.write("one.csv", b"0");
        let mut both = owner(&[&batch], &[&label]);
        both.normalisation = Normalisation { scale: None, mean: vec![0.0; 3], std: vec![1.0; 3] };
        let complaint = Batch::load(&both, &network([3, 32, 32], 10), Window::default());
        refused(&batch, complaint, "has labels of its own: leave `data-owner.labels` out");
    }

    #[test]
    fn a_format_is_told_by_ending_and_beginning() {
        let files = Files::new();
        let cases: [(&str, &[u8], &str); 8] = [
            ("images.idx3-ubyte", &[0, 0, 8, 3, 0], "idx"),
            ("x.NPY", b"", "npy"),
            ("array", b"\x93NUMPY\x01\x00", "npy"),
            ("x.csv", b"1,2", "csv"),
            ("x.JPG", b"", "images"),
            ("photo", &[0xff, 0xd8, 0xff, 0xe0], "images"),
            ("drawing", b"\x89PNG\r\n", "images"),
            ("batch.bin", &[0; 3073], "cifar10"),
        ];
        for (name, bytes, expected) in cases {
            let file = files.write(name, bytes);
            assert_eq!(Format::of(&file).unwrap().name(), expected, "{name}");
        }
        assert_eq!(Format::of(files.path()).unwrap(), Format::Images);
        let cases: [(&str, &[u8], &str); 4] = [
            ("images.gz", &[0x1f, 0x8b, 8, 0], "is compressed; unpack it with gunzip"),
            ("arrays.npz", b"PK\x03\x04", "is an archive; unpack it"),
            ("numbers.txt", b"1,2", "begins with [31, 2c, 32], so it is no IDX, .npy, PNG or JPEG"),
            ("none", b"", "begins with []"),
        ];
        for (name, bytes, expected) in cases {
            let file = files.write(name, bytes);
            refused(&file, Format::of(&file), expected);
        }
        let table = files.write("numbers.txt", b"1,2,3,4,5,6");
        let mut owner = owner(&[&table], &[]);
        owner.format = Some(Format::Csv);
        assert_eq!(Batch::load(&owner, &small(), Window::default()).unwrap().images, 1);
    }

    #[test]
    fn random_images_depend_on_their_place_alone() {
        let mut owner = owner(&[], &[]);
        let batch = |owner: &DataOwner, images| Batch::load(owner, &small(), Window::of(images));
        let three = batch(&owner, Some(3)).unwrap();
        assert_eq!((three.images, &three.labels, three.inputs.len()), (3, &None, 18));
        owner.first = 2;
        let one = batch(&owner, None).unwrap();
        assert_eq!((one.images, one.first), (1, 2));
        assert_eq!(one.inputs, three.inputs[12..]);
        assert_ne!(one.inputs, three.inputs[..6]);
        for images in [0, MAX_BATCH + 1, usize::MAX] {
            let error = batch(&owner, Some(images)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("1 to 65536 at once"), "{error}");
        }
        assert_eq!(held(&owner, &small()).unwrap(), 1);
        owner.count = Some(7);
        assert_eq!(held(&owner, &small()).unwrap(), 7);
    }

    #[test]
    fn each_channel_has_its_mean_and_std() {
        let append = |scale, samples| {
            let (mean, std) = (vec![0.0, 10.0], vec![1.0, 2.0]);
            let mut inputs = Vec::new();
            let normalisation = Normalisation { scale, mean, std };
            normalisation.append(&samples, &network([2, 1, 2], 4), &mut inputs);
            inputs
        };
        let bytes = || Samples::Bytes(vec![1, 2, 12, 14, 3, 4, 16, 18]);
        let expected = [1., 2., 1., 2., 3., 4., 3., 4.];
        assert_eq!(append(Some(1.0), bytes()), expected);
        assert_eq!(append(None, Samples::Numbers(vec![1.0, 2.0, 12.0, 14.0])), expected[..4]);
        assert_eq!(append(None, Samples::Bytes(vec![255])), [1.0]);
    }
}
