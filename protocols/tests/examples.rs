//! Runs the examples, which check their own results.

#[path = "../examples/relu.rs"]
mod relu;

#[test]
fn relu_in_both_suites() {
    relu::main();
}
