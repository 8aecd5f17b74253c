//! Pictures, PNG or JPEG: a single one, a folder of them, or a folder of folders, each of them a
//! class; files and folders count in the order of their names. Hidden ones are passed over.
//!
//! A picture must have the network's size; it is not resized, because how that is done changes the
//! network's answer. It is converted to the network's channels as PIL's `convert` does: grey is
//! repeated for red, green and blue; colours become grey by ITU-R 601-2, (299 r + 587 g + 114 b) /
//! 1000; transparency is ignored. Orientation in metadata is not applied.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    ops::Range,
    path::{Path, PathBuf},
};

use png::{BitDepth, ColorType, Transformations};
use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{colorspace::ColorSpace, options::DecoderOptions},
};

use super::{
    shape::InputShape,
    source::{Part, Samples, Source},
};
use crate::error::{Error, Result};

/// A picture, or a folder of them.
pub(super) fn images(path: &Path, shape: InputShape) -> Result<Box<dyn Source<Part>>> {
    let channels = shape.image[0];
    if channels != 1 && channels != 3 {
        let what = format!("pictures have 1 or 3 channels; the network's input has {channels}");
        return Err(Error::file(path, what));
    }
    let (files, labels) =
        if path.is_dir() { list(path, shape.classes)? } else { (vec![path.to_owned()], None) };
    Ok(Box::new(Pictures { files, labels, shape: shape.image }))
}

/// Files of pictures that are to have the network's size.
struct Pictures {
    files: Vec<PathBuf>,
    labels: Option<Vec<i64>>,
    /// Channels, height, width.
    shape: [usize; 3],
}

/// The pictures of a folder, and their classes if there are folders in it.
fn list(folder: &Path, classes: usize) -> Result<(Vec<PathBuf>, Option<Vec<i64>>)> {
    let (folders, files) = entries(folder)?;
    if folders.is_empty() {
        return Ok((files, None));
    }
    if let Some(file) = files.first() {
        let what = "lies beside folders; a folder holds pictures, or a folder for each class";
        return Err(Error::file(file, what));
    }
    if folders.len() != classes {
        let what = format!(
            "holds {} folders for {classes} classes: make one for each, empty where it has no \
             picture",
            folders.len()
        );
        return Err(Error::file(folder, what));
    }
    let (mut all, mut labels) = (Vec::new(), Vec::new());
    for (class, folder) in folders.iter().enumerate() {
        let (deeper, files) = entries(folder)?;
        if let Some(deeper) = deeper.first() {
            return Err(Error::file(deeper, "is a folder where pictures of a class are due"));
        }
        labels.resize(labels.len() + files.len(), class as i64);
        all.extend(files);
    }
    Ok((all, Some(labels)))
}

/// The folders and the pictures in a folder, by name.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let unreadable = |error| Error::unreadable(folder, error);
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            folders.push(path);
        } else {
            files.push(path);
        }
    }
    folders.sort();
    files.sort();
    if let Some(other) = files.iter().find(|file| !is_picture(file)) {
        return Err(Error::file(other, "is no picture: end its name with .png, .jpg or .jpeg"));
    }
    Ok((folders, files))
}

impl Source<Part> for Pictures {
    fn count(&self) -> usize {
        self.files.len()
    }

    fn read(&mut self, range: Range<usize>) -> Result<Part> {
        let [channels, height, width] = self.shape;
        let mut samples = Vec::with_capacity(range.len() * channels * height * width);
        for file in &self.files[range.clone()] {
            Picture::read(file, width, height)?.append(channels, &mut samples);
        }
        let labels = self.labels.as_ref().map(|labels| labels[range].to_vec());
        Ok(Part { samples: Samples::Bytes(samples), labels })
    }
}

/// A picture of the right size.
struct Picture {
    /// Bytes of a pixel: grey and transparency; or red, green, blue and transparency.
    depth: usize,
    bytes: Vec<u8>,
}

impl Picture {
    fn read(path: &Path, width: usize, height: usize) -> Result<Picture> {
        let unreadable = |error| Error::unreadable(path, error);
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        match file.fill_buf().map_err(unreadable)? {
            [0x89, b'P', b'N', b'G', ..] => Picture::png(path, file, width, height),
            [0xff, 0xd8, ..] => Picture::jpeg(path, file, width, height),
            _ => Err(Error::file(path, "is neither a PNG nor a JPEG file")),
        }
    }

    fn png(path: &Path, file: BufReader<File>, width: usize, height: usize) -> Result<Picture> {
        let wrong = |error| Error::file(path, format!("is no whole PNG file: {error}"));
        let mut decoder = png::Decoder::new(file);
        // Palettes and less than 8 bits become bytes.
        decoder.set_transformations(Transformations::EXPAND);
        let header = decoder.read_header_info().map_err(wrong)?;
        check_size(path, [header.width as usize, header.height as usize], [width, height])?;
        let mut reader = decoder.read_info().map_err(wrong)?;
        let (colours, BitDepth::Eight) = reader.output_color_type() else {
            let what = "has 16 bits a channel: save it with 8";
            return Err(Error::file(path, what));
        };
        let depth = match colours {
            ColorType::Grayscale => 1,
            ColorType::GrayscaleAlpha => 2,
            ColorType::Rgba => 4,
            // A palette has been expanded.
            ColorType::Rgb | ColorType::Indexed => 3,
        };
        let mut bytes = vec![0; width * height * depth];
        reader.next_frame(&mut bytes).map_err(wrong)?;
        Ok(Picture { depth, bytes })
    }

    fn jpeg(path: &Path, file: BufReader<File>, width: usize, height: usize) -> Result<Picture> {
        let wrong = |error: DecodeErrors| {
            let reason = error.to_string().replace('\n', " ");
            Error::file(path, format!("is no whole JPEG file: {}", reason.trim_end()))
        };
        // Otherwise what is missing from a file that was cut would be grey.
        let options = DecoderOptions::default().set_strict_mode(true);
        let mut decoder = JpegDecoder::new_with_options(file, options);
        decoder.decode_headers().map_err(wrong)?;
        let (found_width, found_height) = decoder.dimensions().unwrap_or_default();
        check_size(path, [found_width, found_height], [width, height])?;
        let (depth, colours) = match decoder.input_colorspace() {
            Some(ColorSpace::Luma) => (1, ColorSpace::Luma),
            _ => (3, ColorSpace::RGB),
        };
        decoder.set_options(options.jpeg_set_out_colorspace(colours));
        let bytes = decoder.decode().map_err(wrong)?;
        if bytes.len() != width * height * depth {
            return Err(Error::file(path, "is no whole JPEG file: it has other channels"));
        }
        Ok(Picture { depth, bytes })
    }

    /// Appends the picture channel by channel.
    fn append(&self, channels: usize, samples: &mut Vec<u8>) {
        let pixels = self.bytes.chunks_exact(self.depth);
        let grey = self.depth < 3;
        for channel in 0..channels {
            samples.extend(pixels.clone().map(|pixel| match (grey, channels) {
                (true, _) => pixel[0],
                (false, 1) => luma(pixel),
                (false, _) => pixel[channel],
            }));
        }
    }
}

/// A colour's grey as PIL computes it: in units of 2^-16, rounded.
fn luma(pixel: &[u8]) -> u8 {
    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
}

fn check_size(path: &Path, found: [usize; 2], due: [usize; 2]) -> Result<()> {
    if found == due {
        return Ok(());
    }
    let [[w, h], [width, height]] = [found, due];
    let what = format!(
        "is {w}x{h} pixels, the network takes {width}x{height}: resize it as in training, or with \
         ImageMagick: mogrify -resize '{width}x{height}!' FILES"
    );
    Err(Error::file(path, what))
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ["png", "jpg", "jpeg"].contains(&&ending[..])
}

#[cfg(test)]
mod tests {
    use super::{super::test_files::*, *};

    /// A PNG file of these bytes.
    fn png(width: u32, height: u32, colours: ColorType, depth: BitDepth, bytes: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(colours);
        encoder.set_depth(depth);
        if colours == ColorType::Indexed {
            encoder.set_palette(vec![1, 2, 3, 40, 50, 60]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(bytes).unwrap();
        writer.finish().unwrap();
        file
    }

    /// A JPEG file of 8x8 pixels, all of them the same: grey, or luma and two chromas.
    fn jpeg<const N: usize>(pixel: [u8; N]) -> Vec<u8> {
        let mut file = vec![0xff, 0xd8];
        let mut segment = |marker: u8, body: &[u8]| {
            file.extend([0xff, marker]);
            file.extend((body.len() as u16 + 2).to_be_bytes());
            file.extend(body);
        };
        // A mean of a block is its first coefficient over 8, which is how coarse all are here.
        segment(0xdb, &[&[0][..], &[8; 64]].concat());
        let components = (1..=N as u8).flat_map(|component| [component, 0x11, 0]);
        segment(0xc0, &[8, 0, 8, 0, 8, N as u8].into_iter().chain(components).collect::<Vec<_>>());
        // Means: nine lengths, each of which has a code of four bits. The rest: the end, one bit.
        let means = [0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        segment(0xc4, &[&[0x00][..], &means, &[0, 1, 2, 3, 4, 5, 6, 7, 8]].concat());
        let rest = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        segment(0xc4, &[&[0x10][..], &rest, &[0]].concat());
        let components = (1..=N as u8).flat_map(|component| [component, 0x00]);
        let scan = [N as u8].into_iter().chain(components).chain([0, 63, 0]);
        segment(0xda, &scan.collect::<Vec<_>>());
        let mut bits = String::new();
        for value in pixel {
            let mean = i32::from(value) - 128;
            let length = (32 - mean.unsigned_abs().leading_zeros()) as usize;
            let code = if mean < 0 { mean + (1 << length) - 1 } else { mean };
            bits += &format!("{length:04b}");
            if length > 0 {
                bits += &format!("{code:0length$b}");
            }
            bits.push('0');
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        for byte in bits.as_bytes().chunks(8) {
            let byte = u8::from_str_radix(str::from_utf8(byte).unwrap(), 2).unwrap();
            file.extend([byte]);
            file.extend((byte == 0xff).then_some(0));
        }
        file.extend([0xff, 0xd9]);
        file
    }

    fn read(path: &Path, shape: [usize; 3]) -> Result<Vec<u8>> {
        let mut images = images(path, input_shape(shape, 4))?;
        match images.read(0..1)?.samples {
            Samples::Bytes(bytes) => Ok(bytes),
            Samples::Numbers(_) => panic!("pictures are bytes"),
        }
    }

    #[test]
    fn every_kind_of_png_fits_one_channel_or_three() {
        use BitDepth::{Eight, One};
        let colours = [10, 20, 30, 200, 100, 50];
        let with_alpha = [10, 20, 30, 0, 200, 100, 50, 9];
        let planes = [10, 200, 20, 100, 30, 50];
        // The result of PIL.Image.new("RGB", (1, 1), (10, 20, 30)).convert("L").
        let luma = [18, 124];
        let repeated = [7, 9, 7, 9, 7, 9];
        let cases = [
            (ColorType::Rgb, Eight, &colours[..], luma, planes),
            (ColorType::Rgba, Eight, &with_alpha, luma, planes),
            (ColorType::Grayscale, Eight, &[7, 9], [7, 9], repeated),
            (ColorType::GrayscaleAlpha, Eight, &[7, 0, 9, 1], [7, 9], repeated),
            (ColorType::Grayscale, One, &[0b0100_0000], [0, 255], [0, 255, 0, 255, 0, 255]),
            (ColorType::Indexed, One, &[0b1000_0000], [48, 2], [40, 1, 50, 2, 60, 3]),
        ];
        let files = Files::new();
        for (colour, depth, bytes, grey, planes) in cases {
            let file = files.write("x.png", &png(2, 1, colour, depth, bytes));
            assert_eq!(read(&file, [1, 1, 2]).unwrap(), grey, "{colour:?}");
            assert_eq!(read(&file, [3, 1, 2]).unwrap(), planes, "{colour:?}");
        }
    }

    #[test]
    fn grey_and_colour_jpegs_are_read() {
        let files = Files::new();
        for grey in [0, 128, 200, 255] {
            let file = files.write("x.jpg", &jpeg([grey]));
            assert_eq!(read(&file, [1, 8, 8]).unwrap(), [grey; 64]);
            assert_eq!(read(&file, [3, 8, 8]).unwrap(), [grey; 192]);
        }
        let file = files.write("x.jpeg", &jpeg([100, 90, 180]));
        let bytes = read(&file, [3, 8, 8]).unwrap();
        // R = Y + 1.402 (Cr - 128), G = Y - 0.344 (Cb - 128) - 0.714 (Cr - 128),
        // B = Y + 1.772 (Cb - 128).
        for (channel, expected) in [(0, 172.9), (1, 75.9), (2, 32.7)] {
            let plane = &bytes[64 * channel..64 * (channel + 1)];
            assert!(plane.iter().all(|&b| (f64::from(b) - expected).abs() < 1.5), "{plane:?}");
        }
    }

    #[test]
    fn folders_are_classes_in_the_order_of_their_names() {
        let files = Files::new();
        let grey = |value| png(1, 1, ColorType::Grayscale, BitDepth::Eight, &[value]);
        for (name, value) in [("b/2.png", 4), ("b/10.PNG", 3), ("a/x.png", 1), (".hidden/x", 9)] {
            files.write(name, &grey(value));
        }
        files.write("c/.DS_Store", b"");
        let network = input_shape([1, 1, 1], 3);
        let mut all = images(files.path(), network).unwrap();
        let samples = Samples::Bytes(vec![3, 4]);
        assert_eq!(all.read(1..3).unwrap(), Part { samples, labels: Some(vec![1, 1]) });
        let mut flat = images(&files.path().join("b"), network).unwrap();
        let samples = Samples::Bytes(vec![3, 4]);
        assert_eq!(flat.read(0..2).unwrap(), Part { samples, labels: None });

        let beside = files.write("z.png", &grey(0));
        refused(&beside, images(files.path(), network), "lies beside folders");
        fs::remove_file(&beside).unwrap();
        let deep = files.write("a/deep/x.png", &grey(0));
        let deep = deep.parent().unwrap();
        refused(deep, images(files.path(), network), "is a folder where pictures of a class");
        fs::remove_dir_all(deep).unwrap();
        let other = files.write("a/notes.txt", b"");
        refused(&other, images(files.path(), network), "is no picture: end its name with .png");
        fs::remove_file(&other).unwrap();
        fs::remove_dir_all(files.path().join("c")).unwrap();
        let complaint = images(files.path(), network);
        refused(files.path(), complaint, "holds 2 folders for 3 classes: make one for each");
    }

    #[test]
    fn what_is_no_such_picture_is_refused() {
        use BitDepth::{Eight, Sixteen};
        let good = png(2, 2, ColorType::Grayscale, Eight, &[1, 2, 3, 4]);
        let picture = jpeg([128]);
        let mut flipped = good.clone();
        flipped[45] ^= 1;
        let cases = [
            (
                png(3, 2, ColorType::Grayscale, Eight, &[0; 6]),
                "is 3x2 pixels, the network takes 2x2: resize",
            ),
            (
                jpeg([0]),
                "is 8x8 pixels, the network takes 2x2: resize it as in training, or with \
                 ImageMagick",
            ),
            (png(2, 2, ColorType::Rgb, Sixteen, &[0; 24]), "has 16 bits a channel: save it with 8"),
            (good[..good.len() / 2].to_vec(), "is no whole PNG file: "),
            (good[..10].to_vec(), "is no whole PNG file: "),
            (flipped, "is no whole PNG file: "),
            (picture[..picture.len() / 2].to_vec(), "is no whole JPEG file: "),
            (b"GIF89a".to_vec(), "is neither a PNG nor a JPEG file"),
            (vec![], "is neither a PNG nor a JPEG file"),
        ];
        let files = Files::new();
        for (bytes, expected) in cases {
            let file = files.write("x.png", &bytes);
            refused(&file, read(&file, [1, 2, 2]), expected);
        }
        let cut = files.write("x.jpg", &picture[..picture.len() - 4]);
        refused(&cut, read(&cut, [1, 8, 8]), "is no whole JPEG file: ");
        let file = files.write("x.png", &good);
        let complaint = read(&file, [2, 2, 2]);
        refused(&file, complaint, "pictures have 1 or 3 channels; the network's input has 2");
    }
}
