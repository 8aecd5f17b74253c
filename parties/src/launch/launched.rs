//! A party under the launcher: its orders come over standard input, its answers go over standard
//! output. See [`super::control`].

use std::{
    io::{BufReader, BufWriter, Stdout, stdin, stdout},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};

use protocols::Role;

use super::control::{self, FromParty, Job, ToParty};
use crate::{
    config::{Config, Protocol},
    error::{Error, Result},
    link::{Agreement, Bound, Identity, Trust},
    party::{Connected, Ready, Record, Task, Work, bench, bench_agreement, connect},
};

/// How often the launcher is told of progress, at most.
const PROGRESS: Duration = Duration::from_millis(100);

/// Runs a party under the launcher, which hears of its errors, too.
///
/// # Errors
/// The error of the run, which the launcher has been told.
pub(crate) fn run(role: Role) -> Result<()> {
    let launcher = Launcher::listen();
    let result = work(role, &launcher);
    if let Err(error) = &result {
        let (message, exit_code) = (error.to_string(), error.exit_code());
        launcher.tell(&FromParty::Failed { message, lost: error.blamed_party(), exit_code }, &[]);
    }
    result
}

fn work(role: Role, launcher: &Launcher) -> Result<()> {
    let (ToParty::Job(job), words) = launcher.next()? else { return Err(out_of_turn()) };
    let (record, words) = match job {
        Job::Network {
            config,
            activation_plan,
            suite,
            output,
            range,
            overlap,
            dealt_first,
            work,
        } => {
            let mut config = Config::load(&config)?;
            config.network.activation_plan = activation_plan;
            config.network.output = output;
            config.protocol.overlap |= overlap;
            config.protocol.dealt_first |= dealt_first;
            let task = Task::from_config(&config, suite)?;
            let inputs = task.inputs(role, &config, range, &work)?;
            let ready = Ready::new(&task, role, &config, inputs, &work)?;
            run_network(role, launcher, &config.protocol, &task, &ready, &work)?
        }
        Job::Operation { name, count, suite, conv, bare } => {
            let bench = bench(&name, count, suite, conv, bare)?;
            let protocol = Protocol::default();
            let party = meet(role, launcher, &protocol, bench_agreement(&bench))?;
            let ended = || launcher.tell(&FromParty::Ended, &[]);
            party.operate(&bench, protocol.options, &words, &ended)?
        }
    };
    launcher.tell(&FromParty::Done(Box::new(record)), &words);
    Ok(())
}

fn run_network(
    role: Role,
    launcher: &Launcher,
    protocol: &Protocol,
    task: &Task,
    ready: &Ready,
    work: &Work,
) -> Result<(Record, Vec<u64>)> {
    let party = meet(role, launcher, protocol, task.agreement(work.purpose()))?;
    let told = Mutex::new(Instant::now());
    let ended = |layers: usize| {
        let mut told = told.lock().expect("no panic while locked");
        if layers == task.layer_count() {
            launcher.tell(&FromParty::Ended, &[]);
        } else if told.elapsed() >= PROGRESS {
            *told = Instant::now();
            launcher.tell(&FromParty::Layers(layers), &[]);
        }
    };
    party.run(task, ready, &ended)
}

/// Finds the others through the launcher; returns when all are connected.
fn meet(
    role: Role,
    launcher: &Launcher,
    protocol: &Protocol,
    agreement: Agreement,
) -> Result<Connected> {
    let identity = Identity::generate(role);
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let bound = Bound::bind(any_port)?;
    let (address, certificate) = (bound.local_addr(), identity.certificate().to_vec());
    launcher.tell(&FromParty::Listening { address, certificate }, &[]);
    let (ToParty::Peers { addresses, certificates }, _) = launcher.next()? else {
        return Err(out_of_turn());
    };
    let trust = Trust::from_der(certificates)?;
    let connected = connect(bound, identity, trust, addresses, agreement, protocol)?;
    launcher.tell(&FromParty::Connected, &[]);
    match launcher.next()? {
        (ToParty::Start, _) => Ok(connected),
        _ => Err(out_of_turn()),
    }
}

/// The launcher, as its parties see it.
struct Launcher {
    output: Mutex<BufWriter<Stdout>>,
    orders: Mutex<Receiver<(ToParty, Vec<u64>)>>,
}

impl Launcher {
    /// Starts to listen. A launcher that is gone takes the whole process with it, whatever it is
    /// doing.
    fn listen() -> Launcher {
        let (sender, orders) = channel();
        std::thread::spawn(move || {
            let mut input = BufReader::new(stdin());
            while let Ok(Some(order)) = control::read(&mut input) {
                if sender.send(order).is_err() {
                    return;
                }
            }
            std::process::exit(1);
        });
        Launcher { output: Mutex::new(BufWriter::new(stdout())), orders: Mutex::new(orders) }
    }

    fn next(&self) -> Result<(ToParty, Vec<u64>)> {
        let orders = self.orders.lock().expect("no panic while locked");
        orders.recv().map_err(|_| Error::Run("the launcher is gone".into()))
    }

    fn tell(&self, message: &FromParty, words: &[u64]) {
        let mut output = self.output.lock().expect("no panic while locked");
        if let Err(error) = control::write(&mut *output, message, words) {
            tracing::debug!("the launcher does not listen: {error}");
        }
    }
}

fn out_of_turn() -> Error {
    Error::Run("the launcher said something else than was due".into())
}
