//! The laws that every suite keeps, tested through the trait [`Suite`](super::Suite) alone. A new
//! suite is one more line of `laws!`.

use std::sync::Mutex;

use fixedpoint::encoding::FixedPoint;
use protocols::{Role, test_world::TestWorld};

use super::{
    execution::{DealMode, Execution, Inputs, MaskedWeights},
    test_run::{TestRun, key},
};
use crate::{
    error::Error,
    graph::{Graph, OUTPUT, Order},
    output::Output,
    reference,
    suite_name::SuiteName,
    test_nets,
    weights::{Model, Weights},
};

/// Generates the tests of the laws in a module for each suite.
macro_rules! laws {
    ($($module:ident: $suite:ident),+ $(,)?) => {
        $(mod $module {
            use super::SuiteName;

            #[test]
            fn the_reference_is_near_the_real_numbers() {
                super::the_reference_is_near_the_real_numbers(SuiteName::$suite);
            }

            #[test]
            fn logits_are_near_the_reference_at_the_predicted_cost() {
                super::logits_are_near_the_reference_at_the_predicted_cost(SuiteName::$suite);
            }

            #[test]
            fn labels_are_those_of_the_reference_at_the_predicted_cost() {
                super::labels_are_those_of_the_reference_at_the_predicted_cost(SuiteName::$suite);
            }

            #[test]
            fn trained_digits_are_recognised() {
                super::trained_digits_are_recognised(SuiteName::$suite);
            }

            #[test]
            fn progress_names_every_layer_in_order() {
                super::progress_names_every_layer_in_order(SuiteName::$suite);
            }

            #[test]
            fn wrong_inputs_are_refused_before_anything_is_sent() {
                super::wrong_inputs_are_refused_before_anything_is_sent(SuiteName::$suite);
            }

            #[test]
            fn layout_hashes_depend_on_the_network_and_the_output() {
                super::layout_hashes_depend_on_the_network_and_the_output(SuiteName::$suite);
            }

            #[test]
            fn suites_with_preprocessing_are_those_that_send_bytes_ahead() {
                super::suites_with_preprocessing_are_those_that_send_bytes_ahead(SuiteName::$suite);
            }
        })+

        #[test]
        fn every_suite_keeps_the_laws() {
            for suite in SuiteName::ALL {
                let module = match suite {
                    $(SuiteName::$suite => stringify!($module),)+
                };
                assert_eq!(module, suite.name());
            }
        }
    };
}

laws! {
    securenn: SecureNn,
    dealer: Dealer,
}

/// Networks with all operations and functions.
fn graphs() -> Vec<Graph> {
    let mut graphs = continuous_graphs();
    graphs.extend([
        test_nets::powers(),
        test_nets::mixed(),
        test_nets::binary(),
        test_nets::counted_signs(),
    ]);
    graphs
}

/// Networks without signs, in which a small error stays small.
fn continuous_graphs() -> Vec<Graph> {
    vec![
        test_nets::tiny(),
        test_nets::everything(),
        test_nets::fire(),
        test_nets::shuffle_units(),
        test_nets::digits_graph(),
    ]
}

fn modes(run: &TestRun) -> Vec<DealMode> {
    match run.suite.preprocessing() {
        Some(_) => vec![DealMode::Streamed, DealMode::DealtFirst],
        None => vec![DealMode::Streamed],
    }
}

fn the_reference_is_near_the_real_numbers(suite: SuiteName) {
    for graph in continuous_graphs() {
        let model = Model::fold(&graph, &Weights::random(&graph, 11)).unwrap();
        let images = test_nets::images(&graph, 3, 12);
        let real = reference::float(&graph, &model, &images).unwrap().pop().unwrap();
        let run = TestRun::with_model(suite, graph, Output::Logits, &model, &images);
        let outputs = run.suite.reference(&run.model, &run.images).unwrap().outputs;
        let outputs = run.suite.result_fixed().decode_slice(&outputs);
        let name = run.suite.graph().name();
        assert_eq!(outputs.len(), real.len(), "{name}");
        let largest = real.iter().fold(0.0, |largest: f64, y| largest.max(y.abs()));
        for (output, real) in outputs.iter().zip(&real) {
            assert!((output - real).abs() < 0.01 * largest, "{name}: {output} {real} {largest}");
        }
    }
}

fn logits_are_near_the_reference_at_the_predicted_cost(suite: SuiteName) {
    for graph in graphs() {
        let run = TestRun::new(suite, graph, 2);
        let mut seen: Vec<Vec<u64>> = Vec::new();
        for order in [Order::Sequential, Order::Overlapped] {
            for mode in modes(&run) {
                seen.push(run.check(&TestWorld::new(20), order, mode));
            }
        }
        // Masks depend on steps alone, so even the coins of truncations are the same.
        assert!(seen.iter().all(|results| *results == seen[0]), "{}", run.suite.graph().name());
    }
}

fn labels_are_those_of_the_reference_at_the_predicted_cost(suite: SuiteName) {
    for graph in [test_nets::tiny(), test_nets::fire(), test_nets::digits_graph()] {
        let model = Model::fold(&graph, &Weights::random(&graph, 11)).unwrap();
        let images = test_nets::images(&graph, 3, 12);
        let run = TestRun::with_model(suite, graph, Output::Label, &model, &images);
        for mode in modes(&run) {
            run.check(&TestWorld::new(21), Order::Sequential, mode);
        }
    }
}

fn trained_digits_are_recognised(suite: SuiteName) {
    let test_nets::Digits { graph, model, images, expected } = test_nets::digits();
    let images = &images[..20 * graph.input().len()];
    let expected: Vec<u64> = expected.iter().take(20).map(|row| row[0] as u64).collect();
    let run = TestRun::with_model(suite, graph, Output::Label, &model, images);
    let labels = run.check(&TestWorld::new(22), Order::Sequential, DealMode::Streamed);
    assert_eq!(labels, expected);
}

fn progress_names_every_layer_in_order(suite: SuiteName) {
    let run = TestRun::new(suite, test_nets::tiny(), 1);
    let seen: [Mutex<Vec<(usize, String)>>; 3] = Default::default();
    let note = |role: Role, index: usize, name: &str| {
        seen[role.index()].lock().unwrap().push((index, name.to_owned()));
    };
    let world = TestWorld::new(23);
    run.evaluate_with_progress(&world, |_| Order::Sequential, DealMode::Streamed, note);
    let names = run.suite.graph().nodes().iter().map(|node| node.name.as_str()).chain([OUTPUT]);
    let expected: Vec<(usize, String)> =
        names.enumerate().map(|(index, name)| (index, name.to_owned())).collect();
    for seen in seen {
        assert_eq!(seen.into_inner().unwrap(), expected);
    }
}

fn wrong_inputs_are_refused_before_anything_is_sent(suite: SuiteName) {
    let run = TestRun::new(suite, test_nets::tiny(), 2);
    let other = TestRun::new(suite, test_nets::digits_graph(), 2);
    let real = Model::fold(run.suite.graph(), &Weights::random(run.suite.graph(), 11)).unwrap();
    let coarse = real.encode(run.suite.graph(), FixedPoint::new(9)).unwrap();
    let mut too_large = run.images.clone();
    too_large[31] = (1u64 << 60).wrapping_neg();
    // Wrong inputs are found before the masked weights are used.
    let masked = MaskedWeights(Vec::new());
    let weights = run.suite.preprocessing().map(|_| &masked);
    let model = Inputs::ModelOwner { model: &run.model };
    let data = |images| Inputs::DataOwner { images, weights };

    let outcome = TestWorld::new(24).record().run(|session| {
        let role = session.role();
        let execution = |inputs, batch| {
            let execution =
                run.execution(session, Order::Sequential, DealMode::Streamed, inputs, &|_, _| {});
            Execution { batch, ..execution }
        };
        let refused = |inputs, batch| run.suite.evaluate(&execution(inputs, batch)).unwrap_err();
        let errors = match role {
            Role::ModelOwner => vec![
                (refused(data(&run.images), 2), "another party"),
                (refused(Inputs::ModelOwner { model: &other.model }, 2), "does not belong"),
                (refused(Inputs::ModelOwner { model: &coarse }, 2), "9 fractional bits"),
                (refused(model, 0), "batch of 0"),
            ],
            Role::DataOwner => vec![
                (refused(model, 2), "another party"),
                (refused(data(&run.images), 3), "48"),
                (refused(data(&run.images[..31]), 2), "31 input values"),
                (refused(data(&too_large), 2), "at index 31"),
                (refused(data(&run.images), 0), "batch of 0"),
            ],
            Role::CryptoProducer => vec![
                (refused(data(&run.images), 2), "another party"),
                (refused(model, 2), "another party"),
            ],
        };
        for (error, part) in errors {
            assert!(error.to_string().contains(part), "{role}: {error}");
        }
        let other = if role == Role::ModelOwner { Role::DataOwner } else { Role::ModelOwner };
        let key = key(session, other);
        let producer = Inputs::CryptoProducer { key: Some(&key) };
        let refused = |batch| run.suite.deal(&execution(producer, batch)).unwrap_err();
        if role == Role::CryptoProducer {
            assert!(matches!(refused(0), Error::Batch { .. }));
        } else {
            assert!(matches!(refused(2), Error::WrongParty { .. }));
        }
        Ok(())
    });
    assert!(outcome.measurements.is_empty() && outcome.records.is_empty());
}

fn layout_hashes_depend_on_the_network_and_the_output(suite: SuiteName) {
    let hash = |graph: Graph, output| suite.with_defaults(graph, output).unwrap().layout_hash();
    let tiny = hash(test_nets::tiny(), Output::Logits);
    assert_eq!(hash(test_nets::tiny(), Output::Logits), tiny);
    if tiny.is_some() {
        assert_ne!(hash(test_nets::tiny(), Output::Label), tiny);
        assert_ne!(hash(test_nets::fire(), Output::Logits), tiny);
    }
}

fn suites_with_preprocessing_are_those_that_send_bytes_ahead(suite: SuiteName) {
    for graph in graphs() {
        let network = suite.with_defaults(graph, Output::Logits).unwrap();
        let totals = network.cost(1).unwrap().totals();
        let has_preprocessing = network.preprocessing().is_some();
        assert_eq!(totals.offline_links.total() > 0, has_preprocessing);
        assert_eq!(totals.setup_links.total() > 0, has_preprocessing);
    }
}
