//! Configs as they are read, and the complaints about wrong ones.

use std::path::PathBuf;

use nets::{
    Dims,
    ranges::Range,
    zoo::{BlockRatios, Pool, Published, Ratios},
};
use protocols::SessionOptions;

use super::*;
use crate::{
    data::{Column, Format},
    link::ProfileName,
};

const NETWORK: &str = "[network]\nnet = 'digits-cnn'\ninput = [1, 8, 8]\nclasses = 10\n";

fn parse(rest: &str) -> Result<Config> {
    Config::parse(Path::new("dir/x.toml"), &format!("{NETWORK}{rest}"))
}

fn complaint(text: &str) -> String {
    let error = Config::parse(Path::new("dir/x.toml"), text).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn a_whole_config_reads_and_paths_start_from_its_directory() {
    let config = parse(
        "[protocol]\nsuite = 'securenn'\nfractional_bits = 12\nchunk = 128\nwindow = 2\n\
         overlap = true\n\
         profile = 'wan'\nconnect_timeout_seconds = 5\n\
         [addresses]\nmodel-owner = 'a:1'\ndata-owner = '[::1]:2'\ncrypto-producer = 'c:3'\n\
         [certificates]\nmodel-owner = 'a.pem'\ndata-owner = '/b.pem'\ncrypto-producer = 'c.pem'\n\
         [model-owner]\nweights = 'w.safetensors'\nkey = 'k.pem'\nbind = '0.0.0.0:9'\n\
         [data-owner]\nimages = 'i'\nlabels = 'l'\nfirst = 3\ncount = 4\nscale = 0.0625\n\
         mean = 1\nstd = [2.0]\npredictions = 'p.csv'\n",
    )
    .unwrap();
    assert_eq!(config.network.input, [1, 8, 8]);
    assert_eq!(config.protocol.fractional_bits, Some(12));
    assert_eq!(config.protocol.options, SessionOptions { chunk: 128, window: 2 });
    assert!(config.protocol.overlap);
    assert_eq!(config.protocol.profile, ProfileName::Wan);
    assert_eq!(config.hosts[1].address.as_deref(), Some("[::1]:2"));
    assert_eq!(config.hosts[0].bind, Some("0.0.0.0:9".parse().unwrap()));
    assert_eq!(config.hosts[0].key, Some("dir/k.pem".into()));
    assert_eq!(config.hosts[1].certificate, Some("/b.pem".into()));
    assert_eq!(config.model_owner().unwrap().weights, Some("dir/w.safetensors".into()));
    let data = config.data_owner().unwrap().files.clone();
    assert_eq!((data.first, data.count), (3, Some(4)));
    assert_eq!(
        (&data.normalisation.mean[..], &data.normalisation.std[..]),
        (&[1.0][..], &[2.0][..])
    );
}

#[test]
fn images_may_be_several_files_of_a_format() {
    let owner = |rest: &str| {
        parse(&format!("[data-owner]\n{rest}")).unwrap().data_owner().unwrap().files.clone()
    };
    let several = owner("images = ['a.bin', '/b.bin']\nformat = 'cifar10'\nlabel_column = 'y'");
    assert_eq!(several.images, [PathBuf::from("dir/a.bin"), "/b.bin".into()]);
    assert_eq!(several.format, Some(Format::Cifar10));
    assert_eq!(several.label_column, Some(Column::Name("y".into())));
    let one = owner("images = 'a'\nlabels = ['b']\nlabel_column = 2\nscale = 1");
    assert_eq!((one.images, one.labels), (vec!["dir/a".into()], vec!["dir/b".into()]));
    assert_eq!((one.label_column, one.format), (Some(Column::Place(2)), None));
    assert_eq!(one.normalisation.scale, Some(1.0));
}

#[test]
fn the_model_owner_may_have_samples_of_its_own() {
    let network = "[network]\nnet = 'digits-cnn'\ninput = [1, 8, 8]\nclasses = 10\n";
    let samples = |rest: &str| {
        let config = Config::parse(Path::new("dir/x.toml"), &format!("{network}{rest}")).unwrap();
        config.samples()
    };
    let model = "[model-owner]\nweights = 'w'\n";
    let data = "[data-owner]\nimages = 'i'\nfirst = 3\ncount = 2\nscale = 2\n";
    assert_eq!(samples(model), None);
    let shared = samples(&format!("{model}{data}")).unwrap();
    assert_eq!((shared.images, shared.first), (vec![PathBuf::from("dir/i")], 3));
    assert_eq!(shared.normalisation.byte_ranges(), [Range { low: 0.0, high: 510.0 }]);
    let own = samples(&format!("{model}calibration = ['c', '/d']\nmean = 1\nstd = 0.5\n{data}"));
    let own = own.unwrap();
    assert_eq!((own.images, own.first), (vec!["dir/c".into(), "/d".into()], 0));
    assert_eq!(own.normalisation.byte_ranges(), [Range { low: -2.0, high: 0.0 }]);
    let wrong = complaint(&format!("{network}{model}std = 0"));
    assert!(wrong.ends_with("`model-owner.std` is 0; it must be above 0"), "{wrong}");
}

#[test]
fn defaults_stand_where_nothing_is_said() {
    let config = parse("[data-owner]\nimages = 'i'\n").unwrap();
    assert_eq!(config.protocol, Protocol::default());
    assert_eq!(config.hosts, <[Host; 3]>::default());
    assert_eq!(config.data_owner().unwrap().files.count, None);
    assert_eq!(config.data_owner().unwrap().files.normalisation.scale, None);
    let missing = config.model_owner().unwrap_err().to_string();
    assert_eq!(
        missing,
        "dir/x.toml: missing table [model-owner]: the model-owner needs at least `weights`"
    );
}

#[test]
fn every_complaint_names_the_file_and_the_key() {
    let cases = [
        (
            "[protocol]\nfractionalbits = 3",
            "unknown key `protocol.fractionalbits`; did you mean fractional_bits?",
        ),
        (
            "[protocol]\nzzz = 3",
            "unknown key `protocol.zzz`; known are suite, fractional_bits, magnitude_bits, bounds, \
             dealt_first, chunk, window, overlap, profile, connect_timeout_seconds",
        ),
        ("[protocl]", "unknown table or key `protocl`; did you mean protocol?"),
        ("protocol = 3", "unknown key"),
        ("[protocol]\nchunk = 100", "`protocol.chunk` is 100; it must be a multiple of 64"),
        (
            "[protocol]\nchunk = '100'",
            "`protocol.chunk` is \"100\"; it must be a whole number from 64 to 1048576",
        ),
        (
            "[protocol]\nwindow = 0",
            "`protocol.window` is 0; it must be a whole number from 1 to 256",
        ),
        (
            "[protocol]\nfractional_bits = 63",
            "`protocol.fractional_bits` is 63; it must be a whole number from 1 to 24",
        ),
        (
            "[protocol]\nsuite = 'aby'",
            "`protocol.suite` is \"aby\"; it must be one of securenn, dealer",
        ),
        (
            "[protocol]\nprofile = 'moon'",
            "`protocol.profile` is \"moon\"; it must be \"loopback\", \"lan\" or \"wan\"",
        ),
        ("[addresses]\nmodel-owner = 'a:1'", "missing key `addresses.data-owner`"),
        (
            "[addresses]\nmodel-owner = 'nonsense'",
            "`addresses.model-owner` is \"nonsense\"; it must be \"host:port\", with a port from \
             1 to 65535",
        ),
        (
            "[addresses]\nmodel-owner = 'a:0'",
            "`addresses.model-owner` is \"a:0\"; it must be \"host:port\", with a port from 1 to \
             65535",
        ),
        (
            "[crypto-producer]\nbind = 'a:1'",
            "`crypto-producer.bind` is \"a:1\"; it must be an address of this host, like \
             \"0.0.0.0:7000\"",
        ),
        (
            "[crypto-producer]\nweights = 'w'",
            "unknown key `crypto-producer.weights`; known are key, bind",
        ),
        ("[model-owner]\nkey = 'k'", "missing key `model-owner.weights`"),
        ("[data-owner]\nlabels = 'k'", "missing key `data-owner.images`"),
        (
            "[data-owner]\nimages = 'i'\ncount = 0",
            "`data-owner.count` is 0; it must be a whole number from 1 to 65536",
        ),
        ("[data-owner]\nimages = 'i'\nstd = 0", "`data-owner.std` is 0; it must be above 0"),
        (
            "[data-owner]\nimages = 'i'\nmean = [1, 2]",
            "`data-owner.mean` is [1, 2]; it must be a finite number, or an array of 1 (one \
             a channel)",
        ),
        (
            "[data-owner]\nimages = []",
            "`data-owner.images` is []; it must be a path, or an array of at least one",
        ),
        (
            "[data-owner]\nimages = 'i'\nformat = 'tiff'",
            "`data-owner.format` is \"tiff\"; it must be one of idx, cifar10, cifar100, npy, \
             images, csv",
        ),
        (
            "[data-owner]\nimages = 'i'\nlabel_column = -1",
            "`data-owner.label_column` is -1; it must be a column's name, or its place from 0",
        ),
        (
            "[data-owner]\nimages = 'i'\nscale = nan",
            "`data-owner.scale` is nan; it must be a finite number",
        ),
        ("[protocol\n", "line 5 is not valid TOML"),
    ];
    for (rest, expected) in cases {
        let message = complaint(&format!("{NETWORK}{rest}"));
        assert!(message.starts_with("dir/x.toml: "), "{message}");
        assert!(message["dir/x.toml: ".len()..].starts_with(expected), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

fn plan(net: &str, rest: &str) -> String {
    format!("[network]\nnet = '{net}'\ninput = [3, 32, 32]\nclasses = 10\n{rest}")
}

#[test]
fn a_plan_is_a_name_or_a_table() {
    let network = |rest: &str| {
        let text = plan("mobilenet-v2", rest);
        Config::parse(Path::new("x.toml"), &text).unwrap().network
    };
    let dims = Dims::new(3, 32, 32);
    let ours = Ratios::published(Published::MobileNetV2, "ours", dims).unwrap();
    assert_eq!(network("plan = 'ours'").ratios, Some(ours.clone()));
    let table = "[network.plan]\nactivation = 'relu'\nfirst = 0\nsecond = 0.5\n";
    assert_eq!(network(table).ratios, Some(ours.clone()));
    assert_eq!(network("").ratios, None);
    let all = "pool = 'avg'\ndouble = true\n[network.plan.blocks.3]\nsecond = 1\n";
    let mut expected = Ratios { pool: Pool::Avg, double: true, ..ours };
    expected.blocks.insert(3, BlockRatios { second: Some(1.0), ..BlockRatios::default() });
    assert_eq!(network(&format!("{table}{all}")).ratios, Some(expected));
}

#[test]
fn a_wrong_plan_is_named() {
    let cases = [
        ("mobilenet-v2", "plan = 'my'", "`network`: unknown plan 'my': use one of orig, 1, "),
        ("mobilenet-v2", "plan = 2", "`network.plan` is 2; it must be one of orig, 1, "),
        ("digits-cnn", "plan = 'orig'", "`network`: activation plan: digits-cnn takes none"),
        ("alexnet", "plan = 'orig'", "`network`: unknown network 'alexnet': use one of "),
        (
            "mobilenet-v2",
            "plan = { frist = 1 }",
            "unknown key `network.plan.frist`; did you mean first?",
        ),
        (
            "mobilenet-v2",
            "plan = { first = 1.5 }",
            "`network.plan.first` is 1.5; it must be a ratio from 0 (removed) to 1 (kept)",
        ),
        (
            "mobilenet-v2",
            "plan = { activation = 'gelu' }",
            "`network.plan.activation` is \"gelu\"; it must be one of relu, relu6, leaky-relu, \
             none",
        ),
        (
            "mobilenet-v2",
            "plan = { pool = 'min' }",
            "`network.plan.pool` is \"min\"; it must be one of max, avg",
        ),
        (
            "mobilenet-v2",
            "plan = { blocks = { last = { first = 1 } } }",
            "`network.plan.blocks.last` is { first = 1 }; it must be the table of a block",
        ),
        (
            "mobilenet-v2",
            "plan = { blocks = { 2 = { double = true } } }",
            "unknown key `network.plan.blocks.2.double`; known are activation, first, second",
        ),
    ];
    for (net, rest, expected) in cases {
        let message = complaint(&plan(net, rest));
        assert!(message["dir/x.toml: ".len()..].starts_with(expected), "{message}");
    }
}

#[test]
fn a_net_without_trained_weights_needs_no_files() {
    let text = plan("squeezenet", "");
    let config = Config::parse(Path::new("x.toml"), &text).unwrap();
    assert_eq!(config.model_owner().unwrap().weights, None);
    let data = &config.data_owner().unwrap().files;
    assert_eq!((data.images.len(), data.count, data.first), (0, None, 0));
    let labels = complaint(&plan("squeezenet", "[data-owner]\nlabels = 'l'"));
    let expected = "`data-owner.labels` is \"l\"; it must be left out where there are no `images`";
    assert!(labels.ends_with(expected), "{labels}");
}

#[test]
fn a_wrong_network_is_named() {
    assert!(complaint("").ends_with(
        "missing table [network]: give `net`, `input` and `classes`, or `onnx`, or `graph`"
    ));
    assert!(
        complaint("network = 3")
            .ends_with("`network` is 3; it must be a table: write [network] on a line")
    );
    assert!(complaint("[network]\nnet = 3").ends_with("`network.net` is 3; it must be a string"));
    assert!(complaint("[network]\nnet = 'x'").ends_with("missing key `network.input`"));
    let shape = complaint("[network]\nnet = 'x'\ninput = [1, 8]\nclasses = 10");
    assert!(shape.ends_with(
        "`network.input` is [1, 8]; it must be [channels, height, width], each from 1 to 4096"
    ));
    let unreadable = Config::load(Path::new("/nowhere/x.toml")).unwrap_err().to_string();
    assert!(unreadable.starts_with("/nowhere/x.toml: cannot be read: "), "{unreadable}");
}
