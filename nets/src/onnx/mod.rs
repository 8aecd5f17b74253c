//! Networks from ONNX files, as PyTorch, Keras and scikit-learn export them.

mod activations;
mod channels;
mod draft;
mod fold;
mod import;
mod input;
mod layout;
mod linear;
mod node;
mod operators;
mod pooling;
mod proto;
mod tensor;
mod view;
mod walk;

pub use import::{Import, parse, read};

#[cfg(test)]
mod tests;
