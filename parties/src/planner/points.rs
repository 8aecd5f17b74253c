//! The files that a search leaves: the Pareto front as CSV, JSON and a picture, and a folder for
//! each of its points with everything that `tercet run` needs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nets::ActivationPlan;
use serde::Serialize;
use toml::{Table, Value};

use super::{
    picture::picture,
    results::{Failure, Found, Results},
};
use crate::{
    config::{Config, file_keys},
    error::{Error, Result},
};

/// A point of the Pareto front.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Point {
    /// Its number, and the name of its folder.
    pub point: String,
    /// Its online bytes as a share of those of the original network.
    pub online_share: f64,
    /// The plan and what is known of it.
    #[serde(flatten)]
    pub found: Found,
}

#[derive(Serialize)]
struct Front<'a> {
    network: &'a str,
    suite: &'a str,
    floor: f64,
    points: &'a [Point],
    plans_tried: usize,
    failures: &'a [Failure],
}

/// Writes the points of these places, from the dearest to the cheapest.
///
/// # Errors
/// [`Error::Run`] if something cannot be written.
pub(crate) fn write(
    results: &Results,
    places: &[usize],
    own_bytes: u64,
    floor: f64,
    config: &Config,
    suite: &str,
) -> Result<Vec<Point>> {
    let directory = &results.directory;
    remove_points(directory)?;
    let mut points = Vec::new();
    for (number, &place) in (1..).zip(places) {
        let found = results.found[place].clone();
        let name = format!("{number:02}");
        let online_share = found.cost.online_bytes as f64 / own_bytes.max(1) as f64;
        let point = Point { point: name, online_share, found };
        write_point(directory, &point, config, suite)?;
        points.push(point);
    }
    let name = &config.network.net;
    let front = Front {
        network: name,
        suite,
        floor,
        points: &points,
        plans_tried: results.found.len(),
        failures: &results.failures,
    };
    let json = serde_json::to_string_pretty(&front).expect("fronts have no odd keys") + "\n";
    write_file(&directory.join("front.json"), json.as_bytes())?;
    write_file(&directory.join("front.csv"), csv(&points).as_bytes())?;
    let title = format!("{name}, {suite}: {} of {} plans", points.len(), results.found.len());
    write_file(&directory.join("front.svg"), picture(&title, &results.found, places).as_bytes())?;
    Ok(points)
}

/// The folder of a point: the plan, a config that takes it, and its weights.
fn write_point(directory: &Path, point: &Point, config: &Config, suite: &str) -> Result<()> {
    let folder = directory.join(&point.point);
    fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
    let plan = toml::to_string(&point.found.plan).expect("plans are TOML");
    write_file(&folder.join(PLAN), plan.as_bytes())?;
    let weights = point.found.weights.as_ref().map(|weights| directory.join(weights));
    if let Some(weights) = &weights {
        let to = folder.join(WEIGHTS);
        fs::copy(weights, &to).map_err(|error| unwritable(&to, &error))?;
    }
    let text = point_config(config, &point.found.plan, weights.is_some(), suite)?;
    write_file(&folder.join("config.toml"), text.as_bytes())
}

/// The search's config with a point's plan and weights; its other files are named by absolute
/// paths.
fn point_config(
    config: &Config,
    plan: &ActivationPlan,
    has_weights: bool,
    suite: &str,
) -> Result<String> {
    let file = &config.file;
    let text = fs::read_to_string(file).map_err(|error| Error::file(file, error))?;
    let mut root: Table = toml::from_str(&text).map_err(|error| Error::file(file, error))?;
    let base = file.parent().unwrap_or(Path::new("."));
    for (table, key) in file_keys() {
        let value = root.get_mut(table).and_then(|table| table.get_mut(key));
        value.into_iter().try_for_each(|value| make_absolute(value, base))?;
    }
    let mut set = |table: &str, key: &str, value: Option<&str>| {
        let table = root.entry(table).or_insert_with(|| Value::Table(Table::new()));
        let table = table.as_table_mut().expect("the config was read");
        match value {
            Some(value) => table.insert(key.into(), Value::String(value.into())),
            None => table.remove(key),
        }
    };
    set("protocol", "suite", Some(suite));
    // Bounds are those of the original network.
    set("protocol", "bounds", None);
    set("network", "plan", (*plan != ActivationPlan::default()).then_some(PLAN));
    if has_weights {
        set("model-owner", "weights", Some(WEIGHTS));
        if config.network.file.is_some() {
            // An ONNX file has other weights.
            set("network", "onnx", None);
            set("network", "graph", Some(&format!("../{GRAPH}")));
        }
    }
    let head = "# A point of `tercet plan`: its plan and its weights are beside it.\n";
    Ok(format!("{head}{}", toml::to_string(&root).expect("it was TOML")))
}

/// The architecture of a network from a file, in the search's directory.
pub(crate) const GRAPH: &str = "graph.json";

const PLAN: &str = "plan.toml";
const WEIGHTS: &str = "weights.safetensors";

fn make_absolute(value: &mut Value, base: &Path) -> Result<()> {
    match value {
        Value::String(path) => {
            let whole = std::path::absolute(base.join(&*path))
                .map_err(|error| Error::file(Path::new(path), error))?;
            *path = whole.to_string_lossy().into_owned();
            Ok(())
        }
        Value::Array(paths) => paths.iter_mut().try_for_each(|path| make_absolute(path, base)),
        _ => Ok(()),
    }
}

/// Folders of points of an earlier front.
fn remove_points(directory: &Path) -> Result<()> {
    let entries = fs::read_dir(directory).map_err(|error| unwritable(directory, &error))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.bytes().all(|byte| byte.is_ascii_digit()) && path.join(PLAN).is_file() {
            fs::remove_dir_all(&path).map_err(|error| unwritable(&path, &error))?;
        }
    }
    Ok(())
}

fn csv(points: &[Point]) -> String {
    let mut text =
        "point,accuracy,held_out,online_bytes,online_share,offline_bytes,setup_bytes,rounds,\
                    critical_path,online_seconds,epochs,config\n"
            .to_owned();
    let known = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for Point { point, online_share, found } in points {
        let cost = &found.cost;
        text += &format!(
            "{point},{},{},{},{online_share:.4},{},{},{},{},{},{},{point}/config.toml\n",
            known(found.accuracy),
            known(found.held_out),
            cost.online_bytes,
            cost.offline_bytes,
            cost.setup_bytes,
            cost.rounds,
            cost.critical_path,
            known(cost.online_seconds),
            known(found.epochs),
        );
    }
    text
}

/// Writes a file.
///
/// # Errors
/// [`Error::Run`].
pub(crate) fn write_file(path: &PathBuf, content: &[u8]) -> Result<()> {
    fs::write(path, content).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::Run(format!("{}: {error}", path.display()))
}
