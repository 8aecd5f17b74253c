//! A node of the file, and its attributes.

use super::{
    proto,
    tensor::{Stored, Tensor},
};

/// The largest kernel, stride, dilation or padding: sums of a few products of it cannot overflow.
const MAX_WINDOW: i64 = 1 << 16;

/// Why a node cannot be translated, and what to use instead; fits after its name.
pub(super) type Refusal = String;

/// A node of the file.
#[derive(Clone, Copy)]
pub(super) struct Node<'f>(pub(super) &'f proto::Node<'f>);

impl<'f> Node<'f> {
    /// Its operator.
    pub(super) fn op(self) -> &'f str {
        self.0.op
    }

    /// Its name, or that of its result where it has none.
    pub(super) fn name(self) -> &'f str {
        match self.0.name {
            "" => self.0.outputs.first().copied().unwrap_or_default(),
            name => name,
        }
    }

    /// The name of an input, if it is given.
    pub(super) fn input(self, place: usize) -> Option<&'f str> {
        self.0.inputs.get(place).copied().filter(|name| !name.is_empty())
    }

    /// How many inputs it has, without those at the end that are left out.
    pub(super) fn input_count(self) -> usize {
        self.0.inputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1)
    }

    /// An attribute that is a whole number.
    pub(super) fn int(self, name: &str, default: i64) -> Result<i64, Refusal> {
        let int = self.typed(name, "a whole number", |attribute| attribute.int)?;
        Ok(int.unwrap_or(default))
    }

    /// An attribute that is a real number.
    pub(super) fn float(self, name: &str) -> Result<Option<f64>, Refusal> {
        let float = self.typed(name, "a real number", |attribute| attribute.float)?;
        Ok(float.map(decimal))
    }

    /// An attribute that is a list of whole numbers.
    pub(super) fn ints(self, name: &str) -> Result<Option<Vec<i64>>, Refusal> {
        self.typed(name, "whole numbers", |attribute| attribute.ints()?.ints())
    }

    /// An attribute that is a text.
    pub(super) fn text(self, name: &str) -> Result<Option<&'f str>, Refusal> {
        self.typed(name, "a text", |attribute| std::str::from_utf8(attribute.text?).ok())
    }

    /// An attribute that is a list of real numbers.
    pub(super) fn floats(self, name: &str) -> Result<Option<Vec<f64>>, Refusal> {
        let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("4 bytes")).into();
        self.typed(name, "real numbers", |attribute| {
            Some(attribute.floats()?.chunks(4).map(number).collect())
        })
    }

    /// An attribute that is a tensor.
    pub(super) fn tensor(self, name: &str) -> Result<Option<Tensor>, Refusal> {
        let tensor = self.typed(name, "a tensor", |attribute| attribute.tensor.as_deref())?;
        tensor.map(|tensor| Stored::new(tensor)?.read()).transpose()
    }

    /// An attribute that is a size for rows and one for columns; a single size is for columns.
    pub(super) fn pair(self, name: &str) -> Result<Option<(usize, usize)>, Refusal> {
        match self.window(name)?.as_deref() {
            None => Ok(None),
            Some(&[columns]) => Ok(Some((1, columns))),
            Some(&[rows, columns]) => Ok(Some((rows, columns))),
            Some(sizes) => Err(format!("has {} sizes in `{name}`: use 1 or 2", sizes.len())),
        }
    }

    /// An attribute that is a list of sizes of windows.
    pub(super) fn window(self, name: &str) -> Result<Option<Vec<usize>>, Refusal> {
        let Some(sizes) = self.ints(name)? else {
            return Ok(None);
        };
        let size = |&size: &i64| {
            let fits = (0..=MAX_WINDOW).contains(&size);
            fits.then_some(size as usize)
                .ok_or_else(|| format!("has {size} in `{name}`: use 0 to {MAX_WINDOW}"))
        };
        sizes.iter().map(size).collect::<Result<_, _>>().map(Some)
    }

    /// Whether it has an attribute.
    pub(super) fn has(self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// An attribute, if it is given: its default must not stand in for one of another type.
    fn typed<T>(
        self,
        name: &str,
        expected: &str,
        value: impl FnOnce(&'f proto::Attribute<'f>) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let typed = |attribute| {
            value(attribute).ok_or_else(|| format!("has `{name}` of another type: use {expected}"))
        };
        self.attribute(name).map(typed).transpose()
    }

    fn attribute(self, name: &str) -> Option<&'f proto::Attribute<'f>> {
        self.0.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// The decimal number that a 32-bit float stands for: 0.1, not the binary fraction nearest to it.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
