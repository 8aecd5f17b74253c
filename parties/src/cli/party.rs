//! `tercet party`.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

use nets::Output;
use protocols::Role;

use super::{predictions, say};
use crate::{
    config::Config,
    connect::Bound,
    data::Window,
    error::{Error, Result},
    launched,
    party::{Inputs, Record, connect},
    process,
    report::{self, Format, Report, Seconds, Totals},
    survey,
    task::Task,
    tls::{Identity, Trust},
};

/// Run one party, for real hosts.
///
/// Start the three in any order, each with a config that has the shared tables and its own. The
/// data owner prints its predictions, or writes them where its config says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// model-owner, data-owner or crypto-producer.
    role: Role,
    /// The config.
    #[arg(long, value_name = "CONFIG", required_unless_present = "launched")]
    config: Option<PathBuf>,
    /// Override what the data owner learns: logits, or the label alone. The same at all three.
    #[arg(long, value_name = "WHAT")]
    output: Option<Output>,
    /// Write a report of what this party saw: .json, .csv or .html.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Take orders from a launcher on standard input.
    #[arg(long, hide = true, conflicts_with_all = ["config", "output", "report"])]
    launched: bool,
}

/// What `tercet party` came to.
pub enum End {
    /// All is done.
    Done,
    /// It failed with this exit code, and the launcher has been told.
    Told(u8),
}

pub fn run(args: &Args) -> Result<End> {
    process::forbid_dumps()?;
    process::keep_freed_memory();
    let Some(file) = &args.config else {
        let result = launched::run(args.role);
        return Ok(result.map_or_else(|error| End::Told(error.exit_code()), |()| End::Done));
    };
    if let Some(report) = &args.report {
        Format::of(report)?;
    }
    let mut config = Config::load(file)?;
    config.network.output = args.output.unwrap_or(config.network.output);
    by_hand(args.role, &config, args.report.as_deref()).map(|()| End::Done)
}

fn by_hand(role: Role, config: &Config, report: Option<&Path>) -> Result<()> {
    let task = Task::of(config, None)?;
    let inputs = match role {
        Role::ModelOwner => {
            let (model, encoded) = task.model(config)?;
            if let Some(doubt) = survey::check(&task, config, &model)? {
                tracing::warn!("{doubt}");
            }
            Inputs::Model(encoded)
        }
        Role::DataOwner | Role::CryptoProducer => task.inputs(role, config, Window::default())?,
    };
    for what in config.random_inputs(&[role]) {
        tracing::warn!("{what} are random, the same in every run: the classes mean nothing");
    }
    let predictions = match role {
        Role::DataOwner => predictions::file(config)?,
        Role::ModelOwner | Role::CryptoProducer => None,
    };
    let (identity, trust) = identify(role, config)?;
    let bound = bind(role, config)?;
    let [a, b, c] = Role::ALL.map(|other| address_of(other, config));
    let addresses = [a?, b?, c?];
    tracing::info!("{role} listens on {}", bound.local_addr());
    let agreement = task.agreement();
    let party = connect(bound, identity, trust, addresses, agreement, &config.protocol)?;
    tracing::info!("all three parties are connected");
    let (record, results) = party.evaluate(&task, &inputs, &|_| {})?;
    if role == Role::DataOwner {
        let first = config.data_owner()?.first;
        match predictions {
            Some(file) => predictions::write(&task, first, &results, file)?,
            None => say(&predictions::csv(&task, first, &results))?,
        }
    }
    let report_of = own_report(&task, config, &record)?;
    report.map_or(Ok(()), |file| report_of.write(file))
}

fn identify(role: Role, config: &Config) -> Result<(Identity, Trust)> {
    let mut certificates = Vec::with_capacity(3);
    for (other, host) in Role::ALL.into_iter().zip(&config.hosts) {
        let file = config.required(&host.certificate, &format!("certificates.{other}"))?;
        certificates.push(file.clone());
    }
    let certificates: [PathBuf; 3] = certificates.try_into().expect("one for each role");
    let key = config.required(&config.hosts[role.index()].key, &format!("{role}.key"))?;
    let identity = Identity::load(role, &certificates[role.index()], key)?;
    Ok((identity, Trust::load(&certificates)?))
}

fn bind(role: Role, config: &Config) -> Result<Bound> {
    let address = match config.hosts[role.index()].bind {
        Some(address) => address,
        None => address_of(role, config)?,
    };
    Bound::bind(address).map_err(|error| {
        let what =
            format!("cannot bind UDP {address}: {error}; set `{role}.bind` or free the port");
        Error::file(&config.file, what)
    })
}

fn address_of(role: Role, config: &Config) -> Result<SocketAddr> {
    let key = format!("addresses.{role}");
    let address = config.required(&config.hosts[role.index()].address, &key)?;
    let unknown = |why: String| {
        Error::file(
            &config.file,
            format!("`{key}` is \"{address}\", which does not resolve: {why}"),
        )
    };
    let mut found = address.to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
    found.next().ok_or_else(|| unknown("no address".into()))
}

/// What this party alone saw, compared with the prediction for its links.
fn own_report(task: &Task, config: &Config, record: &Record) -> Result<Report> {
    let cost = task.cost(record.images).map_err(|error| Error::Run(error.to_string()))?;
    let layers = report::own_view(&cost.layers, &cost.depths(), record)?;
    let mut totals = Totals::of(&layers).in_order(&layers, &cost);
    totals = totals.with_usage([record]);
    let total = layers.iter().filter_map(|layer| layer.seconds).sum();
    totals.seconds = Some(Seconds::of([record], total));
    Ok(Report {
        suite: task.suite,
        network: Some(task.graph.name().to_owned()),
        images: Some(record.images),
        output: Some(task.output),
        party: Some(record.role),
        bench: None,
        random_inputs: config.random_inputs(&[record.role]),
        estimates: Vec::new(),
        wrong: None,
        layers,
        totals,
        accuracy: None,
        truncation_failure_bound: None,
    })
}
