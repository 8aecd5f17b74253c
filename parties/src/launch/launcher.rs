//! The launcher: starts the parties as processes of this machine, introduces them to each
//! other, and ends all of them as soon as one ends badly.
//!
//! The parties are processes of the same executable. Each binds a free port and makes an identity
//! of its own; the launcher passes on addresses and certificates. A signal to the foreground group
//! (Ctrl-C) ends all four processes; a party whose launcher is gone sees its standard input close.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc::{self, Receiver},
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};
use protocols::Role;

use super::{
    control::{FromParty, Job, ToParty},
    faults::Faults,
    process::{Event, Parties, Party},
};
use crate::{error::Result, link::Identity, party::Record};

/// The results of launched parties.
#[derive(Clone, Debug)]
pub(crate) struct Launched {
    /// The record of each party, by role.
    pub records: Vec<Record>,
    /// The words of each role: see [`FromParty::Done`].
    pub words: [Vec<u64>; 3],
    /// From the message to start, when all connections stood, to the last party's end of the
    /// protocol.
    pub seconds: f64,
}

/// Runs the parties that take part, each with its job and the words that belong to it. `layers`
/// names the layers for the progress bar, which shows on a terminal only.
///
/// # Errors
/// [`Run`](crate::error::Error::Run) naming the party at fault; the others have ended by then.
pub(crate) fn launch(jobs: Vec<(Role, Job, Vec<u64>)>, layers: &[String]) -> Result<Launched> {
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
    let mut run = LaunchedRun::new(parties, progress, layers);
    let result = run.conduct(&inbox);
    run.progress.finish_and_clear();
    run.parties.end();
    result
}

/// A run under way.
struct LaunchedRun<'l> {
    parties: Parties,
    progress: ProgressBar,
    layers: &'l [String],
    faults: Faults,
    taking_part: Vec<Role>,
    /// The address and certificate of each party, by role.
    introductions: [Option<(SocketAddr, Vec<u8>)>; 3],
    done: [Option<(Record, Vec<u64>)>; 3],
    connected: usize,
    ended: usize,
    started: Instant,
    seconds: f64,
}

impl<'l> LaunchedRun<'l> {
    fn new(parties: Parties, progress: ProgressBar, layers: &'l [String]) -> LaunchedRun<'l> {
        let taking_part: Vec<Role> = parties.parties.iter().map(|party| party.role).collect();
        let introductions = Role::ALL.map(|role| {
            let absent = !taking_part.contains(&role);
            // Nobody has the key of it, nor does anybody connect there.
            let nobody = || Identity::generate(role).certificate().to_vec();
            absent.then(|| (SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), nobody()))
        });
        LaunchedRun {
            parties,
            progress,
            layers,
            faults: Faults::default(),
            taking_part,
            introductions,
            done: Default::default(),
            connected: 0,
            ended: 0,
            started: Instant::now(),
            seconds: 0.0,
        }
    }

    fn conduct(&mut self, inbox: &Receiver<(Role, Event)>) -> Result<Launched> {
        loop {
            let Some((role, event)) = self.faults.next(inbox) else {
                return Err(std::mem::take(&mut self.faults).into_error());
            };
            match event {
                Event::Said(message, words) => {
                    if let Some(launched) = self.hear(role, message, words) {
                        return Ok(launched);
                    }
                }
                Event::Gone => {
                    // One that told why it ends has nothing more to tell.
                    let told = self.done[role.index()].is_some() || self.faults.told[role.index()];
                    if !told {
                        self.note_end(role);
                    }
                }
            }
        }
    }

    /// Acts on a party's message; returns the results when all are there.
    fn hear(&mut self, role: Role, message: FromParty, words: Vec<u64>) -> Option<Launched> {
        match message {
            FromParty::Listening { address, certificate } => {
                self.introductions[role.index()] = Some((address, certificate));
                if let [Some(a), Some(b), Some(c)] = &self.introductions {
                    let addresses = [a.0, b.0, c.0];
                    let certificates = [&a.1, &b.1, &c.1].map(Clone::clone);
                    self.parties.tell(&ToParty::Peers { addresses, certificates });
                }
            }
            FromParty::Connected => {
                self.connected += 1;
                if self.connected == self.taking_part.len() {
                    let count = if self.connected == 3 { "three" } else { "two" };
                    tracing::debug!("all {count} parties are connected");
                    self.started = Instant::now();
                    self.parties.tell(&ToParty::Start);
                }
            }
            FromParty::Layers(count) => {
                if role == Role::DataOwner {
                    self.progress.set_position(count as u64);
                    self.progress.set_message(self.layers.get(count).cloned().unwrap_or_default());
                }
            }
            FromParty::Ended => {
                self.ended += 1;
                if self.ended == self.taking_part.len() {
                    self.seconds = self.started.elapsed().as_secs_f64();
                }
            }
            FromParty::Done(record) => {
                self.done[role.index()] = Some((*record, words));
                if self.done.iter().flatten().count() == self.taking_part.len() {
                    return Some(self.take_results());
                }
            }
            FromParty::Failed { message, lost, exit_code } => {
                self.faults.note(lost.is_none(), format!("{role}: {message}"), exit_code);
                self.faults.told[role.index()] = true;
            }
        }
        None
    }

    fn take_results(&mut self) -> Launched {
        let mut records = Vec::with_capacity(self.taking_part.len());
        let words = std::mem::take(&mut self.done).map(|done| {
            done.map_or(Vec::new(), |(record, words)| {
                records.push(record);
                words
            })
        });
        Launched { records, words, seconds: self.seconds }
    }

    /// Notes that a party ended without a word.
    fn note_end(&mut self, role: Role) {
        let mut gone = self.parties.parties.iter_mut().filter(|party| party.role == role);
        let how = gone.next().map_or("ended".into(), Party::how_it_ended);
        let others = match self.taking_part.len() {
            3 => "the two others were",
            _ => "the other was",
        };
        self.faults.note(true, format!("the {role} {how}; {others} stopped"), 1);
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
