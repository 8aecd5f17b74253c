//! `tercet party`.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

use nets::Output;
use protocols::Role;

use super::{arguments::batch_size, output::say, predictions, summary};
use crate::{
    config::Config,
    data::ImageRange,
    error::{Error, Result},
    launch::launched,
    link::{Bound, Identity, Trust},
    party::{Inputs, Ready, Record, Task, Work, connect, process, survey},
    report::{self, Material, Report, ReportFormat, Seconds, Totals},
};

/// Run one party, for real hosts.
///
/// Start the three in any order, each with a config that has the shared tables and its own. The
/// data owner prints its predictions, or writes them where its config says. With --material and
/// --deal all three make material for later; with --material alone the model owner and the data
/// owner answer from it, and there is no crypto producer.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// model-owner, data-owner or crypto-producer.
    role: Role,
    /// The config.
    #[arg(long, value_name = "CONFIG", required_unless_present = "launched")]
    config: Option<PathBuf>,
    /// Exchange activations and pools as this plan says: a TOML or JSON file. The same at all
    /// three.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Override what the data owner learns: logits, or the label alone. The same at all three.
    #[arg(long, value_name = "WHAT")]
    output: Option<Output>,
    /// Write a report of what this party saw: .json, .csv or .html.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Answer with the next query of this directory's material (see --deal).
    #[arg(long, value_name = "DIR")]
    material: Option<PathBuf>,
    /// Make material for this number of queries in the --material directory, and answer none.
    #[arg(
        long,
        value_name = "N",
        requires = "material",
        value_parser = clap::value_parser!(u64).range(1..=100_000)
    )]
    deal: Option<u64>,
    /// Images of a dealt query, at the data owner. Default: its config's count.
    #[arg(long, value_name = "N", requires = "deal", value_parser = batch_size())]
    images: Option<u32>,
    /// Take orders from a launcher on standard input.
    #[arg(long, hide = true, conflicts_with_all = ["config", "output", "report", "material"])]
    launched: bool,
}

/// How `tercet party` ended.
pub(super) enum End {
    /// All is done.
    Done,
    /// It failed with this exit code, and the launcher has been told.
    Told(u8),
}

pub(super) fn run(args: &Args) -> Result<End> {
    process::forbid_dumps()?;
    process::keep_freed_memory();
    let Some(file) = &args.config else {
        let result = launched::run(args.role);
        return Ok(result.map_or_else(|error| End::Told(error.exit_code()), |()| End::Done));
    };
    if let Some(report) = &args.report {
        ReportFormat::from_path(report)?;
    }
    let work = args.work();
    if !work.purpose().parties().contains(&args.role) {
        let what =
            "the crypto-producer takes no part in answers from material: it made it with --deal";
        return Err(Error::Usage(what.into()));
    }
    let mut config = Config::load(file)?;
    config.network.set_plan_file(args.plan.as_deref())?;
    config.network.output = args.output.unwrap_or(config.network.output);
    by_hand(args.role, &config, &work, args.report.as_deref()).map(|()| End::Done)
}

impl Args {
    fn work(&self) -> Work {
        match (self.material.clone(), self.deal) {
            (None, _) => Work::Answer,
            (Some(directory), None) => Work::AnswerDealt { directory },
            (Some(directory), Some(queries)) => {
                let images = self.images.map(|images| images as usize);
                Work::Deal { queries, images, directory }
            }
        }
    }
}

fn by_hand(role: Role, config: &Config, work: &Work, report: Option<&Path>) -> Result<()> {
    let task = Task::from_config(config, None)?;
    let inputs = checked_inputs(role, config, &task, work)?;
    let ready = Ready::new(&task, role, config, inputs, work)?;
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
    let agreement = task.agreement(work.purpose());
    let party = connect(bound, identity, trust, addresses, agreement, &config.protocol)?;
    let count = if party.peers.len() == 2 { "three" } else { "two" };
    tracing::info!("all {count} parties are connected");
    let (record, results) = party.run(&task, &ready, &|_| {})?;
    if let Work::Deal { directory, .. } = work {
        let material = Material::from_records([&record]).expect("it was made");
        say(&summary::dealt(directory, &material))?;
    } else if role == Role::DataOwner {
        let first = config.data_owner()?.files.first;
        match predictions {
            Some(file) => predictions::write(&task, first, &results, file)?,
            None => say(&predictions::csv(&task, first, &results))?,
        }
    }
    let report_of = own_report(&task, config, work, &record)?;
    report.map_or(Ok(()), |file| report_of.write(file))
}

/// The inputs of a party. The model owner is warned of layers that could overflow.
fn checked_inputs(role: Role, config: &Config, task: &Task, work: &Work) -> Result<Inputs> {
    match role {
        Role::ModelOwner => {
            let (model, encoded) = task.model(config)?;
            if let Some(doubt) = survey::check(task, config, &model)? {
                tracing::warn!("{doubt}");
            }
            Ok(Inputs::Model(encoded))
        }
        Role::DataOwner | Role::CryptoProducer => {
            task.inputs(role, config, ImageRange::default(), work)
        }
    }
}

fn identify(role: Role, config: &Config) -> Result<(Identity, Trust)> {
    let mut certificates = Vec::with_capacity(3);
    for (other, host) in Role::ALL.into_iter().zip(&config.hosts) {
        let file = config.required(&host.certificate, format!("certificates.{other}"))?;
        certificates.push(file.clone());
    }
    let certificates: [PathBuf; 3] = certificates.try_into().expect("one for each role");
    let key = config.required(&config.hosts[role.index()].key, format!("{role}.key"))?;
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
    let address = config.required(&config.hosts[role.index()].address, key.clone())?;
    let unknown = |why: String| {
        Error::file(
            &config.file,
            format!("`{key}` is \"{address}\", which does not resolve: {why}"),
        )
    };
    let mut found = address.to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
    found.next().ok_or_else(|| unknown("no address".into()))
}

/// The report of this party alone: what it saw, compared with the prediction for its links.
fn own_report(task: &Task, config: &Config, work: &Work, record: &Record) -> Result<Report> {
    let cost = task.cost_for(work.purpose(), record.images, record.setup_kept);
    let cost = cost.map_err(|error| Error::Run(error.to_string()))?;
    let layers = report::own_view(&cost.layers, &cost.depths(), record)?;
    let mut totals = Totals::sum(&layers).in_order(&layers, &cost);
    totals = totals.with_usage([record]);
    let total = layers.iter().filter_map(|layer| layer.seconds).sum();
    totals.seconds = Some(Seconds::from_records([record], total));
    Ok(Report {
        network: Some(task.graph().name().to_owned()),
        images: Some(record.images),
        output: Some(task.suite.output()),
        party: Some(record.role),
        random_inputs: config.random_inputs(&[record.role]),
        material: Material::from_records([record]),
        ..Report::new(task.suite.name(), layers, totals)
    })
}
