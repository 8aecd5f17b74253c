//! The config file: one TOML for all parties, of which a host fills in its own part.
//!
//! Tables are read key by key, not through a derived deserialiser, so that every complaint names
//! the file and the key and says what to write instead.

pub mod network_file;
pub mod plan_file;

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use nets::{
    Dims, Exchange, Graph, Output, Suite,
    dealer::plan::DEFAULT_MAGNITUDE_BITS,
    graph::MAX_BATCH,
    ranges::Range,
    zoo::{self, BlockPlan, Kind, PLAN_NAMES, Plan, Pool},
};
use protocols::{Role, SessionOptions};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{
    config::network_file::NetworkFile,
    data::Format,
    error::{Error, Result},
};

/// The most fractional bits that a config may ask for.
pub const MAX_FRACTIONAL_BITS: u32 = 24;

/// The largest magnitudes that it may ask for, as a power of two.
pub const MAX_MAGNITUDE_BITS: u32 = 40;

/// A whole config file, checked for form. Whether the files that it names exist is checked where
/// they are used, because a host has only its own.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it was read from.
    pub file: PathBuf,
    /// The public architecture.
    pub network: Network,
    /// What all parties must agree on, and how long they wait for each other.
    pub protocol: Protocol,
    /// Where the parties are, by role.
    pub hosts: [Host; 3],
    model_owner: Option<ModelOwner>,
    data_owner: Option<DataOwner>,
}

/// `[network]`: the public architecture, either of the zoo or from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// A name of the zoo, or that of the file's network.
    pub net: String,
    /// Channels, height, width of one image.
    pub input: [usize; 3],
    /// The number of classes.
    pub classes: usize,
    /// The activations; the net's own where nothing is said. A published name, or a table with the
    /// fields of [`Plan`], of which those left out are as in the original net.
    pub plan: Option<Plan>,
    /// What is exchanged then: `plan` as the path of a TOML or JSON file.
    pub exchange: Option<Exchange>,
    /// What the widths of XONN's nets are multiplied with. Default 1.
    pub scale: f64,
    /// The file: `onnx`, which the model owner has, or `graph`, which it gave the others.
    pub file: Option<NetworkFile>,
    /// What the data owner learns: "logits", or the "label" alone. Default "logits".
    pub output: Output,
}

/// `[protocol]`: how the network is evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// The protocol suite.
    pub suite: Suite,
    /// Fraction bits of a fixed-point number: more are more exact, fewer leave the truncation of
    /// `securenn` less chance to fail and make the messages of `dealer` smaller. Default 13 in `securenn`,
    /// 12 in `dealer`.
    pub fractional_bits: Option<u32>,
    /// In `dealer`, where there are no bounds: values of all layers are below 2 to this power. One bit
    /// more costs about 6% more bytes; a value beyond it gives a wrong result. Default 7.
    pub magnitude_bits: u32,
    /// In `dealer`: a file of `tercet calibrate` with the bounds of every layer, the same at all parties.
    pub bounds: Option<PathBuf>,
    /// In `dealer`: whether everything is dealt before the query rather than just ahead of its use: the
    /// query is answered faster, and the memory for all of it is needed at once. Default false.
    pub dealt_first: bool,
    /// Chunk and window of long batches.
    pub options: SessionOptions,
    /// Whether branches of the network run side by side: fewer latencies, more memory. Default false.
    pub overlap: bool,
    /// What the links between the parties are like. Default `loopback`.
    pub profile: ProfileName,
    /// How long a party waits for the two others to come up. Default 30 s.
    pub connect_timeout: Duration,
}

/// One party's host: from `[addresses]`, `[certificates]` and the role's own table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Where the others find it, "host:port".
    pub address: Option<String>,
    /// Its certificate, which all three have.
    pub certificate: Option<PathBuf>,
    /// Its private key, which it alone has.
    pub key: Option<PathBuf>,
    /// What it binds where that is not its address (behind a NAT, in a container).
    pub bind: Option<SocketAddr>,
    /// In `dealer`: a directory for what outlives a session, of models seen before, so that the masked
    /// weights are sent once and not in every session. As secret as the key. Default: nothing is kept.
    pub state: Option<PathBuf>,
}

/// `[model-owner]`: what P0 alone has.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelOwner {
    /// A safetensors file. A net that there are no trained weights for can do without: its weights
    /// are then random, the same in every run.
    pub weights: Option<PathBuf>,
    /// Files or folders of images like those that will be classified, which show how large values
    /// get. Default: the data owner's images, where the config names them.
    pub calibration: Vec<PathBuf>,
    /// From pixels to the network's input: `scale`, `mean` and `std` as the data owner has them.
    /// Default: the data owner's, where the config has them, else from 0 to 1.
    pub normalisation: Option<Normalisation>,
}

/// `[data-owner]`: what P1 alone has.
#[derive(Clone, Debug, PartialEq)]
pub struct DataOwner {
    /// Files or folders of images, one after the other. A net that there are no trained weights for
    /// can do without: the pixels are then random, the same in every run.
    pub images: Vec<PathBuf>,
    /// Files of labels, one after the other: only to count how many predictions are right. None for
    /// images that have theirs: CIFAR, folders by class, a column of a CSV file.
    pub labels: Vec<PathBuf>,
    /// The format of the images. Default: by what the files are called and begin with.
    pub format: Option<Format>,
    /// The column of a CSV file that has the labels.
    pub label_column: Option<Column>,
    /// The first image to classify. Default 0.
    pub first: usize,
    /// How many images to classify, all in one batch. Default: all from `first` on; one where the
    /// images are random.
    pub count: Option<usize>,
    /// From pixels to the network's input.
    pub normalisation: Normalisation,
    /// A CSV file for the predictions. Default: standard output.
    pub predictions: Option<PathBuf>,
}

/// The network's input is `(pixel * scale - mean) / std`, with a mean and a std for each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalisation {
    /// The factor of every pixel. Default 1/255 for bytes, 1 for floating point.
    pub scale: Option<f64>,
    /// One for each channel. Default 0.
    pub mean: Vec<f64>,
    /// One for each channel. Default 1.
    pub std: Vec<f64>,
}

/// A column of a CSV file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// Its place, from 0.
    Place(usize),
    /// Its name in the header.
    Name(String),
}

/// The transport's profiles by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileName {
    /// All parties on one machine.
    #[default]
    Loopback,
    /// A network of one site.
    Lan,
    /// Tens of milliseconds apart.
    Wan,
}

impl Config {
    /// Reads and checks a config file. Relative paths in it start from its own directory.
    ///
    /// # Errors
    /// [`Error::File`], which names the key.
    pub fn load(file: &Path) -> Result<Config> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Error::file(file, format!("cannot be read: {error}")))?;
        Config::parse(file, &text)
    }

    /// What P0 has.
    ///
    /// # Errors
    /// [`Error::File`] if the table is missing.
    pub fn model_owner(&self) -> Result<&ModelOwner> {
        self.model_owner.as_ref().ok_or_else(|| self.missing_table(Role::ModelOwner, "weights"))
    }

    /// What P1 has.
    ///
    /// # Errors
    /// [`Error::File`] if the table is missing.
    pub fn data_owner(&self) -> Result<&DataOwner> {
        self.data_owner.as_ref().ok_or_else(|| self.missing_table(Role::DataOwner, "images"))
    }

    /// From pixels to the network's input, as far as this host knows: the model owner's word, the data
    /// owner's where it says nothing, or what holds where nobody says anything.
    pub fn normalisation(&self) -> Normalisation {
        let own = self.model_owner.as_ref().and_then(|owner| owner.normalisation.as_ref());
        let data = self.data_owner.as_ref().map(|owner| &owner.normalisation);
        own.or(data).cloned().unwrap_or_else(|| Normalisation::none(self.network.input[0]))
    }

    /// What shows how large the network's values get: the model owner's images for that, or the data
    /// owner's where the config has them. Random images show nothing about weights that are not random.
    pub fn samples(&self) -> Option<DataOwner> {
        let normalisation = self.normalisation();
        if let Some(owner) = &self.model_owner
            && !owner.calibration.is_empty()
        {
            return Some(DataOwner {
                images: owner.calibration.clone(),
                labels: Vec::new(),
                format: None,
                label_column: None,
                first: 0,
                count: None,
                normalisation,
                predictions: None,
            });
        }
        let random = !self.random_inputs(&[Role::ModelOwner]).is_empty();
        let owner = self.data_owner.as_ref().filter(|owner| random || !owner.images.is_empty())?;
        Some(DataOwner { normalisation, ..owner.clone() })
    }

    /// Which of these roles' inputs are random for want of files: `weights`, `images`.
    pub fn random_inputs(&self, roles: &[Role]) -> Vec<&'static str> {
        let none = |owner: &ModelOwner| owner.weights.is_none() && !self.network.has_weights();
        let weights = self.model_owner.as_ref().is_some_and(none);
        let images = self.data_owner.as_ref().is_some_and(|owner| owner.images.is_empty());
        let mut random = Vec::new();
        if weights && roles.contains(&Role::ModelOwner) {
            random.push("weights");
        }
        if images && roles.contains(&Role::DataOwner) {
            random.push("images");
        }
        random
    }

    /// A host's value without which a party cannot run by hand.
    ///
    /// # Errors
    /// [`Error::File`] naming the key, if the config has none.
    pub fn required<'v, T>(&self, value: &'v Option<T>, key: &str) -> Result<&'v T> {
        value.as_ref().ok_or_else(|| {
            let what =
                format!("missing key `{key}`: a party by hand needs it (`tercet run` does not)");
            Error::file(&self.file, what)
        })
    }

    fn missing_table(&self, role: Role, key: &str) -> Error {
        Error::file(
            &self.file,
            format!("missing table [{role}]: the {role} needs at least `{key}`"),
        )
    }

    fn parse(file: &Path, text: &str) -> Result<Config> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            let what = error.message().replace('\n', "; ");
            Error::file(file, format!("line {line} is not valid TOML: {what}"))
        })?;
        let root = Section { file, name: String::new(), table: &table };
        let roles = Role::ALL.map(Role::name);
        let shared = ["network", "protocol", "addresses", "certificates"];
        root.allow(&[&shared[..], &roles].concat())?;
        let network = root.section("network")?.ok_or_else(|| {
            Error::file(
                file,
                "missing table [network]: give `net`, `input` and `classes`, or `onnx`, or `graph`",
            )
        })?;
        let protocol = root.section("protocol")?;
        let network = Network::read(&network)?;
        let data_owner = root.own(Role::DataOwner, &network, DataOwner::read)?;
        let model_owner = root.own(Role::ModelOwner, &network, ModelOwner::read)?;
        if let Some(own) = root.section("crypto-producer")? {
            own.allow(&["key", "bind", "state"])?;
        }
        Ok(Config {
            file: file.to_owned(),
            protocol: protocol.map_or(Ok(Protocol::default()), |table| Protocol::read(&table))?,
            hosts: Host::read_all(&root)?,
            network,
            model_owner,
            data_owner,
        })
    }
}

impl Network {
    fn read(table: &Section) -> Result<Network> {
        table.allow(&["net", "input", "classes", "plan", "scale", "onnx", "graph", "output"])?;
        let output = table.one_of("output", Output::ALL, Output::name)?.unwrap_or_default();
        let file = match (table.path("onnx")?, table.path("graph")?) {
            (Some(path), None) => Some(NetworkFile::onnx(&path)?),
            (None, Some(path)) => Some(NetworkFile::public(&path)?),
            (Some(_), Some(_)) => {
                return Err(table.wrong("graph", "left out where there is `onnx`, which has it"));
            }
            (None, None) => None,
        };
        if let Some(file) = file {
            return Network::of_file(table, file, output);
        }
        let net = table.need("net", table.string("net")?)?;
        let input = table.need("input", table.array("input")?)?;
        let side = |value: &Value| value.as_integer().filter(|side| (1..=4096).contains(side));
        let [Some(channels), Some(height), Some(width)] =
            input.iter().map(side).collect::<Vec<_>>()[..]
        else {
            return Err(table.wrong("input", "[channels, height, width], each from 1 to 4096"));
        };
        let classes = table.need("classes", table.integer("classes", 2..=1_000_000)?)?;
        let input = [channels, height, width].map(|side| side as usize);
        let mut network = Network {
            net: net.to_owned(),
            input,
            classes: classes as usize,
            plan: None,
            exchange: None,
            scale: table.read("scale", "a number above 0", positive)?.unwrap_or(1.0),
            file: None,
            output,
        };
        network.read_plan(table)?;
        Ok(network)
    }

    /// A network whose file says everything.
    fn of_file(table: &Section, file: NetworkFile, output: Output) -> Result<Network> {
        for key in ["net", "input", "classes", "scale"] {
            if table.table.contains_key(key) {
                return Err(table.wrong(key, "left out where a file gives the network"));
            }
        }
        let graph = &file.graph;
        let Dims { channels, height, width } = graph.input();
        let mut network = Network {
            net: graph.name().to_owned(),
            input: [channels, height, width],
            classes: graph.dims(graph.output()).len(),
            plan: None,
            exchange: None,
            scale: 1.0,
            file: Some(file),
            output,
        };
        network.read_plan(table)?;
        Ok(network)
    }

    /// The architecture.
    ///
    /// # Errors
    /// Any error of [`zoo::build`] and [`Exchange::apply`].
    pub fn graph(&self) -> nets::Result<Graph> {
        let graph = match &self.file {
            Some(file) => file.graph.clone(),
            None => zoo::build(&self.net, &self.options())?,
        };
        match &self.exchange {
            Some(exchange) => exchange.apply(&graph),
            None => Ok(graph),
        }
    }

    /// Takes another plan, of these the one of a file.
    ///
    /// # Errors
    /// As [`plan_file::read`].
    pub fn take_plan_file(&mut self, plan: Option<&Path>) -> Result<()> {
        if let Some(path) = plan {
            self.exchange = Some(plan_file::read(path)?);
        }
        Ok(())
    }

    /// Whether the network's file has its weights.
    pub fn has_weights(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.onnx)
    }

    /// The network's file, or else the config.
    pub fn path<'p>(&'p self, config: &'p Path) -> &'p Path {
        self.file.as_ref().map_or(config, |file| &file.path)
    }

    /// The size of an image.
    pub fn dims(&self) -> Dims {
        let [channels, height, width] = self.input;
        Dims { channels, height, width }
    }

    /// What the zoo builds the network from.
    pub fn options(&self) -> zoo::Options {
        let plan = self.plan.clone();
        zoo::Options { plan, scale: self.scale, ..zoo::Options::new(self.dims(), self.classes) }
    }

    /// Whether there are no trained weights for this net, which then runs on random ones as well.
    pub fn untrained(&self) -> bool {
        !zoo::is_trained(&self.net)
    }

    fn read_plan(&mut self, table: &Section) -> Result<()> {
        let Some(plan) = table.table.get("plan") else {
            return Ok(());
        };
        if plan.as_str().is_some_and(plan_file::is_file) {
            return self.take_plan_file(table.path("plan")?.as_deref());
        }
        if self.file.is_some() {
            return Err(table.wrong("plan", "the path of a TOML or JSON file, or left out"));
        }
        let wrong = |error| Error::file(table.file, format!("`network`: {error}"));
        let net = zoo::with_plans(&self.net).map_err(wrong)?;
        let plan = match plan {
            Value::String(name) => Plan::published(net, name, self.dims()).map_err(wrong)?,
            Value::Table(_) => {
                let plan = table.section("plan")?.expect("it is there");
                read_plan(&plan, Plan::original(net.kind()))?
            }
            _ => {
                let names = PLAN_NAMES.join(", ");
                return Err(table.wrong("plan", &format!("one of {names}, a table or a file")));
            }
        };
        self.plan = Some(plan);
        Ok(())
    }
}

/// `[network.plan]`, over what holds where nothing is said.
fn read_plan(table: &Section, mut plan: Plan) -> Result<Plan> {
    table.allow(&["activation", "first", "second", "pool", "double", "blocks"])?;
    let own = read_block(table)?;
    plan.activation = own.activation.unwrap_or(plan.activation);
    plan.first = own.first.unwrap_or(plan.first);
    plan.second = own.second.unwrap_or(plan.second);
    plan.pool = table.one_of("pool", Pool::ALL, Pool::name)?.unwrap_or(plan.pool);
    plan.double = table.read("double", "true or false", Value::as_bool)?.unwrap_or(plan.double);
    if let Some(blocks) = table.section("blocks")? {
        for key in blocks.table.keys() {
            let block = key.parse().map_err(|_| blocks.wrong(key, BLOCK))?;
            let own = blocks.section(key)?.ok_or_else(|| blocks.wrong(key, BLOCK))?;
            own.allow(&["activation", "first", "second"])?;
            plan.blocks.insert(block, read_block(&own)?);
        }
    }
    Ok(plan)
}

const BLOCK: &str = "the table of a block, named by its number from 0";

fn read_block(table: &Section) -> Result<BlockPlan> {
    let ratio = |key| {
        let ratio = |value: &Value| finite(value).filter(|ratio| (0.0..=1.0).contains(ratio));
        table.read(key, "a ratio from 0 (removed) to 1 (kept)", ratio)
    };
    Ok(BlockPlan {
        activation: table.one_of("activation", Kind::ALL, Kind::name)?,
        first: ratio("first")?,
        second: ratio("second")?,
    })
}

impl Protocol {
    fn read(table: &Section) -> Result<Protocol> {
        table.allow(&[
            "suite",
            "fractional_bits",
            "magnitude_bits",
            "bounds",
            "dealt_first",
            "chunk",
            "window",
            "overlap",
            "profile",
            "connect_timeout_seconds",
        ])?;
        let default = Protocol::default();
        let mut options = default.options;
        if let Some(chunk) = table.integer("chunk", 64..=1 << 20)? {
            if chunk % 64 != 0 {
                return Err(table.wrong("chunk", "a multiple of 64"));
            }
            options.chunk = chunk as usize;
        }
        if let Some(window) = table.integer("window", 1..=256)? {
            options.window = window as usize;
        }
        let bits = table.integer("fractional_bits", 1..=MAX_FRACTIONAL_BITS.into())?;
        let magnitude = table.integer("magnitude_bits", 1..=MAX_MAGNITUDE_BITS.into())?;
        let timeout = table.integer("connect_timeout_seconds", 1..=86_400)?;
        Ok(Protocol {
            suite: table.parsed_by("suite", parse_suite)?.unwrap_or_default(),
            fractional_bits: bits.map(|bits| bits as u32),
            magnitude_bits: magnitude.map_or(default.magnitude_bits, |bits| bits as u32),
            bounds: table.path("bounds")?,
            dealt_first: table
                .read("dealt_first", "true or false", Value::as_bool)?
                .unwrap_or(false),
            options,
            overlap: table.read("overlap", "true or false", Value::as_bool)?.unwrap_or(false),
            profile: table.parsed_by("profile", str::parse)?.unwrap_or_default(),
            connect_timeout: timeout
                .map_or(default.connect_timeout, |seconds| Duration::from_secs(seconds as u64)),
        })
    }
}

impl Default for Protocol {
    fn default() -> Self {
        Protocol {
            suite: Suite::default(),
            fractional_bits: None,
            magnitude_bits: DEFAULT_MAGNITUDE_BITS,
            bounds: None,
            dealt_first: false,
            options: SessionOptions::default(),
            overlap: false,
            profile: ProfileName::default(),
            connect_timeout: Duration::from_secs(30),
        }
    }
}

impl Host {
    fn read_all(root: &Section) -> Result<[Host; 3]> {
        let roles = Role::ALL.map(Role::name);
        let mut hosts: [Host; 3] = Default::default();
        if let Some(addresses) = root.section("addresses")? {
            addresses.allow(&roles)?;
            for (host, role) in hosts.iter_mut().zip(roles) {
                let address = addresses.need(role, addresses.string(role)?)?;
                if !is_address(address) {
                    return Err(addresses.wrong(role, "\"host:port\", with a port from 1 to 65535"));
                }
                host.address = Some(address.to_owned());
            }
        }
        if let Some(certificates) = root.section("certificates")? {
            certificates.allow(&roles)?;
            for (host, role) in hosts.iter_mut().zip(roles) {
                host.certificate = Some(certificates.need(role, certificates.path(role)?)?);
            }
        }
        for (host, role) in hosts.iter_mut().zip(roles) {
            if let Some(own) = root.section(role)? {
                host.key = own.path("key")?;
                host.state = own.path("state")?;
                host.bind = match own.string("bind")? {
                    Some(text) => Some(text.parse().map_err(|_| {
                        own.wrong("bind", "an address of this host, like \"0.0.0.0:7000\"")
                    })?),
                    None => None,
                };
            }
        }
        Ok(hosts)
    }
}

impl ModelOwner {
    fn read(table: &Section, network: &Network) -> Result<ModelOwner> {
        table.allow(&["key", "bind", "state", "weights", "calibration", "scale", "mean", "std"])?;
        let weights = table.path("weights")?;
        if network.has_weights() && weights.is_some() {
            return Err(table.wrong("weights", "left out: `network.onnx` has them"));
        }
        if !network.untrained() && !network.has_weights() {
            table.need("weights", weights.as_ref())?;
        }
        let said = ["scale", "mean", "std"].iter().any(|&key| table.table.contains_key(key));
        let normalisation =
            said.then(|| Normalisation::read(table, network.input[0])).transpose()?;
        let calibration = table.paths("calibration")?.unwrap_or_default();
        Ok(ModelOwner { weights, calibration, normalisation })
    }
}

impl DataOwner {
    fn read(table: &Section, network: &Network) -> Result<DataOwner> {
        table.allow(&[
            "key",
            "bind",
            "state",
            "images",
            "labels",
            "format",
            "label_column",
            "first",
            "count",
            "scale",
            "mean",
            "std",
            "predictions",
        ])?;
        let images = table.paths("images")?;
        let labels = table.paths("labels")?;
        if !network.untrained() {
            table.need("images", images.as_ref())?;
        }
        let format = table.one_of("format", Format::ALL, Format::name)?;
        let column = |value: &Value| match value {
            Value::Integer(place) => usize::try_from(*place).ok().map(Column::Place),
            value => value.as_str().map(|name| Column::Name(name.to_owned())),
        };
        let label_column =
            table.read("label_column", "a column's name, or its place from 0", column)?;
        if images.is_none() {
            for key in ["labels", "format", "label_column"] {
                if table.table.contains_key(key) {
                    return Err(table.wrong(key, "left out where there are no `images`"));
                }
            }
        }
        Ok(DataOwner {
            images: images.unwrap_or_default(),
            labels: labels.unwrap_or_default(),
            format,
            label_column,
            first: table.integer("first", 0..=u32::MAX.into())?.unwrap_or(0) as usize,
            count: table.integer("count", 1..=MAX_BATCH as i64)?.map(|count| count as usize),
            normalisation: Normalisation::read(table, network.input[0])?,
            predictions: table.path("predictions")?,
        })
    }
}

impl Normalisation {
    fn read(table: &Section, channels: usize) -> Result<Normalisation> {
        let default = Normalisation::none(channels);
        let std = table.floats("std", channels)?.unwrap_or(default.std);
        if std.iter().any(|&std| std <= 0.0) {
            return Err(table.wrong("std", "above 0"));
        }
        let mean = table.floats("mean", channels)?.unwrap_or(default.mean);
        Ok(Normalisation { scale: table.float("scale")?, mean, std })
    }

    /// Nothing said.
    fn none(channels: usize) -> Normalisation {
        Normalisation { scale: None, mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// What the network's inputs are of bytes, channel by channel.
    pub fn ranges(&self) -> Vec<Range> {
        let scale = self.scale.unwrap_or(1.0 / 255.0);
        let end = |pixel: u8, mean, std| (f64::from(pixel) * scale - mean) / std;
        let range = |(&mean, &std)| Range::between(end(0, mean, std), end(u8::MAX, mean, std));
        self.mean.iter().zip(&self.std).map(range).collect()
    }
}

/// Reads a suite's name, on the command line or in a config.
///
/// # Errors
/// What there is instead.
pub fn parse_suite(name: &str) -> std::result::Result<Suite, String> {
    name.parse().map_err(|_| {
        let names = Suite::ALL.map(Suite::name).join(", ");
        format!("one of {names}")
    })
}

impl FromStr for ProfileName {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name {
            "loopback" => Ok(ProfileName::Loopback),
            "lan" => Ok(ProfileName::Lan),
            "wan" => Ok(ProfileName::Wan),
            _ => Err("\"loopback\", \"lan\" or \"wan\"".into()),
        }
    }
}

/// A table of the file. Its readers give `None` for a missing key and an error for a wrong one.
struct Section<'t> {
    file: &'t Path,
    name: String,
    table: &'t Table,
}

impl<'t> Section<'t> {
    fn section(&self, key: &str) -> Result<Option<Section<'t>>> {
        let name = self.path_of(key);
        match self.table.get(key) {
            Some(Value::Table(table)) => Ok(Some(Section { file: self.file, name, table })),
            Some(_) => Err(self.wrong(key, &format!("a table: write [{name}] on a line"))),
            None => Ok(None),
        }
    }

    /// A role's own table. A net without trained weights needs none: everything has a default. Nor
    /// does the owner of a model that a file holds.
    fn own<T>(
        &self,
        role: Role,
        network: &Network,
        read: impl Fn(&Section, &Network) -> Result<T>,
    ) -> Result<Option<T>> {
        let empty = Table::new();
        let default = Section { file: self.file, name: role.name().into(), table: &empty };
        let own = self.section(role.name())?;
        let optional = network.untrained() || role == Role::ModelOwner && network.has_weights();
        let own = own.or(optional.then_some(default));
        own.map(|table| read(&table, network)).transpose()
    }

    /// Refuses every key that is not among `known`.
    fn allow(&self, known: &[&str]) -> Result<()> {
        let Some(key) = self.table.keys().find(|key| !known.contains(&key.as_str())) else {
            return Ok(());
        };
        let kind = if self.name.is_empty() { "table or key" } else { "key" };
        let hint = match closest(key, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are {}", known.join(", ")),
        };
        Err(Error::file(self.file, format!("unknown {kind} `{}`; {hint}", self.path_of(key))))
    }

    fn need<T>(&self, key: &str, value: Option<T>) -> Result<T> {
        let missing = || Error::file(self.file, format!("missing key `{}`", self.path_of(key)));
        value.ok_or_else(missing)
    }

    fn string(&self, key: &str) -> Result<Option<&'t str>> {
        self.read(key, "a string", Value::as_str)
    }

    fn array(&self, key: &str) -> Result<Option<&'t Vec<Value>>> {
        self.read(key, "an array", Value::as_array)
    }

    fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Result<Option<i64>> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(key, &expected, |value| value.as_integer().filter(|value| range.contains(value)))
    }

    fn float(&self, key: &str) -> Result<Option<f64>> {
        self.read(key, "a finite number", finite)
    }

    /// One number for each channel, or one for all.
    fn floats(&self, key: &str, channels: usize) -> Result<Option<Vec<f64>>> {
        let expected = format!("a finite number, or an array of {channels} (one a channel)");
        self.read(key, &expected, |value| match value {
            Value::Array(values) if values.len() == channels => values.iter().map(finite).collect(),
            value => Some(vec![finite(value)?; channels]),
        })
    }

    fn path(&self, key: &str) -> Result<Option<PathBuf>> {
        Ok(self.string(key)?.map(|path| self.directory().join(path)))
    }

    /// One path, or several.
    fn paths(&self, key: &str) -> Result<Option<Vec<PathBuf>>> {
        let path = |value: &Value| value.as_str().map(|path| self.directory().join(path));
        self.read(key, "a path, or an array of at least one", |value| match value {
            Value::Array(values) if !values.is_empty() => values.iter().map(path).collect(),
            value => Some(vec![path(value)?]),
        })
    }

    /// Where relative paths start from.
    fn directory(&self) -> &'t Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    /// Reads a string with `parse`, whose error is what it must be.
    fn parsed_by<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> std::result::Result<T, String>,
    ) -> Result<Option<T>> {
        let parse = |text| parse(text).map_err(|expected| self.wrong(key, &expected));
        self.string(key)?.map(parse).transpose()
    }

    /// Reads one of a few names.
    fn one_of<T: Copy, const N: usize>(
        &self,
        key: &str,
        all: [T; N],
        name: fn(T) -> &'static str,
    ) -> Result<Option<T>> {
        let expected = format!("one of {}", all.map(name).join(", "));
        self.read(key, &expected, |value| {
            let text = value.as_str()?;
            all.into_iter().find(|&choice| name(choice) == text)
        })
    }

    fn read<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'t Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.table.get(key) {
            Some(value) => read(value).map(Some).ok_or_else(|| self.wrong(key, expected)),
            None => Ok(None),
        }
    }

    fn wrong(&self, key: &str, expected: &str) -> Error {
        let value = self.table.get(key).map(Value::to_string).unwrap_or_default();
        let value: String = value.replace('\n', " ").chars().take(60).collect();
        let path = self.path_of(key);
        Error::file(self.file, format!("`{path}` is {value}; it must be {expected}"))
    }

    fn path_of(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

fn finite(value: &Value) -> Option<f64> {
    let value = value.as_float().or_else(|| value.as_integer().map(|value| value as f64))?;
    value.is_finite().then_some(value)
}

fn positive(value: &Value) -> Option<f64> {
    finite(value).filter(|value| *value > 0.0)
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

/// The known word that a typing error most likely meant.
fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let distance = |known: &str| edit_distance(&plain(word), &plain(known));
    let near = known.iter().copied().min_by_key(|known| distance(known))?;
    (distance(near) <= 1 + near.len() / 4).then_some(near)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use nets::zoo::Published;

    use super::*;

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
            "[protocol]\nsuite = 'securenn'\nfractional_bits = 12\nchunk = 128\nwindow = 2\noverlap = true\n\
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
        let data = config.data_owner().unwrap();
        assert_eq!((data.first, data.count), (3, Some(4)));
        assert_eq!(
            (&data.normalisation.mean[..], &data.normalisation.std[..]),
            (&[1.0][..], &[2.0][..])
        );
    }

    #[test]
    fn images_may_be_several_files_of_a_format() {
        let owner = |rest: &str| {
            parse(&format!("[data-owner]\n{rest}")).unwrap().data_owner().unwrap().clone()
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
            let config =
                Config::parse(Path::new("dir/x.toml"), &format!("{network}{rest}")).unwrap();
            config.samples()
        };
        let model = "[model-owner]\nweights = 'w'\n";
        let data = "[data-owner]\nimages = 'i'\nfirst = 3\ncount = 2\nscale = 2\n";
        assert_eq!(samples(model), None);
        let shared = samples(&format!("{model}{data}")).unwrap();
        assert_eq!((shared.images, shared.first), (vec![PathBuf::from("dir/i")], 3));
        assert_eq!(shared.normalisation.ranges(), [Range { low: 0.0, high: 510.0 }]);
        let own =
            samples(&format!("{model}calibration = ['c', '/d']\nmean = 1\nstd = 0.5\n{data}"));
        let own = own.unwrap();
        assert_eq!((own.images, own.first), (vec!["dir/c".into(), "/d".into()], 0));
        assert_eq!(own.normalisation.ranges(), [Range { low: -2.0, high: 0.0 }]);
        let wrong = complaint(&format!("{network}{model}std = 0"));
        assert!(wrong.ends_with("`model-owner.std` is 0; it must be above 0"), "{wrong}");
    }

    #[test]
    fn defaults_stand_where_nothing_is_said() {
        let config = parse("[data-owner]\nimages = 'i'\n").unwrap();
        assert_eq!(config.protocol, Protocol::default());
        assert_eq!(config.hosts, <[Host; 3]>::default());
        assert_eq!(config.data_owner().unwrap().count, None);
        assert_eq!(config.data_owner().unwrap().normalisation.scale, None);
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
                "unknown key `protocol.zzz`; known are suite, fractional_bits, magnitude_bits, bounds, dealt_first, chunk, window, overlap, profile, connect_timeout_seconds",
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
                "`addresses.model-owner` is \"nonsense\"; it must be \"host:port\", with a port from 1 to 65535",
            ),
            (
                "[addresses]\nmodel-owner = 'a:0'",
                "`addresses.model-owner` is \"a:0\"; it must be \"host:port\", with a port from 1 to 65535",
            ),
            (
                "[crypto-producer]\nbind = 'a:1'",
                "`crypto-producer.bind` is \"a:1\"; it must be an address of this host, like \"0.0.0.0:7000\"",
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
                "`data-owner.mean` is [1, 2]; it must be a finite number, or an array of 1 (one a channel)",
            ),
            (
                "[data-owner]\nimages = []",
                "`data-owner.images` is []; it must be a path, or an array of at least one",
            ),
            (
                "[data-owner]\nimages = 'i'\nformat = 'tiff'",
                "`data-owner.format` is \"tiff\"; it must be one of idx, cifar10, cifar100, npy, images, csv",
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
        let ours = Plan::published(Published::MobileNetV2, "ours", dims).unwrap();
        assert_eq!(network("plan = 'ours'").plan, Some(ours.clone()));
        let table = "[network.plan]\nactivation = 'relu'\nfirst = 0\nsecond = 0.5\n";
        assert_eq!(network(table).plan, Some(ours.clone()));
        assert_eq!(network("").plan, None);
        let all = "pool = 'avg'\ndouble = true\n[network.plan.blocks.3]\nsecond = 1\n";
        let mut expected = Plan { pool: Pool::Avg, double: true, ..ours };
        expected.blocks.insert(3, BlockPlan { second: Some(1.0), ..BlockPlan::default() });
        assert_eq!(network(&format!("{table}{all}")).plan, Some(expected));
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
                "`network.plan.activation` is \"gelu\"; it must be one of relu, relu6, leaky-relu, none",
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
        let data = config.data_owner().unwrap();
        assert_eq!((data.images.len(), data.count, data.first), (0, None, 0));
        let labels = complaint(&plan("squeezenet", "[data-owner]\nlabels = 'l'"));
        let expected =
            "`data-owner.labels` is \"l\"; it must be left out where there are no `images`";
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
        assert!(
            complaint("[network]\nnet = 3").ends_with("`network.net` is 3; it must be a string")
        );
        assert!(complaint("[network]\nnet = 'x'").ends_with("missing key `network.input`"));
        let shape = complaint("[network]\nnet = 'x'\ninput = [1, 8]\nclasses = 10");
        assert!(shape.ends_with(
            "`network.input` is [1, 8]; it must be [channels, height, width], each from 1 to 4096"
        ));
        let unreadable = Config::load(Path::new("/nowhere/x.toml")).unwrap_err().to_string();
        assert!(unreadable.starts_with("/nowhere/x.toml: cannot be read: "), "{unreadable}");
    }
}
