//! Images and labels: from files, or random pixels where there are none.
//!
//! | format | what it is | labels |
//! |---|---|---|
//! | `idx` | MNIST's: bytes, one or more dimensions | a file of their own |
//! | `cifar10`, `cifar100` | the binary version's batches | of each image |
//! | `npy` | NumPy's: bytes or floating point | a file of their own |
//! | `images` | PNG and JPEG files, or folders of them | a folder a class, or a file of their own |
//! | `csv` | a row an image, a column a value | a column, or a file of their own |
//!
//! Whatever the format, a file's size, shape and types are checked when it is opened, before
//! anything of its size is allocated and before any share of it is sent. Only the images asked for
//! are read.

mod batch;
mod cifar;
mod csv;
mod files;
mod format;
mod idx;
mod images;
mod normalisation;
mod npy;
mod records;
mod shape;
mod source;
#[cfg(test)]
mod test_files;

pub(crate) use batch::{Batch, count_images};
pub(crate) use files::{Column, DataFiles, ImageRange};
pub(crate) use format::Format;
pub(crate) use normalisation::Normalisation;
pub(crate) use shape::InputShape;
