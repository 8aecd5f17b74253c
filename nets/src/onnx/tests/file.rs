//! Small files, field by field, with the numbers of onnx.proto.

/// A message's bytes.
#[derive(Clone, Default)]
pub(super) struct Message(pub(super) Vec<u8>);

impl Message {
    pub(super) fn number(mut self, field: u64, value: i64) -> Message {
        varint(&mut self.0, field << 3);
        varint(&mut self.0, value.cast_unsigned());
        self
    }

    pub(super) fn bytes(mut self, field: u64, bytes: &[u8]) -> Message {
        varint(&mut self.0, field << 3 | 2);
        varint(&mut self.0, bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub(super) fn float(mut self, field: u64, value: f32) -> Message {
        varint(&mut self.0, field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn text(self, field: u64, text: &str) -> Message {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn message(self, field: u64, message: Message) -> Message {
        self.bytes(field, &message.0)
    }

    /// The fields of another message after its own.
    pub(super) fn then(mut self, other: Message) -> Message {
        self.0.extend(other.0);
        self
    }
}

pub(super) fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A whole file.
pub(super) fn file(graph: &Message) -> Vec<u8> {
    let opset = Message::default().number(2, 18);
    Message::default().number(1, 8).message(7, graph.clone()).message(8, opset).0
}

pub(super) fn graph(nodes: &[Message], inputs: &[Message], outputs: &[&str]) -> Message {
    let all = nodes.iter().fold(Message::default(), |all, node| all.message(1, node.clone()));
    let all = inputs.iter().fold(all, |all, input| all.message(11, input.clone()));
    outputs.iter().fold(all, |all, name| all.message(12, Message::default().text(1, name)))
}

pub(super) fn node(op: &str, name: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
    let axis = Message::default().text(1, "axis").number(3, 1);
    node.text(2, output).text(3, name).text(4, op).message(5, axis)
}

pub(super) fn input(name: &str, sizes: &[i64]) -> Message {
    let size = |shape: Message, &size: &i64| shape.message(1, Message::default().number(1, size));
    let shape = sizes.iter().fold(Message::default(), size);
    let tensor = Message::default().number(1, 1).message(2, shape);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor))
}

/// Floats, without the floats.
pub(super) fn tensor(name: &str, sizes: &[i64]) -> Message {
    let sizes = sizes.iter().fold(Message::default(), |tensor, &size| tensor.number(1, size));
    sizes.number(2, 1).text(8, name)
}

/// A list of integers.
pub(super) fn integers(name: &str, values: &[i64]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let size = Message::default().number(1, values.len() as i64);
    size.number(2, 7).text(8, name).bytes(9, &bytes)
}
