//! The parties as processes of this machine.

use std::{
    io::{BufRead, BufReader, BufWriter},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::Sender,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use protocols::Role;
use serde::Serialize;
use tracing::level_filters::LevelFilter;

use super::control::{self, FromParty, ToParty};
use crate::error::{Error, Result};

/// How long a process may take to end after it closed its output.
const ENDING: Duration = Duration::from_millis(500);

/// An event at a party's output.
pub(super) enum Event {
    /// It said something.
    Said(FromParty, Vec<u64>),
    /// It closed its output.
    Gone,
}

/// The processes; dropping them ends them.
pub(super) struct Parties {
    /// In the order of their start.
    pub parties: Vec<Party>,
}

impl Parties {
    /// Tells all of them something.
    pub(super) fn tell(&mut self, message: &ToParty) {
        self.parties.iter_mut().for_each(|party| party.tell(message, &[]));
    }

    /// Ends the processes, and the threads that listen to them.
    pub(super) fn end(&mut self) {
        for party in &mut self.parties {
            // One that has ended by itself cannot be killed, and need not.
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

/// A party's process.
pub(super) struct Party {
    /// The party.
    pub role: Role,
    child: Child,
    input: BufWriter<ChildStdin>,
    threads: Vec<JoinHandle<()>>,
}

impl Party {
    /// Starts a party; what it says becomes events.
    pub(super) fn start(
        role: Role,
        events: &Sender<(Role, Event)>,
        progress: &ProgressBar,
    ) -> Result<Party> {
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
    pub(super) fn tell(&mut self, message: &impl Serialize, words: &[u64]) {
        if let Err(error) = control::write(&mut self.input, message, words) {
            tracing::debug!("process {} does not listen: {error}", self.child.id());
        }
    }

    /// How a party whose output closed came to its end.
    pub(super) fn how_it_ended(&mut self) -> String {
        let patience = Instant::now() + ENDING;
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
