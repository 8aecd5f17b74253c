//! A look at a file's bytes before the parser sees them. The parser allocates what a length field
//! says, adds lengths without a check, and recurses as deep as messages nest; after this pass every
//! length lies inside its message, messages are few enough, and nesting is shallow.

/// The most messages of a file: a thousand layers have some tens of thousands.
const MAX_MESSAGES: usize = 1 << 18;

/// How deep messages may nest. A plain model needs about six.
const MAX_DEPTH: usize = 40;

/// Checks a whole file.
///
/// # Errors
/// What is wrong, in words.
pub fn check(bytes: &[u8]) -> Result<(), &'static str> {
    let mut waiting = vec![(Message::Model, bytes, 0)];
    let mut seen = 0;
    while let Some((message, mut bytes, depth)) = waiting.pop() {
        seen += 1;
        if seen > MAX_MESSAGES {
            return Err("it has too many parts");
        }
        if depth > MAX_DEPTH {
            return Err("it is nested too deep");
        }
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            match tag & 7 {
                0 => _ = varint(&mut bytes)?,
                1 => _ = take(&mut bytes, 8)?,
                2 => {
                    let len = varint(&mut bytes)?;
                    let payload = take(&mut bytes, len)?;
                    if let Some(child) = message.child(tag >> 3) {
                        waiting.push((child, payload, depth + 1));
                    }
                }
                5 => _ = take(&mut bytes, 4)?,
                _ => return Err("it is no protocol buffer"),
            }
        }
    }
    Ok(())
}

/// The messages of onnx.proto that the parser reads.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Sequence,
    Shape,
    /// One without messages inside.
    Leaf,
}

impl Message {
    /// The message in a field, if it holds one.
    fn child(self, field: u64) -> Option<Message> {
        match (self, field) {
            (Message::Model, 7) | (Message::Attribute, 6) => Some(Message::Graph),
            (Message::Graph, 1) => Some(Message::Node),
            (Message::Graph, 5) | (Message::Attribute, 5) => Some(Message::Tensor),
            (Message::Graph, 11..=13) => Some(Message::ValueInfo),
            (Message::Node, 5) => Some(Message::Attribute),
            (Message::ValueInfo, 2) | (Message::Sequence, 1) => Some(Message::Type),
            (Message::Type, 1) => Some(Message::TensorType),
            (Message::Type, 4) => Some(Message::Sequence),
            (Message::TensorType, 2) => Some(Message::Shape),
            (Message::Shape, 1) | (Message::Model, 8 | 14) | (Message::Tensor, 13) => {
                Some(Message::Leaf)
            }
            _ => None,
        }
    }
}

const TRUNCATED: &str = "it ends too early; copy it again";

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
    Err("it is no protocol buffer")
}
