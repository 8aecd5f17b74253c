//! The command line: one file a command.

mod accuracy;
mod arguments;
mod bench;
mod calibrate;
mod cost;
mod deal;
mod evaluate;
mod inspect;
mod keygen;
mod links;
mod output;
mod party;
mod plan;
mod predictions;
mod run;
mod summary;
mod systems;
mod tables;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::{Parser, Subcommand, error::ErrorKind};
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Three-party private neural-network inference.
///
/// Exit codes: 0 done; 2 wrong arguments, config or local file, found before any connection; 1
/// anything after.
#[derive(Debug, Parser)]
#[command(name = "tercet", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What to log on standard error: error, warn, info, debug.
    #[arg(long, global = true, default_value = "warn")]
    log: LevelFilter,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Accuracy(accuracy::Args),
    Deal(deal::Args),
    Party(party::Args),
    Cost(cost::Args),
    Plan(plan::Args),
    Inspect(inspect::Args),
    Calibrate(calibrate::Args),
    Tables(tables::Args),
    Bench(bench::Args),
    Keygen(keygen::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            return refused(&error);
        }
    };
    start_log(cli.log);
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Accuracy(args) => accuracy::run(&args),
        Command::Deal(args) => deal::run(&args),
        Command::Party(args) => match party::run(&args) {
            Ok(party::End::Told(exit_code)) => return exit_code.into(),
            other => other.map(|_| ()),
        },
        Command::Cost(args) => cost::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Tables(args) => tables::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Keygen(args) => keygen::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code().into()
        }
    }
}

/// Help as it is; a complaint in one line.
fn refused(error: &clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprintln!("error: no command given; see `tercet --help`");
        return ExitCode::from(2);
    }
    if error.use_stderr() {
        let text = error.render().to_string();
        let ends = |line: &str| line.starts_with("Usage:") || line.starts_with("For more");
        let paragraph: Vec<&str> =
            text.lines().map(str::trim).take_while(|line| !ends(line)).collect();
        let line = paragraph.join(" ");
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        eprintln!("{line}; see `tercet --help`");
        return ExitCode::from(2);
    }
    // Nobody reads a help text from a closed pipe.
    let _ = error.print();
    ExitCode::SUCCESS
}

/// Our own crates log at `level`; libraries warn at most.
fn start_log(level: LevelFilter) {
    let own = ["tercet", "parties", "nets", "protocols"].map(|target| (target, level));
    let filter = tracing_subscriber::filter::Targets::new()
        .with_targets(own)
        .with_default(level.min(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .compact();
    tracing_subscriber::registry().with(filter).with(lines).init();
}
