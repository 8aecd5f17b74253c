//! Files for the tests of this room.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::shape::InputShape;
use crate::error::Result;

/// A folder for the files of a test.
pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// An IDX file whose bytes count up.
pub(super) fn idx(dimensions: &[u32], bytes: usize) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dimensions.len() as u8];
    dimensions.iter().for_each(|dimension| file.extend(dimension.to_be_bytes()));
    file.extend((0..bytes).map(|byte| byte as u8));
    file
}

/// The input of a network.
pub(super) fn input_shape(image: [usize; 3], classes: usize) -> InputShape {
    InputShape { image, classes }
}

/// Checks that a file was refused in one line that names it.
#[track_caller]
pub(super) fn refused<T>(file: &Path, result: Result<T>, expected: &str) {
    let Err(error) = result else { panic!("{} was not refused", file.display()) };
    let (exit_code, message) = (error.exit_code(), error.to_string());
    assert!(message.starts_with(&format!("{}: ", file.display())), "{message}");
    assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    assert_eq!(exit_code, 2);
}
