//! The results of a search, in a file that only grows: an interrupted search goes on with it.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use nets::{ActivationPlan, plans};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pricing::PlanCost;
use crate::error::{Error, Result};

/// The file in the search's directory.
const FILE: &str = "results.jsonl";

/// Where the weights of results are.
const WEIGHTS: &str = "weights";

/// The settings that two searches must share for one to go on with the results of the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The network's hash.
    pub network: String,
    /// The hash of its weights.
    pub weights: String,
    /// The suite.
    pub suite: String,
}

/// A plan with its cost and accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// The plan.
    pub plan: ActivationPlan,
    /// Its cost.
    pub cost: PlanCost,
    /// The share of right answers on the images that steer the search; unknown without a trainer.
    pub accuracy: Option<f64>,
    /// The same on held-out images, by which nothing was chosen.
    #[serde(default)]
    pub held_out: Option<f64>,
    /// How long it was trained, in passes over the data.
    #[serde(default)]
    pub epochs: Option<f64>,
    /// Its weights, in the search's directory; gone where another plan is cheaper and as accurate.
    #[serde(default)]
    pub weights: Option<String>,
}

/// A plan that could not be trained, or a message of the trainer that makes no sense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The plan, as the trainer gave it.
    #[serde(default)]
    pub plan: Value,
    /// Why.
    pub reason: String,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Entry {
    Settings(Settings),
    Result(Found),
    Failure(Failure),
}

/// All results of a search.
#[derive(Debug)]
pub(crate) struct Results {
    /// The search's directory.
    pub directory: PathBuf,
    /// Plans, in the order in which they were found.
    pub found: Vec<Found>,
    /// Plans that failed.
    pub failures: Vec<Failure>,
    file: File,
}

impl Results {
    /// Opens the results in a directory, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::File`] if the directory has other results, or none but is not empty.
    pub(crate) fn open(directory: &Path, settings: &Settings) -> Result<Results> {
        let path = directory.join(FILE);
        let unusable = |error| Error::file(&path, format!("cannot be used: {error}"));
        fs::create_dir_all(directory.join(WEIGHTS)).map_err(unusable)?;
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(unusable)?;
        if file.try_lock().is_err() {
            let what = "another search is writing it: wait for its end, or give another --out";
            return Err(Error::file(&path, what));
        }
        let text = fs::read_to_string(&path).map_err(unusable)?;
        // What was being written when it stopped is no whole line.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(unusable)?;
        let directory = directory.to_owned();
        let mut results = Results { directory, found: Vec::new(), failures: Vec::new(), file };
        for (number, line) in (1..).zip(text[..whole].lines()) {
            let entry = serde_json::from_str(line).map_err(|error| {
                Error::file(&path, format!("line {number} is none of `tercet plan`'s: {error}"))
            })?;
            match entry {
                Entry::Settings(own) if own != *settings => {
                    let what = "has the results for another network, other weights or another \
                                suite; give another --out, or remove it";
                    return Err(Error::file(&path, what));
                }
                Entry::Settings(_) => {}
                Entry::Result(found) => results.found.push(found),
                Entry::Failure(failure) => results.failures.push(failure),
            }
        }
        if text[..whole].is_empty() {
            results.append(&Entry::Settings(settings.clone()))?;
        }
        let there = |weights: &String| results.directory.join(weights).is_file();
        results
            .found
            .iter_mut()
            .for_each(|found| found.weights = found.weights.take().filter(there));
        Ok(results)
    }

    /// Adds a plan, taking the file of its weights, and drops weights that are off the Pareto
    /// front.
    ///
    /// # Errors
    /// [`Error::Run`] if the directory cannot be written.
    pub(crate) fn add(&mut self, mut found: Found, weights: Option<&Path>) -> Result<()> {
        if let Some(weights) = weights {
            let name = format!("{WEIGHTS}/{:05}.safetensors", self.found.len());
            let to = self.directory.join(&name);
            fs::rename(weights, &to)
                .or_else(|_| fs::copy(weights, &to).and_then(|_| fs::remove_file(weights)))
                .map_err(|error| Error::Run(format!("{}: {error}", to.display())))?;
            found.weights = Some(name);
        }
        self.append(&Entry::Result(found.clone()))?;
        self.found.push(found);
        let front = self.front(0.0);
        for (place, found) in self.found.iter_mut().enumerate() {
            let wanted = front.contains(&place) || found.plan == ActivationPlan::default();
            if let Some(weights) = found.weights.take_if(|_| !wanted) {
                // It only takes up space.
                let _ = fs::remove_file(self.directory.join(weights));
            }
        }
        Ok(())
    }

    /// Adds a failure.
    ///
    /// # Errors
    /// As [`Results::add`].
    pub(crate) fn fail(&mut self, failure: Failure) -> Result<()> {
        self.append(&Entry::Failure(failure.clone()))?;
        self.failures.push(failure);
        Ok(())
    }

    /// The Pareto front of the plans with this accuracy at least: their places, from the dearest to
    /// the cheapest.
    pub(crate) fn front(&self, floor: f64) -> Vec<usize> {
        let reach = |found: &Found| found.accuracy.is_some_and(|accuracy| accuracy >= floor);
        let places: Vec<usize> =
            (0..self.found.len()).filter(|&place| reach(&self.found[place])).collect();
        let points: Vec<(f64, f64)> = places
            .iter()
            .map(|&place| (self.found[place].cost.cost, self.found[place].accuracy.unwrap_or(0.0)))
            .collect();
        plans::pareto_front(&points).into_iter().map(|point| places[point]).collect()
    }

    /// The place of the original network, if its accuracy was measured.
    pub(crate) fn original(&self) -> Option<usize> {
        self.found.iter().position(|found| found.plan == ActivationPlan::default())
    }

    fn append(&mut self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_string(entry).expect("entries have no odd keys");
        line.push('\n');
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.flush());
        let path = self.directory.join(FILE);
        written.map_err(|error| Error::Run(format!("{}: {error}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { network: "n".into(), weights: "w".into(), suite: "securenn".into() }
    }

    fn found(cost: u64, accuracy: f64) -> Found {
        let cost = PlanCost {
            cost: cost as f64,
            online_bytes: cost,
            offline_bytes: 0,
            setup_bytes: 0,
            rounds: 1,
            critical_path: 1,
            online_seconds: None,
        };
        let plan = format!(r#"{{"activations": {{"a": {{"none": "{}"}}}}}}"#, cost.online_bytes);
        let plan = serde_json::from_str(&plan).unwrap();
        let accuracy = Some(accuracy);
        Found { plan, cost, accuracy, held_out: None, epochs: None, weights: None }
    }

    #[test]
    fn results_outlive_an_interruption() {
        let directory = tempfile::tempdir().unwrap();
        let mut results = Results::open(directory.path(), &settings()).unwrap();
        results.add(found(10, 0.9), None).unwrap();
        results.fail(Failure { plan: Value::Null, reason: "why not".into() }).unwrap();
        results.add(found(5, 0.8), None).unwrap();
        let expected = results.found.clone();
        drop(results);
        let path = directory.path().join(FILE);
        let mut text = fs::read_to_string(&path).unwrap();
        text += "{\"result\": {\"pl";
        fs::write(&path, text).unwrap();
        let mut results = Results::open(directory.path(), &settings()).unwrap();
        assert_eq!((results.found.clone(), results.failures.len()), (expected, 1));
        results.add(found(1, 0.1), None).unwrap();
        let busy = Results::open(directory.path(), &settings()).unwrap_err().to_string();
        assert!(busy.contains("another search is writing it"), "{busy}");
        drop(results);
        let again = Results::open(directory.path(), &settings()).unwrap();
        assert_eq!(again.found.len(), 3);
        drop(again);
        let other = Settings { weights: "x".into(), ..settings() };
        let error = Results::open(directory.path(), &other).unwrap_err().to_string();
        assert!(error.contains("another --out"), "{error}");
    }

    #[test]
    fn weights_that_are_beaten_go() {
        let directory = tempfile::tempdir().unwrap();
        let mut results = Results::open(directory.path(), &settings()).unwrap();
        let weights = directory.path().join("given");
        for (cost, accuracy) in [(10, 0.9), (5, 0.8), (5, 0.85), (20, 0.2)] {
            fs::write(&weights, "w").unwrap();
            results.add(found(cost, accuracy), Some(&weights)).unwrap();
        }
        let kept: Vec<bool> = results.found.iter().map(|found| found.weights.is_some()).collect();
        assert_eq!(kept, [true, false, true, false]);
        assert_eq!(fs::read_dir(directory.path().join(WEIGHTS)).unwrap().count(), 2);
        assert_eq!(results.front(0.0), [0, 2]);
        assert_eq!(results.front(0.88), [0]);
    }
}
