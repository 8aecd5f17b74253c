//! The program that searches and trains: a child process that exchanges lines of JSON with this one
//! over its stdin and stdout (`scripts/planner/README.md` lists them). Nothing that it says is
//! trusted before it is checked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use nets::{Graph, plans::Site};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// The first message: everything that a search needs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Start<'a> {
    /// The original network.
    pub graph: &'a Graph,
    /// The activations that may change.
    pub sites: &'a [Site],
    /// The max pools.
    pub pools: &'a [String],
    /// The network's weights, under the graph's names.
    pub weights: PathBuf,
    /// The data to train on.
    pub data: Data,
    /// The accuracy that plans should reach.
    pub floor: f64,
    /// `safenet` or `delphi`.
    pub score: &'static str,
    /// `pbt` or `tree`.
    pub search: &'static str,
    /// How many costs to search plans for.
    pub points: usize,
    /// How long, earlier searches in the same directory included.
    pub seconds: f64,
    /// The seed of random choices.
    pub seed: u64,
    /// The search's directory.
    pub out: PathBuf,
    /// How many plans to train side by side.
    pub workers: usize,
}

/// A data set.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Data {
    /// One that `scripts/train/data.py` knows.
    pub name: String,
    /// Its folder, where it needs one.
    pub path: Option<PathBuf>,
}

/// A message of the trainer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    /// It asks for the cost of these plans.
    Cost {
        /// The answer repeats it.
        id: u64,
        /// As in plan files.
        plans: Vec<Value>,
    },
    /// A plan was trained.
    Result {
        /// As in a plan file.
        plan: Value,
        /// From 0 to 1.
        accuracy: f64,
        /// From 0 to 1.
        #[serde(default)]
        held_out: Option<f64>,
        /// A safetensors file, for us to keep.
        weights: PathBuf,
        /// Passes over the data.
        #[serde(default)]
        epochs: Option<f64>,
    },
    /// A plan could not be trained.
    Failure {
        /// As in a plan file.
        #[serde(default)]
        plan: Value,
        /// Why.
        reason: String,
    },
    /// How far it is.
    Progress {
        /// The network in training.
        run: String,
        /// Until the end.
        seconds_left: f64,
    },
    /// The search is over.
    Done {},
}

/// The next event at a trainer's output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// A message.
    Said(Said),
    /// A line that is no message.
    Nonsense(String),
    /// Nothing more: it closed its output.
    Gone,
    /// Nothing before the time was over.
    Silent,
}

/// A running trainer; it is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Trainer {
    child: Child,
    input: ChildStdin,
    lines: Receiver<Vec<u8>>,
}

impl Trainer {
    /// Starts a trainer and tells it what to do.
    ///
    /// # Errors
    /// [`Error::Run`] if it cannot be started.
    pub(crate) fn start(mut command: Command, start: &Start<'_>) -> Result<Trainer> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy().into_owned();
            Error::Run(format!("the trainer '{program}' cannot be started: {error}"))
        })?;
        let input = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let (sender, lines) = sync_channel(16);
        // It ends with the child's output, or when nobody listens any more.
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            loop {
                let mut line = Vec::new();
                let read = (&mut output).take(LONGEST_LINE).read_until(b'\n', &mut line);
                if !read.is_ok_and(|bytes| bytes > 0) || sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut trainer = Trainer { child, input, lines };
        // One that ended at once is found gone when it is heard.
        let _ = trainer.say(&json!({ "start": start }));
        Ok(trainer)
    }

    /// The next event, before a time.
    pub(crate) fn next(&self, until: Instant) -> Next {
        let wait = until.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(wait) {
            Ok(line) => {
                let text = String::from_utf8_lossy(&line);
                match serde_json::from_slice(&line) {
                    Ok(said) => Next::Said(said),
                    Err(error) => {
                        let shown: String = text.trim().chars().take(SHOWN).collect();
                        Next::Nonsense(format!("`{shown}`: {error}"))
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => Next::Silent,
            Err(RecvTimeoutError::Disconnected) => Next::Gone,
        }
    }

    /// Answers a question for costs.
    ///
    /// # Errors
    /// [`Error::Run`] if it is gone.
    pub(crate) fn answer(&mut self, id: u64, costs: &[Value]) -> Result<()> {
        self.say(&json!({ "costs": { "id": id, "costs": costs } }))
    }

    /// Waits for its end; returns how it ended unless that was well.
    pub(crate) fn end(mut self) -> Option<String> {
        let until = Instant::now() + END;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return None,
                Ok(Some(status)) => return Some(status.to_string()),
                Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
                Ok(None) => return Some("did not end".into()),
                Err(error) => return Some(error.to_string()),
            }
        }
    }

    fn say(&mut self, message: &Value) -> Result<()> {
        let mut line = message.to_string();
        line.push('\n');
        let said = self.input.write_all(line.as_bytes()).and_then(|()| self.input.flush());
        said.map_err(|error| Error::Run(format!("the trainer does not listen: {error}")))
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plans of a question for costs are long, but not that long.
const LONGEST_LINE: u64 = 64 << 20;

/// The number of characters that are shown of a line that is no message.
const SHOWN: usize = 120;

/// How long a trainer may take to end that has said that it is done.
const END: Duration = Duration::from_secs(30);
