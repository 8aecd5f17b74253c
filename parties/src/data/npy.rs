//! NumPy's .npy: a magic, a version, the length of a header, the header (a Python dictionary of the
//! type, the order and the shape), then the elements. Images may be little-endian bytes or floating
//! point, labels integers; both in C order.

use std::{fmt, ops::Range, path::Path};

use super::{
    records::{Opened, Records},
    shape::InputShape,
    source::{Part, Samples, Source},
};
use crate::error::{Error, FileProblem, Result};

/// An array of images: [images, channels, rows, columns], without the channels where there is one,
/// or [images, values].
pub(super) fn images(path: &Path, input: InputShape) -> Result<Box<dyn Source<Part>>> {
    let Array { element, shape, records } = open(path)?;
    let found = shape.get(1..).unwrap_or_default();
    if !input.accepts(found) {
        let [channels, height, width] = input.image;
        let channels_last = found == [height, width, channels];
        let hint = if channels_last { ": save it as array.transpose(0, 3, 1, 2)" } else { "" };
        let (found, network) = (found.to_vec(), input.image);
        return Err(FileProblem::OtherShape { found, network, hint }.with_file(path));
    }
    match element {
        Element { class: Class::Float, .. } | Element { class: Class::Unsigned, size: 1 } => {
            Ok(Box::new(Images { element, records }))
        }
        other => {
            let what =
                format!("its elements are {other}; save images as uint8, float32 or float64");
            Err(Error::file(path, what))
        }
    }
}

/// An array of labels.
pub(super) fn labels(path: &Path) -> Result<Box<dyn Source<Vec<i64>>>> {
    let Array { element, shape, records } = open(path)?;
    if shape.len() != 1 {
        let what = format!("its shape is {shape:?}; labels have one dimension");
        return Err(Error::file(path, what));
    }
    if element.class == Class::Float {
        let what = format!("its elements are {element}; save labels as int64");
        return Err(Error::file(path, what));
    }
    Ok(Box::new(Labels { element, records }))
}

struct Images {
    element: Element,
    records: Records,
}

impl Source<Part> for Images {
    fn count(&self) -> usize {
        self.records.count()
    }

    fn read(&mut self, range: Range<usize>) -> Result<Part> {
        let first = range.start;
        let bytes = self.records.read(range)?;
        let numbers: Vec<f64> = match self.element.size {
            4 => {
                bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes).into()).collect()
            }
            8 => bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
            _ => return Ok(Part { samples: Samples::Bytes(bytes), labels: None }),
        };
        if let Some(place) = numbers.iter().position(|number| !number.is_finite()) {
            let image = first + place * self.element.size / self.records.length();
            let what = format!("image {image} (from 0) has a value that is not finite");
            return Err(Error::file(self.records.path(), what));
        }
        Ok(Part { samples: Samples::Numbers(numbers), labels: None })
    }
}

struct Labels {
    element: Element,
    records: Records,
}

impl Source<Vec<i64>> for Labels {
    fn count(&self) -> usize {
        self.records.count()
    }

    fn read(&mut self, range: Range<usize>) -> Result<Vec<i64>> {
        let Element { class, size } = self.element;
        let label = |bytes: &[u8]| {
            let word = bytes.iter().rev().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
            let unused = 64 - 8 * size;
            match class {
                Class::Signed => (word << unused).cast_signed() >> unused,
                // One that is out of range stays so.
                Class::Unsigned | Class::Float => word.try_into().unwrap_or(i64::MAX),
            }
        };
        Ok(self.records.read(range)?.chunks_exact(size).map(label).collect())
    }
}

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Element {
    class: Class,
    /// In bytes.
    size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Unsigned,
    Signed,
    Float,
}

impl Element {
    /// By the code in a header, such as `f4`.
    fn parse(code: &str) -> Option<Element> {
        let (class, size) = match code {
            "u1" | "u2" | "u4" | "u8" => (Class::Unsigned, &code[1..]),
            "i1" | "i2" | "i4" | "i8" => (Class::Signed, &code[1..]),
            "f4" | "f8" => (Class::Float, &code[1..]),
            _ => return None,
        };
        Some(Element { class, size: size.parse().ok()? })
    }
}

/// NumPy's name.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            Class::Unsigned => "uint",
            Class::Signed => "int",
            Class::Float => "float",
        };
        write!(f, "{class}{}", 8 * self.size)
    }
}

/// An open array whose header agrees with the file's size.
struct Array {
    element: Element,
    shape: Vec<usize>,
    records: Records,
}

fn open(path: &Path) -> Result<Array> {
    let mut opened = Opened::new(path)?;
    let short = "it must be an .npy file";
    let mut magic = [0; 8];
    opened.fill(&mut magic, short)?;
    let [0x93, b'N', b'U', b'M', b'P', b'Y', version, _] = magic else {
        return Err(Error::file(path, "is no .npy file: save an array with numpy.save"));
    };
    // Version 1 has two bytes of length, 2 and 3 have four.
    let mut length = [0; 4];
    let prefix = if version == 1 { 2 } else { 4 };
    opened.fill(&mut length[..prefix], short)?;
    let length = u32::from_le_bytes(length);
    if !(1..=3).contains(&version) || length > LONGEST_HEADER {
        let what =
            format!("has version {version} and a header of {length} bytes: save a plain array");
        return Err(Error::file(path, what));
    }
    let mut header = vec![0; length as usize];
    opened.fill(&mut header, short)?;
    let header = String::from_utf8_lossy(&header);
    let malformed = || Error::file(path, "its header is no .npy header: save it again");
    let descr = entry(&header, "descr").ok_or_else(malformed)?;
    let element = element_of(descr).map_err(|what| Error::file(path, what))?;
    match entry(&header, "fortran_order").ok_or_else(malformed)? {
        "False" => {}
        "True" => {
            let what = "is in Fortran order; save it as numpy.ascontiguousarray(array)";
            return Err(Error::file(path, what));
        }
        _ => return Err(malformed()),
    }
    let shape = entry(&header, "shape").and_then(shape_of).ok_or_else(malformed)?;
    let start = 8 + prefix as u64 + u64::from(length);
    let records = opened.records(start, &shape, element.size)?;
    Ok(Array { element, shape, records })
}

/// A header of a plain array has some hundred bytes.
const LONGEST_HEADER: u32 = 1 << 16;

/// The value of a key of a flat Python dictionary: a string without its quotes, a tuple without its
/// parentheses, a word.
fn entry<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let (_, rest) = header.split_once(&format!("'{key}'"))?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = |closing: char| rest[1..].split_once(closing).map(|(value, _)| value);
    match rest.chars().next()? {
        '\'' => end('\''),
        '(' => end(')'),
        _ => Some(rest.split([',', '}']).next()?.trim()),
    }
}

/// The type that a header describes: an order of bytes, then a code.
fn element_of(descr: &str) -> std::result::Result<Element, String> {
    let (order, code) = descr.split_at_checked(1).unwrap_or_default();
    match (order, Element::parse(code)) {
        ("<" | "|", Some(element)) => Ok(element),
        (">", Some(element)) => {
            Err(format!("is big-endian ('{descr}'): save it as array.astype('{element}')"))
        }
        _ => Err(format!(
            "its elements are '{descr}': save images as uint8, float32 or float64, labels as int64"
        )),
    }
}

fn shape_of(text: &str) -> Option<Vec<usize>> {
    let dimensions = text.split(',').map(str::trim).filter(|dimension| !dimension.is_empty());
    dimensions.map(|dimension| dimension.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::test_files::*, *};

    fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        with_header(
            &format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"),
            data,
        )
    }

    /// A file of version 1, its header padded as NumPy does it.
    fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{header:<117}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(data);
        file
    }

    fn bytes<const N: usize, T: Copy>(numbers: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
        numbers.iter().flat_map(|&number| bytes(number)).collect()
    }

    #[test]
    fn bytes_and_floating_point_are_read() {
        let files = Files::new();
        let read = |file: &[u8], shape| {
            let file = files.write("x.npy", file);
            let part = images(&file, input_shape(shape, 4)).unwrap().read(1..2).unwrap();
            assert_eq!(part.labels, None);
            part.samples
        };
        let pixels: Vec<u8> = (0..12).collect();
        let expected = Samples::Bytes((6..12).collect());
        assert_eq!(read(&npy("|u1", "(2, 2, 3)", &pixels), [1, 2, 3]), expected);
        assert_eq!(read(&npy("|u1", "(2, 1, 2, 3)", &pixels), [1, 2, 3]), expected);
        assert_eq!(read(&npy("<u1", "(2, 6)", &pixels), [1, 2, 3]), expected);
        let expected = Samples::Numbers(vec![0.5, -2.0]);
        let numbers = bytes(&[9.0, 9.0, 0.5, -2.0f32], f32::to_le_bytes);
        assert_eq!(read(&npy("<f4", "(2, 2)", &numbers), [2, 1, 1]), expected);
        let numbers = bytes(&[9.0, 9.0, 0.5, -2.0f64], f64::to_le_bytes);
        assert_eq!(read(&npy("<f8", "(2, 2, 1, 1)", &numbers), [2, 1, 1]), expected);
        let mut second = npy("|u1", "(2, 6)", &pixels);
        second[6] = 2;
        second.splice(10..10, [0, 0]);
        assert_eq!(read(&second, [1, 2, 3]), Samples::Bytes((6..12).collect()));
    }

    #[test]
    fn labels_are_integers_of_any_width() {
        let files = Files::new();
        let read = |descr: &str, data: &[u8]| {
            let file = files.write("y.npy", &npy(descr, "(2,)", data));
            labels(&file).unwrap().read(0..2).unwrap()
        };
        assert_eq!(read("|u1", &[3, 200]), [3, 200]);
        assert_eq!(read("|i1", &[3, 0xff]), [3, -1]);
        assert_eq!(read("<i4", &bytes(&[3, -1i32], i32::to_le_bytes)), [3, -1]);
        assert_eq!(read("<u2", &bytes(&[3, 60_000u16], u16::to_le_bytes)), [3, 60_000]);
        assert_eq!(read("<i8", &bytes(&[3, -1i64], i64::to_le_bytes)), [3, -1]);
        assert_eq!(read("<u8", &bytes(&[3, u64::MAX], u64::to_le_bytes)), [3, i64::MAX]);
    }

    #[test]
    fn what_is_no_such_array_is_refused() {
        let files = Files::new();
        let good = npy("|u1", "(2, 2, 3)", &[0; 12]);
        let fortran = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 3), }";
        let huge = format!("(2, {}, {})", u64::MAX, u64::MAX);
        let mut long = good.clone();
        long[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 0x7f]);
        let cases = [
            (good[..130].to_vec(), "has 130 bytes; its header [2, 2, 3] promises 140"),
            (good[..100].to_vec(), "ends within its header; it must be an .npy file"),
            (vec![], "ends within its header"),
            (b"PK\x03\x04 an npz file".to_vec(), "is no .npy file: save an array with numpy.save"),
            (long, "a header of 2130706432 bytes: save a plain array"),
            (
                npy(">f4", "(2, 6)", &[0; 48]),
                "is big-endian ('>f4'): save it as array.astype('float32')",
            ),
            (npy("<c8", "(2, 6)", &[0; 96]), "its elements are '<c8': save images as uint8"),
            (npy("", "(2, 6)", &[0; 96]), "its elements are '': save images as uint8"),
            (npy("<i4", "(2, 6)", &[0; 48]), "its elements are int32; save images as uint8"),
            (
                with_header(fortran, &[0; 12]),
                "is in Fortran order; save it as numpy.ascontiguousarray",
            ),
            (with_header("{'descr': '|u1'}", &[]), "its header is no .npy header"),
            (npy("|u1", "(2, x)", &[]), "its header is no .npy header"),
            (npy("|u1", &huge, &[]), "promises more"),
            (npy("|u1", "()", &[0]), "its images are []; the network's input is [1, 2, 3]"),
            (npy("|u1", "(2, 3, 2)", &[0; 12]), "its images are [3, 2]"),
            (npy("|u1", "(2, 2, 3, 1)", &[0; 12]), "save it as array.transpose(0, 3, 1, 2)"),
        ];
        for (bytes, expected) in cases {
            let file = files.write("x.npy", &bytes);
            refused(&file, images(&file, input_shape([1, 2, 3], 4)), expected);
        }
        let numbers = bytes(&[0.0, 1.0, f32::NAN, 1.0], f32::to_le_bytes);
        let file = files.write("x.npy", &npy("<f4", "(2, 2)", &numbers));
        let nan = images(&file, input_shape([2, 1, 1], 4)).unwrap().read(0..2);
        refused(&file, nan, "image 1 (from 0) has a value that is not finite");
        let file = files.write("y.npy", &npy("<f4", "(4,)", &numbers));
        refused(&file, labels(&file), "its elements are float32; save labels as int64");
        let file = files.write("y.npy", &npy("|u1", "(2, 2)", &[0; 4]));
        refused(&file, labels(&file), "its shape is [2, 2]; labels have one dimension");
    }
}
