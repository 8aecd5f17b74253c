//! Files of weights in formats other than safetensors: they are recognised by their first bytes and
//! refused with the command that converts them. Reading a pickle can run any code, so none is ever
//! read.

use std::path::Path;

use crate::error::{Error, Result};

/// The number of first bytes that [`check`] looks at.
pub(crate) const HEAD: usize = 16;

/// Refuses a file of another format by its name and its first bytes.
pub(crate) fn check(path: &Path, head: &[u8]) -> Result<()> {
    // A safetensors file begins with the length of its header, which may be any bytes; the header
    // itself begins with a brace.
    let tensors = head.get(8) == Some(&b'{');
    let (found, instead) = match head {
        [b'P', b'K', 3, 4, ..] if !tensors => {
            ("a zip archive, as torch.save writes it", from_torch(path))
        }
        [0x80, 2..=5, ..] if !tensors => {
            ("a Python pickle, as torch.save wrote it once", from_torch(path))
        }
        [0x89, b'H', b'D', b'F', ..] => ("HDF5, as Keras writes it", EXPORT.into()),
        [b'{', ..] if !tensors => ("text, the index of a checkpoint in parts perhaps", merge(path)),
        _ if path.extension().is_some_and(|ending| ending == "onnx") => {
            ("an ONNX model by its name", "give it as the network, not as its weights".into())
        }
        _ if is_part(path) => ("one part of a checkpoint by its name", merge(path)),
        _ => return Ok(()),
    };
    Err(Error::WeightsFormat { found, instead })
}

const EXPORT: &str = "export the model to ONNX and give that as the network";

/// The line of Python that converts a file of torch.save, with a state_dict or a training state.
fn from_torch(path: &Path) -> String {
    let to = path.with_extension("safetensors");
    format!(
        "convert it with python3 -c \"import torch, safetensors.torch as s; d = torch.load('{}', \
         'cpu', weights_only=True); d = d.get('state_dict', d.get('model', d)); \
         s.save_file({{k: v.clone() for k, v in d.items()}}, '{}')\"",
        path.display(),
        to.display()
    )
}

/// The line of Python that merges the parts of a checkpoint.
fn merge(path: &Path) -> String {
    let parts = path.with_file_name("*-of-*.safetensors");
    let to = path.with_file_name("merged.safetensors");
    format!(
        "merge the parts with python3 -c \"import glob, safetensors.torch as s; \
         s.save_file({{k: v for f in glob.glob('{}') for k, v in s.load_file(f).items()}}, '{}')\"",
        parts.display(),
        to.display()
    )
}

/// Whether a file's name has the form `...-00001-of-00003`.
fn is_part(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.rsplit_once("-of-").is_some_and(|(before, count)| {
        digits(count) && before.rsplit_once('-').is_some_and(|(_, part)| digits(part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(name: &str, head: &[u8]) -> Option<String> {
        check(Path::new(name), head).err().map(|error| error.to_string())
    }

    #[test]
    fn other_formats_are_named_with_what_converts_them() {
        let zip = complaint("dir/net.pth", b"PK\x03\x04\x00\x00\x08\x08").unwrap();
        assert!(zip.starts_with("is a zip archive, as torch.save writes it"), "{zip}");
        for part in
            ["torch.load('dir/net.pth', 'cpu', weights_only=True)", "'dir/net.safetensors')\""]
        {
            assert!(zip.contains(part), "{zip}");
        }
        let pickle = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80";
        assert!(complaint("net.bin", pickle).unwrap().contains("torch.load('net.bin'"));
        let parts = "model-00001-of-00002.safetensors";
        assert!(
            complaint(parts, b"\x40\0\0\0\0\0\0\0{\"a").unwrap().contains("*-of-*.safetensors")
        );
        assert!(complaint("model.safetensors.index.json", b"{\n \"metadata\"").is_some());
        assert!(complaint("net.h5", b"\x89HDF\r\n").unwrap().contains("export the model to ONNX"));
        assert!(complaint("net.onnx", b"\x08\x07\x12\x07").unwrap().contains("as the network"));
    }

    #[test]
    fn safetensors_pass_whatever_the_length_of_their_header() {
        for length in [0x280u64, 0x0304_4b50, 0x7b] {
            let head = [&length.to_le_bytes()[..], b"{\"a\":{"].concat();
            assert_eq!(complaint("best-of-breed.safetensors", &head), None, "{length}");
        }
        assert_eq!(complaint("empty", b""), None);
    }
}
