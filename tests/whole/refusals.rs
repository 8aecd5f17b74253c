//! Refusals, with their words and exit codes: 2 for what is wrong here before any
//! connection, 1 for what the parties find out together.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use crate::support::{Hosts, ROLES, complaint, digits, repository, run, same, stderr, stdout};
use tempfile::TempDir;

#[test]
fn a_wrong_config_is_named_with_its_key() {
    let cases: [(&str, &str, &str); 8] = [
        (
            "fractional_bits",
            "fractionalbits",
            "`protocol.fractionalbits`; did you mean fractional_bits?",
        ),
        ("net = \"digits-cnn\"", "net = \"alexnet\"", "unknown network 'alexnet': use one of "),
        ("input = [1, 8, 8]", "input = [1, 3, 3]", "layer 'pool2': "),
        ("suite = \"securenn\"", "suite = \"magic\"", "it must be one of securenn, dealer"),
        ("[model-owner]", "[modelowner]", "`modelowner`; did you mean model-owner?"),
        ("weights = \"", "weights = \"no/", "cannot be read: No such file"),
        ("images = \"", "images = \"no/", "cannot be read: No such file"),
        ("count = 100", "count = 361", "holds 360 images; from 0 on it cannot give 361"),
    ];
    for (from, to, expected) in cases {
        let message = complaint(&Case::new(|config| config.replace(from, to)).run(), 2);
        assert!(message.contains(expected), "{message}");
    }
    let missing = complaint(&run(["run", "no/such.toml"]), 2);
    assert!(missing.starts_with("error: no/such.toml: cannot be read: "), "{missing}");
}

#[test]
fn wrong_arguments_are_named() {
    assert!(complaint(&run([]), 2).contains("no command given"));
    assert!(complaint(&run(["fly"]), 2).contains("'fly'"));
    assert!(complaint(&run(["party", "referee", "--config", "x"]), 2).contains("'referee'"));
    assert!(complaint(&run(["party", "data-owner"]), 2).contains("--config <CONFIG>"));
    let none = complaint(&run(["run", "x.toml", "--images", "0"]), 2);
    assert!(none.contains("--images"), "{none}");
}

#[test]
fn damaged_weights_are_refused() {
    let bytes = std::fs::read(digits("digits-cnn.safetensors")).unwrap();
    let refused = |bytes: &[u8]| {
        let case = Case::new(same);
        std::fs::write(case.path("w.safetensors"), bytes).unwrap();
        let message = complaint(&case.run(), 2);
        assert!(message.contains("w.safetensors: "), "{message}");
        message
    };
    let cut = refused(&bytes[..bytes.len() - 100]);
    assert!(cut.contains("it may be truncated, copy it again"), "{cut}");
    let shape = refused(&replaced(&bytes, "[16,1,3,3]", "[16,9,1,1]"));
    assert!(shape.contains("tensor 'conv1.weight' has shape [16, 9, 1, 1]"), "{shape}");
    let name = refused(&replaced(&bytes, "conv1.weight", "conv9.weight"));
    assert!(name.contains("tensor 'conv1.weight' is missing"), "{name}");
    let mut nan = bytes.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let nan = refused(&nan);
    assert!(nan.contains("is not finite at index "), "{nan}");
}

#[test]
fn an_image_file_that_lies_is_refused() {
    let bytes = std::fs::read(digits("test-images.idx3-ubyte")).unwrap();
    let refused = |bytes: &[u8]| {
        let case = Case::new(same);
        std::fs::write(case.path("i.idx"), bytes).unwrap();
        let message = complaint(&case.run(), 2);
        assert!(message.contains("i.idx: "), "{message}");
        message
    };
    let cut = refused(&bytes[..bytes.len() - 1]);
    assert!(cut.contains("has 23055 bytes; its header [360, 8, 8] promises 23056"), "{cut}");
    let mut lying = bytes.clone();
    lying[4] = 0x7f;
    assert!(refused(&lying).contains("promises"), "a header of 2^31 images");
    let mut shape = bytes.clone();
    (shape[11], shape[15]) = (4, 16);
    assert!(refused(&shape).contains("its images are [4, 16]; the network's input is [1, 8, 8]"));
}

#[test]
fn results_that_truncation_may_spoil_are_not_computed() {
    let scaled = |scale: &str| {
        Case::new(|config| {
            let config = config.replace("fractional_bits = 13", "fractional_bits = 24");
            config.replace("scale = 0.0625", scale).replace("count = 100", "count = 1")
        })
    };
    let refused = complaint(&scaled("scale = 1.0").run(), 2);
    assert!(refused.contains("truncation may spoil an image with probability 2"), "{refused}");
    assert!(refused.contains("lower `protocol.fractional_bits` (24)"), "{refused}");
    let warned = scaled("scale = 0.0625").run();
    assert!(stderr(&warned).starts_with("warning: truncation may spoil"), "{}", stderr(&warned));
    // It runs to its end; what it warned of may happen, so the exit code is open.
    assert!(stdout(&warned).contains("predicted = measured"), "{}", stderr(&warned));
}

#[test]
fn a_party_by_hand_needs_its_own_part_only() {
    let hosts = Hosts::new();
    let own = hosts.write("crypto-producer", "", same);
    let party =
        |role: &str, config: &Path| run(["party", role, "--config", config.to_str().unwrap()]);
    let message = complaint(&party("model-owner", &own), 2);
    assert!(message.contains("missing table [model-owner]: the model-owner needs"), "{message}");
    let keyless = hosts.write("crypto-producer", "", |config| {
        config.replace("key = \"keys/crypto-producer.key\"", "")
    });
    let message = complaint(&party("crypto-producer", &keyless), 2);
    assert!(message.contains("missing key `crypto-producer.key`"), "{message}");
    let lost = hosts
        .write("crypto-producer", "", |config| config.replace("keys/model-owner.pem", "no.pem"));
    let message = complaint(&party("crypto-producer", &lost), 2);
    assert!(message.contains("no.pem"), "{message}");
    let foreign = hosts.write("crypto-producer", "", |config| {
        config.replace("keys/crypto-producer.key", "keys/data-owner.key")
    });
    let message = complaint(&party("crypto-producer", &foreign), 2);
    assert!(message.contains("does not belong to its certificate"), "{message}");
}

#[test]
fn keys_are_not_overwritten() {
    let hosts = Hosts::new();
    let again = complaint(&run(["keygen", hosts.path("keys").to_str().unwrap()]), 2);
    assert!(again.contains("exists already"), "{again}");
}

#[test]
fn parties_that_disagree_name_the_term_and_both_values() {
    let cases = [
        ("fractional_bits = 13", "fractional_bits = 12", ["fractional_bits", "13", "12"]),
        ("classes = 10", "classes = 11", ["architecture", "model-owner has", "data-owner has"]),
        ("[protocol]", "[protocol]\nchunk = 64", ["chunk", "data-owner", "64"]),
    ];
    for (from, to, expected) in cases {
        let hosts = Hosts::new();
        hosts.write_digits(&digits("test-images.idx3-ubyte"), 1);
        let own = format!("images = {:?}\ncount = 1", digits("test-images.idx3-ubyte"));
        hosts.write("data-owner", &own, |config| config.replace(from, to));
        all_refuse(&hosts, &expected);
    }
}

#[test]
fn parties_that_disagree_about_the_suite_or_its_terms_are_refused() {
    let hosts = Hosts::new();
    let write = || {
        hosts.write_digits(&digits("test-images.idx3-ubyte"), 1);
        hosts.change(&ROLES, "[protocol]", "[protocol]\nsuite = \"dealer\"");
    };
    let cases = [
        ("suite = \"dealer\"", "suite = \"securenn\"", ["suite", "dealer", "securenn"]),
        ("[protocol]", "[protocol]\nmagnitude_bits = 8", ["bounds", "has ", "[protocol]"]),
        ("[protocol]", "[protocol]\ndealt_first = true", ["dealt_first", "true", "false"]),
    ];
    for (role, (from, to, expected)) in ROLES.iter().zip(cases) {
        write();
        hosts.change(&[role], from, to);
        all_refuse(&hosts, &expected);
    }
}

#[test]
fn values_beyond_the_bounds_of_the_dealer_suite_are_not_computed() {
    let narrow = |config: String| {
        config.replace("suite = \"securenn\"", "suite = \"dealer\"\nmagnitude_bits = 1")
    };
    let message = complaint(&Case::new(narrow).run(), 2);
    let expected = "layer 'relu1' works on are beyond its bound, and the result would be wrong; \
                    set `protocol.bounds` to a file of `tercet calibrate`, or \
                    `protocol.magnitude_bits` higher";
    assert!(message.contains(expected), "{message}");

    // By hand the model owner sees to it, by its samples.
    let hosts = Hosts::new();
    // Without its key it stops before it looks for the others.
    std::fs::remove_file(hosts.path("keys/model-owner.key")).unwrap();
    let party = |samples: &str| {
        let own = format!("weights = {:?}\n{samples}", digits("digits-cnn.safetensors"));
        let narrow = "suite = \"dealer\"\nmagnitude_bits = 1\nfractional_bits = 13";
        let config = hosts
            .write("model-owner", &own, |config| config.replace("fractional_bits = 13", narrow));
        run(["party", "model-owner", "--config", config.to_str().unwrap()])
    };
    let samples = format!("scale = 0.0625\ncalibration = {:?}", digits("test-images.idx3-ubyte"));
    let message = complaint(&party(&samples), 2);
    assert!(message.contains("leaves its bound of 2^1 on the samples: set "), "{message}");
    let warned = stderr(&party(""));
    assert!(warned.contains("could leave its bound of 2^1 on some images"), "{warned}");
    assert!(warned.contains("model-owner.key"), "{warned}");
}

#[test]
fn what_only_the_dealer_suite_does_is_refused_in_the_other() {
    let config = repository("configs/digits.toml");
    let message = complaint(&run(["run", config.to_str().unwrap(), "--dealt-first"]), 2);
    assert!(message.contains("--dealt-first needs --suite dealer"), "{message}");
}

#[test]
fn a_certificate_that_is_not_pinned_is_refused() {
    let (hosts, strangers) = (Hosts::new(), Hosts::new());
    hosts.write_digits(&digits("test-images.idx3-ubyte"), 1);
    // The data owner shows up with an identity that only itself knows.
    for name in ["data-owner.pem", "data-owner.key"] {
        std::fs::copy(strangers.path("keys").join(name), hosts.path(&format!("keys/other-{name}")))
            .unwrap();
    }
    let own = format!("images = {:?}\ncount = 1", digits("test-images.idx3-ubyte"));
    let change = |config: String| config.replace("keys/data-owner", "keys/other-data-owner");
    hosts.write("data-owner", &own, change);
    hosts.hurry();
    let [owner, stranger, producer] = all(&hosts);
    for output in [&owner, &stranger, &producer] {
        assert_eq!(output.status.code(), Some(1), "{}", stderr(output));
    }
    assert!(last_line(&stranger).contains("certificate"), "{}", last_line(&stranger));
    assert!(last_line(&owner).contains("data-owner"), "{}", last_line(&owner));
}

#[test]
fn a_party_in_the_wrong_role_is_refused() {
    let hosts = Hosts::new();
    hosts.write_digits(&digits("test-images.idx3-ubyte"), 1);
    // The data owner's identity at the crypto producer.
    let swap = |config: String| {
        config
            .replace("data-owner = \"keys/data-owner.pem\"", "data-owner = \"keys/tmp.pem\"")
            .replace("\"keys/crypto-producer.pem\"", "\"keys/data-owner.pem\"")
            .replace("keys/tmp.pem", "keys/crypto-producer.pem")
            .replace("keys/crypto-producer.key", "keys/data-owner.key")
    };
    hosts.write("crypto-producer", "", swap);
    hosts.hurry();
    let outputs = all(&hosts);
    for output in &outputs {
        assert_eq!(output.status.code(), Some(1), "{}", stderr(output));
    }
    assert!(last_line(&outputs[2]).contains("certificate"), "{}", last_line(&outputs[2]));
}

/// A config for `run` in a directory of its own, with its own copies of what it reads.
struct Case {
    directory: TempDir,
    config: PathBuf,
}

impl Case {
    fn new(change: impl FnOnce(String) -> String) -> Case {
        let directory = tempfile::tempdir().unwrap();
        let copies = [
            ("digits-cnn.safetensors", "w.safetensors"),
            ("test-images.idx3-ubyte", "i.idx"),
            ("test-labels.idx1-ubyte", "l.idx"),
        ];
        let mut text = std::fs::read_to_string(repository("configs/digits.toml")).unwrap();
        for (from, to) in copies {
            std::fs::copy(digits(from), directory.path().join(to)).unwrap();
            text = text.replace(&format!("../tests/data/digits/{from}"), to);
        }
        let config = directory.path().join("config.toml");
        std::fs::write(&config, change(text)).unwrap();
        Case { directory, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self) -> Output {
        run(["run", self.config.to_str().unwrap()])
    }
}

/// Starts all three parties and waits for their ends.
fn all(hosts: &Hosts) -> [Output; 3] {
    ROLES.map(|role| hosts.start(role)).map(|party| party.wait_with_output().unwrap())
}

/// Checks that all three refuse to run, saying why.
fn all_refuse(hosts: &Hosts, expected: &[&str]) {
    for output in all(hosts) {
        let message = last_line(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.starts_with("error: "), "{message}");
        assert!(expected.iter().all(|text| message.contains(text)), "{message}");
    }
}

fn last_line(output: &Output) -> String {
    stderr(output).lines().next_back().unwrap_or_default().to_owned()
}

/// Replaces the first occurrence of a text in bytes by one of the same length.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let mut bytes = bytes.to_vec();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}
