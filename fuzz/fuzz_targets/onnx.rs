//! Any bytes as an ONNX file: they are refused, or make a network with weights that fit it.
//!
//! The committed files are where to begin:
//!
//! ```sh
//! cargo +nightly fuzz run onnx fuzz/corpus/onnx tests/onnx -- \
//!     -max_len=20000 -malloc_limit_mb=512
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use nets::{Model, onnx};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(import) = onnx::parse("net", bytes) {
        Model::fold(&import.graph, &import.weights).expect("weights that fit the graph");
    }
});
