//! The launcher: starts the parties as processes of this machine, introduces them to each
//! other, and ends all of them as soon as one ends badly.
//!
//! The parties are processes of the same executable. Each binds a free port and makes an identity
//! of its own; the launcher passes on addresses and certificates. A signal to the foreground group
//! (Ctrl-C) ends all four processes; a party whose launcher is gone sees its standard input close.

use std::{
    io::{BufRead, BufReader, BufWriter},
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use protocols::Role;
use serde::Serialize;
use tracing::level_filters::LevelFilter;

use crate::{
    error::{Error, Result},
    launch::control::{self, FromParty, Job, ToParty},
    link::tls::Identity,
    party::run::Record,
};

/// How long the launcher waits, after one party said that another is gone, for that one's own
/// word.
const GRACE: Duration = Duration::from_millis(500);

/// What launched parties brought back.
#[derive(Clone, Debug)]
pub struct Launched {
    /// What each saw, by role.
    pub records: Vec<Record>,
    /// The words of each role: see [`FromParty::Done`].
    pub words: [Vec<u64>; 3],
    /// From the word to start, when all connections stood, to the last party's end of the
    /// protocol.
    pub seconds: f64,
}

/// Runs the parties that take part, each with its job and the words that belong to it. `layers` names the
/// layers for the progress bar, which shows on a terminal only.
///
/// # Errors
/// [`Error::Run`] naming the party at fault; the others have ended by then.
pub fn launch(jobs: Vec<(Role, Job, Vec<u64>)>, layers: &[String]) -> Result<Launched> {
    let progress = progress_bar(layers.len());
    let (events, inbox) = mpsc::channel();
    let mut parties = Parties { parties: Vec::with_capacity(3) };
    for (role, ..) in &jobs {
        parties.parties.push(Party::start(*role, &events, &progress)?);
    }
    drop(events);
    for (party, (_, job, words)) in parties.parties.iter_mut().zip(jobs) {
        party.tell(&ToParty::Job(job), &words);
    }
    let result = conduct(&mut parties, &inbox, &progress, layers);
    progress.finish_and_clear();
    parties.end();
    result
}

fn conduct(
    parties: &mut Parties,
    inbox: &Receiver<(Role, Event)>,
    progress: &ProgressBar,
    layers: &[String],
) -> Result<Launched> {
    let mut faults = Faults::default();
    let taking_part: Vec<Role> = parties.parties.iter().map(|party| party.role).collect();
    let mut introductions = Role::ALL.map(|role| {
        let absent = !taking_part.contains(&role);
        // Nobody has the key of it, nor anybody connects there.
        let nobody = || Identity::generate(role).certificate().to_vec();
        absent.then(|| (SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), nobody()))
    });
    let mut done: [Option<(Record, Vec<u64>)>; 3] = Default::default();
    let (mut connected, mut ended) = (0, 0);
    let mut started = Instant::now();
    let mut seconds = 0.0;
    loop {
        let Some((role, event)) = faults.next(inbox) else {
            return Err(faults.into_error());
        };
        match event {
            Event::Said(FromParty::Listening { address, certificate }, _) => {
                introductions[role.index()] = Some((address, certificate));
                if let [Some(a), Some(b), Some(c)] = &introductions {
                    let addresses = [a.0, b.0, c.0];
                    let certificates = [&a.1, &b.1, &c.1].map(Clone::clone);
                    parties.tell(&ToParty::Peers { addresses, certificates });
                }
            }
            Event::Said(FromParty::Connected, _) => {
                connected += 1;
                if connected == taking_part.len() {
                    let count = if connected == 3 { "three" } else { "two" };
                    tracing::debug!("all {count} parties are connected");
                    started = Instant::now();
                    parties.tell(&ToParty::Start);
                }
            }
            Event::Said(FromParty::Layers(count), _) => {
                if role == Role::DataOwner {
                    progress.set_position(count as u64);
                    progress.set_message(layers.get(count).cloned().unwrap_or_default());
                }
            }
            Event::Said(FromParty::Ended, _) => {
                ended += 1;
                if ended == taking_part.len() {
                    seconds = started.elapsed().as_secs_f64();
                }
            }
            Event::Said(FromParty::Done(record), words) => {
                done[role.index()] = Some((*record, words));
                if done.iter().flatten().count() == taking_part.len() {
                    let mut records = Vec::with_capacity(taking_part.len());
                    let words = done.map(|done| {
                        done.map_or(Vec::new(), |(record, words)| {
                            records.push(record);
                            words
                        })
                    });
                    return Ok(Launched { records, words, seconds });
                }
            }
            Event::Said(FromParty::Failed { message, lost, exit_code }, _) => {
                faults.note(lost.is_none(), format!("{role}: {message}"), exit_code);
                faults.told[role.index()] = true;
            }
            // One that told why it ends has nothing more to tell.
            Event::Gone if done[role.index()].is_none() && !faults.told[role.index()] => {
                let mut gone = parties.parties.iter_mut().filter(|party| party.role == role);
                let how = gone.next().map_or("ended".into(), Party::how_it_ended);
                let others = match taking_part.len() {
                    3 => "the two others were",
                    _ => "the other was",
                };
                faults.note(true, format!("the {role} {how}; {others} stopped"), 1);
            }
            Event::Gone => {}
        }
    }
}

/// What the parties complained of so far. One that says another is gone may only be a witness.
#[derive(Default)]
struct Faults {
    first: Option<(String, u8)>,
    certain: bool,
    deadline: Option<Instant>,
    /// Which parties said why they end.
    told: [bool; 3],
}

impl Faults {
    /// The next event, or none if no more is needed to name who is at fault.
    fn next(&self, inbox: &Receiver<(Role, Event)>) -> Option<(Role, Event)> {
        if self.certain {
            return None;
        }
        match self.deadline {
            None => inbox.recv().ok(),
            Some(deadline) => {
                inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
            }
        }
    }

    fn note(&mut self, certain: bool, message: String, exit_code: u8) {
        if certain || self.first.is_none() {
            self.first = Some((message, exit_code));
        }
        self.certain |= certain;
        self.deadline.get_or_insert(Instant::now() + GRACE);
    }

    fn into_error(self) -> Error {
        match self.first {
            Some((message, 2)) => Error::Usage(message),
            Some((message, _)) => Error::Run(message),
            None => Error::Run("all parties ended without a word".into()),
        }
    }
}

enum Event {
    Said(FromParty, Vec<u64>),
    Gone,
}

/// The processes; dropping them ends them.
struct Parties {
    parties: Vec<Party>,
}

impl Parties {
    fn tell(&mut self, message: &ToParty) {
        self.parties.iter_mut().for_each(|party| party.tell(message, &[]));
    }

    fn end(&mut self) {
        for party in &mut self.parties {
            // One that has ended by itself is not there to be killed: all is well.
            let _ = party.child.kill();
            let _ = party.child.wait();
        }
        for party in &mut self.parties {
            party.threads.drain(..).for_each(|thread| {
                let _ = thread.join();
            });
        }
    }
}

impl Drop for Parties {
    fn drop(&mut self) {
        self.end();
    }
}

struct Party {
    role: Role,
    child: Child,
    input: BufWriter<ChildStdin>,
    threads: Vec<JoinHandle<()>>,
}

impl Party {
    fn start(role: Role, events: &Sender<(Role, Event)>, progress: &ProgressBar) -> Result<Party> {
        let failed = |error| Error::Run(format!("cannot start the {role}: {error}"));
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .args(["party", role.name(), "--launched", "--log"])
            .arg(LevelFilter::current().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        tracing::debug!("{role} is process {}", child.id());
        let input = BufWriter::new(child.stdin.take().expect("standard input is piped"));
        let mut output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let errors = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let events = events.clone();
        let listen = std::thread::spawn(move || {
            while let Ok(Some((message, words))) = control::read(&mut output) {
                // The launcher that no longer listens is ending the parties.
                let _ = events.send((role, Event::Said(message, words)));
            }
            let _ = events.send((role, Event::Gone));
        });
        let progress = progress.clone();
        let relay = std::thread::spawn(move || {
            for line in errors.lines().map_while(std::result::Result::ok) {
                progress.suspend(|| eprintln!("{role}: {line}"));
            }
        });
        Ok(Party { role, child, input, threads: vec![listen, relay] })
    }

    /// Tells it something; if it is gone, its closed output says so.
    fn tell(&mut self, message: &impl Serialize, words: &[u64]) {
        if let Err(error) = control::write(&mut self.input, message, words) {
            tracing::debug!("process {} does not listen: {error}", self.child.id());
        }
    }

    /// How a party whose output closed came to its end.
    fn how_it_ended(&mut self) -> String {
        let patience = Instant::now() + GRACE;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    return match (status.signal(), status.code()) {
                        (Some(signal), _) => format!("was killed by signal {signal}"),
                        (None, Some(code)) => format!("ended early with exit code {code}"),
                        (None, None) => "ended early".into(),
                    };
                }
                Ok(None) if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                _ => return "closed its output".into(),
            }
        }
    }
}

fn progress_bar(layers: usize) -> ProgressBar {
    if layers == 0 {
        return ProgressBar::hidden();
    }
    let template = "{bar:40} {pos}/{len} layers, {elapsed}  {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    ProgressBar::new(layers as u64).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_gives_way_to_the_culprit() {
        let (sender, inbox) = mpsc::channel();
        let mut faults = Faults::default();
        faults.note(false, "data-owner: model-owner went away".into(), 1);
        sender.send((Role::ModelOwner, Event::Gone)).unwrap();
        assert!(faults.next(&inbox).is_some());
        faults.note(true, "the model-owner was killed by signal 9".into(), 1);
        assert!(faults.next(&inbox).is_none());
        let error = faults.into_error();
        assert_eq!(error.to_string(), "the model-owner was killed by signal 9");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_witness_alone_is_believed_after_a_while() {
        let (_sender, inbox) = mpsc::channel();
        let mut faults = Faults::default();
        faults.note(false, "data-owner: model-owner went away".into(), 1);
        faults.note(false, "crypto-producer: model-owner went away".into(), 1);
        assert!(faults.next(&inbox).is_none());
        assert_eq!(faults.into_error().to_string(), "data-owner: model-owner went away");
    }

    #[test]
    fn a_local_file_error_keeps_its_exit_code() {
        let mut faults = Faults::default();
        faults.note(true, "data-owner: x: cannot be read".into(), 2);
        assert_eq!(faults.into_error().exit_code(), 2);
    }
}
