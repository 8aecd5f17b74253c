//! Networks from ONNX files, as PyTorch, Keras and scikit-learn export them.
//!
//! The network is that of one image: the batch has size 1 or a symbolic one. Nodes that have no
//! layer here are refused before anything runs, all of them in one error. To add an operator: an
//! entry in `operators`, and the function that it names.
//!
//! Files, lowest first: each imports only files above it in this table.
//!
//! | file | what it holds |
//! |---|---|
//! | `proto`, `tensor`, `view` | the file's messages; constants; how a tensor lies in a layer |
//! | `node`, `shape` | nodes and their attributes; axes, indices and shapes that nodes ask for |
//! | `fold` | nodes computed on constants |
//! | `draft` | the layers so far, and how scalings are folded into their neighbours |
//! | `value`, `translator` | what a tensor is; the state of an import |
//! | `layout`, `pieces` | views made real; axes cut, joined, repeated and padded |
//! | `scaling` | sums of data, and scalings by constants |
//! | `shaping`, `padding`, `activations`, `arithmetic`, `channels` | families of operators |
//! | `linear`, `pooling` | families that pad |
//! | `operator`, `operators` | an entry of the table of operators; the table |
//! | `tail`, `walk` | nodes left to the data owner; the walk over all nodes |
//! | `input`, `import` | the model's input; a network from a file |

mod activations;
mod arithmetic;
mod channels;
mod draft;
mod fold;
mod import;
mod input;
mod layout;
mod linear;
mod node;
mod operator;
mod operators;
mod padding;
mod pieces;
mod pooling;
mod proto;
mod scaling;
mod shape;
mod shaping;
mod tail;
mod tensor;
mod translator;
mod value;
mod view;
mod walk;

pub use import::{Import, parse, read};

#[cfg(test)]
mod tests;
