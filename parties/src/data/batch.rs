//! A batch of images with their labels, read from files or drawn at random.

use std::path::Path;

use nets::graph::MAX_BATCH;

use super::{
    cifar::{self, Version},
    csv,
    files::{Column, DataFiles, ImageRange},
    format::Format,
    idx, images,
    normalisation::Normalisation,
    npy,
    shape::InputShape,
    source::{Chain, Part, Samples, Source},
};
use crate::error::{Error, Result};

/// The data owner's batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batch {
    /// The number of images.
    pub images: usize,
    /// The place of the first image in the data set.
    pub first: usize,
    /// The network's inputs, image by image, channel by channel, row by row.
    pub inputs: Vec<f64>,
    /// The class of each image, if there are labels.
    pub labels: Option<Vec<usize>>,
}

impl Batch {
    /// Loads what a config names, or draws random pixels where it names no images.
    ///
    /// # Errors
    /// [`Error::File`] if a file is missing, malformed, of another shape than the network's input,
    /// or has fewer images than are asked for; [`Error::Usage`] for more random images than a batch
    /// may have.
    pub(crate) fn load(files: &DataFiles, shape: InputShape, range: ImageRange) -> Result<Batch> {
        let first = range.first.unwrap_or(files.first);
        let images = range.images.or(files.count);
        if files.images.is_empty() {
            return random(files, shape, first, images.unwrap_or(1));
        }
        DataSet::open(files, shape)?.read(first, images)
    }
}

/// The number of images from the first one on, whatever the `count`; the `count` where they are
/// random.
///
/// # Errors
/// As [`Batch::load`].
pub(crate) fn count_images(files: &DataFiles, shape: InputShape) -> Result<usize> {
    if files.images.is_empty() {
        return Ok(files.count.unwrap_or(1));
    }
    Ok(DataSet::open(files, shape)?.images.count().saturating_sub(files.first))
}

/// The files of a data set, open and checked.
struct DataSet<'c> {
    shape: InputShape,
    normalisation: &'c Normalisation,
    images: Chain<Part>,
    labels: Option<Chain<Vec<i64>>>,
}

impl<'c> DataSet<'c> {
    fn open(files: &'c DataFiles, shape: InputShape) -> Result<DataSet<'c>> {
        let DataFiles { images, labels, format, label_column, normalisation, .. } = files;
        let column = label_column.as_ref();
        // A file of labels has the column, if there is one.
        let own_column = if labels.is_empty() { column } else { None };
        let images = Chain::open(images, |path| open_images(path, *format, own_column, shape))?;
        let labels = if labels.is_empty() {
            None
        } else {
            Some(Chain::open(labels, |path| open_labels(path, column))?)
        };
        if let Some(labels) = &labels
            && labels.count() != images.count()
        {
            let what = format!("{} labels for {} images", labels.count(), images.count());
            return Err(Error::file(labels.path(), what));
        }
        Ok(DataSet { shape, normalisation, images, labels })
    }

    /// Reads this many images, or all that are left.
    fn read(&mut self, first: usize, images: Option<usize>) -> Result<Batch> {
        let held = self.images.count();
        let left = held.saturating_sub(first);
        let images = images.unwrap_or(left);
        if images == 0 || images > left.min(MAX_BATCH) {
            let what = format!(
                "holds {held} images; from {first} on it cannot give {images} (at most \
                 {MAX_BATCH} at once)"
            );
            return Err(Error::file(self.images.path(), what));
        }
        let range = first..first + images;
        let classes = self.shape.classes;
        let mut labels: Option<Vec<usize>> = None;
        if let Some(file) = &mut self.labels {
            file.read(range.clone(), |path, found| add(&mut labels, path, found, classes))?;
        }
        let separate = labels.is_some();
        let mut inputs = Vec::with_capacity(images * self.shape.values());
        self.images.read(range, |path, part: Part| {
            self.normalisation.append(&part.samples, self.shape, &mut inputs);
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

/// Opens a file or folder of images.
fn open_images(
    path: &Path,
    format: Option<Format>,
    column: Option<&Column>,
    shape: InputShape,
) -> Result<Box<dyn Source<Part>>> {
    let format = format.map_or_else(|| Format::detect(path), Ok)?;
    check_column(path, format, column)?;
    match format {
        Format::Idx => idx::images(path, shape),
        Format::Cifar10 => cifar::images(path, Version::Ten, shape),
        Format::Cifar100 => cifar::images(path, Version::Hundred, shape),
        Format::Npy => npy::images(path, shape),
        Format::Images => images::images(path, shape),
        Format::Csv => csv::images(path, column, shape),
    }
}

/// Opens a file of labels.
fn open_labels(path: &Path, column: Option<&Column>) -> Result<Box<dyn Source<Vec<i64>>>> {
    let format = Format::detect(path)?;
    check_column(path, format, column)?;
    match format {
        Format::Idx => idx::labels(path),
        Format::Npy => npy::labels(path),
        Format::Csv => csv::labels(path, column),
        Format::Cifar10 | Format::Cifar100 | Format::Images => {
            let what = format!("is no file of labels ({format}): give IDX, .npy or CSV");
            Err(Error::file(path, what))
        }
    }
}

/// Only CSV files have columns.
fn check_column(path: &Path, format: Format, column: Option<&Column>) -> Result<()> {
    if format == Format::Csv || column.is_none() {
        return Ok(());
    }
    let what = format!("is {format}, not CSV: leave `data-owner.label_column` out");
    Err(Error::file(path, what))
}

/// Adds labels of a file, if they are classes of the network.
fn add(
    labels: &mut Option<Vec<usize>>,
    path: &Path,
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
fn random(files: &DataFiles, shape: InputShape, first: usize, images: usize) -> Result<Batch> {
    if images == 0 || images > MAX_BATCH {
        let what = format!("{images} images: a run takes 1 to {MAX_BATCH} at once");
        return Err(Error::Usage(what));
    }
    let image = shape.values();
    let hasher = blake3::Hasher::new_derive_key("tercet random images");
    let mut stream = hasher.finalize_xof();
    stream.set_position(first as u64 * image as u64);
    let mut pixels = vec![0; images * image];
    stream.fill(&mut pixels);
    let mut inputs = Vec::with_capacity(pixels.len());
    files.normalisation.append(&Samples::Bytes(pixels), shape, &mut inputs);
    Ok(Batch { images, first, inputs, labels: None })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{
        super::{normalisation::Normalisation, test_files::*},
        *,
    };

    fn owner(images: &[&PathBuf], labels: &[&PathBuf]) -> DataFiles {
        let owned = |paths: &[&PathBuf]| paths.iter().copied().cloned().collect();
        DataFiles {
            images: owned(images),
            labels: owned(labels),
            format: None,
            label_column: None,
            first: 0,
            count: None,
            normalisation: Normalisation { scale: Some(0.5), mean: vec![1.0], std: vec![2.0] },
        }
    }

    fn small() -> InputShape {
        input_shape([1, 2, 3], 4)
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
        let batch = |range| Batch::load(&owner, small(), range).unwrap();
        let three = batch(ImageRange::default());
        assert_eq!((three.images, three.first, three.inputs.len()), (3, 1, 18));
        assert_eq!(three.labels, Some(vec![1, 2, 3]));
        assert_eq!(three.inputs[0], (6.0 * 0.5 - 1.0) / 2.0);
        assert_eq!(three.inputs[6], -0.5);
        let last = batch(ImageRange { first: Some(4), images: Some(1) });
        assert_eq!((last.labels, last.inputs[0]), (Some(vec![0]), (12.0 * 0.5 - 1.0) / 2.0));
        assert_eq!(count_images(&owner, small()).unwrap(), 4);
    }

    #[test]
    fn ranges_and_labels_that_do_not_fit_are_refused() {
        let files = Files::new();
        let images = files.write("images", &idx(&[4, 2, 3], 24));
        let load = |labels: &[&PathBuf], first, images_asked| {
            let owner = owner(&[&images], labels);
            Batch::load(&owner, small(), ImageRange { first: Some(first), images: images_asked })
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
        let batch = Batch::load(&both, small(), ImageRange::default()).unwrap();
        assert_eq!(batch.labels, Some(vec![0]));
        both.labels = vec![label.clone()];
        refused(
            &table,
            Batch::load(&both, small(), ImageRange::default()),
            "its rows have 7 values",
        );
        let mut both = owner(&[&images], &[&high]);
        both.label_column = Some(Column::Place(0));
        let complaint = Batch::load(&both, small(), ImageRange::default());
        refused(&high, complaint, "is idx, not CSV: leave `data-owner.label_column` out");

        let batch = files.write("batch.bin", &[0; 3073]);
        let label = files.write("one.csv", b"0");
        let mut both = owner(&[&batch], &[&label]);
        both.normalisation = Normalisation { scale: None, mean: vec![0.0; 3], std: vec![1.0; 3] };
        let complaint = Batch::load(&both, input_shape([3, 32, 32], 10), ImageRange::default());
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
            assert_eq!(Format::detect(&file).unwrap().name(), expected, "{name}");
        }
        assert_eq!(Format::detect(files.path()).unwrap(), Format::Images);
        let cases: [(&str, &[u8], &str); 4] = [
            ("images.gz", &[0x1f, 0x8b, 8, 0], "is compressed; unpack it with gunzip"),
            ("arrays.npz", b"PK\x03\x04", "is an archive; unpack it"),
            ("numbers.txt", b"1,2", "begins with [31, 2c, 32], so it is no IDX, .npy, PNG or JPEG"),
            ("none", b"", "begins with []"),
        ];
        for (name, bytes, expected) in cases {
            let file = files.write(name, bytes);
            refused(&file, Format::detect(&file), expected);
        }
        let table = files.write("numbers.txt", b"1,2,3,4,5,6");
        let mut owner = owner(&[&table], &[]);
        owner.format = Some(Format::Csv);
        assert_eq!(Batch::load(&owner, small(), ImageRange::default()).unwrap().images, 1);
    }

    #[test]
    fn random_images_depend_on_their_place_alone() {
        let mut owner = owner(&[], &[]);
        let batch =
            |files: &DataFiles, images| Batch::load(files, small(), ImageRange::from_start(images));
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
        assert_eq!(count_images(&owner, small()).unwrap(), 1);
        owner.count = Some(7);
        assert_eq!(count_images(&owner, small()).unwrap(), 7);
    }

    #[test]
    fn each_channel_has_its_mean_and_std() {
        let append = |scale, samples| {
            let (mean, std) = (vec![0.0, 10.0], vec![1.0, 2.0]);
            let mut inputs = Vec::new();
            let normalisation = Normalisation { scale, mean, std };
            normalisation.append(&samples, input_shape([2, 1, 2], 4), &mut inputs);
            inputs
        };
        let bytes = || Samples::Bytes(vec![1, 2, 12, 14, 3, 4, 16, 18]);
        let expected = [1., 2., 1., 2., 3., 4., 3., 4.];
        assert_eq!(append(Some(1.0), bytes()), expected);
        assert_eq!(append(None, Samples::Numbers(vec![1.0, 2.0, 12.0, 14.0])), expected[..4]);
        assert_eq!(append(None, Samples::Bytes(vec![255])), [1.0]);
    }
}
