//! Reading weights from safetensors files, and writing them.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};

use super::{
    checkpoint,
    tensors::{Parameter, Weights, parameters},
};
use crate::{
    error::{Error, Result},
    graph::Graph,
};

/// The suffix of counters of training steps, which are no weights.
const IGNORED_SUFFIX: &str = "num_batches_tracked";

impl Weights {
    /// The weights of a network from a safetensors file (F16, BF16, F32 or F64). The file has the
    /// network's [`parameters`] and nothing else, except for `num_batches_tracked`, which is
    /// ignored. All names may have a common prefix, such as the `module.` of a wrapper.
    ///
    /// # Errors
    /// [`Error::File`] around [`Error::Io`], [`Error::WeightsFormat`], [`Error::WeightsSize`] or
    /// any error of [`Weights::parse`].
    pub fn read(path: &Path, graph: &Graph) -> Result<Weights> {
        let result = read_checked(path, graph).and_then(|bytes| Weights::parse(&bytes, graph));
        result.map_err(|error| Error::File { path: path.to_owned(), source: Box::new(error) })
    }

    /// Like [`Weights::read`], from the bytes of a file.
    ///
    /// # Errors
    /// [`Error::Safetensors`], [`Error::MissingTensor`], [`Error::ExtraTensors`],
    /// [`Error::TensorShape`], [`Error::TensorType`], [`Error::NotFinite`].
    pub fn parse(bytes: &[u8], graph: &Graph) -> Result<Weights> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| Error::Safetensors { reason: error.to_string() })?;
        let mut present: BTreeMap<&str, TensorView<'_>> = file.iter().collect();
        present.retain(|name, _| !name.ends_with(IGNORED_SUFFIX));
        let names: Vec<String> = present.keys().map(|name| (*name).to_owned()).collect();
        let parameters = parameters(graph);
        let prefix = common_prefix(&names, &parameters);
        let mut tensors = BTreeMap::new();
        for parameter in &parameters {
            let name = format!("{prefix}{}", parameter.name);
            let Some(view) = present.remove(name.as_str()) else {
                return Err(Error::MissingTensor { tensor: name, present: names });
            };
            if view.shape() != parameter.shape {
                return Err(Error::TensorShape {
                    tensor: name,
                    got: view.shape().to_vec(),
                    expected: parameter.shape.clone(),
                    advice: advice(&parameters, parameter, view.shape()),
                });
            }
            tensors.insert(parameter.name.clone(), read_tensor(&name, &view)?);
        }
        if !present.is_empty() {
            let tensors = present.into_keys().map(str::to_owned).collect();
            return Err(Error::ExtraTensors { tensors });
        }
        Ok(Weights { tensors })
    }

    /// The bytes of a safetensors file with these weights, in single precision.
    pub fn to_safetensors(&self, graph: &Graph) -> Vec<u8> {
        let stored: Vec<_> = parameters(graph)
            .into_iter()
            .map(|Parameter { name, shape }| {
                let values = &self.tensors[&name];
                let bytes: Vec<u8> =
                    values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
                (name, shape, bytes)
            })
            .collect();
        let views = stored.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            (name, view.expect("a tensor of its shape"))
        });
        serialize(views, None).expect("tensors of unlike names")
    }
}

/// The bytes of a file whose beginning and size are those of a network's weights.
fn read_checked(path: &Path, graph: &Graph) -> Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(checkpoint::HEAD as u64).read_to_end(&mut bytes)?;
    checkpoint::check(path, &bytes)?;
    let values: usize =
        parameters(graph).iter().map(|parameter| parameter.shape.iter().product::<usize>()).sum();
    let most = 8 * values as u64 + HEADER_ALLOWANCE;
    let size = file.metadata()?.len();
    if size > most {
        return Err(Error::WeightsSize { bytes: size, most });
    }
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The most bytes of a file's header: names, shapes, metadata and counters take less.
const HEADER_ALLOWANCE: u64 = 16 << 20;

/// The common prefix of all names of a file before the network's names; empty if there is none.
fn common_prefix(names: &[String], parameters: &[Parameter]) -> String {
    let before = |name: &String| {
        let prefix = name.strip_suffix(&parameters.first()?.name)?;
        let whole = prefix.is_empty() || prefix.ends_with('.');
        (whole && names.iter().all(|name| name.starts_with(prefix))).then(|| prefix.to_owned())
    };
    names.iter().find_map(before).unwrap_or_default()
}

/// The likely cause of a wrong shape, and what to do.
fn advice(parameters: &[Parameter], parameter: &Parameter, got: &[usize]) -> String {
    let due = &parameter.shape[..];
    let layer =
        |parameter: &Parameter| parameter.name.rsplit_once('.').map(|(layer, _)| layer.to_owned());
    let [first, last] =
        [parameters.first(), parameters.last()].map(|end| end.and_then(layer) == layer(parameter));
    match (got, due) {
        ([classes, rest @ ..], [due, due_rest @ ..]) if last && rest == due_rest => format!(
            "the file tells {classes} classes apart, not {due}: set that number of classes, or \
             train the last layer anew"
        ),
        ([a, channels, kernel @ ..], [b, due, due_kernel @ ..])
            if first && a == b && kernel == due_kernel && kernel.len() == 2 =>
        {
            format!(
                "the file takes images of {channels} channels, not {due}: set that input, or train \
                 on such images"
            )
        }
        ([.., rows, columns], [.., due_rows, due_columns])
            if got.len() == 4 && due.len() == 4 && [rows, columns] != [due_rows, due_columns] =>
        {
            format!(
                "its kernels are {rows}x{columns}, as in nets for other image sizes (ImageNet's): \
                 train the net of this one, or export that model to ONNX and give it as the network"
            )
        }
        ([a, _], [b, _]) if a == b => {
            "the file was trained on images of another size: set that input, or train it anew"
                .into()
        }
        _ => "the file is of another width, plan or version of the net".into(),
    }
}

/// The values of a tensor, all finite.
fn read_tensor(name: &str, view: &TensorView<'_>) -> Result<Vec<f64>> {
    let tensor = || name.to_owned();
    let values = numbers(view).ok_or_else(|| Error::TensorType {
        tensor: tensor(),
        dtype: format!("{:?}", view.dtype()),
    })?;
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NotFinite { tensor: tensor(), index }),
        None => Ok(values),
    }
}

/// The elements of a tensor; `None` for an unsupported type.
#[expect(clippy::wildcard_enum_match_arm, reason = "safetensors may add types")]
fn numbers(view: &TensorView<'_>) -> Option<Vec<f64>> {
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|&chunk| number(chunk)).collect()
    }
    let bytes = view.data();
    match view.dtype() {
        Dtype::F64 => Some(each(bytes, f64::from_le_bytes)),
        Dtype::F32 => Some(each(bytes, |b| f32::from_le_bytes(b).into())),
        Dtype::BF16 => {
            Some(each(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16).into()))
        }
        Dtype::F16 => Some(each(bytes, |b| half(u16::from_le_bytes(b)))),
        _ => None,
    }
}

/// The value of an IEEE 754 binary16 number.
pub(crate) fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * f64::exp2(-24.0),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * f64::from(exponent - 25).exp2(),
    };
    sign * magnitude
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_nets;

    type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

    /// The tiny net's tensors, as F32.
    fn stored() -> Vec<Stored> {
        let graph = test_nets::tiny();
        let weights = Weights::random(&graph, 1);
        let store = |p: Parameter| {
            let values = weights.tensor(&p.name).unwrap();
            let bytes = values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
            (p.name, Dtype::F32, p.shape, bytes)
        };
        parameters(&graph).into_iter().map(store).collect()
    }

    fn file(tensors: &[Stored]) -> Vec<u8> {
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        serialize(views, None).unwrap()
    }

    fn parse(tensors: &[Stored]) -> Result<Weights> {
        Weights::parse(&file(tensors), &test_nets::tiny())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let graph = test_nets::everything();
        let weights = Weights::random(&graph, 1);
        let once = Weights::parse(&weights.to_safetensors(&graph), &graph).unwrap();
        assert_eq!(Weights::parse(&once.to_safetensors(&graph), &graph).unwrap(), once);
        let (name, values) = weights.tensors.first_key_value().unwrap();
        assert!((values[0] - once.tensor(name).unwrap()[0]).abs() < 1e-6);
    }

    fn find<'a>(tensors: &'a mut [Stored], name: &str) -> &'a mut Stored {
        tensors.iter_mut().find(|t| t.0 == name).unwrap()
    }

    #[test]
    fn a_good_file_is_read() {
        let mut tensors = stored();
        tensors.push(("bn1.num_batches_tracked".into(), Dtype::I64, vec![], vec![0; 8]));
        let weights = parse(&tensors).unwrap();
        let expected = Weights::random(&test_nets::tiny(), 1);
        for Parameter { name, .. } in parameters(&test_nets::tiny()) {
            let pairs = weights.tensor(&name).unwrap().iter();
            let pairs = pairs.zip(expected.tensor(&name).unwrap());
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6), "{name}");
        }
        assert!(!format!("{weights:?}").contains("0."), "{weights:?}");
    }

    #[test]
    fn every_float_type_is_read() {
        for (dtype, bytes, expected) in [
            (Dtype::F64, (-1.5f64).to_le_bytes().to_vec(), -1.5),
            (Dtype::F32, 0.25f32.to_le_bytes().to_vec(), 0.25),
            (Dtype::BF16, 0xC020u16.to_le_bytes().to_vec(), -2.5),
            (Dtype::F16, 0x3E00u16.to_le_bytes().to_vec(), 1.5),
            (Dtype::F16, 0x8001u16.to_le_bytes().to_vec(), -f64::exp2(-24.0)),
            (Dtype::F16, 0x7BFFu16.to_le_bytes().to_vec(), 65504.0),
        ] {
            let view = TensorView::new(dtype, vec![1], &bytes).unwrap();
            assert_eq!(numbers(&view), Some(vec![expected]), "{dtype:?}");
        }
        assert!(half(0x7C00).is_infinite() && half(0xFE00).is_nan());
        let mut tensors = stored();
        *find(&mut tensors, "fc.bias") = ("fc.bias".into(), Dtype::I32, vec![3], vec![0; 12]);
        let error = parse(&tensors).unwrap_err().to_string();
        assert!(error.contains("'fc.bias'") && error.contains("I32"), "{error}");
    }

    #[test]
    fn truncated_files_are_refused() {
        let bytes = file(&stored());
        let graph = test_nets::tiny();
        for len in [0, 4, 8, 100, bytes.len() - 1] {
            let error = Weights::parse(&bytes[..len], &graph).unwrap_err();
            assert!(matches!(error, Error::Safetensors { .. }), "{len}: {error}");
            assert!(error.to_string().contains("truncated"), "{error}");
        }
    }

    #[test]
    fn missing_and_extra_tensors_are_named() {
        let mut tensors = stored();
        find(&mut tensors, "fc.weight").0 = "fc.wieght".into();
        let error = parse(&tensors).unwrap_err().to_string();
        assert!(error.contains("'fc.weight'") && error.contains("'fc.wieght'"), "{error}");
        let mut tensors = stored();
        tensors.push(("head.bias".into(), Dtype::F32, vec![1], vec![0; 4]));
        let error = parse(&tensors).unwrap_err().to_string();
        assert!(error.contains("'head.bias'"), "{error}");
    }

    #[test]
    fn wrong_shapes_are_named() {
        let mut tensors = stored();
        find(&mut tensors, "conv1.weight").2.reverse();
        let error = parse(&tensors).unwrap_err().to_string();
        for part in ["'conv1.weight'", "[3, 3, 1, 2]", "[2, 1, 3, 3]"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn another_shape_is_explained() {
        let complaint = |name: &str, shape: &[usize]| {
            let mut tensors = stored();
            let tensor = find(&mut tensors, name);
            tensor.2 = shape.to_vec();
            tensor.3 = vec![0; 4 * shape.iter().product::<usize>()];
            parse(&tensors).unwrap_err().to_string()
        };
        let fc = parameters(&test_nets::tiny()).into_iter().find(|p| p.name == "fc.weight");
        let [classes, inputs] = fc.unwrap().shape[..] else { panic!("fully connected") };
        let cases: [(&str, &[usize], &str); 6] = [
            ("conv1.weight", &[2, 3, 3, 3], "takes images of 3 channels, not 1"),
            (
                "conv1.weight",
                &[2, 1, 7, 7],
                "its kernels are 7x7, as in nets for other image sizes",
            ),
            ("conv1.weight", &[4, 1, 3, 3], "of another width, plan or version"),
            ("fc.weight", &[1000, inputs], "the file tells 1000 classes apart, not 3"),
            ("fc.weight", &[classes, inputs + 1], "trained on images of another size"),
            ("fc.bias", &[1000], "the file tells 1000 classes apart, not 3"),
        ];
        for (name, shape, expected) in cases {
            let message = complaint(name, shape);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_prefix_that_all_names_have_is_passed_over() {
        let expected = parse(&stored()).unwrap();
        for prefix in ["module.", "model.", "_orig_mod.module."] {
            let mut tensors = stored();
            tensors.iter_mut().for_each(|tensor| tensor.0.insert_str(0, prefix));
            tensors.push(("epoch.num_batches_tracked".into(), Dtype::I64, vec![], vec![0; 8]));
            assert_eq!(parse(&tensors).unwrap(), expected);
            let bias = find(&mut tensors, &format!("{prefix}fc.bias"));
            bias.2 = vec![1, 3];
            let error = parse(&tensors).unwrap_err().to_string();
            assert!(error.contains(&format!("'{prefix}fc.bias' has shape [1, 3]")), "{error}");
            find(&mut tensors, &format!("{prefix}fc.bias")).0 = "fc.bias".into();
            let error = parse(&tensors).unwrap_err().to_string();
            assert!(error.contains("tensor 'conv1.weight' is missing"), "{error}");
        }
    }

    #[test]
    fn what_is_not_finite_is_named() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut tensors = stored();
            find(&mut tensors, "fc.weight").3[20..24].copy_from_slice(&bad.to_le_bytes());
            let error = parse(&tensors).unwrap_err().to_string();
            assert!(error.contains("'fc.weight'") && error.contains("index 5"), "{error}");
        }
    }

    #[test]
    fn files_are_named_in_errors() {
        let complaint =
            |path: &Path| Weights::read(path, &test_nets::tiny()).unwrap_err().to_string();
        let nowhere = complaint(Path::new("/nowhere/weights.safetensors"));
        assert!(nowhere.starts_with("/nowhere/weights.safetensors: "), "{nowhere}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("net.pth");
        std::fs::write(&path, b"PK\x03\x04 and so on").unwrap();
        let pickle = complaint(&path);
        assert!(pickle.starts_with(&format!("{}: is a zip", path.display())), "{pickle}");
        let large = directory.path().join("vgg.safetensors");
        File::create(&large).unwrap().set_len(1 << 40).unwrap();
        let large = complaint(&large);
        assert!(large.contains("has 1099511627776 bytes where"), "{large}");
        std::fs::write(&path, file(&stored())).unwrap();
        let read = Weights::read(&path, &test_nets::tiny()).unwrap();
        assert_eq!(read, parse(&stored()).unwrap());
    }
}
