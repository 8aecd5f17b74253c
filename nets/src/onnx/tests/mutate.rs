//! Files of exporters with mistakes in them: each is read or refused, and what is read can run.
//!
//! A mistake is made in the file's bytes, or in its tree of messages, so that lengths stay right
//! and the importer sees what it has to judge. `TERCET_ONNX_MUTATIONS` is the number of files to
//! try; without it a run takes seconds.

use std::{fs, sync::LazyLock};

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};

use super::{CASES, file::varint, path};
use crate::{
    Model,
    onnx::{operators::OPERATORS, parse},
    reference, test_nets,
};

/// The files to try where nothing else is asked for.
const FILES: u32 = 3000;

static TREES: LazyLock<Vec<Vec<Field>>> = LazyLock::new(|| {
    let read = |name: &&str| fs::read(path(&format!("{name}.onnx"))).unwrap();
    CASES.iter().map(|name| tree(Message::Model, &read(name)).unwrap()).collect()
});

#[test]
fn mutated_files_are_read_or_refused() {
    let cases = std::env::var("TERCET_ONNX_MUTATIONS");
    let cases = cases.map_or(FILES, |cases| cases.parse().expect("a number of files"));
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    let files = (any::<Index>(), prop::collection::vec(mistake(), 1..6));
    let accepted = std::cell::Cell::new(0);
    let result = TestRunner::new(config).run(&files, |(file, mistakes)| {
        let mut tree = file.get(&TREES).clone();
        for mistake in &mistakes {
            mistake.make(&mut tree);
        }
        let mut bytes = Vec::new();
        write(&tree, &mut bytes);
        for mistake in &mistakes {
            mistake.damage(&mut bytes);
        }
        if let Ok(import) = parse("net", &bytes) {
            accepted.set(accepted.get() + 1);
            run(&import.graph, &import.weights);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let accepted = accepted.get();
    assert!(accepted > cases / 20, "{accepted} of {cases} files can be read");
}

/// Checks that an accepted file has weights for its graph and can be computed.
fn run(graph: &crate::Graph, weights: &crate::Weights) {
    let model = Model::fold(graph, weights).unwrap();
    let macs = test_nets::securenn_cost(graph).totals().macs;
    let values: usize = graph.ids().map(|id| graph.dims(id).len()).sum();
    if macs < 1 << 20 && values < 1 << 18 {
        let image = vec![0.5; graph.input().len()];
        let results = reference::float(graph, &model, &image).unwrap();
        assert_eq!(results[graph.output().index()].len(), graph.dims(graph.output()).len());
    }
}

/// A mistake in a file.
#[derive(Clone, Debug)]
enum Mistake {
    /// A part is missing.
    Remove(Index),
    /// A part is there twice.
    Repeat(Index),
    /// A part is that of another place, or another file.
    Replace(Index, Index, Index),
    /// A number is another one.
    Number(Index, i64),
    /// Bytes, a name or an operator are others.
    Bytes(Index, Vec<u8>),
    /// Values of a tensor are special.
    Floats(Index, Index, f32),
    /// The operator is another one.
    Operator(Index, &'static str),
    /// A byte of the whole file.
    Byte(Index, u8),
    /// The file ends early.
    Cut(Index),
}

fn mistake() -> impl Strategy<Value = Mistake> {
    let place = any::<Index>;
    let number = prop_oneof![
        8 => -3i64..20,
        1 => any::<i64>(),
        1 => (0u32..64).prop_map(|bits| 1i64.wrapping_shl(bits)),
        1 => prop::sample::select(vec![i64::MAX, i64::MIN, 1 << 16, (1 << 31) - 1, 1 << 32]),
    ];
    let bytes = prop::collection::vec(any::<u8>(), 0..12);
    let names: Vec<&str> = OPERATORS.iter().map(|operator| operator.name).collect();
    let float = prop::sample::select(vec![f32::NAN, f32::INFINITY, -1.0, 0.0, 1e-30, 1e30]);
    prop_oneof![
        3 => place().prop_map(Mistake::Remove),
        2 => place().prop_map(Mistake::Repeat),
        4 => (place(), place(), place()).prop_map(|(a, b, c)| Mistake::Replace(a, b, c)),
        8 => (place(), number).prop_map(|(place, number)| Mistake::Number(place, number)),
        2 => (place(), bytes).prop_map(|(a, b)| Mistake::Bytes(a, b)),
        2 => (place(), place(), float).prop_map(|(a, b, c)| Mistake::Floats(a, b, c)),
        6 => (place(), prop::sample::select(names)).prop_map(|(a, b)| Mistake::Operator(a, b)),
        1 => (place(), any::<u8>()).prop_map(|(a, b)| Mistake::Byte(a, b)),
        1 => place().prop_map(Mistake::Cut),
    ]
}

impl Mistake {
    /// Makes it in the tree, if it is one of those.
    fn make(&self, tree: &mut Vec<Field>) {
        match self {
            Mistake::Remove(place) => {
                with(tree, place, &|_| true, &mut |fields, at| {
                    fields.remove(at);
                });
            }
            Mistake::Repeat(place) => {
                with(tree, place, &|_| true, &mut |fields, at| {
                    let field = fields[at].clone();
                    fields.insert(at, field);
                });
            }
            Mistake::Replace(file, from, to) => {
                let mut other = file.get(&TREES).clone();
                let mut found = None;
                with(&mut other, from, &|_| true, &mut |fields, at| {
                    found = Some(fields[at].clone());
                });
                if let Some(found) = found {
                    let alike = |field: &Field| {
                        field.number == found.number
                            && std::mem::discriminant(&field.value)
                                == std::mem::discriminant(&found.value)
                    };
                    with(tree, to, &alike, &mut |fields, at| fields[at] = found.clone());
                }
            }
            Mistake::Number(place, number) => {
                let is = |field: &Field| matches!(field.value, Value::Varint(_));
                with(tree, place, &is, &mut |fields, at| {
                    fields[at].value = Value::Varint(number.cast_unsigned());
                });
            }
            Mistake::Bytes(place, bytes) => {
                let is = |field: &Field| matches!(field.value, Value::Bytes(_));
                with(tree, place, &is, &mut |fields, at| {
                    fields[at].value = Value::Bytes(bytes.clone());
                });
            }
            Mistake::Floats(place, value, float) => {
                let is =
                    |field: &Field| matches!(&field.value, Value::Bytes(bytes) if bytes.len() >= 4);
                with(tree, place, &is, &mut |fields, at| {
                    if let Value::Bytes(bytes) = &mut fields[at].value {
                        let first = value.index(bytes.len() / 4) * 4;
                        bytes[first..first + 4].copy_from_slice(&float.to_le_bytes());
                    }
                });
            }
            Mistake::Operator(place, op) => {
                let is =
                    |field: &Field| matches!(&field.value, Value::Bytes(op) if is_operator(op));
                with(tree, place, &is, &mut |fields, at| {
                    fields[at].value = Value::Bytes(op.as_bytes().to_vec());
                });
            }
            Mistake::Byte(..) | Mistake::Cut(_) => {}
        }
    }

    /// Makes it in the bytes, if it is one of those.
    fn damage(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Mistake::Byte(place, byte) => {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            Mistake::Cut(place) => bytes.truncate(place.index(bytes.len())),
            Mistake::Remove(_)
            | Mistake::Repeat(_)
            | Mistake::Replace(..)
            | Mistake::Number(..)
            | Mistake::Bytes(..)
            | Mistake::Floats(..)
            | Mistake::Operator(..) => {}
        }
    }
}

fn is_operator(bytes: &[u8]) -> bool {
    OPERATORS.iter().any(|operator| operator.name.as_bytes() == bytes)
}

/// A field of a message.
#[derive(Clone, Debug)]
struct Field {
    number: u64,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Varint(u64),
    Eight([u8; 8]),
    Four([u8; 4]),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
}

/// The messages of onnx.proto whose fields are worth mistakes.
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
    Shape,
    Leaf,
}

impl Message {
    fn child(self, field: u64) -> Option<Message> {
        Some(match (self, field) {
            (Message::Model, 7) => Message::Graph,
            (Message::Graph, 1) => Message::Node,
            (Message::Graph, 5) | (Message::Attribute, 5) => Message::Tensor,
            (Message::Graph, 11 | 12) => Message::ValueInfo,
            (Message::Node, 5) => Message::Attribute,
            (Message::ValueInfo, 2) => Message::Type,
            (Message::Type, 1) => Message::TensorType,
            (Message::TensorType, 2) => Message::Shape,
            (Message::Shape, 1) | (Message::Model, 8) => Message::Leaf,
            _ => return None,
        })
    }
}

/// Calls `change` with a field's place, chosen among those that `are` so.
fn with(
    tree: &mut Vec<Field>,
    place: &Index,
    are: &dyn Fn(&Field) -> bool,
    change: &mut dyn FnMut(&mut Vec<Field>, usize),
) {
    fn count(fields: &[Field], are: &dyn Fn(&Field) -> bool) -> usize {
        let inside = |field: &Field| match &field.value {
            Value::Message(fields) => count(fields, are),
            _ => 0,
        };
        fields.iter().map(|field| usize::from(are(field)) + inside(field)).sum()
    }
    fn visit(
        fields: &mut Vec<Field>,
        left: &mut usize,
        are: &dyn Fn(&Field) -> bool,
        change: &mut dyn FnMut(&mut Vec<Field>, usize),
    ) -> bool {
        for at in 0..fields.len() {
            if are(&fields[at]) {
                if *left == 0 {
                    change(fields, at);
                    return true;
                }
                *left -= 1;
            }
            if let Value::Message(inside) = &mut fields[at].value
                && visit(inside, left, are, change)
            {
                return true;
            }
        }
        false
    }
    let count = count(tree, are);
    if count > 0 {
        visit(tree, &mut place.index(count), are, change);
    }
}

fn tree(message: Message, mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = read(&mut bytes)?;
        let value = match tag & 7 {
            0 => Value::Varint(read(&mut bytes)?),
            1 => Value::Eight(*bytes.split_off(..8)?.first_chunk()?),
            5 => Value::Four(*bytes.split_off(..4)?.first_chunk()?),
            _ => {
                let len = read(&mut bytes)? as usize;
                let inside = bytes.split_off(..len)?;
                match message.child(tag >> 3) {
                    Some(child) => Value::Message(tree(child, inside)?),
                    None => Value::Bytes(inside.to_vec()),
                }
            }
        };
        fields.push(Field { number: tag >> 3, value });
    }
    Some(fields)
}

fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0.. {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 127) << (7 * place);
        if byte < 128 {
            break;
        }
    }
    Some(value)
}

fn write(fields: &[Field], out: &mut Vec<u8>) {
    for Field { number, value } in fields {
        let wire = match value {
            Value::Varint(_) => 0,
            Value::Eight(_) => 1,
            Value::Bytes(_) | Value::Message(_) => 2,
            Value::Four(_) => 5,
        };
        varint(out, number << 3 | wire);
        match value {
            Value::Varint(value) => varint(out, *value),
            Value::Eight(bytes) => out.extend(bytes),
            Value::Four(bytes) => out.extend(bytes),
            Value::Bytes(bytes) => {
                varint(out, bytes.len() as u64);
                out.extend(bytes);
            }
            Value::Message(fields) => {
                let mut inside = Vec::new();
                write(fields, &mut inside);
                varint(out, inside.len() as u64);
                out.extend(inside);
            }
        }
    }
}
