//! What is done with a network besides running it in private: building it, its cost, the plain
//! reference.
//!
//! `cargo bench -p nets`.

use criterion::{Criterion, criterion_group, criterion_main};
use fixedpoint::encoding::FixedPoint;
use nets::{Dims, Model, Output, SuiteName, Weights, suites::securenn, zoo};

fn networks(c: &mut Criterion) {
    let options = zoo::Options::new(Dims::new(3, 32, 32), 10);
    let mut group = c.benchmark_group("networks");
    group.sample_size(10);
    for name in ["squeezenet", "shufflenet-v2", "mobilenet-v2"] {
        group.bench_function(format!("build {name}"), |b| {
            b.iter(|| zoo::build(name, &options).expect("it is in the zoo"));
        });
        let graph = zoo::build(name, &options).expect("it is in the zoo");
        group.bench_function(format!("cost of {name}"), |b| {
            let suite = SuiteName::SecureNn.with_defaults(graph.clone(), Output::Logits);
            let suite = suite.expect("a net of the zoo");
            b.iter(|| suite.cost(1).expect("a batch of 1").totals());
        });
        let weights = Weights::random(&graph, 0);
        let model = Model::fold(&graph, &weights).expect("weights of this graph");
        let fixed = FixedPoint::default();
        let encoded = model.encode(&graph, fixed).expect("small weights");
        let image = fixed.encode_slice(&vec![0.5; graph.input().len()]).expect("small values");
        group.bench_function(format!("plain fixed point {name}"), |b| {
            b.iter(|| securenn::fixed(&graph, &encoded, &image).expect("an image of this size"));
        });
    }
}

criterion_group!(benches, networks);
criterion_main!(benches);
