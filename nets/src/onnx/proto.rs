//! The messages of onnx.proto, read from a file's bytes without copying them.
//!
//! Every length is checked against what is left before anything is taken, repeated numbers stay in
//! the file until their count is known to be right, and messages nest as deep as the format needs
//! and no deeper (subgraphs are not read). So no file can take much more memory than its
//! length.

/// The most parts of a file: a message counts as [`MESSAGE`], any other field as one. A thousand
/// layers have some ten thousand messages.
const BUDGET: usize = 1 << 22;

const MESSAGE: usize = 32;

/// The model.
#[derive(Default)]
pub(super) struct Model<'f> {
    /// The network.
    pub(super) graph: Option<Graph<'f>>,
    /// The version of the standard operators.
    pub(super) opset: Option<i64>,
}

/// A network.
#[derive(Default)]
pub(super) struct Graph<'f> {
    /// Its operators, in an order in which they can run.
    pub(super) nodes: Vec<Node<'f>>,
    /// Its stored constants.
    pub(super) initializers: Vec<Tensor<'f>>,
    /// Whether some constants are stored sparsely.
    pub(super) sparse: bool,
    /// Its inputs; initializers may be among them.
    pub(super) inputs: Vec<Value<'f>>,
    /// Its results.
    pub(super) outputs: Vec<Value<'f>>,
}

/// An operator with its operands.
#[derive(Default)]
pub(super) struct Node<'f> {
    /// Its operands; an empty name is one that is left out.
    pub(super) inputs: Vec<&'f str>,
    /// Its results.
    pub(super) outputs: Vec<&'f str>,
    /// Its name; empty if it has none.
    pub(super) name: &'f str,
    /// Its operator.
    pub(super) op: &'f str,
    /// The operator's set; empty for the standard one.
    pub(super) domain: &'f str,
    /// Its attributes.
    pub(super) attributes: Vec<Attribute<'f>>,
}

/// A node's attribute: one of the fields beside the name is set.
#[derive(Default)]
pub(super) struct Attribute<'f> {
    /// Its name.
    pub(super) name: &'f str,
    /// A real number.
    pub(super) float: Option<f32>,
    /// A whole number.
    pub(super) int: Option<i64>,
    /// A text.
    pub(super) text: Option<&'f [u8]>,
    /// A constant.
    pub(super) tensor: Option<Box<Tensor<'f>>>,
    /// Real numbers.
    floats: Repeated<'f>,
    /// Whole numbers.
    ints: Repeated<'f>,
}

/// A constant as it is stored.
#[derive(Default)]
pub(super) struct Tensor<'f> {
    /// Its name.
    pub(super) name: &'f str,
    /// Its shape.
    pub(super) dims: Repeated<'f>,
    /// The type of its elements, a number of `TensorProto.DataType`.
    pub(super) kind: i64,
    /// Its elements, little-endian.
    pub(super) raw: Option<&'f [u8]>,
    /// Its elements, if they are 32-bit floats.
    pub(super) floats: Repeated<'f>,
    /// Its elements, if they are integers of up to 32 bits, or the bits of 16-bit floats.
    pub(super) ints: Repeated<'f>,
    /// Its elements, if they are 64-bit integers.
    pub(super) longs: Repeated<'f>,
    /// Its elements, if they are 64-bit floats.
    pub(super) doubles: Repeated<'f>,
    /// Whether its elements are in another file.
    pub(super) external: bool,
}

/// An input or output.
#[derive(Default)]
pub(super) struct Value<'f> {
    /// Its name.
    pub(super) name: &'f str,
    /// Its sizes, where they are given; `None` if it is no tensor or has no shape.
    pub(super) sizes: Option<Vec<Option<i64>>>,
}

/// A repeated number: packed, one by one, or both.
#[derive(Clone, Default)]
pub(super) struct Repeated<'f>(Vec<&'f [u8]>);

impl<'f> Model<'f> {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The reason, in words.
    pub(super) fn read(bytes: &'f [u8]) -> Result<Model<'f>, &'static str> {
        let mut left = BUDGET;
        let mut model = Model::default();
        message(bytes, &mut left, |number, field, left| {
            match number {
                7 => model.graph = Some(Graph::read(field.bytes()?, left)?),
                8 => {
                    let (domain, version) = operators(field.bytes()?, left)?;
                    if domain.is_empty() || domain == "ai.onnx" {
                        model.opset = Some(version);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(model)
    }
}

impl<'f> Graph<'f> {
    fn read(bytes: &'f [u8], left: &mut usize) -> Result<Graph<'f>, &'static str> {
        let mut graph = Graph::default();
        message(bytes, left, |number, field, left| {
            match number {
                1 => graph.nodes.push(Node::read(field.bytes()?, left)?),
                5 => graph.initializers.push(Tensor::read(field.bytes()?, left)?),
                11 => graph.inputs.push(Value::read(field.bytes()?, left)?),
                12 => graph.outputs.push(Value::read(field.bytes()?, left)?),
                15 => graph.sparse = true,
                _ => {}
            }
            Ok(())
        })?;
        Ok(graph)
    }
}

impl<'f> Node<'f> {
    fn read(bytes: &'f [u8], left: &mut usize) -> Result<Node<'f>, &'static str> {
        let mut node = Node::default();
        message(bytes, left, |number, field, left| {
            match number {
                1 => node.inputs.push(field.text()?),
                2 => node.outputs.push(field.text()?),
                3 => node.name = field.text()?,
                4 => node.op = field.text()?,
                5 => node.attributes.push(Attribute::read(field.bytes()?, left)?),
                7 => node.domain = field.text()?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(node)
    }
}

impl<'f> Attribute<'f> {
    fn read(bytes: &'f [u8], left: &mut usize) -> Result<Attribute<'f>, &'static str> {
        let mut attribute = Attribute::default();
        let mut kind = 0;
        message(bytes, left, |number, field, left| {
            match number {
                1 => attribute.name = field.text()?,
                2 => attribute.float = Some(f32::from_le_bytes(field.four()?)),
                3 => attribute.int = Some(field.int()?),
                4 => attribute.text = Some(field.bytes()?),
                5 => attribute.tensor = Some(Box::new(Tensor::read(field.bytes()?, left)?)),
                7 => attribute.floats.0.push(field.raw),
                8 => attribute.ints.0.push(field.raw),
                20 => kind = field.int()?,
                _ => {}
            }
            Ok(())
        })?;
        if attribute.floats().is_some_and(|floats| floats.0.is_empty()) {
            // Some writers leave out zeros and empty texts.
            match kind {
                1 => attribute.float = Some(0.0),
                2 => attribute.int = Some(0),
                3 => attribute.text = Some(b""),
                _ => {}
            }
        }
        Ok(attribute)
    }

    /// Its real numbers, maybe none, if it has no value of another type.
    pub(super) fn floats(&self) -> Option<&Repeated<'f>> {
        (self.has_no_single_value() && self.ints.0.is_empty()).then_some(&self.floats)
    }

    /// Its whole numbers, maybe none, if it has no value of another type.
    pub(super) fn ints(&self) -> Option<&Repeated<'f>> {
        (self.has_no_single_value() && self.floats.0.is_empty()).then_some(&self.ints)
    }

    fn has_no_single_value(&self) -> bool {
        let Attribute { name: _, float, int, text, tensor, floats: _, ints: _ } = self;
        float.is_none() && int.is_none() && text.is_none() && tensor.is_none()
    }
}

impl<'f> Tensor<'f> {
    fn read(bytes: &'f [u8], left: &mut usize) -> Result<Tensor<'f>, &'static str> {
        let mut tensor = Tensor::default();
        message(bytes, left, |number, field, _| {
            match number {
                1 => tensor.dims.0.push(field.raw),
                2 => tensor.kind = field.int()?,
                4 => tensor.floats.0.push(field.raw),
                5 => tensor.ints.0.push(field.raw),
                7 => tensor.longs.0.push(field.raw),
                8 => tensor.name = field.text()?,
                9 => tensor.raw = Some(field.bytes()?),
                10 => tensor.doubles.0.push(field.raw),
                13 => tensor.external = true,
                14 => tensor.external |= field.int()? == 1,
                _ => {}
            }
            Ok(())
        })?;
        Ok(tensor)
    }
}

impl<'f> Value<'f> {
    fn read(bytes: &'f [u8], left: &mut usize) -> Result<Value<'f>, &'static str> {
        let mut value = Value::default();
        message(bytes, left, |number, field, left| {
            match number {
                1 => value.name = field.text()?,
                2 => value.sizes = sizes_of_type(field.bytes()?, left)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(value)
    }
}

impl<'f> Repeated<'f> {
    /// Whole numbers; `None` if the bytes are others.
    pub(super) fn ints(&self) -> Option<Vec<i64>> {
        let mut ints = Vec::with_capacity(self.ends());
        for mut bytes in self.0.iter().copied() {
            while !bytes.is_empty() {
                ints.push(varint(&mut bytes).ok()?.cast_signed());
            }
        }
        Some(ints)
    }

    /// The count of whole numbers: each ends with a byte below 128.
    pub(super) fn ends(&self) -> usize {
        self.0.iter().flat_map(|bytes| bytes.iter()).filter(|&&byte| byte < 128).count()
    }

    /// Numbers of this many bytes each, without a last one that is cut off.
    pub(super) fn chunks(&self, bytes: usize) -> impl Iterator<Item = &'f [u8]> {
        self.0.iter().flat_map(move |part| part.chunks_exact(bytes))
    }

    /// The count of bytes.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|bytes| bytes.len()).sum()
    }
}

/// The operator set that a model imports, and its version.
fn operators<'f>(bytes: &'f [u8], left: &mut usize) -> Result<(&'f str, i64), &'static str> {
    let (mut domain, mut version) = ("", 0);
    message(bytes, left, |number, field, _| {
        match number {
            1 => domain = field.text()?,
            2 => version = field.int()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((domain, version))
}

/// The sizes that a type has, if it is that of a tensor.
fn sizes_of_type(bytes: &[u8], left: &mut usize) -> Result<Option<Vec<Option<i64>>>, &'static str> {
    let mut sizes = None;
    message(bytes, left, |number, tensor, left| match number {
        1 => message(tensor.bytes()?, left, |number, shape, left| {
            if number == 2 {
                sizes = Some(sizes_of_shape(shape.bytes()?, left)?);
            }
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(sizes)
}

fn sizes_of_shape(bytes: &[u8], left: &mut usize) -> Result<Vec<Option<i64>>, &'static str> {
    let mut sizes = Vec::new();
    message(bytes, left, |number, dimension, left| {
        if number == 1 {
            sizes.push(None);
            message(dimension.bytes()?, left, |number, field, _| {
                if number == 1 {
                    *sizes.last_mut().expect("it was pushed") = Some(field.int()?);
                }
                Ok(())
            })?;
        }
        Ok(())
    })?;
    Ok(sizes)
}

/// Gives a message's fields to `visit`, by number.
fn message<'f>(
    mut bytes: &'f [u8],
    left: &mut usize,
    mut visit: impl FnMut(u64, Field<'f>, &mut usize) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    spend(left, MESSAGE)?;
    while !bytes.is_empty() {
        spend(left, 1)?;
        let tag = varint(&mut bytes)?;
        let before = bytes;
        let raw = match tag & 7 {
            0 => {
                varint(&mut bytes)?;
                &before[..before.len() - bytes.len()]
            }
            1 => take(&mut bytes, 8)?,
            2 => {
                let len = varint(&mut bytes)?;
                take(&mut bytes, len)?
            }
            5 => take(&mut bytes, 4)?,
            _ => return Err(NO_BUFFER),
        };
        visit(tag >> 3, Field { wire: tag & 7, raw }, left)?;
    }
    Ok(())
}

/// A field's bytes, without their length.
struct Field<'f> {
    wire: u64,
    raw: &'f [u8],
}

impl<'f> Field<'f> {
    fn bytes(&self) -> Result<&'f [u8], &'static str> {
        (self.wire == 2).then_some(self.raw).ok_or(NO_MODEL)
    }

    fn text(&self) -> Result<&'f str, &'static str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| NO_MODEL)
    }

    fn int(&self) -> Result<i64, &'static str> {
        let mut bytes = self.raw;
        match self.wire {
            0 => Ok(varint(&mut bytes)?.cast_signed()),
            _ => Err(NO_MODEL),
        }
    }

    fn four(&self) -> Result<[u8; 4], &'static str> {
        match self.wire {
            5 => self.raw.try_into().map_err(|_| NO_MODEL),
            _ => Err(NO_MODEL),
        }
    }
}

const TRUNCATED: &str = "it ends too early; copy it again";
const NO_BUFFER: &str = "it is no protocol buffer";
const NO_MODEL: &str = "it is a protocol buffer, but no ONNX model";

fn spend(left: &mut usize, cost: usize) -> Result<(), &'static str> {
    *left = left.checked_sub(cost).ok_or("it has too many parts")?;
    Ok(())
}

fn take<'b>(bytes: &mut &'b [u8], len: u64) -> Result<&'b [u8], &'static str> {
    let len = usize::try_from(len).map_err(|_| TRUNCATED)?;
    let (head, rest) = bytes.split_at_checked(len).ok_or(TRUNCATED)?;
    *bytes = rest;
    Ok(head)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for place in 0..10 {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 127) << (7 * place);
        if byte < 128 {
            return Ok(value);
        }
    }
    Err(NO_BUFFER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_packed_and_one_by_one() {
        // A tensor [2, 300]: a size by itself, then packed ones; floats by themselves and packed.
        let tensor = [
            &[0x08, 2, 0x0A, 2, 0xAC, 2][..],
            &[0x25, 0, 0, 0x80, 0x3F],
            &[0x22, 8, 0, 0, 0, 0x40, 0, 0, 0x40, 0x40],
        ];
        let bytes = tensor.concat();
        let tensor = Tensor::read(&bytes, &mut 1000).unwrap();
        assert_eq!((tensor.dims.ints(), tensor.dims.ends()), (Some(vec![2, 300]), 2));
        let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        let floats: Vec<f32> = tensor.floats.chunks(4).map(float).collect();
        assert_eq!(floats, [1.0, 2.0, 3.0]);
        assert_eq!(tensor.floats.len(), 12);
    }

    #[test]
    fn lengths_and_counts_are_bounded() {
        let error = |bytes: &[u8]| Model::read(bytes).err().unwrap();
        assert_eq!(error(&[0x3A, 5, 0]), TRUNCATED);
        assert_eq!(error(&[0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]), TRUNCATED);
        assert_eq!(error(&[0x80; 11]), NO_BUFFER);
        assert_eq!(error(&[0x3B]), NO_BUFFER);
        assert_eq!(error(&[0x38, 1]), NO_MODEL);
        // Empty messages, two bytes each.
        let nodes = [0x0A, 0].repeat(BUDGET / MESSAGE);
        let mut bytes = vec![0x3A];
        let mut len = nodes.len();
        while len >= 128 {
            bytes.push(len as u8 | 128);
            len >>= 7;
        }
        bytes.push(len as u8);
        bytes.extend(nodes);
        assert_eq!(error(&bytes), "it has too many parts");
    }
}
