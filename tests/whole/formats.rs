//! The same digits from files of every format that can hold them.

use std::{
    fs,
    io::BufWriter,
    path::{Path, PathBuf},
};

use crate::support::{complaint, digits, repository, run, stderr, stdout};

const IMAGES: usize = 3;

/// The first held-out digits, 8x8 bytes each, and their labels.
fn first_digits() -> (Vec<Vec<u8>>, Vec<u8>) {
    let [pixels, labels] = [("test-images.idx3-ubyte", 16), ("test-labels.idx1-ubyte", 8)]
        .map(|(name, header)| fs::read(digits(name)).unwrap()[header..].to_vec());
    let images = pixels.chunks(64).take(IMAGES).map(<[u8]>::to_vec).collect();
    (images, labels[..IMAGES].to_vec())
}

/// Runs the digits' network on what a [data-owner] table names.
fn classify(directory: &Path, data_owner: &str) -> std::process::Output {
    let text = fs::read_to_string(repository("configs/digits.toml")).unwrap();
    let (shared, _) = text.split_once("[data-owner]").unwrap();
    let weights = digits("digits-cnn.safetensors");
    let shared = shared.replace("../tests/data/digits/digits-cnn.safetensors", path(&weights));
    let config = directory.join("run.toml");
    fs::write(&config, format!("{shared}[data-owner]\n{data_owner}\n")).unwrap();
    run(["run", path(&config)])
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

fn png(file: PathBuf, pixels: &[u8]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(BufWriter::new(fs::File::create(file).unwrap()), 8, 8);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
}

#[test]
fn every_format_gives_the_same_digits() {
    let directory = tempfile::tempdir().unwrap();
    let (images, labels) = first_digits();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();

    let floats =
        images.concat().into_iter().flat_map(|pixel| (f32::from(pixel) / 16.0).to_le_bytes());
    write("x.npy", &npy("<f4", &format!("({IMAGES}, 1, 8, 8)"), &floats.collect::<Vec<u8>>()));
    let wide = labels.iter().flat_map(|&label| i64::from(label).to_le_bytes());
    write("y.npy", &npy("<i8", &format!("({IMAGES},)"), &wide.collect::<Vec<u8>>()));

    let names: Vec<String> = (0..64).map(|place| format!("pixel{place}")).collect();
    let mut table = format!("{},class\n", names.join(","));
    for (image, label) in images.iter().zip(&labels) {
        image.iter().for_each(|pixel| table += &format!("{pixel},"));
        table += &format!("{label}\n");
    }
    write("digits.csv", table.as_bytes());

    for class in 0..10 {
        fs::create_dir_all(directory.path().join(format!("folders/{class}"))).unwrap();
    }
    for (place, (image, label)) in images.iter().zip(&labels).enumerate() {
        png(directory.path().join(format!("folders/{label}/{place}.png")), image);
        png(directory.path().join(format!("flat/{place}.png")), image);
    }

    for data_owner in [
        "images = 'x.npy'\nlabels = 'y.npy'",
        "images = 'digits.csv'\nlabel_column = 'class'\nscale = 0.0625",
        "images = 'folders'\nscale = 0.0625",
        "images = 'flat'\nlabels = 'y.npy'\nscale = 0.0625",
        "images = ['flat/0.png', 'flat/1.png', 'flat/2.png']\nlabels = 'y.npy'\nscale = 0.0625",
    ] {
        let output = classify(directory.path(), data_owner);
        assert_eq!(output.status.code(), Some(0), "{data_owner}: {}", stderr(&output));
        let text = stdout(&output);
        assert!(
            text.contains("correct: 3/3 secure, 3/3 plain float, 3/3 "),
            "{data_owner}: {text}"
        );
    }
}

#[test]
fn a_wrong_file_is_named_before_any_connection() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    write("x.npy", &npy(">f4", "(1, 8, 8)", &[0; 256]));
    write("wide.csv", b"1,2,3\n");
    write("batch.bin", &[0; 3073]);
    write("broken.png", b"\x89PNG\r\n\x1a\n");
    write("digits.txt", b"1,2,3\n");
    for (data_owner, expected) in [
        ("images = 'x.npy'", "x.npy: is big-endian ('>f4')"),
        ("images = 'wide.csv'", "wide.csv: its rows have 3 values where the network takes 64"),
        ("images = 'batch.bin'", "batch.bin: its images are [3, 32, 32]; the network's input is"),
        ("images = 'broken.png'", "broken.png: is no whole PNG file"),
        ("images = 'digits.txt'", "digits.txt: begins with [31, 2c, 32, 2c, 33, 0a]"),
        ("images = 'digits.txt'\nformat = 'idx'", "digits.txt: has magic [31, 2c, 32, 2c]"),
    ] {
        let message = complaint(&classify(directory.path(), data_owner), 2);
        assert!(message.contains(expected), "{message}");
    }
}
