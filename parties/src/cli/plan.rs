//! `tercet plan`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nets::{
    ActivationPlan, SuiteName, Weights, plans,
    zoo::{Published, Ratios},
};
use serde_json::{Value, json};

use super::{
    arguments::absolute,
    links::{LinkArgs, number, positive},
    output::say,
};
use crate::{
    config::{Config, parse_suite},
    error::{Error, Result},
    party::Task,
    planner::{
        points::{self, Point},
        pricing::Pricing,
        results::{Failure, Found, Results, Settings},
        trainer::{Data, Next, Said, Start, Trainer},
    },
    report::{Table, thousands},
};

/// Search plans of activations that cost less: which are exchanged for polynomials, made partial or
/// removed, channel by channel, and which max pools average.
///
/// A plan's cost is what the ledger will count, or with --link, --rtt and --bandwidth the time from
/// the query to the result. Its accuracy is that of a net trained for it, by Python, PyTorch and
/// Ray (scripts/planner). DIR gets the plans that no other beats, as front.csv, front.json and
/// front.svg, and for each a folder with a config, a plan and weights, for `tercet run
/// DIR/01/config.toml`. A search that was interrupted goes on when it is started again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The config, with the model owner's trained weights.
    config: PathBuf,
    /// Where to write what is found.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The data set to train on: digits, mnist, fashion-mnist, cifar10 or cifar100.
    #[arg(long, value_name = "NAME", default_value = "digits")]
    data: String,
    /// The folder of the data set; digits come with the repository.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Keep plans that get at least this share of the images right, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    accuracy: f64,
    /// Override the config's protocol suite.
    #[arg(long, value_parser = parse_suite)]
    suite: Option<SuiteName>,
    #[command(flatten)]
    links: LinkArgs,
    /// What is good: safenet weighs accuracy with the cost saved, channel by channel; delphi with
    /// the activations exchanged, layer by layer.
    #[arg(long, value_enum, default_value_t)]
    score: Score,
    /// How to search: pbt trains a population of plans for one cost after the other (Delphi), tree
    /// halves groups of layers that have one plan in common (SAFENet).
    #[arg(long, value_enum, default_value_t)]
    search: Search,
    /// For how many costs, from that of the network to that of none of its activations.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(2..=1000)
    )]
    points: u32,
    /// How long to search, in minutes, earlier searches in DIR included.
    #[arg(long, value_name = "MINUTES", default_value_t = 30.0, value_parser = positive)]
    time: f64,
    /// How many plans to train side by side. Default: as many as there are cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    workers: Option<u32>,
    /// The Python that has PyTorch and Ray.
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// A shell command that searches instead, or `none`: then plans are made by cost and weights
    /// alone, and how accurate they are is unknown.
    #[arg(long, value_name = "COMMAND", conflicts_with = "python")]
    trainer: Option<String>,
    /// The seed of the search's random choices.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Score {
    #[default]
    Safenet,
    Delphi,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Search {
    #[default]
    Pbt,
    Tree,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let mut config = Config::load(&args.config)?;
    let link = args.links.model()?.map(|(_, model)| model);
    check_is_own(&config)?;
    // They are those of the original network.
    config.protocol.bounds = None;
    let task = Task::from_config(&config, args.suite)?;
    if config.model_owner()?.weights.is_none() && !config.network.has_weights() {
        let what = "`model-owner.weights` is left out: a plan is searched for a trained network";
        return Err(Error::file(&config.file, what));
    }
    let weights = task.weights(&config)?;
    let pricing = Pricing {
        graph: task.graph().clone(),
        suite: task.suite.name(),
        protocol: config.protocol.clone(),
        output: task.suite.output(),
        link,
    };
    let bytes = weights.to_safetensors(&pricing.graph);
    let settings = Settings {
        network: pricing.graph.hash().to_hex().to_string(),
        weights: blake3::hash(&bytes).to_hex().to_string(),
        suite: pricing.suite.name().into(),
    };
    let mut results = Results::open(&args.out, &settings)?;
    points::write_file(&args.out.join(OWN), &bytes)?;
    let graph = serde_json::to_string(&pricing.graph).expect("a graph has no odd keys");
    points::write_file(&args.out.join(points::GRAPH), graph.as_bytes())?;

    let ended = match args.trainer.as_deref() {
        Some("none") => rank(args, &pricing, &weights, &mut results),
        command => match search(args, command, &pricing, &mut results) {
            Err(error) if command.is_none() && !python_is_there(&args.python) => {
                eprintln!("warning: {error}: plans are made by cost and weights alone");
                rank(args, &pricing, &weights, &mut results)
            }
            other => other,
        },
    };
    let own_bytes = pricing.cost(&ActivationPlan::default())?.online_bytes;
    let places = places(&results, args.accuracy);
    let suite = pricing.suite.name();
    let points = points::write(&results, &places, own_bytes, args.accuracy, &config, suite)?;
    say(&text_of(&points, &results, &pricing, args))?;
    ended
}

/// A plan says what differs from the network's own activations, so these have to be in place.
fn check_is_own(config: &Config) -> Result<()> {
    let network = &config.network;
    let original = Published::named(&network.net).map(|net| Ratios::original(net.kind()));
    let own = network.ratios.is_none() || network.ratios == original;
    if own && network.activation_plan.is_none() {
        return Ok(());
    }
    let what =
        "`network.plan`: a search begins with the network's own activations; leave the plan out";
    Err(Error::file(&config.file, what))
}

/// Lets another program search, and adds its results. Those until then count also where it fails.
fn search(
    args: &Args,
    command: Option<&str>,
    pricing: &Pricing,
    results: &mut Results,
) -> Result<()> {
    let mut trainer = start(args, command, pricing)?;
    let until = Instant::now() + Duration::from_secs_f64(60.0 * args.time) + PATIENCE;
    let mut spoke = false;
    loop {
        match trainer.next(until) {
            Next::Said(Said::Done {}) => {
                return match trainer.end() {
                    None => Ok(()),
                    Some(how) => Err(Error::Run(format!("the trainer was done, but then: {how}"))),
                };
            }
            Next::Said(said) => {
                spoke = true;
                take(said, pricing, results, &mut trainer)?;
            }
            Next::Nonsense(what) => fail(results, Value::Null, format!("the trainer said {what}"))?,
            Next::Gone => {
                let how = trainer.end().unwrap_or_else(|| "it ended".into());
                let advice = if spoke || command.is_some() {
                    "what it found by then is kept"
                } else {
                    "its own words are above; --python takes another Python, and --trainer none \
                     does without"
                };
                return Err(Error::Run(format!("the trainer is gone ({how}): {advice}")));
            }
            Next::Silent => {
                let minutes = PATIENCE.as_secs() / 60;
                return Err(Error::Run(format!(
                    "the trainer did not end within {minutes} minutes of its time: what it found \
                     by then is kept"
                )));
            }
        }
    }
}

/// Starts the trainer.
fn start(args: &Args, command: Option<&str>, pricing: &Pricing) -> Result<Trainer> {
    let out = absolute(&args.out)?;
    let data =
        Data { name: args.data.clone(), path: args.path.as_deref().map(absolute).transpose()? };
    let start = Start {
        graph: &pricing.graph,
        sites: &plans::sites(&pricing.graph),
        pools: &plans::pools(&pricing.graph),
        weights: out.join(OWN),
        data,
        floor: args.accuracy,
        score: args.score.name(),
        search: args.search.name(),
        points: args.points as usize,
        seconds: 60.0 * args.time,
        seed: args.seed,
        out,
        workers: args.workers.map_or_else(cores, |workers| workers as usize),
    };
    Trainer::start(program(args, command)?, &start)
}

/// Acts on a trainer's message.
fn take(said: Said, pricing: &Pricing, results: &mut Results, trainer: &mut Trainer) -> Result<()> {
    match said {
        Said::Cost { id, plans } => {
            // One that is gone is found so when it is heard.
            let _ = trainer.answer(id, &costs(&plans, pricing));
            Ok(())
        }
        Said::Result { plan, accuracy, held_out, weights, epochs } => {
            match checked(&plan, accuracy, held_out, &weights, pricing) {
                Ok(found) => {
                    let found = Found { epochs, ..found };
                    eprintln!("{}", line(&found, results.found.len() + 1, pricing)?);
                    results.add(found, Some(&weights))
                }
                Err(error) => fail(results, plan, error.to_string()),
            }
        }
        Said::Failure { plan, reason } => fail(results, plan, reason),
        Said::Progress { run, seconds_left } => {
            let left = Duration::try_from_secs_f64(seconds_left).unwrap_or_default().as_secs();
            eprintln!("  {run}: {}:{:02} left", left / 60, left % 60);
            Ok(())
        }
        Said::Done {} => Ok(()),
    }
}

/// The costs of plans, each core taking a part of them.
fn costs(plans: &[Value], pricing: &Pricing) -> Vec<Value> {
    let cost = |plan: &Value| match parse(plan).and_then(|plan| pricing.cost(&plan)) {
        Ok(cost) => json!(cost),
        Err(error) => json!({ "error": error.to_string() }),
    };
    let part = plans.len().div_ceil(cores()).max(1);
    thread::scope(|scope| {
        let threads: Vec<_> = plans
            .chunks(part)
            .map(|plans| scope.spawn(move || plans.iter().map(cost).collect::<Vec<Value>>()))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended.flat_map(|costs| costs.expect("costs do not panic")).collect()
    })
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A result, if the plan fits this network, its accuracies are from 0 to 1, and its weights fit the
/// plan and can be shared.
fn checked(
    plan: &Value,
    accuracy: f64,
    held_out: Option<f64>,
    weights: &Path,
    pricing: &Pricing,
) -> Result<Found> {
    let plan = parse(plan)?;
    for share in [Some(accuracy), held_out].into_iter().flatten() {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::Run(format!("an accuracy of {share}, which is not from 0 to 1")));
        }
    }
    let task = pricing.task(&plan)?;
    let read = Weights::read(weights, task.graph())?;
    task.encode(&read)?;
    let cost = pricing.cost(&plan)?;
    Ok(Found { plan, cost, accuracy: Some(accuracy), held_out, epochs: None, weights: None })
}

fn parse(plan: &Value) -> Result<ActivationPlan> {
    serde_json::from_value(plan.clone()).map_err(|error| Error::Run(format!("no plan: {error}")))
}

fn fail(results: &mut Results, plan: Value, reason: String) -> Result<()> {
    eprintln!("failed: {reason}");
    results.fail(Failure { plan, reason })
}

/// Plans without any training.
fn rank(args: &Args, pricing: &Pricing, weights: &Weights, results: &mut Results) -> Result<()> {
    let cost = |plan: &ActivationPlan| pricing.cost(plan).map(|cost| cost.cost);
    for plan in plans::ranked(&pricing.graph, weights, args.points as usize, cost)? {
        if results.found.iter().any(|found| found.plan == plan) {
            continue;
        }
        let cost = pricing.cost(&plan)?;
        let unknown =
            Found { plan, cost, accuracy: None, held_out: None, epochs: None, weights: None };
        results.add(unknown, None)?;
    }
    Ok(())
}

/// The program that searches.
fn program(args: &Args, command: Option<&str>) -> Result<Command> {
    let Some(command) = command else {
        // A name is looked for as always; a path is from here, where the planner does not start.
        let is_path = args.python.components().count() > 1;
        let python = if is_path { absolute(&args.python)? } else { args.python.clone() };
        let mut program = Command::new(python);
        program.args(["-m", "planner"]).current_dir(scripts());
        return Ok(program);
    };
    let mut program = Command::new("sh");
    program.args(["-c", command]);
    Ok(program)
}

/// Where the repository's scripts are: below this directory, or where this was built.
fn scripts() -> PathBuf {
    let here = Path::new("scripts");
    if here.join("planner").is_dir() {
        here.to_owned()
    } else {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts")
    }
}

fn python_is_there(python: &Path) -> bool {
    Command::new(python).arg("--version").output().is_ok()
}

/// The places of the original network and the Pareto front; where no accuracy is known, of all
/// plans.
fn places(results: &Results, floor: f64) -> Vec<usize> {
    let mut places = results.front(floor);
    if places.is_empty() && results.found.iter().all(|found| found.accuracy.is_none()) {
        places = (0..results.found.len()).collect();
        places.sort_by(|&a, &b| {
            let cost = |place: usize| results.found[place].cost.cost;
            cost(b).total_cmp(&cost(a))
        });
    }
    let own = results.original().filter(|own| !places.contains(own));
    own.into_iter().chain(places).collect()
}

/// One result in a line.
fn line(found: &Found, number: usize, pricing: &Pricing) -> Result<String> {
    let own = pricing.cost(&ActivationPlan::default())?;
    Ok(format!(
        "plan {number}: {} right, {} held out, {:.1}% of the online bytes, {} rounds",
        percent(found.accuracy),
        percent(found.held_out),
        100.0 * found.cost.online_bytes as f64 / own.online_bytes.max(1) as f64,
        found.cost.rounds,
    ))
}

fn percent(share: Option<f64>) -> String {
    share.map_or("unknown".into(), |share| format!("{:.2}%", 100.0 * share))
}

fn text_of(points: &[Point], results: &Results, pricing: &Pricing, args: &Args) -> String {
    let mut table = Table::new(
        1,
        &[[
            "point",
            "accuracy",
            "held out",
            "online bytes",
            "share",
            "offline bytes",
            "rounds",
            "online s",
        ]],
    );
    for Point { point, online_share, found } in points {
        table.row([
            point.clone(),
            percent(found.accuracy),
            percent(found.held_out),
            thousands(found.cost.online_bytes),
            format!("{:.1}%", 100.0 * online_share),
            thousands(found.cost.offline_bytes),
            found.cost.rounds.to_string(),
            found.cost.online_seconds.map_or("-".into(), |seconds| format!("{seconds:.3}")),
        ]);
    }
    let head = format!(
        "{}, {}: {} plans tried, {} failures\n",
        pricing.graph.name(),
        pricing.suite,
        results.found.len(),
        results.failures.len()
    );
    let tail = match points.last() {
        Some(last) => {
            let out = args.out.display();
            format!("{out}/front.svg is a picture; tercet run {out}/{}/config.toml\n", last.point)
        }
        None => "no plan reaches --accuracy\n".to_owned(),
    };
    [head, table.to_string(), tail].join("\n")
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let share = number(text).filter(|share| *share <= 1.0);
    share.ok_or("a share from 0 to 1".into())
}

impl Score {
    const fn name(self) -> &'static str {
        match self {
            Score::Safenet => "safenet",
            Score::Delphi => "delphi",
        }
    }
}

impl Search {
    const fn name(self) -> &'static str {
        match self {
            Search::Pbt => "pbt",
            Search::Tree => "tree",
        }
    }
}

/// The network's weights, as the trainer reads them.
const OWN: &str = "own.safetensors";

/// How long a trainer may go on after its time: it ends what it has begun.
const PATIENCE: Duration = Duration::from_secs(600);
