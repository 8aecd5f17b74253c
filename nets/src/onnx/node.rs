//! A node of the file, and its attributes.

use rten_onnx::onnx::{AttributeProto, NodeProto};

use super::tensor::Tensor;

/// The largest kernel, stride, dilation or padding: sums of a few products of it cannot overflow.
const MAX_WINDOW: i64 = 1 << 16;

/// A node of the file.
#[derive(Clone, Copy)]
pub struct Node<'f>(pub &'f NodeProto);

impl<'f> Node<'f> {
    /// Its operator.
    pub fn op(self) -> &'f str {
        self.0.op_type.as_deref().unwrap_or_default()
    }

    /// Its name, or that of its result where it has none.
    pub fn name(self) -> &'f str {
        let name = self.0.name.as_deref().filter(|name| !name.is_empty());
        name.or(self.0.output.first().map(String::as_str)).unwrap_or_default()
    }

    /// The name of an input, if it is given.
    pub fn input(self, place: usize) -> Option<&'f str> {
        self.0.input.get(place).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// A whole number.
    pub fn int(self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.i).unwrap_or(default)
    }

    /// A real number.
    pub fn float(self, name: &str) -> Option<f64> {
        // The decimal number that was meant: 0.1, not the binary fraction nearest to it.
        self.attribute(name)?.f.map(|value| value.to_string().parse().expect("a number"))
    }

    /// Whole numbers.
    pub fn ints(self, name: &str) -> Option<&'f [i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    /// A text.
    pub fn text(self, name: &str) -> Option<&'f str> {
        self.attribute(name)?.s.as_deref()
    }

    /// Real numbers.
    pub fn floats(self, name: &str) -> Option<&'f [f32]> {
        self.attribute(name).map(|attribute| &attribute.floats[..])
    }

    /// A stored tensor.
    pub fn tensor(self, name: &str) -> Option<Result<Tensor, String>> {
        Some(Tensor::read(self.attribute(name)?.t.as_ref()?))
    }

    /// Sizes for rows and columns (a single size is for columns), 1 where none are given.
    pub fn pair(self, name: &str) -> Result<Option<(usize, usize)>, String> {
        match self.window(name)?.as_deref() {
            None => Ok(None),
            Some(&[columns]) => Ok(Some((1, columns))),
            Some(&[rows, columns]) => Ok(Some((rows, columns))),
            Some(sizes) => Err(format!("has {} sizes in `{name}`: use 1 or 2", sizes.len())),
        }
    }

    /// Sizes of windows.
    pub fn window(self, name: &str) -> Result<Option<Vec<usize>>, String> {
        let Some(sizes) = self.ints(name) else {
            return Ok(None);
        };
        let size = |&size: &i64| {
            let fits = (0..=MAX_WINDOW).contains(&size);
            fits.then_some(size as usize)
                .ok_or_else(|| format!("has {size} in `{name}`: use 0 to {MAX_WINDOW}"))
        };
        sizes.iter().map(size).collect::<Result<_, _>>().map(Some)
    }

    fn attribute(self, name: &str) -> Option<&'f AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))
    }
}
