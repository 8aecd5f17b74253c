//! The examples run.

#[allow(dead_code, reason = "the example's main function reads the arguments of the process")]
#[allow(unreachable_pub, reason = "what the tests use of an example is public there")]
#[path = "../examples/onnx.rs"]
mod onnx;

#[test]
fn the_onnx_example_prints_each_layer() {
    let table = onnx::table(onnx::DEFAULT.as_ref()).unwrap();
    let conv = table.lines().find(|line| line.starts_with("conv1")).unwrap();
    let words: Vec<&str> = conv.split_whitespace().collect();
    assert_eq!(words, ["conv1", "conv", "8x8x8", "2", "35200", "0", "2112"], "{table}");
}
