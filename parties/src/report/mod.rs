//! What a run cost, for scripts: the stable object of `--report`, as JSON, CSV or HTML.
//!
//! Three views of every layer stand side by side and are never mixed: the published closed form,
//! what this implementation predicts from shapes alone, and what was measured where messages are
//! handed to the transport. The last two are equal on every link, or the run has failed.

pub mod estimate;
mod html;
pub mod table;

use std::{collections::BTreeMap, iter::Sum, path::Path};

use nets::{
    Dims, LayerCost, NetworkCost, Order, Output, Suite, dealer::plan::LayerBound, graph::SETUP,
};
use protocols::{LayerMeasurement, Link, Links, Paper, Role};
use serde::Serialize;

use crate::{
    error::{Error, Result},
    party::run::Record,
    report::estimate::Estimate,
};

/// A whole report. What a command cannot know is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The protocol suite.
    pub suite: Suite,
    /// The network's name; none for a bench.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Images in the batch; none for a bench.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// What the data owner learns; none for a bench.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// The party whose view this is, if it is not that of all three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<Role>,
    /// What a bench adds.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub bench: Option<Bench>,
    /// How many revealed results (logits, or labels) differ from the plain reference by more than
    /// truncation's coins can do; only where all inputs are at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<usize>,
    /// `weights` and `images`, if they were random for want of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub random_inputs: Vec<&'static str>,
    /// How long the run would take over some links; only where nothing is run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<Estimate>,
    /// Layer by layer.
    pub layers: Vec<Layer>,
    /// The sums over the layers, and what belongs to no layer.
    pub totals: Totals,
    /// Against the plain network; only where all inputs and labels are at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
    /// The summed probability, an image, that a truncation wraps and spoils the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation_failure_bound: Option<f64>,
    /// The material that was made, or the query of it that was used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub material: Option<Material>,
}

/// Material in files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Material {
    /// The session that made it.
    pub session: String,
    /// The first query of it, counted from 0.
    pub first: u64,
    /// How many queries.
    pub queries: u64,
    /// Images of a query.
    pub images: usize,
    /// Bytes of a query's file at each party that has one.
    pub file_bytes: BTreeMap<&'static str, u64>,
}

impl Material {
    /// What the parties made or used up of it, if they did.
    pub fn of<'r>(records: impl IntoIterator<Item = &'r Record>) -> Option<Material> {
        let mut material: Option<Material> = None;
        for record in records {
            let Some(stock) = &record.stock else { continue };
            let material = material.get_or_insert_with(|| Material {
                session: stock.session.clone(),
                first: stock.first,
                queries: stock.queries,
                images: record.images,
                file_bytes: BTreeMap::new(),
            });
            if stock.file_bytes > 0 {
                material.file_bytes.insert(record.role.name(), stock.file_bytes);
            }
        }
        material
    }
}

/// What a bench adds to a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bench {
    /// The operation.
    pub op: String,
    /// How many values.
    pub count: usize,
    /// What the test inputs were drawn from.
    pub seed: u64,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// Its name in the network.
    pub name: String,
    /// What it computes.
    pub op: String,
    /// The size of its result for one image: channels, rows, columns; a vector's length alone.
    pub output_shape: Vec<usize>,
    /// The published closed form.
    pub paper: Option<PaperCost>,
    /// What this implementation will send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Traffic>,
    /// What it sent.
    pub measured: Option<Traffic>,
    /// From the end of the layer that ended before it to its own end, at the data owner (or the party whose
    /// view this is), and before that the time to deal it, where that is done before the query.
    pub seconds: Option<f64>,
    /// By how many one-way latencies it makes the run longer, given the layers before it here.
    pub critical_path: u32,
    /// How large the values that it cuts or compares may be, and by what; none where nothing depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<LayerBound>,
    /// How large it is; none for a bench.
    #[serde(flatten)]
    pub size: Option<Size>,
}

/// How large a layer or a network is, for one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Size {
    /// Values that a non-linear function gives: activations, results of max pools.
    pub nonlinear_values: u64,
    /// Weights and biases, batch norm folded in.
    pub parameters: u64,
    /// Multiplications and additions of linear layers, those with padding included.
    pub macs: u64,
}

/// A published closed form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PaperCost {
    /// Rounds.
    pub rounds: u64,
    /// Megabytes of 10^6 bytes.
    pub mb: f64,
}

/// Rounds and payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Traffic {
    /// Phases in which something is sent.
    pub rounds: u64,
    /// Payload bytes over all links.
    pub bytes: u64,
    /// Payload bytes over each link.
    pub links: Links,
    /// Of `bytes` those that travel ahead of the query.
    pub ahead_bytes: u64,
}

/// The sums over the layers, and what belongs to no layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Totals {
    /// The published closed forms, of those layers that have one.
    pub paper: Option<PaperCost>,
    /// What this implementation will send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Traffic>,
    /// What it sent.
    pub measured: Option<Traffic>,
    /// One-way latencies that the run must wait for, one after the other.
    pub critical_path: u32,
    /// Whether branches run side by side. If so, the rounds predicted and measured are those of the
    /// longest chain of layers, not the sums.
    pub overlap: bool,
    /// Payload that belongs to the model and the session.
    pub setup_bytes: u64,
    /// Payload before the data is there.
    pub offline_bytes: u64,
    /// Payload from then on.
    pub online_bytes: u64,
    /// How large the network is; none for a bench.
    #[serde(flatten)]
    pub size: Option<Size>,
    /// UDP bytes as the QUIC stack counts them, handshakes and headers included.
    pub wire_bytes: Option<u64>,
    /// Wall time.
    pub seconds: Option<Seconds>,
    /// CPU time of each party's process.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cpu_seconds: BTreeMap<&'static str, f64>,
    /// The largest resident set of each party's process, in MB of 10^6 bytes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub peak_rss_mb: BTreeMap<&'static str, f64>,
}

impl Seconds {
    /// The stages of a whole run, as its evaluators saw them.
    pub fn of<'r>(records: impl IntoIterator<Item = &'r Record>, total: f64) -> Seconds {
        let stages = records.into_iter().map(|record| record.seconds);
        let start = Seconds { setup: 0.0, offline: 0.0, online: None, total };
        stages.fold(start, |seconds, stage| Seconds {
            setup: seconds.setup.max(stage.setup),
            offline: seconds.offline.max(stage.offline),
            online: match (seconds.online, stage.online) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            },
            total,
        })
    }
}

/// Wall time of a run, connecting and loading left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seconds {
    /// What belongs to the model and the session.
    pub setup: f64,
    /// Dealing ahead.
    pub offline: f64,
    /// From the first online message to the result, with all material present; none where
    /// material is dealt while it is used.
    pub online: Option<f64>,
    /// All of it.
    pub total: f64,
}

/// Against the plain network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Images classified.
    pub images: usize,
    /// How many the plain float network gets right; none without labels.
    pub plain_correct: Option<usize>,
    /// How many the three parties get right; none without labels.
    pub secure_correct: Option<usize>,
    /// On how many both agree.
    pub agree: usize,
    /// The largest difference between a secure and a plain logit; none where only labels are revealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_abs_error: Option<f64>,
}

/// The forms of a report file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The object.
    Json,
    /// A row a layer, and a row of totals.
    Csv,
    /// One self-contained page.
    Html,
}

impl Format {
    /// The form that a file's ending asks for; also checks that there is a directory to write to.
    ///
    /// # Errors
    /// [`Error::File`], so that nobody waits for a run whose report has no place.
    pub fn of(file: &Path) -> Result<Format> {
        check_directory(file)?;
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("json") => Ok(Format::Json),
            Some("csv") => Ok(Format::Csv),
            Some("html") => Ok(Format::Html),
            _ => Err(Error::file(file, "unknown kind of report; end it with .json, .csv or .html")),
        }
    }
}

/// Checks that there is a directory to write a file to.
///
/// # Errors
/// [`Error::File`].
pub fn check_directory(file: &Path) -> Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    if directory.is_some_and(|directory| !directory.is_dir()) {
        return Err(Error::file(file, "its directory does not exist; make it first"));
    }
    Ok(())
}

impl Report {
    /// Writes the report in the form that the file's ending asks for.
    ///
    /// # Errors
    /// As [`Format::of`], and [`Error::Run`] if the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = match Format::of(file)? {
            Format::Json => self.json(),
            Format::Csv => self.csv(),
            Format::Html => html::page(self),
        };
        let failed = |error| Error::Run(format!("{}: cannot be written: {error}", file.display()));
        std::fs::write(file, text).map_err(failed)
    }

    /// The object.
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a report has only plain values");
        text + "\n"
    }

    /// A row a layer, and a row of totals; what is not known is empty.
    pub fn csv(&self) -> String {
        let links: Vec<String> = Link::ALL.iter().map(Link::to_string).collect();
        let mut text = format!(
            "layer,op,output_shape,paper_rounds,paper_mb,predicted_rounds,predicted_bytes,\
             measured_rounds,measured_bytes,{},seconds,critical_path,nonlinear_values,parameters,\
             macs\n",
            links.join(",")
        );
        for layer in &self.layers {
            let head = [quoted(&layer.name), quoted(&layer.op), shape_text(&layer.output_shape)];
            text += &csv_row(head, layer.paper, layer.predicted, layer.measured, layer.seconds);
            text += &csv_size(layer.critical_path, layer.size);
        }
        let Totals { paper, predicted, measured, seconds, critical_path, size, .. } = self.totals;
        let head = ["total".into(), String::new(), String::new()];
        let seconds = seconds.map(|seconds| seconds.total);
        text += &csv_row(head, paper, predicted, measured, seconds);
        text += &csv_size(critical_path, size);
        text
    }
}

fn shape_of(dims: Dims) -> Vec<usize> {
    match dims {
        Dims { channels, height: 1, width: 1 } => vec![channels],
        Dims { channels, height, width } => vec![channels, height, width],
    }
}

/// `16x8x8`.
pub fn shape_text(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

impl Layer {
    /// What can be said of the layers before they run. `depths` are the causal depths that they
    /// end at.
    pub fn predicted(costs: &[LayerCost], depths: &[u32]) -> Vec<Layer> {
        let mut deepest = 0;
        let layer = |(cost, &depth): (&LayerCost, &u32)| {
            let before = deepest;
            deepest = before.max(depth);
            Layer::of(cost, deepest - before)
        };
        costs.iter().zip(depths).map(layer).collect()
    }

    fn of(cost: &LayerCost, critical_path: u32) -> Layer {
        Layer {
            name: cost.name.clone(),
            op: cost.op.to_string(),
            output_shape: shape_of(cost.output_shape),
            paper: cost.paper.map(PaperCost::from),
            predicted: Some(Traffic {
                rounds: cost.predicted.rounds(),
                bytes: cost.predicted.bytes(),
                links: cost.predicted.links(),
                ahead_bytes: cost.predicted.ahead_links().total(),
            }),
            measured: None,
            seconds: None,
            critical_path,
            bound: cost.bound,
            size: Some(Size {
                nonlinear_values: cost.nonlinear_values,
                parameters: cost.parameters,
                macs: cost.macs,
            }),
        }
    }
}

impl Totals {
    /// The sums over these layers.
    pub fn of(layers: &[Layer]) -> Totals {
        let paper = layers.iter().filter_map(|layer| layer.paper);
        let predicted = sum(layers.iter().map(|layer| layer.predicted));
        let measured = sum(layers.iter().map(|layer| layer.measured));
        let all = measured.or(predicted).unwrap_or_default();
        let setup = layers.iter().filter(|layer| layer.op == SETUP);
        let setup_bytes =
            setup.map(|layer| layer.measured.or(layer.predicted).unwrap_or_default().bytes);
        let setup_bytes = setup_bytes.sum();
        Totals {
            paper: paper.reduce(|a, b| PaperCost { rounds: a.rounds + b.rounds, mb: a.mb + b.mb }),
            critical_path: layers.iter().map(|layer| layer.critical_path).sum(),
            overlap: false,
            size: layers.iter().map(|layer| layer.size).sum(),
            setup_bytes,
            offline_bytes: all.ahead_bytes - setup_bytes,
            online_bytes: all.bytes - all.ahead_bytes,
            predicted,
            measured,
            wire_bytes: None,
            seconds: None,
            cpu_seconds: BTreeMap::new(),
            peak_rss_mb: BTreeMap::new(),
        }
    }

    /// Counts rounds as the order of the run has it.
    pub fn in_order(mut self, layers: &[Layer], cost: &NetworkCost) -> Totals {
        let chain = |traffic: Option<Traffic>, of: fn(&Layer) -> Option<Traffic>| {
            let rounds = layers.iter().map(|layer| of(layer).unwrap_or_default().rounds);
            let rounds = cost.longest_chain(&rounds.collect::<Vec<_>>());
            traffic.map(|traffic| Traffic { rounds, ..traffic })
        };
        self.predicted = chain(self.predicted, |layer| layer.predicted);
        self.measured = chain(self.measured, |layer| layer.measured);
        self.overlap = cost.order == Order::Overlapped;
        self
    }

    /// Whether anything goes ahead of the query.
    pub fn sent_ahead(&self) -> bool {
        self.setup_bytes + self.offline_bytes > 0
    }

    /// Adds what the parties' processes used.
    pub fn with_usage<'r>(mut self, records: impl IntoIterator<Item = &'r Record>) -> Totals {
        for record in records {
            let role = record.role.name();
            self.cpu_seconds.insert(role, record.usage.cpu_seconds);
            self.peak_rss_mb.insert(role, record.usage.peak_rss_mb);
            *self.wire_bytes.get_or_insert(0) += record.wire.total();
        }
        self
    }
}

impl Sum for Size {
    fn sum<I: Iterator<Item = Size>>(parts: I) -> Size {
        parts.fold(Size::default(), |sum, part| Size {
            nonlinear_values: sum.nonlinear_values + part.nonlinear_values,
            parameters: sum.parameters + part.parameters,
            macs: sum.macs + part.macs,
        })
    }
}

impl From<Paper> for PaperCost {
    fn from(paper: Paper) -> PaperCost {
        PaperCost { rounds: paper.rounds, mb: paper.megabytes() }
    }
}

/// Puts together what all parties saw, layer by layer as predicted, and compares. `depths`
/// are the causal depths that the layers should end at.
///
/// # Errors
/// [`Error::Run`] naming the first layer and link where sent, received and predicted differ.
pub fn merge(costs: &[LayerCost], depths: &[u32], records: &[Record]) -> Result<Vec<Layer>> {
    let mut layers = Layer::predicted(costs, depths);
    for ((cost, &depth), layer) in costs.iter().zip(depths).zip(&mut layers) {
        let mut seen = records.iter().filter_map(|record| record.layer(&cost.name));
        let mut merged = seen.next().cloned().unwrap_or_else(|| unseen(&cost.name));
        seen.for_each(|other| merged.merge(other));
        compare(cost, depth, &merged)?;
        layer.measured = Some(Traffic {
            rounds: merged.rounds(),
            bytes: merged.sent.total(),
            links: merged.sent,
            ahead_bytes: merged.ahead.total(),
        });
        let spent = |role: Role, of: fn(&LayerMeasurement) -> f64| {
            let record = records.iter().find(|record| record.role == role);
            record.and_then(|record| record.layer(&cost.name)).map_or(0.0, of)
        };
        let ahead =
            [Role::ModelOwner, Role::DataOwner].map(|role| spent(role, |seen| seen.ahead_seconds));
        let online = spent(Role::DataOwner, |seen| seen.seconds);
        layer.seconds = Some(ahead[0].max(ahead[1]) + online);
    }
    let known = |name: &str| costs.iter().any(|cost| cost.name == name);
    for record in records {
        if let Some(extra) = record.layers.iter().find(|layer| !known(&layer.name)) {
            let (role, layer) = (record.role, &extra.name);
            return Err(Error::Run(format!(
                "the {role} ran layer {layer}, which no one predicted"
            )));
        }
    }
    Ok(layers)
}

/// What one party saw, compared with the prediction for the links that it is an end of.
///
/// # Errors
/// [`Error::Run`] naming the first layer and link where they differ.
pub fn own_view(costs: &[LayerCost], depths: &[u32], record: &Record) -> Result<Vec<Layer>> {
    costs
        .iter()
        .zip(Layer::predicted(costs, depths))
        .map(|(cost, mut layer)| {
            let unseen = unseen(&cost.name);
            let seen = record.layer(&cost.name).unwrap_or(&unseen);
            let predicted = cost.predicted.links();
            for link in Link::ALL {
                let got = match record.role {
                    role if role == link.from => seen.sent[link],
                    role if role == link.to => seen.received[link],
                    _ => continue,
                };
                if got != predicted[link] {
                    let (name, due) = (&cost.name, predicted[link]);
                    return Err(Error::Run(format!(
                        "layer {name}, link {link}: {due} bytes predicted, {got} seen"
                    )));
                }
            }
            let links = seen.sent + seen.received;
            // A party counts ahead only what it sent itself; the rest is as predicted.
            let ahead = cost.predicted.ahead_links();
            let own =
                Link::ALL.into_iter().filter(|link| [link.from, link.to].contains(&record.role));
            layer.measured = Some(Traffic {
                rounds: seen.rounds(),
                bytes: links.total(),
                links,
                ahead_bytes: own.map(|link| ahead[link]).sum(),
            });
            layer.seconds = Some(seen.seconds + seen.ahead_seconds);
            Ok(layer)
        })
        .collect()
}

fn compare(cost: &LayerCost, depth: u32, seen: &LayerMeasurement) -> Result<()> {
    let layer = &cost.name;
    let predicted = cost.predicted.links();
    for link in Link::ALL {
        let (sent, received, due) = (seen.sent[link], seen.received[link], predicted[link]);
        if sent != due || received != due {
            return Err(Error::Run(format!(
                "layer {layer}, link {link}: {due} bytes predicted, {sent} sent, {received} received"
            )));
        }
    }
    if seen.ahead != cost.predicted.ahead_links() {
        return Err(Error::Run(format!(
            "layer {layer}: {} predicted ahead of the query, {} measured",
            cost.predicted.ahead_links(),
            seen.ahead
        )));
    }
    let differ = |what: &str, due: u64, got: u64| {
        Err(Error::Run(format!("layer {layer}: {due} {what} predicted, {got} measured")))
    };
    if seen.rounds() != cost.predicted.rounds() {
        return differ("rounds", cost.predicted.rounds(), seen.rounds());
    }
    // A layer that sends nothing may not have been measured at all.
    if seen.rounds() > 0 && seen.depth != depth {
        return differ("as critical path", depth.into(), seen.depth.into());
    }
    Ok(())
}

fn unseen(name: &str) -> LayerMeasurement {
    LayerMeasurement {
        name: name.to_owned(),
        sent: Links::default(),
        received: Links::default(),
        ahead: Links::default(),
        phases: Default::default(),
        depth: 0,
        seconds: 0.0,
        ahead_seconds: 0.0,
    }
}

fn sum(mut parts: impl Iterator<Item = Option<Traffic>>) -> Option<Traffic> {
    parts.try_fold(Traffic::default(), |sum, part| {
        let part = part?;
        Some(Traffic {
            rounds: sum.rounds + part.rounds,
            bytes: sum.bytes + part.bytes,
            links: sum.links + part.links,
            ahead_bytes: sum.ahead_bytes + part.ahead_bytes,
        })
    })
}

fn csv_row(
    head: [String; 3],
    paper: Option<PaperCost>,
    predicted: Option<Traffic>,
    measured: Option<Traffic>,
    seconds: Option<f64>,
) -> String {
    let mut row = head.to_vec();
    row.push(cell(paper.map(|paper| paper.rounds)));
    row.push(cell(paper.map(|paper| paper.mb)));
    for traffic in [predicted, measured] {
        row.push(cell(traffic.map(|traffic| traffic.rounds)));
        row.push(cell(traffic.map(|traffic| traffic.bytes)));
    }
    let links = measured.or(predicted).map(|traffic| traffic.links);
    row.extend(Link::ALL.map(|link| cell(links.map(|links| links[link]))));
    row.push(cell(seconds));
    row.join(",")
}

fn csv_size(critical_path: u32, size: Option<Size>) -> String {
    let values = size.map(|size| [size.nonlinear_values, size.parameters, size.macs]);
    let cells = values.map_or([None; 3], |values| values.map(Some)).map(cell);
    format!(",{critical_path},{}\n", cells.join(","))
}

fn cell(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// A cell of a CSV file.
pub fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use protocols::Cost;

    use super::*;
    use crate::party::process::Usage;

    const P0_TO_P1: Link = Link { from: Role::ModelOwner, to: Role::DataOwner };

    fn costs() -> Vec<LayerCost> {
        let layer = |name: &str, predicted: Cost| LayerCost {
            name: name.into(),
            op: "conv",
            output_shape: Dims::new(2, 3, 4),
            paper: Some(Paper { rounds: 2, bits: 8e6 }),
            predicted,
            nonlinear_values: 0,
            parameters: 0,
            macs: 0,
            bound: None,
        };
        vec![layer("a,b", Cost::none().exchange(1, 8)), layer("c", Cost::none())]
    }

    /// The depths that [`costs`] end at.
    const DEPTHS: [u32; 2] = [1, 1];

    /// What three parties see that do as predicted.
    fn records() -> [Record; 3] {
        let record = |role: Role| {
            let layer = |(name, depth): (&str, u32)| {
                let mut seen = LayerMeasurement { depth, seconds: 0.25, ..unseen(name) };
                if depth > 0 && name == "a,b" && role != Role::CryptoProducer {
                    let other = role.others()[0];
                    seen.sent[Link::new(role, other)] = 8;
                    seen.received[Link::new(other, role)] = 8;
                    seen.phases.insert(1);
                }
                seen
            };
            let layers = [("a,b", 1), ("c", 1)].into_iter().map(layer).collect();
            let usage = Usage { cpu_seconds: 1.0, peak_rss_mb: 2.0 };
            let seconds = Default::default();
            let wire = Links::default();
            let (setup_kept, stock) = (false, None);
            Record { role, images: 1, layers, wire, seconds, usage, setup_kept, stock }
        };
        Role::ALL.map(record)
    }

    #[test]
    fn sums_of_layers_are_totals() {
        let layers = merge(&costs(), &DEPTHS, &records()).unwrap();
        let totals = Totals::of(&layers).with_usage(&records());
        assert_eq!(layers[0].seconds, Some(0.25));
        assert_eq!(totals.paper, Some(PaperCost { rounds: 4, mb: 2.0 }));
        assert_eq!(totals.predicted, totals.measured);
        assert_eq!((totals.online_bytes, totals.critical_path), (16, 1));
        assert_eq!(totals.cpu_seconds.values().sum::<f64>(), 3.0);
    }

    #[test]
    fn every_difference_is_named() {
        let complaint = |change: fn(&mut [Record; 3])| {
            let mut records = records();
            change(&mut records);
            merge(&costs(), &DEPTHS, &records).unwrap_err().to_string()
        };
        let sent = complaint(|records| records[0].layers[0].sent[P0_TO_P1] = 9);
        assert_eq!(sent, "layer a,b, link P0->P1: 8 bytes predicted, 9 sent, 8 received");
        let received = complaint(|records| records[1].layers[0].received[P0_TO_P1] = 7);
        assert_eq!(received, "layer a,b, link P0->P1: 8 bytes predicted, 8 sent, 7 received");
        let rounds = complaint(|records| {
            records[2].layers[0].phases.insert(2);
        });
        assert_eq!(rounds, "layer a,b: 1 rounds predicted, 2 measured");
        let depth = complaint(|records| records[0].layers[0].depth = 5);
        assert_eq!(depth, "layer a,b: 1 as critical path predicted, 5 measured");
        let extra = complaint(|records| records[2].layers[1].name = "x".into());
        assert_eq!(extra, "the crypto-producer ran layer x, which no one predicted");
        let missing = complaint(|records| records[1].layers.clear());
        assert_eq!(missing, "layer a,b, link P0->P1: 8 bytes predicted, 8 sent, 0 received");
    }

    #[test]
    fn a_party_checks_its_own_links() {
        let [mut own, ..] = records();
        let layers = own_view(&costs(), &DEPTHS, &own).unwrap();
        assert_eq!(layers[0].measured.unwrap().links[P0_TO_P1], 8);
        own.layers[0].sent[P0_TO_P1] = 9;
        let message = own_view(&costs(), &DEPTHS, &own).unwrap_err().to_string();
        assert_eq!(message, "layer a,b, link P0->P1: 8 bytes predicted, 9 seen");
    }

    #[test]
    fn names_cannot_break_a_row() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("conv1"), "conv1");
    }

    #[test]
    fn a_report_file_is_known_by_its_ending() {
        assert_eq!(Format::of(Path::new("x.csv")).unwrap(), Format::Csv);
        let message = Format::of(Path::new("x")).unwrap_err().to_string();
        assert_eq!(message, "x: unknown kind of report; end it with .json, .csv or .html");
    }
}
