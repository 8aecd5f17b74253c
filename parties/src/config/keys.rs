//! Every key of a config, in one table: the parser checks keys and values against it, its
//! complaints say what the table says, and `docs/config.md` is printed from it.

use nets::{
    Output, SuiteName,
    graph::MAX_BATCH,
    suites::dealer::DEFAULT_MAGNITUDE_BITS,
    weights::MAX_FRACTIONAL_BITS,
    zoo::{Kind as Activation, Pool},
};
use protocols::{Role, SessionOptions};

use super::{
    key::{Key, Kind, TableSpec},
    protocol::{DEFAULT_CONNECT_TIMEOUT, MAX_MAGNITUDE_BITS},
};
use crate::{data::Format, link::ProfileName};

/// All tables, in the order of the documentation.
pub(super) const TABLES: [&TableSpec; 9] = [
    &NETWORK,
    &PLAN,
    &BLOCK,
    &PROTOCOL,
    &ADDRESSES,
    &CERTIFICATES,
    &MODEL_OWNER,
    &DATA_OWNER,
    &CRYPTO_PRODUCER,
];

/// A role's own table.
pub(super) fn table_of(role: Role) -> &'static TableSpec {
    match role {
        Role::ModelOwner => &MODEL_OWNER,
        Role::DataOwner => &DATA_OWNER,
        Role::CryptoProducer => &CRYPTO_PRODUCER,
    }
}

/// The keys that name files which are read or kept, with their tables.
pub(crate) fn file_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_file = |key: &&Key| matches!(key.kind, Kind::Path | Kind::Paths);
    TABLES
        .into_iter()
        .flat_map(move |table| table.keys.iter().filter(is_file).map(|key| (table.name, key.name)))
}

/// The file itself.
pub(super) static ROOT: TableSpec = TableSpec {
    name: "",
    purpose: "",
    keys: &[
        table("network"),
        table("protocol"),
        table("addresses"),
        table("certificates"),
        table("model-owner"),
        table("data-owner"),
        table("crypto-producer"),
    ],
};

/// `[network]`.
pub(super) static NETWORK: TableSpec = TableSpec {
    name: "network",
    purpose: "The public architecture, the same at all three parties: a network of the zoo (`net`, \
              `input` and `classes`), or one from a file (`onnx` at the model owner, `graph` at \
              the others).",
    keys: &[
        Key {
            name: "net",
            kind: Kind::Text,
            default: without_file,
            meaning: "A network of the zoo, such as `digits-cnn`; `tercet cost --net` takes the \
                      same names.",
        },
        Key {
            name: "input",
            kind: Kind::Shape,
            default: without_file,
            meaning: "The size of an image.",
        },
        Key {
            name: "classes",
            kind: Kind::Integer(2, 1_000_000),
            default: without_file,
            meaning: "The number of classes.",
        },
        Key {
            name: "plan",
            kind: Kind::Plan,
            default: || "the network's own activations".into(),
            meaning: "The activation plan: a published one by its name, the table \
                      [network.plan], or the path of a TOML or JSON file that says which \
                      activations and pools are exchanged. Fewer activations cost less and may \
                      classify worse; `tercet cost --plan` says how much less, `tercet plan` \
                      searches for one.",
        },
        Key {
            name: "scale",
            kind: Kind::Positive,
            default: || "1".into(),
            meaning: "The factor of the widths of XONN's networks. The cost of a layer grows \
                      about with its square.",
        },
        Key {
            name: "onnx",
            kind: Kind::Path,
            default: none,
            meaning: "An ONNX file, which has the weights as well. For the model owner.",
        },
        Key {
            name: "graph",
            kind: Kind::Path,
            default: none,
            meaning: "The architecture without weights, as `tercet inspect --public-graph` writes \
                      it. For the two others.",
        },
        Key {
            name: "output",
            kind: Kind::OneOf(|| Output::ALL.map(Output::name).to_vec()),
            default: || Output::default().name().into(),
            meaning: "What the data owner learns. A label tells it less about the model and costs \
                      a comparison for each class.",
        },
    ],
};

/// `[network.plan]`.
pub(super) static PLAN: TableSpec = TableSpec {
    name: "network.plan",
    purpose: "An activation plan for a network of the zoo that takes one. What is left out is as \
              in the original network.",
    keys: &[
        Key {
            name: "activation",
            kind: Kind::OneOf(|| Activation::ALL.map(Activation::name).to_vec()),
            default: original,
            meaning: "The kind of every activation.",
        },
        Key {
            name: "first",
            kind: Kind::Ratio,
            default: original,
            meaning: "The share of channels that keep the first activation of a block: 1 keeps \
                      it, 0 removes it. The activation's cost is proportional to it.",
        },
        Key {
            name: "second",
            kind: Kind::Ratio,
            default: original,
            meaning: "The same for the second activation of a block.",
        },
        Key {
            name: "pool",
            kind: Kind::OneOf(|| Pool::ALL.map(Pool::name).to_vec()),
            default: original,
            meaning: "What pooling layers do. An average is local; a maximum takes comparisons. Of \
                      the networks that take plans only SqueezeNet pools.",
        },
        Key {
            name: "double",
            kind: Kind::Flag,
            default: original,
            meaning: "Whether the convolutions that the plan leaves without activation have twice \
                      the channels.",
        },
        Key {
            name: "blocks",
            kind: Kind::Table,
            default: none,
            meaning: "Blocks that differ from the rest: one table a block.",
        },
    ],
};

/// `[network.plan.blocks.N]`.
pub(super) static BLOCK: TableSpec = TableSpec {
    name: "network.plan.blocks.N",
    purpose: "Block N, counted from 0. What is left out is as in [network.plan].",
    keys: &[
        Key {
            name: "activation",
            kind: Kind::OneOf(|| Activation::ALL.map(Activation::name).to_vec()),
            default: of_plan,
            meaning: "The kind of the block's activations.",
        },
        Key {
            name: "first",
            kind: Kind::Ratio,
            default: of_plan,
            meaning: "The share of channels whose first activation is kept.",
        },
        Key {
            name: "second",
            kind: Kind::Ratio,
            default: of_plan,
            meaning: "The share of channels whose second activation is kept.",
        },
    ],
};

/// `[protocol]`.
pub(super) static PROTOCOL: TableSpec = TableSpec {
    name: "protocol",
    purpose: "How the network is evaluated. All but `profile` and `connect_timeout_seconds` must \
              be the same at all three parties; they compare it before anything else.",
    keys: &[
        Key {
            name: "suite",
            kind: Kind::OneOf(|| SuiteName::ALL.map(SuiteName::name).to_vec()),
            default: || SuiteName::default().name().into(),
            meaning: "The protocol suite. `securenn` needs no preparation; `dealer` sends most \
                      bytes ahead of the query, and needs bounds on all values.",
        },
        Key {
            name: "fractional_bits",
            kind: Kind::Integer(1, MAX_FRACTIONAL_BITS as i64),
            default: || {
                let bits = |suite: SuiteName| format!("{} in {suite}", suite.fractional_bits());
                SuiteName::ALL.map(bits).join(", ")
            },
            meaning: "Fractional bits of a fixed-point number. More are more exact; fewer leave \
                      the truncation of `securenn` less chance to fail, and make the messages of \
                      `dealer` smaller. `tercet calibrate` says how many fit.",
        },
        Key {
            name: "magnitude_bits",
            kind: Kind::Integer(1, MAX_MAGNITUDE_BITS as i64),
            default: || DEFAULT_MAGNITUDE_BITS.to_string(),
            meaning: "In `dealer`, without `bounds`: the values of all layers are below 2 to this \
                      power. A value out of range gives a wrong result; one bit more costs about \
                      6% more bytes. `tercet calibrate` says how many fit.",
        },
        Key {
            name: "bounds",
            kind: Kind::Path,
            default: || "`magnitude_bits` for every layer".into(),
            meaning: "In `dealer`: a file of `tercet calibrate --out` with a bound for each \
                      layer. It costs fewer bytes than one bound for all, and tells the two \
                      others about the logarithm of the size of each layer's weights.",
        },
        Key {
            name: "dealt_first",
            kind: Kind::Flag,
            default: no,
            meaning: "In `dealer`: whether all correlated randomness is made before the query \
                      rather than just ahead of its use. The query is answered faster, and the \
                      memory for all of it is needed at once.",
        },
        Key {
            name: "chunk",
            kind: Kind::Integer(64, 1 << 20),
            default: || SessionOptions::default().chunk.to_string(),
            meaning: "Values in a message of a non-linear layer: a multiple of 64. A chunk takes \
                      about 0.5 KiB of memory a value, which should stay in a core's second-level \
                      cache; a smaller one takes more messages.",
        },
        Key {
            name: "window",
            kind: Kind::Integer(1, 256),
            default: || SessionOptions::default().window.to_string(),
            meaning: "Chunks under way at once: at least the number of cores, and on a long link \
                      enough that `window` * `chunk` * 50 bytes fill bandwidth times round-trip \
                      time. Costs that much memory.",
        },
        Key {
            name: "overlap",
            kind: Kind::Flag,
            default: no,
            meaning: "Whether branches of the network run side by side: fewer latencies, more \
                      memory. It helps on links with latency, in networks with branches.",
        },
        Key {
            name: "profile",
            kind: Kind::Either(|| ProfileName::ALL.map(ProfileName::name).to_vec()),
            default: || ProfileName::default().name().into(),
            meaning: "What the links between the parties are like: one machine, one site (up to \
                      10 Gbit/s and 3 ms), or between sites (1 Gbit/s and 100 ms). It sizes \
                      buffers and windows of the transport.",
        },
        Key {
            name: "connect_timeout_seconds",
            kind: Kind::Integer(1, 86_400),
            default: || DEFAULT_CONNECT_TIMEOUT.as_secs().to_string(),
            meaning: "How long a party waits for the two others to come up: longer than the time \
                      between the first start and the last.",
        },
    ],
};

/// `[addresses]`.
pub(super) static ADDRESSES: TableSpec = TableSpec {
    name: "addresses",
    purpose: "Where the others find each party (UDP). Only `tercet party` needs it.",
    keys: &[
        Key {
            name: "model-owner",
            kind: Kind::Address,
            default: by_hand,
            meaning: "The model owner's address.",
        },
        Key {
            name: "data-owner",
            kind: Kind::Address,
            default: by_hand,
            meaning: "The data owner's address.",
        },
        Key {
            name: "crypto-producer",
            kind: Kind::Address,
            default: by_hand,
            meaning: "The crypto producer's address.",
        },
    ],
};

/// `[certificates]`.
pub(super) static CERTIFICATES: TableSpec = TableSpec {
    name: "certificates",
    purpose: "The parties' certificates, which all three have; `tercet keygen` makes them. Only \
              `tercet party` needs them.",
    keys: &[
        Key {
            name: "model-owner",
            kind: Kind::Path,
            default: by_hand,
            meaning: "The model owner's certificate.",
        },
        Key {
            name: "data-owner",
            kind: Kind::Path,
            default: by_hand,
            meaning: "The data owner's certificate.",
        },
        Key {
            name: "crypto-producer",
            kind: Kind::Path,
            default: by_hand,
            meaning: "The crypto producer's certificate.",
        },
    ],
};

/// `[model-owner]`.
pub(super) static MODEL_OWNER: TableSpec = TableSpec {
    name: "model-owner",
    purpose: "What the model owner (P0) alone has.",
    keys: &[
        KEY,
        BIND,
        STATE,
        Key {
            name: "weights",
            kind: Kind::Path,
            default: || "required where there are trained weights; else random ones".into(),
            meaning: "The weights, as a safetensors file. Left out where `network.onnx` has them. \
                      A network without trained weights runs on random ones, the same in every \
                      run.",
        },
        Key {
            name: "calibration",
            kind: Kind::Paths,
            default: || "the data owner's images, where the config names them".into(),
            meaning: "Images like those that will be classified, which show how large values get. \
                      Some hundred are enough: on more of them values hardly grow.",
        },
        scale(of_data_owner),
        mean(of_data_owner),
        std(of_data_owner),
    ],
};

/// `[data-owner]`.
pub(super) static DATA_OWNER: TableSpec = TableSpec {
    name: "data-owner",
    purpose: "What the data owner (P1) alone has.",
    keys: &[
        KEY,
        BIND,
        STATE,
        Key {
            name: "images",
            kind: Kind::Paths,
            default: || "required where there are trained weights; else random pixels".into(),
            meaning: "Files or folders of images, one after the other.",
        },
        Key {
            name: "labels",
            kind: Kind::Paths,
            default: || "those of the images, if they have any".into(),
            meaning: "Files of labels, one after the other: only to count how many predictions \
                      are right. Left out for CIFAR, folders by class and CSV files with a column \
                      of labels.",
        },
        Key {
            name: "format",
            kind: Kind::OneOf(|| Format::ALL.map(Format::name).to_vec()),
            default: || "told by the files' names and first bytes".into(),
            meaning: "The format of the images.",
        },
        Key {
            name: "label_column",
            kind: Kind::Column,
            default: none,
            meaning: "The column of a CSV file that has the labels.",
        },
        Key {
            name: "first",
            kind: Kind::Integer(0, u32::MAX as i64),
            default: || "0".into(),
            meaning: "The place of the first image to classify.",
        },
        Key {
            name: "count",
            kind: Kind::Integer(1, MAX_BATCH as i64),
            default: || "all from `first` on; one where the images are random".into(),
            meaning: "How many images to classify, all in one batch. Memory and bytes grow with \
                      it; rounds do not.",
        },
        scale(from_zero_to_one),
        mean(|| "0".into()),
        std(|| "1".into()),
        Key {
            name: "predictions",
            kind: Kind::Output,
            default: || "standard output".into(),
            meaning: "A CSV file for the predictions.",
        },
    ],
};

/// `[crypto-producer]`.
pub(super) static CRYPTO_PRODUCER: TableSpec = TableSpec {
    name: "crypto-producer",
    purpose: "What the crypto producer (P2) alone has.",
    keys: &[KEY, BIND, STATE],
};

const KEY: Key = Key {
    name: "key",
    kind: Kind::Path,
    default: by_hand,
    meaning: "The party's private key, from `tercet keygen`.",
};

const BIND: Key = Key {
    name: "bind",
    kind: Kind::Bind,
    default: || "the party's entry in [addresses]".into(),
    meaning: "The address to listen on, where that is not the one that the others use (behind a \
              NAT, in a container).",
};

const STATE: Key = Key {
    name: "state",
    kind: Kind::Path,
    default: || "nothing is kept".into(),
    meaning: "In `dealer`: a directory for what outlives a session, so that the masked weights of \
              a model are sent once and not in every session. As secret as the key. Takes up \
              to 8 bytes a weight at the data owner.",
};

const fn table(name: &'static str) -> Key {
    Key { name, kind: Kind::Table, default: String::new, meaning: "" }
}

const fn scale(default: fn() -> String) -> Key {
    let meaning = "The factor of every sample: the network's input is (sample * `scale` - `mean`) \
                   / `std`.";
    Key { name: "scale", kind: Kind::Number, default, meaning }
}

const fn mean(default: fn() -> String) -> Key {
    let meaning = "The mean that training subtracted, after `scale`.";
    Key { name: "mean", kind: Kind::PerChannel, default, meaning }
}

const fn std(default: fn() -> String) -> Key {
    let meaning = "The standard deviation that training divided by, after `scale`: above 0.";
    Key { name: "std", kind: Kind::PerChannel, default, meaning }
}

fn without_file() -> String {
    "required without a file".into()
}

fn none() -> String {
    "none".into()
}

fn no() -> String {
    "false".into()
}

fn original() -> String {
    "as in the original network".into()
}

fn of_plan() -> String {
    "as in [network.plan]".into()
}

fn by_hand() -> String {
    "required by `tercet party`".into()
}

fn of_data_owner() -> String {
    "the data owner's, where the config has it".into()
}

fn from_zero_to_one() -> String {
    "1/255 for bytes, 1 for floating point".into()
}
